"""Every pooling: its contract, its cost by hand count, and second implementations.

The tests of the contract run over all poolings and need no entry here for a new one.
"""

import copy
import inspect
import io
import math

import pytest
import torch
import torch.nn.functional as F
from timm.layers.attention_pool2d import AttentionPool2d
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from scaling.costs.complexity import audit
from scaling.models import build_model
from scaling.models.activation_checkpointing import enable_activation_checkpointing
from scaling.models.head import pooled_head
from scaling.models.pool import AttendingPool, Pool
from scaling.models.pooling import POOLINGS, PoolingChoice
from scaling.models.poolings.attention import AttentionPool
from scaling.models.poolings.query import LatentPool, SimPool
from scaling.study.errors import ModelError

CHANNELS, CLASSES, SIZE = 48, 6, (5, 3)
P, C, K = SIZE[0] * SIZE[1], CHANNELS, CLASSES

# name → (params, MACs of one image) by hand, as in the docstrings; poolings that are not listed are counted twice
HAND_COUNTS = {
    "average": (0, 0),
    "max": (0, 0),
    "average_max": (0, 0),
    "gem": (1, 0),
    "attention": (10 * C**2 + 15 * C, (2 * P + 10) * C**2 + 2 * (P + 1) * C),
    "attention_multiclass": (10 * C**2 + (K + 14) * C, (2 * P + 8 * K) * C**2 + 2 * K * P * C),
    "attention_no_mlp": (4 * C**2 + 8 * C, (2 * P + 4) * C**2 + 2 * (P + 1) * C),
    "attention_average": (10 * C**2 + 19 * C, (2 * P + 10) * C**2 + 2 * (P + 1) * C),
    "map": (12 * C**2 + 12 * C, (2 * P + 10) * C**2 + 2 * P * C),
    "attention_pool2d": (4 * C**2 + (P + 5) * C, (2 * P + 4) * C**2 + 2 * (P + 1) * C),
    "simpool": (2 * C**2 + 2 * C, (P + 1) * C**2 + 2 * P * C),
}


def build(name: str, **options: object) -> Pool:
    torch.manual_seed(0)
    return PoolingChoice(name, options).build(CHANNELS, num_classes=CLASSES, map_size=SIZE).eval()


def moved(name: str) -> Pool:
    """Build a pooling and move its parameters away from where they start, so that no branch begins at zero."""
    pool = build(name, layer_scale=1.0)
    with torch.no_grad():
        for parameter in pool.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    return pool


def attending(name: str) -> AttendingPool:
    pool = build(name)
    assert isinstance(pool, AttendingPool)
    return pool


ATTENDING = [name for name in POOLINGS if isinstance(build(name), AttendingPool)]


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, *SIZE, CHANNELS, generator=torch.Generator().manual_seed(1))


def params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def macs(module: nn.Module, x: torch.Tensor) -> int:
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(x)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", POOLINGS)
def test_a_pooling_turns_a_map_into_vectors(name: str) -> None:
    pool = build(name)

    pooled = pool(images())

    assert pooled.shape == ((2, CLASSES, pool.out_features) if pool.per_class else (2, pool.out_features))
    assert pooled.isfinite().all()


@pytest.mark.parametrize("name", POOLINGS)
def test_every_parameter_and_every_image_receives_a_gradient(name: str) -> None:
    pool = moved(name)
    x = images().requires_grad_()

    pool(x).square().sum().backward()

    assert x.grad is not None
    assert x.grad.flatten(1).abs().sum(1).gt(0).all()
    assert [
        key for key, parameter in pool.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ] == []


