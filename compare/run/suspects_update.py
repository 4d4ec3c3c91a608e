"""Known mistakes of a training step, made on torch's side: settings, clipping, decay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compare.cases.training import Call, Training

PARTS = ("update", "schedule", "clip", "loss", "penalty")


@dataclass(frozen=True)
class Mistake:
    """A training whose torch side has a mistake: its name, what it says, the line to change.

    `last` is the step that must be taken for the mistake to be made in full.
    """

    name: str
    source: str
    says: str
    change: str
    fields: dict[str, Any]
    last: int = 0

    def made(self, training: Training, steps: int) -> Training:
        """`training` with the mistake on torch's side too, for `steps` steps."""
        theirs = training.on("jax")
        kept = {name: getattr(theirs, name) for name in {*self.fields, *training.jax_changes}}
        return replace(training, **self.fields, jax_changes=kept, steps=steps, name="with it")

    def and_also(self, other: Mistake, training: Training) -> Mistake | None:
        """Both at once; None where they change the same, other than in its arguments."""
        fields = {**self.fields, **other.fields}
        for name in self.fields.keys() & other.fields.keys():
            both = _merged(getattr(training, name), self.fields[name], other.fields[name])
            if both is None:
                return None
            fields[name] = both
        return Mistake(
            " and ".join(sorted((self.name, other.name))),
            ", ".join(dict.fromkeys((self.source, other.source))),
            f"{self.says}; and {other.says}",
            f"{self.change}; {other.change}",
            fields,
            max(self.last, other.last),
        )


def _merged(plain: Any, one: Any, other: Any) -> Call | None:
    """A call with what each of two changes of its arguments; None where they change more."""
    calls = (plain, one, other)
    if not all(isinstance(call, Call) and call.target == plain.target for call in calls):
        return None
    changed = {k: v for k, v in one.arguments.items() if plain.arguments.get(k) != v}
    again = {k: v for k, v in other.arguments.items() if plain.arguments.get(k) != v}
    alike = changed.keys() & again.keys()
    return None if alike else Call(plain.target, {**other.arguments, **changed})


def mistakes(
    training: Training, settings: Sequence[tuple[str, str, Any, Any]]
) -> Iterator[Mistake]:
    """What the JAX side may do; `settings` are (part, name, torch's, JAX's) that differ."""
    for part, name, ours, theirs in settings:
        call = getattr(training, part) if part in PARTS else None
        if call is not None:
            other = Call(call.target, {**call.arguments, name: theirs})
            yield Mistake(
                name.replace("_", " "),
                _source(name),
                f"{part} {name}: torch {ours!r}, the JAX side {theirs!r}",
                f"{name}={ours!r}",
                {part: other},
            )
    if training.undecayed:
        yield Mistake(
            "undecayed",
            "gotcha 35",
            f"weight decay spares {', '.join(training.undecayed)} in torch, nothing on the JAX "
            "side",
            "a mask for optax.add_decayed_weights",
            {"undecayed": ()},
        )
    if training.clip is not None:
        known = dict(training.clip.arguments)
        yield Mistake(
            "clip eps",
            "gotcha 39",
            "clipping: torch adds 1e-6 to the norm, the JAX side does not",
            "max_norm / (norm + 1e-6)",
            {"clip": Call("compare.run.suspects_update:clip_by_norm", known)},
        )
        yield Mistake(
            "not clipped",
            "gotcha 39",
            "gradients are not clipped on the JAX side",
            "optax.clip_by_global_norm before the optimizer",
            {"clip": None},
        )
    weight_decay = training.update.arguments.get("weight_decay")
    if weight_decay and training.update.target.endswith(("Adam", "AdamW", "NAdam", "RAdam")):
        yield Mistake(
            "decay form",
            "gotcha 36",
            "weight decay: an L2 term of the gradient on one side, decoupled on the other",
            "optax.add_decayed_weights before the optimizer for L2, after it for decoupled",
            {"update": _other_decay(training.update)},
        )


def _other_decay(update: Call) -> Call:
    if update.target.endswith("AdamW"):
        return Call(update.target.removesuffix("W"), update.arguments)
    return Call(update.target, {**update.arguments, "decoupled_weight_decay": True})


def _source(name: str) -> str:
    numbers = {"weight_decay": 35, "decoupled_weight_decay": 36, "eps": 37, "dampening": 38}
    numbers |= {"num_warmup_steps": 40, "num_training_steps": 40, "T_max": 40, "step_size": 40}
    return f"gotcha {numbers[name]}" if name in numbers else "setting"


def clip_by_norm(parameters: Iterable[Any], max_norm: float) -> Any:
    """optax's: gradients times max_norm / norm where the norm is larger; the norm."""
    import torch

    gradients = [one.grad for one in parameters if one.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients]))
    if norm > max_norm:
        for one in gradients:
            one.mul_(max_norm / norm)
    return norm
