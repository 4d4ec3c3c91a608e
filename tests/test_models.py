"""The models: ResNet's parameters, names and state, and training steps judged like any case."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import torch
from flax import nnx

import jax_impl.convlstm
import jax_impl.resnet
import torch_impl.convlstm
import torch_impl.resnet
from compare.cases.case import Case, draw
from compare.cases.training import Training
from compare.check import check
from compare.judge.agree import compare
from compare.run import jax_leaves, jax_train, pde, state, torch_side
from compare.run.draw import givens

COUNTS = {  # what torchvision publishes
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}

ORDER_MARGIN = 0.25
"""How far an observed order of convergence may lie from the stated one, in powers of 2."""


@pytest.mark.parametrize("name", COUNTS)
def test_resnets_have_torchs_leaves(name):
    """Names and shapes carried by the leaf table; nothing is drawn or computed."""
    with torch.device("meta"):
        theirs = getattr(torch_impl.resnet, name)()
    ours = nnx.eval_shape(lambda: getattr(jax_impl.resnet, name)(rngs=nnx.Rngs(0)))
    slots = {".".join(map(str, p)): v.shape for p, v in nnx.to_flat_state(nnx.state(ours))}
    leaves = torch_side.module_leaves(theirs)
    small = {leaf.path: np.broadcast_to(np.float32(0), leaf.shape) for leaf in leaves}
    carried = state.carry_leaves(small, {leaf.path: leaf for leaf in leaves}, slots)
    assert carried.keys() == small.keys() == theirs.state_dict().keys()
    assert sum(parameter.numel() for parameter in theirs.parameters()) == COUNTS[name]
    counted = jax.tree.leaves(nnx.state(ours, nnx.Param))
    assert sum(np.prod(leaf.shape, dtype=int) for leaf in counted) == COUNTS[name]


SMALL = {"layers": [1, 1, 1, 1], "num_classes": 5}
BLOCK = {
    side: {"block": module.BasicBlock}
    for side, module in (("torch", torch_impl.resnet), ("jax", jax_impl.resnet))
}


def test_resnet50s_state_goes_to_jax_and_back_bit_for_bit():
    training = Training("resnet.resnet50", init={})
    theirs = torch_side.build(training)
    given = givens(training, torch_side.module_leaves(theirs), seed=0)
    program = jax_train.Program(training, given, "float32", "cpu")
    ours = program.leaves.merged(program.filled(given))
    back = {
        program.torch_path[name]: torch.tensor(
            state.to_torch(
                np.asarray(value),
                state.leaf_pattern(given.owners[program.torch_path[name]]),
            )
        )
        for name, value in jax_leaves.values(nnx.state(ours)).items()
    }
    assert sum(value.numel() for value in back.values()) > COUNTS["resnet50"]
    theirs.load_state_dict(back, strict=True)
    for path, value in theirs.state_dict().items():
        np.testing.assert_array_equal(
            value.numpy(), given.leaves[path].astype(value.numpy().dtype)
        )


def test_a_transposed_leaf_does_not_come_back():
    """The round trip sees an axis out of place even where the shape is square."""
    leaf = next(
        one
        for one in torch_side.module_leaves(torch_impl.resnet.BasicBlock(4, 4))
        if one.path == "conv1.weight"
    )
    values = np.arange(4 * 4 * 3 * 3).reshape(leaf.shape)
    there = state.to_jax(values, state.leaf_pattern(leaf))
    np.testing.assert_array_equal(state.to_torch(there, state.leaf_pattern(leaf)), values)
    swapped = state.to_torch(there.swapaxes(0, 1), state.leaf_pattern(leaf))
    assert not np.array_equal(swapped, values)


class TorchStep(torch_impl.convlstm.PhysicsRNN):
    """The physics loss of a roll-out: what a training step takes the gradient of."""

    def forward(self, u: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        fields = super().forward(u, steps=2)
        residual = self.residual(fields[:-1], fields[1:])
        return torch_impl.convlstm.physics_loss(residual, fields, observed, 10.0)


class JaxStep(jax_impl.convlstm.PhysicsRNN):
    def __call__(self, u: jax.Array, observed: jax.Array) -> jax.Array:
        fields = super().__call__(u, steps=2)
        residual = self.residual(fields[:-1], fields[1:])
        return jax_impl.convlstm.physics_loss(residual, fields, observed, 10.0)


U = {"u": draw("n=2 c=2 h=6 w=7")}
NETWORK = {"hidden_channels": 3, "kernel_size": 3}
STEP = Case(
    "convlstm.PhysicsRNN",
    {**U, "observed": draw("t=2 n=2 c=2 h=6 w=7")},
    init=NETWORK,
    torch="test_models:TorchStep",
    jax="test_models:JaxStep",
    name="a physics-informed step",
)
CASES = [
    Case(
        "resnet.ResNet",
        {"x": draw("n=3 c=3 h=37 w=33")},
        init={**SMALL, **BLOCK["torch"]},
        jax_init=BLOCK["jax"],
        out=("n a",),
        name="a step of a small ResNet",
    ),
    Case(
        "resnet.Bottleneck",
        {"x": draw("n=2 c=8 h=5 w=7")},
        init={"inplanes": 8, "planes": 2, "groups": 2, "base_width": 128, "dilation": 2},
        name="a step of a Bottleneck",
    ),
    Case("convlstm.PhysicsRNN", U, init=NETWORK, options={"steps": 2}, out=("t n c h w",)),
    STEP,
    Case(
        "convlstm.ConvLSTMCell",
        {"input": draw("n=2 c=3 h=4 w=5")},
        init={"in_channels": 3, "hidden_channels": 2, "kernel_size": (3, 1)},
    ),
]


def test_training_steps_are_the_same_with_gradients_and_buffers():
    verdicts = {verdict.case: verdict for verdict in check(CASES, quick=True)}
    wrong = [
        f"{v.case}: {v.verdict}: {v.says}" for v in verdicts.values() if v.verdict != "same"
    ]
    assert not wrong
    compared = {one.array for one in verdicts["a step of a small ResNet"].findings}
    assert {"grad/x", "grad/layer2.0.downsample.0.weight", "grad/fc.bias"} <= compared
    assert {"buffer/bn1.running_var", "buffer/layer4.0.bn2.num_batches_tracked"} <= compared


def test_a_step_of_a_faulty_network_is_different():
    faults = {
        "viscosity": {"jax_init": {"viscosity": 0.02 * (1 + 1e-6)}},
        "order": {"jax_init": {"order": 2}},
    }
    cases = [Case(**{**vars(STEP), **change, "name": name}) for name, change in faults.items()]
    assert [verdict.verdict for verdict in check(cases, quick=True)] == ["different"] * 2


DERIVATIVES = {
    "dx": lambda x, y: 2 * np.cos(2 * x) * np.cos(y),
    "dy": lambda x, y: -np.sin(2 * x) * np.sin(y),
    "laplacian": lambda x, y: -5 * np.sin(2 * x) * np.cos(y),
}


def grid(size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """x along w, y along h, over one period of length 2 pi, and the distance of points."""
    points = 2 * np.pi * np.arange(size) / size
    y, x = np.meshgrid(points, points, indexing="ij")
    return x, y, 2 * np.pi / size


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("derivative", DERIVATIVES)
def test_differences_converge_at_their_order_on_both_sides(derivative, order):
    errors = []
    with jax.enable_x64(True):
        for size in (24, 48):
            x, y, spacing = grid(size)
            field = np.stack([np.sin(2 * x) * np.cos(y), np.sin(2 * y) * np.cos(x)])
            of_torch, of_jax = (
                module.FiniteDifference(derivative, spacing, order)
                for module in (torch_impl.convlstm, jax_impl.convlstm)
            )
            theirs = of_torch(torch.tensor(field)).numpy()
            ours = np.moveaxis(np.asarray(of_jax(np.moveaxis(field, 0, -1))), -1, 0)
            assert compare("derivative", theirs, ours, None, None, {}).verdict == "same"
            errors.append(np.abs(ours[0] - DERIVATIVES[derivative](x, y)).max())
    assert abs(np.log2(errors[0] / errors[1]) - order) < ORDER_MARGIN


def cole_hopf(x: np.ndarray, time: float, viscosity: float) -> np.ndarray:
    """Burgers' exact solution u = -2 viscosity phi_x / phi, phi = 2 + exp(-viscosity t) cos x.

    Source: Hopf 1950, doi:10.1002/cpa.3160030302.
    """
    decay = np.exp(-viscosity * time)
    return 2 * viscosity * decay * np.sin(x) / (2 + decay * np.cos(x))


def test_the_ground_truth_converges_to_the_exact_solution():
    viscosity, steps, dt = 0.3, 4, 0.25
    errors = []
    for size in (16, 32):
        x, y, spacing = grid(size)
        for along, exact in ((0, x), (1, y)):
            initial = np.zeros((2, size, size))
            initial[along] = cole_hopf(exact, 0.0, viscosity)
            fields = pde.simulate(initial, steps, dt, spacing, viscosity)
            assert fields.shape == (steps + 1, 2, size, size)
            np.testing.assert_array_equal(fields[0], initial)
            right = cole_hopf(exact, steps * dt, viscosity)
            errors.append(np.abs(fields[-1][along] - right).max())
    assert errors[0] == pytest.approx(errors[1])
    assert abs(np.log2(errors[0] / errors[2]) - 4) < ORDER_MARGIN


def test_the_truth_leaves_a_residual_that_falls_with_the_step():
    """The network's physics and the simulation, written apart, say the same equation."""
    initial = pde.initial_velocity(0, 1, 24, 24)
    spacing = 2 * np.pi / 24
    left = []
    for dt in (0.1, 0.05):
        fields = pde.simulate(initial, 2, dt, spacing, 0.1)
        net = torch_impl.convlstm.PhysicsRNN(2, 3, dt, spacing, 0.1)
        residual = net.residual(*map(torch.tensor, (fields[:-1], fields[1:])))
        left.append(float(residual.abs().max()))
    # The middle of a step is of second order in time; space has the same stencils.
    assert abs(np.log2(left[0] / left[1]) - 2) < ORDER_MARGIN
    assert left[1] < 0.02


