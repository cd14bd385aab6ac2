"""PatchConvNet against the authors' numbers, a second implementation, and timm's expectations."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file
from timm.optim._param_groups import param_groups_layer_decay, param_groups_weight_decay

import scaling.models
from scaling.models import build_model
from scaling.models.checkpoints import translate
from scaling.models.timm_variants import PATCHCONVNETS
from scaling.study.errors import ModelError
from tests.support import ROOT

REFERENCE = ROOT.parent / "shared" / "reference"

PAPER_PARAMS = {  # recounted from the layers of the authors' code
    "patchconvnet_s60": 25_231_096,
    "patchconvnet_s120": 47_723_896,
    "patchconvnet_b60": 99_388_936,
    "patchconvnet_b120": 188_611_336,
    "patchconvnet_l60": 176_009_576,
    "patchconvnet_l120": 334_294_376,
    "patchconvnet_s60_multi": 25_614_712,  # 999 more tokens of 384
}


def plain() -> ModuleType:
    """Import the obvious implementation, which lies with the benchmarks and is no part of the package."""
    if "plain_patchconvnet" not in sys.modules:
        path = ROOT / "benchmarks" / "plain_patchconvnet.py"
        spec = importlib.util.spec_from_file_location("plain_patchconvnet", path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules["plain_patchconvnet"]


def tiny(**options: Any) -> Any:
    arch = {"width": 32, "depth": 2, "patch_size": 8, "num_classes": 5, "image_size": 32, "seed": 0, **options}
    return build_model("patchconvnet", **arch)


def timms(name: str, **options: Any) -> Any:
    return timm.create_model(name, **options)


def excite(model: torch.nn.Module) -> None:
    """Make every detail count: large scales, norms and biases that are not neutral."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.copy_(torch.rand(parameter.shape, generator=generator) - 0.3)


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="no ../shared/reference beside the checkout")
@pytest.mark.parametrize("pooling", ["attention", "attention_multiclass"])
def test_the_authors_outputs_are_matched(pooling: str) -> None:
    suffix = "_multiclass" if pooling.endswith("multiclass") else ""
    stored = load_file(REFERENCE / f"patchconvnet_tiny{suffix}.safetensors")
    weights = {name.removeprefix("weights."): t for name, t in stored.items() if name.startswith("weights.")}
    model = tiny(width=64, depth=3, patch_size=16, num_classes=10, image_size=64, pooling=pooling).eval()
    model.load_state_dict(translate(weights))

    with torch.no_grad():
        logits = model(stored["input"])
        attention = model.head.pool.weights(model.forward_features(stored["input"]))

    assert (logits - stored["logits"]).abs().max() < 1e-5
    if "attention" in stored:
        assert (attention - stored["attention"]).abs().max() < 1e-6


@pytest.mark.parametrize("multiclass", [False, True])
@pytest.mark.parametrize(
    ("width", "patch_size", "size", "in_chans"),
    [(16, 2, (6, 10), 1), (24, 4, (17, 12), 3), (32, 8, (40, 24), 2), (64, 16, (32, 48), 3)],
)
def test_outputs_and_gradients_equal_the_plain_implementation(
    width: int, patch_size: int, size: tuple[int, int], in_chans: int, multiclass: bool
) -> None:
    other = plain().PlainPatchConvNet(
        width, 2, num_classes=5, patch_size=patch_size, in_chans=in_chans, multiclass=multiclass
    )
    excite(other)
    pooling = "attention_multiclass" if multiclass else "attention"
    model = tiny(width=width, patch_size=patch_size, image_size=size, in_chans=in_chans, pooling=pooling)
    model.load_state_dict(translate(other.state_dict()))
    x = torch.randn(3, in_chans, *size)

    ours, theirs = model(x), other(x)
    ours.square().sum().backward()
    theirs.square().sum().backward()

    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    expected = translate({name: parameter.grad for name, parameter in other.named_parameters()})
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("name", PAPER_PARAMS)
def test_parameter_counts_are_the_papers(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)

    assert sum(parameter.numel() for parameter in model.parameters()) == PAPER_PARAMS[name]


