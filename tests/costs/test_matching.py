"""Equal costs: the solver finds the nearest member of a family."""

import itertools

import pytest

from scaling.costs.counting.quick import quick_cost
from scaling.costs.live_tensors import Step
from scaling.costs.matching import match, match_arms
from scaling.costs.memory import training_memory
from scaling.study.errors import CostError, ModelError

ARCH = {"depth": 2, "patch_size": 4, "image_size": 16, "num_classes": 10}


def test_the_width_found_is_the_nearest_of_all():
    target = 1.5e6

    found = match("patchconvnet", {**ARCH, "pooling": "average"}, cost="macs", target=target)

    costs = {w: quick_cost("patchconvnet", {**ARCH, "width": w, "pooling": "average"}).macs for w in range(8, 257, 8)}
    assert found.arch["width"] == min(costs, key=lambda width: max(costs[width] / target, target / costs[width]))
    assert found.cost == costs[found.arch["width"]]
    assert found.gap == pytest.approx(found.cost / target - 1)


def test_the_depth_found_is_exact_where_one_is():
    wanted = quick_cost("patchconvnet", {**ARCH, "depth": 23, "width": 16})

    found = match("patchconvnet", {**ARCH, "width": 16}, cost="params", target=wanted.params, vary="depth")

    assert (found.arch["depth"], found.gap) == (23, 0)


@pytest.mark.slow
def test_multipliers_are_solved_for_in_small_steps():
    arch = {"base": "resnet34", "image_size": 32, "num_classes": 10}
    target = quick_cost("attention_augmented", {**arch, "width": 0.5}).macs

    found = match("attention_augmented", arch, cost="macs", target=target)

    assert abs(found.gap) < 0.03


@pytest.mark.slow
def test_memory_is_a_cost_too():
    step = Step(batch_size=4)
    found = match("patchconvnet", ARCH, cost="training_memory", target=3e6, step=step)

    assert found.cost == training_memory("patchconvnet", found.arch, step)
    assert abs(found.gap) < 0.15


@pytest.mark.parametrize("cost", ["macs", "params"])
def test_arms_are_matched_to_the_first(cost: str):
    arms = {pooling: {**ARCH, "width": 96, "pooling": pooling} for pooling in ("attention", "average", "max")}

    found = match_arms("patchconvnet", arms, cost=cost)

    assert found["attention"].arch == arms["attention"]
    assert found["average"].arch["width"] > 96
    assert all(abs(one.cost / other.cost - 1) < 0.1 for one, other in itertools.combinations(found.values(), 2))


def test_a_target_below_the_smallest_gives_the_smallest():
    assert match("patchconvnet", ARCH, cost="macs", target=1).arch["width"] == 8


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"cost": "mac"}, CostError, "unknown cost 'mac'; did you mean 'macs'"),
        ({"vary": "widht"}, ModelError, "unknown parameter 'widht'; did you mean 'width'"),
        ({"vary": "pooling"}, CostError, "pooling is not a number"),
        ({"cost": "training_memory"}, CostError, "give a batch size"),
        ({"target": -1.0}, CostError, "cannot be -1"),
        ({"target": 1.0, "tolerance": 0.1}, CostError, "the nearest width, 8, has macs"),
        ({"arch": {**ARCH, "patch_size": 3}}, ModelError, "patch_size"),
    ],
)
def test_mistakes_are_one_clear_line(changes, error, said: str):
    request = {"arch": ARCH, "cost": "macs", "target": 1e6, **changes}

    with pytest.raises(error, match=said):
        match("patchconvnet", request.pop("arch"), **request)
