"""What can't be compared is one clear error: which side, which module, what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as fnn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import nnx
from torch import nn
from torch.nn import functional as F

from compare.port.check import check_port
from compare.run.port.errors import PortError

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
PARAMETERS = {"w": jnp.ones((4, 3)), "b": jnp.ones(3)}


class Net(nn.Module):
    """A linear layer, and what `then` makes of its result."""

    def __init__(self, then: Callable[[Any], Any] = torch.tanh, first: Any = None):
        super().__init__()
        self.inner = nn.Sequential(first or nn.Linear(4, 3))
        self.then = then

    def forward(self, x):
        return self.then(self.inner(x))


def port(parameters, x):
    return jnp.tanh(x @ parameters["w"] + parameters["b"])


PORT = (port, PARAMETERS)


def message(torch_model: Any, jax_model: Any, inputs: Any = X, **options: Any) -> str:
    with pytest.raises(PortError) as caught:
        check_port(torch_model, jax_model, inputs, **options)
    return str(caught.value)


def holds(text: str, *parts: str) -> None:
    assert all(part in text for part in parts), text


def test_models_of_different_outputs():
    two = Net(lambda y: (y, y.sum(1)))
    holds(message(two, PORT), "different outputs", "torch returns", "JAX returns", "outputs=")
    wide = (lambda p, x: port(p, x)[:, :2], PARAMETERS)
    holds(message(Net(), wide), "different outputs", "(5, 3) in torch", "(5, 2) in JAX")
    nothing = Net(lambda y: None)
    holds(message(nothing, PORT), "torch side", "returned no tensor")
    holds(message(Net(), (lambda p, x: None, PARAMETERS)), "JAX")


def test_no_parameters():
    holds(message(nn.Tanh(), PORT), "torch side", "no parameters")
    holds(message(Net(), (port, {})), "JAX side", "no parameters")


def test_what_is_no_model():
    holds(message(torch.tanh, PORT), "torch side", "no nn.Module")
    holds(message(Net, PORT), "torch side", "Net is a class", "Net(...)")
    holds(message(Net(), port), "JAX side", "(function, parameters)")
    dense = fnn.Dense(3)
    holds(message(Net(), dense), "JAX side", "(module, variables)")
    shapes = jax.eval_shape(dense.init, jax.random.key(0), X)
    holds(message(Net(), (dense, shapes)), "JAX side", "initialise")
    holds(message(Net(), nnx.Linear), "JAX side", "is a class")


def test_tensors_that_hold_no_numbers():
    with torch.device("meta"):
        meta = Net()
    holds(message(meta, PORT), "torch side", "inner.0.weight", "meta device")
    holds(message(Net(first=nn.LazyLinear(3)), PORT), "inner.0.weight", "lazy")
    holds(message(Net(), PORT, torch.ones(5, 4, device="meta")), "input0", "meta device")


def test_models_that_draw_random_numbers():
    noisy = Net(lambda y: F.dropout(y, training=True))
    holds(message(noisy, PORT), "torch side", "different results", "Set its rate to 0")

    class Noisy(nnx.Module):
        def __init__(self, rngs):
            self.linear, self.rngs = nnx.Linear(4, 3, rngs=rngs), rngs

        def __call__(self, x):
            return self.linear(x) + jax.random.normal(self.rngs.noise(), (3,))

    said = message(Net(torch.tanh), Noisy(nnx.Rngs(0, noise=1)))
    holds(said, "JAX side", "random numbers", "test_port_input.py:", "rate to 0")


def test_works_in_place():
    """In-place operations are no reason to refuse a model."""

    def then(y):
        return y.relu_()

    class Fresh(Net):
        def forward(self, x):
            return super().forward(x.relu_())

    def same(parameters, x):
        return jax.nn.relu(jax.nn.relu(x) @ parameters["w"] + parameters["b"])

    assert check_port(Fresh(then), (same, PARAMETERS), X).same


def test_in_place_on_what_a_gradient_needs():
    def then(y):
        z = y.exp()
        z.add_(1.0)
        return z

    both = (lambda p, x: jnp.exp(x @ p["w"] + p["b"]) + 1, PARAMETERS)
    holds(message(Net(then), both), "torch side", "in place", "x = x + ...")


def test_an_exception_inside():
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("no such table")

    said = message(Net(first=Broken()), PORT)
    assert "no parameters" in said

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x):
            return self.linear(x) + torch.ones(7)

    holds(message(Net(first=Inner()), PORT), "torch side, in 'inner.0'", "RuntimeError",
          "test_port_input.py:")  # fmt: skip

    class Head(nnx.Module):
        def __init__(self, rngs):
            self.linear = nnx.Linear(4, 3, rngs=rngs)

        def __call__(self, x):
            return self.linear(x) @ jnp.ones((5, 5))

    class Whole(nnx.Module):
        def __init__(self, rngs):
            self.head = Head(rngs)

        def __call__(self, x):
            return self.head(x)

    holds(message(Net(), Whole(nnx.Rngs(0))), "JAX side, in 'head'", "test_port_input.py:")

    class LinenHead(fnn.Module):
        @fnn.compact
        def __call__(self, x, broken=True):
            y = fnn.Dense(3)(x)
            return y @ jnp.ones((5, 5)) if broken else y

    class LinenWhole(fnn.Module):
        @fnn.compact
        def __call__(self, x, broken=True):
            return LinenHead(name="head")(x, broken)

    linen = LinenWhole()
    variables = linen.init(jax.random.key(0), X, broken=False)
    holds(message(Net(), (linen, variables)), "JAX side, in 'head'", "test_port_input.py:")


def test_inputs_that_do_not_fit():
    holds(message(Net(), PORT, np.ones((5, 9), np.float32)), "torch side, in 'inner.0'", "4x3")
    holds(message(Net(), PORT, {"images": X}), "torch side", "images")
    holds(message(Net(), PORT, {}), "no arrays")
    holds(message(Net(), PORT, X + 1j), "input0", "complex")
    holds(message(Net(), PORT, "float32[5;4]"), "can't read the inputs", "float32[2,3,32,32]")
    holds(message(Net(), PORT, "float32[5,4], y=float32[5,4]"), "can't read the inputs")
    holds(message(Net(), PORT, X, jax_inputs=["pixels"]), "pixels")
    strict = (lambda p, x, mask: port(p, x), PARAMETERS)
    holds(message(Net(), strict), "JAX side", "mask")


def test_bad_map(tmp_path):
    def said(text: str) -> str:
        file = tmp_path / "leaves.port"
        file.write_text(text)
        return message(Net(), PORT, mapping=file)

    good = "inner.0.weight | o i -> i o | w\ninner.0.bias | | b\n"
    (tmp_path / "good.port").write_text(good)
    assert check_port(Net(), PORT, X, mapping=tmp_path / "good.port").same
    holds(said(good.replace("| b", "| c")), "no leaf 'c'", "JAX leaf b (3,) is in no row")
    holds(said(good.replace("o i -> i o", "")), "inner.0.weight", "(3, 4)", "(4, 3)")
    holds(said(good.replace("o i -> i o", "o i -> i z")), "inner.0.weight", "o i -> i z")
    holds(said(good.replace("o i -> i o", "o i")), "line 1", "can't read")
    half = "inner.0.weight | o i -> i o | w\ninner.0.bias[0:2] | | b[0:2]\n"
    holds(said(half), "torch leaf inner.0.bias (3,) is in rows in part", "JAX leaf b")
    holds(said("inner.0.weight w"), "line 1", "torch | layout | JAX")
    holds(message(Net(), PORT, mapping=tmp_path / "none.port"), "none.port", "No such file")


def test_optimizers_are_makers():
    net = Net()
    ready = (torch.optim.SGD(net.parameters(), 0.1), optax.sgd(0.1))
    losses = (torch.Tensor.sum, jnp.sum)
    said = message(net, PORT, optimizers=ready, losses=losses, steps=2)
    holds(said, "optimizer", "lambda parameters")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"weights": "mine"}, "weights"), ({"layout": "NHCW"}, "layout"),
     ({"outputs": ["logits"]}, "logits")],
)  # fmt: skip
def test_options(options, said):
    holds(message(Net(), PORT, **options), said)
