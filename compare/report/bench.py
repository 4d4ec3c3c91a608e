"""A benchmark as Markdown, for a pull request, a step summary, the terminal; and its words,
which the page has too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Result = dict[str, Any]

COLUMNS = ("as shipped", "matched", "best effort")
LEAD = (
    "Every arm is a process of its own; arms take turns in rounds of opposite order. Ratios "
    "are of times, with their 95 % interval: below 1 is faster. An arm has figures only where "
    "outputs, gradients and weights after a step are those of torch in float64 within what "
    "rounding explains."
)
MEANING = {
    "as shipped": "each framework's defaults",
    "matched": "the same in every recorded knob; refused, with the list, where one differs",
    "best effort": "the fastest arm of each side, picked by the same rounds",
}
BUSY = 1.15
"""The canary's median over its least, from which on the machine is called busy."""


def markdown(documents: Sequence[Result]) -> str:
    """The results of one or several machines: all ratios, then each workload's tables."""
    from compare.measure.figures import merged

    results = merged(list(documents))
    lines = ["# Torch against JAX, timed", "", *machines(documents), "", LEAD, ""]
    lines += _table(
        ("workload", "precision", "device", *(f"JAX over torch, {c}" for c in COLUMNS)),
        ([one["workload"], one["precision"], one["machine"],
          *(glance(one, column) for column in COLUMNS)] for one in results),
    )  # fmt: skip
    lines += ["", *(f"*{name}*: {meaning}. " for name, meaning in MEANING.items())]
    for one in results:
        lines += ["", *section(one)]
    return "\n".join(lines) + "\n"


def machines(documents: Sequence[Result]) -> list[str]:
    """A line a file: where, with what, when."""
    packages = ("python", "torch", "jax", "flax", "numpy", "portbench")
    return [
        f"- {one['machine']['processor']}, {one['machine']['cores']} cores, "
        f"{device_of(one)}; "
        + ", ".join(f"{name} {one['versions'].get(name, '?')}" for name in packages)
        + f"; {one['when']}"
        for one in documents
    ]


def device_of(document: Result) -> str:
    """What its arms ran on, by the device's own name where an arm told it."""
    device, threads = document["plan"]["device"], document["plan"]["threads"]
    if device == "cpu":
        return f"CPU, {threads} thread" + ("s" if threads > 1 else "")
    rows = (row for one in document["results"] for row in one["rows"])
    return next((row["knobs"]["device"] for row in rows if "knobs" in row), device)


def glance(one: Result, name: str) -> str:
    """A column's ratio and verdict, or that it is refused."""
    column = one["columns"].get(name)
    if column is None:
        return "-"
    if "refused" in column:
        return "refused"
    return (
        f"{interval(column['ratio'])} {column['ratio']['verdict']}" if column["ratio"] else "-"
    )


def section(one: Result) -> list[str]:
    """One workload at one precision."""
    lines = [f"## {one['workload']}, {one['precision']}, {one['machine']}", ""]
    if one["columns"]:
        lines += [*_table(("JAX over torch", "arms", "ratio", "verdict"), columns(one)), ""]
    for heading, rows in (
        (TIMES, [times(row) for row in one["rows"]]),
        (RATES, [rates(row) for row in one["rows"] if "seconds" in row]),
        (COSTS, [costs(row) for row in one["rows"] if row["facts"]]),
    ):
        if rows:
            heading, *rows = filled(heading, rows)
            lines += [*_table(heading, rows), ""]
    return [*lines, " ".join(notes(one))]


def columns(one: Result) -> list[list[str]]:
    """As shipped, matched, best effort: JAX's time over torch's."""
    found = []
    for name, column in one["columns"].items():
        arms = f"{column['jax']} / {column['torch']}"
        if "refused" in column:
            found.append([name, arms, "-", "refused: " + "; ".join(column["refused"])])
            continue
        ratio = column["ratio"]
        said = interval(ratio) if ratio else "too few rounds"
        found.append([name, arms, said, ratio["verdict"] if ratio else "-"])
    return found


TIMES = ("arm", "ms a step", "p5 - p95", "over the first", "95 %", "verdict", "agreement")


def times(row: Result) -> list[str]:
    """An arm's times and its ratio over the first arm's; or how it was lost."""
    agreement = row.get("agreement")
    agreed = f"{agreement['compared']} arrays, {agreement['gap']:.0e}" if agreement else "-"
    if agreement and not agreement["agrees"]:
        agreed = "no"
    if row["lost"] or "seconds" not in row:
        why = f"{row['kind']}: {row['lost']}" if row["lost"] else "-"
        return [row["arm"], "-", "-", "-", "-", why, agreed]
    seconds, ratio = row["seconds"], row.get("ratio")
    return [
        row["arm"],
        ms(seconds["median"]),
        f"{ms(seconds['p5'])} - {ms(seconds['p95'])}",
        f"{ratio['value']:.3f}" if ratio else "1",
        f"{ratio['low']:.3f} - {ratio['high']:.3f}" if ratio else "",
        ratio["verdict"] if ratio else "",
        agreed,
    ]


