"""The PyTorch side of the mirror.

Every public name stands in `torch_impl/X.py` and in `jax_impl/X.py`, in the same order, with
the same arguments, defaults and attribute names. Where torch already is the thing it is
re-exported; code stands here only for what torch lacks (a slot for a given dropout mask, d2l's
training loop).
"""
