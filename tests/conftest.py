"""What several test files need."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from tests.support import SHARED

# The same examples in every run, however slow the machine is.
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest tests first, so that no worker waits for another's last one.

    Those that start clusters come one by one and are half of the whole time; other slow ones follow.
    """

    def place(item: pytest.Item) -> int:
        group = item.get_closest_marker("xdist_group")
        if group is not None and group.args == ("ray",):
            return 0
        return 1 if item.get_closest_marker("slow") else 2

    items.sort(key=place)


@pytest.fixture(autouse=True, scope="session")
def own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep caches of data out of the user's folder, and what an earlier run cached out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALING_DATA", str(tmp_path_factory.mktemp("caches")))
        yield


@pytest.fixture(autouse=True)
def fixed_random_state() -> None:
    """Start every test from the same random state, whatever ran before it in the same process.

    Tests run in several processes, and which one gets which test is chance: without this, initial weights and inputs
    that a test draws differ from run to run, and one run in hundreds draws something that no other does.
    """
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def cifar10() -> Path:
    """Folder of CIFAR-10 in Hugging Face's layout, where it lies beside the checkout."""
    folder = SHARED / "data" / "cifar10"
    if not folder.is_dir():
        pytest.skip(f"needs CIFAR-10 as parquet files in {folder}")
    return folder
