"""A workload as a step of torch: a layer or model called, or trained, eagerly or compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch

from compare.cases.case import Case
from compare.cases.training import Training
from compare.measure import torch_knobs
from compare.measure.job import Arrays, Job, drawn, floating, moved
from compare.run import target, torch_side
from compare.run.draw import Givens, cotangent
from compare.run.objective import EVALUATIONS, objective
from compare.run.torch_update import Update


class Program:
    """What all kinds of step share: the givens, the dtype, the model, compiling.

    words   of the manifest, what the step itself knows of its knobs
    marks   whether a step begins a new run of the compiler's CUDA graphs
    """

    words: Mapping[str, str] = {}

    def __init__(self, job: Job, off: float = 0.0, twin: int = 0) -> None:
        """`off`: by how much each number given is off, up or down as `twin` draws it."""
        self.job = job
        workload, arm = job.workload, job.arm
        self.policy = job.policy(torch_knobs.PARTLY)
        self.dtype = torch.bfloat16 if self.policy == "whole" else torch.float32
        if job.precision == "float64":
            self.dtype = torch.float64
        self.given = moved(self.drawn(), off, twin)
        self.model: Any = None
        if workload.pair.is_class:
            self.model = self.filled(self.built())
            self.model.train(workload.mode == "train" or workload.pair.train)
        self.memory_format = torch.contiguous_format
        if arm.channels_last and workload.layout:
            self.memory_format = torch.channels_last
            if self.model is not None:
                self.model.to(memory_format=torch.channels_last)
        self.marks = job.device == "cuda" and arm.mode in ("reduce-overhead", "max-autotune")
        self.last: Any = None
        self.call: Callable[[], Any] = self.run

    def __call__(self) -> Any:
        return self.call()

    def drawn(self) -> Givens:
        """What the step is of, before it is moved off."""
        return drawn(self.job)

    def built(self) -> Any:
        """The module, with whatever leaves."""
        return torch_side.build(self.job.workload.pair)

    def filled(self, model: Any) -> Any:
        """`model` with the given leaves; the slots for masks stay as they are."""
        bare = replace(self.given, masks={})
        return torch_side.filled(model, bare, self.dtype, self.job.device)

    def run(self) -> Any:
        """Launches a step."""
        raise NotImplementedError

    def examples(self, device: str) -> Any:
        """What a step is given, taken to the device anew: by name."""
        return {name: self.held(x, device) for name, x in self.given.inputs.items()}

    def agreement(self) -> Arrays:
        """The arrays of a step from the givens."""
        raise NotImplementedError

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        mode = self.job.arm.mode
        if mode in ("eager", "cudagraph"):
            return function
        return torch.compile(function, mode=None if mode == "default" else mode)

    def held(self, values: np.ndarray, device: str) -> torch.Tensor:
        found = torch_side.tensor(values, self.dtype, device)
        last = self.memory_format is torch.channels_last and found.dim() == 4
        return found.to(memory_format=torch.channels_last) if last else found

    def masked(self, masks: Mapping[str, np.ndarray]) -> None:
        """Fills the slots for dropout's masks, or empties them where `masks` is empty."""
        empty = dict.fromkeys(self.job.workload.pair.masks)
        torch_side.fill_masks(self.model, masks, self.dtype, self.job.device)
        for path in empty.keys() - masks.keys():
            owner, _, slot = path.rpartition(".")
            setattr(self.model.get_submodule(owner), slot, None)

    def capture(self) -> None:
        """Records one step as a CUDA graph, which `call` then replays."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.run()
        self.call = graph.replay

    def shown(self) -> np.ndarray:
        """The smallest of the last results, on the host."""
        return torch_side.numpy(self._smallest())

    def touched(self) -> None:
        """One number of it brought to the host: nothing before it is left undone.

        A whole array's way there would be taken for work that nobody waited for.
        """
        smallest = self._smallest().detach()
        smallest[(0,) * smallest.ndim].cpu()

    def _smallest(self) -> torch.Tensor:
        outputs = [one for one in target.flatten(self.last) if torch.is_tensor(one)]
        return min(outputs, key=torch.numel) if outputs else torch.zeros(())


class Layer(Program):
    """A Case: its outputs, or them and every gradient of a drawn cotangent."""

    def __init__(self, job: Job, off: float = 0.0, twin: int = 0) -> None:
        super().__init__(job, off, twin)
        self.case = case = cast(Case, job.workload.pair)
        self.gradient = job.workload.mode == "gradient"
        self.inputs = self.examples(job.device)
        call = target.resolve(case, "torch") if self.model is None else self.model
        self.forward = self.compiled(call)
        self.wanted: dict[str, torch.Tensor] = {}
        self.cotangents: list[torch.Tensor] = []
        if case.is_class:
            self.handed = target.called(case, self.inputs)
        else:
            self.handed = (), {**self.inputs, **target.arguments(case, "torch")[1]}
        if self.gradient:
            self._ask(call)

    def _ask(self, call: Any) -> None:
        """What gradients are asked for, and what is pulled back: by the shapes of outputs."""
        for name, one in self.inputs.items():
            if self.case.inputs[name].grad and one.is_floating_point():
                self.wanted[name] = one.requires_grad_()
        if self.model is not None:
            self.wanted |= dict(self.model.named_parameters())
        args, named = self.handed
        outputs = target.outputs(self.case, call(*args, **named), "torch")
        if self.model is not None:  # the call has moved running statistics
            self.filled(self.model)
        self.pulled = [i for i, out in enumerate(outputs) if out.requires_grad]
        self.cotangents = [
            self.held(
                cotangent(self.case, i, tuple(outputs[i].shape), self.job.seed), self.job.device
            )
            for i in self.pulled
        ]

    def run(self) -> None:
        args, named = self.handed
        if not self.gradient:
            with torch.no_grad():
                self.last = self.forward(*args, **named)
            return
        outputs = target.outputs(self.case, self.forward(*args, **named), "torch")
        pulled = [outputs[i] for i in self.pulled]
        wanted = list(self.wanted.values())
        grads = torch.autograd.grad(pulled, wanted, self.cotangents, allow_unused=True)
        self.last = outputs, grads

    def agreement(self) -> Arrays:
        graphed = self.job.arm.mode == "cudagraph"
        if self.model is not None:
            self.filled(self.model)
            if self.given.masks:
                self.masked(self.given.masks)
        self.run() if graphed and self.given.masks else self()
        if self.gradient:
            outputs, grads = self.last
        else:
            outputs, grads = target.outputs(self.case, self.last, "torch"), ()
        arrays = {f"output/{i}": torch_side.numpy(out) for i, out in enumerate(outputs)}
        pairs = zip(self.wanted.items(), grads, strict=True) if self.gradient else ()
        arrays |= {
            f"grad/{name}": torch_side.numpy(torch.zeros_like(leaf) if grad is None else grad)
            for (name, leaf), grad in pairs
        }
        if self.model is not None:
            arrays |= floating(torch_side.kept_buffers(self.model, self.given))
            if self.given.masks:
                self.masked({})
        return arrays


class Called(Program):
    """A model's scores, in evaluation."""

    def __init__(self, job: Job, off: float = 0.0, twin: int = 0) -> None:
        super().__init__(job, off, twin)
        training = cast(Training, job.workload.pair)
        self.model.eval()
        evaluate = EVALUATIONS[training.objective]
        self.forward = self.compiled(lambda *x: evaluate(self.model, *x)["scores"])
        self.inputs = self.examples(job.device)

    def examples(self, device: str) -> list[torch.Tensor]:
        return [self.held(x, device) for x in list(self.given.inputs.values())[:-1]]

    def run(self) -> None:
        with torch.no_grad():
            self.last = self.forward(*self.inputs)

    def agreement(self) -> Arrays:
        self()
        return {"output/0": torch_side.numpy(self.last)}