def test_layer_scale_starts_as_in_the_authors_code() -> None:
    assert PATCHCONVNETS["patchconvnet_s60"].arch["layer_scale"] == 1e-4
    assert {one.arch["layer_scale"] for name, one in PATCHCONVNETS.items() if "s60" not in name} == {1e-6}
    model = tiny(layer_scale=0.25)
    assert {float(p.detach().unique()) for name, p in model.named_parameters() if "gamma" in name} == {0.25}


def test_only_the_head_has_the_papers_initialisation() -> None:
    model = tiny(width=128, patch_size=4)
    bound = 128**-0.5

    pointwise = model.blocks[0].pointwise1.weight
    assert bound * 0.95 < pointwise.abs().max() < bound
    assert pointwise.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)  # uniform
    assert model.head.pool.fc1.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.get_classifier().bias.eq(0).all()


def test_drop_path_is_equal_in_all_blocks() -> None:
    model = tiny(drop_path=0.5, depth=3)
    assert [block.drop_path.drop_prob for block in model.blocks] == [0.5] * 3

    x = torch.randn(64, 4, 4, 32)
    changed = (model.train().blocks[0](x) - x).flatten(1).ne(0).any(1)

    assert 10 < changed.sum() < 54


def test_activation_checkpointing_changes_memory_not_results() -> None:
    model = tiny()
    excite(model)
    x = torch.randn(2, 3, 32, 32)
    expected = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))

    model.set_grad_checkpointing()

    actual = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
    torch.testing.assert_close(actual, expected)


def test_the_memory_efficient_branch_has_the_same_gradients() -> None:
    block = tiny(width=16).blocks[0].double()
    excite(block)
    x = torch.randn(2, 3, 5, 16, dtype=torch.float64, requires_grad=True)
    inputs = [x, *block.parameters()]

    plainly, efficient = block.branch(x), block.memory_efficient_branch(x)

    torch.testing.assert_close(efficient, plainly)
    weights = torch.randn_like(plainly)
    torch.testing.assert_close(
        torch.autograd.grad((efficient * weights).sum(), inputs), torch.autograd.grad((plainly * weights).sum(), inputs)
    )


@pytest.mark.parametrize("autocast", [False, True])
def test_the_memory_efficient_branch_keeps_at_most_seven_tenths(autocast: bool) -> None:
    block, other = tiny(width=64).blocks[0], plain().Block(64, 0.0, 1e-4)
    x = torch.randn(8, 16, 16, 64)

    def kept(branch: Any, *inputs: Any) -> int:
        sizes: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
                result = branch(*inputs)
            assert result.requires_grad
        return sum(sizes.values())

    ours = kept(lambda x: x + block.memory_efficient_branch(x), x)
    theirs = kept(other, x.flatten(1, 2), (16, 16))

    assert ours <= 0.7 * theirs


def test_in_half_precision_the_trunk_sums_in_float32() -> None:
    model = tiny(width=16, layer_scale=0.5)

    with torch.autocast("cpu", torch.bfloat16):
        x = model.stem(torch.randn(2, 3, 32, 32))
        efficient, plainly = (
            x + branch(x) for branch in (model.blocks[0].memory_efficient_branch, model.blocks[0].branch)
        )
        logits = model(torch.randn(2, 3, 32, 32))

    assert {x.dtype, efficient.dtype, plainly.dtype} == {torch.float32}
    torch.testing.assert_close(efficient, plainly, rtol=0.02, atol=1e-4)
    parameters = list(model.blocks[0].parameters())
    ours, theirs = (torch.autograd.grad(y.square().sum(), parameters) for y in (efficient, plainly))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0.1, atol=0.03 * other.abs().max().item())
    logits.float().sum().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters())


def test_no_transpose_is_copied_between_stem_and_pooling() -> None:
    model = tiny(image_size=(32, 64))

    x = model.stem(torch.randn(2, 3, 32, 64))
    assert x.shape == (2, 4, 8, 32)
    for block in model.blocks:
        x = block(x)
        assert x.is_contiguous()


