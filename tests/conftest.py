"""One seed, one thread a worker, a compile cache, and torch before jax: else it can crash."""

import os

from compare.suite import environment

for name, value in environment("cpu", jobs=os.cpu_count() or 1).items():
    os.environ.setdefault(name, value)

import torch  # noqa: E402

import jax  # noqa: E402, F401  isort: skip

torch.set_num_threads(1)
