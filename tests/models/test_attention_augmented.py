"""The augmented convolution against loops over positions, and against every mistake that public ports of it make."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from scaling.costs.complexity import measure
from scaling.models.attention_augmented import (
    AttentionAugmentedConv2d,
    RelativePositions,
    SelfAttention2d,
    attention_channels,
)
from scaling.study.errors import ModelError

H, W, C, HEADS = 4, 6, 12, 3


def layer(**options: Any) -> AttentionAugmentedConv2d:
    torch.manual_seed(0)
    settled = {"map_size": (H, W), "kappa": 0.5, "upsilon": 0.5, "heads": HEADS, "min_key_channels": 2, **options}
    return AttentionAugmentedConv2d(C, 24, 3, **settled)


def branch(module: AttentionAugmentedConv2d) -> SelfAttention2d:
    assert module.attention is not None
    return module.attention


def images(count: int = 2, size: tuple[int, int] = (H, W)) -> torch.Tensor:
    return torch.randn(count, C, *size, generator=torch.Generator().manual_seed(1))


def params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def looped(attention: SelfAttention2d, image: torch.Tensor) -> torch.Tensor:
    """Attend over one image (C, H, W) position by position, straight from the definition."""
    height, width = image.shape[1:]
    dk, heads = attention.key_channels, attention.heads
    d, e = dk // heads, attention.value_channels // heads
    qkv = attention.qkv.weight[:, :, 0, 0]
    places = [(row, column) for row in range(height) for column in range(width)]
    projected = {place: qkv @ image[:, place[0], place[1]] for place in places}
    result = image.new_zeros(attention.value_channels, height, width)
    for head in range(heads):
        for row, column in places:
            query = projected[row, column][head * d : (head + 1) * d]
            logits = []
            for other_row, other_column in places:
                key = projected[other_row, other_column][dk + head * d : dk + (head + 1) * d]
                if attention.positions is not None:
                    key = key + attention.positions.height[other_row - row + height - 1]
                    key = key + attention.positions.width[other_column - column + width - 1]
                logits.append(query @ key / math.sqrt(d))
            weights = torch.stack(logits).softmax(0)
            values = [projected[place][2 * dk + head * e : 2 * dk + (head + 1) * e] for place in places]
            result[head * e : (head + 1) * e, row, column] = weights @ torch.stack(values)
    return torch.einsum("oc,chw->ohw", attention.out.weight[:, :, 0, 0], result)


@pytest.mark.parametrize("size", [(4, 6), (5, 3), (4, 4), (1, 5)], ids=str)
@pytest.mark.parametrize("relative", [True, False])
def test_attention_equals_a_loop_over_heads_and_positions(size: tuple[int, int], relative: bool) -> None:
    attention = branch(layer(map_size=size, relative=relative)).double()
    x = images(1, size).double()

    torch.testing.assert_close(attention(x)[0], looped(attention, x[0]))


def test_relative_logits_equal_a_loop_on_a_rectangle() -> None:
    """Content and positions are scaled alike; rows and columns are not swapped; heads are not summed."""
    attention = branch(layer()).double()
    assert attention.positions is not None
    query, key = torch.randn(2, 1, HEADS, 4, H, W, dtype=torch.float64)
    expected = torch.empty(1, HEADS, H, W, H, W, dtype=torch.float64)
    for y in range(H):
        for x in range(W):
            for v in range(H):
                for u in range(W):
                    position = attention.positions.height[v - y + H - 1] + attention.positions.width[u - x + W - 1]
                    expected[0, :, y, x, v, u] = (query[0, :, :, y, x] * (key[0, :, :, v, u] + position)).sum(-1) / 2

    torch.testing.assert_close(attention.logits(query, key), expected.flatten(4).flatten(2, 3))


def test_one_head_without_positions_equals_torchs_attention() -> None:
    attention = branch(layer(heads=1, relative=False))
    query, key, value = attention.qkv(images()).flatten(2).transpose(1, 2).split([12, 12, 12], dim=-1)
    expected = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).unflatten(-1, (H, W))

    torch.testing.assert_close(attention(images()), attention.out(expected))


def test_without_positions_shuffling_commutes_with_attention() -> None:
    """Ports that reshape without transposing mix positions with channels, and fail here."""
    attention, x = branch(layer(relative=False)), images()
    order = torch.randperm(H * W, generator=torch.Generator().manual_seed(2))
    shuffled = x.flatten(2)[..., order].unflatten(-1, (H, W))

    torch.testing.assert_close(attention(shuffled), attention(x).flatten(2)[..., order].unflatten(-1, (H, W)))


def test_on_an_even_image_attention_depends_on_the_distance_alone() -> None:
    weights = branch(layer()).weights(torch.ones(1, C, H, W)).view(HEADS, H, W, H, W)

    def ratio(y: int, x: int) -> torch.Tensor:
        return weights[:, y, x, y + 1, x + 2] / weights[:, y, x, y, x]

    torch.testing.assert_close(ratio(0, 0), ratio(2, 3))
    assert not torch.allclose(ratio(0, 0), weights[:, 0, 0, 2, 1] / weights[:, 0, 0, 0, 0])


def test_the_convolution_gives_the_first_channels_and_attention_the_rest() -> None:
    module, x = layer(), images()
    assert module.conv is not None

    out = module(x)

    assert out.shape == (2, 24, H, W)
    torch.testing.assert_close(out[:, :12], F.conv2d(x, module.conv.weight, padding=1))
    torch.testing.assert_close(out[:, 12:], branch(module)(x))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_queries_keys_and_values_come_from_one_1x1_convolution(kernel: int) -> None:
    module = AttentionAugmentedConv2d(C, 24, kernel, map_size=(H, W), upsilon=0.5, heads=2, min_key_channels=2)

    assert branch(module).qkv.weight.shape == (2 * branch(module).key_channels + 12, C, 1, 1)
    assert branch(module).out.weight.shape == (12, 12, 1, 1)
    assert not [name for name, _ in module.named_parameters() if name.endswith("bias")]


@pytest.mark.parametrize(
    ("out_channels", "options", "expected"),
    [
        (128, {}, (160, 8)),  # the three stages of AA-ResNet-50: dk exceeds the layer's own width in the first
        (256, {}, (160, 24)),
        (512, {}, (160, 48)),
        (512, {"kappa": 1.0, "upsilon": 1.0}, (512, 512)),
        (512, {"min_key_channels": 1}, (96, 48)),
        (100, {"kappa": 0.29, "upsilon": 0.29, "heads": 1, "min_key_channels": 1}, (29, 29)),  # 28.999… in binary
        (96, {"kappa": 0.1, "upsilon": 0.1, "heads": 4}, (80, 8)),
    ],
)
def test_key_and_value_channels_are_shares_of_the_output(
    out_channels: int, options: dict[str, Any], expected: tuple[int, int]
) -> None:
    """κ = 2υ = 0.2 means κ = 0.2 and υ = 0.1, not κ = 2; κ belongs to keys, υ to values; both to the output."""
    paper = {"kappa": 0.2, "upsilon": 0.1, "heads": 8, "min_key_channels": 20}

    assert attention_channels(out_channels, **{**paper, **options}) == expected


def test_the_layers_defaults_are_the_papers() -> None:
    attention = branch(AttentionAugmentedConv2d(16, 256, 3, map_size=(2, 2)))

    assert (attention.key_channels, attention.value_channels, attention.heads) == (160, 24, 8)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(8, 200),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 8),
    st.integers(1, 20),
)
def test_channels_are_multiples_of_the_heads(
    out_channels: int, kappa: float, upsilon: float, heads: int, least: int
) -> None:
    try:
        dk, dv = attention_channels(out_channels, kappa=kappa, upsilon=upsilon, heads=heads, min_key_channels=least)
    except ModelError:
        assert 0 < upsilon * out_channels < heads
        return

    assert dk % heads == dv % heads == 0
    assert dk >= least * heads
    assert dk == least * heads or dk <= kappa * out_channels + 1e-6
    assert upsilon * out_channels - heads < dv <= upsilon * out_channels + 1e-6


def test_params_are_those_of_the_docstring() -> None:
    dk, dv = 12, 12

    assert params(layer()) == 9 * C * (24 - dv) + C * (2 * dk + dv) + dv**2 + (2 * H + 2 * W - 2) * dk // HEADS


def test_macs_count_both_branches_and_every_product_of_positions() -> None:
    dk, dv, positions = 12, 12, H * W
    convolution = 9 * C * (24 - dv) * positions
    projections = (C * (2 * dk + dv) + dv**2) * positions
    products = positions**2 * (dk + dv) + positions * (H + W) * dk

    assert measure(nn.Sequential(layer()), (H, W), in_chans=C).macs == convolution + projections + products


def test_tables_are_shared_by_heads_and_not_by_layers() -> None:
    network = nn.Sequential(layer(), AttentionAugmentedConv2d(24, 24, 3, map_size=(H, W), heads=3, upsilon=0.5))

    shapes = {name: tuple(p.shape) for name, p in network.named_parameters() if "positions" in name}

    assert shapes == {
        "0.attention.positions.height": (2 * H - 1, 4),
        "0.attention.positions.width": (2 * W - 1, 4),
        "1.attention.positions.height": (2 * H - 1, 20),
        "1.attention.positions.width": (2 * W - 1, 20),
    }


def test_tables_start_with_the_documented_deviation() -> None:
    """Ports start them with deviation 1, or add the deviation to the draw."""
    torch.manual_seed(0)
    tables = RelativePositions((300, 300), 25)

    for table in tables.parameters():
        assert table.std().item() == pytest.approx(0.2, rel=0.05)
        assert table.mean().item() == pytest.approx(0, abs=0.01)


def test_an_upsilon_of_one_leaves_no_convolution() -> None:
    module = layer(kappa=1.0, upsilon=1.0)

    assert module.conv is None
    assert not [m for m in module.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
    assert module(images()).shape == (2, 24, H, W)


def test_an_upsilon_of_zero_is_a_plain_convolution() -> None:
    module = layer(upsilon=0.0)

    assert params(module) == 9 * C * 24
    assert module(images()).shape == (2, 24, H, W)


@pytest.mark.parametrize("size", [(8, 12), (7, 11)], ids=str)
def test_a_stride_thins_both_branches_alike(size: tuple[int, int]) -> None:
    module, x = layer(stride=2), images(size=size)
    assert module.conv is not None

    out = module(x)

    assert out.shape == (2, 24, H, W)
    torch.testing.assert_close(out[:, :12], F.conv2d(x, module.conv.weight, stride=2, padding=1))
    torch.testing.assert_close(out[:, 12:], branch(module)(x[:, :, ::2, ::2]))


@pytest.mark.parametrize("size", [(4, 6), (5, 7)], ids=str)
def test_pooled_attention_reads_averages_and_is_enlarged(size: tuple[int, int]) -> None:
    module, x = layer(pooled=True, map_size=size), images(size=size)
    small = F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, stride=2)
    seen = F.avg_pool2d(F.pad(torch.ones_like(x), (1, 1, 1, 1)), 3, stride=2)

    out = module(x)

    tables = branch(module).positions
    assert tables is not None
    assert (len(tables.height) + 1) // 2 == small.shape[2]
    assert (len(tables.width) + 1) // 2 == small.shape[3]
    expected = F.interpolate(branch(module)(small / seen), size=size, mode="bilinear")
    torch.testing.assert_close(out[:, 12:], expected)


@pytest.mark.parametrize("size", [(3, 5), (1, 1), (2, 9), (9, 8)], ids=str)
@pytest.mark.parametrize("pooled", [False, True])
def test_maps_of_another_size_work(size: tuple[int, int], pooled: bool) -> None:
    assert layer(pooled=pooled)(images(size=size)).shape == (2, 24, *size)


def test_a_distance_has_the_same_vector_on_any_map() -> None:
    small, large = RelativePositions((2, 2), 4).double(), RelativePositions((4, 4), 4).double()
    query = torch.randn(1, 1, 4, 4, 4, dtype=torch.float64)
    padding = torch.tensor([0, 0, 0, 1, 2, 2, 2])  # rows of the small table for distances −3 … 3
    with torch.no_grad():
        large.height.copy_(small.height[padding])
        large.width.copy_(small.width[padding])

    for ours, expected in zip(small(query), large(query), strict=True):
        torch.testing.assert_close(ours, expected)
    part = query[..., :2, :2]
    for ours, expected in zip(large(part), small(part), strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"pooled": True}, {"upsilon": 1.0}], ids=str)
def test_every_parameter_receives_a_gradient(options: dict[str, Any]) -> None:
    module = layer(**options)

    module(images()).square().sum().backward()

    assert [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_gradients_are_those_of_finite_differences() -> None:
    module = layer(map_size=(2, 3)).double()

    assert torch.autograd.gradcheck(module, images(1, (2, 3)).double().requires_grad_(), eps=1e-6)


def test_bfloat16_is_close_to_float32() -> None:
    module = layer()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = module(images())

    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), module(images()), atol=0.1, rtol=0.1)


def test_channels_last_memory_gives_the_same_result() -> None:
    module = layer()

    torch.testing.assert_close(module(images().contiguous(memory_format=torch.channels_last)), module(images()))


def test_an_impossible_layer_is_one_line() -> None:
    with pytest.raises(ModelError, match=r"^upsilon 0\.1 of 24 channels is less than one for each of 3 heads; use a "):
        layer(upsilon=0.1)
    with pytest.raises(ModelError, match=r"^kernel_size 4 is even; .* needs an odd one$"):
        AttentionAugmentedConv2d(C, 24, 4, map_size=(H, W))
