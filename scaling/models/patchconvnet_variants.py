"""The paper's networks under timm's roof: `timm.create_model("patchconvnet_s60")` once `scaling.models` is imported.

Touvron et al., arXiv 2112.13692: S, B, L are the widths, 60 and 120 the depths; `_multi` has one token a class.
"""

import functools
from typing import Any

from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model

from scaling.models.checkpoints import translate
from scaling.models.patchconvnet import PatchConvNet
from scaling.models.pooling import TIMM_POOLINGS
from scaling.models.registry import build_model
from scaling.study.errors import ModelError

# LayerScale starts at 1e-4 for S60 and at 1e-6 for the others, as in the authors' code.
_SIZES: dict[str, dict[str, Any]] = {
    "s60": {"width": 384, "depth": 60, "layer_scale": 1e-4},
    "s120": {"width": 384, "depth": 120, "layer_scale": 1e-6},
    "b60": {"width": 768, "depth": 60, "layer_scale": 1e-6},
    "b120": {"width": 768, "depth": 120, "layer_scale": 1e-6},
    "l60": {"width": 1024, "depth": 60, "layer_scale": 1e-6},
    "l120": {"width": 1024, "depth": 120, "layer_scale": 1e-6},
}
VARIANTS: dict[str, dict[str, Any]] = {
    f"patchconvnet_{size}{suffix}": {**arch, "pooling": pooling}
    for size, arch in _SIZES.items()
    for suffix, pooling in (("", "attention"), ("_multi", "attention_multiclass"))
}

# timm's names of what families call otherwise
_NAMES = {"img_size": "image_size", "drop_path_rate": "drop_path", "drop_rate": "dropout"}

default_cfgs = generate_default_cfgs(
    {
        name: {
            "num_classes": 1000,
            "input_size": (3, 224, 224),
            "interpolation": "bicubic",
            "mean": IMAGENET_DEFAULT_MEAN,
            "std": IMAGENET_DEFAULT_STD,
            "first_conv": "stem.convs.0",
            "classifier": "head.classifier",
        }
        for name in VARIANTS
    }
)


def _member(arch: dict[str, Any], *, num_classes: int, global_pool: str | None = None, **options: Any) -> PatchConvNet:
    """Build a variant from timm's keywords, which may also be parameters of the family."""
    options = {_NAMES.get(key, key): value for key, value in options.items()}
    if global_pool:
        options["pooling"] = TIMM_POOLINGS.get(global_pool, global_pool)
    model = build_model("patchconvnet", **{**arch, **options, "num_classes": num_classes or 1000})
    assert isinstance(model, PatchConvNet)
    if num_classes == 0:
        model.reset_classifier(0, global_pool)
    return model


def _create(name: str, pretrained: bool, **options: Any) -> PatchConvNet:
    arch = VARIANTS[name]
    overlay = options.get("pretrained_cfg_overlay") or options.get("pretrained_cfg")
    if pretrained and not overlay:
        raise ModelError(
            f"{name} has no weights to download; build it without `pretrained` and load the authors' file with"
            " scaling.load_pretrained"
        )
    depth = options.get("depth", arch["depth"])
    taps = tuple(dict.fromkeys(max(0, depth * quarter // 4 - 1) for quarter in (1, 2, 3, 4)))
    return build_model_with_cfg(
        functools.partial(_member, arch),  # pyright: ignore[reportArgumentType]
        name,
        pretrained,
        pretrained_filter_fn=translate,
        feature_cfg={"feature_cls": "getter", "out_indices": taps},
        **options,
    )


def _register(name: str) -> None:
    def entry(pretrained: bool = False, **options: Any) -> PatchConvNet:
        return _create(name, pretrained, **options)

    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"Build {name} from timm's keywords; see `VARIANTS` for its size."
    register_model(entry)


for _name in VARIANTS:
    _register(_name)
