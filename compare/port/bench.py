"""A user's own pair as workloads: made ready once, then built anew in the process of each arm.

Modules don't travel between processes, so words do: package.module:name of both sides. What the
making ready finds out (the table of leaves, how both are called, the arrays) goes with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compare.cases.case import Slot
from compare.cases.port import Port
from compare.measure.arms import BASELINE, arms
from compare.measure.session import Item
from compare.measure.workers import Worker
from compare.measure.workloads import Workload
from compare.port.batches import mapped
from compare.run.draw import Givens, Leaf
from compare.run.port.table import Row

if TYPE_CHECKING:
    from compare.port.models import Models

MAKES = {
    "torch": "compare.port.bench_torch:make",
    "jax": "compare.port.bench_jax:make",
}
REFERENCE = "compare.port.bench_torch:reference"
WEIGHTS = ("drawn", "torch")
WORDS = {"attention": "the model's own"}
"""Of the manifests, what the steps of both sides know."""


@dataclass(frozen=True)
class Asked:
    """A user's pair in words: see compare/port/options.py.

    train        forward and gradient in train mode; a step of training always is
    weights      drawn, or torch's own
    optimizers   with which a step of training is timed too
    batches      of which the first is every step's
    """

    torch: str
    jax: str
    inputs: str
    train: bool = False
    weights: str = "drawn"
    mapping: Path | None = None
    layout: str = ""
    outputs: tuple[Any, ...] = ()
    jax_inputs: tuple[str, ...] = ()
    optimizers: str = ""
    losses: str = ""
    batches: str = ""
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{self.torch} against {self.jax} on {self.inputs}"


@dataclass(frozen=True)
class Timed(Port):
    """A Port that any process can build.

    asked    both sides in words
    file     .npz of arrays: inputs and leaves in torch's order of axes, targets
    rows     the table of leaves
    leaves   torch's
    told     a batch's targets, with a Slot where each array stands; () for none
    """

    asked: Asked = field(default_factory=lambda: Asked("", "", ""))
    file: str = ""
    rows: tuple[Row, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    told: tuple[Any, ...] = ()

    def givens(self) -> Givens:
        owners = {one.path: one for one in self.leaves}
        return Givens(self._kept("input"), self._kept("leaf"), {}, owners)

    def targets(self, array: Callable[[np.ndarray], Any]) -> tuple[Any, ...]:
        """What a loss is given after the outputs, each array as a framework's."""
        held = self._kept("target")
        return mapped(lambda x: array(held[x.name]) if isinstance(x, Slot) else x, self.told)

    def _kept(self, kind: str) -> dict[str, np.ndarray]:
        with np.load(self.file, allow_pickle=False) as stored:
            names = [name for name in stored.files if name.startswith(f"{kind}/")]
            return {name.partition("/")[2]: stored[name] for name in names}


def items(
    asked: Asked,
    folder: str,
    precisions: Sequence[str],
    names: Sequence[str],
    device: str,
    texts: Sequence[str] = (),
    seconds: float = 1800.0,
) -> tuple[list[Item], list[str]]:
    """What is to be timed of the pair, its arrays being kept in `folder`; notes for the user.

    texts     only workloads whose name has one of them
    seconds   that making it ready may take

    Raises UnknownArm, PortError where the pair can't be compared, Lost where making it ready
    ends the process.
    """
    from compare.run.port.errors import PortError

    if asked.weights not in WEIGHTS:
        raise PortError("", f"weights must be one of {', '.join(WEIGHTS)}: {asked.weights!r}")
    if not asked.optimizers and (asked.losses or asked.batches):
        raise PortError("", "losses and batches are for a step of training: say --optimizers")
    chosen = tuple(
        replace(one, make=MAKES[one.side])
        for one in arms(names, device)
        if one.mode != "plain"  # of Flax's own layers; here both sides are the user's
    )
    with Worker(arms([BASELINE], "cpu")[0], "cpu") as worker:
        words = "call", "compare.port.bench:ready", asked, folder
        found, notes, wrong = worker.ask(*words, seconds=seconds)
    if wrong:
        raise PortError("", wrong)
    every = [one for one in found if not texts or any(text in one.name for text in texts)]
    if not every:
        known = ", ".join(one.name for one in found)
        wanted = " or ".join(map(repr, texts))
        raise PortError("", f"no workload has {wanted} in its name; there are {known}")
    return [Item(one, p, chosen) for one in every for p in precisions], notes


