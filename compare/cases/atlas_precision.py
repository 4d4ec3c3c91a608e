"""The atlas: precision, compilers and devices."""

from __future__ import annotations

from compare.cases.atlas import AGREES, DIFFERS, Row, above, below, equal

_GPU = "a GPU that both frameworks see"

ROWS = [
    Row(
        "G45a",
        "TF32 and bfloat16 products keep 10 and 7 bits of their inputs: errors of 1e-4 and "
        "1e-3. torch's matmul does not use TF32 by default, its cuDNN convolutions do.",
        "precision.tf32_emulated",
        (
            DIFFERS,
            AGREES,
            above("error of TF32 inputs", 1e-5),
            below("error of TF32 inputs", 1e-3),
            above("error of bfloat16 inputs", 3e-4),
            equal("torch matmul may use TF32", False),
            equal("torch cuDNN may use TF32", True),
        ),
        "jax#10413, #12008, #14022, #24909; flax#3128, #963, #3614; transformers#15754",
    ),
    Row(
        "G45b",
        "On a recent GPU JAX's default float32 product runs in TF32, torch's does not.",
        "precision.tf32_on_a_gpu",
        (
            above("JAX default error", 1e-5),
            below("JAX highest error", 1e-5),
            below("torch error", 1e-5),
        ),
        "JAX, docs: precision; jax#10413",
        needs=_GPU,
    ),
    Row(
        "G46",
        "With x64 off JAX makes int64 int32 and float64 float32 without a word: 2**40 "
        "becomes 0.",
        "precision.x64_off",
        (
            DIFFERS,
            equal("int64 and float64 become", ["int32", "float32"]),
            equal("two to the 40 becomes", 0),
        ),
        "JAX, docs: default dtypes",
        quick=True,
    ),
    Row(
        "G47",
        "Compiled code rounds otherwise than operation by operation: XLA fuses, rewrites, and "
        "keeps bfloat16 wider.",
        "precision.compiled_or_not",
        (
            equal("eager log exp 100", float("inf")),
            equal("compiled log exp 100", 100.0),
            equal("any difference", True),
        ),
        "jax, FAQ; jax#23007, #38099, #38100, #22244; openxla/xla#41605",
    ),
    Row(
        "G48a",
        "On a CPU the same program gives the same bits each time.",
        "precision.run_to_run",
        (equal("JAX results", 1), equal("torch results", 1)),
        "jax#565, #4823, #13672",
    ),
    Row(
        "G48b",
        "On a GPU it need not: atomic additions come in any order.",
        "precision.run_to_run_on_a_gpu",
        (above("JAX results", 1),),
        "jax#565, #4823, #13672; flax#33; openxla/xla#37902; levanter#1069; jax#15976",
        needs=_GPU,
    ),
    Row(
        "G50",
        "A row's bits depend on how many rows are computed with it.",
        "precision.batch_size",
        (above("forms", 2), below("largest error", 1e-5)),
        "flax#1755; PyTorch, numerical accuracy",
    ),
]
