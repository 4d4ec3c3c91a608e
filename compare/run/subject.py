"""A difference to be explained, as torch computes it: a function of rewrites.

The subject is a module or function with its givens. It runs as often as there are hypotheses,
each time from the same leaves, with some of its calls rewritten.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from compare.cases.case import Case
from compare.run import target, torch_side
from compare.run.calls import LEAVES, WHOLE, Calls, Rewrite, Seen, rewritten
from compare.run.draw import Givens

Rewrites = Mapping[int, Sequence[tuple[Rewrite, float]]]


class Subject:
    """`case` on torch's side, to be run with rewrites; `given` has the cotangents."""

    def __init__(self, case: Case, given: Givens, device: str = "cpu") -> None:
        self.case, self.given, self.device = case, given, device
        self.runs = 0
        self._module = torch_side.made(case, given) if case.is_class else None
        self._calls: list[Seen] | None = None

    @property
    def calls(self) -> list[Seen]:
        """Every call in the float64 run as it is; the last is that of the whole."""
        if self._calls is None:
            mode = Calls(note=True)
            whole = self._run({}, torch.float64, mode)[1]
            self._calls = [*mode.seen, whole]
        return self._calls

    def run(self, rewrites: Rewrites, precision: str = "float64") -> dict[str, np.ndarray]:
        """The arrays of a Record, with `rewrites` (index -> (rewrite, value)s) in place."""
        return self._run(rewrites, getattr(torch, precision), Calls(rewrites))[0]

    def noted(
        self, rewrites: Rewrites, precision: str = "float64"
    ) -> tuple[list[Seen], dict[int, np.ndarray]]:
        """Every call with `rewrites` in place, and what is pulled back through the tensors that
        calls took and gave: by the tensor's id, which is good as long as the calls are held."""
        mode = Calls(rewrites, note=True)
        pulled: dict[int, np.ndarray] = {}
        whole = self._run(rewrites, getattr(torch, precision), mode, pulled)[1]
        return [*mode.seen, whole], pulled

    def _run(
        self,
        rewrites: Rewrites,
        dtype: torch.dtype,
        mode: Calls,
        pulled: dict[int, np.ndarray] | None = None,
    ) -> tuple[dict[str, np.ndarray], Seen]:
        self.runs += 1
        case, given = self.case, self.given
        module, inputs, options, parameters = self._prepared(dtype)
        hooks = mode.follow(module) if module is not None else []
        arguments = {**inputs, **options}
        if module is not None:  # clones: a module may work in place
            arguments = {k: x.clone() if x.requires_grad else x for k, x in inputs.items()}
        name = type(module).__name__ if module is not None else case.target.rpartition(".")[2]

        def plain(**given: Any) -> Any:
            with mode:  # around the call itself: what a rewrite does beside it is not counted
                if module is None:
                    return target.resolve(case, "torch")(**given)
                return torch_side.apply(module, given, options, case)

        around = [(_at(one, module), value) for one, value in rewrites.get(WHOLE, ())]
        held = LEAVES.set(parameters)
        try:
            result = rewritten(plain, around)(**arguments)
        finally:
            LEAVES.reset(held)
            for hook in hooks:
                hook.remove()
        outputs = target.outputs(case, result, "torch")
        arrays = {f"output/{i}": torch_side.numpy(out) for i, out in enumerate(outputs)}
        wanted = {k: x for k, x in inputs.items() if x.requires_grad} | parameters
        if [tuple(out.shape) for out in outputs] == [np.shape(c) for c in given.cotangents]:
            between = {} if pulled is None else passed(mode.seen)
            found = torch_side.pull_back(outputs, given.cotangents, wanted | between)
            arrays |= {f"grad/{name}": torch_side.numpy(found[name]) for name in wanted}
            if pulled is not None:
                pulled |= {id(between[k]): torch_side.numpy(found[k]) for k in between}
        arrays |= {f"buffer/{name}": torch_side.numpy(inputs[name]) for name in case.mutates}
        if module is not None:
            arrays |= torch_side.kept_buffers(module, given)
        whole = Seen(WHOLE, "", name, arguments, result, module)
        return arrays, whole

    def _prepared(self, dtype: torch.dtype) -> tuple[Any, dict, dict, dict]:
        """A module with the given leaves, or none; inputs, options and parameters."""
        case, given = self.case, self.given
        _, options = target.arguments(case, "torch")
        inputs = torch_side.inputs_of(case, given, dtype, self.device)
        if self._module is None:
            masks = {
                k: torch_side.tensor(v, dtype, self.device) for k, v in given.masks.items()
            }
            return None, inputs, {**options, **masks}, {}
        module = copy.deepcopy(self._module)
        module = torch_side.filled(module, given, dtype, self.device).train(case.train)
        for path, leaf in module.named_parameters():
            leaf.leaf_path = path  # pyright: ignore[reportAttributeAccessIssue]
        return module, inputs, options, dict(module.named_parameters())


def passed(calls: Sequence[Seen]) -> dict[str, torch.Tensor]:
    """The tensors that calls took and gave and that a gradient passes through, each once."""
    tensors = [
        one
        for seen in calls
        for one in target.flatten([seen.arguments, seen.result])
        if isinstance(one, torch.Tensor) and one.requires_grad
    ]
    return {f" {id(one)}": one for one in tensors}


def _at(rewrite: Rewrite, module: Any) -> Rewrite:
    """A rewrite of the whole call is handed the module too."""
    if module is None:
        return rewrite

    def with_module(rest: Any, arguments: dict[str, Any], value: float) -> Any:
        def without(**given: Any) -> Any:
            given.pop("module", None)
            return rest(**given)

        return rewrite(without, {"module": module, **arguments}, value)

    return with_module