RATES = (
    "arm", "samples/s", "real tokens/s", "padded tokens/s", "GFLOP/s", "of ceiling",
    "latency, ms", "launch, ms", "feed, ms", "harness, us",
)  # fmt: skip


def rates(row: Result) -> list[str]:
    """Of a step: throughput, operations, and what the host has to do with it."""
    facts = row["facts"]
    flops = row.get("flops_per_second")
    return [
        row["arm"],
        *(_count(row.get(name)) for name in
          ("samples_per_second", "real_tokens_per_second", "padded_tokens_per_second")),
        f"{flops / 1e9:,.3g}" if flops else "-",
        f"{row['mfu']:.0%}" if "mfu" in row else "-",
        ms(row["latency"]["median"]) if "latency" in row else "-",
        ms(row["issued"]["median"]),
        ms(facts["feed"]) if "feed" in facts else "-",
        f"{1e6 * facts['harness']:.2f}" if "harness" in facts else "-",
    ]  # fmt: skip


COSTS = (
    "arm", "first call, s", "trace, s", "compile, s", "first step, s", "warm compile, s",
    "host peak, MiB", "device peak, MiB", "planned temporaries, MiB",
)  # fmt: skip


def costs(row: Result) -> list[str]:
    """Before the first result, and in memory."""
    facts = row["facts"]
    seconds = ("first_call", "trace", "compile", "first_step", "warm_compile")
    bytes_of = ("host_peak", "device_peak", "planned temp bytes")
    return [
        row["arm"],
        *(_short(facts.get(name)) for name in seconds),
        *(f"{facts[name] / 2**20:,.0f}" if facts.get(name) else "-" for name in bytes_of),
    ]


def notes(one: Result) -> list[str]:
    """The noise floor, the clock, how rounds ended, the canary, ceilings: a sentence each."""
    said = [*noise(one)]
    clock = "CPU time of one thread" if one["clock"] == "cpu" else "the wall's clock"
    where = f", all on core {one['core']}" if one.get("core") is not None else ""
    said.append(f"Times are of {clock}{where}; rounds ended: {one['ended']}.")
    canary = one["canary"]
    if canary:
        slow, worst = (canary[name] / canary["quiet"] for name in ("median", "worst"))
        busy = ": the machine was busy with other work" if slow > BUSY else ""
        said.append(
            f"The canary, a fixed piece of NumPy between rounds, took {slow:.2f} times its "
            f"least in the median, {worst:.2f} at worst{busy}."
        )
    if one["tokens"]:
        real, padded = one["tokens"]
        said.append(f"A step has {real} real tokens of {padded}.")
    for side, found in one["ceilings"].items():
        if found:
            said.append(
                f"Ceilings by {side}: matrix product {found['matmul'] / 1e9:,.4g} GFLOP/s, "
                f"copy {found['copy'] / 1e9:,.3g} GB/s."
            )
    said.append(f"Cache: {one['l2']}.")
    if share := one.get("measured_share"):
        said.append(f"{share:.0%} of the time after compilation was in measured steps.")
    whose: dict[str, list[str]] = {}
    for row in one["rows"]:
        for words in _observed(one, row):
            whose.setdefault(words, []).append(row["arm"])
    said += [f"{_named(arms)}: {words}." for words, arms in whose.items()]
    return said


def _named(arms: Sequence[str], most: int = 3) -> str:
    return ", ".join(arms) if len(arms) <= most else f"{len(arms)} arms"


def _observed(one: Result, row: Result) -> list[str]:
    """What disturbed an arm or its ratio, what could not be asked of it, other arithmetic."""
    facts = row["facts"]
    failed = [f"{name}: {facts[name]}" for name in facts if name.startswith("no ")]
    agreement = row.get("agreement", {})
    allowed = agreement.get("precision") or one["precision"]
    other = f"it computes in {allowed}, and is judged by the rounding of that"
    doubt = agreement.get("says") if agreement.get("agrees") else ""
    return [
        *row.get("observed", ()),
        *(row.get("ratio") or {}).get("facts", ()),
        *([doubt] if doubt else []),
        *failed,
        *([other] if allowed != one["precision"] else []),
    ]


def noise(one: Result) -> list[str]:
    found = one["noise"]
    if not found:
        return ["The first arm could not be held against itself: there is no noise floor."]
    return [
        f"The first arm against itself in a second process: {interval(found['ratio'])}; the "
        f"noise floor is {found['floor']:.1%}: nothing within it is called faster or slower."
    ]


def filled(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The headings, then the rows, without columns that hold nothing."""
    kept = [k for k in range(len(headings)) if any(row[k] not in ("-", "") for row in rows)]
    return [[row[k] for k in kept] for row in (headings, *rows)]


def summary(results: Sequence[Result]) -> str:
    """A line a column, for a terminal."""
    return "\n".join(
        f"{one['workload']}, {one['precision']}, {name}: {glance(one, name)}"
        for one in results
        for name in one["columns"]
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    return [*lines, *(f"| {' | '.join(map(escaped, row))} |" for row in rows)]


def escaped(text: str) -> str:
    """Safe in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def interval(ratio: Result) -> str:
    return f"{ratio['value']:.3f} ({ratio['low']:.3f} - {ratio['high']:.3f})"


def ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g}"


def _short(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2g}"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
