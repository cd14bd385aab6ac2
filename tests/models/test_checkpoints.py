"""Weights in files: the published checkpoints' names and shapes, round trips, and files that are none of this."""

import argparse
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

import scaling
from scaling.models import POOLINGS, build_model, load_model, load_pretrained, save_model
from scaling.models.checkpoints import translate
from scaling.study.errors import ModelError
from tests.support import SHARED

REFERENCE = SHARED / "reference"
ARCH = {"width": 16, "depth": 1, "patch_size": 4, "num_classes": 3, "image_size": 8, "in_chans": 3}


def tiny(**options: Any) -> Any:
    return build_model("patchconvnet", **{**ARCH, "seed": 0, **options})


def published(name: str) -> dict[str, torch.Tensor]:
    """Return tensors of the names and shapes of a published checkpoint, each with a value of its own."""
    shapes = json.loads((REFERENCE / name).read_text())
    return {key: torch.full((1,), float(i)).expand(shape) for i, (key, shape) in enumerate(shapes.items())}


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="no ../shared/reference beside the checkout")
@pytest.mark.parametrize("variant", ["s60", "s60_multi"])
def test_the_published_checkpoints_load_exactly(variant: str, tmp_path: Path) -> None:
    state = published(f"{variant}_state_dict.json")
    model = timm.create_model(f"patchconvnet_{variant}", layer_scale=1.0)
    torch.save({"model": state, "args": argparse.Namespace(lr=1)}, tmp_path / "whole.pth")

    scaling.load_pretrained(model, tmp_path / "whole.pth")

    own = model.state_dict()
    assert own["blocks.59.gate.expand.bias"].eq(state["blocks.59.attn.qkv_pos.4.conv_expand.bias"][0]).all()
    assert own["head.pool.gamma2"].eq(state["blocks_token_only.0.gamma_2"][0]).all()
    if variant == "s60_multi":
        expected = torch.tensor([float(state[f"head.{number}.bias"][0]) for number in range(1000)])
        assert own["head.classifier.bias"].equal(expected)
    without = {key: tensor for key, tensor in state.items() if key != "blocks.7.norm1.bias"}
    torch.save(without, tmp_path / "less.pth")
    with pytest.raises(ModelError, match=r"it lacks blocks\.7\.norm\.bias$"):
        load_pretrained(model, tmp_path / "less.pth")
    torch.save({**state, "surplus": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(ModelError, match=r"the model has no surplus$"):
        load_pretrained(model, tmp_path / "more.pth")


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="no ../shared/reference beside the checkout")
@pytest.mark.parametrize("variant", ["s60", "s60_multi"])
def test_published_names_and_shapes_translate_one_to_one(variant: str) -> None:
    with torch.device("meta"):
        own = timm.create_model(f"patchconvnet_{variant}").state_dict()

    translated = translate(published(f"{variant}_state_dict.json"))

    assert {k: t.shape for k, t in translated.items()} == {k: t.shape for k, t in own.items()}


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_saved_model_is_read_with_weights_and_names(pooling: str, tmp_path: Path) -> None:
    model = tiny(pooling=pooling).eval()
    arch = {**ARCH, "pooling": pooling}

    save_model(model, tmp_path / "m.safetensors", family="patchconvnet", arch=arch, class_names=["a", "b", "c"])
    saved = load_model(tmp_path / "m.safetensors")

    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(saved.model(x), model(x), rtol=0, atol=0)
    assert (saved.family, saved.arch, saved.class_names) == ("patchconvnet", arch, ["a", "b", "c"])
    assert not saved.model.training


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_bare_weights_load_into_a_model(prefix: str, tmp_path: Path) -> None:
    model, other = tiny(seed=1), tiny(seed=2)
    save_file({f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}, tmp_path / "bare.safetensors")

    load_pretrained(other, tmp_path / "bare.safetensors")

    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(ModelError, match="does not describe its network"):
        load_model(tmp_path / "bare.safetensors")


@pytest.mark.parametrize("pooling", ["attention", "attention_multiclass"])
def test_weights_for_other_classes_load_without_their_head(pooling: str, tmp_path: Path) -> None:
    model, other = tiny(pooling=pooling, seed=1), tiny(pooling=pooling, seed=2, num_classes=8)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    classifier = other.get_classifier().weight.clone()
    with pytest.raises(ModelError, match="the file has num_classes 3, the model 8"):
        load_pretrained(other, tmp_path / "weights.pth")

    load_pretrained(other, tmp_path / "weights.pth", new_head=True)

    assert torch.equal(other.get_classifier().weight, classifier)
    ours, theirs = model.state_dict(), other.state_dict()
    assert torch.equal(ours["blocks.0.pointwise1.weight"], theirs["blocks.0.pointwise1.weight"])
    assert torch.equal(ours["head.pool.q.weight"], theirs["head.pool.q.weight"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 24}, "the file has width 24, the model 16"),
        ({"depth": 3}, "the file has depth 3, the model 1"),
        ({"patch_size": 8}, "the file has patch_size 8, the model 4"),
        ({"in_chans": 1}, "the file has in_chans 1, the model 3"),
        ({"pooling": "average"}, r"it lacks head\.pool\.token, .* and 15 more$"),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_size_changes_nothing(options: dict[str, object], said: str, tmp_path: Path) -> None:
    torch.save(tiny(**options, seed=1).state_dict(), tmp_path / "other.pth")
    model = tiny(seed=2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    with pytest.raises(ModelError, match=said) as caught:
        load_pretrained(model, tmp_path / "other.pth")

    assert len(caught.value.problems) == 1
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


class Malice:
    """A pickle that would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('pathlib').Path('ran').touch()",)


def broken_files(folder: Path) -> dict[str, Path]:
    files = {name: folder / name for name in ("code.pth", "numbers.pth", "text.pth", "text.safetensors", "empty.pth")}
    files["code.pth"].write_bytes(pickle.dumps(Malice()))
    torch.save([1, 2, 3], files["numbers.pth"])
    files["text.pth"].write_text("not weights")
    files["text.safetensors"].write_text("not weights")
    files["empty.pth"].write_bytes(b"")
    return files


@pytest.mark.parametrize("name", ["code.pth", "numbers.pth", "text.pth", "text.safetensors", "empty.pth", "none.pth"])
def test_a_file_that_is_no_checkpoint_is_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    broken_files(tmp_path)

    for load in (lambda path: load_pretrained(tiny(), path), load_model):
        with pytest.raises(ModelError, match=r"no checkpoint at|is not a checkpoint") as caught:
            load(tmp_path / name)
        assert len(caught.value.problems) == 1
        assert "\n" not in caught.value.problems[0]
    assert not Path("ran").exists()


def test_heads_of_classes_with_a_gap_are_refused() -> None:
    state = {"cls_token": torch.zeros(1, 3, 4), **{f"head.{n}.weight": torch.zeros(1, 4) for n in (0, 1, 3)}}

    with pytest.raises(ModelError, match=r"3 head\.N\.weight, but not numbered from 0"):
        translate(state)
