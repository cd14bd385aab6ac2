"""Learning-rate rules: the coordinate check, and the tables by hand."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from scaling.models import build_model
from scaling.models.pooling import PoolingChoice
from scaling.models.registry import FAMILIES, Family
from scaling.study.config import Recipe, TrialConfig, WidthRule
from scaling.study.errors import ModelError
from scaling.training.optimisation import OPTIMIZERS, build_optimizer, set_rate
from scaling.training.width import follow_width, refuse_rule
from scaling.training.width_rules import WIDTH_RULES, Growth

WIDTHS = (32, 64, 128, 256, 512)
RATES = {"adamw": 1e-3, "sgd": 2e-2, "lamb": 1e-2}
AVERAGE = PoolingChoice("average")
WATCHED = ("stem", "blocks.1", "head.pool", "head.classifier")


def arch_of(width: int, pooling: str = "average") -> dict[str, Any]:
    place = {"num_classes": 10, "image_size": 8, "in_chans": 3}
    return {"width": width, "depth": 2, "patch_size": 4, "layer_scale": 1.0, "pooling": pooling, **place}


def recipe_of(rule: str | None, reference: float = 32, optimizer: Any = "adamw", **more: Any) -> Recipe:
    setting = WidthRule.model_validate({"name": rule, "reference_width": reference}) if rule else None
    return Recipe(optimizer=optimizer, learning_rate=RATES[optimizer], learning_rate_rule=setting, **more)


def changes(width: int, rule: str | None, optimizer: str, pooling: str) -> dict[str, float]:
    """Mean absolute change of activations after four steps on one batch."""
    arch, recipe = arch_of(width, pooling), recipe_of(rule, optimizer=optimizer, weight_decay=0.02)
    model = build_model("patchconvnet", **arch, seed=0)
    stepper = build_optimizer(model, recipe, follow_width(model, "patchconvnet", arch, recipe, seed=0))
    draw = torch.Generator().manual_seed(0)
    images, labels = torch.randn(16, 3, 8, 8, generator=draw), torch.randint(10, (16,), generator=draw)
    seen: dict[str, torch.Tensor] = {}
    for name in WATCHED:
        model.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
    model(images)
    before = dict(seen)
    for _ in range(4):
        stepper.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        stepper.step()
    model(images)
    return {name: float((seen[name] - before[name]).detach().abs().mean()) for name in WATCHED}


def slopes(rule: str | None, optimizer: str, pooling: str) -> dict[str, float]:
    """Exponent of width with which each activation's change grows."""
    rows = [changes(width, rule, optimizer, pooling) for width in WIDTHS]
    return {n: float(np.polyfit(np.log(WIDTHS), np.log([row[n] for row in rows]), 1)[0]) for n in WATCHED}


def test_only_under_mup_changes_of_activations_ignore_width() -> None:
    flat, growing = slopes("mup", "adamw", "average"), slopes(None, "adamw", "average")

    assert max(map(abs, flat.values())) < 0.1
    assert min(growing.values()) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["average", "attention"])
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_the_coordinate_check_holds_for_every_optimiser_and_with_attention(optimizer: str, pooling: str) -> None:
    flat, growing = slopes("mup", optimizer, pooling), slopes(None, optimizer, pooling)

    # gradient descent is exact in the limit only: what vectors gain shows late
    assert max(map(abs, flat.values())) < (0.3 if optimizer == "sgd" else 0.1)
    assert growing["head.classifier"] > 0.4


@pytest.mark.slow
def test_rules_of_thumb_lie_between_none_and_the_standard_one() -> None:
    trunk = {rule: slopes(rule, "adamw", "average")["blocks.1"] for rule in (None, "sqrt_width", "inverse_width")}

    assert trunk[None] > trunk["sqrt_width"] > trunk["inverse_width"]
    assert abs(slopes("per_layer", "adamw", "average")["blocks.1"]) < 0.1


@pytest.mark.parametrize("rule", list(WIDTH_RULES))
def test_at_the_reference_width_a_rule_changes_nothing(rule: str) -> None:
    arch, recipe = arch_of(32), recipe_of(rule)
    model, plain = build_model("patchconvnet", **arch, seed=1), build_model("patchconvnet", **arch, seed=1)

    scales = follow_width(model, "patchconvnet", arch, recipe, seed=1)

    assert {(scale.rate, scale.decay) for scale in scales.values()} == {(1.0, 1.0)}
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True))


# (kind of parameter in the network, optimiser) -> rate at four times the reference's width
BY_HAND = {
    ("stem.convs.0.weight", "adamw"): 1,
    ("stem.convs.1.weight", "adamw"): 1 / 4,
    ("blocks.0.pointwise1.weight", "adamw"): 1 / 4,
    ("blocks.0.pointwise1.bias", "adamw"): 1,
    ("blocks.0.depthwise.weight", "adamw"): 1,
    ("blocks.0.norm.weight", "adamw"): 1,
    ("head.pool.token", "adamw"): 1,
    ("head.classifier.weight", "adamw"): 1 / 4,
    ("head.classifier.bias", "adamw"): 1,
    ("blocks.0.pointwise1.weight", "sgd"): 1,
    ("blocks.0.pointwise1.bias", "sgd"): 4,
    ("head.pool.token", "sgd"): 4,
    ("head.classifier.weight", "sgd"): 1 / 4,
    ("blocks.0.pointwise1.weight", "lamb"): 1 / 2,
    ("head.classifier.weight", "lamb"): 1,
}


def test_rates_of_mup_are_those_of_the_table() -> None:
    arch = arch_of(128, "attention")
    for (name, optimizer), rate in BY_HAND.items():
        model = build_model("patchconvnet", **arch, seed=0)
        scales = follow_width(model, "patchconvnet", arch, recipe_of("mup", optimizer=optimizer), seed=0)
        assert scales[name].rate == pytest.approx(rate), (name, optimizer)
        assert scales[name].rate * scales[name].decay == pytest.approx(1)


