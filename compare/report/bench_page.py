"""A benchmark as one self-contained HTML page, of one machine or of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import jinja2

from compare.report import bench, bench_plot

Result = dict[str, Any]


def write_page(file: Path, documents: Sequence[Result]) -> None:
    """Writes the page of `documents`, results of portbench bench, to `file`."""
    from compare.measure.figures import merged

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"rated": bench.rates, "cost": bench.costs}
    results = merged(list(documents))
    page = environment.get_template("bench.html").render(
        words=bench,
        documents=documents,
        cards=cards(results),
        groups=[
            (title, some, bench_plot.ratios(some), bench_plot.costs(some))
            for title, some in groups(results)
        ],
        strip=bench_plot.strip,
        knobs=knobs,
        raw=raw,
    )
    file.write_text(page)


def groups(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """Results by machine and precision, in words."""
    found: dict[str, list[Result]] = {}
    for one in results:
        threads = f", {one['threads']} thread" + ("s" if one["threads"] > 1 else "")
        place = f"{one['machine']}{threads if one['device'] == 'cpu' else ''}"
        found.setdefault(f"{place}: {one['precision']}", []).append(one)
    return list(found.items())


def cards(results: Sequence[Result]) -> list[tuple[str, str, str]]:
    """(figure, what it is, its class) of the whole."""
    rows = [row for one in results for row in one["rows"]]
    matched = [one["columns"].get("matched", {}) for one in results]
    verdicts = Counter(c["ratio"]["verdict"] for c in matched if c.get("ratio"))
    floors = [one["noise"]["floor"] for one in results if one["noise"]]
    timed = sum("seconds" in row and not row["lost"] for row in rows)
    lost = sum(bool(row["lost"]) and row["kind"] != "unsupported" for row in rows)
    found = [
        (str(len(results)), "workloads and precisions", ""),
        (str(timed), "arms timed", ""),
    ]
    names = {"faster": "same", "slower": "different", "undecided": "", "same": ""}
    found += [
        (str(verdicts[name]), f"matched: JAX {name}", kind)
        for name, kind in names.items()
        if verdicts[name]
    ]
    if refused := sum("refused" in one for one in matched):
        found.append((str(refused), "matched: refused", "leak"))
    if floors:
        found.append((f"{median(floors):.1%}", "noise floor, median", ""))
    if lost:
        found.append((str(lost), "arms lost", "error"))
    return found


def knobs(one: Result) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each knob's words, with the arms that have them; alike in all is one word of "all"."""
    rows = [row for row in one["rows"] if "knobs" in row]
    found = []
    for knob in rows[0]["knobs"] if rows else ():
        by: dict[str, list[str]] = {}
        for row in rows:
            by.setdefault(row["knobs"][knob], []).append(row["arm"])
        alike = len(by) == 1
        found.append((knob, [(w, "all" if alike else ", ".join(a)) for w, a in by.items()]))
    return found


def raw(one: Result) -> list[tuple[str, dict[str, str]]]:
    """Each side's switches as read by its first arm; of its others what differs from that."""
    first: dict[str, dict[str, str]] = {}
    found = []
    for row in one["rows"]:
        if "raw" in row:
            known = first.setdefault(row["side"], {})
            own = {name: word for name, word in row["raw"].items() if known.get(name) != word}
            if own:
                found.append((row["arm"], own))
            first[row["side"]] = known or row["raw"]
    return found
