"""What fine-tunings of both sides came to: means, standard errors, and a page of curves."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from compare.measure import environment
from compare.report.page import templates
from compare.report.plot import PAIR, TORCH, figure, svg

METRICS = ("accuracy", "f1")
COLOURS = {"torch": TORCH, "jax": PAIR}
Run = dict[str, Any]


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Per metric each side's runs, mean and standard error, and whether the means agree.

    The standard error of a mean over k seeds is the larger of two: that of the seeds' spread,
    s / sqrt(k), and that of the validation rows that all seeds share, sqrt(p (1 - p) / rows):
    with the same rows more seeds do not tell more of p than the rows do.
    """
    rows = runs[0]["validation_rows"]
    settings = {name: runs[0][name] for name in SETTINGS}
    found: dict[str, Any] = {"settings": settings, "rows": rows, "metrics": {}}
    for metric in METRICS:
        sides = {}
        for side in dict.fromkeys(run["side"] for run in runs):
            values = [run[metric] for run in sorted(runs, key=lambda run: run["seed"])
                      if run["side"] == side]  # fmt: skip
            mean = statistics.fmean(values)
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            sides[side] = {
                "runs": values,
                "mean": mean,
                "seeds_error": spread / math.sqrt(len(values)),
                "rows_error": math.sqrt(mean * (1 - mean) / rows),
            }
        gap = abs(sides["torch"]["mean"] - sides["jax"]["mean"]) if len(sides) == 2 else None
        error = max(max(s["seeds_error"], s["rows_error"]) for s in sides.values())
        agree = None if gap is None else gap <= error
        found["metrics"][metric] = {**sides, "gap": gap, "error": error, "agree": agree}
    found["seconds"] = {
        side: [run["seconds"] for run in runs if run["side"] == side] for side in COLOURS
    }
    found["environment"] = {
        "versions": environment.versions(),
        "machine": environment.machine(),
    }
    return found


SETTINGS = ("checkpoint", "data", "epochs", "batch_size", "learning_rate", "train_rows")


def table(said: dict[str, Any]) -> str:
    """The summary as Markdown."""
    lines = [
        "# BERT fine-tuned on MRPC by both Trainers",
        "",
        ", ".join(f"{name} {value}" for name, value in said["settings"].items())
        + f"; {said['rows']} validation rows",
        "",
        "| metric | side | each seed | mean | error of the seeds | error of the rows |",
        "|---|---|---|---:|---:|---:|",
    ]
    for metric, one in said["metrics"].items():
        for side in COLOURS:
            if side in one:
                each = ", ".join(f"{value:.4f}" for value in one[side]["runs"])
                lines.append(
                    f"| {metric} | {side} | {each} | {one[side]['mean']:.4f} "
                    f"| {one[side]['seeds_error']:.4f} | {one[side]['rows_error']:.4f} |"
                )
    return "\n".join([*lines, "", *gaps(said)]) + "\n"


def gaps(said: dict[str, Any]) -> list[str]:
    """How far the sides' means are apart, a sentence a metric."""
    return [
        f"The means of {metric} are {one['gap']:.4f} apart, "
        f"{'within' if one['agree'] else 'NOT within'} one standard error ({one['error']:.4f})."
        for metric, one in said["metrics"].items()
        if one["gap"] is not None
    ]


def page(runs: Sequence[Run], said: dict[str, Any]) -> str:
    """One page: the table, and the curves of training loss and validation accuracy."""
    template = templates().get_template("finetune.html")
    return template.render(said=said, colours=COLOURS, gaps=gaps(said), curves=curves(runs))


def curves(runs: Sequence[Run]) -> str:
    """Training loss by step, and validation accuracy and F1 by epoch, of every run."""
    drawn, (left, middle, right) = figure(10.5, 3.4, columns=3)
    for run in runs:
        log, colour = run["log_history"], COLOURS[run["side"]]
        label = run["side"] if run["seed"] == 0 else None
        style = {"color": colour, "lw": 1.2, "alpha": 0.8, "label": label}
        losses = [(one["step"], one["loss"]) for one in log if "loss" in one]
        if losses:
            left.plot(*zip(*losses, strict=True), **style)
        for axes, name in ((middle, "eval_accuracy"), (right, "eval_f1")):
            points = [(one["epoch"], one[name]) for one in log if name in one]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", ms=3, **style)
    left.set(xlabel="step", title="training loss")
    middle.set(xlabel="epoch", title="validation accuracy")
    right.set(xlabel="epoch", title="validation F1")
    for axes in (left, middle, right):
        if axes.lines:
            axes.legend(fontsize=8, frameon=False)
    return svg(drawn)
