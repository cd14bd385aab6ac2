"""Attention augmented networks: sizes, what is augmented and what is not, timm's interface, mistakes."""

from typing import Any, cast

import pytest
import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scaling.costs.complexity import measure
from scaling.models import build_model
from scaling.models.aa_networks import BASES
from scaling.models.attention_augmented import AttentionAugmentedConv2d
from scaling.models.pooled_network import PooledNetwork
from scaling.models.timm_variants import AUGMENTED
from scaling.study.errors import ModelError

# small members, one a kind of base
SMALL: dict[str, dict[str, Any]] = {
    "resnet18": {"width": 0.25, "depth": 0.5, "heads": 2},
    "resnet50": {"width": 0.25, "depth": 0.3, "heads": 2, "upsilon": 0.2},
    "wide_resnet28_10": {"width": 0.1, "depth": 0.25, "heads": 2, "upsilon": 0.25},
    "mnasnet_100": {"width": 0.5, "depth": 0.5, "heads": 2},
}


def build(base: str, **options: Any) -> PooledNetwork:
    settled = {**SMALL[base], "num_classes": 5, "image_size": 64, "seed": 0, **options}
    return cast(PooledNetwork, build_model("attention_augmented", base=base, **settled))


def on_meta(base: str, **options: Any) -> PooledNetwork:
    with torch.device("meta"):
        return cast(PooledNetwork, build_model("attention_augmented", base=base, **options))


def params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def augmented(model: nn.Module) -> dict[str, AttentionAugmentedConv2d]:
    return {name: m for name, m in model.named_modules() if isinstance(m, AttentionAugmentedConv2d)}


@pytest.mark.parametrize(
    ("base", "options", "millions"),
    [
        ("resnet34", {}, 20.75),
        ("resnet50", {}, 25.81),
        ("resnet101", {}, 45.39),
        ("resnet152", {}, 61.62),
        ("resnet50", {"kappa": 0.25, "upsilon": 0.25}, 24.31),
        ("resnet50", {"kappa": 0.5, "upsilon": 0.5}, 22.35),
        ("resnet50", {"kappa": 0.75, "upsilon": 0.75}, 20.74),
        ("resnet50", {"kappa": 1.0, "upsilon": 1.0}, 19.39),
        ("resnet50", {"upsilon": 0.0}, 25.56),  # the plain network
        ("wide_resnet28_10", {"num_classes": 100, "image_size": 32}, 36.31),  # paper: 36.2
        ("wide_resnet28_10", {"num_classes": 100, "image_size": 32, "stages": 2}, 36.21),
        ("wide_resnet28_10", {"num_classes": 100, "upsilon": 0.0}, 36.54),
        ("mnasnet_100", {"upsilon": 0.0}, 3.89),
        ("mnasnet_100", {}, 4.07),  # reported: 4.06
    ],
)
def test_networks_have_the_papers_sizes(base: str, options: dict[str, Any], millions: float) -> None:
    assert round(params(on_meta(base, **options)) / 1e6, 2) == millions


@pytest.mark.slow
@pytest.mark.parametrize("name", AUGMENTED)
def test_timm_builds_the_papers_networks(name: str) -> None:
    variant = AUGMENTED[name]
    base, classes, side = variant.arch["base"], variant.num_classes, variant.side
    with torch.device("meta"):
        model = cast(nn.Module, timm.create_model(name))
        logits = model.eval()(torch.empty(1, 3, side, side))

    assert params(model) == params(on_meta(base, num_classes=classes, image_size=side))
    assert logits.shape == (1, classes)


@pytest.mark.parametrize("base", ["resnet18", "resnet50"])
def test_without_attention_a_resnet_is_timms(base: str) -> None:
    torch.manual_seed(0)
    ours = cast(PooledNetwork, build_model("attention_augmented", base=base, upsilon=0.0, num_classes=7))
    theirs = cast(Any, timm.create_model(base, num_classes=7))
    state = {f"trunk.{name}": value for name, value in theirs.state_dict().items() if not name.startswith("fc")}
    classifier = {f"head.classifier.{name}": value for name, value in theirs.get_classifier().state_dict().items()}
    ours.load_state_dict({**state, **classifier})
    x = torch.randn(1, 3, 64, 64)

    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_a_resnet_has_the_3x3_of_its_last_stages_augmented() -> None:
    """Not the stem, the shortcuts, the second convolution of a basic block, nor a 1×1."""
    bottlenecks, basics = on_meta("resnet50"), on_meta("resnet34")

    assert set(augmented(bottlenecks)) == {
        f"trunk.layer{stage}.{block}.conv2" for stage, blocks in ((2, 4), (3, 6), (4, 3)) for block in range(blocks)
    }
    assert set(augmented(basics)) == {
        f"trunk.layer{stage}.{block}.conv1" for stage, blocks in ((2, 4), (3, 6), (4, 3)) for block in range(blocks)
    }


