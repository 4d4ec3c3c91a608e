"""Portbench's workbench: five stages, one folder each; a stage imports only those before it.

cases    what to compare: data, no framework imported
run      both sides on the same givens: draws, state, torch's half, JAX's half
judge    decide, in NumPy: the same function? the same care?
measure  time, memory, and the knobs that figures depend on
report   say it: terminal, files, one HTML page

`check.py` is the straight line through them, `suite.py` a run of many cases, `__main__.py` the
command line. Importing this package imports no framework.
"""
