"""A user's own pair, taken apart: the JAX model, leaves' uses, their pairing, every value."""
