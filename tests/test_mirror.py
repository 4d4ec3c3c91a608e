"""The mirror is law: same files, names, order, arguments; imports point one way."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STEMS = sorted(p.stem for p in (ROOT / "torch_impl").glob("[a-z]*.py"))

# Arguments that only one side can have. JAX draws from explicit streams and keeps no gradients
# on its leaves; torch's optimizers hold what they change and choose a kernel, its factories a
# storage. A schedule is given the optimizer there, the learning rate here.
JAX_ONLY = {"rngs", "key", "grads", "lr"}
TORCH_ONLY = {
    *("params", "optimizer", "foreach", "fused", "capturable", "differentiable"),
    *("layout", "memory_format", "out", "pin_memory", "requires_grad", "generator"),
}
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
        (found,) = signatures(jax_thing)
        expected = signatures(torch_thing)
        if not any(mirrored(one, found, overloaded=len(expected) > 1) for one in expected):
            problems.append(f"{name}: torch {expected}, jax {found}")
    assert not problems, "\n".join(problems)


def mirrored(expected: dict, found: dict, overloaded: bool) -> bool:
    """The same arguments and defaults, but for those that only one side can have.

    Of a torch builtin with several forms (max, normal) ours has one form's names; its defaults
    join forms that Python can't overload.
    """
    expected = {k: v for k, v in expected.items() if k in found or k not in TORCH_ONLY}
    found = {k: v for k, v in found.items() if k in expected or k not in JAX_ONLY}
    if overloaded:
        return set(expected) <= set(found)
    return expected == found


def signatures(thing) -> list[dict]:
    """Argument names and defaults, in order; a builtin is read from its documentation."""
    target = thing.__init__ if inspect.isclass(thing) else thing
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except ValueError:
        return documented(thing)
    parameters = parameters[1:] if inspect.isclass(thing) else parameters
    if [p.name for p in parameters] == ["args", "kwargs"] and not inspect.isclass(thing):
        return documented(thing)
    return [{p.name: default(p.default) for p in parameters}]


def default(value) -> object:
    """Defaults as text: a number is one however written, and a function goes by its name."""
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value)
    return getattr(value, "__name__", str(value))


def documented(thing) -> list[dict]:
    """The forms that a builtin's docstring gives: lines that read as its call."""
    found = []
    for line in (thing.__doc__ or "").splitlines():
        text = line.split("->")[0].replace(".. function::", "").strip()
        text = text.replace("*size, *", "size, *")  # torch writes what Python cannot
        text = text.replace("one_hot(tensor,", "one_hot(input,")  # and what it does not take
        if re.fullmatch(r"\w+\(.*\)", text):
            with contextlib.suppress(SyntaxError):
                found.append(form(ast.parse(f"def {text}: pass").body[0].args))
    assert found, f"{thing}: no form of its call was found in its documentation"
    return found


def form(call: ast.arguments) -> dict:
    names = [argument.arg for argument in [*call.args, *call.kwonlyargs]]
    given = [*call.defaults, *[d for d in call.kw_defaults if d is not None]]
    values = ["required"] * (len(names) - len(given)) + [literal(d) for d in given]
    return {n: v if v == "required" else default(v) for n, v in zip(names, values, strict=True)}


def literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


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