@pytest.mark.parametrize("name", POOLINGS)
def test_every_position_has_an_effect(name: str) -> None:
    pool = moved(name)
    x = images(1)
    changed = x.expand(P, -1, -1, -1).clone().flatten(1, 2)
    changed[range(P), range(P)] += 10 * torch.randn(P, CHANNELS).sign()

    difference = (pool(changed.unflatten(1, SIZE)) - pool(x)).flatten(1).abs().sum(1)

    assert difference.gt(1e-6).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_a_pooling_treats_each_image_alone(name: str) -> None:
    pool = build(name, layer_scale=1.0)
    x = images(3)

    torch.testing.assert_close(pool(x)[1:2], pool(x[1:2]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", POOLINGS)
def test_a_pooling_accepts_maps_of_another_size(name: str) -> None:
    pool = build(name)

    pooled = pool(torch.randn(2, 4, 7, CHANNELS))

    assert pooled.shape == pool(images()).shape
    assert pooled.isfinite().all()


@pytest.mark.parametrize("name", POOLINGS)
def test_a_pooling_reads_a_transposed_map_as_well(name: str) -> None:
    pool, x = build(name, layer_scale=1.0), images()

    torch.testing.assert_close(pool(x.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)), pool(x))


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("image_size", [32, (16, 48)], ids=str)
def test_a_network_in_half_precision_is_close_to_float32(name: str, image_size: int | tuple[int, int]) -> None:
    model = build_model(
        "patchconvnet", width=32, depth=1, patch_size=4, num_classes=3, image_size=16, pooling=name, seed=0
    ).eval()
    x = torch.randn(2, 3, *((image_size,) * 2 if isinstance(image_size, int) else image_size))

    logits = copy.deepcopy(model).bfloat16()(x.bfloat16())

    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), model(x), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", POOLINGS)
def test_a_network_can_be_copied_pickled_and_checkpointed(name: str) -> None:
    model = build_model(
        "patchconvnet", width=32, depth=2, patch_size=4, num_classes=3, image_size=16, pooling=name, seed=0
    )
    x = torch.randn(2, 3, 16, 16)
    stored = io.BytesIO()
    torch.save(model, stored)
    stored.seek(0)
    twins = [model, copy.deepcopy(model), torch.load(stored, weights_only=False)]
    enable_activation_checkpointing(twins[1], name)

    gradients = []
    for twin in twins:
        twin(x).square().sum().backward()
        gradients.append([parameter.grad for parameter in twin.parameters()])

    for others in gradients[1:]:
        torch.testing.assert_close(gradients[0], others)


@pytest.mark.parametrize("name", POOLINGS)
def test_a_pooling_is_described(name: str) -> None:
    assert inspect.getdoc(POOLINGS[name])


@pytest.mark.parametrize("name", HAND_COUNTS)
def test_params_and_macs_are_the_hand_count(name: str) -> None:
    pool = build(name)

    assert (params(pool), macs(pool, images(1))) == HAND_COUNTS[name]


@pytest.mark.parametrize("name", POOLINGS)
def test_two_counters_agree_on_a_pooling(name: str) -> None:
    with torch.random.fork_rng():
        model = nn.Sequential(Permuted(), build(name))

    assert audit(model, SIZE, CHANNELS).cost.macs == macs(model, torch.zeros(1, CHANNELS, *SIZE))


