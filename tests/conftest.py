"""One seed, one thread a worker, and torch imported before jax: the other order can crash."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import torch

import jax  # noqa: F401  isort: skip

torch.set_num_threads(1)
