"""Any network of timm whose features are a map, with any pooling in place of its own."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

import torch
from pydantic import AfterValidator, Field
from timm import get_pretrained_cfg, is_model, list_models
from timm.models import get_pretrained_cfg_value
from torch import nn

from scaling.models.head import PooledHead
from scaling.models.pooled_network import PooledNetwork
from scaling.models.pooling import AVERAGE, PoolingChoice
from scaling.models.registry import ImageSize, Positive, family, seeded
from scaling.models.timm_cut import Cut, TrunkSettings, as_map, cut_of, in_one_line, pools_first, prepare
from scaling.models.timm_scaling import scaled
from scaling.study.errors import ModelError, unknown


class TimmNetwork(PooledNetwork):
    """A timm network with a pooled head: images (N, in_chans, H, W) to logits (N, num_classes)."""

    def __init__(  # one parameter per property of the network
        self,
        trunk: nn.Module,
        neck: nn.Module,
        cut: Cut,
        *,
        pooling: PoolingChoice,
        num_classes: int,
        in_chans: int,
        dropout: float,
        seed: int | None = None,
    ) -> None:
        """Put a head on a trunk that `prepare` has cut, and on its neck."""
        self.cut = cut
        super().__init__(
            trunk,
            channels=cut.channels,
            map_size=cut.map_size,
            pooling=pooling,
            num_classes=num_classes,
            in_chans=in_chans,
            dropout=dropout,
            seed=seed,
        )
        self.neck = neck

    def build_head(self, pooling: PoolingChoice, num_classes: int, seed: int | None = None) -> PooledHead:
        cut = self.cut
        with seeded(seed, "pooling"):
            pool = pooling.build(cut.channels, num_classes=num_classes or 1, map_size=cut.map_size)
            is_wider = cut.has_layers and pool.out_features != cut.channels
            project = nn.Linear(pool.out_features, cut.channels) if is_wider else nn.Identity()
        head = PooledHead(
            pool,
            num_classes=num_classes,
            norm=False,
            dropout=self.dropout,
            features=cut.features if cut.has_layers else None,
            seed=seed,
        )
        if cut.has_norm:
            head.norm = nn.Identity()  # the network's own norm comes next
        if is_wider:
            head.norm = nn.Sequential(head.norm, project)  # to the width that the network's own layers expect
        return head

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last map (N, H', W', C), channels last."""
        x = self.neck(self._as_trunk().forward_features(x))
        return x if self.cut.is_channels_last else x.permute(0, 2, 3, 1)

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Return logits (N, num_classes) of the last map, or with `pre_logits` the classifier's input."""
        x = self.head(x, pre_logits=True)
        if not isinstance(self.head, PooledHead):
            return x
        if self.cut.has_layers:
            x = self.finish(x)
        return x if pre_logits else self.head.classifier(self.head.dropout(x))

    def finish(self, x: torch.Tensor) -> torch.Tensor:
        """Apply timm's layers between pooling and classifier to vectors (N, C) or class tokens (N, K, C)."""
        finished = cast(Any, self.trunk).forward_head(as_map(x.flatten(0, -2), self.cut.is_channels_last))
        return finished.flatten(1).unflatten(0, x.shape[:-1])


def _known(name: str) -> str:
    if not is_model(name):
        near = difflib.get_close_matches(name, list_models(), n=3)
        meant = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        raise ValueError(f"unknown timm network '{name}'{meant} (timm.list_models() lists the known ones)")
    try:
        get_pretrained_cfg(name)
    except RuntimeError:
        known = sorted(list_models(f"{name.split('.')[0]}.*", pretrained=True))
        raise ValueError(unknown("weights of a timm network", name, known)) from None
    return name


def _broken_rules(arch: Mapping[str, Any]) -> Iterator[str]:
    if arch["pretrained"] and not (arch["width"] == arch["depth"] == 1):
        yield "pretrained weights exist only for width 1 and depth 1; leave both out, or pretrained"
    try:
        cut = cut_of(TrunkSettings.of(arch))
    except ModelError as error:
        yield from error.problems
        return
    yield from arch["pooling"].problems(cut.channels, num_classes=arch["num_classes"], map_size=cut.map_size)


@family(check=_broken_rules)
def timm(  # one parameter per setting of the family
    *,
    name: Annotated[str, AfterValidator(_known), Field(description="a network of timm, such as resnet50")],
    width: Annotated[float, Field(gt=0, le=16, description="multiplies channels, where timm can")] = 1.0,
    depth: Annotated[float, Field(gt=0, le=16, description="multiplies blocks, where timm can")] = 1.0,
    pretrained: Annotated[bool, Field(description="start from timm's weights; pooling and head are new")] = False,
    drop_path: Annotated[float, Field(ge=0, lt=1, description="timm's drop_path_rate, where it has one")] = 0.0,
    pooling: PoolingChoice = AVERAGE,
    num_classes: Positive = 1000,
    image_size: ImageSize = 224,  # pyright: ignore[reportArgumentType]  # a number is a square
    in_chans: Positive = 3,
    dropout: Annotated[float, Field(ge=0, lt=1, description="probability that the classifier misses a feature")] = 0.0,
    seed: int | None = None,
) -> TimmNetwork:
    """Build a timm network with another pooling; with `average` it is timm's network.

    With `average` and as many classes as the pretrained weights have, the classifier's weights are kept too.
    """
    size = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    plan = TrunkSettings(name=name, width=width, depth=depth, in_chans=in_chans, image_size=size, drop_path=drop_path)
    cut = cut_of(plan)
    with seeded(seed, "trunk"):
        trunk = _trunk(plan, num_classes, pretrained)
    classifier = cast(Any, trunk).get_classifier()
    neck = prepare(trunk)
    if not next(trunk.parameters()).is_meta and not pools_first(trunk, cut):
        raise ModelError(
            f"timm: {name} does more than average its map before its classifier; its pooling cannot be replaced"
        )
    model = TimmNetwork(
        trunk, neck, cut, pooling=pooling, num_classes=num_classes, in_chans=in_chans, dropout=dropout, seed=seed
    )
    if pretrained and pooling.name == "average" and num_classes == get_pretrained_cfg_value(name, "num_classes"):
        _keep_classifier(model, classifier)
    return model


def _trunk(plan: TrunkSettings, num_classes: int, pretrained: bool) -> nn.Module:
    entry = scaled(plan.name, width=plan.width, depth=plan.depth)
    options = plan.options(num_classes)
    if not pretrained:
        return entry(**options)
    try:
        return entry(pretrained=True, **options)
    except Exception as trouble:  # no such weights, no network, no space, …
        raise ModelError(f"timm: the weights of {plan.name} cannot be loaded: {in_one_line(trouble)}") from None


def _keep_classifier(model: TimmNetwork, classifier: Any) -> None:
    """Copy the pretrained classifier if it is one linear layer (or a 1×1 convolution, the same on a vector)."""
    new = model.get_classifier()
    if isinstance(classifier, nn.Linear | nn.Conv2d) and isinstance(new, nn.Linear) and classifier.bias is not None:
        with torch.no_grad():
            new.weight.copy_(classifier.weight.flatten(1))
            cast(torch.Tensor, new.bias).copy_(classifier.bias)
