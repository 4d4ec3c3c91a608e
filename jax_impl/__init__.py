"""The JAX side of the mirror: torch's layers as pure functions and Flax NNX modules.

Every public name stands in `torch_impl/X.py` and in `jax_impl/X.py`, in the same order, with
the same arguments, defaults and attribute names. Arrays are channels last wherever torch's
documentation names a channel axis C; every other axis stays where torch has it.
"""
