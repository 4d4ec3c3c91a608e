"""What a check of a user's pair came to, as a value and as words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from compare.explain import Explained
from compare.judge.static import Setting
from compare.judge.verdict import Verdict
from compare.run.port.table import Row, text

SHORT = 6
"""How many places of one cause, or rows of a table, are told where all would be too many."""


@dataclass(frozen=True)
class Report:
    """The verdict on a port, and why.

    verdict      of the judge, on outputs, gradients and buffers
    rows         which leaf is which
    settings     settings of paired modules that differ, before anything is run
    found        places and causes, in the order of computing
    conversion   leaves that the user's own conversion got wrong (weights="as-is")
    compiled     where torch's module is compiled, the verdict on that against the module itself
    training     the verdict on the training steps, where some were asked for
    proven       whether the causes together, made on torch's side, give all that JAX computes
    notes        what was decided for the user
    """

    verdict: Verdict
    rows: Sequence[Row] = ()
    settings: Sequence[Setting] = ()
    found: Sequence[Explained] = ()
    conversion: Sequence[str] = ()
    compiled: Verdict | None = None
    training: Verdict | None = None
    proven: bool = False
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def word(self) -> str:
        """The worst of the verdicts on a call, on its compiled form and on the training."""
        from compare.judge.verdict import worst_of

        words = [one.verdict for one in (self.verdict, self.training) if one]
        if self.compiled and self.compiled.verdict != "unsupported":
            words.append(self.compiled.verdict)
        return worst_of([*words, *(["different"] if self.conversion else [])])

    @property
    def same(self) -> bool:
        return self.word == "same"

    @property
    def places(self) -> list[str]:
        """Paths of the torch modules at fault."""
        return [one.place.path for one in self.found]

    @property
    def causes(self) -> list[str]:
        return [cause.name for one in self.found for cause in one.causes]

    @property
    def table(self) -> str:
        """The pairing of the leaves, to be saved, edited and passed back."""
        return text(self.rows)

    @property
    def lines(self) -> list[str]:
        """What there is to say, a "word: rest" a line."""
        said = [f"weights: {one}" for one in self.conversion[:SHORT]]
        said += _more(self.conversion)
        for group in grouped(self.found):
            said += _lines(group)
        if not self.found and self.verdict.verdict != "same":
            said.append(f"differs: {self.verdict.says}")
        if self.training is not None and self.training.verdict != "same":
            said.append(f"training: {self.training.says}")
            said += [f"  {line}" for line in self.training.facts.get("explained", ())]
        explained = any(one.causes for one in self.found)
        if explained and self.verdict.verdict == "different":
            count = self.verdict.compared
            said.append(
                f"proof: with these on torch's side too, all {count} arrays agree in float64"
                if self.proven
                else "proof: not everything is explained: with these on torch's side too, "
                "arrays still differ"
            )
        if self.compiled is not None:
            said.append(f"compiled: {_compiled(self.compiled)}")
        told = {(one.path, one.name) for one in self.settings}
        said += [f"setting: {one}" for one in self.settings[:SHORT] if told]
        said += _more(self.settings, "setting")
        said += [f"note: {one}" for one in self.notes]
        return said

    def __str__(self) -> str:
        head = f"{self.word}: {self.verdict.compared} arrays compared, {len(self.rows)} leaves"
        return "\n".join([head, *(f"  {line}" for line in self.lines)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "verdict": self.word,
            "says": self.verdict.says,
            "lines": self.lines,
            "places": self.places,
            "causes": self.causes,
            "proven": self.proven,
            "call": self.verdict.to_dict(),
            "compiled": self.compiled.to_dict() if self.compiled else None,
            "training": self.training.to_dict() if self.training else None,
            "table": self.table,
        }


def _compiled(verdict: Verdict) -> str:
    """How the compiled module stands to the module itself."""
    if verdict.verdict == "unsupported":
        return f"not compared, as torch.compile fails here: {verdict.says}"
    if verdict.verdict == "same":
        return f"the same as the module itself, in {verdict.compared} arrays"
    return f"{verdict.verdict} from the module itself, whatever JAX does: {verdict.says}"


def _more(many: Sequence[Any], word: str = "weights") -> list[str]:
    rest = len(many) - SHORT
    return [f"{word}: and {rest} more"] if rest > 0 else []


def grouped(found: Sequence[Explained]) -> list[list[Explained]]:
    """Places that have one cause in common, together, in the order of the first."""
    groups: dict[Any, list[Explained]] = {}
    for place, one in enumerate(found):
        key = tuple(c.says for c in one.causes) or place
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _lines(group: Sequence[Explained]) -> list[str]:
    first = group[0].lines
    paths = dict.fromkeys(one.place.path or "the model" for one in group[1:])
    paths = [path for path in paths if path != group[0].place.path]
    if paths:
        more = f" and {len(paths) - SHORT} more" if len(paths) > SHORT else ""
        first[0] += f"; also at {', '.join(paths[:SHORT])}{more}"
    return first
