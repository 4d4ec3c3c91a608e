"""Against overfitting: penalties, early stopping, dropout, ensembles, soft weight sharing.

A penalty enters a training as `train_ch3(..., penalty=lambda net: lambd * sum(map(l2_penalty,
weights(net))))`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from torch_impl.dropout import Dropout
from torch_impl.train_ch3 import parameters, weights

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


def l1_penalty(w: Tensor) -> Tensor:
    """The sum of |w|; gradient 0 at 0."""
    return torch.sum(torch.abs(w))


def l2_penalty(w: Tensor) -> Tensor:
    """The sum of w^2, halved: its gradient is w. Source: Dive into Deep Learning, 3.7."""
    return torch.sum(w.pow(2)) / 2


def sgd_with_weight_decay(net: nn.Module, lr: float, wd: float) -> torch.optim.SGD:
    """The built-in optimizer with wd w added to the gradient of every weight, not of biases.

    It takes the steps that plain SGD takes with the penalty wd * sum of l2_penalty(w).
    """
    decayed = weights(net)
    held = {id(param) for param in decayed}
    others = [param for param in parameters(net) if id(param) not in held]
    groups = [{"params": decayed, "weight_decay": wd}, {"params": others}]
    return torch.optim.SGD(groups, lr=lr)


def dropout_layer(X: Tensor, dropout: float, *, mask: Tensor | None = None) -> Tensor:
    """X mask / (1 - dropout) by hand, the mask of X's shape: 0 with probability `dropout`.

    dropout = 1 gives zeros. Raises ValueError for one outside [0, 1]. Source: Dive into Deep
    Learning, 5.6.
    """
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout must be between 0 and 1, got {dropout}")
    if dropout == 1:
        return torch.zeros_like(X)
    if mask is None:
        mask = torch.rand(X.shape, device=X.device) > dropout
    return mask.to(X.dtype) * X / (1.0 - dropout)


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
        self._kept: dict[str, Tensor] | None = None

    def __call__(self, net: nn.Module, loss: float) -> bool:
        self.epoch += 1
        if loss < self.best - self.min_delta:
            self.best, self.best_epoch = float(loss), self.epoch
            self._kept = copy.deepcopy(net.state_dict())
        return self.epoch - self.best_epoch >= self.patience

    def restore(self, net: nn.Module) -> None:
        """Raises RuntimeError where no epoch has improved on anything yet."""
        if self._kept is None:
            raise RuntimeError(
                "there is no best state yet: no validation loss was below infinity"
            )
        net.load_state_dict(self._kept)


class DropoutMLP(nn.Module):
    """Images (n, c=1, h=28, w=28) to scores (n, num_outputs), with dropout after each ReLU.

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
    ) -> None:
        super().__init__()
        self.lin1 = nn.Linear(num_inputs, num_hiddens_1)
        self.lin2 = nn.Linear(num_hiddens_1, num_hiddens_2)
        self.lin3 = nn.Linear(num_hiddens_2, num_outputs)
        self.dropout1 = Dropout(dropout_1)
        self.dropout2 = Dropout(dropout_2)

    def forward(self, X: Tensor) -> Tensor:
        H1 = self.dropout1(torch.relu(self.lin1(torch.flatten(X, start_dim=1))))
        H2 = self.dropout2(torch.relu(self.lin2(H1)))
        return self.lin3(H2)


class Ensemble(nn.Module):
    """The mean of the probabilities of `models`, each of which gives scores (n, classes).

    Probabilities (n, classes) come out: their loss is softmax_regression's cross_entropy.
    Raises ValueError for no models.
    """

    def __init__(self, models: Iterable[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        if len(self.models) == 0:
            raise ValueError("models must hold at least one model")

    def forward(self, X: Tensor) -> Tensor:
        return torch.stack([torch.softmax(model(X), -1) for model in self.models]).mean(0)


class SoftWeightSharing(nn.Module):
    """-sum_i log sum_j pi_j N(w_i; mu_j, sigma_j^2): a mixture of Gaussians over the weights.

    Weights are drawn towards the means of components, which learn along: `means`,
    `log_variances` and `mixing_logits`, whose softmax is pi, each (num_components). They start
    with means evenly spread over [-bound, bound], standard deviations of one spacing (of bound
    for one component), and equal shares. Make it part of the net, so that it is trained with
    it: `net.sharing = SoftWeightSharing()`, penalty=lambda net: lambd *
    net.sharing(*weights(net)). Source: Nowlan and Hinton 1992, doi:10.1162/neco.1992.4.4.473.
    """

    def __init__(self, num_components: int = 4, bound: float = 0.1) -> None:
        super().__init__()
        if num_components < 1:
            raise ValueError(f"num_components must be at least 1, got {num_components}")
        if bound <= 0:
            raise ValueError(f"bound must be positive, got {bound}")
        spacing = 2 * bound / (num_components - 1) if num_components > 1 else bound
        means = [-bound + i * spacing for i in range(num_components)]
        self.means = nn.Parameter(torch.tensor(means if num_components > 1 else [0.0]))
        self.log_variances = nn.Parameter(torch.full((num_components,), 2 * math.log(spacing)))
        self.mixing_logits = nn.Parameter(torch.zeros(num_components))

    def forward(self, *weights: Tensor) -> Tensor:
        w = torch.cat([weight.reshape(-1) for weight in weights])
        return -torch.logsumexp(self._joint(w), -1).sum()

    def responsibilities(self, w: Tensor) -> Tensor:
        """The share of each component in each weight. Shapes: w (*), result (*, components)."""
        return torch.softmax(self._joint(w), -1)

    def _joint(self, w: Tensor) -> Tensor:
        """log (pi_j N(w; mu_j, sigma_j^2)), by component last."""
        squares = (w[..., None] - self.means) ** 2 * torch.exp(-self.log_variances)
        log_density = -(math.log(2 * math.pi) + self.log_variances + squares) / 2
        return torch.log_softmax(self.mixing_logits, -1) + log_density
