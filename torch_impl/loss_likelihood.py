"""The negative log-likelihoods of counts, numbers and distributions, torch's own."""

from __future__ import annotations

from torch.nn import GaussianNLLLoss, KLDivLoss, PoissonNLLLoss
from torch.nn.functional import gaussian_nll_loss, kl_div, poisson_nll_loss

__all__ = [
    "poisson_nll_loss",
    "gaussian_nll_loss",
    "kl_div",
    "PoissonNLLLoss",
    "GaussianNLLLoss",
    "KLDivLoss",
]
