"""The experiment behind the intervals as Markdown."""

from __future__ import annotations

from typing import Any

from compare.measure.calibration import ALARMS, COVERAGE, FIXED, POWER, SAMPLING, Row
from compare.measure.intervals import METHODS
from compare.measure.traces import BEYOND


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def tables(rows: list[Row], fixed: dict[str, Any], runs: int) -> str:
    """The result as Markdown."""
    least, most = SAMPLING.least, SAMPLING.most
    lines = [
        "# Calibration of the intervals",
        "",
        f"`portbench calibrate`: {runs:,} runs a row, seeds fixed. Sampling stops by its own "
        f"rule: interval at most {SAMPLING.width:.0%} wide, {least} to {most:,} rounds.",
        "",
        f"Required: the 95 % interval covers {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}; false "
        f"faster/slower of an arm against itself at most {ALARMS:.0%}; an effect of 1 % found "
        f"at least {POWER:.0%} of the time.",
        "",
        "| trace | covers | A/A false alarms | finds 1 % | width | rounds (median) | "
        f"{most:,} rounds not enough |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        alarms = _percent(row.alarms)
        lines.append(
            f"| {row.trace} | {row.coverage:.1%} | {alarms} | {row.power:.1%} | "
            f"{row.width:.2%} | {row.rounds:.0f} | {row.unfinished:.1%} |"
        )
    lines += [
        "",
        f"Nothing is required of the row *{BEYOND[0]}*: it shows where the interval ends, when "
        "a fifth of the quartets is hit and all on one side. Up to 5 % of turns it holds.",
        "",
        "In all but the last three rows both arms suffer the same noise, so the true ratio is "
        "1; in those it is what 400,000 rounds show. AR(1) and modes of an arm are per round "
        "and drawn for each arm apart, which no order of turns can cancel.",
        "",
        "## Without a stopping rule",
        "",
        "Coverage at fixed numbers of rounds. A strong dependence seen for a short time can't "
        "be told from a shift: sampling goes on there until rounds are worth 60 independent. "
        "At many rounds the interval is a little wide: it allows for the looks of the rule.",
        "",
        f"A budget may end a benchmark at {FIXED[0]} rounds. So few show no dependence: the "
        "interval is as of independent ones. But its verdict must lie beyond the noise floor, "
        "the first arm against itself in the same rounds: the last column says how often an "
        "arm is called faster or slower than itself for all that.",
        "",
        f"| trace | {' | '.join(f'{rounds} rounds' for rounds in FIXED)} | "
        f"false beyond the floor, {FIXED[0]} rounds |",
        f"|---|{'---|' * (len(FIXED) + 1)}",
    ]
    lines += [
        f"| {name} | {' | '.join(f'{share:.1%}' for share in shares.values())} | "
        f"{_percent(fixed['guarded'].get(name))} |"
        for name, shares in fixed["rounds"].items()
    ]
    lines += [
        "",
        "## Methods that were tried",
        "",
        f"Coverage of 95 % intervals at {FIXED[-1]} rounds, {fixed['runs']} runs. Where only "
        "one arm suffers, means and medians estimate different things, so it is left out here.",
        "",
        f"| trace | {' | '.join(METHODS)} |",
        f"|---|{'---|' * len(METHODS)}",
    ]
    lines += [
        f"| {name} | {' | '.join(f'{share:.1%}' for share in shares.values())} |"
        for name, shares in fixed["methods"].items()
    ]
    return "\n".join(lines) + "\n"
