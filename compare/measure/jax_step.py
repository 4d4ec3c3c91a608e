"""A workload as a pure function of its arrays: (carry, given) -> (carry, what it shows).

What is carried is donated: a layer carries nothing, a training its parameters, buffers, streams
and optimizer state. Leaves cross by the table of compare/run/state.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from compare.cases.case import Case, Pair
from compare.cases.training import Training
from compare.measure import jax_knobs
from compare.measure.job import Arrays, Job, drawn
from compare.run import jax_leaves, jax_side, state, target
from compare.run.draw import Givens, cotangent
from compare.run.jax_leaves import values
from compare.run.jax_update import Update, moments
from compare.run.objective import EVALUATIONS, objective


@dataclass
class Step:
    """One workload. `call` takes masks as a third argument, for the agreement.

    start    what is carried into the first step, in fresh memory
    host     what each step is given, on the host
    read     arrays in torch's order, of (carry after a step, what it showed, given)
    module   makes the module holding given leaves, to be an object of nnx.jit; None: there is
             none
    words    of the manifest, what the step itself knows of its knobs
    """

    call: Callable[..., Any]
    start: Callable[[], Any]
    host: Any
    read: Callable[[Any, Any, Any], Arrays]
    masks: dict[str, Any] = field(default_factory=dict)
    module: Any = None
    split: Callable[[Any, Any], Any] = lambda leaves, held: (leaves, held)
    words: Mapping[str, str] = field(default_factory=dict)

    def by_object(self, donated: bool) -> tuple[Callable[..., Any], Any]:
        """(call, carry) with a module for leaves, which nnx.jit takes apart at each call."""
        if self.module is None:
            raise NotImplementedError("there is no module for nnx.jit to take")
        module, held = self.module()
        pure = self.call

        @nnx.jit(donate_argnums=(0, 1) if donated else ())
        def step(module: Any, held: Any, given: Any) -> Any:
            leaves = values(nnx.state(module))
            after, shown = pure(self.split(leaves, held), given)
            fresh = dict(after[0]) | dict(after[1]) if after else {}
            state_now = nnx.to_flat_state(nnx.state(module))
            moved = [
                (path, var.replace(fresh[jax_leaves.dotted(path)]))
                for path, var in state_now
                if jax_leaves.dotted(path) in fresh
            ]
            if moved:
                nnx.update(module, nnx.from_flat_state(moved))
            return (after[2] if after else held), shown

        def call(carry: Any, given: Any) -> Any:
            module, held = carry
            held, shown = step(module, held, given)
            return (module, held), shown

        return call, (module, held)

    def from_object(self, carry: Any) -> Any:
        module, held = carry
        return self.split(values(nnx.state(module)), held)


class Leaves(jax_leaves.Leaves):
    """A module's leaves as they are carried from step to step, in fresh memory each time."""

    def __init__(self, pair: Pair, given: Givens, dtype: Any) -> None:
        super().__init__(pair, given)
        self.dtype = dtype

    def start(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(parameters, the rest: buffers, and streams at their beginning)."""
        arrays = {k: jnp.array(jax_leaves.cast(v, self.dtype)) for k, v in self.carried.items()}
        params = {k: v for k, v in arrays.items() if self.is_parameter(k)}
        rest = {k: v for k, v in arrays.items() if k not in params}
        for name in self.streams:
            var = self.flat[name][1]
            key = isinstance(var, nnx.RngKey)
            rest[name] = jax.random.key(0) if key else jnp.zeros(var.shape, jnp.uint32)
        return params, rest

    @property
    def whole(self) -> Callable[[Mapping[str, Any]], Any] | None:
        """What makes a module of arrays for nnx.jit to take; None where there is none."""
        return self.merged

    def left(self, module: Any, rest: dict[str, Any]) -> dict[str, Any]:
        """`rest` as a call of the module left it, in the dtypes that it had."""
        now = values(nnx.state(module))
        kept = {}
        for name, old in rest.items():
            floating = jnp.issubdtype(old.dtype, jnp.floating)
            kept[name] = now[name].astype(old.dtype) if floating else now[name]
        return kept

    def told(self, kind: str, arrays: dict[str, Any]) -> Arrays:
        """ "kind/torch's path" -> array in torch's layout, in float32 at the narrowest."""
        found = {}
        for name, value in arrays.items():
            if name in self.torch_path:
                path = self.torch_path[name]
                found[f"{kind}/{path}"] = state.to_torch(wide(value), self.patterns[path])
        return {name: x for name, x in found.items() if x.dtype.kind == "f"}


def wide(value: Any) -> np.ndarray:
    """On the host; bfloat16 as the float32 that holds it."""
    found = np.asarray(value)
    return found.astype(np.float32) if found.dtype == jnp.bfloat16 else found


def dtype_of(job: Job) -> Any:
    if job.precision == "float64":
        return jnp.float64
    return jnp.bfloat16 if job.policy(jax_knobs.PARTLY) == "whole" else jnp.float32


def layer(job: Job) -> Step:
    """A Case: its outputs, or them and every gradient of a drawn cotangent."""
    case, plain = cast(Case, job.workload.pair), job.workload.plain
    given, dtype = drawn(job), dtype_of(job)
    if job.arm.mode == "plain" and plain is not None:
        case = replace(case, jax=plain.target, init=dict(plain.arguments))
    return called(job, case, given, Leaves(case, given, dtype) if case.is_class else None)


class Held(Protocol):
    """A module's leaves as a step has them: ours (Leaves), or those of a user's own model."""

    def start(self) -> tuple[dict[str, Any], dict[str, Any]]: ...
    def merged(self, arrays: Mapping[str, Any]) -> Any: ...
    def left(self, module: Any, rest: dict[str, Any]) -> dict[str, Any]: ...
    def told(self, kind: str, arrays: dict[str, Any]) -> Arrays: ...
    @property
    def whole(self) -> Callable[[Mapping[str, Any]], Any] | None: ...


def called(job: Job, case: Case, given: Givens, leaves: Held | None) -> Step:
    """The call of `case`: of a module by its `leaves`, or of a function, which has none."""
    dtype, patterns = dtype_of(job), jax_side.input_patterns(case)
    inputs = {
        k: jax_leaves.cast(state.to_jax(v, patterns[k]), dtype) for k, v in given.inputs.items()
    }
    wanted = {k for k, v in given.inputs.items() if case.inputs[k].grad and v.dtype.kind == "f"}
    options = target.arguments(case, "jax")[1]
    function = None if leaves else target.resolve(case, "jax")
    params, rest = leaves.start() if leaves else ({}, {})
    gradient = job.workload.mode == "gradient"
    host: dict[str, Any] = {"inputs": inputs, "params": params, "rest": rest, "back": []}

    def forward(own: dict, moving: dict, given: dict, masks: dict) -> tuple[list, dict]:
        whole = {name: moving.get(name, given["inputs"].get(name)) for name in case.inputs}
        if leaves is None:
            assert function is not None
            return target.flatten(function(**whole, **options)), {}
        module = leaves.merged({**given["rest"], **own, **masks})
        args, named = target.called(case, whole, "jax")
        outputs = target.outputs(case, module(*args, **named, **options), "jax")
        return outputs, leaves.left(module, given["rest"])

    def call(carry: Any, given: dict, masks: dict | None = None) -> Any:
        moving = {k: v for k, v in given["inputs"].items() if k in wanted}
        if not gradient:
            return carry, forward(given["params"], moving, given, masks or {})

        def of(own: dict, moving: dict) -> tuple[list, tuple]:
            outputs, left = forward(own, moving, given, masks or {})
            return [out for out in outputs if _floating(out)], (outputs, left)

        _, pull, (outputs, left) = jax.vjp(of, given["params"], moving, has_aux=True)
        return carry, (outputs, left, *pull(given["back"]))

    if gradient:
        outputs = jax.eval_shape(lambda g: forward(g["params"], g["inputs"], g, {})[0], host)
        backwards = [
            pulled(job, case, i, out) for i, out in enumerate(outputs) if _floating(out)
        ]
        host["back"] = [jax_leaves.cast(one, dtype) for one in backwards]

    def read(carry: Any, shown: Any, given: Any) -> Arrays:
        outputs, left, *grads = shown
        arrays: Arrays = {}
        for i, out in enumerate(outputs):
            names = jax_side.output_names(case, i, np.ndim(out))
            arrays[f"output/{i}"] = state.to_torch(wide(out), state.channels_last(names))
        if grads:
            own, moving = grads
            found = {k: state.to_torch(wide(v), patterns[k]) for k, v in moving.items()}
            arrays |= {f"grad/{k}": v for k, v in found.items()}
            arrays |= leaves.told("grad", own) if leaves else {}
        # Plain Flax's running variance is of another convention.
        shows = leaves is not None and job.arm.mode != "plain"
        return arrays | (leaves.told("buffer", left) if shows and leaves else {})

    masks = {k: state.to_jax(v, patterns[k]) for k, v in given.masks.items()}
    made = Step(call, lambda: (), host, read, masks)
    if leaves is not None:
        made.call, whole = _with_module(call), leaves.whole
        made.module = whole and (lambda: (whole({**params, **rest}), ()))
    return made


def _floating(value: Any) -> bool:
    return jnp.issubdtype(value.dtype, jnp.floating)


def pulled(job: Job, case: Case, index: int, out: Any) -> np.ndarray:
    """What is pulled back through output `index`, in JAX's layout."""
    names = jax_side.output_names(case, index, len(out.shape))
    pattern = state.channels_last(names)
    order = [pattern.split("->")[1].split().index(n) for n in names.split()]
    shape = tuple(out.shape[k] for k in order) if order else out.shape
    return state.to_jax(cotangent(case, index, shape, job.seed), pattern)


def _with_module(call: Callable[..., Any]) -> Callable[..., Any]:
    """A layer's call, which may be handed its leaves by nnx.jit beside what is given."""

    def handed(carry: Any, given: dict, masks: dict | None = None) -> Any:
        if carry:
            leaves, _ = carry
            params = {name: leaves[name] for name in given["params"]}
            rest = {name: leaves[name] for name in given["rest"]}
            given = {**given, "params": params, "rest": rest}
        return (), call((), given, masks)[1]

    return handed


def model(job: Job) -> Step:
    """A model's scores, in evaluation."""
    pair = replace(cast(Training, job.workload.pair), train=False)
    given, dtype = drawn(job), dtype_of(job)
    leaves = Leaves(pair, given, dtype)
    evaluate = EVALUATIONS[pair.objective]
    arrays = batch(pair, given, dtype)[:-1]
    params, rest = leaves.start()

    def call(carry: Any, given: dict, masks: Any = None) -> Any:
        module = leaves.merged({**given["rest"], **given["params"]})
        return carry, evaluate(module, *given["arrays"])["scores"]

    host = {"params": params, "rest": rest, "arrays": arrays}
    made = Step(
        _with_module(call), lambda: (), host, lambda _, out, __: {"output/0": wide(out)}
    )
    made.module = lambda: (leaves.merged({**params, **rest}), ())
    return made


def training(job: Job) -> Step:
    """A whole step of training: loss, gradients, clipping, update, schedule."""
    pair = cast(Training, job.workload.pair)
    given, dtype = drawn(job), dtype_of(job)
    casts = job.policy(jax_knobs.PARTLY) == "cast"
    leaves = Leaves(pair, given, dtype)
    update, goal = Update(pair), objective(pair, "jax")
    arrays = batch(pair, given, jnp.bfloat16 if casts else dtype)
    names = {
        path: name for name, path in leaves.torch_path.items() if leaves.is_parameter(name)
    }

    def total(params: dict, rest: dict, given: list, masks: dict) -> Any:
        own = {k: v.astype(jnp.bfloat16) for k, v in params.items()} if casts else params
        module = leaves.merged({**rest, **own, **masks})
        losses = goal(module, *given)
        whole = losses.sum() if pair.by_hand else losses.mean()
        return whole, (losses.mean(), leaves.left(module, rest))

    gradient = jax.value_and_grad(total, has_aux=True)

    def call(carry: Any, given: list, masks: dict | None = None) -> Any:
        params, rest, held = carry
        (_, (loss, rest)), grads = gradient(params, rest, given, masks or {})
        by_path, pulled = ({p: x[n] for p, n in names.items()} for x in (params, grads))
        after, held, _ = update.step(by_path, pulled, held, len(given[0]))
        return ({names[path]: value for path, value in after.items()}, rest, held), loss

    def start() -> Any:
        params, rest = leaves.start()
        return params, rest, update.init({p: params[n] for p, n in names.items()})

    def read(carry: Any, loss: Any, given: Any) -> Arrays:
        params, rest, held = carry
        found: Arrays = {"loss": wide(loss)} | leaves.told("weight", params)
        if pair.by_hand:
            begun, kept, _ = start()
            grads = jax.jit(gradient)(begun, kept, given, made.masks)[1]
            found |= leaves.told("grad", grads)
        else:
            for name, value in moments(held).items():
                path = name.split("/", 2)[-1]
                if path in leaves.patterns:
                    found[name] = state.to_torch(wide(value), leaves.patterns[path])
        return found | leaves.told("buffer", rest)

    masks = {
        path: state.to_jax(mask, state.channels_last(pair.masks[path].names))
        for path, mask in given.masks.items()
    }
    made = Step(call, start, arrays, read, masks)

    def module() -> Any:
        params, rest, held = start()
        return leaves.merged({**params, **rest}), held

    def split(flat: dict, held: Any) -> Any:
        params = {k: v for k, v in flat.items() if leaves.is_parameter(k)}
        kept = [k for k in flat if k not in params and k in (*leaves.carried, *leaves.streams)]
        return params, {k: flat[k] for k in kept}, held

    made.module, made.split = module, split
    return made


def batch(pair: Training, given: Givens, dtype: Any) -> list[np.ndarray]:
    patterns = [state.channels_last(names) for names in pair.axes]
    pairs = zip(given.inputs.values(), patterns, strict=True)
    return [jax_leaves.cast(state.to_jax(x, pattern), dtype) for x, pattern in pairs]
