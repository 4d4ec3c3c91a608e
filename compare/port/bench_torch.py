"""torch's arms of a user's own pair: the module built by its name, called or trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from compare.measure import torch_arm
from compare.measure.job import Arrays, Job, Reference
from compare.measure.timing import Prepared
from compare.measure.torch_step import Kinds, Layer, Program, Stepped
from compare.port.bench import WORDS, Asked, Timed
from compare.port.makers import Make
from compare.port.moments import held
from compare.port.named import made, named
from compare.run import target, torch_side
from compare.run.draw import Givens, cotangent
from compare.run.port import torch_model
from compare.run.port.errors import PortError

if TYPE_CHECKING:
    from compare.port.models import Models


def module_of(asked: Asked) -> torch.nn.Module:
    """The module that `asked` names."""
    return torch_model.taken(made(asked.torch, "--torch"))


def make(job: Job) -> Prepared:
    """`job`, compiled and run once."""
    return torch_arm.make(job, KINDS)


def reference(job: Job, precisions: tuple[str, ...]) -> Reference:
    """Eager runs: float64, its twins for each precision, and each precision itself."""
    job = replace(job, leaves=cast(Timed, job.workload.pair).leaves)
    return torch_arm.reference(job, precisions, KINDS)


def operations(made: Models, mode: str) -> int:
    """Floating-point operations of a step by torch's own counter: of products, convolutions
    and attention, a multiply-add being 2.

    Raises PortError for a module that changes an input in place.
    """
    from torch.utils.flop_counter import FlopCounterMode

    module = torch_side.filled(made.torch, made.given, torch.float64, "cpu")
    module.train(made.case.train)
    given = made.given.inputs.items()
    inputs = {name: torch_side.tensor(x, torch.float64, "cpu") for name, x in given}
    before = {name: x.clone() for name, x in inputs.items()}
    # Of attention's fused kernels torch counts some only: written out, all is products.
    counting = FlopCounterMode(display=False)
    with counting, sdpa_kernel(SDPBackend.MATH), torch.set_grad_enabled(mode != "forward"):
        result = torch_side.apply(module, inputs, {}, made.case)
        outs = [x for x in target.outputs(made.case, result, "torch") if x.requires_grad]
        if outs:
            torch.autograd.backward(outs, [torch.ones_like(out) for out in outs])
    for name, x in inputs.items():
        if not torch.equal(x.nan_to_num(), before[name].nan_to_num()):
            raise PortError(
                "torch", f"the module changes {name} in place: each step would be given other "
                "numbers than the last"
            )  # fmt: skip
    return counting.get_total_flops()


class Own(Program):
    """What the user's module needs where ours is built by its case."""

    words = WORDS

    @property
    def pair(self) -> Timed:
        return cast(Timed, self.job.workload.pair)

    def drawn(self) -> Givens:
        return self.pair.givens()

    def built(self) -> torch.nn.Module:
        module = module_of(self.pair.asked)
        if self.pair.train:
            torch_model.without_dropout(module)
        return module


class Called(Own, Layer):
    """A call of the module: its outputs, or them and every gradient of a drawn cotangent."""


class Trained(Own, Stepped):
    """A step of training by the user's own optimizer, schedule and loss."""

    def __init__(self, job: Job, off: float = 0.0, twin: int = 0) -> None:
        if job.arm.mode == "cudagraph":
            raise NotImplementedError("an optimizer of your own is captured in no CUDA graph")
        super().__init__(job, off, twin)
        user, _ = named(self.pair.asked.optimizers, "--optimizers")
        first, _ = Make(user).pair([torch.nn.Parameter(torch.zeros(1))])
        fuses = "fused" in first.defaults and job.arm.tuning in ("matched", "best")
        self.maker = Make(user, (("fused", True),) if fuses else ())
        self.words = {**self.words, "optimizer": self._kernels(first, fuses)}
        self.optimizer = self.maker(self.parameters.values())
        self.handed = target.called(self.pair, self.examples(job.device))
        self.told = self.pair.targets(lambda x: self.held(x, job.device))
        self.loss = self.compiled(self._losses())

    def _kernels(self, optimizer: torch.optim.Optimizer, fuses: bool) -> str:
        if fuses or optimizer.defaults.get("fused"):
            return "one kernel"
        several = self.job.device == "cuda" and optimizer.defaults.get("foreach") is not False
        return "several kernels for all" if several else "several kernels for each"

    def _losses(self) -> Any:
        """The loss of a call of the module, and that to be shown."""
        case, autocast, device = self.pair, self.policy == "autocast", self.job.device
        if case.asked.losses:
            of, _ = named(case.asked.losses, "--losses")
        else:
            of = self._weighed()

        def loss(*args: Any, **named: Any) -> tuple[torch.Tensor, torch.Tensor]:
            with torch.autocast(device, torch.bfloat16, enabled=autocast):
                whole = of(self.model(*args, **named), *self.told)
            return whole, whole.detach()

        return loss

    def _weighed(self) -> Any:
        """The mean of each output by a drawn cotangent."""
        case, args = self.pair, self.handed
        with torch.no_grad():
            result = self.model(*args[0], **args[1])
        self.filled(self.model)
        shapes = [tuple(out.shape) for out in target.outputs(case, result, "torch")]
        drawn = [cotangent(case, i, shape, self.job.seed) for i, shape in enumerate(shapes)]
        weights = [self.held(one, self.job.device) for one in drawn]

        def of(result: Any) -> torch.Tensor:
            outputs = target.outputs(case, result, "torch")
            parts = [(out * w).mean() for out, w in zip(outputs, weights, strict=True)]
            return torch.stack(parts).sum()

        return of

    def move(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()

    def restored(self) -> None:
        """By an optimizer and a schedule made anew."""
        self.filled(self.model)
        self.optimizer = self.maker(self.parameters.values())

    def moments(self) -> Arrays:
        return held(self.optimizer, self.parameters)


KINDS: Kinds = {"forward": Called, "gradient": Called, "train": Trained}
