"""Poolings of a user's own: functions that return ordinary modules."""

import copy
import pickle
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import torch
from pydantic import Field
from torch import nn

from scaling.costs.counting.quick import quick_cost
from scaling.models import build_model, check_arch, parameters
from scaling.models.pooling import POOLINGS, pooling
from scaling.study.errors import ModelError, PluginError

TINY: dict[str, Any] = {"width": 32, "depth": 1, "patch_size": 4, "image_size": 16, "num_classes": 5}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    POOLINGS.forget(__name__)


class Median(nn.Module):
    def __init__(self, channels: int, quantile: float = 0.5) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x.flatten(1, 2).median(dim=1).values


class PerClass(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(classes, channels))
        self.project = nn.Linear(channels, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1, 2)
        return self.project((self.tokens @ x.transpose(1, 2)).softmax(-1) @ x)


class Returning(nn.Module):
    """Returns whatever `function` makes of the map."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def median(channels: int) -> nn.Module:
    """Median over positions, (N, H, W, C) -> (N, C); adds nothing."""
    return Median(channels)


def build(name: str, **arch: Any) -> Any:
    return build_model("patchconvnet", **{**TINY, "pooling": name, **arch}, seed=0)


def test_the_pooling_of_the_readme_makes_a_network() -> None:
    pooling(median)
    model = build("median")

    logits = model(torch.randn(2, 3, 16, 16))

    assert logits.shape == (2, 5)
    assert model.head.out_features == 32
    assert quick_cost("patchconvnet", {**TINY, "pooling": "median"}).macs > 0


def test_a_function_gets_the_arguments_that_it_names() -> None:
    given: list[dict[str, Any]] = []

    def nothing(channels: int) -> nn.Module:
        given.append({"channels": channels})
        return Median(channels)

    def everything(
        channels: int, num_classes: int, map_size: tuple[int, int], bins: Annotated[int, Field(gt=1)] = 3, **more: Any
    ) -> nn.Module:
        given.append({"classes": num_classes, "map_size": map_size, "bins": bins, **more})
        return Median(channels)

    pooling(nothing)
    pooling(everything)
    build("nothing")
    assert given[-1] == {"channels": 32}
    build("everything")
    assert given[-1] == {"classes": 5, "map_size": (4, 4), "bins": 3}
    build("everything", pooling_bins=7)
    assert given[-1]["bins"] == 7
    assert "pooling_bins" in parameters("patchconvnet")
    with pytest.raises(ModelError, match=r"^patchconvnet: pooling_bins 1 is not above 1$"):
        check_arch("patchconvnet", {**TINY, "pooling": "everything", "pooling_bins": 1}, partial=True)


def test_a_class_is_a_pooling_too() -> None:
    pooling(Median)

    assert build("Median").head.out_features == 32
    assert "pooling_quantile" in parameters("patchconvnet")


def test_a_vector_per_class_is_recognised_and_reset() -> None:
    @pooling
    def per_class(channels: int, num_classes: int) -> nn.Module:
        return PerClass(channels, num_classes)

    model = build("per_class")
    kept = model.head.pool.module.project.weight.clone()
    assert model.head.pool.class_parameters() == {"module.tokens"}
    assert model(torch.randn(2, 3, 16, 16)).shape == (2, 5)

    model.reset_classifier(9)

    assert model(torch.randn(2, 3, 16, 16)).shape == (2, 9)
    assert torch.equal(model.head.pool.module.project.weight, kept)


def test_tokens_and_tables_are_not_decayed() -> None:
    @pooling
    def per_class(channels: int, num_classes: int) -> nn.Module:
        return PerClass(channels, num_classes)

    class Declared(PerClass):
        def no_weight_decay(self) -> set[str]:
            return {"project.weight"}

    @pooling
    def declared(channels: int, num_classes: int) -> nn.Module:
        return Declared(channels, num_classes)

    assert build("per_class").head.pool.no_weight_decay() == {"module.tokens"}
    assert build("declared").head.pool.no_weight_decay() == {"module.project.weight"}


def test_a_module_survives_copies_pickles_and_other_maps() -> None:
    pooling(median)
    model = build("median").eval()
    x = torch.randn(2, 3, 24, 40)

    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(twin(x), model(x))
    torch.testing.assert_close(model.bfloat16()(x.bfloat16()).float(), model.float()(x), rtol=0.1, atol=0.1)


def test_finding_the_width_leaves_module_and_random_state_alone() -> None:
    class Noisy(Median):
        def __init__(self, channels: int) -> None:
            super().__init__(channels)
            self.norm = nn.BatchNorm1d(channels)
            self.seen: list[torch.Tensor] = []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen.append(x)
            return self.norm(super().forward(x + torch.rand_like(x)))

    @pooling
    def noisy(channels: int) -> nn.Module:
        return Noisy(channels)

    before = torch.get_rng_state()
    module = build("noisy").head.pool.module

    assert torch.equal(before, torch.get_rng_state())
    assert module.seen == []
    assert module.training
    assert module.norm.num_batches_tracked == 0
    assert not any(tensor.is_meta for tensor in module.state_dict().values())


def test_a_module_may_compute_in_float32() -> None:
    @pooling
    def precise(channels: int) -> nn.Module:
        return Returning(lambda x: x.float().mean((1, 2)))

    assert build("precise").bfloat16()(torch.randn(2, 3, 16, 16).bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda channels: 3, "returns a int; it must return an nn.Module"),
        (lambda channels: None, "returns a NoneType; it must return an nn.Module"),
        (lambda channels: Median, "returns a type; it must return an nn.Module"),
        (lambda channels: Returning(lambda x: x), r"returns shape \(2, 4, 4, 32\) for a map .*must return \(N, C'\)$"),
        (lambda channels: Returning(lambda x: x.mean((0, 1, 2))), r"returns shape \(32,\) for a map"),
        (lambda channels: Returning(lambda x: x.mean()), r"returns shape \(\) for a map"),
        (lambda channels: Returning(lambda x: x.flatten(1, 2)), r"returns shape \(2, 16, 32\) for a map"),
        (lambda channels: Returning(lambda x: (x.mean((1, 2)), x)), "returns a tuple for a map"),
        (lambda channels: Returning(lambda x: x.mean((2, 3))), "returns 4 features for one size of map and 5 for an"),
        (lambda channels: Returning(lambda x: x[:, 0, 0, :0]), r"returns shape \(2, 0\) for a map"),
        (lambda channels: nn.Sequential(nn.Flatten(), nn.LazyLinear(8)), "has layers of unknown size"),
        (lambda channels: nn.Conv2d(3, 3, 1), "cannot be run on a map .* RuntimeError: "),
        (lambda channels: nn.MultiheadAttention(channels, 7), "cannot be built for 32 channels: AssertionError: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # a function's address differs among processes
)
def test_a_module_that_does_not_pool_is_one_line(make: Any, said: str) -> None:
    pooling(name="wrong")(make)

    for build_or_check in (build, lambda name: check_arch("patchconvnet", {**TINY, "pooling": name})):
        with pytest.raises(ModelError, match=rf"^(patchconvnet: )?pooling 'wrong' {said}") as caught:
            build_or_check("wrong")
        assert len(caught.value.problems) == 1


def test_without_classes_a_pooling_has_one_vector_per_image() -> None:
    @pooling
    def tokens(channels: int) -> nn.Module:
        return PerClass(channels, 5)

    with pytest.raises(ModelError, match=r"returns shape \(2, 5, 12\)"):
        build("tokens")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: Median(3), "takes no `channels`"),
        (lambda width: Median(width), "takes no `channels`"),
        (lambda channels, bins: Median(channels), "its option bins has no default"),
        (lambda channels, *, name="x": Median(channels), "its option cannot be called name"),
    ],
    ids=["nothing", "width", "bins", "name"],
)
def test_a_function_that_is_no_pooling_is_one_line(function: Any, said: str) -> None:
    with pytest.raises(ModelError, match=rf"^pooling 'wrong' in {__name__}: {said}") as caught:
        pooling(name="wrong")(function)

    assert len(caught.value.problems) == 1 or said == "takes no `channels`"
    assert "wrong" not in POOLINGS


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(
        PluginError, match=r"pooling 'gem' is defined twice, in .*average\.py, line \d+ and in .*test_ordinary"
    ):
        pooling(name="gem")(median)
