"""Where a port differs, and why: torch is followed call by call beside all that JAX computes.

At the first call where agreement ends, known mistakes are made on torch's side until its values
are JAX's again. A mistake that is found stays in place, and so the next one downstream is found
as if the first were not there. Last, with all of them in place, the whole is judged: that is
the proof. Where no known mistake fits, JAX's own value is put in torch's place, to see what
follows.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from compare.explain import Explained, leaked
from compare.judge.agree import compare
from compare.judge.cause import Cause, Search
from compare.judge.evidence import relation
from compare.judge.locate import Place
from compare.judge.verdict import Finding, Verdict
from compare.port.flow import Backward, Flow, known, mended, telling, tensors
from compare.port.models import Models
from compare.run import jax_side
from compare.run.calls import WHOLE, Rewrite, Seen
from compare.run.port.trace import Values, orders
from compare.run.port.trace import values as trace
from compare.run.record import Record
from compare.run.subject import Subject, leaf_path
from compare.run.suspect import OPERATIONS, Suspect, after
from compare.run.suspects import suspects
from compare.run.suspects_attention import norm_first, rotary, shared
from compare.run.torch_side import numpy

LAYING = [
    "flatten",
    "reshape",
    "view",
    "permute",
    "transpose",
    "cat",
    "stack",
    "concat",
    "repeat_interleave",
    "repeat",
    "tile",
    "split",
    "chunk",
    "flip",
    "roll",
    "__getitem__",
    "movedim",
    "unflatten",
]
"""Functions that only lay numbers out: what they got wrong shows in the call that takes it."""

PLACES = 24
"""How many faults are followed one after another."""

ENDS = 4
"""How many of the calls where agreement ends are looked at before one is given up."""

WHOLE_SEARCH = 6
"""How many times `seconds`, which is for two causes at one place, all places may take."""

NEAR = 0.5
"""How near, of its largest, a value must be to be taken for the same one off by a number."""

Rewrites = dict[int, list[tuple[Rewrite, float]]]


@dataclass
class Follower:
    """A difference that is followed: torch's side, JAX's values, and what was found so far.

    values    JAX's values in float64 and float32
    adopted   the mistakes that stay in place on torch's side
    placed    the places among JAX's values of all that torch's calls are given and give
    deadline  of time.perf_counter, after which places are named without a cause
    patched   whether a value of JAX's stands in torch's place: then nothing is proven
    """

    subject: Subject
    values: dict[str, Values]
    module: torch.nn.Module
    seconds: float = 30.0
    adopted: Rewrites = field(default_factory=dict)
    found: list[Explained] = field(default_factory=list)
    placed: set[int] = field(default_factory=set)
    deadline: float = 0.0
    patched: bool = False
    strict: bool = False
    known: dict[tuple[str, str], tuple[Suspect, float | None]] = field(default_factory=dict)

    def forward(self) -> bool:
        """Follows the forward pass to its end; whether all of it could be told."""
        for _ in range(PLACES):
            calls, _ = self.subject.noted(self.adopted)
            ends = Flow(calls, self.values["float64"], self.strict).sources()
            self.placed = known(calls, self.values["float64"]) if ends else set()
            if not ends:
                return True
            told = self.cause_at(calls, ends[:ENDS])
            if told is None:
                told = self.unknown(calls, ends[0])
                self.found.append(told)
                if not self.replaced(calls, ends[0]):
                    return False
                continue
            self.found.append(told)
        return False

    # One place

    def cause_at(self, calls: list[Seen], ends: list[Seen]) -> Explained | None:
        """The causes at the first of `ends` that has some: known mistakes and settings of all
        of them are tried before what any operation could have got wrong."""
        if time.perf_counter() > self.deadline:
            return None
        every = {end.index: self.suspected(calls, end) for end in ends}
        for general in (False, True):
            for end in ends:
                chosen = [one for one in every[end.index] if (one.rank > 1) == general]
                told = self.explained(calls, end, chosen)
                if told is None and not general:
                    told = self.norm_first(calls, end)
                if told is not None:
                    return told
        for end in ends:
            if told := self.searched(calls, end, every[end.index]):
                return told
        return None

    def suspected(self, calls: list[Seen], end: Seen) -> list[Suspect]:
        """What could have ended agreement at `end`; what was found elsewhere comes first."""
        near = self.around(calls, end)
        beside = [seen for seen in calls if seen.path == end.path]
        every = [*suspects(near), *self.alone(near), *rotary(beside)]
        every = [one for one in every if not one.careless]
        return sorted(every, key=lambda one: (one.name, one.kind) not in self.known)

    def explained(
        self, calls: list[Seen], end: Seen, every: Sequence[Suspect]
    ) -> Explained | None:
        """Those of the suspects that make torch's values JAX's again; they stay in place."""
        trials: list[tuple[Suspect, float | None]] = []
        for one in every:
            numbers = self.numbers(one)
            hit = next((n for n in numbers if self.mends([(one, n)], end.index)), "none")
            if hit != "none":
                trials.append((one, hit))  # pyright: ignore[reportArgumentType]
                if one.rank == 0 and (one.name, one.kind) in self.known:
                    break
        return self.settled(calls, end, trials) if trials else None

    def norm_first(self, calls: list[Seen], end: Seen) -> Explained | None:
        """A norm applied before `end` that torch applies after it: of the module with both."""
        for one in norm_first(end, calls):
            if self.mends([(one, None)], end.index):
                told = self.settled(calls, end, [(one, None)])
                place = self.place(common(end, one.says), self.gap(calls, end))
                return dataclasses.replace(told, place=place)
        return None

    def alone(self, near: Sequence[Seen]) -> list[Suspect]:
        """Calls whose leaf has no partner: the JAX side does without them."""
        rows = self.subject.given.built["jax"].rows
        single = {row.torch for row in rows if row.torch and not row.jax}
        paths = [(seen, leaf_path(one)) for seen in near for one in tensors(seen.arguments)]
        return [
            Suspect(
                "no partner",
                "the table of leaves",
                f"{{kind}}: {path} has no partner: the JAX side does without it",
                f"add what {path} does",
                after(lambda out, _, __: out * 0),
            ).at(seen)
            for seen, path in paths
            if path in single
        ]

    def numbers(self, one: Suspect) -> tuple[float | None, ...]:
        if not one.starts:
            return (None,)
        before = self.known.get((one.name, one.kind))
        first = (before[1],) if before and before[1] is not None else ()
        return (*first, *one.starts)

    def around(self, calls: list[Seen], end: Seen) -> list[Seen]:
        """The calls whose mistake could end agreement at `end`: itself, those of its module
        that it comes from or that come after it, and what laid out its inputs anew."""
        by_index = {seen.index: seen for seen in calls}
        flow = Flow(calls, self.values["float64"])
        chosen, stack = {end.index}, [end.index]
        while stack:
            for parent in flow.parents[stack.pop()]:
                seen = by_index[parent]
                if parent not in chosen and (seen.path == end.path or seen.name in LAYING):
                    chosen.add(parent)
                    stack.append(parent)
        after = [s.index for s in calls if s.path == end.path and s.index > end.index][:8]
        chosen |= {index for index in after if index != WHOLE}
        return [seen for seen in calls if seen.index in chosen]

    def mends(self, combination: Sequence[tuple[Suspect, float | None]], index: int) -> bool:
        """Whether with these mistakes too, agreement goes on past call `index`."""
        try:
            calls, _ = self.subject.noted(self.with_(combination))
        except Exception:
            return False  # no cause then: this suspect can't be made here
        return mended(calls, self.values["float64"], index, self.placed)

    def with_(self, combination: Sequence[tuple[Suspect, float | None]]) -> Rewrites:
        rewrites = {index: list(held) for index, held in self.adopted.items()}
        for one, value in combination:
            for index in (one.index, *one.also):
                rewrites.setdefault(index, []).insert(0, (one.rewrite, value))  # pyright: ignore
        return rewrites

    def settled(
        self, calls: list[Seen], end: Seen, trials: list[tuple[Suspect, float | None]]
    ) -> Explained:
        """The most specific of the mistakes that mend `end`, adopted, with the evidence."""
        best = min(one.rank for one, _ in trials)
        # Of equals the nearest to where agreement ended.
        trials = [t for t in trials if t[0].rank == best]
        trials.sort(key=lambda t: abs(t[0].index - end.index))
        chosen, value = trials[0]
        gap = self.gap(calls, end)
        names = list({(t[0].name, t[0].index): t for t in trials}.values())
        words = f"made on torch's side it gives the JAX side's values again, from {gap}"
        if len(names) > 1:
            words += f"; one of {len(names)} that explain it equally"
        causes = tuple(self.cause(one, number, words) for one, number in names[:3])
        self.adopted = self.with_([(chosen, value)])
        self.known[chosen.name, chosen.kind] = (chosen, value)
        where = next(seen for seen in calls if seen.index == chosen.index)
        return Explained(self.place(where, gap), causes)

    def cause(self, one: Suspect, value: float | None, confidence: str) -> Cause:
        says, change = one.said(value)
        return Cause(one.name, one.source, says, change, one.path, value, confidence=confidence)

    def searched(self, calls: list[Seen], end: Seen, every: list[Suspect]) -> Explained | None:
        """A number that nobody has seen, or two mistakes at once: solved for against the value
        of JAX that is nearest."""
        near = self.nearest(end)
        if near is None:
            return None
        index, target = near
        narrow = self.values["float32"].arrays
        single = narrow[index] if index < len(narrow) else target
        single = single.reshape(target.shape) if single.size == target.size else target
        single = np.asarray(single, np.float32)
        records = {
            ("torch", "float64"): self.local("float64", end.index),
            ("torch", "float32"): self.local("float32", end.index),
            ("jax", "float64"): Record("jax", "float64", {"output/0": target}),
            ("jax", "float32"): Record("jax", "float32", {"output/0": single}),
        }

        def run(combination: Sequence[tuple], precision: str) -> dict[str, np.ndarray]:
            calls, _ = self.subject.noted(self.with_(combination), precision)
            return self.value(calls, end.index)

        causes = Search(records, run, self.seconds).causes(every)
        if not causes:
            return None
        self.adopt_named(causes[0], every)
        gap = self.gap(calls, end)
        return Explained(self.place(end, gap), tuple(causes))

    def adopt_named(self, cause: Cause, every: list[Suspect]) -> None:
        """Puts a cause of the search in place: the suspects that have its names."""
        wanted = cause.name.split(" and ")
        for name in wanted:
            one = next(
                (s for s in every if s.name == name and s.said(cause.value)[0] in cause.says),
                None,
            )
            if one is not None:
                self.adopted = self.with_([(one, cause.value if one.starts else None)])

    def local(self, precision: str, index: int) -> Record:
        calls, _ = self.subject.noted(self.adopted, precision)
        return Record("torch", precision, self.value(calls, index))

    @staticmethod
    def value(calls: Sequence[Seen], index: int) -> dict[str, np.ndarray]:
        seen = next(seen for seen in calls if seen.index == index)
        return {"output/0": numpy(seen.held[0])}

    # Where nothing known fits

    def nearest(self, end: Seen) -> tuple[int, np.ndarray] | None:
        near = self.values["float64"].near(numpy(end.held[0]), 1)
        return (near[0][1], near[0][2]) if near and near[0][0] < NEAR else None

    def gap(self, calls: Sequence[Seen], end: Seen) -> str:
        values = self.values["float64"].near(numpy(end.held[0]), 1)
        return f"{values[0][0]:.1e} of the largest" if values else "values of other sizes"

    def unknown(self, calls: Sequence[Seen], end: Seen) -> Explained:
        """What is known of a place without a known cause."""
        ours = numpy(end.held[0])
        said = [f"it is in {end.name}, the {self.turn(calls, end)} call there"]
        if time.perf_counter() > self.deadline:
            said.append("the time to look for causes was over: give more --seconds")
        near = self.nearest(end)
        if near is not None and (words := relation(ours, near[1])):
            said.append(f"against the nearest value of JAX: {words}")
        return Explained(self.place(end, self.gap(calls, end)), (), tuple(said))

    @staticmethod
    def turn(calls: Sequence[Seen], end: Seen) -> str:
        place = [seen.index for seen in calls if seen.path == end.path].index(end.index) + 1
        return f"{place}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(place, 'th') }".replace(" ", "")

    def replaced(self, calls: Sequence[Seen], end: Seen) -> bool:
        """Puts JAX's value in the place of torch's, if what follows then agrees."""
        for _, _, target in self.values["float64"].near(numpy(end.held[0]), 12):
            held = torch.tensor(np.ascontiguousarray(target))

            def given(rest, arguments, value, held=held):
                result = rest(**arguments)
                first = tensors(result)[0]
                moved = first + (held.to(first.dtype) - first).detach()
                return moved if isinstance(result, torch.Tensor) else (moved, *result[1:])

            rewrites = {i: list(r) for i, r in self.adopted.items()}
            rewrites.setdefault(end.index, []).insert(0, (given, 0.0))
            try:
                after, _ = self.subject.noted(rewrites)
            except Exception:
                continue
            later = [seen for seen in after if seen.index > end.index]
            flow = Flow(after, self.values["float64"])
            children = [seen for seen in later if end.index in flow.parents[seen.index]]
            if any(flow.agrees(seen.index) for seen in children):
                self.adopted, self.patched = rewrites, True
                return True
        return False

    def retract(self) -> None:
        """Takes back causes that only say what was done to a number, as outputs still differ.

        A term left out gives some value of JAX's where the order of operations is another.
        """
        for place, one in enumerate(self.found):
            if one.causes and all(cause.source in OPERATIONS for cause in one.causes):
                words = f"near to it: {one.causes[0].says}; but the outputs then differ still"
                self.found[place] = dataclasses.replace(one, causes=(), known=(words,))

    def narrowed(self, verdict: Verdict) -> Place:
        """The first call of torch whose result JAX has only as nearly as float32 rounds."""
        calls, _ = self.subject.noted({})
        ends = Flow(calls, self.values["float64"]).sources()
        path = ends[0].path if ends else ""
        return Place(path, self.is_leaf(path), verdict)

    # Backward, and buffers

    def rest(self, records: dict[tuple[str, str], Record], verdict: Verdict) -> None:
        """What the forward pass does not show: gradients and buffers, judged as a whole."""
        differing = [one.array for one in verdict.findings if one.verdict == "different"]
        buffers = [name for name in differing if name.startswith("buffer/")]
        owners = list(dict.fromkeys(name[7:].rpartition(".")[0] for name in buffers))
        calls, pulled = self.subject.noted(self.adopted)
        for owner in owners:
            names = [name for name in buffers if name[7:].rpartition(".")[0] == owner]
            at = [seen for seen in calls if seen.path == owner and seen.index != WHOLE]
            self.whole(records, at, names, self.place_at(owner, verdict, names))
        if any(name.startswith("grad/") for name in differing):
            self.backward(records, verdict, calls, pulled)

    def backward(
        self, records: dict, verdict: Verdict, calls: list[Seen], pulled: dict[int, np.ndarray]
    ) -> None:
        names = [one.array for one in verdict.findings if one.array.startswith("grad/")]
        ends = Backward(calls, pulled, self.values["float64"]).sources()
        paths = list(dict.fromkeys(end.path for end in ends))
        for path in paths[:PLACES]:
            at = [end for end in ends if end.path == path]
            at += [seen for seen in calls if seen.path == path and seen.name == "detach"]
            place = self.place_at(path, verdict, names)
            if self.whole(records, at, names, place) and not self.judged(records, names):
                return

    def whole(self, records: dict, at: list[Seen], names: list[str], place: Place) -> bool:
        """Causes at the calls `at`, by the arrays `names` of whole runs; adopted if found."""

        def only(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {name: arrays[name] for name in names if name in arrays}

        now = {p: only(self.subject.run(self.adopted, p)) for p in ("float64", "float32")}
        chosen = {
            (side, precision): Record(
                side, precision,
                now[precision] if side == "torch" else only(records[side, precision].arrays),
            )
            for side in ("torch", "jax") for precision in ("float64", "float32")
        }  # fmt: skip

        def run(combination: Sequence[tuple], precision: str) -> dict[str, np.ndarray]:
            return only(self.subject.run(self.with_(combination), precision))

        every = [one for one in suspects(at) if not one.careless]
        every += [one for one in suspects([s for s in self.subject.calls if s.index == WHOLE])
                  if one.name == "buffers not updated"]  # fmt: skip
        causes = Search(chosen, run, self.seconds).causes(every)
        if causes:
            self.adopt_named(causes[0], every)
        known = () if causes else tuple(self.relations(now["float64"], records))
        self.found.append(Explained(place, tuple(causes), known))
        return bool(causes)

    def relations(self, ours: dict[str, np.ndarray], records: dict) -> list[str]:
        theirs = records["jax", "float64"].arrays
        said = []
        for name, value in list(ours.items())[:3]:
            other = theirs.get(name)
            if (
                other is not None
                and other.shape == value.shape
                and (words := relation(value, other))
            ):
                said.append(f"{name}: {words}")
        return said

    def judged(self, records: dict, names: Sequence[str] = ()) -> list[Finding]:
        """Arrays of whole runs that still differ with all that was found in place."""
        ours, narrow = (self.subject.run(self.adopted, p) for p in ("float64", "float32"))
        theirs, single = (records["jax", p].arrays for p in ("float64", "float32"))
        findings = [
            compare(
                name, ours.get(name), theirs.get(name), narrow.get(name), single.get(name), {}
            )
            for name in records["torch", "float64"].arrays | theirs
            if not names or name in names
        ]
        return [one for one in findings if one.verdict not in ("same", "less-careful")]

    # Places

    def place(self, seen: Seen, gap: str) -> Place:
        finding = Finding(
            "output/0", "different", says=f"{seen.name} gives other values: {gap}"
        )
        return Place(seen.path, self.is_leaf(seen.path), Verdict("", "different", (finding,),
                     finding.says))  # fmt: skip

    def place_at(self, path: str, verdict: Verdict, names: Sequence[str]) -> Place:
        findings = [one for one in verdict.findings if one.array in names
                    and one.verdict == "different"]  # fmt: skip
        own = [one for one in findings if path and f"/{path}." in one.array] or findings
        says = f"{own[0].array}: {own[0].says}" if own else ""
        return Place(path, self.is_leaf(path), dataclasses.replace(
            verdict, findings=tuple(own[:8]), says=says))  # fmt: skip

    def is_leaf(self, path: str) -> bool:
        return next(self.module.get_submodule(path).children(), None) is None


def common(end: Seen, says: str) -> Seen:
    """`end` as if it stood in the module that has both it and the norm that `says` names."""
    norm = says.split(": ", 1)[1].split(" is ")[0]
    return dataclasses.replace(end, path=shared(norm, end.path))


def follow(
    made: Models, records: dict[tuple[str, str], Record], verdict: Verdict, seconds: float
) -> tuple[list[Explained], bool]:
    """Places and causes of the difference, and whether together they explain all of it."""
    subject = Subject(made.case, made.given)
    values = {}
    for precision in ("float64", "float32"):
        with jax_side.settings(precision, "cpu"):
            program = jax_side.program(made.case, made.given, precision)
            values[precision] = trace(program.call, program.arguments, jax_side.QUICK_COMPILE)
    deadline = time.perf_counter() + WHOLE_SEARCH * seconds
    follower = Follower(subject, values, made.torch, seconds, deadline=deadline)
    if verdict.verdict == "less-careful":
        return careless(follower, verdict), False
    if verdict.verdict == "leak":
        return [leaked(follower.narrowed(verdict))], False
    whole = follower.forward()
    left = follower.judged(records)
    if whole and not follower.found and any(one.array.startswith("output/") for one in left):
        follower.strict = True  # all numbers are there: their order is what differs
        whole = follower.forward()
        left = follower.judged(records)
    if follower.patched or any(one.array.startswith("output/") for one in left):
        follower.retract()
    elif whole and left:
        follower.rest(records, dataclasses.replace(verdict, findings=tuple(left)))
        left = follower.judged(records)
    return follower.found, not left and not follower.patched


def careless(follower: Follower, verdict: Verdict) -> list[Explained]:
    """The first call in whose result JAX loses float32 bits that torch keeps, and why."""
    subject, values = follower.subject, follower.values
    wide, _ = subject.noted({})
    narrow, _ = subject.noted({}, "float32")
    for ours, single in zip(wide, narrow, strict=True):
        results = [x for x in ours.held if telling(x)]
        if ours.index == WHOLE or not results:
            continue
        t64, t32 = numpy(results[0]), numpy(single.held[0])
        found = values["float64"].find(t64)
        if found is None or found[0] >= len(values["float32"].arrays):
            continue
        other = values["float32"].arrays[found[0]]
        if other.shape != values["float64"].arrays[found[0]].shape:
            continue
        j32 = next((x for x in orders(other, t64.shape) if np.abs(x - t64).max() < 0.5 *
                    np.abs(t64).max()), None)  # fmt: skip
        if j32 is None:
            continue
        j32 = np.asarray(j32, np.float32)
        finding = compare("output/0", t64, found[1], t32, j32, {})
        if finding.verdict != "less-careful":
            continue
        local = {
            ("torch", "float64"): Record("torch", "float64", {"output/0": t64}),
            ("torch", "float32"): Record("torch", "float32", {"output/0": t32}),
            ("jax", "float64"): Record("jax", "float64", {"output/0": found[1]}),
            ("jax", "float32"): Record("jax", "float32", {"output/0": j32}),
        }

        def run(combination: Sequence[tuple], precision: str, index: int = ours.index):
            calls, _ = subject.noted(follower.with_(combination), precision)
            return follower.value(calls, index)

        causes = Search(local, run, follower.seconds).causes(suspects([ours]))
        place = Place(ours.path, follower.is_leaf(ours.path), dataclasses.replace(
            verdict, findings=(finding,), says=finding.says))  # fmt: skip
        return [Explained(place, tuple(causes))]
    return []
