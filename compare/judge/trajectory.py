"""A training run, judged in float64 at every step, and its parting in float32 against chaos.

At each step everything that training computes is compared: learning rate, loss, gradients,
moments, updates, buffers. A run that parts stops there: later steps only echo the first
difference.

In float32 every long run parts sooner or later, by rounding that the training amplifies, and at
once where a rounding carries a unit over a kink. How far that takes a path is measured: each
framework also trains a twin of itself whose parameters start one ulp off. The sides' parting is
told beside the twins', as a fact. Care is judged at the first step, where no path has parted,
of what has no kinks: loss and buffers, but not gradients, which jump where a unit does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from compare.judge.agree import compare
from compare.judge.thresholds import PARTING, UNIT
from compare.judge.verdict import Finding, Verdict
from compare.run.record import Record

T64, J64 = "torch float64", "jax float64"
T32, J32 = "torch float32", "jax float32"
TORCH_TWIN, JAX_TWIN = "torch twin", "jax twin"
RUNS = (T64, J64, T32, J32, TORCH_TWIN, JAX_TWIN)

BETWEEN = "torch and jax"
PARTINGS = {
    BETWEEN: (T32, J32),
    "torch and its twin": (T32, TORCH_TWIN),
    "jax and its twin": (J32, JAX_TWIN),
}

RATES = ("lr", "momentum")
"""Judged against the largest so far: a rate may fall to zero, and a rounding of it is none."""

SMOOTH = ("loss", "buffer/")
"""What a training computes without kinks: a rounding changes it by a rounding."""

KEPT = 250
"""Steps of which findings and curves are kept; of a longer run each n-th, and the worst."""


@dataclass(frozen=True)
class Step:
    """What is known of a step: its number, the losses, the deciding finding, the partings."""

    number: int
    losses: dict[str, float]
    finding: Finding
    partings: dict[str, float]


@dataclass
class Course:
    """A run so far."""

    steps: list[Step] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    ending: list[Finding] = field(default_factory=list)
    evaluated: dict[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)
    compared: int = 0
    moved: bool = False


def judge_run(
    name: str,
    runs: Mapping[str, Iterator[Record]],
    on_step: Callable[[Step], None] = lambda step: None,
) -> Verdict:
    """Steps the `runs`, named as in RUNS, together; `on_step` hears of each step.

    The last record of a run may hold an evaluation instead of a step: equal in float64. Of it
    `correct`, how many test examples are classified rightly, is told for each run.
    """
    course = Course()
    for told in together(runs):
        found = findings(told, course)
        course.compared += len(found)
        if "loss" not in told[T64].arrays:
            course.ending, course.evaluated = found, {k: r.arrays for k, r in told.items()}
            break
        step = observed(told, first_difference(found), course)
        course.steps.append(step)
        on_step(step)
        if step.finding.verdict == "different" or step.finding.verdict == "leak":
            break
        told.clear()  # a large model's arrays of two steps would not fit
    return verdict_on(name, course)


def together(runs: Mapping[str, Iterator[Record]]) -> Iterator[dict[str, Record]]:
    """The next Record of each run, by its name, until all end. ValueError where one ends first.

    Not a zip, which would hold each Record until its run has made the next.
    """
    over = object()
    while True:
        told: dict[str, Any] = {key: next(runs[key], over) for key in RUNS}
        ended = [key for key, record in told.items() if record is over]
        if len(ended) == len(RUNS):
            return
        if ended:
            raise ValueError(f"{', '.join(ended)} ended before the others did")
        yield told
        del told


def findings(told: Mapping[str, Record], course: Course) -> list[Finding]:
    """One finding for each array, in the order of computing; care of a few, at the start."""
    t64, j64, t32, j32 = (told[key] for key in RUNS[:4])
    casts = {"torch": t64.casts, "jax": j64.casts}
    found = []
    for name in dict.fromkeys([*t64.arrays, *j64.arrays]):
        four = [record.arrays.get(name) for record in (t64, j64, t32, j32)]
        if name in RATES and four[0] is not None:
            largest = max(course.largest.get(name, 0.0), abs(float(four[0])))
            course.largest[name] = largest
            four = [x if x is None else np.array([largest, x], x.dtype) for x in four]
        finding = compare(name, *four, casts)
        finding = drifted(finding, len(course.steps)) if name in RATES else finding
        smooth = not course.steps and name.startswith(SMOOTH)
        if finding.verdict == "less-careful" and not smooth:
            finding = replace(finding, verdict="same", says="")
        found.append(finding)
        course.moved |= name.startswith("update/") and not finding.noise
    return found


def drifted(rate: Finding, steps: int) -> Finding:
    """The finding on a rate, with one more rounding allowed for each step that was taken.

    torch goes from one rate to the next, by a factor or a difference, and rounds each time.
    """
    bound = rate.bound + steps * UNIT["float64"]
    if rate.verdict == "different" and 0 < rate.gap <= bound:
        rate = replace(rate, verdict="same", says="")
    return replace(rate, bound=bound)


def first_difference(found: list[Finding]) -> Finding:
    """The first that differs: what comes after it follows from it; else the nearest to it."""
    differing = [one for one in found if one.verdict != "same"]
    if differing:
        return differing[0]
    return max(found, key=_nearness)


def _nearness(one: Finding) -> float:
    return one.gap / one.bound if one.bound else 0.0


def observed(told: Mapping[str, Record], finding: Finding, course: Course) -> Step:
    """The step of these records."""
    partings = {
        name: distance(told[one].parameters, told[other].parameters)
        for name, (one, other) in PARTINGS.items()
    }
    course.rates.append(float(told[T64].arrays.get("lr", math.nan)))
    losses = {key: float(record.arrays["loss"]) for key, record in told.items()}
    number = len(course.steps)
    finding = replace(finding, array=f"step {number}/{finding.array}")
    return Step(number, losses, finding, partings)


def distance(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> float:
    """|one - other| / |one|, over all parameters as one vector."""
    square = sum(_square(one[path] - other[path]) for path in one)
    size = sum(_square(values) for values in one.values())
    return math.sqrt(square / size) if size else 0.0


def _square(values: np.ndarray) -> float:
    return float(np.sum(np.square(values, dtype=np.float64)))


def verdict_on(name: str, course: Course) -> Verdict:
    """The verdict of a run: its worst step's, with the course of the run as facts."""
    if not course.steps:
        return Verdict(name, "error", says="nothing was compared: the run had no steps")
    if not course.moved:
        return Verdict(name, "error", says="nothing was trained: every update was zero")
    ending = [replace(one, array=f"after the run/{one.array}") for one in course.ending]
    whole = [step.finding for step in course.steps] + ending
    bad = [one for one in whole if one.verdict not in ("same", "less-careful")]
    careless = [one for one in whole if one.verdict == "less-careful"]
    deciding = (bad or careless or [max(whole, key=_nearness)])[0]
    every = max(1, -(-len(whole) // KEPT))
    kept = [one for i, one in enumerate(whole) if i % every == 0 or one is deciding]
    says = "" if deciding.verdict == "same" else f"{deciding.array}: {deciding.says}"
    facts = curves(course)
    return Verdict(
        name, deciding.verdict, tuple(kept), says, compared=course.compared, facts=facts
    )


def curves(course: Course) -> dict[str, Any]:
    """The course of a run as plain lists, of a long run each n-th step: `every` says which."""
    every = max(1, -(-len(course.steps) // KEPT))
    steps = course.steps[::every]
    facts: dict[str, Any] = {
        "steps": len(course.steps),
        "every": every,
        "losses": {key: [_short(step.losses[key]) for step in steps] for key in RUNS},
        "partings": {key: [_short(step.partings[key]) for step in steps] for key in PARTINGS},
        "rates": [_short(rate) for rate in course.rates[::every]],
    }
    beyond = first_beyond(course)
    if "correct" in course.evaluated.get(T64, {}):
        facts["correct"] = {k: int(x["correct"]) for k, x in course.evaluated.items()}
    if "fields" in course.evaluated.get(T64, {}):
        facts["maps"] = maps(course.evaluated)
    return facts if beyond is None else {**facts, "beyond": beyond}


def maps(evaluated: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """Of a physics model the last field's first component, and the residual there."""
    found = {}
    for name in ("fields", "residual"):
        for key in (T64, J64):
            last = evaluated[key][name][-1, 0, 0]
            found[f"{name}, {key}"] = [[_short(x) for x in row] for row in last]
    return found


def first_beyond(course: Course) -> int | None:
    """The first step after which the sides are apart more than the twins have ever been.

    More means PARTING times: a twin is one sample of what an ulp can do.
    """
    widest = 0.0
    for step in course.steps:
        twins = [far for name, far in step.partings.items() if name != BETWEEN]
        widest = max(widest, *twins)
        if not step.partings[BETWEEN] <= PARTING * widest:
            return step.number
    return None


def _short(number: float) -> float:
    """Seven digits: a plot shows no more."""
    return float(f"{number:.7g}")
