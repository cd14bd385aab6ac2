"""timm's networks with other poolings: the cut, the average arm against timm's own, weights kept, mistakes."""

from pathlib import Path
from typing import Any, cast

import pytest
import timm
import torch
from timm.models import PretrainedCfg
from torch import nn

from scaling.costs.complexity import measure
from scaling.models import build_model, check_arch
from scaling.models.meta import on_meta as meta
from scaling.models.registry import seeded
from scaling.models.timm_family import TimmNetwork
from scaling.models.timm_scaling import scaled
from scaling.study.errors import ModelError

# A small network of each family, and the side of the images where 64 pixels are too few.
NETWORKS: dict[str, int] = {
    "convmixer_768_32": 64,
    "convnext_atto": 64,
    "cs3darknet_focus_s": 64,
    "densenet121": 64,
    "dla46x_c": 64,
    "dpn48b": 64,
    "edgenext_xx_small": 64,
    "efficientnet_b0": 64,
    "efficientnet_lite0": 64,
    "efficientvit_b0": 64,
    "efficientvit_m0": 224,
    "ese_vovnet19b_slim_dw": 64,
    "fastvit_t8": 64,
    "fbnetc_100": 64,
    "gernet_s": 64,
    "ghostnet_050": 64,
    "ghostnetv2_100": 64,
    "hardcorenas_b": 64,
    "hgnetv2_b0": 64,
    "hrnet_w18_small": 64,
    "inception_next_atto": 64,
    "inception_v3": 96,
    "lcnet_035": 64,
    "legacy_seresnet18": 64,
    "legacy_xception": 64,
    "mambaout_femto": 64,
    "mixnet_s": 64,
    "mnasnet_small": 64,
    "mobilenetv1_100": 64,
    "mobilenetv2_050": 64,
    "mobilenetv3_small_050": 64,
    "mobilenetv4_conv_small": 64,
    "mobileone_s0": 64,
    "mobilevit_xxs": 64,
    "nf_regnet_b0": 64,
    "poolformer_s12": 64,
    "rdnet_tiny": 64,
    "regnetx_002": 64,
    "regnety_002": 64,
    "repghostnet_050": 64,
    "repvgg_a0": 64,
    "repvit_m1": 64,
    "res2net50_14w_8s": 64,
    "resnest14d": 64,
    "resnet10t": 64,
    "resnetv2_18": 64,
    "resnext50_32x4d": 64,
    "rexnet_100": 64,
    "selecsls42": 64,
    "semnasnet_075": 64,
    "skresnet18": 64,
    "starnet_s050": 64,
    "tf_efficientnetv2_b0": 64,
    "tinynet_e": 64,
    "tresnet_m": 64,
    "xception41": 64,
}
KNOWN = [name for name in NETWORKS if timm.is_model(name)]  # an older timm lacks some
QUICK = ["resnet10t", "convnext_atto", "mobilenetv3_small_050", "efficientvit_b0", "regnetx_002", "mambaout_femto"]
MULTIPLIED = [
    *("resnet18", "resnext50_32x4d", "wide_resnet50_2", "res2net50_26w_4s", "resnest14d", "convnext_atto"),
    *("regnetx_002", "repvgg_a0", "mobileone_s0", "nf_regnet_b0", "densenet121", "efficientnet_b0", "efficientnet_b1"),
    *("mixnet_m", "mobilenetv2_100", "mobilenetv3_large_100"),
]
SWEPT = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in KNOWN]


def build(name: str, pooling: str = "attention", **options: Any) -> TimmNetwork:
    size = NETWORKS.get(name, 64)
    settled = {"num_classes": 5, "image_size": size, "seed": 0, "pooling": pooling, **options}
    return cast(TimmNetwork, build_model("timm", name=name, **settled))


def on_meta(name: str, pooling: str = "average", **options: Any) -> TimmNetwork:
    with torch.device("meta"):
        return build(name, pooling, **options)


def own(name: str, **options: Any) -> Any:
    """Build timm's own network with the initial weights that `build` gives the trunk."""
    with seeded(0, "trunk"):
        return timm.create_model(name, **{"num_classes": 5, **options})


def images(name: str, count: int = 2) -> torch.Tensor:
    side = NETWORKS.get(name, 64)
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_more_than_forty_families_are_tried() -> None:
    assert len(KNOWN) >= 50


