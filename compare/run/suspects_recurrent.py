"""Known mistakes of recurrent layers: gates, the first state, the direction."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from compare.run.calls import Seen
from compare.run.suspect import Suspect
from compare.run.suspects_layout import heads_first


def recurrent(seen: Seen) -> Iterator[Suspect]:
    """The gates of an LSTM or GRU in another order; torch's are i f g o, and r z n."""
    gates = "ifgo" if seen.name.startswith("lstm") else "rzn"
    for order in list(itertools.permutations(gates))[1:]:
        places = tuple(gates.index(gate) for gate in order)
        yield Suspect(
            "gate order",
            "layout",
            f"{{kind}}: torch's gates are {' '.join(gates)}, the JAX side reads "
            f"{' '.join(order)}",
            f"rows of the weights in the order {' '.join(gates)}",
            _gates(places),
        )
    if isinstance(seen.get("batch_first"), bool):
        time = 1 if seen.get("batch_first") else 0
        yield Suspect(
            "direction",
            "setting",
            "{kind}: the JAX side reads the sequence from its end (reverse)",
            "reverse=False",
            lambda rest, a, _: _backwards(rest, a, time),
        )
    if isinstance(seen.get("hx"), Tensor | tuple | list):
        yield Suspect(
            "first state",
            "setting",
            "{kind}: the first state is of ones on the JAX side",
            "a first state of zeros",
            lambda rest, a, _: rest(**{**a, "hx": _ones(a["hx"])}),
        )
    if _plain(seen):
        yield from steps(seen)


def steps(seen: Seen) -> Iterator[Suspect]:
    """Mistakes within a step of an LSTM or GRU, which is one call to torch."""
    if seen.name.startswith("lstm"):
        yield Suspect(
            "gate function",
            "setting",
            "{kind}: the gates are hard sigmoids on the JAX side, sigmoids in torch",
            "gate_fn=jax.nn.sigmoid",
            _by_steps(_lstm_hard),
        )
        return
    yield Suspect(
        "reset gate",
        "torch.nn.GRU's note",
        "{kind}: the JAX side applies the reset gate to the state before the matrix, torch to "
        "the matrix's product",
        "n = tanh(W_in x + b_in + r * (W_hn h + b_hn))",
        _by_steps(_gru_reset_first),
    )
    yield Suspect(
        "update gate",
        "torch.nn.GRU's formula",
        "{kind}: the update gate keeps the new value on the JAX side, the old one in torch",
        "h = (1 - z) * n + z * h",
        _by_steps(_gru_update_other),
    )


def _plain(seen: Seen) -> bool:
    """Whether it is a cell, or one layer in one direction: what `_by_steps` runs."""
    if "w_ih" in seen.arguments:
        return True
    layers, both = seen.get("num_layers"), seen.get("bidirectional")
    x = seen.get("input")
    weights = seen.get("weights") or ()
    return layers == 1 and not both and len(weights) in (2, 4) and getattr(x, "ndim", 0) == 3


def _ones(state: Any) -> Any:
    if isinstance(state, Tensor):
        return torch.ones_like(state)
    return type(state)(torch.ones_like(one) for one in state)


def _lstm_hard(x: Tensor, state: tuple, weights: tuple) -> tuple:
    w_ih, w_hh, b_ih, b_hh = weights
    h, c = state
    i, f, g, o = (linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh)).chunk(4, -1)
    # torch's own hardsigmoid has a slope of float32's 1/6 in float64, too.
    i, f, o = ((gate + 3).clamp(0, 6) / 6 for gate in (i, f, o))
    c = f * c + i * g.tanh()
    return o * c.tanh(), c


def _gru_parts(x: Tensor, h: Tensor, weights: tuple) -> tuple[Tensor, ...]:
    """The reset and update gates, and the new value's parts from the input and the state."""
    w_ih, w_hh, b_ih, b_hh = weights
    r, z, n = linear(x, w_ih, b_ih).chunk(3, -1)
    hr, hz, hn = linear(h, w_hh, b_hh).chunk(3, -1)
    return (r + hr).sigmoid(), (z + hz).sigmoid(), n, hn


def _gru_reset_first(x: Tensor, state: tuple, weights: tuple) -> tuple:
    (h,), (_, w_hh, _, b_hh) = state, weights
    r, z, n, _ = _gru_parts(x, h, weights)
    bias = None if b_hh is None else b_hh.chunk(3)[2]
    n = (n + linear(r * h, w_hh.chunk(3)[2], bias)).tanh()
    return ((1 - z) * n + z * h,)


def _gru_update_other(x: Tensor, state: tuple, weights: tuple) -> tuple:
    (h,) = state
    r, z, n, hn = _gru_parts(x, h, weights)
    return (z * (n + r * hn).tanh() + (1 - z) * h,)


def _by_steps(step: Callable[[Tensor, tuple, tuple], tuple]) -> Callable[..., Any]:
    """A layer or a cell as a loop of step(x, state, weights) -> state."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        x, hx = arguments["input"], arguments["hx"]
        state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if "w_ih" in arguments:
            weights = tuple(arguments.get(name) for name in ("w_ih", "w_hh", "b_ih", "b_hh"))
            state = step(x, state, weights)
            return state[0] if isinstance(hx, Tensor) else state
        weights = (*arguments["weights"], None, None)[:4]
        time = 1 if arguments.get("batch_first") else 0
        state, outputs = tuple(one[0] for one in state), []
        for now in x.unbind(time):
            state = step(now, state, weights)
            outputs.append(state[0])
        return torch.stack(outputs, time), *(one[None] for one in state)

    return rewrite


def _backwards(rest: Callable[..., Any], arguments: dict[str, Any], time: int) -> Any:
    """The sequence read from its end; results in the order of the sequence."""
    outputs, *states = rest(**{**arguments, "input": arguments["input"].flip(time)})
    return outputs.flip(time), *states


def _gates(places: tuple[int, ...]) -> Callable[..., Any]:
    def moved(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or leaf.shape[0] % len(places):
            return leaf
        parts = leaf.chunk(len(places))
        return torch.cat([parts[place] for place in places])

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        given = {k: moved(v) if k[:2] in ("w_", "b_") else v for k, v in arguments.items()}
        if "weights" in given:
            given["weights"] = [moved(one) for one in given["weights"]]
        return rest(**given)

    return rewrite


def gates(seen: Seen) -> Iterator[Suspect]:
    """A chunk of gates, as a cell of one's own cuts it, handed on in another order."""
    parts = seen.result
    if not isinstance(parts, tuple | list) or len(parts) not in (2, 3, 4):
        return
    yield from heads_first(seen)
    if len(parts) == 2:
        return
    names = "ifgo" if len(parts) == 4 else "rzn"
    for order in list(itertools.permutations(range(len(parts))))[1:]:
        yield Suspect(
            "gate order",
            "layout",
            f"{{kind}}: torch's parts are {' '.join(names)}, the JAX side reads "
            f"{' '.join(names[i] for i in order)}",
            f"parts in the order {' '.join(names)}",
            lambda rest, a, _, order=order: tuple(rest(**a)[i] for i in order),
        )
