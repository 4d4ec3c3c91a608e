"""JAX's half of a training run in lockstep: one Record a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from compare.cases.case import Training
from compare.run import jax_side, state, target
from compare.run.draw import Givens
from compare.run.jax_side import dotted, torch_paths
from compare.run.record import Record


def train(
    training: Training,
    given: Givens,
    batches: Iterable[tuple],
    test: tuple[np.ndarray, np.ndarray],
    precision: str,
    device: str,
) -> Iterator[Record]:
    """Trains from the given leaves; yields loss, gradients, updates and buffers of each step.

    The last Record holds `correct`: how many of the `test` images it classifies rightly.
    """

    def settings() -> ExitStack:
        # Entered anew at each step: the caller runs other precisions between two of ours.
        stack = ExitStack()
        stack.enter_context(jax.enable_x64(precision == "float64"))
        stack.enter_context(jax.default_device(jax.devices(device)[0]))
        return stack

    dtype, pattern = jnp.dtype(precision), state.channels_last(training.axes)
    with settings():
        model, torch_path = filled(training, given, dtype)
        step, score = steps(training, model)
        leaves = nnx.state(model)

    def carried_back(kind: str, tree: dict[str, jax.Array]) -> dict[str, np.ndarray]:
        paths = {name: torch_path[name] for name in tree}
        rows = {path: state.leaf_pattern(given.owners[path]) for path in paths.values()}
        return {
            f"{kind}/{path}": state.to_torch(np.asarray(tree[name]), rows[path])
            for name, path in paths.items()
        }

    for images, labels in batches:
        with settings():
            x = jax_side.cast(state.to_jax(images, pattern), dtype)
            loss, grads, updates, leaves = step(leaves, x, labels)
            buffers = named(nnx.filter_state(leaves, nnx.BatchStat))
            arrays = {
                "loss": np.asarray(loss),
                **carried_back("grad", grads),
                **carried_back("update", updates),
                **carried_back("buffer", buffers),
            }
        yield Record("jax", precision, arrays)
    with settings():
        scores = np.asarray(score(leaves, jax_side.cast(state.to_jax(test[0], pattern), dtype)))
    yield Record("jax", precision, {"correct": np.sum(scores.argmax(-1) == test[1])})


def filled(training: Training, given: Givens, dtype) -> tuple[nnx.Module, dict[str, str]]:
    """The model holding the given leaves, and the torch path of each of its own."""
    model = jax_side.build(training)
    flat = {dotted(path): var for path, var in nnx.to_flat_state(nnx.state(model))}
    carried = state.carry_leaves(
        given.leaves, given.owners, {k: v.shape for k, v in flat.items()}
    )
    for name, values in carried.items():
        flat[name].set_value(jnp.asarray(jax_side.cast(values, dtype)))
    nnx.update(model, nnx.from_flat_state([(_path(name), var) for name, var in flat.items()]))
    return model, torch_paths(given, carried)


def _path(name: str) -> tuple:
    return tuple(int(part) if part.isdigit() else part for part in name.split("."))


def named(tree: nnx.State) -> dict[str, jax.Array]:
    """ "path.of.leaf" -> array, for every leaf of a state."""
    return {dotted(path): var.get_value() for path, var in nnx.to_flat_state(tree)}


def parameters(model: nnx.Module) -> dict[str, nnx.Param]:
    """The model's own parameters, by path: writing to one changes the model."""
    return {
        dotted(path): node
        for path, node in nnx.iter_graph(model)
        if isinstance(node, nnx.Param)
    }


def steps(training: Training, model: nnx.Module):
    """(step, score): the jitted training step and the jitted forward pass in eval mode."""
    loss_of, update = (target.named(name, "jax") for name in (training.loss, training.update))
    graph = nnx.graphdef(model)
    rate = training.jax_update.get("lr", training.learning_rate)

    @jax.jit
    def step(leaves: nnx.State, x: jax.Array, labels: jax.Array):
        model = nnx.merge(graph, leaves)

        def summed(model: nnx.Module) -> jax.Array:
            return loss_of(model(x), labels, reduction="sum")

        loss, grads = nnx.value_and_grad(summed)(model)
        params = parameters(model)
        before = {name: param.get_value() for name, param in params.items()}
        pulled = named(grads)
        update(params.values(), rate, len(x), grads=[pulled[name] for name in params])
        updates = {name: param.get_value() - before[name] for name, param in params.items()}
        return loss / len(x), pulled, updates, nnx.state(model)

    @jax.jit
    def score(leaves: nnx.State, x: jax.Array) -> jax.Array:
        model = nnx.merge(graph, leaves)
        model.eval()
        return model(x)

    return step, score
