"""The page in a real browser: it renders with no network, and shows what was found."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from compare.judge.verdict import Finding, Verdict
from compare.report.document import Result, summarise
from compare.report.page import write_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

SAME = Finding("output/0", "same", (2, 3), 1.5e-16, 1e-13, 1e-7, 2e-7, 0.0, 3e-7)
WRONG = replace(SAME, array="grad/x", verdict="different", gap=2e-3, gap32=2e-3, says="off <b>")


def result(case: str, finding: Finding, suite: str = "conv", expect: str = "same") -> Result:
    verdict = Verdict(case, finding.verdict, (finding,), finding.says, expect, "a reason")
    return Result(suite, "f", 0, "cpu", verdict)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    results = [
        result("conv.Conv2d(stride=2)", SAME),
        result("conv.Conv2d(<script>alert(1)</script>)", WRONG),
        result("fault: eps", WRONG, "faults", "different"),
    ]
    file = tmp_path_factory.mktemp("page") / "report.html"
    write_page(file, results, summarise(results, 1.0, {"versions": {"torch": "2"}}, True))
    return file


@pytest.fixture(scope="module")
def rendered(page, tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium runs this test")
    profile = tmp_path_factory.mktemp("profile")
    words = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_the_page_needs_nothing_beside_it(page):
    text = page.read_text()
    assert not re.search(
        r"<script|<link|<img|@import|url\(http", text.replace("&lt;script", "")
    )
    assert not re.search(r'(src|href)="(http|//)', text)


def test_words_of_a_case_are_escaped(page):
    assert "<script>alert(1)" not in page.read_text()
    assert "off &lt;b&gt;" in page.read_text()


def test_the_browser_shows_cases_faults_and_the_plot(rendered):
    assert rendered.count("<svg") >= 1
    assert "conv.Conv2d(stride=2)" in rendered
    assert "1.5e-16" in rendered
    assert 'id="odd"' in rendered
    assert 'id="faults"' in rendered
    assert "1 / 1" in rendered


def test_the_plot_shows_pairs_and_faults_apart(rendered):
    assert "pairs (2 arrays)" in rendered
    assert "planted faults (1 arrays)" in rendered
    assert "rounding" in rendered
