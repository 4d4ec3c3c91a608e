"""JAX's arms of a user's own pair: the model built by its name, its leaves its own, in its own
layout, carried over from torch's by the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from compare.measure import jax_arm, jax_knobs, jax_step
from compare.measure.jax_step import Step, dtype_of, wide
from compare.measure.job import Arrays, Job
from compare.measure.timing import Prepared
from compare.port.bench import WORDS, Asked, Timed
from compare.port.named import made, named
from compare.port.trees import flat, found_moments, nested
from compare.run import state, target
from compare.run.draw import Givens
from compare.run.jax_leaves import cast as cast_to
from compare.run.jax_side import input_patterns
from compare.run.port.jax_model import JaxModel, taken_apart
from compare.run.port.side import Ported
from compare.run.port.table import returned


def model_of(asked: Asked, train: bool) -> JaxModel:
    """The model that `asked` names, in its mode, dropout set aside."""
    return taken_apart(made(asked.jax, "--jax"), train, {})


def make(job: Job) -> Prepared:
    """`job`, compiled and run once."""
    return jax_arm.make(job, KINDS)


class Leaves:
    """A user's leaves as measure's own: see compare/measure/jax_step.py."""

    def __init__(self, pair: Timed, given: Givens, dtype: Any) -> None:
        self.pair, self.given = pair, given
        self.model = model = model_of(pair.asked, pair.train)
        own = {path: cast_to(np.asarray(x), dtype) for path, x in model.leaves.items()}
        torchs = {path: cast_to(x, dtype) for path, x in given.leaves.items()}
        held = Ported(model, pair.rows).leaves(torchs, own)
        self.arrays = {path: np.asarray(held[path]) for path in model.leaves}

    def start(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(parameters, the rest), in fresh memory."""
        arrays = {path: jnp.array(x) for path, x in self.arrays.items()}
        params = {path: arrays[path] for path in self.model.parameters}
        return params, {path: x for path, x in arrays.items() if path not in params}

    def merged(self, arrays: Mapping[str, Any]) -> Call:
        return Call(self.model, dict(arrays))

    @property
    def whole(self) -> Callable[[Mapping[str, Any]], Any] | None:
        """What makes a module of arrays for nnx.jit to take; None where there is none."""
        return self._module if self.model.kind == "nnx" else None

    def _module(self, arrays: Mapping[str, Any]) -> Any:
        """In memory of its own, streams of random numbers too: a step may be donated it."""
        graph, held = nnx.split(self.model.rebuild(dict(arrays)))
        return nnx.merge(graph, jax.tree.map(jnp.copy, held))

    def left(self, module: Call, rest: dict[str, Any]) -> dict[str, Any]:
        """`rest` as a call of the model left it, in the dtypes that it had."""
        now = rest | module.changed
        return {name: jnp.asarray(now[name], old.dtype) for name, old in rest.items()}

    def told(self, kind: str, arrays: Mapping[str, Any]) -> Arrays:
        """ "kind/torch's path" -> array in torch's layout; of buffers none: Flax's running
        variance, which is biased, costs what torch's does, and portbench check tells it."""
        if kind == "buffer":
            return {}
        shapes = {path: leaf.shape for path, leaf in self.given.owners.items()}
        whole = {path: wide(x) for path, x in arrays.items()}
        found = returned(self.pair.rows, whole, shapes, summed=kind == "grad")
        if kind != "grad":  # where leaves of torch add up to one, it has no share of each
            places = Counter((r.jax, r.jax_part) for r in self.pair.rows if r.paired)
            several = {r.torch for r in self.pair.rows if places[r.jax, r.jax_part] > 1}
            found = {path: x for path, x in found.items() if path not in several}
        return {f"{kind}/{path}": x for path, x in found.items() if x.dtype.kind == "f"}


class Call:
    """One call of the model, which keeps the buffers that it changed."""

    def __init__(self, model: JaxModel, arrays: dict[str, Any]) -> None:
        self.model, self.arrays = model, arrays
        self.changed: dict[str, Any] = {}

    def __call__(self, *args: Any, **named: Any) -> Any:
        result, self.changed = self.model.call(self.arrays, args, named)
        return result


def called(job: Job) -> Step:
    """A call of the model: its outputs, or them and every gradient of a drawn cotangent."""
    pair = cast(Timed, job.workload.pair)
    given = pair.givens()
    leaves = Leaves(pair, given, dtype_of(job))
    step = jax_step.called(job, pair, given, leaves)
    step.words = WORDS
    return step


def trained(job: Job) -> Step:
    """A step of training by the user's own optax transformation and loss."""
    pair, dtype = cast(Timed, job.workload.pair), dtype_of(job)
    given, casts = pair.givens(), job.policy(jax_knobs.PARTLY) == "cast"
    leaves, patterns = Leaves(pair, given, dtype), input_patterns(pair)
    _, transform = named(pair.asked.optimizers, "--optimizers")
    at = jnp.bfloat16 if casts else dtype
    inputs = {k: cast_to(state.to_jax(v, patterns[k]), at) for k, v in given.inputs.items()}
    host = {"inputs": inputs, "told": pair.targets(lambda x: cast_to(x, dtype))}
    of = named(pair.asked.losses, "--losses")[1] if pair.asked.losses else _weighed(job, pair)

    def total(params: dict, rest: dict, given: dict) -> tuple[Any, dict]:
        own = {k: v.astype(jnp.bfloat16) for k, v in params.items()} if casts else params
        module = leaves.merged({**rest, **own})
        args, named = target.called(pair, given["inputs"], "jax")
        loss = of(module(*args, **named), *given["told"])
        return loss, leaves.left(module, rest)

    gradient = jax.value_and_grad(total, has_aux=True)

    def call(carry: Any, given: dict, masks: Any = None) -> Any:
        params, rest, held = carry
        (loss, rest), grads = gradient(params, rest, given)
        updates, held = transform.update(nested(grads), held, nested(params))
        params = flat(optax.apply_updates(nested(params), updates))
        return (params, rest, held), loss

    def start() -> Any:
        params, rest = leaves.start()
        return params, rest, transform.init(nested(params))

    def read(carry: Any, loss: Any, given: Any) -> Arrays:
        params, rest, held = carry
        found: Arrays = {"loss": wide(loss)} | leaves.told("weight", params)
        moments = found_moments(held)
        for name, tree in moments.items():
            found |= leaves.told(f"moment/{name}", flat(tree))
        if not moments:
            begun, kept, _ = start()
            found |= leaves.told("grad", jax.jit(gradient)(begun, kept, given)[1])
        return found | leaves.told("buffer", rest)

    whole = leaves.whole

    def module() -> Any:
        assert whole is not None
        params, rest, held = start()
        return whole({**params, **rest}), held

    def split(flat: dict, held: Any) -> Any:
        params = {k: flat[k] for k in leaves.model.parameters}
        return params, {k: flat[k] for k in leaves.arrays if k not in params}, held

    step = Step(call, start, host, read, module=module if whole else None, words=WORDS)
    step.split = split
    return step


def _weighed(job: Job, pair: Timed) -> Callable[[Any], Any]:
    """The mean of each output by a drawn cotangent, as torch's side has it."""

    def of(result: Any) -> Any:
        parts = []
        for i, out in enumerate(target.outputs(pair, result, "jax")):
            weights = jax_step.pulled(job, pair, i, out)
            parts.append((out * jnp.asarray(weights, out.dtype)).mean())
        return jnp.stack(parts).sum()

    return of


KINDS: jax_arm.Kinds = {"forward": called, "gradient": called, "train": trained}
