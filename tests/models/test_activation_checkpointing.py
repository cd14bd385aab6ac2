"""Gradient checkpointing saves memory and changes no number."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scaling.costs.live_tensors import LiveTensors, Step
from scaling.costs.memory import training_memory
from scaling.models import build_model
from scaling.models.activation_checkpointing import enable_activation_checkpointing, preserved_statistics
from scaling.models.registry import FAMILIES
from scaling.study.errors import ModelError

SIZE = {"num_classes": 3, "image_size": 32}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "patchconvnet": ("patchconvnet", {"width": 16, "depth": 4, "patch_size": 4, "drop_path": 0.5, "layer_scale": 0.1}),
    "augmented resnet": ("attention_augmented", {"base": "resnet18", "upsilon": 0.25}),
    "plain wide resnet": ("attention_augmented", {"base": "wide_resnet28_10", "width": 0.1, "upsilon": 0}),
    "augmented mnasnet": ("attention_augmented", {"base": "mnasnet_100", "width": 0.5, "stages": 1, "upsilon": 0.5}),
    "convnext": ("timm", {"name": "convnext_atto", "drop_path": 0.5}),
    "mobilenet": ("timm", {"name": "mobilenetv3_small_050"}),
    "regnet": ("timm", {"name": "regnetx_002"}),
}
QUICK = ("patchconvnet", "plain wide resnet", "convnext", "mobilenet")


def trained(family: str, arch: dict[str, Any], *, checkpointing: bool) -> tuple[nn.Module, int]:
    """A network after one backward pass, and the bytes that were alive before that pass."""
    model = build_model(family, **SIZE, **arch, seed=0).train()
    if checkpointing:
        enable_activation_checkpointing(model, family)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(), LiveTensors([*model.parameters(), *model.buffers(), images]) as live:
        torch.manual_seed(1)
        loss = F.cross_entropy(model(images), torch.tensor([0, 1, 2, 0]))
        alive = live.bytes
        with preserved_statistics(model):
            loss.backward()
    return model, alive


def gradient(parameter: nn.Parameter) -> torch.Tensor:
    assert parameter.grad is not None
    return parameter.grad


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS])
def test_less_is_kept_and_results_are_bit_identical(name: str) -> None:
    (plain, kept), (checkpointed, kept_less) = (trained(*NETWORKS[name], checkpointing=on) for on in (False, True))

    for (parameter, one), (_, other) in zip(plain.named_parameters(), checkpointed.named_parameters(), strict=True):
        assert torch.equal(gradient(one), gradient(other)), parameter
    for (buffer, one), (_, other) in zip(plain.named_buffers(), checkpointed.named_buffers(), strict=True):
        assert torch.equal(one, other), buffer
    assert kept_less < kept
    assert {family for family, _ in NETWORKS.values()} == set(FAMILIES)


def test_unprotected_statistics_would_count_a_batch_twice() -> None:
    family, arch = NETWORKS["plain wide resnet"]
    model = build_model(family, **SIZE, **arch, seed=0).train()
    enable_activation_checkpointing(model, family)

    model(torch.randn(4, 3, 32, 32)).sum().backward()

    counts = {int(b) for name, b in model.named_buffers() if name.endswith("num_batches_tracked")}
    assert counts == {1, 2}  # the last norm stands outside the blocks


def test_depth_120_keeps_less_than_a_fifth_of_its_memory() -> None:
    arch = {"width": 16, "depth": 120, "patch_size": 4, "layer_scale": 0.1}
    (_, kept), (_, kept_less) = (trained("patchconvnet", arch, checkpointing=on) for on in (False, True))

    assert kept_less < kept / 5


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_memory_prediction_includes_checkpointing(device: str) -> None:
    arch = {"width": 64, "depth": 12, "patch_size": 4}
    whole, checkpointed = (
        training_memory("patchconvnet", arch, Step(512, checkpointing=on, device=device), image_size=32)
        for on in (False, True)
    )

    assert checkpointed < whole / 2  # on a GPU blocks are memory-efficient without it


def test_a_network_without_checkpointing_is_refused_in_one_line() -> None:
    model = build_model("timm", name="dla46x_c", num_classes=3)

    with pytest.raises(
        ModelError, match=r"^timm dla46x_c does not support activation checkpointing; leave the option out$"
    ):
        enable_activation_checkpointing(model, "timm dla46x_c")
    with pytest.raises(ModelError, match="does not support activation checkpointing"):
        training_memory("timm", {"name": "dla46x_c"}, Step(2, checkpointing=True))
