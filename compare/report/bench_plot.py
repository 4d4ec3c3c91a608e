"""Plots of a benchmark: ratios with their intervals, compile times, what of the ceiling is
reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compare.report.bench import COLUMNS
from compare.report.plot import FAULT, OTHER, PAIR, figure, svg

Result = dict[str, Any]

STYLES = {"as shipped": (OTHER, "s"), "matched": (PAIR, "o"), "best effort": ("#c77700", "D")}
SIDES = {"torch": "#ee4c2c", "jax": PAIR}
_ROW = 0.34  # inches
_TICKS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32, 64)


def ratios(results: Sequence[Result]) -> str:
    """JAX's time over torch's of each workload, each column with its interval; "" of none.

    The band is the noise floor: how far the first arm is from itself.
    """
    shown = [one for one in results if any(_ratio(one, name) for name in COLUMNS)]
    if not shown:
        return ""
    drawn, axes = figure(9.6, 1.3 + _ROW * len(shown))
    for row, one in enumerate(shown):
        if one["noise"]:
            floor = 1 + one["noise"]["floor"]
            axes.barh(row, floor - 1 / floor, 0.86, 1 / floor, color="#e9edf2", lw=0)
        for place, name in enumerate(COLUMNS):
            ratio = _ratio(one, name)
            if ratio is None:
                continue
            colour, mark = STYLES[name]
            at = row + 0.26 * (place - 1)
            axes.plot([ratio["low"], ratio["high"]], [at, at], color=colour, lw=1.6)
            axes.plot(ratio["value"], at, mark, color=colour, ms=4.5)
    for name, (colour, mark) in STYLES.items():
        axes.plot([], [], mark, color=colour, ms=5, label=name)
    axes.axvline(1, color="#1d2733", lw=0.9)
    _named(axes, shown)
    axes.set_xscale("log")
    _widened(axes)
    axes.set_xlabel(
        "JAX's time over torch's: left of the line JAX is faster, right of it torch"
    )
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=9, frameon=False
    )
    return svg(drawn)


def costs(results: Sequence[Result]) -> str:
    """Of the matched arms: seconds to the first result, cold and warm; part of the ceiling."""
    shown = [one for one in results if any(_matched(one, side) for side in SIDES)]
    if not shown:
        return ""
    drawn, (left, right) = figure(9.6, 1.3 + _ROW * len(shown), columns=2)
    for row, one in enumerate(shown):
        for place, (side, colour) in enumerate(SIDES.items()):
            found = _matched(one, side)
            if found is None:
                continue
            at, facts = row + 0.2 * (2 * place - 1), found["facts"]
            if facts.get("first_call"):
                left.barh(at, facts["first_call"], 0.36, color=colour)
            if facts.get("warm_compile"):
                left.plot(facts["warm_compile"], at, "|", color="#1d2733", ms=7, mew=1.8)
            if "mfu" in found:
                right.barh(at, 100 * found["mfu"], 0.36, color=colour)
    for side, colour in SIDES.items():
        left.barh([0], [0], color=colour, label=f"{side}-matched")
    left.plot([], [], "|", color="#1d2733", ms=7, mew=1.8, label="with a warm cache")
    left.set_xscale("log")
    left.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    left.set_xlabel("seconds to the first result")
    right.set_xlabel("% of a matrix product")
    _named(left, shown)
    _named(right, shown)
    right.set_yticklabels([])
    left.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8.5, frameon=False
    )
    return svg(drawn)


def strip(ratio: Result, floor: float) -> str:
    """One interval as a small drawing, on a logarithmic line from 1/4 to 4."""
    import math

    def across(value: float) -> float:
        return 80 + 80 * max(-1.0, min(1.0, math.log(value) / math.log(4)))

    low, high, at = (across(ratio[name]) for name in ("low", "high", "value"))
    band = across(1 + floor) - across(1 / (1 + floor))
    colour = {"faster": "#2b7a4b", "slower": FAULT}.get(ratio["verdict"], OTHER)
    return (
        '<svg class="strip" viewBox="0 0 160 14" width="160" height="14" aria-hidden="true">'
        f'<rect x="{80 - band / 2:.1f}" y="0" width="{band:.1f}" height="14" fill="#e9edf2"/>'
        '<path d="M80 0V14" stroke="#1d2733" stroke-width=".8"/>'
        f'<path d="M{low:.1f} 7H{high:.1f}" stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{at:.1f}" cy="7" r="3" fill="{colour}"/></svg>'
    )


def _ratio(one: Result, name: str) -> Result | None:
    return one["columns"].get(name, {}).get("ratio")


def _matched(one: Result, side: str) -> Result | None:
    rows = (r for r in one["rows"] if r["side"] == side and r["tuning"] == "matched")
    return next((row for row in rows if "seconds" in row and not row["lost"]), None)


def _legend(axes) -> None:
    """Above the axes."""
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8.5, frameon=False
    )


def _named(axes, shown: Sequence[Result]) -> None:
    """A line a workload, the first at the top."""
    axes.set_yticks(range(len(shown)), [one["workload"] for one in shown], fontsize=8.5)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def _widened(axes) -> None:
    """Limits at powers of two with room for both sides, and ticks that say so."""
    low, high = axes.get_xlim()
    low, high = min(low, 0.7), max(high, 1.43)
    axes.set_xlim(low, high)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f"{t:g}" if t >= 1 else f"1/{1 / t:g}" for t in ticks])
    axes.minorticks_off()
