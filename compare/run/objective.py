"""What a training minimises, written once for both frameworks.

Each objective is made for a training and a side, and is then a function of (model, *arrays of
the batch) to the loss of each example, or to one number. Only operators that tensors and arrays
share stand here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compare.cases.training import Call, Training
from compare.run import target

Objective = Callable[..., Any]


def objective(training: Training, side: str) -> Objective:
    """The objective of `training` on `side`, its penalty added."""
    plain = OBJECTIVES[training.objective](training, side)
    return plain if training.penalty is None else penalised(plain, training.penalty, side)


def supervised(training: Training, side: str) -> Objective:
    """loss(model(*inputs), labels), the labels being the last array of the batch."""
    loss = target.named(training.loss.target, side)

    def of(model: Any, *arrays: Any) -> Any:
        *inputs, labels = arrays
        return loss(model(*inputs), labels, **training.loss.arguments)

    return of


def physics(training: Training, side: str) -> Objective:
    """The residual of the equation along the rollout, and the distance to what was observed.

    The batch is one array (n, t, c, h, w): velocities of which the first is given. The loss's
    argument `shown` says how many of them the model is shown, the first among them.
    """
    loss = target.named(training.loss.target, side)
    arguments = dict(training.loss.arguments)
    shown = arguments.pop("shown")

    def of(model: Any, truth: Any) -> Any:
        fields = model(truth[:, 0], truth.shape[1] - 1)
        residual = model.residual(fields[:-1], fields[1:])
        return loss(residual, fields, truth.swapaxes(0, 1)[:shown], **arguments)

    return of


def labelled(training: Training, side: str) -> Objective:
    """The loss that the model itself gives for labels, as Hugging Face's models do."""

    def of(model: Any, ids: Any, mask: Any, types: Any, labels: Any) -> Any:
        return model(ids, attention_mask=mask, token_type_ids=types, labels=labels).loss

    return of


def penalised(plain: Objective, penalty: Call, side: str) -> Objective:
    """`plain`, and `strength` times the penalty summed over the weights, for each example.

    A penalty with parameters of its own is a module within the model, and `target` its path.
    """
    weights = target.named("train_ch3.weights", side)
    strength = penalty.arguments["strength"]
    within = penalty.target.startswith("model.")
    function = None if within else target.named(penalty.target, side)

    def of(model: Any, *arrays: Any) -> Any:
        if function is None:
            module = getattr(model, penalty.target.removeprefix("model."))
            total = module(*weights(model))
        else:
            total = sum(function(w) for w in weights(model))
        return plain(model, *arrays) + strength * total

    return of


def scores(model: Any, *inputs: Any) -> dict[str, Any]:
    """Of a supervised model in eval mode: scores (n, classes)."""
    return {"scores": model(*inputs)}


def logits(model: Any, ids: Any, mask: Any, types: Any) -> dict[str, Any]:
    """Of Hugging Face's kind of model in eval mode: scores (n, classes)."""
    return {"scores": model(ids, attention_mask=mask, token_type_ids=types).logits}


def rollout(model: Any, truth: Any) -> dict[str, Any]:
    """Of a physics model: the fields from the first of `truth` on, and what the equation leaves
    over, each (t, n, c, h, w)."""
    fields = model(truth[:, 0], truth.shape[1] - 1)
    return {"fields": fields, "residual": model.residual(fields[:-1], fields[1:])}


OBJECTIVES: dict[str, Callable[[Training, str], Objective]] = {
    "supervised": supervised,
    "physics": physics,
    "labelled": labelled,
}

EVALUATIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "supervised": scores,
    "physics": rollout,
    "labelled": logits,
}

EVALUATION_AXES = {"fields": "t n c h w", "residual": "t n c h w"}
