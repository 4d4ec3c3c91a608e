"""Both sides run in float64 with leaves carried over in one way or another: which way is right.

Leaves are drawn: no two are alike. A way that gives torch's outputs is right, but for leaves
that they do not feel: those are told by nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np
import torch

from compare.judge.agree import compare
from compare.port.models import Models
from compare.run import state, target, torch_side
from compare.run.jax_leaves import cast
from compare.run.jax_side import QUICK_COMPILE, output_names
from compare.run.port import table
from compare.run.port.table import Row

Arrays = dict[str, np.ndarray]


class Probe:
    """JAX's float64 outputs and changed buffers for leaves carried by any table, from one
    compile; torch's beside them."""

    def __init__(self, made: Models) -> None:
        self.made = made
        self.ours = {precision: self._torch(precision) for precision in ("float64", "float32")}
        made.torch.double()
        self.inputs = {k: cast(v, np.float64) for k, v in made.jax_inputs().items()}
        self.own = {k: cast(np.asarray(v), np.float64) for k, v in made.jax.leaves.items()}
        with jax.enable_x64(True):
            lowered = jax.jit(made.call_jax).lower(self.own, self.inputs)
            self.compiled = lowered.compile(compiler_options=QUICK_COMPILE)

    def _torch(self, precision: str) -> Arrays:
        made, dtype = self.made, getattr(torch, precision)
        module = torch_side.filled(made.torch, made.given, dtype, "cpu")
        module.train(made.case.train)
        inputs = torch_side.inputs_of(made.case, made.given, dtype, "cpu")
        with torch.no_grad():
            result = torch_side.apply(module, inputs, {}, made.case)
        outputs = target.outputs(made.case, result, "torch")
        found = {f"output/{i}": torch_side.numpy(x) for i, x in enumerate(outputs)}
        for path, leaf in made.given.owners.items() if made.case.train else ():
            if leaf.buffer and not leaf.integer:
                found[f"buffer/{path}"] = torch_side.numpy(module.get_buffer(path))
        return found

    def arrays(self, rows: Sequence[Row]) -> Arrays:
        """What JAX gives, in torch's order of axes and by torch's names."""
        with jax.enable_x64(True):
            carried = table.carried(rows, self.made.given.leaves, self.own)
            narrow = {k: np.asarray(carried[k], x.dtype) for k, x in self.own.items()}
            outputs, changed = jax.device_get(self.compiled(narrow, self.inputs))
        found = {}
        for i, out in enumerate(outputs):
            names = output_names(self.made.case, i, np.ndim(out))
            found[f"output/{i}"] = state.to_torch(np.asarray(out), state.channels_last(names))
        buffers = [row for row in rows if row.paired and row.jax in changed]
        shapes = {path: leaf.shape for path, leaf in self.made.given.owners.items()}
        moved = table.returned(buffers, changed, shapes) if self.made.case.train else {}
        return found | {f"buffer/{path}": x for path, x in moved.items()}

    def agreeing(self, rows: Sequence[Row]) -> frozenset[str]:
        """Names of the arrays that are torch's, by the judge's own word; noise is none."""
        theirs, agreed = self.arrays(rows), set()
        for name, wide in self.ours["float64"].items():
            if name in theirs and theirs[name].shape == wide.shape:
                one = compare(name, wide, theirs[name], self.ours["float32"][name], None, {})
                if one.verdict in ("same", "less-careful") and not one.noise:
                    agreed.add(name)
        return frozenset(agreed)

    @property
    def outputs(self) -> frozenset[str]:
        """Names of the outputs that are more than zeros."""
        return frozenset(name for name, x in self.ours["float64"].items()
                         if name.startswith("output/") and np.any(x))  # fmt: skip

    def distance(self, rows: Sequence[Row]) -> float:
        """How far JAX's outputs are from torch's, of their size: the root mean square."""
        theirs, total = self.arrays(rows), 0.0
        for name in self.outputs:
            ours, other = self.ours["float64"][name], theirs[name]
            if ours.dtype.kind != "f" or ours.shape != other.shape:
                continue
            well = np.isfinite(ours) & np.isfinite(other)
            if not well.any():
                return float("inf")
            size = float(np.square(ours[well]).mean()) or 1.0
            total += float(np.square(other[well] - ours[well]).mean()) / size
        return total**0.5
