"""What a trial holds on a GPU beside its training step."""

from typing import Any

import numpy as np
import pytest

from scaling.costs.cost_table import ALLOCATOR_SLACK, CostTable
from scaling.costs.live_tensors import Step
from scaling.costs.memory import GIB, inference_memory, inference_memory_all
from scaling.data import Dataset, Split
from scaling.study.config import DataConfig, Recipe, TrialConfig
from scaling.training.task import EVALUATION_BATCH

ARCH: dict[str, Any] = {"width": 32, "depth": 2, "patch_size": 4}
SIZE = 32 * 32 * 3  # bytes of an image


def split(count: int) -> Split:
    """Images that take no memory themselves."""
    return Split(np.broadcast_to(np.zeros((1, 32, 32, 3), np.uint8), (count, 32, 32, 3)), np.zeros(count, np.int64))


def table(train: int, validation: int, test: int, **recipe: Any) -> tuple[CostTable, TrialConfig]:
    names = tuple(map(str, range(10)))
    known = Dataset(split(train), split(validation), split(test), names, (0.0,) * 3, (1.0,) * 3, True, 0)
    config = TrialConfig(
        family="patchconvnet", arch=ARCH, data=DataConfig(), recipe=Recipe.model_validate({"batch_size": 16, **recipe})
    )
    return CostTable([config], dict.fromkeys([config.data], known)), config


def test_images_that_stay_on_the_gpu_are_counted_by_hand() -> None:
    costs, config = table(50_000, 5_000, 10_000)

    batches = 4 * EVALUATION_BATCH * SIZE
    assert costs.images_on_device(config, 80 * GIB) == (50_000 + 10_000) * (SIZE + 8) + batches
    small = int(60_000 * SIZE)  # a quarter of it is less than the training set, and more than the test set
    assert costs.images_on_device(config, small) == 10_000 * (SIZE + 8) + batches


def test_evaluation_counts_where_it_needs_more_than_a_step() -> None:
    costs, config = table(1_000, 100, 100)
    step = costs.memory(config, "cuda")
    large, other = table(1_000, 100, 100, batch_size=512)

    evaluated = costs.process_memory(config, "cuda", GIB) - costs.images_on_device(config, GIB) - ALLOCATOR_SLACK

    data: dict[str, Any] = {"image_size": 32, "in_chans": 3, "num_classes": 10}
    params = 4 * costs.of(config).params
    inference = inference_memory("patchconvnet", ARCH, Step(EVALUATION_BATCH, device="cuda"), **data)
    assert evaluated == max(step, inference + 3 * params)
    trained = large.process_memory(other, "cuda", GIB) - large.images_on_device(other, GIB) - ALLOCATOR_SLACK
    assert trained == large.memory(other, "cuda")


def test_a_moving_average_is_one_more_copy_of_the_weights() -> None:
    costs, config = table(1_000, 100, 100)
    averaged, other = table(1_000, 100, 100, ema_decay=0.99)

    gap = averaged.process_memory(other, "cuda", GIB) - costs.process_memory(config, "cuda", GIB)
    assert gap == 4 * costs.of(config).params


@pytest.mark.parametrize("batch_size", [1, 16, 256])
@pytest.mark.parametrize("pooling", ["average", "attention"])
def test_the_bound_is_above_the_prediction(batch_size: int, pooling: str) -> None:
    costs, config = table(1_000, 100, 100, batch_size=batch_size, ema_decay=0.99)
    config = config.model_copy(update={"arch": ARCH | {"pooling": pooling}})
    costs.add([config])

    assert costs.process_bound(config, GIB) >= costs.process_memory(config, "cuda", GIB)


def test_evaluations_of_many_depths_are_predicted_together() -> None:
    archs = [{**ARCH, "depth": depth} for depth in range(1, 8)]
    data: dict[str, Any] = {"image_size": 32, "in_chans": 3, "num_classes": 10}
    step = Step(8, device="cuda")

    together = inference_memory_all("patchconvnet", archs, step, **data)

    alone = [inference_memory("patchconvnet", arch, step, **data) for arch in archs]
    assert together == pytest.approx(alone, rel=0.02)
