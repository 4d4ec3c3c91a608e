"""Stage 4: time, memory, and the knobs that a figure depends on."""
