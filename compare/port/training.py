"""Training steps of a user's pair in lockstep, with their own optimizers, losses, batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from compare.judge.trajectory import judge_run
from compare.judge.verdict import Verdict
from compare.port import optimizers as settings_of
from compare.port.batches import Batch
from compare.port.makers import Make, mistakes
from compare.port.models import Models
from compare.port.moments import held
from compare.port.report import Report
from compare.port.trees import flat, found_moments, nested
from compare.run import target, torch_side
from compare.run.draw import Givens
from compare.run.jax_leaves import cast
from compare.run.jax_side import output_names, settings
from compare.run.port.errors import PortError
from compare.run.port.side import Ported
from compare.run.port.table import Row, returned
from compare.run.record import Record
from compare.run.start import one_ulp_off
from compare.run.state import channels_last, to_jax
from compare.run.torch_update import default_dtype

import jax  # isort: skip  # after torch: the other order can crash
import jax.numpy as jnp  # isort: skip


@dataclass(frozen=True)
class Run:
    """A training of the pair: its models, optimizers, losses, and a batch for each step."""

    made: Models
    rows: Sequence[Row]
    optimizer: Make
    transform: Any
    losses: tuple[Callable, Callable] | None
    batches: Sequence[Batch]
    seed: int

    def verdict(self) -> Verdict:
        """Every step judged in float64; in float32 the parting held against twins."""
        given = self.made.given
        twin = one_ulp_off(given, self.seed)
        runs: dict[str, Iterator[Record]] = {}
        for precision, words in (("float64", ["float64"]), ("float32", ["float32", "twin"])):
            for word in words:
                begun = twin if word == "twin" else given
                runs[f"torch {word}"] = self.torch(begun, precision, word == "twin")
                runs[f"jax {word}"] = self.jax(begun, precision, word == "twin")
        return judge_run(f"{self.made.case.name}, {len(self.batches)} steps", runs)

    # torch's side

    def torch(self, given: Givens, precision: str, twin: bool) -> Iterator[Record]:
        dtype = getattr(torch, precision)
        made = self.made
        with default_dtype(dtype):
            module = torch_side.filled(torch_side.made(made.case, given), given, dtype, "cpu")
            module.train(made.case.train)
            parameters = dict(module.named_parameters())
            optimizer = self.optimizer(parameters.values())
        paired = {row.torch for row in self.rows if row.paired}
        for batch in self.batches:
            with default_dtype(dtype):
                at = dataclasses.replace(given, inputs=batch.inputs)
                inputs = torch_side.inputs_of(made.case, at, dtype, "cpu")
                inputs = {k: x.detach() for k, x in inputs.items()}
                optimizer.zero_grad()
                result = torch_side.apply(module, inputs, {}, made.case)
                told = batch.told(lambda x: torch_side.tensor(x, dtype, "cpu"))
                loss = self.torch_loss(result, told, dtype)
                loss.backward()
                before = {k: torch_side.numpy(p) for k, p in parameters.items()}
                grads = {k: p.grad for k, p in parameters.items()}
                told = {"loss": torch_side.numpy(loss)}
                told |= {f"grad/{k}": np.zeros_like(before[k]) if g is None
                         else torch_side.numpy(g) for k, g in grads.items()}  # fmt: skip
                optimizer.step()
                told |= held(optimizer, parameters)
                after = {k: torch_side.numpy(p) for k, p in parameters.items()}
                told |= {f"update/{k}": after[k] - before[k] for k in after}
                buffers = torch_side.kept_buffers(module, given)
                told |= {
                    k: x for k, x in buffers.items() if k.removeprefix("buffer/") in paired
                }
            yield _record("torch", precision, told, after, twin)

    def torch_loss(self, result: Any, told: tuple, dtype: Any) -> torch.Tensor:
        if self.losses is not None:
            return self.losses[0](result, *told)
        outputs = target.outputs(self.made.case, result, "torch")
        cotangents = [torch.tensor(c).to(dtype) for c in self.made.given.cotangents]
        pairs = zip(outputs, cotangents, strict=True)
        return sum(((out * c).mean() for out, c in pairs), torch.zeros((), dtype=dtype))

    # JAX's side

    def jax(self, given: Givens, precision: str, twin: bool) -> Iterator[Record]:
        model, dtype = self.made.jax, jnp.dtype(precision)
        shapes = {path: leaf.shape for path, leaf in given.owners.items()}
        buffers = {path for path, leaf in given.owners.items() if leaf.buffer}
        ported: Ported = given.built["jax"]
        with settings(precision, "cpu"):
            own = {k: jnp.asarray(cast(np.asarray(x), dtype)) for k, x in model.leaves.items()}
            torch_leaves = {k: cast(x, dtype) for k, x in given.leaves.items()}
            leaves = own if ported.as_is else ported.leaves(torch_leaves, own)
            leaves = {k: jnp.asarray(x) for k, x in leaves.items()}
            state = self.transform.init(nested({k: leaves[k] for k in model.parameters}))
            step = jax.jit(self.step)
        for batch in self.batches:
            with settings(precision, "cpu"):
                laid = self.made.jax_inputs(batch.inputs)
                inputs = {k: cast(x, dtype) for k, x in laid.items()}
                told = batch.told(lambda x: jnp.asarray(cast(x, dtype)))
                before = leaves
                loss, grads, leaves, state = step(leaves, state, inputs, told)
                told_loss, told_grads, now, moments = jax.device_get(
                    (loss, grads, leaves, found_moments(state)))  # fmt: skip
            updates = {k: np.asarray(now[k]) - np.asarray(before[k]) for k in grads}
            told = {"loss": np.asarray(told_loss)}
            told |= _prefixed("grad", returned(self.rows, told_grads, shapes, summed=True))
            for name, tree in moments.items():
                told |= _prefixed(f"moment/{name}", returned(self.rows, flat(tree), shapes))
            told |= _prefixed("update", returned(self.rows, updates, shapes))
            back = returned(self.rows, now, shapes)
            told |= _prefixed("buffer", {k: back[k] for k in back if k in buffers})
            after = {k: back[k] for k in back if k not in buffers}
            yield _record("jax", precision, told, after, twin)

    def step(self, leaves: dict, state: Any, inputs: dict, told: tuple) -> tuple:
        """(loss, gradients, leaves, state of the optimizer) after a step."""
        import optax

        model = self.made.jax
        params = {k: leaves[k] for k in model.parameters}

        def total(params: dict) -> tuple[Any, dict]:
            args, named = target.called(self.made.case, inputs, "jax")
            result, changed = model.call({**leaves, **params}, args, named)
            return self.jax_loss(result, told), changed

        (loss, changed), grads = jax.value_and_grad(total, has_aux=True)(params)
        updates, state = self.transform.update(nested(grads), state, nested(params))
        after = flat(optax.apply_updates(nested(params), updates))
        changed = {k: jnp.asarray(x, leaves[k].dtype) for k, x in changed.items()}
        return loss, grads, {**leaves, **after, **changed}, state

    def jax_loss(self, result: Any, told: tuple) -> Any:
        if self.losses is not None:
            return self.losses[1](result, *told)
        case = self.made.case
        outputs = target.outputs(case, result, "jax")
        total = jnp.zeros((), outputs[0].dtype)
        for i, (out, c) in enumerate(zip(outputs, self.made.given.cotangents, strict=True)):
            laid = to_jax(c, channels_last(output_names(case, i, np.ndim(c))))
            total = total + (out * jnp.asarray(laid, out.dtype)).mean()
        return total


def _record(side: str, precision: str, told: dict, after: dict, twin: bool) -> Record:
    if twin:
        told = {"loss": told["loss"]}
    return Record(side, precision, told, parameters=after if precision == "float32" else {})


def _prefixed(kind: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{kind}/{name}": value for name, value in arrays.items()}


def trained(
    report: Report,
    made: Models,
    rows: Sequence[Row],
    optimizers: tuple[Any, Any] | None,
    losses: tuple[Any, Any] | None,
    batches: Sequence[Batch],
    seed: int,
) -> Report:
    """`report` with the verdict on a training of a step a batch. Raises PortError."""
    make, transform = makers(optimizers)
    if losses is None:
        weighed(made, batches)
    run = Run(made, rows, make, transform, losses, batches, seed)
    try:
        verdict = run.verdict()
    except PortError:
        raise
    except Exception as error:
        verdict = Verdict(made.case.name, "error", says=f"{type(error).__name__}: {error}")
    sample = make([torch.nn.Parameter(torch.zeros(1))])
    differing = settings_of.differing(sample, transform)
    causes: list[str] = []
    if verdict.verdict == "different" and report.verdict.verdict == "same":
        causes = explained(run, differing, verdict)
        verdict = dataclasses.replace(verdict, facts={**verdict.facts, "explained": causes})
    return dataclasses.replace(
        report, training=verdict, settings=[*report.settings, *differing]
    )


def makers(optimizers: tuple[Any, Any] | None) -> tuple[Make, Any]:
    """What makes torch's optimizer, and optax's transformation. Raises PortError."""
    if optimizers is None:
        raise PortError(
            "", "steps need optimizers=(torch's of parameters, an optax transformation)"
        )
    optimizer, transform = optimizers
    if isinstance(optimizer, torch.optim.Optimizer):
        raise PortError(
            "torch", "pass how to make the optimizer, as both sides train copies: "
            "lambda parameters: torch.optim.AdamW(parameters, lr=1e-3)"
        )  # fmt: skip
    if not hasattr(transform, "init") or not hasattr(transform, "update"):
        raise PortError("jax", f"a {type(transform).__name__} is no optax transformation")
    return Make(optimizer), transform


def weighed(made: Models, batches: Sequence[Batch]) -> None:
    """Without losses only outputs like the check's are weighed: else raises PortError."""
    for place, batch in enumerate(batches):
        if batch.targets is not None:
            raise PortError("", f"batch {place} has targets: losses=(torch's, JAX's) take them")
        for name, values in batch.inputs.items():
            if values.shape != made.given.inputs[name].shape:
                raise PortError(
                    "", f"batch {place}: {name} has the shape {values.shape}, in the check "
                    f"{made.given.inputs[name].shape}: batches of several shapes need losses"
                )  # fmt: skip


def explained(run: Run, differing: Sequence[Any], verdict: Verdict) -> list[str]:
    """Mistakes with which, made on torch's side too, the run is the same past its parting."""
    word = verdict.says.removeprefix("step ").partition("/")[0]
    parted = int(word) if word.isdigit() else len(run.batches) - 1
    shorter = dataclasses.replace(run, batches=run.batches[: parted + 2])
    for name, make in mistakes(run.optimizer, run.transform, differing):
        if dataclasses.replace(shorter, optimizer=make).verdict().verdict == "same":
            last = len(shorter.batches) - 1
            return [
                f"cause: {name}",
                f"proof: made on torch's side too, steps up to {last} are the same",
            ]
    return ["cause: no known cause explains it"]