def test_a_wide_resnet_has_each_first_convolution_augmented() -> None:
    model = on_meta("wide_resnet28_10", image_size=32)

    assert set(augmented(model)) == {f"trunk.stages.{stage}.{block}.conv1" for stage in range(3) for block in range(4)}
    assert [info["num_chs"] for info in model.feature_info] == [160, 320, 640]  # ten times 16, 32, 64


def test_an_mnasnet_has_its_last_expansions_augmented() -> None:
    model = on_meta("mnasnet_100")

    places = [f"trunk.blocks.{stage}.{block}.conv_pw" for stage, n in ((4, 2), (5, 3), (6, 1)) for block in range(n)]
    assert list(augmented(model)) == places
    assert all(module.conv is not None and module.conv.kernel_size == (1, 1) for module in augmented(model).values())


@pytest.mark.parametrize("base", SMALL)
def test_stages_count_from_the_last(base: str) -> None:
    counts = [len(augmented(build(base, stages=stages))) for stages in range(4)]

    assert counts[0] == 0
    assert counts == sorted(counts)
    assert set(augmented(build(base, stages=1))) <= set(augmented(build(base, stages=2)))


@pytest.mark.parametrize("base", ["resnet50", "wide_resnet28_10"])
def test_a_batch_norm_follows_every_augmented_layer(base: str) -> None:
    """As in the paper: it normalises what the convolution and attention gave, together."""
    model = build(base).eval()
    order = []
    for module in model.modules():
        if isinstance(module, AttentionAugmentedConv2d | nn.BatchNorm2d):
            module.register_forward_hook(lambda m, _, out: order.append((m, out.shape[1])))

    model(torch.randn(1, 3, 64, 64))

    after = [order[i + 1] for i, (module, _) in enumerate(order) if isinstance(module, AttentionAugmentedConv2d)]
    layers = augmented(model).values()
    assert all(isinstance(norm, nn.BatchNorm2d) for norm, _ in after)
    assert [channels for _, channels in after] == [layer.out_channels for layer in layers]


@pytest.mark.parametrize("base", SMALL)
@pytest.mark.parametrize("image_size", [64, (40, 72), (33, 47)], ids=str)
def test_position_tables_fit_the_maps_of_their_layers(base: str, image_size: int | tuple[int, int]) -> None:
    model = build(base, image_size=image_size, largest_map=1000).eval()
    seen: dict[str, tuple[int, int]] = {}
    for name, module in augmented(model).items():
        module.register_forward_hook(lambda *args, name=name: seen.update({name: tuple(args[2].shape[2:])}))
    height, width = image_size if isinstance(image_size, tuple) else (image_size, image_size)

    features = model.forward_features(torch.randn(1, 3, height, width))

    assert tuple(features.shape[1:3]) == model.map_size
    assert seen
    for name, module in augmented(model).items():
        assert module.attention is not None
        assert module.attention.positions is not None
        tables = module.attention.positions
        assert ((len(tables.height) + 1) / 2, (len(tables.width) + 1) / 2) == seen[name]


@pytest.mark.parametrize("base", SMALL)
def test_a_network_runs_on_images_of_another_size(base: str) -> None:
    model = build(base).eval()

    assert model(torch.randn(1, 3, 96, 40)).shape == (1, 5)


def test_maps_above_the_largest_are_averaged_first() -> None:
    model = on_meta("resnet50", largest_map=14)
    names = [name for name, module in augmented(model).items() if module.pooled]

    assert names == [f"trunk.layer2.{block}.conv2" for block in range(4)]
    assert {len(cast(Any, augmented(model)[name].attention).positions.height) for name in names} == {27}
    assert [
        name for name, module in augmented(on_meta("wide_resnet28_10", image_size=32)).items() if module.pooled
    ] == [f"trunk.stages.0.{block}.conv1" for block in range(4)]


