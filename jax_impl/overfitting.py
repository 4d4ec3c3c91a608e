"""Against overfitting: penalties, early stopping, dropout, ensembles, soft weight sharing.

A penalty enters a training as `train_ch3(..., penalty=lambda net: lambd * sum(map(l2_penalty,
weights(net))))`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

from jax_impl._d2l import flat, zeros
from jax_impl.dropout import Dropout
from jax_impl.linear import Linear

__all__ = [
    "l1_penalty",
    "l2_penalty",
    "sgd_with_weight_decay",
    "dropout_layer",
    "EarlyStopping",
    "DropoutMLP",
    "Ensemble",
    "SoftWeightSharing",
]


def l1_penalty(w: ArrayLike | nnx.Variable) -> Array:
    """The sum of |w|; gradient 0 at 0."""
    w = _values(w)
    # |w| = w sign(w): jnp.abs has the gradient 1 at 0.
    return jnp.sum(w * jax.lax.stop_gradient(jnp.sign(w)))


def l2_penalty(w: ArrayLike | nnx.Variable) -> Array:
    """The sum of w^2, halved: its gradient is w. Source: Dive into Deep Learning, 3.7."""
    return jnp.sum(_values(w) ** 2) / 2


def _values(w: ArrayLike | nnx.Variable) -> Array:
    return w[...] if isinstance(w, nnx.Variable) else jnp.asarray(w)


def sgd_with_weight_decay(net: nnx.Module, lr: float, wd: float) -> nnx.Optimizer:
    """The built-in optimizer with wd w added to the gradient of every weight, not of biases.

    It takes the steps that plain SGD takes with the penalty wd * sum of l2_penalty(w).
    """

    def is_weight(params: nnx.State) -> nnx.State:
        return jax.tree.map(lambda leaf: leaf.ndim >= 2, params)

    decay = optax.add_decayed_weights(wd, mask=is_weight)
    return nnx.Optimizer(net, optax.chain(decay, optax.sgd(lr)), wrt=nnx.Param)


def dropout_layer(
    X: ArrayLike, dropout: float, *, mask: ArrayLike | None = None, key: Array | None = None
) -> Array:
    """X mask / (1 - dropout) by hand, the mask of X's shape: 0 with probability `dropout`.

    dropout = 1 gives zeros. Raises ValueError for one outside [0, 1], and where neither mask
    nor key is given. Source: Dive into Deep Learning, 5.6.
    """
    X = jnp.asarray(X)
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout must be between 0 and 1, got {dropout}")
    if dropout == 1:
        return jnp.zeros_like(X)
    if mask is None:
        if key is None:
            raise ValueError("give mask= or key= (a jax.random key) to draw one from")
        mask = jax.random.uniform(key, X.shape) > dropout
    return jnp.asarray(mask, X.dtype) * X / (1.0 - dropout)


class EarlyStopping:
    """Keeps the best state of a net by its validation loss, and says when to stop.

    `stopping(net, loss)` after each epoch: a loss below the best by more than min_delta is the
    new best, whose parameters and buffers are kept; True once `patience` epochs in a row were
    not. A NaN is never an improvement. `restore(net)` puts the best state back. `best` is its
    loss, `best_epoch` the epoch of it, counted from 1. Source: Prechelt 1998,
    doi:10.1007/3-540-49430-8_3.
    """

    def __init__(self, patience: int = 3, min_delta: float = 0.0) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, got {patience}")
        if min_delta < 0:
            raise ValueError(f"min_delta must not be negative, got {min_delta}")
        self.patience = patience
        self.min_delta = min_delta
        self.best = math.inf
        self.best_epoch = 0
        self.epoch = 0
        self._kept: dict[tuple, Array] | None = None

    def __call__(self, net: nnx.Module, loss: float) -> bool:
        self.epoch += 1
        if loss < self.best - self.min_delta:
            self.best, self.best_epoch = float(loss), self.epoch
            self._kept = {path: leaf.get_value() for path, leaf in _state(net).items()}
        return self.epoch - self.best_epoch >= self.patience

    def restore(self, net: nnx.Module) -> None:
        """Raises RuntimeError where no epoch has improved on anything yet."""
        if self._kept is None:
            raise RuntimeError(
                "there is no best state yet: no validation loss was below infinity"
            )
        for path, leaf in _state(net).items():
            leaf.set_value(self._kept[path])


def _state(net: nnx.Module) -> dict[tuple, nnx.Variable]:
    """What torch's state dict holds: parameters and buffers, not the streams of draws."""
    return {
        path: node
        for path, node in nnx.iter_graph(net)
        if isinstance(node, nnx.Param | nnx.BatchStat)
    }