def ready(asked: Asked, folder: str) -> tuple[list[Workload], list[str], str]:
    """The workloads, notes, and why there are none; in a process of its own."""
    from compare.run.port.errors import PortError

    try:
        found, notes = _called(asked, folder)
        if asked.optimizers:
            more, others = _stepped(asked, folder)
            found, notes = [*found, *more], [*notes, *others]
    except PortError as error:
        return [], [], str(error)
    return found, list(dict.fromkeys(notes)), ""


def _called(asked: Asked, folder: str) -> tuple[list[Workload], list[str]]:
    """A call, and a call with the gradient of every parameter: a training takes no other."""
    from compare.port.bench_torch import operations

    case, made = _paired(asked, folder, asked.train, "called")
    _write(Path(case.file), made.given, {})
    name = f"{asked.name}, train mode{_aside(made.notes)}" if asked.train else asked.name
    found = [
        _workload(f"{name}, {mode}", case, mode, made, operations(made, mode))
        for mode in ("forward", "gradient")
    ]
    return found, made.notes


def _aside(notes: Sequence[str]) -> str:
    """What a name says where a dropout is set aside: its masks can't be shared."""
    return " without dropout" if any("set aside" in note for note in notes) else ""


def _stepped(asked: Asked, folder: str) -> tuple[list[Workload], list[str]]:
    """A step of training, on the first batch."""
    from compare.port.batches import a_batch_each
    from compare.port.bench_torch import operations
    from compare.port.named import made as made_of
    from compare.port.named import named
    from compare.port.training import makers, weighed

    case, made = _paired(asked, folder, True, "stepped")
    makers(named(asked.optimizers, "--optimizers"))
    batches = made_of(asked.batches, "--batches") if asked.batches else None
    handed, _ = a_batch_each(made, asked.inputs, batches, 1, asked.seed)
    if not asked.losses:
        weighed(made, handed)
    made.given.inputs = dict(handed[0].inputs)
    targets: dict[str, np.ndarray] = {}

    def kept(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        targets[name := f"{len(targets)}"] = value
        return Slot(name)

    told = () if handed[0].targets is None else (mapped(kept, handed[0].targets),)
    _write(Path(case.file), made.given, targets)
    one = replace(case, told=told)
    name = f"{asked.name}, train{_aside(made.notes)}"
    found = _workload(name, one, "train", made, operations(made, "train"))
    notes = ["each step of training has the same batch"] if asked.batches else []
    return [found], [*made.notes, *notes]


def _paired(asked: Asked, folder: str, train: bool, stem: str) -> tuple[Timed, Models]:
    """The pair in one mode: the case, whose file is not there yet, and the Models that it was
    found with."""
    from compare.port.bench_jax import model_of
    from compare.port.bench_torch import module_of
    from compare.port.models import models
    from compare.port.named import given
    from compare.port.pair import pair
    from compare.run.port import table

    made = models(
        module_of(asked), model_of(asked, train), given(asked.inputs), name=asked.name,
        train=train, layout=asked.layout or None, outputs=list(asked.outputs) or None,
        jax_inputs=list(asked.jax_inputs) or None, drawn=asked.weights == "drawn",
        seed=asked.seed,
    )  # fmt: skip
    rows = pair(made, table.load(asked.mapping) if asked.mapping else None)
    file = Path(folder, f"{stem}.npz")
    own = {one.name: getattr(made.case, one.name) for one in fields(Port)}
    own["inputs"] = {k: replace(one, grad=False) for k, one in made.case.inputs.items()}
    leaves = tuple(made.given.owners.values())
    return Timed(**own, asked=asked, file=str(file), rows=tuple(rows), leaves=leaves), made


def _write(file: Path, given: Givens, targets: dict[str, np.ndarray]) -> None:
    kinds = {"input": given.inputs, "leaf": given.leaves, "target": targets}
    arrays: dict[str, Any] = {
        f"{kind}/{k}": x for kind, held in kinds.items() for k, x in held.items()
    }
    with file.open("wb") as stream:
        np.savez(stream, **arrays)


def _workload(name: str, case: Timed, mode: str, made: Models, flops: int) -> Workload:
    images = [given for given in case.inputs.values() if "c" in given.names.split()]
    first = next(iter(made.given.inputs.values()))
    return Workload(
        name, case, mode, flops=flops, samples=len(first) if first.ndim else 1,
        layout=any(len(given.shape) == 4 for given in images),
    )  # fmt: skip
