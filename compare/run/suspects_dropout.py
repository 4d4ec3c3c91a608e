"""Known mistakes of dropout that keeps everything: its rate, and the factor of what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compare.run.calls import Seen
from compare.run.suspect import Suspect, fitted

RATES = (0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)


def dropouts(calls: Sequence[Seen]) -> Iterator[Suspect]:
    """Another rate, which is what a forgotten dropout and a missing factor come to."""
    for seen in calls:
        p = seen.get("p")
        if seen.name not in ("dropout", "alpha_dropout") or not p or not seen.get("training"):
            continue
        yield Suspect(
            "keep probability",
            "setting",
            f"{{kind}}: the JAX side is given {p:g} as the probability to keep: it drops "
            f"{1 - p:g}",
            f"rate={p:g}",
            lambda rest, a, _, p=p: rest(**{**a, "p": 1 - p}),
        ).at(seen)
        yield Suspect(
            "no dropout",
            "gotcha 8",
            f"{{kind}}: torch drops {p:g}; the JAX side has no dropout there, or does not "
            "divide what is kept by the probability to keep",
            f"nnx.Dropout({p:g}), which divides by {1 - p:g}",
            lambda rest, a, _: rest(**{**a, "p": 0.0}),
        ).at(seen)
        yield Suspect(
            "dropout rate",
            "setting",
            "{kind}: torch drops {torch}, the JAX side {jax}",
            "rate={torch}",
            fitted("p"),
            starts=tuple(rate for rate in RATES if rate not in (0.0, p, 1 - p)),
            torch=p,
        ).at(seen)
