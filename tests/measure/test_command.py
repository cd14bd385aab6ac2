"""The command `python -m scaling.measure`, and the function of the same name."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scaling.costs.counting.quick import quick_cost
from scaling.measure import main
from scaling.study.metrics import METRICS, Columns, metric

SMALL = ["--set", "depth=2", "--set", "patch_size=4", "--image-size", "16", "--num-classes", "10"]
FAMILY = ["--model", "patchconvnet", *SMALL]


def rows(capsys: pytest.CaptureFixture[str], *argv: str) -> list[dict]:
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_one_model_of_timm(capsys: pytest.CaptureFixture[str]):
    [row] = rows(capsys, "--model", "timm:resnet18")

    assert row["model"] == "timm:resnet18"
    assert (row["params"], row["macs"], row["fvcore_flops"]) == (11_689_512, 1_814_073_344, 1_819_065_856)


def test_combinations_of_settings_are_rows_and_can_be_sorted(capsys: pytest.CaptureFixture[str]):
    found = rows(
        capsys, *FAMILY, "--set", "width=[16,32]", "--set", "pooling=[average,attention]", "--sort", "macs",
        "--descending",
    )  # fmt: skip

    assert len(found) == 4
    assert [row["macs"] for row in found] == sorted((row["macs"] for row in found), reverse=True)
    for row in found:
        arch = {"width": row["width"], "depth": 2, "patch_size": 4, "pooling": row["pooling"]}
        assert row["macs"] == quick_cost("patchconvnet", arch, image_size=16, num_classes=10).macs


def test_models_with_position_embeddings_are_built_for_the_image(capsys: pytest.CaptureFixture[str]):
    [small, large] = [rows(capsys, "--model", "timm:vit_tiny_patch16_224", "--image-size", size)[0] for size in ["64", "96"]]  # fmt: skip # noqa: E501

    assert small["macs"] < large["macs"]


def test_memory_is_predicted_for_a_batch(capsys: pytest.CaptureFixture[str]):
    [plain] = rows(capsys, *FAMILY, "--set", "width=32", "--batch-size", "16")
    [checkpointed] = rows(capsys, *FAMILY, "--set", "width=32", "--batch-size", "16", "--checkpointing")

    assert plain["inference_memory_bytes"] < checkpointed["training_memory_bytes"] < plain["training_memory_bytes"]


def test_csv_has_whole_numbers_and_can_be_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main([*FAMILY, "--set", "width=16", "--csv"]) == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["macs"].isdigit()

    assert main([*FAMILY, "--set", "width=16", "--out", str(tmp_path / "costs.csv")]) == 0

    [written] = csv.DictReader((tmp_path / "costs.csv").read_text().splitlines())
    assert written == row


def test_costs_are_solved_for_in_each_arm(capsys: pytest.CaptureFixture[str]):
    found = rows(capsys, *FAMILY, "--set", "pooling=[average,attention]", "--match", "macs=1e6")

    assert [row["pooling"] for row in found] == ["average", "attention"]
    assert all(abs(row["gap"]) < 0.2 and row["width"] % 8 == 0 for row in found)


@pytest.mark.parametrize("part", ["operator", "module"])
def test_one_model_is_taken_apart(capsys: pytest.CaptureFixture[str], part: str):
    found = rows(capsys, *FAMILY, "--set", "width=16", "--by", part)
    [whole] = rows(capsys, *FAMILY, "--set", "width=16")

    total = sum(row["macs"] for row in found) if part == "operator" else found[0]["macs"]
    assert total == whole["macs"]


@pytest.mark.slow
def test_every_cell_and_arm_of_a_space_is_a_row(capsys: pytest.CaptureFixture[str]):
    found = rows(capsys, "--space", "depth_width", "--memory")

    assert len(found) == 12
    assert {row["pooling"] for row in found} == {"average", "attention"}
    assert all(row["training_memory_bytes"] > row["params"] * 16 for row in found)


def test_the_table_for_people_names_units(capsys: pytest.CaptureFixture[str]):
    assert main([*FAMILY, "--set", "width=16", "--batch-size", "4"]) == 0

    table = capsys.readouterr().out
    assert "fvcore flops" in table
    assert " MiB" in table
    assert "patchconvnet" in table


def test_times_name_their_device(capsys: pytest.CaptureFixture[str]):
    found = rows(capsys, *FAMILY, "--set", "width=8", "--latency", "--allow-busy", "--seconds", "0.01")

    assert [row["images"] for row in found] == [1, 256]
    assert all(row["low_ms"] <= row["latency_ms"] <= row["high_ms"] for row in found)
    assert all(row["device"].startswith("cpu") for row in found)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--model", "timm:resnett18"], "timm has no model 'resnett18'; did you mean resnet18"),
        (["--model", "patchconvnett"], "unknown family 'patchconvnett'; did you mean 'patchconvnet'?"),
        (["--model", "patchconvnet", "--set", "width=30", "--set", "depth=2"], "width 30 is not a multiple of 8"),
        (["--model", "patchconvnet", "--set", "width=32"], "needs a value for depth"),
        (["--model", "patchconvnet", "--set", "width"], "--set width: write KEY=VALUE"),
        ([*FAMILY, "--set", "width=16", "--sort", "mac"], "unknown column 'mac'; did you mean 'macs'?"),
        ([*FAMILY, "--set", "width=16", "--batch-size", "0"], "a batch of 0 images is impossible; give at least one"),
        ([*FAMILY, "--match", "macs"], "--match macs: write COST=VALUE"),
        ([*FAMILY, "--match", "macs=many"], "'many' is not a number"),
        ([*FAMILY, "--match", "speed=3"], "unknown cost 'speed'"),
        (["--model", "timm:resnet18", "--match", "macs=1e9"], "timm:resnet18 is one network; --match needs a family"),
        (["--model", "timm:resnet18", "timm:resnet34", "--by", "module"], "2 were named"),
        (["--space", "depth_with"], "unknown space 'depth_with'; did you mean 'depth_width'?"),
        (["--space", "depth_width", "--image-size", "32"], "--image-size: a space's data decide that"),
        ([*FAMILY, "--set", "width=16", "--batch-size", "2", "--optimizer", "adam"], "unknown optimizer 'adam'"),
        ([*FAMILY, "--set", "width=16", "--batch-size", "2", "--device", "tpu"], "not for 'tpu'"),
    ],
)
def test_mistakes_are_one_clear_line(capsys: pytest.CaptureFixture[str], argv: list[str], said: str):
    assert main(argv) == 2

    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_plugin_cost_is_a_column_and_a_target(capsys: pytest.CaptureFixture[str]):
    @metric("FLOPs", label="FLOPs", unit="FLOPs", direction="lower", role="cost", fields="macs")
    def flops(trials: Columns) -> np.ndarray:
        return 2 * trials["macs"]

    try:
        [row] = rows(capsys, *FAMILY, "--set", "width=16")
        [solved] = rows(capsys, *FAMILY, "--match", "flops=1e6")
        assert main([*FAMILY, "--set", "width=16"]) == 0
    finally:
        METRICS.forget(__name__)

    assert row["flops"] == 2 * row["macs"]
    assert solved["flops"] == pytest.approx(1e6, rel=0.2)
    assert "FLOPs" in capsys.readouterr().out


def test_memory_is_predicted_for_devices_that_are_not_here(capsys: pytest.CaptureFixture[str]):
    here, *elsewhere = (
        rows(capsys, *FAMILY, "--set", "width=16", "--batch-size", "4", "--device", device)[0]["training_memory_bytes"]
        for device in ("cpu", "mps", "cuda:3")
    )

    assert elsewhere[0] == here
    assert elsewhere[1] > here  # of which the libraries' workspace is most


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_latency_needs_the_device_itself(capsys: pytest.CaptureFixture[str]):
    assert main([*FAMILY, "--set", "width=16", "--latency", "--device", "cuda"]) == 2

    assert capsys.readouterr().err.startswith("error: --device cuda: torch ")