def test_lamb_without_decay_steps_as_adam_does() -> None:
    arch, recipe = arch_of(128), recipe_of("mup", optimizer="lamb", weight_decay=0.0)
    scales = follow_width(build_model("patchconvnet", **arch, seed=0), "patchconvnet", arch, recipe, seed=0)

    assert scales["blocks.0.pointwise1.weight"].rate == 1 / 4


def test_logits_start_smaller_in_wider_networks_under_mup() -> None:
    arch = arch_of(512)
    model, plain = (build_model("patchconvnet", **arch, seed=0) for _ in range(2))
    follow_width(model, "patchconvnet", arch, recipe_of("mup"), seed=0)

    name = "head.classifier.weight"
    share = model.get_parameter(name).detach().std() / plain.get_parameter(name).detach().std()
    assert float(share) == pytest.approx(1 / 16, rel=0.2)  # both are draws
    hidden = "blocks.0.pointwise1.weight"
    assert torch.equal(model.get_parameter(hidden), plain.get_parameter(hidden))  # drawn with 1/fan_in already


def test_rate_and_decay_reach_the_optimiser_and_follow_the_schedule() -> None:
    arch, recipe = arch_of(128), recipe_of("mup", weight_decay=0.1)
    model = build_model("patchconvnet", **arch, seed=0)
    stepper = build_optimizer(model, recipe, follow_width(model, "patchconvnet", arch, recipe, seed=0))
    set_rate(stepper, 0.5)

    group = {id(p): group for group in stepper.param_groups for p in group["params"]}
    hidden, bias = (group[id(model.get_parameter(f"blocks.0.pointwise1.{part}"))] for part in ("weight", "bias"))
    assert (hidden["lr"], hidden["weight_decay"]) == (0.125, pytest.approx(0.4))
    assert (bias["lr"], bias["weight_decay"]) == (0.5, 0.0)
    assert len(group) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("family", "arch"),
    [
        ("attention_augmented", {"base": "resnet18", "width": 0.5, "stages": 1, "upsilon": 0.5}),
        ("attention_augmented", {"base": "wide_resnet28_10", "width": 0.4, "depth": 0.25, "upsilon": 0}),
        ("timm", {"name": "resnet18", "width": 0.5}),
        ("timm", {"name": "convnext_atto", "width": 0.5}),
    ],
)
def test_multipliers_are_widths_too(family: str, arch: dict[str, Any]) -> None:
    arch = {**arch, "num_classes": 10, "image_size": 32}
    model = build_model(family, **arch, seed=0)
    scales = follow_width(model, family, arch, recipe_of("mup", reference=arch["width"] / 2), seed=0)

    rates = {scale.rate for scale in scales.values()}
    assert max(rates) == 1
    assert min(rates) == pytest.approx(0.5, rel=0.2)  # channels are rounded to multiples of 8
    assert scales["head.classifier.weight"].rate == pytest.approx(0.5, rel=0.2)


def test_mistakes_are_one_line_each(request: pytest.FixtureRequest) -> None:
    def narrow(*, pooling: PoolingChoice = AVERAGE, seed: int | None = None) -> Any: ...

    arch, model = arch_of(64), build_model("patchconvnet", **arch_of(64))
    FAMILIES.add("narrow", Family(narrow), module=__name__)
    request.addfinalizer(lambda: FAMILIES.forget(__name__))
    with pytest.raises(ModelError, match="narrow has no width to follow; these families have one: attention_augmented"):
        follow_width(model, "narrow", {}, recipe_of("mup"), seed=0)
    with pytest.raises(ModelError, match="per_layer is known for adamw and lamb, not for sgd; another is mup"):
        follow_width(model, "patchconvnet", arch, recipe_of("per_layer", optimizer="sgd"), seed=0)
    with pytest.raises(ModelError, match="pretrained weights exist at one width only"):
        follow_width(model, "timm", {"name": "resnet18", "pretrained": True}, recipe_of("mup", 0.5), seed=0)
    with pytest.raises(ModelError, match="width 30 is not a multiple of 8"):
        follow_width(model, "patchconvnet", arch, recipe_of("mup", 30), seed=0)


def test_a_rule_that_cannot_apply_is_refused_before_training() -> None:
    refuse_rule("patchconvnet", {"width": 64, "depth": 1, "patch_size": 4}, recipe_of("mup", 32))
    with pytest.raises(ModelError, match="at reference_width 30: patchconvnet: width 30 is not a multiple of 8"):
        refuse_rule("patchconvnet", {"width": 64, "depth": 1, "patch_size": 4}, recipe_of("mup", 30))
    with pytest.raises(ModelError, match="per_layer is known for adamw and lamb, not for sgd"):
        refuse_rule("timm", {"name": "resnet18"}, recipe_of("per_layer", 1, optimizer="sgd"))
    refuse_rule("patchconvnet", {}, Recipe())


def test_kinds_follow_the_sides_that_grow() -> None:
    assert Growth(1, 4).kind == "vector"
    assert Growth(4, 1).kind == "output"
    assert Growth(4, 2).kind == "hidden"
    assert Growth(4, 1, is_vector=True).kind == "vector"
    assert Growth(1, 1).kind == "vector"


def test_no_rule_leaves_old_keys_alone() -> None:
    config = TrialConfig(family="patchconvnet", arch={"width": 64})

    assert config.key == TrialConfig(family="patchconvnet", arch={"width": 64}, recipe=Recipe()).key
    ruled = config.model_copy(update={"recipe": recipe_of("mup")})
    assert ruled.key != config.key
