"""A data source is one new file in `scaling/data/`: commands and tests find it without an edit elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

STRIPES = '''
"""stripes:COUNT: images of light and dark stripes, across or down."""

import numpy as np

from scaling.data.images import ArrayImages
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.study.config import DataConfig


@source("stripes", argument="COUNT")
def stripes(spec: Spec, config: DataConfig) -> SourceContent:
    """Draw COUNT images."""
    labels = np.arange(int(spec.argument)) % 2
    across = np.repeat(np.array([0, 255] * 4, np.uint8)[:, None], 8, axis=1)
    images = np.stack([across.T if label else across for label in labels])
    return SourceContent({"train": Examples("stripes", ArrayImages(images, "stripes"), labels)}, ("across", "down"))
'''
SPACE = """
question: Does it run?
family: patchconvnet
arch: {patch_size: 2, width: 16}
axes: {depth: [1, 2]}
arms: {pooling: [average, attention]}
repetitions: 1
data: {source: digits}
recipe: {epochs: 1, batch_size: 20}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the package and its tests with one more file."""
    ignored = shutil.ignore_patterns("__pycache__", "records_v1")
    shutil.copytree(ROOT / "scaling", tmp_path / "scaling", ignore=ignored)
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "scaling" / "data" / "stripes.py").write_text(STRIPES)
    (tmp_path / "tiny.yaml").write_text(SPACE)
    return tmp_path


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.run([sys.executable, *command], cwd=checkout, env=environment, text=True, capture_output=True)


@pytest.mark.slow
def test_a_new_source_is_found_suggested_and_tested(checkout: Path) -> None:
    sweeps = "\n".join(
        f"main(['--space', 'tiny.yaml', '--data', '{source}', '--dry-run'])" for source in ("stripes:60", "stripe:60")
    )
    swept = run(checkout, "-c", f"from scaling.sweep import main\n{sweeps}")
    tests = run(
        checkout, *["-m", "pytest", "-q", "tests/data/test_sources.py", "-k", "stripes", "-p", "no:cacheprovider"]
    )

    assert "4 trials" in swept.stdout
    assert swept.stderr.count("\n") == 1
    assert "unknown data source 'stripe'; did you mean 'stripes'?" in swept.stderr
    assert tests.returncode == 0, tests.stdout
    assert "1 passed" in tests.stdout