def test_wrong_arguments_are_named_on_both_sides():
    for module, side in ((torch_impl, "torch"), (jax_impl, "jax")):
        stream = {"rngs": nnx.Rngs(0)} if side == "jax" else {}
        resnet, block = module.resnet.ResNet, module.resnet.BasicBlock
        with pytest.raises(ValueError, match="layers"):
            resnet(block, [1, 1, 1], **stream)
        with pytest.raises(ValueError, match="replace_stride_with_dilation"):
            resnet(block, [1] * 4, replace_stride_with_dilation=[True], **stream)
        with pytest.raises(ValueError, match="groups"):
            block(4, 4, groups=2, **stream)
        with pytest.raises(NotImplementedError, match="dilation"):
            block(4, 4, dilation=2, **stream)
        for wrong in ({"derivative": "dz"}, {"order": 3}, {"spacing": 0.0}):
            with pytest.raises(ValueError, match=next(iter(wrong))):
                module.convlstm.FiniteDifference(**{"derivative": "dx", **wrong})


DRAWN = {"conv1.weight": 64 * 49, "layer2.0.conv1.weight": 128 * 9}
CONSTANT = {"layer1.0.bn1.weight": 1, "layer1.0.bn2.weight": 0, "layer4.0.bn2.weight": 0}


