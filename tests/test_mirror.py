"""The mirror is law: same files, names, order, arguments; imports point one way."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STEMS = sorted(p.stem for p in (ROOT / "torch_impl").glob("[a-z]*.py"))

# Arguments that only one side can have: JAX draws from explicit streams and keeps no gradients.
JAX_ONLY = {"rngs", "key", "grads"}
# What each folder may import of ours: a stage imports only from the stages before it.
STAGES = ("cases", "run", "judge", "measure", "report")
ALLOWED = {
    "torch_impl": {"torch_impl"},
    "jax_impl": {"jax_impl"},
    "compare/cases": {"compare.cases"},
    "compare/run": {"compare.cases", "compare.run", "jax_impl"},  # jax_impl: naive.py's ports
    "compare/judge": {"compare.judge", "compare.run.record"},
    "compare/measure": {"compare.measure", "compare.cases", "compare.run", "compare.judge"},
    "compare/report": {"compare.report", "compare.measure", "compare.cases", "compare.judge"},
}


def public(side: str, stem: str) -> list[str]:
    return importlib.import_module(f"{side}_impl.{stem}").__all__


def test_same_files():
    assert sorted(p.stem for p in (ROOT / "jax_impl").glob("[a-z]*.py")) == STEMS
    assert STEMS


@pytest.mark.parametrize("stem", STEMS)
def test_same_names_in_the_same_order(stem):
    assert public("torch", stem) == public("jax", stem)


@pytest.mark.parametrize("stem", STEMS)
def test_same_arguments_and_defaults(stem):
    problems = []
    for name in public("jax", stem):
        torch_thing = getattr(importlib.import_module(f"torch_impl.{stem}"), name)
        jax_thing = getattr(importlib.import_module(f"jax_impl.{stem}"), name)
        expected = arguments(torch_thing)
        found = {k: v for k, v in arguments(jax_thing).items() if k not in JAX_ONLY}
        if expected is not None and expected != found:
            problems.append(f"{name}: torch {expected}, jax {found}")
    assert not problems, "\n".join(problems)


def arguments(thing) -> dict | None:
    """Argument names and defaults, in order; a builtin's are read from its documentation."""
    target = thing.__init__ if inspect.isclass(thing) else thing
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except ValueError:
        return documented(thing)
    parameters = parameters[1:] if inspect.isclass(thing) else parameters
    return {p.name: default(p.default) for p in parameters}


def default(value) -> object:
    """Defaults as text: a number is one however written, and a function goes by its name."""
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value)
    return getattr(value, "__name__", str(value))


def documented(thing) -> dict | None:
    """The signature that the first line of a builtin's docstring gives, if it parses."""
    first = (thing.__doc__ or "").strip().splitlines()[0]
    try:
        call = ast.parse(f"def {first.split('->')[0].strip()}: pass").body[0].args
    except SyntaxError:
        return None
    names = [argument.arg for argument in [*call.args, *call.kwonlyargs]]
    given = [*call.defaults, *[d for d in call.kw_defaults if d is not None]]
    values = ["required"] * (len(names) - len(given)) + [ast.literal_eval(d) for d in given]
    return {n: v if v == "required" else default(v) for n, v in zip(names, values, strict=True)}


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder):
    ours = ("torch_impl", "jax_impl", "compare")
    wrong = []
    for file in (ROOT / folder).rglob("*.py"):
        for module in imported(file):
            if module.split(".")[0] not in ours:
                continue
            if not any(module == a or module.startswith(f"{a}.") for a in ALLOWED[folder]):
                wrong.append(f"{file.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["compare/cases", "compare/judge", "compare/report"])
def test_light_stages_import_no_framework(folder):
    heavy = {"torch", "jax", "flax", "optax"}
    for file in (ROOT / folder).rglob("*.py"):
        assert not heavy & {m.split(".")[0] for m in imported(file)}, file


def imported(file: Path) -> set[str]:
    """The modules that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found
