"""Stage 2: both sides on the same givens. Imports torch and jax only inside its two sides."""
