"""The README's guide to a port of one's own, run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import portbench

README = Path(__file__).parents[1] / "README.md"
CHANGES = (
    ("strides=(2, 2), rngs", "strides=(2, 2), padding=(1, 1), rngs"),
    ("nnx.gelu(self.stem(x))", "nnx.gelu(self.stem(x), approximate=False)"),
    ("nnx.gelu(self.body(x))", "nnx.gelu(self.body(x), approximate=False)"),
    ("x.reshape(", "x.transpose(0, 3, 1, 2).reshape("),
)
"""The three lines to change, as the command says them."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The two files of the guide."""
    blocks = re.findall(r"```python\n# (my_\w+\.py)\n(.*?)```", README.read_text(), re.DOTALL)
    assert [name for name, _ in blocks] == ["my_torch.py", "my_flax.py"]
    for name, code in blocks:
        (tmp_path / name).write_text(code)
    return tmp_path


def test_the_command_prints_what_the_guide_shows(folder: Path) -> None:
    console = re.search(
        r"```console\n\$ portbench (.*?)\n(.*?)```", README.read_text(), re.DOTALL
    )
    assert console
    inputs = "float32[2,3,8,10]"
    assert console.group(1).endswith(f'--inputs "{inputs}"')
    words = ["check", "--torch", "my_torch:Net", "--jax", "my_flax:Net", "--inputs", inputs]
    assert console.group(1).split(" --inputs")[0] == " ".join(words[:5])
    shown = portbench(*words, cwd=folder)
    assert shown.returncode == 1, shown.stderr
    assert shown.stdout.split() == console.group(2).split()


@pytest.mark.slow
def test_with_the_lines_changed_it_is_the_same(folder: Path) -> None:
    file = folder / "my_flax.py"
    code = file.read_text()
    for before, after in CHANGES:
        assert before in code
        code = code.replace(before, after)
    file.write_text(code)
    words = ["check", "--torch", "my_torch:Net", "--jax", "my_flax:Net"]
    shown = portbench(*words, "--inputs", "float32[2,3,8,10]", cwd=folder)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.startswith("same")
