"""A benchmark as Markdown: for a pull request, a step summary, the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Result = dict[str, Any]

_HEADINGS = (
    "arm", "ms a step", "p5 - p95", "over the first", "95 %", "verdict", "latency, ms",
    "items/s", "of ceiling", "first call, s", "warm, s", "agreement",
)  # fmt: skip


def markdown(document: Result) -> str:
    """All results: a table each, its columns, and what to know before they are read."""
    machine, versions = document["machine"], document["versions"]
    packages = ("python", "torch", "jax", "flax", "numpy")
    lines = [
        "# Torch against JAX, timed",
        "",
        f"{machine['processor']}, {machine['cores']} cores; "
        + ", ".join(f"{name} {versions.get(name, '?')}" for name in packages)
        + f"; {document['when']}.",
        "",
        "Every arm is a process of its own; arms take turns in rounds of opposite order. "
        "Ratios are over the first arm's time: below 1 is faster. An arm has figures only "
        "where outputs, gradients and weights after a step are those of torch in float64 "
        "within what rounding explains.",
    ]
    for one in document["results"]:
        lines += ["", *section(one)]
    return "\n".join(lines) + "\n"


def section(one: Result) -> list[str]:
    """One workload at one precision."""
    device = one.get("machine") or one["device"]
    lines = [
        f"## {one['workload']}, {one['precision']}, {device}",
        "",
        *columns(one),
        "| " + " | ".join(_HEADINGS) + " |",
        "|---" * len(_HEADINGS) + "|",
        *(f"| {' | '.join(cells(one, row))} |" for row in one["rows"]),
        "",
        *notes(one),
    ]
    return lines


def columns(one: Result) -> list[str]:
    """As shipped, matched, best effort: JAX's time over torch's."""
    if not one["columns"]:
        return []
    lines = ["| JAX over torch | arms | ratio | verdict |", "|---|---|---|---|"]
    for name, column in one["columns"].items():
        arms = f"{column['jax']} / {column['torch']}"
        if "refused" in column:
            says = "refused: " + "; ".join(column["refused"])
            lines.append(f"| {name} | {arms} | - | {escaped(says)} |")
            continue
        ratio = column["ratio"]
        said = _ratio(ratio) if ratio else "too few rounds"
        lines.append(f"| {name} | {arms} | {said} | {ratio['verdict'] if ratio else '-'} |")
    return [*lines, ""]


def cells(one: Result, row: Result) -> list[str]:
    name, facts = row["arm"], row["facts"]
    agreement = row.get("agreement")
    agreed = "-"
    if agreement:
        agreed = f"{agreement['compared']} arrays, {agreement['gap']:.0e}"
    first, warm = facts.get("first_call"), facts.get("warm_compile")
    ends = [
        _short(first),
        _short(warm),
        agreed if not agreement or agreement["agrees"] else "no",
    ]
    if row["lost"]:
        why = escaped(f"{row['kind']}: {row['lost']}")
        return [name, "-", "-", "-", "-", why, "-", "-", "-", *ends]
    if "seconds" not in row:
        return [name, *("-",) * 8, *ends]
    times, ratio = row["seconds"], row.get("ratio")
    rate = row.get("real_tokens_per_second") or row["samples_per_second"]
    return [
        name,
        _ms(times["median"]),
        f"{_ms(times['p5'])} - {_ms(times['p95'])}",
        f"{ratio['value']:.3f}" if ratio else "1",
        f"{ratio['low']:.3f} - {ratio['high']:.3f}" if ratio else "",
        ratio["verdict"] if ratio else "",
        _ms(row["latency"]["median"]) if "latency" in row else "-",
        f"{rate:,.0f}" + (" tokens" if "real_tokens_per_second" in row else ""),
        f"{row['mfu']:.0%}" if "mfu" in row else "-",
        *ends,
    ]


def notes(one: Result) -> list[str]:
    """The noise floor, the canary, the clock, how rounds ended."""
    said = []
    again = next((row for row in one["rows"] if row["arm"].endswith("again")), None)
    if again and again.get("ratio"):
        said.append(f"The first arm against itself: {_ratio(again['ratio'])}: the noise floor.")
    clock = "CPU time of one thread" if one["clock"] == "cpu" else "the wall's clock"
    said.append(f"Times are of {clock}; {one['ended']}.")
    canary = one["canary"]
    if canary:
        slow, worst = (canary[name] / canary["quiet"] for name in ("median", "worst"))
        said.append(
            f"The canary, a fixed piece of NumPy between rounds, took {slow:.2f} times its "
            f"least in the median, {worst:.2f} at worst"
            + (": the machine was busy with other work." if slow > 1.15 else ".")
        )
    if one["tokens"]:
        real, padded = one["tokens"]
        said.append(f"A step has {real} real tokens of {padded}; rates are of real ones.")
    if one["device"] == "cuda":
        said.append(f"L2: {one['l2']}.")
    share = one.get("measured_share")
    if share:
        said.append(f"{share:.0%} of the time after compilation was in measured steps.")
    return [" ".join(said)]


def summary(results: Sequence[Result]) -> str:
    """A line a result, for a terminal."""
    lines = []
    for one in results:
        for name, column in one["columns"].items():
            ratio = column.get("ratio")
            said = _ratio(ratio) + f" {ratio['verdict']}" if ratio else "refused or too few"
            lines.append(f"{one['workload']}, {one['precision']}, {name}: {said}")
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Safe in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _ratio(ratio: Result) -> str:
    return f"{ratio['value']:.3f} ({ratio['low']:.3f} - {ratio['high']:.3f})"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g}"


def _short(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2g}"