@pytest.mark.parametrize("name", SWEPT)
def test_average_is_timms_network_and_attention_learns(name: str) -> None:
    ours, theirs, x = build(name, "average").eval(), own(name).eval(), images(name)

    with torch.no_grad():
        features, expected = ours.forward_features(x), theirs.forward_features(x)
        vector = theirs.forward_head(expected, pre_logits=True)
        torch.testing.assert_close(ours.forward_head(features, pre_logits=True), vector)
        classifier = theirs.get_classifier()
        if isinstance(classifier, nn.Linear | nn.Conv2d):
            new = cast(nn.Linear, ours.get_classifier())
            classifier.weight.copy_(new.weight.view_as(classifier.weight))
            cast(nn.Parameter, classifier.bias).copy_(new.bias)
            torch.testing.assert_close(ours(x), theirs(x))
    assert features.shape[3] == ours.num_features
    assert tuple(features.shape[1:3]) == ours.map_size

    ours.reset_classifier(3, "attention")
    ours.forward_head(features).square().sum().backward()
    assert [n for n, p in ours.head.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050", "convnext_atto", "efficientvit_b0"])
@pytest.mark.parametrize("pooling", ["max", "attention_multiclass", "attention_average"])
def test_any_pooling_fits_any_layers_behind_it(name: str, pooling: str) -> None:
    """Class tokens go through the network's own layers one by one; a wider vector is brought to their width first."""
    model = build(name, pooling, image_size=(64, 96))

    logits = model(torch.randn(3, 3, 64, 96))
    logits.square().sum().backward()

    assert logits.shape == (3, 5)
    assert [n for n, p in model.head.named_parameters() if p.grad is None] == []
    assert model.no_weight_decay() <= {n for n, _ in model.named_parameters()}


def test_class_tokens_pass_the_networks_own_layers() -> None:
    model = build("mobilenetv3_small_050", "attention_multiclass").eval()
    tokens = torch.randn(2, 5, model.num_features)

    finished = model.finish(tokens)

    torch.testing.assert_close(finished[1, 3], model.finish(tokens[1, 3:4])[0])


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050", "convnext_atto"])
def test_arms_of_one_seed_share_trunk_and_classifier(name: str) -> None:
    average, attention = build(name, "average"), build(name, "attention")

    assert all(torch.equal(a, b) for a, b in zip(average.trunk.parameters(), attention.trunk.parameters(), strict=True))
    for a, b in zip(average.get_classifier().parameters(), attention.get_classifier().parameters(), strict=True):
        assert torch.equal(a, b)


def test_an_attended_vector_is_normalised_once() -> None:
    assert isinstance(build("resnet10t").head.norm, nn.LayerNorm)
    assert isinstance(build("resnet10t", "average").head.norm, nn.Identity)
    assert isinstance(build("convnext_atto").head.norm, nn.Identity)


def test_the_papers_block_can_be_narrowed() -> None:
    plain, whole, narrow = (
        params(on_meta("resnet50", **options))
        for options in ({}, {"pooling": "attention"}, {"pooling": "attention", "pooling_width": 512})
    )

    assert whole - plain == pytest.approx(41.98e6, rel=1e-3)
    assert narrow - plain < 4e6


@pytest.mark.slow
def test_vgg_is_cut_before_its_fully_connected_layers() -> None:
    model = on_meta("vgg11", image_size=224)

    assert model.map_size == (7, 7)
    assert model.num_features == 512
    assert params(model) == params(cast(Any, model.trunk).features) + 513 * 5


def test_channels_last_networks_are_recognised() -> None:
    model = build("mambaout_femto")

    assert model.cut.is_channels_last
    assert model.forward_features(images("mambaout_femto")).shape == (2, 2, 2, model.num_features)


def test_average_costs_the_same_as_timms_network() -> None:
    ours, theirs = measure(build("resnet10t", "average"), 64), measure(own("resnet10t"), 64)

    assert (ours.params, ours.macs, ours.training_macs) == (theirs.params, theirs.macs, theirs.training_macs)


@pytest.mark.slow
@pytest.mark.parametrize("name", MULTIPLIED)
def test_width_and_depth_multiply_what_timm_builds(name: str) -> None:
    def size(width: float, depth: float) -> int:
        entry = scaled(name, width=width, depth=depth)
        return params(meta(lambda: entry(num_classes=0, in_chans=3)))

    plain = size(1, 1)

    assert size(1 + 1e-9, 1) == plain
    assert size(0.5, 1) == pytest.approx(plain / 4, rel=0.5)
    assert size(1, 2) > 1.3 * plain


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ghostnet_100", "lcnet_100", "mnasnet_100"])
def test_some_networks_have_only_a_width_multiplier(name: str) -> None:
    assert params(on_meta(name, width=0.5)) < 0.5 * params(on_meta(name))
    with pytest.raises(ModelError, match=f"timm: {name} has a width multiplier in timm, but none for its depth"):
        on_meta(name, depth=2)


def test_a_multiplied_network_trains_under_any_arm() -> None:
    average, attention = (build("resnet18", p, width=0.25, depth=0.5) for p in ("average", "attention"))

    assert average.num_features == 128
    assert attention(images("resnet18")).shape == (2, 5)
    assert sum(1 for m in average.modules() if type(m).__name__ == "BasicBlock") == 4


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Put a file with weights for 9 classes where timm looks for those of resnet10t."""
    torch.manual_seed(5)
    state = cast(nn.Module, timm.create_model("resnet10t", num_classes=9)).state_dict()
    torch.save(state, tmp_path / "resnet10t.pth")
    config = PretrainedCfg(
        file=str(tmp_path / "resnet10t.pth"),
        num_classes=9,
        classifier="fc",
        first_conv="conv1.0",
        architecture="resnet10t",
    )
    monkeypatch.setitem(timm.models._registry._model_pretrained_cfgs, "resnet10t", config)
    return state


@pytest.mark.parametrize(("pooling", "classes"), [("average", 5), ("attention", 5), ("attention", 9)])
def test_pretrained_trunks_are_kept_under_a_new_head(
    weights: dict[str, torch.Tensor], pooling: str, classes: int
) -> None:
    model = build("resnet10t", pooling, pretrained=True, num_classes=classes)
    scratch = build("resnet10t", pooling, num_classes=classes)

    loaded = model.trunk.state_dict()
    assert loaded
    assert all(torch.equal(loaded[name], weights[name]) for name in loaded)
    assert set(weights) - set(loaded) == {"fc.weight", "fc.bias"}
    for ours, new in zip(model.head.parameters(), scratch.head.parameters(), strict=True):
        assert torch.equal(ours, new)


def test_with_average_a_pretrained_network_is_complete(weights: dict[str, torch.Tensor]) -> None:
    theirs = own("resnet10t", num_classes=9).eval()
    theirs.load_state_dict(weights)

    ours = build("resnet10t", "average", pretrained=True, num_classes=9).eval()

    torch.testing.assert_close(ours(images("resnet10t")), theirs(images("resnet10t")))


def test_pretrained_weights_adapt_to_other_image_channels(weights: dict[str, torch.Tensor]) -> None:
    model = build("resnet10t", pretrained=True, in_chans=1)

    assert model(torch.randn(2, 1, 64, 64)).shape == (2, 5)


def test_unreadable_weights_are_one_line(weights: dict[str, torch.Tensor]) -> None:
    timm.models._registry._model_pretrained_cfgs["resnet10t"].file = "/nowhere/weights.pth"

    with pytest.raises(ModelError, match=r"^timm: the weights of resnet10t cannot be loaded: ") as caught:
        build("resnet10t", pretrained=True)
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arch", "said"),
    [
        ({"name": "resnt50"}, "unknown timm network 'resnt50'; did you mean 'resnet50' or "),
        (
            {"name": "resnet50.a1_in2k"},
            "unknown weights of a timm network 'resnet50.a1_in2k'; did you mean 'resnet50.a",
        ),
        ({"name": 5}, "name 5 is not a name"),
        ({}, "needs a value for name"),
        ({"name": "vit_tiny_patch16_224"}, "vit_tiny_patch16_224 has no spatial map to pool: its last features are "),
        ({"name": "mixer_s16_224"}, "mixer_s16_224 has no spatial map to pool: its last features are a tensor (1, 196"),
        ({"name": "mixer_s16_224", "image_size": 32}, "mixer_s16_224 has no spatial map to pool"),
        ({"name": "inception_v3", "image_size": 32}, "inception_v3 cannot take images of 32×32 pixels: "),
        ({"name": "resnet10t", "width": 0}, "width 0 is not above 0"),
        (
            {"name": "vgg11", "width": 0.5},
            "vgg11 has no width and depth multipliers in timm; there are some for ResNet,",
        ),
        ({"name": "nfnet_f0", "width": 0.1}, "nfnet_f0 cannot be built so by timm: "),
        ({"name": "densenet121", "drop_path": 0.1}, "densenet121 cannot be built so by timm: "),
        (
            {"name": "resnet10t", "width": 2, "pretrained": True},
            "pretrained weights exist only for width 1 and depth 1",
        ),
        (
            {"name": "resnet10t", "pooling_heads": 7, "pooling": "attention"},
            "pooling_heads 7 does not divide the pooli",
        ),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_and_builds_nothing(arch: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_arch("timm", arch)

    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"timm: {said}")


def test_a_network_with_attention_pooling_is_refused() -> None:
    with pytest.raises(ModelError, match="does more than average its map before its classifier"):
        build("patchconvnet_s60")


def test_checking_draws_nothing() -> None:
    before = torch.get_rng_state()

    check_arch("timm", {"name": "resnet10t", "pooling": "attention"})

    assert torch.equal(before, torch.get_rng_state())


def test_features_are_still_timms() -> None:
    model = build("resnet10t")

    maps = model.forward_intermediates(images("resnet10t"), indices=[1, 4], intermediates_only=True)

    assert [m.shape[1] for m in maps] == [model.feature_info[i]["num_chs"] for i in (1, 4)]