@pytest.mark.parametrize("name", PATCHCONVNETS)
def test_every_variant_behaves_like_timms_models(name: str) -> None:
    small: dict[str, Any] = {"depth": 4, "width": 16, "num_classes": 7}
    model = timms(name, **small)
    x = torch.randn(2, 3, 32, 64)
    state = model.state_dict()

    assert model.forward_features(x).shape == (2, 2, 4, 16)
    assert model(x).shape == (2, 7)
    assert f"{model.default_cfg['classifier']}.weight" in state
    assert f"{model.default_cfg['first_conv']}.weight" in state
    assert model.get_classifier() is model.get_submodule(model.default_cfg["classifier"])
    model.reset_classifier(3)
    assert model(x).shape == (2, 3)
    assert model.num_classes == 3
    model.reset_classifier(4, "avg")
    assert model(x).shape == (2, 4)
    model.reset_classifier(0)
    assert model(x).shape == (2, model.head_hidden_size)
    model.reset_classifier(0, "")
    assert model(x).shape == (2, 2, 4, model.num_features)
    features = timms(name, features_only=True, **small)
    assert [tuple(f.shape) for f in features(x)] == [(2, 16, 2, 4)] * len(features.feature_info.channels())


def test_timms_keywords_reach_the_network() -> None:
    options: dict[str, Any] = {
        "depth": 2,
        "width": 16,
        "in_chans": 1,
        "img_size": (16, 32),
        "drop_path_rate": 0.2,
        "drop_rate": 0.3,
    }
    model = timms("patchconvnet_s60", global_pool="gem", num_classes=0, **options)

    assert model.blocks[1].drop_path.drop_prob == 0.2
    assert model.head.dropout.p == 0.3
    assert type(model.head.pool).__name__ == "GeneralizedMeanPool"
    assert model(torch.randn(2, 1, 16, 32)).shape == (2, 16)


def test_intermediate_maps_are_those_after_the_blocks() -> None:
    model = tiny(depth=3).eval()
    x = torch.randn(1, 3, 32, 32)

    last, maps = model.forward_intermediates(x, indices=[0, -1], output_fmt="NHWC")
    alone = model.forward_intermediates(x, indices=[0], stop_early=True, intermediates_only=True)

    torch.testing.assert_close(maps[0], model.blocks[0](model.stem(x)))
    torch.testing.assert_close(maps[1], last)
    torch.testing.assert_close(alone[0], maps[0].permute(0, 3, 1, 2))


def test_a_pruned_network_keeps_its_features() -> None:
    whole = timms("patchconvnet_s60", depth=4, width=16)
    pruned = timms("patchconvnet_s60", features_only=True, out_indices=(1,), depth=4, width=16)
    pruned.model.load_state_dict(whole.state_dict(), strict=False)
    x = torch.randn(1, 3, 32, 32)

    torch.testing.assert_close(pruned(x), whole.forward_intermediates(x, indices=[1], intermediates_only=True))
    assert len(pruned.model.blocks) == 2


def test_timms_optimiser_groups_follow_depth_and_weight_decay() -> None:
    model = timms("patchconvnet_s60", depth=2, width=16)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    undecayed, decayed = (
        {names[id(parameter)] for parameter in group["params"]}
        for group in param_groups_weight_decay(model, 0.05, no_weight_decay_list=model.no_weight_decay())
    )

    assert "head.pool.token" in undecayed
    assert "blocks.0.gamma" in undecayed
    assert {name for name in decayed if not name.endswith("weight")} == set()
    layers = {group["lr_scale"] for group in param_groups_layer_decay(model, layer_decay=0.5)}
    assert layers == {0.125, 0.25, 0.5, 1.0}  # stem, two blocks, head


def test_pretrained_weights_of_timm_are_refused_with_advice() -> None:
    with pytest.raises(ModelError, match=r"patchconvnet_b60 has no weights to download.*load_pretrained"):
        timms("patchconvnet_b60", pretrained=True, depth=1)


def test_a_file_of_the_authors_loads_through_timm(tmp_path: Path) -> None:
    other = plain().PlainPatchConvNet(16, 1, num_classes=4)
    torch.save({"model": other.state_dict()}, tmp_path / "weights.pth")
    options: dict[str, Any] = {"depth": 1, "width": 16, "num_classes": 4}

    overlay = {"file": str(tmp_path / "weights.pth"), "num_classes": 4}
    model = timms("patchconvnet_s60", pretrained=True, pretrained_cfg_overlay=overlay, **options)

    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(x), other(x), rtol=1e-4, atol=1e-5)


def test_importing_the_package_registers_the_variants() -> None:
    assert scaling.models.FAMILIES["patchconvnet"]
    assert set(timm.list_models("patchconvnet_*")) == set(PATCHCONVNETS)
