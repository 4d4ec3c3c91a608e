"""A module under torch.compile: what the compiler made of it is compared with the module."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from compare.judge.verdict import Verdict
from compare.port.check import check_port
from compare.port.report import Report
from tests.ports import mlp_equinox as port


def checked(module: Any, mistake: str = "") -> Report:
    return check_port(module, port.jax_model(mistake), port.INPUTS, seconds=5.0)


def of_compiled(report: Report) -> Verdict:
    assert report.compiled is not None
    return report.compiled


def a_thousandth_off(graph, inputs):
    def call(*arrays):
        return tuple(x * 1.001 for x in graph(*arrays))

    return call


def refusing(graph, inputs):
    raise RuntimeError("no compiler on this machine")


def test_a_compiler_that_keeps_the_function():
    report = checked(torch.compile(port.torch_model(), backend="aot_eager"))
    assert report.same
    assert of_compiled(report).verdict == "same"
    assert of_compiled(report).compared == report.verdict.compared
    assert "compiled: the same as the module itself" in str(report)


def test_a_compiler_that_changes_the_function_is_told_from_the_port():
    report = checked(torch.compile(port.torch_model(), backend=a_thousandth_off))
    assert report.verdict.verdict == "same"
    assert report.word == of_compiled(report).verdict == "different"
    assert "compiled: different from the module itself" in str(report)


@pytest.mark.slow
def test_a_mistake_of_the_port_is_found_all_the_same():
    mistake = next(iter(port.MISTAKES))
    report = checked(torch.compile(port.torch_model(), backend="aot_eager"), mistake)
    assert report.verdict.verdict == "different"
    assert of_compiled(report).verdict == "same"
    assert port.MISTAKES[mistake].place in report.places


def test_a_compiler_that_fails_is_said_and_the_module_is_compared():
    report = checked(torch.compile(port.torch_model(), backend=refusing))
    assert report.same
    assert of_compiled(report).verdict == "unsupported"
    assert "no compiler on this machine" in str(report)


@pytest.mark.slow
def test_a_module_compiled_in_place_by_inductor():
    module = port.torch_model()
    module.compile()
    report = checked(module)
    assert report.same
    assert of_compiled(report).verdict == "same"