@pytest.mark.parametrize(
    ("base", "pooling"),
    [*((base, "attention") for base in SMALL), ("resnet18", "average"), ("resnet18", "attention_multiclass")],
)
def test_every_base_learns_everywhere_under_any_pooling(base: str, pooling: str) -> None:
    model = build(base, pooling=pooling, image_size=(32, 48), in_chans=2, pooling_layer_scale=1.0)
    for module in model.modules():  # residual branches that start at zero pass nothing back
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)

    logits = model(torch.randn(3, 2, 32, 48))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()

    assert logits.shape == (3, 5)
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    names = {name for name, _ in model.named_parameters()}
    tables = {name for name in names if "positions" in name}
    assert tables
    assert tables <= model.no_weight_decay() <= names


@pytest.mark.parametrize("base", SMALL)
def test_arms_of_one_seed_share_the_trunk(base: str) -> None:
    average, attention = (build(base, pooling=pooling).trunk.state_dict() for pooling in ("average", "attention"))

    assert average.keys() == attention.keys()
    assert all(torch.equal(average[name], attention[name]) for name in average)


@pytest.mark.slow
@pytest.mark.parametrize("base", SMALL)
def test_both_counters_agree_on_a_network(base: str) -> None:
    model = build(base)

    cost = measure(model, 64)

    assert cost.params == params(model)
    assert cost.macs > 0


@pytest.mark.slow
def test_full_counts_are_those_of_the_documentation() -> None:
    """2 × MACs at 224 pixels: the paper prints 8.3 for AA-ResNet-50 and 8.2 for ResNet-50."""

    def gflops(side: int = 224, **options: Any) -> float:
        model = on_meta(image_size=side, **options).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, side, side, device="meta"))
        return round(counter.get_total_flops() / 1e9, 2)

    assert gflops(base="resnet50", upsilon=0.0) == 8.18
    assert gflops(base="resnet50") == 9.44
    assert gflops(base="resnet50", largest_map=14) == 8.41
    assert gflops(32, base="wide_resnet28_10", num_classes=100) == 10.63
    assert gflops(32, base="wide_resnet28_10", num_classes=100, largest_map=32) == 12.35


@pytest.mark.parametrize("base", SMALL)
def test_checkpointing_gives_the_same_gradients(base: str) -> None:
    def gradients(checkpointing: bool) -> list[torch.Tensor]:
        model = build(base).train()
        model.set_grad_checkpointing(checkpointing)
        model(torch.ones(2, 3, 64, 64).cumsum(-1) / 64).square().sum().backward()
        return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]

    for plain, checkpointed in zip(gradients(False), gradients(True), strict=True):
        torch.testing.assert_close(plain, checkpointed, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["aa_resnet34", "aa_wide_resnet28_10", "aa_mnasnet_100"])
def test_timm_takes_features_and_other_classes(name: str) -> None:
    small = {"width": 0.5, "depth": 0.25, "heads": 2}

    features = cast(Any, timm.create_model(name, features_only=True, out_indices=(0, 1), **small))
    maps = features(torch.randn(1, 3, 64, 64))
    model = cast(PooledNetwork, timm.create_model(name, num_classes=0, **small))
    vector = model.eval()(torch.randn(1, 3, 64, 64))
    model.reset_classifier(3, "attention")

    assert [m.shape[1] for m in maps] == features.feature_info.channels()
    assert [64 // m.shape[2] for m in maps] == features.feature_info.reduction()
    assert vector.shape == (1, model.num_features)
    assert model.eval()(torch.randn(1, 3, 64, 64)).shape == (1, 3)
    assert model.get_classifier().out_features == 3


def test_pretrained_weights_are_refused() -> None:
    with pytest.raises(ModelError, match=r"^aa_resnet50 has no weights to download"):
        timm.create_model("aa_resnet50", pretrained=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base": "resnet5"}, "unknown base 'resnet5'; did you mean 'resnet50'? (known: mnasnet_100, "),
        ({"kappa": 2}, "kappa 2 is above 1"),
        ({"upsilon": -0.1}, "upsilon -0.1 is below 0"),
        ({"heads": 0}, "heads 0 is not above 0"),
        ({"width": 0.1}, "upsilon 0.1 of 16 channels is less than one for each of 8 heads; use a larger"),
        ({"stages": 5}, "stages 5 is above 4, the number of stages of resnet50"),
        ({"pooling_heads": 5, "pooling": "attention"}, "pooling_heads 5 does not divide the pooling's width 2048"),
        ({"largest_map": 0}, "largest_map 0 is not above 0"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError) as caught:
        build_model("attention_augmented", **options)

    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"attention_augmented: {said}")


def test_every_kind_of_base_has_a_small_member_here() -> None:
    kinds = {BASES[base].sites for base in SMALL}

    assert {base.sites for base in BASES.values()} == kinds
