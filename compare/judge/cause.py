"""Why a difference: which known mistake, made on torch's side, gives what the JAX side gives.

A suspect is believed when the arrays that it leads to agree with the JAX side's float64 arrays
by the same judge that called the two sides different: no tolerance of its own. A number that a
mistake depends on (an eps, a momentum, a factor) is solved for, by least squares over all
arrays, then rounded to the fewest digits that still agree.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from compare.judge.agree import compare
from compare.judge.fit import carried, largest_gap, middle, misfit, products, solve
from compare.judge.verdict import Finding
from compare.run.record import Record

Arrays = Mapping[str, np.ndarray]

SINGLES = 6
"""Of the suspects that explain most alone, how many are tried together with every other."""

STARTS = 3
"""From how many of its starts, the nearest first, a number is solved for."""

ROUNDS = 14
"""Gauss-Newton steps that a number may take; from a near start five do."""


@dataclass(frozen=True)
class Cause:
    """A known mistake that gives the JAX side's arrays.

    name, source   of the mistake, and where it is documented
    says, change   the finding, and the line to change on the JAX side
    value          the number that was solved for
    before, after  the largest float64 gap without it and with it
    arrays         how many arrays it explains: all that were compared
    confidence     how far this proves it, in words
    made           the suspects, and their numbers, that it stands for
    """

    name: str
    source: str
    says: str
    change: str
    path: str = ""
    value: float | None = None
    before: float = 0.0
    after: float = 0.0
    arrays: int = 0
    confidence: str = ""
    made: tuple[tuple, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.says} ({self.confidence}); change: {self.change}"


@dataclass
class Trial:
    """Suspects with their numbers, and how far what they lead to is from the JAX side."""

    suspects: tuple
    values: tuple
    misfit: float
    gap: float
    arrays: Arrays = field(default_factory=dict, repr=False)

    @property
    def explains(self) -> bool:
        return self.misfit == 0.0


Run = Callable[[Sequence[tuple], str], Arrays]


class Search:
    """The search for the cause of one place.

    `run(((suspect, value), ...), precision)` gives the arrays that those mistakes lead to.
    `runs` counts how often it was asked; past `seconds` no pair is tried any more.
    """

    def __init__(
        self, records: Mapping[tuple[str, str], Record], run: Run, seconds: float = 30.0
    ) -> None:
        self.t64, self.j64, self.t32, self.j32 = (
            records[side, precision].arrays
            for precision in ("float64", "float32")
            for side in ("torch", "jax")
        )
        casts = {side: records[side, "float64"].casts for side in ("torch", "jax")}
        self.casts, self._run = casts, run
        self.deadline = time.perf_counter() + seconds
        self.runs = 0
        self.spread: Arrays = {}
        self.base = self.trial((), (), self.t64)
        if self.base.explains:  # by the whole arrays; then by each element
            self.spread = records["torch", "float64"].spread
            self.base = self.trial((), (), self.t64)

    def causes(self, suspects: Sequence) -> list[Cause]:
        """Those of `suspects` that explain the difference, alone or two at once."""
        if self.base.explains:
            return self.careless(suspects)
        singles = [self.alone(one) for one in suspects if not one.careless]
        singles = [one for one in singles if one is not None]
        found = [one for one in singles if one.explains]
        return self.told(found or self.pairs(singles, suspects))

    def careless(self, suspects: Sequence) -> list[Cause]:
        """Of the same function: what loses as many float32 bits as the JAX side does."""
        found = []
        for one in (one for one in suspects if one.careless):
            arrays = {p: self.arrays([(one, None)], p) for p in ("float64", "float32")}
            if arrays["float64"] is None or arrays["float32"] is None:
                continue
            verdicts = self.findings(arrays["float64"], arrays["float32"])
            if all(finding.verdict == "same" for finding in verdicts):
                gap = max(finding.gap for finding in verdicts)
                found.append(Trial((one,), (None,), 0.0, gap, arrays["float64"]))
        return self.told(found)

    # One run

    def arrays(self, combination: Sequence[tuple], precision: str = "float64") -> Arrays | None:
        """What those mistakes lead to; None where they cannot be made."""
        self.runs += 1
        try:
            return self._run(combination, precision)
        except Exception:
            return None  # no cause then: this suspect cannot be made here

    def trial(self, suspects: tuple, values: tuple, arrays: Arrays) -> Trial:
        """How far `arrays` are from the JAX side, torch's float32 error carried over."""
        single = {k: carried(v, self.t64.get(k), self.t32.get(k)) for k, v in arrays.items()}
        found = self.findings(arrays, single)
        trial = Trial(suspects, values, misfit(found), largest_gap(found), arrays)
        if suspects and not trial.explains and trial.gap < 1e-7:
            single = self.arrays(list(zip(suspects, values, strict=True)), "float32")
            if single is not None:
                found = self.findings(arrays, single)
                trial = Trial(suspects, values, misfit(found), largest_gap(found), arrays)
        return trial

    def findings(
        self, arrays: Arrays, single: Mapping[str, np.ndarray | None]
    ) -> list[Finding]:
        """The judge's findings on `arrays` in torch's place."""
        # What the JAX side lacks no mistake gives; the judge tells of it, and so does evidence.
        absent = self.t64.keys() - self.j64.keys()
        names = [name for name in dict.fromkeys([*arrays, *self.j64]) if name not in absent]
        return [
            compare(
                name,
                arrays.get(name),
                self.j64.get(name),
                single.get(name),
                self.j32.get(name),
                self.casts,
                self.spread.get(name),
            )
            for name in names
        ]

    # One suspect, or two

    def alone(self, suspect: object) -> Trial | None:
        return self.solved((suspect,), (None,))

    def pairs(self, singles: Sequence[Trial], suspects: Sequence) -> list[Trial]:
        """Each of the best singles with every other suspect, until some pair explains it."""
        found: list[Trial] = []
        level = 0.0
        ranked = [one for one in singles if not one.suspects[0].general]
        ranked.sort(key=lambda one: one.misfit)
        for one in [s for s in ranked if s.misfit < self.base.misfit][:SINGLES]:
            first = one.suspects[0]
            if found and one.misfit > level:
                return found
            level = one.misfit
            for other in suspects:
                if time.perf_counter() > self.deadline:
                    return found
                if other.careless or other.slot == first.slot or other.general:
                    continue
                pair = self.solved((first, other), (one.values[0], None))
                if pair is not None and pair.explains:
                    found.append(pair)
        return found or self.reshaped(singles)

    def reshaped(self, singles: Sequence[Trial]) -> list[Trial]:
        """Pairs of choices of one call, each of which alone gives another shape."""
        found: list[Trial] = []
        shapes = {name: array.shape for name, array in self.j64.items()}
        odd = [
            one
            for one in singles
            if not one.suspects[0].starts
            and any(a.shape != shapes.get(name, a.shape) for name, a in one.arrays.items())
        ]
        for first, second in itertools.combinations([one.suspects[0] for one in odd], 2):
            if time.perf_counter() > self.deadline:
                return found
            if first.index == second.index and first.slot != second.slot:
                pair = self.tried((first, second), (None, None))
                found += [pair] if pair is not None and pair.explains else []
        return found

    def solved(self, suspects: tuple, begin: tuple) -> Trial | None:
        """The trial of `suspects`, with the numbers they depend on solved for."""
        at = [
            starts if suspect.starts and value is None else (value,)
            for suspect, value in zip(suspects, begin, strict=True)
            for starts in [suspect.starts]
        ]
        trials = [self.tried(suspects, values) for values in products(at)]
        known = [one for one in trials if one is not None]
        if not known:
            return None
        known.sort(key=lambda one: (one.misfit, one.gap))
        best = known[0]
        if not any(one.starts for one in suspects):
            return best
        for near in known[:STARTS]:  # the nearest start may lie beyond a kink
            best = min(best, self.fitted(near), key=lambda one: (one.misfit, one.gap))
            if best.explains:
                break
        return self.rounded(best)

    def tried(self, suspects: tuple, values: tuple) -> Trial | None:
        arrays = self.arrays(list(zip(suspects, values, strict=True)))
        return None if arrays is None else self.trial(suspects, values, arrays)

    def fitted(self, trial: Trial) -> Trial:
        """Gauss-Newton from `trial`: numbers whose order is unknown move by their logarithm."""
        if trial.explains:
            return trial
        best, suspects, steady = trial, trial.suspects, 0
        free = [i for i, one in enumerate(suspects) if one.starts]
        for _ in range(ROUNDS):
            moved = self.stepped(best, free)
            if moved is None:
                return best
            steady = steady + 1 if moved.misfit > best.misfit - 1 else 0
            best = min(best, moved, key=lambda one: (one.misfit, one.gap))
            if best.explains or steady > 1:
                return best
        return best

    def stepped(self, trial: Trial, free: Sequence[int]) -> Trial | None:
        """One step towards the JAX side's arrays."""
        here = self.vector(trial.arrays)
        if here is None:
            return None
        columns, sizes = [], []
        for i in free:
            suspect, value = trial.suspects[i], trial.values[i]
            log = suspect.positive and value > 0
            size = 1e-5 * (value if log else max(abs(value), 1e-2))
            moved = (*trial.values[:i], value + size, *trial.values[i + 1 :])
            arrays = self.arrays(list(zip(trial.suspects, moved, strict=True)))
            there = None if arrays is None else self.vector(arrays)
            if there is None or there.shape != here.shape:
                return None
            columns.append((there - here) / size)
            sizes.append(abs(value) if log else math.inf)
        wanted, matrix = self.vector(self.j64), np.stack(columns, 1)
        steps = [solve(matrix, wanted, here), middle(matrix, wanted, here)]
        tried = [self.moved(trial, free, sizes, step) for step in steps if step is not None]
        known = [one for one in tried if one is not None]
        return min(known, key=lambda one: (one.misfit, one.gap), default=None)

    def moved(
        self, trial: Trial, free: Sequence[int], sizes: Sequence[float], step: np.ndarray
    ) -> Trial | None:
        """The trial with its numbers moved by `step`."""
        values = list(trial.values)
        for i, change, size in zip(free, step, sizes, strict=True):
            before = values[i]
            after = before + change
            if math.isfinite(size):  # its order is unknown: at most tenfold, of the same sign
                after = np.clip(after, 0.1 * before, before + 9 * size)
            values[i] = float(after)
        return self.tried(trial.suspects, tuple(values))

    def vector(self, arrays: Arrays) -> np.ndarray | None:
        """The arrays as one vector, each over its largest; None where a shape is another."""
        parts = []
        for name, theirs in self.j64.items():
            ours = arrays.get(name)
            if ours is None or ours.shape != theirs.shape:
                return None
            if theirs.dtype.kind == "f" and theirs.size:
                finite = np.isfinite(theirs)
                scale = float(np.abs(theirs[finite]).max(initial=0.0)) or 1.0
                parts.append(np.where(np.isfinite(ours) & finite, ours, 0.0).ravel() / scale)
        return np.concatenate(parts) if parts else None

    def rounded(self, trial: Trial) -> Trial:
        """The same with its numbers rounded to the fewest digits that still explain."""
        if not trial.explains:
            return trial
        for i, one in enumerate(trial.suspects):
            value = trial.values[i]
            if not one.starts or value in one.starts:
                continue
            for digits in range(1, 12):
                short = float(f"{value:.{digits}g}")
                values = (*trial.values[:i], short, *trial.values[i + 1 :])
                shorter = self.tried(trial.suspects, values)
                if shorter is not None and shorter.explains:
                    trial = shorter
                    break
        return trial

    # What it comes to

    def told(self, found: Sequence[Trial]) -> list[Cause]:
        """The trials as causes, the most specific there are; those alike are named once."""
        ranks = [max(s.rank for s in one.suspects) for one in found]
        worst = max(1, min(ranks, default=0))
        causes = [
            self.cause(one) for one, rank in zip(found, ranks, strict=True) if rank <= worst
        ]
        kept = list({(one.name, one.path): one for one in reversed(causes)}.values())[::-1]
        if len(kept) > 1:
            words = f"one of {len(kept)} that explain it equally"
            kept = [_with(one, confidence=f"{one.confidence}; {words}") for one in kept]
        return kept

    def cause(self, trial: Trial) -> Cause:
        said = [s.said(v) for s, v in zip(trial.suspects, trial.values, strict=True)]
        arrays = len(trial.arrays)
        return Cause(
            name=" and ".join(sorted(one.name for one in trial.suspects)),
            source=", ".join(dict.fromkeys(one.source for one in trial.suspects)),
            says="; and ".join(says for says, _ in said),
            change="; ".join(change for _, change in said),
            path=trial.suspects[0].path,
            value=next((v for v in trial.values if v is not None), None),
            before=self.base.gap,
            after=trial.gap,
            arrays=arrays,
            confidence=f"made on torch's side it gives the JAX side's {arrays} arrays "
            f"to {trial.gap:.1e} of the largest, from {self.base.gap:.1e}",
            made=tuple(zip(trial.suspects, trial.values, strict=True)),
        )


def _with(cause: Cause, **changes: object) -> Cause:
    return Cause(**{**vars(cause), **changes})  # pyright: ignore[reportArgumentType]
