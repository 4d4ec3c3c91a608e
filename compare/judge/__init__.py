"""Stage 3: decide. NumPy only; what is judged may have been computed on another machine."""
