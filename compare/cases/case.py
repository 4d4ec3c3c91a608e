"""What one comparison is: data, and no framework.

A `Case` names a target that stands on both sides (`conv.Conv2d`), how it is built and called,
and how each array is drawn. Axes have names: "n=2 c=3 h=9 w=8" gives names and sizes, and `c`
is the channel axis, the one that channels-last code keeps last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

VERDICTS = ("same", "less-careful", "different", "leak", "unsupported", "error")

KINDS = {
    "normal": "N(mean, std)",
    "uniform": "U(low, high)",
    "distinct": "shuffled multiples of a step: no two closer than it, so selections are clear",
    "simplex": "positive, summing to 1 over the channel axis (the last, where none is named c)",
    "log_simplex": "the logarithm of a simplex",
    "signs": "-1 or 1",
    "bits": "keep-masks: 1 with probability keep",
    "integers": "integers in [low, high)",
    "permutation": "distinct integers 0 .. size - 1 over the last axis",
    "given": "the numbers written in the case",
}


@dataclass(frozen=True)
class Given:
    """How one array is drawn: `axes` with sizes, a kind of KINDS, and that kind's options.

    `grad` says whether the comparison asks for its gradient; integer kinds never have one.
    """

    axes: str
    kind: str = "normal"
    grad: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r} of input; known: {', '.join(KINDS)}")
        axis_names(self.axes)

    @property
    def names(self) -> str:
        return axis_names(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        return axis_sizes(self.axes)

    def sized(self, sizes: Mapping[str, int]) -> Given:
        """Itself, with sizes for axes that have none, or another axis' name: "n c=3 h=n"."""
        parts = [part.partition("=") for part in self.axes.split()]
        known = [(name, size or name) for name, _, size in parts]
        axes = " ".join(f"{name}={sizes.get(size, size)}" for name, size in known)
        return replace(self, axes=axes)


def draw(axes: str, kind: str = "normal", *, grad: bool = True, **options: Any) -> Given:
    """A `Given`, its options written as keywords: draw("n=4", "integers", low=0, high=9)."""
    return Given(axes, kind, grad, options)


def labels(axes: str, classes: int, **options: Any) -> Given:
    """Integer class labels in [0, classes)."""
    return Given(axes, "integers", False, {"low": 0, "high": classes, **options})


def axis_names(axes: str) -> str:
    """ "n=2 c=3" -> "n c"; each name once."""
    names = [part.split("=")[0] for part in axes.split()]
    if len(set(names)) != len(names):
        raise ValueError(f"an axis name stands twice in {axes!r}")
    return " ".join(names)


def axis_sizes(axes: str) -> tuple[int, ...]:
    """ "n=2 c=3" -> (2, 3)."""
    try:
        return tuple(int(part.split("=")[1]) for part in axes.split())
    except (IndexError, ValueError):
        message = f'axes {axes!r} must read like "n=2 c=3": name=size, blank between'
        raise ValueError(message) from None


@dataclass(frozen=True)
class Call:
    """A dotted name below both sides ("optim.SGD"), and its arguments by name.

    An argument, or an entry of one, may be a Call itself: the schedules of a SequentialLR.
    """

    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def call(target: str, **arguments: Any) -> Call:
    """A `Call`, its arguments written as keywords: call("optim.SGD", lr=0.1)."""
    return Call(target, arguments)


@dataclass(frozen=True)
class Slot:
    """Where an input stands among the arguments that a module is called with."""

    name: str


