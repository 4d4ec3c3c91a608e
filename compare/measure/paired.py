"""Callables against each other: CPU time in turns, so that the machine's moods cancel."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from compare.measure.statistics import located

_TURN = 0.01  # seconds a turn takes at least, or one call


@dataclass(frozen=True)
class Paired:
    """Median seconds of CPU a call of each, and their ratio with its 95 % interval."""

    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    rounds: int


def paired(
    ours: Callable[[], object], theirs: Callable[[], object], seconds: float, least: int = 3
) -> Paired:
    """Runs both in rounds of ours, theirs, theirs, ours, for `seconds` but `least` rounds.

    Each must return only when its work is done, and must have been compiled: the first calls
    are not counted. CPU time is that of the whole process, so threads count in full. The
    ratio is Huber's location of the rounds' ratios, its interval that of `statistics`.
    """
    slower = max(_time(ours, 1), _time(theirs, 1))
    repeat = max(1, round(_TURN / slower))
    rounds = max(least, min(51, round(seconds / (4 * repeat * slower))))
    turns = np.array(
        [
            [_time(call, repeat) / repeat for call in (ours, theirs, theirs, ours)]
            for _ in range(rounds)
        ]
    )
    mine, other = turns[:, [0, 3]].mean(1), turns[:, [1, 2]].mean(1)
    return _summary(mine, other)


def against(
    first: Callable[[], object],
    others: Mapping[str, Callable[[], object]],
    seconds: float,
    least: int = 3,
) -> dict[str, Paired]:
    """Each of `others` as `ours`, with `first` as `theirs`, by what `paired` says.

    A round is first, the others, first; every second round has the others in reverse.
    """
    calls = list(others.values())
    whole = 2 * _time(first, 1) + sum(_time(call, 1) for call in calls)
    rounds = max(least, min(51, round(seconds / whole)))
    ends, turns = np.empty((rounds, 2)), np.empty((rounds, len(calls)))
    for index in range(rounds):
        ends[index, 0] = _time(first, 1)
        for place in range(len(calls))[:: -1 if index % 2 else 1]:
            turns[index, place] = _time(calls[place], 1)
        ends[index, 1] = _time(first, 1)
    theirs = ends.mean(1)
    return {name: _summary(turns[:, place], theirs) for place, name in enumerate(others)}


def _summary(ours: np.ndarray, theirs: np.ndarray) -> Paired:
    found = located(np.log(ours / theirs))
    centre, half = float(found.centre), float(found.half)
    return Paired(
        float(np.median(ours)),
        float(np.median(theirs)),
        math.exp(centre),
        math.exp(centre - half),
        math.exp(centre + half),
        len(ours),
    )


def _time(call: Callable[[], object], repeat: int) -> float:
    started = time.process_time()
    for _ in range(repeat):
        call()
    return time.process_time() - started
