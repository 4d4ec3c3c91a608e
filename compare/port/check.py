"""A user's own pair by the same straight line as the shipped ones: givens, records, verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compare.explain import Explained
from compare.judge.agree import judge
from compare.judge.static import Setting, differing
from compare.judge.verdict import Verdict
from compare.port.compiled import compiled, compiler_of
from compare.port.models import Models, models
from compare.port.pair import pair
from compare.port.report import Report
from compare.run import hyperparameters, jax_side, torch_side
from compare.run.port import table, torch_model
from compare.run.port.errors import PortError, advised
from compare.run.port.jax_model import taken_apart
from compare.run.port.side import Ported
from compare.run.port.table import Row
from compare.run.record import PRECISIONS, Record

WEIGHTS = ("drawn", "torch", "as-is")

Records = dict[tuple[str, str], Record]


def check_port(
    torch: Any,
    jax: Any,
    inputs: Any,
    *,
    train: bool = False,
    dropout: bool = True,
    weights: str = "drawn",
    mapping: str | Path | Sequence[Row] | None = None,
    layout: Mapping[str, str] | str | None = None,
    outputs: Sequence[Any] | None = None,
    jax_inputs: Any = None,
    jax_options: Mapping[str, Any] | None = None,
    optimizers: tuple[Any, Any] | None = None,
    losses: tuple[Any, Any] | None = None,
    steps: int = 0,
    batches: Iterable[Any] | None = None,
    name: str = "port",
    seed: int = 0,
    seconds: float = 30.0,
) -> Report:
    """Whether `jax` computes what `torch` computes: verdict, place, cause, the line to change.

    torch        an nn.Module, Hugging Face's too; of one under torch.compile the module is
                 compared with `jax`, and what the compiler made of it with the module
    jax          an nnx.Module; (Linen module, variables); an Equinox module, or with its State;
                 or (function, parameters), the function being called with the parameters first
    inputs       torch's arguments: a tuple, a dict of named ones, one array, or a text such as
                 "float32[2,3,32,32], int64[2,16]<100"; arrays of NumPy, torch or JAX
    train        train mode; else evaluation
    dropout      in train mode: dropout keeps everything, over 1 - p, on both sides, so that its
                 places, rates and factors are compared; False sets it aside
    weights      "drawn": both sides are given the same drawn leaves, none of them the 0 or 1 of
                 an initialiser; "torch": torch's are carried over; "as-is": both sides keep
                 theirs, and so it is the user's own conversion that is judged
    mapping      the table of leaves, as a file or rows, where it should not be found
    layout       "NHWC" or "NCHW" for the JAX side, or by input; found by trying if not given
    outputs      names of outputs, or (torch's, JAX's) pairs, where not all are to be compared
    jax_inputs   how JAX is called: names of torch's inputs in its order, or by its argument
    jax_options  further arguments of the JAX model's call
    steps        how many steps to train in lockstep, with `optimizers`, `losses`, `batches`
    optimizers   (what makes torch's of the parameters, an optax transformation); torch's may be
                 (optimizer, scheduler), and clip gradients in a hook (register_step_pre_hook)
    losses       (torch's, JAX's) of what the model returns, and of a batch's targets if it has
                 any; else a drawn weighing of the outputs
    batches      a batch a step, as a loader gives them: (inputs, targets), inputs being like
                 `inputs` and targets a tree of arrays; or named inputs alone. Without them a
                 text of shapes is drawn anew each step, and arrays stay the same
    seconds      how long two causes at once are looked for, at each place

    Raises PortError where the two can't be compared, Undecided where leaves' partners can't be
    told.
    """
    if weights not in WEIGHTS:
        raise PortError("", f"weights must be one of {', '.join(WEIGHTS)}, got {weights!r}")
    if not steps and not (optimizers is losses is batches is None):
        raise PortError("", "optimizers, losses and batches are for training: say steps=")
    module = torch_model.taken(torch)
    model = taken_apart(jax, train, jax_options or {}, dropout)
    made = models(
        module, model, inputs, name=name, train=train, keeps=dropout, layout=layout,
        outputs=outputs, jax_inputs=jax_inputs, drawn=weights == "drawn", seed=seed,
    )  # fmt: skip
    given = table.load(mapping) if isinstance(mapping, str | Path) else mapping
    rows = pair(made, given)
    report = checked(made, rows, torch, weights == "as-is", seed, seconds)
    if steps:
        from compare.port.batches import a_batch_each
        from compare.port.training import trained

        handed, notes = a_batch_each(made, inputs, batches, steps, seed)
        report = dataclasses.replace(report, notes=[*report.notes, *notes])
        report = trained(report, made, rows, optimizers, losses, handed, seed)
    return report


def checked(
    made: Models, rows: Sequence[Row], original: Any, as_is: bool, seed: int, seconds: float
) -> Report:
    """The report on one call, forward and backward."""
    from compare.port import conversion

    made.given.built = {"torch": made.torch, "jax": Ported(made.jax, rows, as_is)}
    records = recorded(made, rows, seed)
    verdict = judge(made.case.name, records, may_be_flat=False)
    broken = [r for r in records.values() if r.error]
    if broken:
        raise PortError(broken[0].side, advised(broken[0].error))
    missing = [
        row
        for row in rows
        if row.torch and not row.jax and row.how.startswith("no partner: the JAX")
    ]
    notes = [*made.notes, *(f"{row.torch} has {row.how}" for row in missing)]
    notes += nonfinite(records)
    compiler = compiler_of(original)
    compiled_form = compiled(made, records, compiler, seed) if compiler else None
    settings = look(original, made, rows)
    wrong = conversion.faults(made, rows) if as_is else []
    report = Report(
        verdict, rows, settings, conversion=wrong, compiled=compiled_form, notes=notes
    )
    if wrong:
        # The function itself is judged with the leaves carried over as they should be.
        made.given.built["jax"] = Ported(made.jax, rows)
        made.given.cotangents = []
        records = recorded(made, rows, seed)
        verdict = judge(made.case.name, records, may_be_flat=False)
        words = "with the leaves carried over by the table the verdict is " + verdict.verdict
        report = dataclasses.replace(report, notes=[*notes, words])
    found, proven = explained(made, records, verdict, seconds)
    return dataclasses.replace(report, found=found, proven=proven)


def recorded(made: Models, rows: Sequence[Row], seed: int) -> Records:
    """The four records of a call."""
    case, given = made.case, made.given
    paired = {row.torch for row in rows if row.paired}
    alone = {
        f"buffer/{p}" for p, leaf in given.owners.items() if leaf.buffer and p not in paired
    }
    records: Records = {}
    for precision in PRECISIONS:
        record = torch_side.run(case, given, precision, seed)
        records["torch", precision] = record
        if precision == "float64" and not record.error:
            record.spread = torch_side.spread(case, given, record, seed)
        for held in (record.arrays, record.spread):
            for name in alone & held.keys():
                del held[name]
    for precision in PRECISIONS:
        records["jax", precision] = jax_side.run([case], [given], precision)[0]
    return records


def nonfinite(records: Records) -> list[str]:
    """Says where both sides agree on NaN, which proves little."""
    arrays = records["torch", "float64"].arrays
    some = [
        name for name, x in arrays.items() if x.dtype.kind == "f" and not np.isfinite(x).all()
    ]
    if not some:
        return []
    return [
        f"not finite in torch: {', '.join(some[:3])}; weights='torch' carries real weights over"
    ]


def look(original: Any, made: Models, rows: Sequence[Row]) -> list[Setting]:
    """Settings of paired modules that differ, after defaults: paths by torch's names."""
    original = getattr(original, "_orig_mod", original)
    ours = {p: hyperparameters.settings(m) for p, m in original.named_modules()}
    homes: dict[str, set[str]] = {}
    for row in rows:
        if row.paired:
            homes.setdefault(row.jax.rpartition(".")[0], set()).add(
                row.torch.rpartition(".")[0]
            )
    theirs = {}
    for path, module in made.jax.modules.items():
        mine = homes.get(path, set())
        name = next(iter(mine)) if len(mine) == 1 else f"JAX {path}"
        theirs[name] = hyperparameters.settings(module)
    return [
        one
        for one in differing(ours, theirs)
        if one.path in {p for m in homes.values() for p in m}
    ]


def explained(
    made: Models, records: Records, verdict: Verdict, seconds: float
) -> tuple[list[Explained], bool]:
    """Places and causes of a difference, and whether they explain all of it."""
    if verdict.verdict not in ("different", "less-careful", "leak"):
        return [], False
    from compare.port.follow import follow

    return follow(made, records, verdict, seconds)
