"""A user's own pair, taken apart: the JAX model, the leaves' uses, their pairing, every value."""
