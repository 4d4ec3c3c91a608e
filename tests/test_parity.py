"""The README's table of layers is whole, names real cases, and is the generated one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from compare.cases.parity import PARITY
from compare.cases.select import LAYERS, load
from compare.report.parity import rewrite

ROOT = Path(__file__).parent.parent


def test_the_readme_holds_the_generated_table():
    text = (ROOT / "README.md").read_text()
    assert rewrite(text) == text, "run: python -m compare.report.parity --write README.md"


@pytest.mark.parametrize("stem", LAYERS)
def test_every_class_has_a_row(stem):
    assert [row.layer for row in PARITY.get(stem, [])] == classes(stem)


def test_every_case_exists_and_is_of_its_layer():
    names = {case.name for stem in LAYERS for case in load(stem)}
    for stem, rows in PARITY.items():
        for row in rows:
            layer = row.layer.replace("Options", "Loss")  # settings go with their loss
            assert row.case in names
            assert row.case.startswith(f"{stem}.{layer}(")


def test_text_without_markers_is_refused():
    with pytest.raises(ValueError, match="parity:begin"):
        rewrite("# Portbench")


def classes(stem: str) -> list[str]:
    """The public classes of a stem, in its order, read without importing a framework."""
    for node in ast.parse((ROOT / f"jax_impl/{stem}.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if name[0].isupper()]
    raise AssertionError(f"jax_impl/{stem}.py has no __all__")
