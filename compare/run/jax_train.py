"""JAX's half of a training run in lockstep: one Record a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from compare.cases.training import Training
from compare.run import jax_side, state
from compare.run.batches import Batch, evaluation, test_inputs
from compare.run.draw import Givens
from compare.run.jax_leaves import Leaves, cast, values
from compare.run.jax_update import Update, moments
from compare.run.objective import EVALUATION_AXES, EVALUATIONS, objective
from compare.run.record import Record


class Program:
    """A training compiled for one precision; `train` runs it from any leaves."""

    def __init__(self, training: Training, given: Givens, precision: str, device: str) -> None:
        self.training = training
        self.precision, self.device = precision, device
        self.dtype = jnp.dtype(precision)
        self.patterns = [state.channels_last(names) for names in training.axes]
        with self.settings():
            self.leaves = Leaves(training, given)
            self.torch_path, self.layouts = self.leaves.torch_path, self.leaves.patterns
            self.update = Update(training)
            options = self._options()
            self.step = jax.jit(self._step, donate_argnums=(0, 1), compiler_options=options)
            self.evaluate = jax.jit(self._evaluate)

    def _options(self) -> dict | None:
        quick = self.precision == "float64" and self.device == "cpu"
        return jax_side.QUICK_COMPILE if quick else None

    def settings(self) -> AbstractContextManager[None]:
        """Entered anew at each step: the caller runs other precisions between two of ours."""
        return jax_side.settings(self.precision, self.device)

    def train(
        self,
        given: Givens,
        batches: Iterable[Batch],
        test: tuple[np.ndarray, ...],
        twin: bool = False,
    ) -> Iterator[Record]:
        """What torch_train.train does, and the same Records."""
        with self.settings():
            leaves = self.filled(given)
            params = {k: v for k, v in leaves.items() if self.leaves.is_parameter(k)}
            held = self.update.init({self.torch_path[k]: v for k, v in params.items()})
            del params
        for batch in batches:
            with self.settings():
                told, after, leaves, held = self.step(leaves, held, *self.handed(batch))
                if twin:
                    told = {"loss": told["loss"]}
                after = after if self.precision == "float32" else {}
                told, after = jax.device_get((told, after))
            yield Record("jax", self.precision, told, parameters=after)
            del told, after  # they are large, and the next step makes its own
        if test:
            with self.settings():
                found = self.evaluated(leaves, test)
            yield Record("jax", self.precision, found)

    def handed(self, batch: Batch) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        """The arrays and masks of a batch as the step takes them."""
        pairs = zip(batch.arrays, self.patterns, strict=True)
        masks = {
            path: state.to_jax(mask, self.mask_pattern(path))
            for path, mask in batch.masks.items()
        }
        return [self.example(*pair) for pair in pairs], masks

    def _step(self, leaves: dict, held: list, arrays: list, masks: dict) -> tuple:
        """(what a Record holds: arrays, parameters; what goes on: leaves, optimizer state)."""
        goal = objective(self.training, "jax")
        names = {
            self.torch_path[name]: name for name in leaves if self.leaves.is_parameter(name)
        }
        params = {path: leaves[name] for path, name in names.items()}

        def total(params: dict[str, jax.Array]) -> tuple[jax.Array, tuple[jax.Array, dict]]:
            own = {name: params[path] for path, name in names.items()}
            model = self.leaves.merged({**leaves, **own, **masks})
            losses = goal(model, *arrays)
            whole = losses.sum() if self.training.by_hand else losses.mean()
            return whole, (losses.mean(), values(nnx.state(model)))

        (_, (loss, left)), grads = jax.value_and_grad(total, has_aux=True)(params)
        after, held, rates = self.update.step(params, grads, held, len(arrays[0]))
        clipped = {name: rates.pop(name) for name in ("grad_norm",) if name in rates}
        own = {name: after[path] for path, name in names.items()}
        leaves = {name: own.get(name, left[name]) for name in leaves}
        buffers = {self.torch_path[k]: v for k, v in leaves.items() if k not in own}
        told = {
            **rates,
            "loss": loss,
            **self.told("grad", grads),
            **clipped,
            **({} if self.training.by_hand else self.told("", moments(held))),
            **self.told("update", jax.tree.map(jnp.subtract, after, params)),
            **self.told("buffer", buffers),
        }
        return told, self.told("", after), leaves, held

    def told(self, kind: str, tree: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """The arrays of a Record, in torch's layout: "grad/path", or names that are whole."""
        return {
            f"{kind}/{name}" if kind else name: state.to_torch(
                value, self.layouts.get(name.split("/", 2)[-1], "->")
            )
            for name, value in tree.items()
        }

    def _evaluate(self, leaves: dict, arrays: list) -> dict[str, jax.Array]:
        model = self.leaves.merged(leaves)
        model.eval()
        return EVALUATIONS[self.training.objective](model, *arrays)

    def filled(self, given: Givens) -> dict[str, jax.Array]:
        """The given leaves, by JAX's path."""
        carried = self.leaves.carry(given)
        return {name: jnp.asarray(cast(held, self.dtype)) for name, held in carried.items()}

    def example(self, values: np.ndarray, pattern: str) -> np.ndarray:
        return cast(state.to_jax(values, pattern), self.dtype)

    def mask_pattern(self, path: str) -> str:
        return state.channels_last(self.training.masks[path].names)

    def evaluated(self, leaves: dict, test: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
        """The objective's evaluation on the test arrays, in eval mode."""
        parts = []
        for arrays in test_inputs(self.training, test):
            pairs = zip(arrays, self.patterns, strict=False)  # the last pattern is the labels'
            found = self.evaluate(leaves, [self.example(*pair) for pair in pairs])
            parts.append(
                {
                    name: state.to_torch(
                        np.asarray(value), state.channels_last(EVALUATION_AXES.get(name, ""))
                    )
                    for name, value in found.items()
                }
            )
        return evaluation(test, parts)
