"""The whole benchmark of an accelerator, in calls of limited length that go on from each other.

    python -m compare.bench_gpu --seconds 570      # again, until it says that all is done

A call runs what the results' folder does not hold yet, the most wanted first, and stops before
its seconds are over, leaving whole files. It needs neither a network nor typer or matplotlib:
where there is none of the latter, `portbench report` makes the page on another machine.

Exit status: 0 all is done, 1 it is but for arms that failed, 2 wrong use, 3 call it again.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from compare.measure import figures
from compare.measure.arms import BASELINE, PRECISIONS, arms, refused
from compare.measure.course import Plan
from compare.measure.prepare import probes
from compare.measure.session import Item, held, items, session, troubles
from compare.measure.workers import Worker
from compare.report.bench import markdown, summary

WANTED = (
    ("bert-base, train", "bert-base without dropout, train", "resnet50, train"),
    ("bert-base, inference", "resnet50, inference", "resnet18, train", "bert-minilm, train"),
)
"""Names of workloads that come first, in groups; then the others as they are listed."""
ORDER = ("bfloat16", "tf32", "float32")
END = 20.0
"""Seconds that the last files take."""


def main(words: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(words)
    began = time.monotonic()
    precisions = [name for name in ORDER if not refused(name, options.device)]
    if options.precision:
        precisions = options.precision.split(",")
        for name in precisions:
            if why := refused(name, options.device):
                return _wrong(why)
    plan = Plan(options.size, options.device, budget=options.budget, width=options.ci / 100)
    until = began + options.seconds - END if options.seconds else math.inf
    names = [name for name in options.arms.split(",") if name]
    try:
        todo = ordered(items(plan, precisions, options.workload or None, names))
        out = options.out / folder(options.device)
        results = held(out, plan)
        before = len(results)
        with probes([arm for item in todo for arm in item.arms], plan) as kept:
            whole = _run(todo, Plan(**{**vars(plan), "probes": kept}), out, results, until)
    except (LookupError, figures.NotResults) as error:
        return _wrong(str(error))
    if results:
        _pages(out, figures.document(results, plan))
    print(f"{len(results)} of {len(todo)} done: {out}", flush=True)
    if not whole:
        return 3 if len(results) > before else _wrong("nothing ended: give more --seconds")
    return int(any(troubles(one) for one in results))


def _run(
    todo: list[Item], plan: Plan, out: Path, results: list[figures.Result], until: float
) -> bool:
    """Whether nothing is left."""
    for found in session(todo, plan, out, results, _say, until):
        if found is None:
            return False
        print(summary([found]), flush=True)
        for words in troubles(found):
            print(f"  {words}", flush=True)
    return True


def ordered(todo: list[Item]) -> list[Item]:
    """The most wanted first; within a group by precision, as ORDER has them."""

    def place(item: Item) -> tuple[int, int]:
        name = item.workload.name
        group = next((i for i, names in enumerate(WANTED) if name in names), len(WANTED))
        return group, ORDER.index(item.precision)

    return sorted(todo, key=place)


def folder(device: str) -> str:
    """The device's name as a folder's: nvidia-h200; a CPU's is cpu."""
    if device == "cpu":
        return "cpu"
    with Worker(arms([BASELINE], device)[0], device) as worker:
        name = worker.ask("call", "torch.cuda:get_device_name", seconds=300)
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _pages(out: Path, document: figures.Result) -> None:
    (out / "bench.md").write_text(markdown([document]))
    try:
        from compare.report.bench_page import write_page

        write_page(out / "bench.html", [document])
    except ImportError as error:
        print(f"no page: {error}; portbench report makes it from bench.json elsewhere")


def _say(words: str) -> None:
    print(f"  {words}", file=sys.stderr, flush=True)


def _wrong(words: str) -> int:
    print(f"python -m compare.bench_gpu: {words}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m compare.bench_gpu", description="The whole benchmark of a device."
    )
    add = parser.add_argument
    add("--device", choices=("cuda", "cpu"), default="cuda")
    add("--size", choices=("gpu", "cpu", "tiny"), default="gpu", help="of shapes")
    add("--seconds", type=float, default=0.0, help="of this call; 0: until all is done")
    add("--budget", type=float, default=5.0, help="seconds of rounds of one workload")
    add("--ci", type=float, default=1.0, help="width of the interval that is enough, in %%")
    add("--precision", default="", help=f"with commas: {', '.join(PRECISIONS)}; all if empty")
    add("--workload", action="append", help="text in a name, repeatable; all if none")
    add("--arms", default="", help="names with commas; the usual if empty")
    add("--out", type=Path, default=Path("results"), help="the device's folder is made in it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
