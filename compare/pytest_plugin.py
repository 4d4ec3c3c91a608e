"""The pytest plugin: `assert_port` in a user's own suite, and `--portbench-report`.

Loaded with every run of pytest where Portbench is installed: it imports neither framework
before a port is checked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

KEY = "portbench"
"""The property of a test that holds its checks: it travels from pytest-xdist's workers."""

_current: list[Any] = []


class PortMismatch(AssertionError):
    """A port that is not the same function; its words say place, cause and what to change."""


def assert_port(
    torch: Any, jax: Any, inputs: Any, *, allow: tuple[str, ...] = (), **options: Any
):
    """Fails unless `check_port` calls the two the same; returns its Report.

    allow     verdicts that pass too, such as ("less-careful",)
    options   those of check_port
    """
    __tracebackhide__ = True
    from compare.port.check import check_port

    report = check_port(torch, jax, inputs, **options)
    for request in _current[-1:]:
        name = request.node.nodeid
        request.node.user_properties.append((KEY, {"test": name, **report.to_dict()}))
    if report.word != "same" and report.word not in allow:
        raise PortMismatch(message(report))
    return report


def message(report: Any, most: int = 12) -> str:
    """The verdict with its first lines."""
    lines = [line for line in report.lines if not line.startswith(("note", "setting"))]
    rest = [f"... and {len(lines) - most} lines more"] if len(lines) > most else []
    head = f"the port is {report.word}: {report.verdict.compared} arrays compared"
    return "\n".join([head, *(f"  {line}" for line in [*lines[:most], *rest])])


def pytest_addoption(parser: Any) -> None:
    parser.getgroup("portbench").addoption(
        "--portbench-report",
        metavar="FILE",
        help="Write what every checked port came to: .html, .json or .md, by the name's end.",
    )


def pytest_configure(config: Any) -> None:
    file = config.getoption("--portbench-report", None)
    if file and Path(file).suffix not in (".html", ".json", ".md"):
        raise pytest.UsageError(
            f"--portbench-report {file}: the name must end in .html, .json or .md"
        )


@pytest.fixture(autouse=True)
def _portbench_request(request: Any):
    """Knows which test is at work."""
    _current.append(request)
    yield
    _current.pop()


@pytest.fixture(name="assert_port")
def assert_port_fixture():
    """The function `assert_port`."""
    return assert_port


@pytest.fixture
def port_mapping(request: Any) -> Path:
    """The table of leaves beside the test file: test_x.py has test_x.port, if there is one."""
    return Path(request.path).with_suffix(".port")


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    file = config.getoption("--portbench-report", None)
    if not file:
        return
    checks = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            checks += [value for name, value in report.user_properties if name == KEY]
    write(Path(file), checks)
    terminalreporter.write_line(f"portbench: {len(checks)} ports checked: {file}")


def write(file: Path, checks: list[dict[str, Any]]) -> None:
    """The report on `checks`, in the format that the file's name says."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".json":
        file.write_text(json.dumps({"schema": 1, "ports": checks}, indent=1) + "\n")
        return
    from compare.report import ports

    file.write_text(ports.page(checks) if file.suffix == ".html" else ports.markdown(checks))
