"""Plots as SVG text, to stand inside the page: no file beside it, no script."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from compare.report.document import Result

FLOOR = 1e-19
"""Where arrays that agree to the last bit are drawn: a logarithm has no zero."""

PAIR, FAULT, CARELESS, OTHER = "#2a6fb0", "#c8322b", "#c77700", "#8a8a8a"
TORCH = "#ee4c2c"
SIDES = {"torch float64": (TORCH, "-"), "jax float64": (PAIR, "--")}


def error_fall(results: Sequence[Result]) -> str:
    """Every compared array: its gap in float32 across, in float64 upwards.

    Rounding shrinks by 2^29 from one to the other, a semantic difference does not shrink at
    all: pairs lie on the lower line, planted faults on the upper one.
    """
    drawn, axes = figure(7.2, 5.0)
    pairs = [one for r in results if not r.planted for one in r.verdict.findings]
    planted = [one for r in results if r.planted for one in r.verdict.findings]
    careless = [one for one in planted if one.verdict == "less-careful"]
    planted = [one for one in planted if one.verdict not in ("same", "less-careful")]
    for label, found, colour, mark in (
        ("pairs", pairs, PAIR, "o"),
        ("planted faults", planted, FAULT, "x"),
        ("planted: the same function, computed carelessly", careless, CARELESS, "+"),
    ):
        shown = [f for f in found if not f.noise and math.isfinite(f.gap) and f.bound]
        if not shown and label != "pairs":
            continue
        across = [max(f.gap32, FLOOR) if math.isfinite(f.gap32) else 1.0 for f in shown]
        up = [max(f.gap, FLOOR) for f in shown]
        style = {"s": 14, "c": colour, "marker": mark, "linewidths": 0.8, "alpha": 0.6}
        axes.scatter(across, up, label=f"{label} ({len(shown)} arrays)", **style)
    line = [1e-10, 10.0]
    axes.plot(line, line, color=FAULT, lw=0.8, ls="--")
    axes.plot(line, [x * 2.0**-29 for x in line], color=PAIR, lw=0.8, ls="--")
    axes.text(2e-10, 6e-10, "does not shrink: another function", color=FAULT, fontsize=8)
    axes.text(2e-10, 1.5e-18, "shrinks by 2^29: rounding", color=PAIR, fontsize=8)
    axes.set(
        xscale="log", yscale="log", xlim=(1e-10, 30), ylim=(FLOOR / 3, 30),
        xlabel="gap in float32, of the array's largest value",
        ylabel="gap in float64 (exact agreement at the bottom)",
    )  # fmt: skip
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    return svg(drawn)


def losses(result: Result) -> str:
    """A training run by step: its loss, the float64 gap, and in float32 how far paths part."""
    facts = result.verdict.facts
    drawn, (left, middle, right) = figure(10.5, 3.2, columns=3)
    every = facts["every"]
    for label, (colour, style) in SIDES.items():
        curve = facts["losses"][label]
        left.plot(_steps(curve, every), curve, color=colour, ls=style, lw=1.4, label=label)
    left.set(xlabel="step", ylabel="loss", title="the loss")
    found = [f for f in result.verdict.findings if f.array.startswith("step")]
    at = [int(f.array.partition("/")[0].removeprefix("step ")) for f in found]
    middle.plot(at, [max(f.gap, FLOOR) for f in found], color=PAIR, lw=1.2, label="largest gap")
    bounds = [max(f.bound, FLOOR) for f in found]
    middle.plot(at, bounds, color=OTHER, lw=1.0, ls=":", label="what rounding explains")
    middle.set(xlabel="step", yscale="log", title="the sides' gap in float64")
    styles = zip(facts["partings"].items(), (FAULT, TORCH, PAIR), ("-", ":", ":"), strict=True)
    for (label, curve), colour, style in styles:
        far = [max(x, FLOOR) for x in curve]
        right.plot(_steps(curve, every), far, color=colour, ls=style, lw=1.4, label=label)
    right.set(xlabel="step", yscale="log", title="how far apart in float32")
    for axes in (left, middle, right):
        axes.legend(fontsize=8, frameon=False)
    return svg(drawn)


def _steps(curve: Sequence[float], every: int) -> list[int]:
    return [index * every for index in range(len(curve))]


def rates(results: Sequence[Result]) -> str:
    """The learning rate of each schedule, by step."""
    drawn, axes = figure(7.2, 3.6)
    for result in results:
        facts = result.verdict.facts
        label = result.verdict.case.partition(".")[2].partition("(")[0]
        axes.plot(_steps(facts["rates"], facts["every"]), facts["rates"], lw=1.2, label=label)
    axes.set(xlabel="step", ylabel="learning rate")
    axes.legend(fontsize=7, frameon=False, ncols=2, loc="upper right")
    return svg(drawn)


def maps(result: Result) -> str:
    """The last field of a physics model and what the equation leaves over, on both sides."""
    found = result.verdict.facts["maps"]
    drawn, all_axes = figure(10.5, 2.7, columns=len(found))
    for axes, (label, values) in zip(all_axes, found.items(), strict=True):
        largest = max(abs(x) for row in values for x in row) or 1.0
        image = axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, origin="lower")
        axes.set(title=label, xticks=[], yticks=[])
        axes.grid(False)
        drawn.colorbar(image, ax=axes, shrink=0.8)
    return svg(drawn)


def figure(width: float, height: float, columns: int = 1):
    """(figure, its axes), in the style of the report; sizes in inches."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "font.family": "sans-serif"})
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), layout="constrained")
    axes = drawn.subplots(1, columns)
    for one in axes if columns > 1 else [axes]:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(True, lw=0.3, alpha=0.6)
    return drawn, axes


def svg(drawn) -> str:
    """The figure as SVG text, to stand in a page."""
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