def started(side: str) -> dict[str, np.ndarray]:
    """The leaves of DRAWN and CONSTANT in a new net; jit leaves the others undrawn."""
    init = {**SMALL, **BLOCK[side], "zero_init_residual": True}
    if side == "torch":
        torch.manual_seed(0)
        named = dict(torch_impl.resnet.ResNet(**init).named_parameters())
        return {path: named[path].detach().numpy() for path in (*DRAWN, *CONSTANT)}

    @jax.jit
    def made() -> dict[str, jax.Array]:
        net = jax_impl.resnet.ResNet(**init, rngs=nnx.Rngs(0))
        named = jax_leaves.values(nnx.state(net, nnx.Param))
        return {path: named[path][...] for path in (*DRAWN, *CONSTANT)}

    return {path: np.asarray(value) for path, value in made().items()}


@pytest.mark.parametrize("side", ["torch", "jax"])
def test_resnet_starts_at_he_normal_and_at_its_shortcuts(side):
    """N(0, 2 / (out * height * width)): mean and variance within five standard errors."""
    leaves = started(side)
    assert all(np.all(leaves[path] == value) for path, value in CONSTANT.items())
    for path, fan_out in DRAWN.items():
        values, variance = leaves[path].ravel().astype(np.float64), 2 / fan_out
        assert abs(values.mean()) < 5 * np.sqrt(variance / values.size)
        assert abs(values.var() / variance - 1) < 5 * np.sqrt(2 / values.size)
