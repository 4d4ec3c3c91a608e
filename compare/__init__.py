"""Portbench's workbench: five stages, one folder each; a stage imports only those before it.

cases    what to compare: data, no framework imported
run      both sides on the same givens: draws, state, torch's half, JAX's half
judge    decide, in NumPy: the same function? the same care?
measure  time, memory, and the knobs that figures depend on
report   say it: terminal, files, one HTML page

`check.py` is the straight line through them, `suite.py` a run of many cases, `port` the same
line for a user's own pair, `__main__.py` the command line. Importing this package imports no
framework.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.port.check import check_port as check_port
    from compare.port.convert import carry_over as carry_over
    from compare.pytest_plugin import assert_port as assert_port

_FROM = {
    "check_port": "compare.port.check",
    "carry_over": "compare.port.convert",
    "assert_port": "compare.pytest_plugin",
}


def __getattr__(name: str) -> Any:
    """What users call, imported when it is asked for: it needs both frameworks."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_FROM[name]), name)