class DropoutMLP(nnx.Module):
    """Images (n, h=28, w=28, c=1) to scores (n, num_outputs), with dropout after each ReLU.

    lin1, ReLU, dropout1, lin2, ReLU, dropout2, lin3. Source: Dive into Deep Learning, 5.6.
    """

    def __init__(
        self,
        num_inputs: int = 784,
        num_outputs: int = 10,
        num_hiddens_1: int = 256,
        num_hiddens_2: int = 256,
        dropout_1: float = 0.2,
        dropout_2: float = 0.5,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.lin1 = Linear(num_inputs, num_hiddens_1, rngs=rngs)
        self.lin2 = Linear(num_hiddens_1, num_hiddens_2, rngs=rngs)
        self.lin3 = Linear(num_hiddens_2, num_outputs, rngs=rngs)
        self.dropout1 = Dropout(dropout_1, rngs=rngs)
        self.dropout2 = Dropout(dropout_2, rngs=rngs)

    def __call__(self, X: ArrayLike) -> Array:
        H1 = self.dropout1(jax.nn.relu(self.lin1(flat(X))))
        H2 = self.dropout2(jax.nn.relu(self.lin2(H1)))
        return self.lin3(H2)


class Ensemble(nnx.Module):
    """The mean of the probabilities of `models`, each of which gives scores (n, classes).

    Probabilities (n, classes) come out: their loss is softmax_regression's cross_entropy.
    Raises ValueError for no models.
    """

    def __init__(self, models: Iterable[nnx.Module]) -> None:
        self.models = nnx.List(models)
        if len(self.models) == 0:
            raise ValueError("models must hold at least one model")

    def __call__(self, X: ArrayLike) -> Array:
        return jnp.stack([jax.nn.softmax(model(X), -1) for model in self.models]).mean(0)


class SoftWeightSharing(nnx.Module):
    """-sum_i log sum_j pi_j N(w_i; mu_j, sigma_j^2): a mixture of Gaussians over the weights.

    Weights are drawn towards the means of components, which learn along: `means`,
    `log_variances` and `mixing_logits`, whose softmax is pi, each (num_components). They start
    with means evenly spread over [-bound, bound], standard deviations of one spacing (of bound
    for one component), and equal shares. Make it part of the net, so that it is trained with
    it: `net.sharing = SoftWeightSharing()`, penalty=lambda net: lambd *
    net.sharing(*weights(net)). Source: Nowlan and Hinton 1992, doi:10.1162/neco.1992.4.4.473.
    """

    def __init__(self, num_components: int = 4, bound: float = 0.1) -> None:
        if num_components < 1:
            raise ValueError(f"num_components must be at least 1, got {num_components}")
        if bound <= 0:
            raise ValueError(f"bound must be positive, got {bound}")
        spacing = 2 * bound / (num_components - 1) if num_components > 1 else bound
        means = [-bound + i * spacing for i in range(num_components)]
        self.means = nnx.Param(jnp.asarray(means if num_components > 1 else [0.0], jnp.float32))
        self.log_variances = nnx.Param(zeros(num_components) + 2 * math.log(spacing))
        self.mixing_logits = nnx.Param(zeros(num_components))

    def __call__(self, *weights: ArrayLike | nnx.Variable) -> Array:
        w = jnp.concatenate([_values(weight).reshape(-1) for weight in weights])
        return -jax.nn.logsumexp(self._joint(w), -1).sum()

    def responsibilities(self, w: ArrayLike | nnx.Variable) -> Array:
        """The share of each component in each weight. Shapes: w (*), result (*, components)."""
        return jax.nn.softmax(self._joint(_values(w)), -1)

    def _joint(self, w: Array) -> Array:
        """log (pi_j N(w; mu_j, sigma_j^2)), by component last."""
        log_variances = self.log_variances[...]
        squares = (w[..., None] - self.means[...]) ** 2 * jnp.exp(-log_variances)
        log_density = -(math.log(2 * math.pi) + log_variances + squares) / 2
        return jax.nn.log_softmax(self.mixing_logits[...], -1) + log_density