class Stepped(Program):
    """A step of training, by whichever optimizer.

    loss     of a call: (what is pulled back, what is shown)
    handed   its positional and named arguments
    """

    loss: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    handed: tuple[tuple[Any, ...], Mapping[str, Any]]

    def __init__(self, job: Job, off: float = 0.0, twin: int = 0) -> None:
        super().__init__(job, off, twin)
        self.parameters = dict(self.model.named_parameters())

    def pull(self) -> None:
        if self.marks:
            torch.compiler.cudagraph_mark_step_begin()
        args, named = self.handed
        whole, self.last = self.loss(*args, **named)
        whole.backward()

    def move(self) -> None:
        """The optimizer's step; gradients end empty."""
        raise NotImplementedError

    def restored(self) -> None:
        """The given leaves, and an optimizer that has not moved."""
        raise NotImplementedError

    def moments(self) -> Arrays:
        """What the optimizer holds between steps."""
        raise NotImplementedError

    def run(self) -> None:
        self.pull()
        self.move()

    def agreement(self) -> Arrays:
        self.restored()
        masks = self.given.masks
        if masks:
            self.masked(masks)
        arrays: Arrays = {}
        if self.job.arm.mode == "cudagraph" and not masks:
            self()
        else:
            self.pull()
            arrays |= {
                f"grad/{k}": torch_side.numpy(p.grad)
                for k, p in self.parameters.items()
                if p.grad is not None
            }
            self.move()
        if masks:
            self.masked({})
        arrays |= {"loss": torch_side.numpy(self.last)} | self.moments()
        arrays |= {f"weight/{k}": torch_side.numpy(p) for k, p in self.parameters.items()}
        return arrays | floating(torch_side.kept_buffers(self.model, self.given))


