"""A sweep of trials with two workers each: real commands, real Ray."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scaling.data import load_data
from scaling.study.config import Resources, Trial, TrialConfig
from scaling.study.records import Record, read_records
from scaling.trial import run_trial

SPACE = """\
question: Do two workers train what one does?
family: patchconvnet
arch: {patch_size: 2, width: 16, depth: 1, drop_path: 0.2}
axes:
  layer_scale: [0.1]
arms:
  pooling: [average, attention]
repetitions: 1
data: {source: digits, train_limit: 100}
recipe: {epochs: 2, batch_size: 33, mixup: 0.2, cutmix: 0.5, ema_decay: 0.9}
resources: {workers: 2, cpus: 2}
"""


def alone(record: Record) -> Record:
    """The same trial, trained by this process."""
    config = TrialConfig.model_validate(record.config)
    trial = Trial(study="alone", cell=record.cell, arm=record.arm, config=config)
    (*_, expected) = run_trial(trial, load_data(config.data), device=torch.device("cpu"))
    assert isinstance(expected, Record)
    return expected


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_two_workers_of_ray_leave_the_records_of_one(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    command = [sys.executable, "-m", "scaling.sweep", "--space", "space.yaml", "--results", "results"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr

    records = read_records(tmp_path / "results" / "space")
    assert len(records) == 2
    for record in records:
        expected = alone(record)
        assert record.key == expected.key
        assert [e.train_loss for e in record.curve] == pytest.approx([e.train_loss for e in expected.curve], rel=1e-4)
        assert record.scores
        assert expected.scores
        assert record.scores.test_correct == expected.scores.test_correct
        assert record.scores.test_loss == pytest.approx(expected.scores.test_loss, rel=1e-3)
        assert record.scores.ema_test_loss == pytest.approx(expected.scores.ema_test_loss, rel=1e-3)


def test_workers_do_not_share_a_gpu() -> None:
    with pytest.raises(ValueError, match="gpus 3 is not a whole number for each of 2 workers; give a multiple, or 0"):
        Resources(workers=2, gpus=3)
    assert Resources(workers=2, gpus=4).gpus == 4
    assert Resources(workers=2).gpus is None
