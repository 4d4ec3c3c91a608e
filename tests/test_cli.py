"""The command line as users meet it: what it writes, and one clear line for each mistake."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from commands import PORTBENCH, portbench

QUICK = ["run", "-k", "linear.linear", "--jobs", "1"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return portbench(*QUICK, "--out", str(out)), out


def test_a_run_writes_lines_a_summary_and_a_page(finished):
    process, out = finished
    assert process.returncode == 0, process.stdout + process.stderr
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["cases"] == len(lines) >= 4
    assert summary["compared"] == sum(line["compared"] for line in lines) > summary["cases"]
    assert summary["verdicts"] == {"same": len(lines)}
    assert summary["complete"] is True
    assert summary["seconds"] > 0
    assert summary["environment"]["versions"]["torch"]
    page = (out / "report.html").read_text()
    assert "<svg" in page
    assert not re.search(r'(src|href)="http', page), "the page must need no network"
    for line in lines:
        assert line["case"] in page


def test_a_run_says_what_it_did(finished):
    process, _ = finished
    assert "arrays compared" in process.stdout
    assert "all as expected" in process.stdout


def test_results_of_one_seed_are_the_same_again(finished, tmp_path):
    _, out = finished
    portbench(*QUICK, "--out", str(tmp_path))

    def gaps(folder):
        lines = (folder / "results.jsonl").read_text().splitlines()
        found = {line["case"]: line["findings"] for line in map(json.loads, lines)}
        return {case: [f["gap"] for f in findings] for case, findings in found.items()}

    assert gaps(out) == gaps(tmp_path)


def test_resume_runs_what_is_missing_and_heals_a_line_cut_short(finished, tmp_path):
    _, out = finished
    lines = (out / "results.jsonl").read_text().splitlines()
    (tmp_path / "results.jsonl").write_text("\n".join(lines[:2]) + "\n" + lines[2][:50])
    process = portbench(*QUICK, "--out", str(tmp_path), "--resume")
    assert process.returncode == 0, process.stdout + process.stderr
    again = (tmp_path / "results.jsonl").read_text().splitlines()
    assert again[:2] == lines[:2]
    assert sorted(json.loads(x)["case"] for x in again) == sorted(
        json.loads(x)["case"] for x in lines
    )


def test_resume_refuses_results_of_another_seed(finished, tmp_path):
    _, out = finished
    (tmp_path / "results.jsonl").write_text((out / "results.jsonl").read_text())
    process = portbench(*QUICK, "--out", str(tmp_path), "--resume", "--seed", "1")
    assert process.returncode == 2
    assert "seed 0" in process.stderr


def test_a_killed_run_keeps_whole_lines_and_resumes(tmp_path):
    words = [
        "run",
        "--suite",
        "linear",
        "--suite",
        "activation",
        "--jobs",
        "1",
        "--out",
        str(tmp_path),
    ]
    process = subprocess.Popen([*PORTBENCH, *words], stdout=subprocess.DEVNULL)
    file = tmp_path / "results.jsonl"
    deadline = time.monotonic() + 240
    while not (file.exists() and file.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [json.loads(line)["case"] for line in file.read_text().splitlines()[:1]]
    finished = portbench(*words, "--resume")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert json.loads((tmp_path / "summary.json").read_text())["complete"] is True


def test_a_stopped_run_says_that_it_is_incomplete(tmp_path):
    process = subprocess.Popen(
        [*PORTBENCH, "run", "--out", str(tmp_path)], stdout=subprocess.PIPE
    )
    while not (tmp_path / "results.jsonl").exists():
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert b"--resume" in output
    assert json.loads((tmp_path / "summary.json").read_text())["complete"] is False


MISTAKES = {
    "unknown suite": (["run", "--suite", "convs"], 2, "there are: all, layers"),
    "unknown case": (["run", "-k", "conv.Conv9d"], 2, "portbench list"),
    "unknown device": (["run", "--device", "npu"], 2, "cpu"),
    "no jobs": (["run", "--jobs", "0"], 2, "jobs"),
    "negative seed": (["run", "--seed", "-1"], 2, "seed"),
    "unknown command": (["runs"], 2, "runs"),
    "unknown option": (["run", "--outt", "x"], 2, "--outt"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_get_one_clear_line_and_status_2(name, tmp_path):
    words, status, hint = MISTAKES[name]
    process = portbench(*words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert process.returncode == status
    assert hint in process.stderr
    assert "Traceback" not in process.stderr


def test_a_device_that_is_not_there(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    process = portbench("run", "--device", "cuda", "--out", str(tmp_path))
    assert process.returncode == 2
    assert "--device cpu" in process.stderr


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    process = portbench(*QUICK, "--out", str(tmp_path / "file"))
    assert process.returncode == 2
    assert "--out" in process.stderr
    assert "Traceback" not in process.stderr


def test_list_shows_suites_and_names():
    process = portbench("list", "--suite", "conv")
    assert process.returncode == 0
    assert "conv.Conv2d(" in process.stdout


@pytest.mark.parametrize("words", [[], ["list"], ["run"], ["doctor"]])
def test_every_command_has_help(words):
    process = portbench(*words, "--help")
    assert process.returncode == 0
    assert "Usage" in process.stdout


def test_help_and_list_import_no_framework():
    code = (
        "import sys, contextlib\n"
        "from compare.__main__ import app\n"
        "with contextlib.suppress(SystemExit): app(sys.argv[1:])\n"
        "heavy = {'torch', 'jax', 'flax', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for words in (["--help"], ["list"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_doctor_names_devices_versions_switches_and_threads():
    process = portbench("doctor")
    assert process.returncode == 0, process.stderr
    for word in ("torch", "jax", "devices", "threads", "matmul_precision", "x64", "cores"):
        assert word in process.stdout
