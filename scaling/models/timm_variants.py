"""The papers' networks in timm's registry: `timm.create_model("patchconvnet_s60")` once `scaling.models` is imported.

PatchConvNet, Touvron et al., arXiv 2112.13692: S, B, L are the widths, 60 and 120 the depths, and `_multi` has one
token per class. Attention augmented networks, Bello et al., arXiv 1904.09925, have the prefix `aa_`.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from scaling.models.checkpoints import translate
from scaling.models.head import HeadedNetwork
from scaling.models.pooling import TIMM_POOLINGS
from scaling.models.registry import build_model
from scaling.study.errors import ModelError


@dataclass(frozen=True)
class Variant:
    """A named network: a family with its parameters, and what timm's configuration of it contains."""

    family: str
    arch: Mapping[str, Any]
    first_conv: str  # path of the convolution that reads the image
    num_classes: int = 1000
    side: int = 224  # of the images, in pixels
    has_published_weights: bool = False


# LayerScale starts at 1e-4 for S60 and at 1e-6 for the others, as in the authors' code.
_SIZES: dict[str, dict[str, Any]] = {
    "s60": {"width": 384, "depth": 60, "layer_scale": 1e-4},
    "s120": {"width": 384, "depth": 120, "layer_scale": 1e-6},
    "b60": {"width": 768, "depth": 60, "layer_scale": 1e-6},
    "b120": {"width": 768, "depth": 120, "layer_scale": 1e-6},
    "l60": {"width": 1024, "depth": 60, "layer_scale": 1e-6},
    "l120": {"width": 1024, "depth": 120, "layer_scale": 1e-6},
}
PATCHCONVNETS = {
    f"patchconvnet_{size}{suffix}": Variant(
        "patchconvnet", {**arch, "pooling": pooling}, "stem.convs.0", has_published_weights=True
    )
    for size, arch in _SIZES.items()
    for suffix, pooling in (("", "attention"), ("_multi", "attention_multiclass"))
}


def _augmented(base: str, first_conv: str = "trunk.conv1", num_classes: int = 1000, side: int = 224) -> Variant:
    return Variant("attention_augmented", {"base": base, "image_size": side}, first_conv, num_classes, side)


AUGMENTED = {
    "aa_resnet34": _augmented("resnet34"),
    "aa_resnet50": _augmented("resnet50"),
    "aa_resnet101": _augmented("resnet101"),
    "aa_resnet152": _augmented("resnet152"),
    "aa_wide_resnet28_10": _augmented("wide_resnet28_10", num_classes=100, side=32),
    "aa_mnasnet_100": _augmented("mnasnet_100", "trunk.conv_stem"),
}
VARIANTS = PATCHCONVNETS | AUGMENTED

# timm's names of the families' parameters
_NAMES = {"img_size": "image_size", "drop_path_rate": "drop_path", "drop_rate": "dropout"}

default_cfgs = generate_default_cfgs(
    {
        name: {
            "num_classes": variant.num_classes,
            "input_size": (3, variant.side, variant.side),
            "interpolation": "bicubic",
            "mean": IMAGENET_DEFAULT_MEAN,
            "std": IMAGENET_DEFAULT_STD,
            "first_conv": variant.first_conv,
            "classifier": "head.classifier",
        }
        for name, variant in VARIANTS.items()
    }
)


def _member(variant: Variant, *, num_classes: int, global_pool: str | None = None, **options: Any) -> HeadedNetwork:
    """Build a variant from timm's keywords, which may also be parameters of the family."""
    options = {_NAMES.get(key, key): value for key, value in options.items()}
    if global_pool:
        options["pooling"] = TIMM_POOLINGS.get(global_pool, global_pool)
    model = build_model(variant.family, **{**variant.arch, **options, "num_classes": num_classes or 1000})
    assert isinstance(model, HeadedNetwork)
    if num_classes == 0:
        model.reset_classifier(0, global_pool)
    return model


def _create(name: str, pretrained: bool, **options: Any) -> HeadedNetwork:
    variant = VARIANTS[name]
    if pretrained and not (options.get("pretrained_cfg_overlay") or options.get("pretrained_cfg")):
        instead = " and load the authors' file with scaling.load_pretrained" if variant.has_published_weights else ""
        raise ModelError(f"{name} has no weights to download; build it without `pretrained`{instead}")
    feature_cfg: dict[str, Any] = {"feature_cls": "getter"}
    translation = {}
    if variant.family == "patchconvnet":
        depth = options.get("depth", variant.arch["depth"])
        quarters = (max(0, depth * quarter // 4 - 1) for quarter in (1, 2, 3, 4))
        feature_cfg["out_indices"] = tuple(dict.fromkeys(quarters))
        translation["pretrained_filter_fn"] = translate
    return build_model_with_cfg(
        functools.partial(_member, variant),  # pyright: ignore[reportArgumentType]
        name,
        pretrained,
        feature_cfg=feature_cfg,
        **translation,
        **options,
    )


def _entry_point(name: str) -> Callable[..., HeadedNetwork]:
    def entry(pretrained: bool = False, **options: Any) -> HeadedNetwork:
        return _create(name, pretrained, **options)

    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"Build {name} from timm's keywords, which may also be parameters of `{VARIANTS[name].family}`."
    return entry


for _name in VARIANTS:
    register_model(_entry_point(_name))
