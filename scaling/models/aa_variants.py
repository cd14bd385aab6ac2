"""The AA paper's networks under timm's roof: `timm.create_model("aa_resnet50")` once `scaling.models` is imported."""

import functools
from typing import Any

from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from scaling.models.pooled_network import PooledNetwork
from scaling.models.pooling import TIMM_POOLINGS
from scaling.models.registry import build_model
from scaling.study.errors import ModelError

# name -> base, classes, side of the images in pixels
AA_VARIANTS: dict[str, tuple[str, int, int]] = {
    "aa_resnet34": ("resnet34", 1000, 224),
    "aa_resnet50": ("resnet50", 1000, 224),
    "aa_resnet101": ("resnet101", 1000, 224),
    "aa_resnet152": ("resnet152", 1000, 224),
    "aa_wide_resnet28_10": ("wide_resnet28_10", 100, 32),
    "aa_mnasnet_100": ("mnasnet_100", 1000, 224),
}
_FIRST_CONVS = {"wide_resnet28_10": "trunk.conv1", "mnasnet_100": "trunk.conv_stem"}

# timm's names of what families call otherwise
_NAMES = {"img_size": "image_size", "drop_rate": "dropout"}

default_cfgs = generate_default_cfgs(
    {
        name: {
            "num_classes": classes,
            "input_size": (3, side, side),
            "interpolation": "bicubic",
            "mean": IMAGENET_DEFAULT_MEAN,
            "std": IMAGENET_DEFAULT_STD,
            "first_conv": _FIRST_CONVS.get(base, "trunk.conv1"),
            "classifier": "head.classifier",
        }
        for name, (base, classes, side) in AA_VARIANTS.items()
    }
)


def _member(arch: dict[str, Any], *, num_classes: int, global_pool: str | None = None, **options: Any) -> PooledNetwork:
    """Build a variant from timm's keywords, which may also be parameters of the family."""
    options = {_NAMES.get(key, key): value for key, value in options.items()}
    if global_pool:
        options["pooling"] = TIMM_POOLINGS.get(global_pool, global_pool)
    model = build_model("attention_augmented", **{**arch, **options, "num_classes": num_classes or 1000})
    assert isinstance(model, PooledNetwork)
    if num_classes == 0:
        model.reset_classifier(0, global_pool)
    return model


def _create(name: str, pretrained: bool, **options: Any) -> PooledNetwork:
    if pretrained and not (options.get("pretrained_cfg_overlay") or options.get("pretrained_cfg")):
        raise ModelError(f"{name} has no weights to download; build it without `pretrained`")
    base, _, side = AA_VARIANTS[name]
    return build_model_with_cfg(
        functools.partial(_member, {"base": base, "image_size": side}),  # pyright: ignore[reportArgumentType]
        name,
        pretrained,
        feature_cfg={"feature_cls": "getter"},
        **options,
    )


def _register(name: str) -> None:
    def entry(pretrained: bool = False, **options: Any) -> PooledNetwork:
        return _create(name, pretrained, **options)

    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"Build {name} from timm's keywords, which may also be parameters of `attention_augmented`."
    register_model(entry)


for _name in AA_VARIANTS:
    _register(_name)
