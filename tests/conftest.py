"""What several test files need."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture
def cifar10() -> Path:
    """Folder of CIFAR-10 in Hugging Face's layout, where it lies beside the checkout."""
    folder = SHARED / "data" / "cifar10"
    if not folder.is_dir():
        pytest.skip(f"needs CIFAR-10 as parquet files in {folder}")
    return folder