class Permuted(nn.Module):
    """Images (N, C, H, W) to maps (N, H, W, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1)


@pytest.mark.parametrize("channels", [16, 64, 384, 2048])
@pytest.mark.parametrize("options", [{}, {"mlp_ratio": 1.0}, {"width": 96}], ids=str)
def test_average_mlp_has_the_params_of_attention(channels: int, options: dict[str, float]) -> None:
    with torch.device("meta"):
        ours, twin = (
            params(PoolingChoice(name, options).build(channels, num_classes=10, map_size=(7, 7)))
            for name in ("average_mlp", "attention")
        )

    assert ours == pytest.approx(twin, rel=0.01)


def test_the_papers_block_costs_less_with_a_width() -> None:
    with torch.device("meta"):
        whole, narrow = (
            params(PoolingChoice("attention", options).build(2048, num_classes=10, map_size=(7, 7)))
            for options in ({}, {"width": 512})
        )

    assert whole == 10 * 2048**2 + 15 * 2048
    assert narrow == 2048 * 512 + 512 + 10 * 512**2 + 15 * 512


def test_simple_poolings_equal_their_formulas() -> None:
    x = images().abs()
    flat = x.flatten(1, 2)

    torch.testing.assert_close(build("average")(x), flat.mean(1))
    torch.testing.assert_close(build("max")(x), flat.max(1).values)
    torch.testing.assert_close(build("average_max")(x), (flat.mean(1) + flat.max(1).values) / 2)
    torch.testing.assert_close(build("gem", exponent=4.0)(x), flat.pow(4).mean(1).pow(0.25))
    torch.testing.assert_close(build("gem", exponent=1.0)(x), flat.mean(1))


@pytest.mark.parametrize("heads", [1, 4])
def test_the_attention_block_equals_torchs_multi_head_attention(heads: int) -> None:
    pool = build("attention", heads=heads, layer_scale=0.7)
    assert isinstance(pool, AttentionPool)
    x = images()
    tokens = torch.cat([pool.token.expand(2, 1, -1), x.flatten(1, 2)], dim=1)
    normed = pool.norm1(tokens)
    projections = (pool.q, pool.k, pool.v)
    expected, weights = F.multi_head_attention_forward(
        normed[:, :1].transpose(0, 1),
        normed.transpose(0, 1),
        normed.transpose(0, 1),
        CHANNELS,
        heads,
        torch.cat([p.weight for p in projections]),
        torch.cat([p.bias for p in projections]),
        None,
        None,
        False,
        0.0,
        pool.out.weight,
        pool.out.bias,
        average_attn_weights=False,
    )
    token = tokens[:, 0] + pool.gamma1 * expected[0]
    token = token + pool.gamma2 * pool.fc2(F.gelu(pool.fc1(pool.norm2(token))))

    torch.testing.assert_close(pool(x), token)
    torch.testing.assert_close(pool.weights(x), weights)


@pytest.mark.parametrize("heads", [1, 4])
def test_map_equals_timms_own_forward_pass(heads: int) -> None:
    pool = build("map", heads=heads)
    assert isinstance(pool, LatentPool)

    torch.testing.assert_close(pool(images()), pool.pool(images().flatten(1, 2)))


@pytest.mark.parametrize("size", [SIZE, (4, 6)], ids=str)
def test_attention_pool2d_equals_timms(size: tuple[int, int]) -> None:
    if size[0] != size[1]:
        pytest.importorskip("timm", minversion="1.0.27", reason="older timm takes height for width here")
    ours = build("attention_pool2d", heads=4)
    timms = AttentionPool2d(CHANNELS, feat_size=SIZE, num_heads=4, qkv_separate=True)
    names = {"out": "proj", "position": "pos_embed"}
    weights = ours.state_dict().items()
    timms.load_state_dict({".".join(names.get(part, part) for part in key.split(".")): v for key, v in weights})
    x = torch.randn(2, *size, CHANNELS)

    torch.testing.assert_close(ours(x), timms(x.permute(0, 3, 1, 2)))


def test_simpool_equals_a_loop_over_heads_and_positions() -> None:
    pool, x = build("simpool", heads=3, exponent=2.0), images(1)
    assert isinstance(pool, SimPool)
    flat = x.flatten(1, 2)[0]
    value = pool.norm(flat)
    query, key = pool.q(flat.mean(0)), pool.k(value)
    positive = value - value.min() + 1e-6
    expected = []
    for part in torch.arange(CHANNELS).chunk(3):
        logits = torch.stack([query[part] @ row[part] / math.sqrt(len(part)) for row in key])
        weighted = sum(weight * row[part] ** 2 for weight, row in zip(logits.softmax(0), positive, strict=True))
        expected.append(torch.sqrt(torch.as_tensor(weighted)))

    torch.testing.assert_close(pool(x)[0], torch.cat(expected))


@pytest.mark.parametrize("name", ATTENDING)
def test_attention_maps_are_shares(name: str) -> None:
    pool = attending(name)

    maps = pool.maps(images())

    assert maps.shape == (2, CLASSES if pool.per_class else 1, *SIZE)
    assert maps.ge(0).all()
    assert maps.sum((2, 3)).le(1 + 1e-5).all()


def test_a_class_token_sees_the_positions_only() -> None:
    maps = attending("attention_multiclass").maps(images())

    torch.testing.assert_close(maps.sum((2, 3)), torch.ones(2, CLASSES))


def test_an_attention_map_lies_where_the_position_is() -> None:
    pool = attending("attention")
    x = torch.zeros(1, *SIZE, CHANNELS)
    x[0, 3, 1] = torch.randn(CHANNELS)

    maps = pool.maps(x)[0, 0]

    others = maps.flatten()[torch.arange(P) != 3 * SIZE[1] + 1]
    assert (maps[3, 1] - others[0]).abs() > 1e-6
    torch.testing.assert_close(others, others[:1].expand(P - 1))


@pytest.mark.parametrize("name", POOLINGS)
def test_a_head_can_be_given_other_classes(name: str) -> None:
    head = pooled_head(CHANNELS, pooling=PoolingChoice(name), num_classes=4, map_size=SIZE, norm=True)
    assert head(images()).shape == (2, 4)

    head.reset(9)

    assert head(images()).shape == (2, 9)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ModelError, match=r"^pooling_heads 7 does not divide the pooling's width 48$"):
        build("attention", heads=7)
