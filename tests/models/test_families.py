"""Families: their contract, their pairing by seed, and what they say to arguments from which nothing can be built."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import torch
from pydantic import Field
from torch import nn

import scaling
from scaling.costs.complexity import measure
from scaling.costs.counting.quick import quick_cost
from scaling.models import FAMILIES, POOLINGS, build_model, check_arch, parameters
from scaling.models.pooling import PAPER_POOLING
from scaling.models.registry import family, seeded
from scaling.study.errors import ModelError, PluginError
from tests.support.families import small_member

TINY: dict[str, Any] = {"width": 32, "depth": 2, "patch_size": 4, "image_size": 16, "num_classes": 5}


def problems(name: str, *, partial: bool = False, **arch: Any) -> list[str]:
    """Return what is wrong with an architecture; it must be something."""
    with pytest.raises(ModelError) as caught:
        check_arch(name, arch, partial=partial)
    return caught.value.problems


def build(pooling: str, **options: Any) -> Any:
    return build_model("patchconvnet", **{**TINY, "pooling": pooling, **options})


def same(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("image_size", [16, (8, 20)], ids=str)
def test_every_pooling_makes_a_network_that_learns_everywhere(pooling: str, image_size: Any) -> None:
    # half of a gate's hidden units start dead, by their bias: with the 8 of width 32, one block in 256 has no other
    model = build(pooling, image_size=image_size, in_chans=2, layer_scale=1.0, width=128)
    height, width = (16, 16) if image_size == 16 else image_size

    logits = model(torch.randn(3, 2, height, width))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()

    assert logits.shape == (3, 5)
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert {"forward_features", "get_classifier", "no_weight_decay", "num_features"} <= set(dir(model))
    assert set(model.no_weight_decay()) <= {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("pooling", POOLINGS)
def test_arms_of_one_seed_share_trunk_and_head(pooling: str) -> None:
    reference, model = build("average", seed=7), build(pooling, seed=7)

    assert same(reference.stem, model.stem)
    assert same(reference.blocks, model.blocks)
    if reference.get_classifier().weight.shape == model.get_classifier().weight.shape and not model.head.pool.per_class:
        assert same(reference.head.classifier, model.head.classifier)
    assert same(model, build(pooling, seed=7))
    assert not same(model.stem, build(pooling, seed=8).stem)


def test_a_seed_is_independent_of_the_global_random_state() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build("attention", seed=3)

    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert same(first, build("attention", seed=3))


def test_without_a_seed_the_global_random_state_is_used() -> None:
    def drawn(seed: int) -> Any:
        torch.manual_seed(seed)
        return build("attention")

    assert same(drawn(1), drawn(1))
    assert not same(drawn(1).stem, drawn(2).stem)


def test_parts_of_one_seed_are_independent_streams() -> None:
    with seeded(0, "trunk"):
        trunk = torch.rand(4)
    with seeded(0, "head"):
        head = torch.rand(4)

    assert not torch.equal(trunk, head)


def test_checking_builds_nothing_and_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaling.models.patchconvnet.PatchConvNet.__init__", lambda *a, **k: pytest.fail("built"))
    before = torch.get_rng_state()

    assert check_arch("patchconvnet", {**TINY, "pooling": "attention"}) == {
        **TINY,
        "image_size": (16, 16),
        "pooling": "attention",
    }
    assert torch.equal(before, torch.get_rng_state())


def test_a_checked_architecture_is_coerced_json_without_defaults() -> None:
    arch = check_arch("patchconvnet", {"width": 64.0, "depth": 2, "drop_path": 0})

    assert arch == {"width": 64, "depth": 2, "drop_path": 0.0}
    assert json.dumps(arch) == '{"width": 64, "depth": 2, "drop_path": 0.0}'


@pytest.mark.parametrize(
    ("arch", "said"),
    [
        ({"width": 30}, "width 30 is not a multiple of 8"),
        ({"width": -8}, "width -8 is not above 0"),
        ({"width": "64"}, "width '64' is not a whole number"),
        ({"width": 64.5}, "width 64.5 is not a whole number"),
        ({"width": True}, "width True is not a whole number"),
        ({"width": None}, "width None is not a whole number"),
        ({"width": [64]}, "width [64] is not a whole number"),
        ({"depth": 0}, "depth 0 is not above 0"),
        ({"patch_size": 5}, "patch_size 5 is none of 2, 4, 8 or 16"),
        ({"drop_path": 1.0}, "drop_path 1.0 is not below 1.0"),
        ({"drop_path": float("nan")}, "drop_path nan is not finite"),
        ({"image_size": (8, 0)}, "image_size (8, 0) is not above 0"),
        ({"image_size": "large"}, "image_size 'large' is not a whole number"),
        ({"image_size": 3}, "image_size 3×3 is smaller than patch_size 4"),
        ({"image_size": (64, 2)}, "image_size 64×2 is smaller than patch_size 4"),
        ({"pooling_heads": 5}, "pooling_heads 5 does not divide the pooling's width 32"),
        ({"pooling_heads": 8, "pooling_width": 12}, "pooling_heads 8 does not divide the pooling's width 12"),
        ({"pooling_heads": 0}, "pooling_heads 0 is not above 0"),
        ({"pooling": "map", "pooling_heads": 6}, "pooling_heads 6 does not divide the pooling's width 32"),
    ],
    ids=str,
)
def test_an_impossible_value_is_one_line(arch: dict[str, Any], said: str) -> None:
    assert problems("patchconvnet", **{**TINY, **arch}) == [f"patchconvnet: {said}"]
    with pytest.raises(ModelError):
        build_model("patchconvnet", **{**TINY, **arch})


def test_unknown_names_come_with_the_nearest_known() -> None:
    with pytest.raises(ModelError, match="unknown family 'patchconvnt'; did you mean 'patchconvnet'"):
        check_arch("patchconvnt", {})
    assert (
        "unknown pooling 'atention'; did you mean 'attention'"
        in problems("patchconvnet", **TINY, pooling="atention")[0]
    )
    assert "unknown parameter 'widht'; did you mean 'width'" in problems("patchconvnet", **TINY, widht=3)[0]
    assert (
        "unknown parameter 'pooling_head'; did you mean 'pooling_heads'"
        in problems("patchconvnet", **TINY, pooling_head=3)[0]
    )
    assert "unknown pooling" in problems("patchconvnet", **TINY, pooling=["attention"])[0]


def test_several_mistakes_are_reported_at_once() -> None:
    said = problems("patchconvnet", width=30, depht=3, pooling="avg", patch_size=3)

    assert len(said) == 5
    assert said[-1] == "patchconvnet: needs a value for depth"
    assert all(line.startswith("patchconvnet: ") for line in said)


def test_a_partial_check_tolerates_missing_parameters_only() -> None:
    assert check_arch("patchconvnet", {"width": 64}, partial=True) == {"width": 64}
    assert check_arch("patchconvnet", {"pooling": "gem"}, partial=True) == {"pooling": "gem"}
    assert problems("patchconvnet", partial=True, width=30) == ["patchconvnet: width 30 is not a multiple of 8"]


def test_options_of_one_pooling_do_not_affect_another() -> None:
    plain, odd = build("average", seed=0), build("average", seed=0, pooling_heads=7, pooling_exponent=2.0)

    assert same(plain, odd)
    assert build("gem", pooling_exponent=2.0).head.pool.exponent.item() == 2.0
    assert build("attention", pooling_heads=4, pooling_width=16).head.pool.out_features == 16


def test_parameters_name_everything_that_can_be_set() -> None:
    known = parameters("patchconvnet")

    assert {"width", "depth", "patch_size", "pooling", "pooling_heads", "num_classes", "image_size"} <= set(known)
    assert known["pooling"].default == "attention"
    assert "seed" not in known


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_takes_what_the_data_decide(name: str) -> None:
    known = parameters(name)

    assert known["num_classes"].default == 1000
    assert known["image_size"].default == 224
    assert known["in_chans"].default == 3
    assert known["pooling"].annotation is str


@pytest.mark.parametrize("name", FAMILIES)
def test_a_member_of_every_family_classifies_and_is_paired(name: str) -> None:
    arch = {**small_member(name), "num_classes": 5, "image_size": 32}
    average, attention, other = (
        build_model(name, **arch, pooling=pooling, seed=seed)
        for pooling, seed in (("average", 3), ("attention", 3), ("average", 4))
    )

    logits = attention.eval()(torch.randn(2, 3, 32, 32))

    assert logits.shape == (2, 5)
    ours, theirs, others = (
        {key: t for key, t in model.state_dict().items() if not key.startswith("head.") and t.is_floating_point()}
        for model in (attention, average, other)
    )
    assert ours.keys() == theirs.keys() == others.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert not all(torch.equal(ours[key], others[key]) for key in ours)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_member_of_every_family_can_be_counted(name: str) -> None:
    arch = {**small_member(name), "num_classes": 5}

    counted = measure(build_model(name, **arch, image_size=32), 32)

    assert counted == quick_cost(name, arch, image_size=32)


@pytest.fixture
def forgotten() -> Iterator[None]:
    yield
    FAMILIES.forget(__name__)


def linear(
    *,
    gain: Annotated[float, Field(gt=0)] = 1.0,
    pooling: Any = PAPER_POOLING,
    num_classes: int = 2,
    image_size: int = 4,
    in_chans: int = 3,
    seed: int | None = None,
) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))


@pytest.mark.usefixtures("forgotten")
def test_a_new_family_is_one_decorated_function() -> None:
    family(linear)

    assert build_model("linear", gain=2)(torch.zeros(1, 3, 4, 4)).shape == (1, 2)
    assert problems("linear", gain=0) == ["linear: gain 0 is not above 0.0"]
    with pytest.raises(PluginError, match=r"family 'linear' is defined twice, in .*test_families\.py"):
        family(linear)


@pytest.mark.usefixtures("forgotten")
def test_a_family_that_lacks_a_parameter_is_refused() -> None:
    def small(*, num_classes: int, image_size: int = 4, pooling: Any = PAPER_POOLING) -> nn.Module:
        return nn.Identity()

    with pytest.raises(ModelError, match=rf"^family 'small' in {__name__} lacks num_classes, in_chans, seed; every"):
        family(small)
    assert "small" not in FAMILIES


def test_nested_and_flat_options_make_one_network() -> None:
    flat = build("attention", seed=3, pooling_heads=4, pooling_width=16)
    nested = build_model("patchconvnet", **TINY, pooling={"name": "attention", "heads": 4, "width": 16}, seed=3)

    assert same(flat, nested)
    assert flat.head.pool.heads == 4
    assert check_arch("patchconvnet", {**TINY, "pooling": {"name": "attention", "heads": 4.0}}) == {
        **TINY,
        "image_size": (16, 16),
        "pooling": "attention",
        "pooling_heads": 4,
    }
    assert check_arch("patchconvnet", {"pooling": {"name": "gem"}}, partial=True) == {"pooling": "gem"}


@pytest.mark.parametrize(
    ("pooling", "said"),
    [
        (
            {"heads": 4},
            "pooling {'heads': 4} has no name; write it as {name: attention, heads: 4}, or as attention alone",
        ),
        ({"name": "attention", "head": 4}, "pooling 'attention': unknown option 'head'; did you mean 'heads'? (known"),
        ({"name": "gem", "heads": 4}, "pooling 'gem': unknown option 'heads' (known: exponent)"),
        ({"name": "average", "heads": 4}, "pooling 'average' has no options; leave out heads"),
        ({"name": "attention", "heads": 5}, "pooling_heads 5 does not divide the pooling's width 32"),
        ({"name": "attention", "heads": "4"}, "pooling_heads '4' is not a whole number"),
        ({"name": "atention", "heads": 4}, "unknown pooling 'atention'; did you mean 'attention'"),
        ({"name": ["attention"]}, "pooling {'name': ['attention']} has no name"),
        ({}, "pooling {} has no name"),
    ],
    ids=str,
)
def test_a_wrong_nested_pooling_is_one_line(pooling: dict[str, Any], said: str) -> None:
    [line] = problems("patchconvnet", **TINY, pooling=pooling)

    assert line.startswith(f"patchconvnet: {said}")


def test_an_option_with_two_values_is_one_line() -> None:
    both = {"pooling": {"name": "attention", "heads": 4}, "pooling_heads": 2}

    assert problems("patchconvnet", **TINY, **both) == [
        "patchconvnet: pooling_heads is 2 and, inside pooling, 4; keep one of them"
    ]


def test_the_package_offers_the_factory() -> None:
    model = scaling.build_model("patchconvnet", **TINY, pooling="attention")

    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 5)
