"""Memory: hand counts, simulation against real tensors, shares of a GPU."""

import dataclasses
from typing import Any

import pytest
import timm
import torch
from torch import nn

from scaling.costs.live_tensors import LiveTensors, Step, measured_training_memory, peak_memory
from scaling.costs.memory import (
    GIB,
    gpu_share,
    inference_memory,
    predict_inference,
    predict_training,
    training_memory,
    training_memory_all,
)
from scaling.models import build_model
from scaling.study.errors import CostError, ModelError

SMALL: dict[str, Any] = {"width": 32, "depth": 2, "patch_size": 4, "num_classes": 10, "image_size": 16}
STEP = Step(batch_size=4)


class TwoLayers(nn.Module):
    """Two linear layers without bias on the flattened image, a ReLU between."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(300, 200, bias=False)
        self.second = nn.Linear(200, 100, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x.permute(0, 2, 3, 1).flatten(1)).relu())  # a view: images are channels last


def test_memory_of_two_layers_is_the_hand_count():
    memory = predict_training(TwoLayers(), 10, 3, Step(batch_size=50))

    parameters = 4 * (300 * 200 + 200 * 100)
    assert memory.parameters == memory.gradients == parameters
    assert memory.optimizer == 2 * parameters + 2 * 4  # two moments, and each layer's step number
    # the ReLU's result serves its own backward pass and the second layer's; then the log of softmax and two scalars
    assert memory.saved == pytest.approx(4 * 50 * (200 + 100), abs=128)
    assert memory.update == pytest.approx(parameters * 4 + 4 * 50 * 300 + 8 * 50, abs=128)


def test_evaluation_keeps_one_layer_and_its_result():
    memory = predict_inference(TwoLayers(), 10, 3, Step(batch_size=50))

    assert memory.peak == memory.parameters + 4 * 50 * (300 + 200 + 200) + 8 * 50


def test_views_are_counted_once_and_dropped_tensors_are_not():
    with LiveTensors() as live:
        x = torch.zeros(1000)
        kept = x.view(10, 100)[3]
        y = x + 1
        assert live.bytes == 8000
        del y, x
        assert live.bytes == 4000
        del kept
        assert (live.bytes, live.peak) == (0, 8000)


@pytest.mark.parametrize("pooling", ["average", "attention", "attention_multiclass"])
@pytest.mark.parametrize(
    "step", [STEP, Step(4, "bfloat16"), Step(4, optimizer="sgd"), Step(4, optimizer="lamb")], ids=str
)
def test_the_simulated_step_occupies_as_much_as_the_real_one(pooling: str, step: Step):
    model = build_model("patchconvnet", **SMALL, pooling=pooling)

    predicted = predict_training(model, 16, 3, step).peak

    assert predicted == pytest.approx(measured_training_memory(model, 16, 3, step), rel=0.01)
    assert predicted == training_memory("patchconvnet", {**SMALL, "pooling": pooling}, step)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "vit_tiny_patch16_224", "convnext_atto", "efficientnet_b0", "mobilenetv3_small_100"),
        *("xcit_nano_12_p16_224", "densenet121", "regnety_002", "mixer_s32_224", "poolformer_s12"),
    ],
)
def test_simulated_steps_of_timm_models_match_real_ones(name: str):
    step = Step(batch_size=2)
    model = timm.create_model(name)

    predicted = predict_training(model, 224, 3, step).peak

    assert predicted == pytest.approx(measured_training_memory(model, 224, 3, step), rel=0.1)


def test_simulation_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2)).eval()
    before = {name: (value, value.clone()) for name, value in model.state_dict(keep_vars=True).items()}

    predict_training(model, 8, 3, STEP)
    predict_inference(model, 8, 3, STEP)

    after = model.state_dict(keep_vars=True)
    assert all(after[name] is value and torch.equal(value, copy) for name, (value, copy) in before.items())
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_checkpointing_half_precision_and_small_batches_save_memory():
    def predicted(**changes) -> int:
        arch = {**SMALL, "depth": 4}
        return training_memory("patchconvnet", arch, dataclasses.replace(Step(batch_size=32), **changes))

    plain = predicted()

    assert predicted(checkpointing=True) < 0.7 * plain
    assert predicted(precision="bfloat16") < 0.8 * plain
    assert predicted(batch_size=16) < 0.6 * plain
    assert predicted(optimizer="sgd") == plain - (predict_parameters({**SMALL, "depth": 4}))
    assert inference_memory("patchconvnet", {**SMALL, "depth": 4}, Step(batch_size=32)) < 0.2 * plain


def predict_parameters(arch) -> int:
    """Bytes of one of AdamW's moments, and of its step numbers, which SGD has not."""
    with torch.device("meta"):
        model = build_model("patchconvnet", **arch)
    return sum(4 * parameter.numel() + 4 for parameter in model.parameters())


