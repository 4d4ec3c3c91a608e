"""The pytest plugin in a user's suite: short failures, fixtures, a report, no cost unused."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest_plugins = "pytester"

MODELS = """
import torch
import jax.numpy as jnp
from torch import nn

X = torch.randn(5, 4)
PARAMETERS = {"w": jnp.zeros((4, 3)), "b": jnp.zeros(3), "g": jnp.ones(3), "s": jnp.zeros(3)}


def torch_model():
    return nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))


def port(p, x, eps=1e-5):
    y = x @ p["w"] + p["b"]
    y = y - y.mean(-1, keepdims=True)
    return y / jnp.sqrt((y * y).mean(-1, keepdims=True) + eps) * p["g"] + p["s"]


def wrong(p, x):
    return port(p, x, eps=1e-3)
"""
TESTS = """
import pytest
from my_models import PARAMETERS, X, port, torch_model, wrong
from compare.pytest_plugin import assert_port as imported


def test_right(assert_port):
    assert assert_port(torch_model(), (port, PARAMETERS), X).same


def test_wrong(assert_port):
    assert_port(torch_model(), (wrong, PARAMETERS), X, seconds=1.0)


def test_allowed():
    report = imported(torch_model(), (wrong, PARAMETERS), X, allow=("different",), seconds=1.0)
    assert not report.same


def test_mapping(assert_port, port_mapping):
    assert port_mapping.name == "test_ports.port"
    with pytest.raises(Exception, match="no leaf 'v'"):
        assert_port(torch_model(), (port, PARAMETERS), X, mapping=port_mapping)
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    """A user's folder with ports and tests of them."""
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    pytester.makepyfile(my_models=MODELS, test_ports=TESTS)
    pytester.path.joinpath("test_ports.port").write_text("0.weight | o i -> i o | v\n")
    return pytester


def test_failures_are_short_and_reports_are_written(suite):
    result = suite.runpytest_subprocess("-q", "-p", "no:cacheprovider",
                                        "--portbench-report", "out/ports.json")  # fmt: skip
    result.assert_outcomes(passed=3, failed=1)
    text = result.stdout.str()
    result.stdout.fnmatch_lines(["*PortMismatch: the port is different: * arrays compared*"])
    result.stdout.fnmatch_lines(["*place: 1: *", "*cause: *eps*", "*change: *"])
    failure = text.split("test_wrong")[1]
    assert "compare/port/check.py" not in failure
    assert len([line for line in failure.splitlines() if line.startswith("E ")]) < 16
    assert "portbench: 3 ports checked: out/ports.json" in text
    found = json.loads((suite.path / "out/ports.json").read_text())["ports"]
    verdicts = [(one["test"].split("::")[1], one["verdict"]) for one in found]
    assert sorted(verdicts) == [
        ("test_allowed", "different"), ("test_right", "same"), ("test_wrong", "different")
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_reports_of_other_kinds(suite, workers, suffix):
    file = f"ports{suffix}"
    result = suite.runpytest_subprocess("-q", "-n", str(workers), "--portbench-report", file)
    result.assert_outcomes(passed=3, failed=1)
    text = (suite.path / file).read_text()
    assert "test_ports.py::test_wrong" in text
    assert "eps" in text
    assert text.count("test_right") == 1
    if suffix == ".html":
        assert "<details" in text
        assert "0.weight" in text


def test_reports_of_a_run_without_ports(pytester):
    pytester.makepyfile("def test_nothing():\n    pass\n")
    result = pytester.runpytest_inprocess("--portbench-report", "ports.md")
    result.assert_outcomes(passed=1)
    assert (pytester.path / "ports.md").exists()


def test_another_suffix_is_wrong_use(pytester):
    pytester.makepyfile("def test_nothing():\n    pass\n")
    result = pytester.runpytest_subprocess("--portbench-report", "report.pdf")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*report.pdf*.html, .json or .md*"])


def test_the_plugin_costs_nothing_where_it_is_not_used(tmp_path):
    code = (
        "import sys, compare.pytest_plugin; heavy = {'torch', 'jax', 'numpy', 'jinja2'}; "
        "sys.exit(len(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    (tmp_path / "test_it.py").write_text(
        "import sys\ndef test_it():\n    assert not {'torch', 'jax'} & set(sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", str(tmp_path)], cwd=tmp_path,
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stdout
