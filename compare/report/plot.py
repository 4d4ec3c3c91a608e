"""Plots as SVG text, to stand inside the page: no file beside it, no script."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from compare.report.document import Result

FLOOR = 1e-19
"""Where arrays that agree to the last bit are drawn: a logarithm has no zero."""

PAIR, FAULT, CARELESS, OTHER = "#2a6fb0", "#c8322b", "#c77700", "#8a8a8a"


def error_fall(results: Sequence[Result]) -> str:
    """Every compared array: its gap in float32 across, in float64 upwards.

    Rounding shrinks by 2^29 from one to the other, a semantic difference does not shrink at
    all: pairs lie on the lower line, planted faults on the upper one.
    """
    figure, axes = _figure(7.2, 5.0)
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
    return _svg(figure)


def losses(result: Result) -> str:
    """The loss of a training run by step, and the float64 gap between the sides."""
    figure, (left, right) = _figure(9.0, 3.2, columns=2)
    curves = result.verdict.facts.get("losses", {})
    styles = {"torch float64": ("#ee4c2c", "-"), "jax float64": (PAIR, "--")}
    for label, (colour, style) in styles.items():
        left.plot(curves.get(label, []), color=colour, ls=style, lw=1.4, label=label)
    left.set(xlabel="step", ylabel="loss")
    left.legend(fontsize=8, frameon=False)
    found = result.verdict.findings
    right.plot([max(f.gap, FLOOR) for f in found], color=PAIR, lw=1.2, label="largest gap")
    right.plot([max(f.bound, FLOOR) for f in found], color=OTHER, lw=1.0, ls=":", label="bound")
    right.set(xlabel="step", ylabel="gap in float64", yscale="log")
    right.legend(fontsize=8, frameon=False)
    return _svg(figure)


def _figure(width: float, height: float, columns: int = 1):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "font.family": "sans-serif"})
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns)
    for one in axes if columns > 1 else [axes]:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(True, lw=0.3, alpha=0.6)
    return figure, axes


def _svg(figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