def test_on_cuda_the_memory_efficient_branch_is_predicted():
    step = Step(batch_size=64)
    arch = {**SMALL, "depth": 4, "image_size": 32}

    on_cpu = training_memory("patchconvnet", arch, step)
    on_cuda = training_memory("patchconvnet", arch, dataclasses.replace(step, device="cuda"))

    assert on_cuda - 32 * 2**20 < 0.75 * on_cpu


def test_under_autocast_cuda_normalises_in_float32_and_keeps_more():
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.Linear(64, 64), nn.LayerNorm(64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x.flatten(2)).mean(dim=1)

    step = Step(batch_size=32, precision="bfloat16")

    on_cpu = predict_training(Normed(), 8, 3, step).saved
    on_cuda = predict_training(Normed(), 8, 3, dataclasses.replace(step, device="cuda")).saved

    elements = 32 * 3 * 64  # each norm keeps its input, in 4 bytes rather than 2
    assert on_cuda - on_cpu == pytest.approx(2 * elements * (4 - 2), rel=0.1)


def test_a_whole_space_has_a_close_upper_bound():
    archs = [
        {**SMALL, "width": width, "depth": depth, "pooling": pooling}
        for width in (16, 96)
        for depth in (1, 2, 6)
        for pooling in ("average",)
    ]

    predicted = training_memory_all("patchconvnet", archs, Step(batch_size=2))

    simulated = [training_memory("patchconvnet", arch, Step(batch_size=2)) for arch in archs]
    assert all(exact <= bound <= 1.05 * exact for exact, bound in zip(simulated, predicted, strict=True))


def test_peak_memory_includes_earlier_tensors():
    weight = torch.zeros(1000)

    with peak_memory(torch.device("cpu"), [weight]) as peak:
        (weight + 1).sum()

    assert peak.bytes == 4000 + 4000 + 4


def test_trials_share_a_gpu_only_as_far_as_they_fit():
    assert gpu_share(60 * GIB, 80 * GIB) == 1
    assert gpu_share(30 * GIB, 80 * GIB) == 1 / 2
    assert gpu_share(1, 80 * GIB) == 1 / 16
    with pytest.raises(CostError, match=r"needs about 92\.6 GiB, the GPU has 80\.0 GiB; lower recipe\.batch_size"):
        gpu_share(80 * GIB, 80 * GIB)


def test_what_cannot_be_simulated_is_one_clear_line():
    with pytest.raises(ModelError, match="width 30"):
        training_memory("patchconvnet", {**SMALL, "width": 30}, STEP)
    with pytest.raises(CostError, match=r"^a step of Linear cannot be simulated: RuntimeError: [^\n]+$"):
        predict_training(nn.Linear(7, 2), 8, 3, STEP)
    with pytest.raises(CostError, match="not for 'tpu'"):
        predict_training(TwoLayers(), 10, 3, Step(4, device="tpu"))