@dataclass(frozen=True)
class Pair:
    """A target that stands on both sides, how it is built, and what is expected of it.

    target    dotted name below both sides: "conv.Conv2d", "loss.cross_entropy"
    inputs    call arguments by torch's name, in order, each a `Given`
    init      constructor arguments (classes only); a Call among them is a module within
    attach    modules that the module is given once it is built, by attribute
    options   call arguments that are not arrays
    train     train mode, or eval
    masks     slots to fill, by module path ("mask", "encoder.dropout.mask")
    torch, jax            another target for one side: "package.module:name"
    jax_init, jax_options what that side is given instead: how a planted fault is written
    jax_attach            modules that it is given instead, by path
    within                only the module at this path is compared
    expect    the verdict that is right for it
    cause     the name of the known cause (judge/cause.py) of a planted fault
    place     the path of the module that has it, of a fault deep in a model
    why       what this pair can tell apart that others cannot
    """

    target: str
    inputs: Mapping[str, Given] = field(default_factory=dict)
    init: Mapping[str, Any] | None = None
    attach: Mapping[str, Call] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    train: bool = True
    masks: Mapping[str, Given] = field(default_factory=dict)
    torch: str = ""
    jax: str = ""
    jax_init: Mapping[str, Any] = field(default_factory=dict)
    jax_options: Mapping[str, Any] = field(default_factory=dict)
    jax_attach: Mapping[str, Call] = field(default_factory=dict)
    within: str = ""
    jax_within: str = ""
    expect: str = "same"
    cause: str = ""
    place: str = ""
    why: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", f"{self.target}({self.call})")
        if self.expect not in VERDICTS:
            raise ValueError(f"{self.name}: unknown verdict {self.expect!r} expected")

    @property
    def call(self) -> str:
        """The arguments as one would write them: "stride=2, padding='same'"."""
        arguments = {**(self.init or {}), **self.options}
        return ", ".join(f"{name}={value!r}" for name, value in arguments.items())

    @property
    def is_class(self) -> bool:
        return self.init is not None

    @property
    def fingerprint(self) -> str:
        """Changes when the pair does: a resumed run repeats a case that was edited."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Case(Pair):
    """One pair called once: outputs, gradients and buffers are compared.

    out       axis names of the outputs, one string each; () takes the first input's names where
              the rank agrees
    flat      every gradient is zero here, which is the point: else such a check is vacuous
    mutates   function arguments that torch changes in place and JAX returns after its outputs
    called    how a module is called, where that is not by its inputs in order: positional and
              named arguments, nested at will, with a Slot where an input stands
    """

    out: tuple[str, ...] = ()
    flat: bool = False
    mutates: tuple[str, ...] = ()
    called: tuple[tuple[Any, ...], Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = set(self.mutates) - set(self.inputs)
        if unknown:
            raise ValueError(f"{self.name}: mutates {sorted(unknown)}, which is no input")

    def returned(self, side: str) -> tuple[str, ...]:
        """Names of the outputs of `side` that are compared; () all of them."""
        return ()

    def during(self, side: str) -> AbstractContextManager[None]:
        """What holds while a side is called: for what ships nothing more."""
        return nullcontext()

    def calls(self, side: str) -> tuple[tuple[Any, ...], Mapping[str, Any]] | None:
        """How the module of `side` is called: as `called`."""
        return self.called

    @property
    def may_be_empty(self) -> bool:
        """Whether an input has no elements, so that shapes are all there is to compare."""
        return any(0 in given.shape for given in self.inputs.values())


@dataclass(frozen=True)
class Study(Pair):
    """An experiment that compares by itself: `target` is a function of (name, seed) in compare,
    "package.module:name", that returns a Verdict."""


def vary(base: Case, *changes: Mapping[str, Any]) -> list[Case]:
    """`base` with each of `changes` merged into its constructor arguments or call options.

    A change's key that is a field of Case (`inputs`, `out`, `train`, `why`, ...) replaces that
    field; `init` merges into init; any other key goes to init for a class, to options for a
    function. The first change is often {}: the base itself.
    """
    fields = set(Case.__dataclass_fields__)
    cases = []
    for change in changes:
        whole = {key: value for key, value in change.items() if key in fields}
        extra = {key: value for key, value in change.items() if key not in fields}
        where = "init" if base.is_class else "options"
        merged = {**(getattr(base, where) or {}), **(whole.pop(where, None) or {}), **extra}
        if "inputs" in whole:
            whole["inputs"] = {**base.inputs, **whole["inputs"]}
        cases.append(replace(base, **{"name": "", **whole, where: merged}))
    return cases