class Trained(Stepped):
    """A whole step of training: loss, gradients, clipping, update, schedule."""

    def __init__(self, job: Job, off: float = 0.0, twin: int = 0) -> None:
        super().__init__(job, off, twin)
        self.training = training = torch_knobs.updated(cast(Training, job.workload.pair), job)
        self.update = Update(training, self.parameters)
        goal = objective(training, "torch")
        autocast, device = self.policy == "autocast", job.device

        def loss(*examples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            with torch.autocast(device, torch.bfloat16, enabled=autocast):
                losses = goal(self.model, *examples)
            whole = losses.sum() if training.by_hand else losses.mean()
            return whole, losses.detach().mean()

        self.loss = self.compiled(loss)
        self.handed = tuple(self.examples(job.device)), {}
        self.count = job.workload.samples

    def examples(self, device: str) -> list[torch.Tensor]:
        return [self.held(x, device) for x in self.given.inputs.values()]

    def move(self) -> None:
        update = self.update
        if update.clip is not None and self.training.clip is not None:
            update.clip(self.parameters.values(), **self.training.clip.arguments)
        update.step(self.count)

    def capture(self) -> None:
        """The schedule, which is the host's, stands outside the graph."""
        schedule, self.update.schedule = self.update.schedule, None
        super().capture()
        self.update.schedule = schedule
        if schedule is not None:
            replay = self.call
            self.call = lambda: (replay(), schedule.step())

    def moments(self) -> Arrays:
        counters = ("moment/step", "moment/mu_product")
        return {k: v for k, v in self.update.moments().items() if k not in counters}

    @torch.no_grad()
    def restored(self) -> None:
        """The given leaves and an optimizer that has not moved, in the same memory."""
        self.filled(self.model)
        if self.update.optimizer is not None:
            for held in self.update.optimizer.state.values():
                for value in held.values():
                    if torch.is_tensor(value):
                        value.zero_()


Kinds = Mapping[str, type[Program]]
"""By mode the class of what makes a step of it."""
KINDS: Kinds = {"forward": Layer, "gradient": Layer, "inference": Called, "train": Trained}
