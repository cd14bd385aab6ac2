"""One study whose every part comes from plugins, run by the real commands; workers get them from the driver alone."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from scaling.explain import main as explain
from scaling.measure.__main__ import main as measure
from scaling.rehearse import main as rehearse
from scaling.report.__main__ import main as report
from scaling.study import plugins
from scaling.study.records import Record, read_records, read_study
from scaling.sweep.__main__ import main as sweep
from tests.support.plugins import install, run, searching, write

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

# Every function leaves its name in the folder MARKS, to show that it was called; the file deletes itself when it is
# imported, to show that workers do not read it.
PLUGIN = """
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import nn

from scaling import augmentation, design, family, loss, pooling, rule, source, stopping, tracker
from scaling.data.images import Images
from scaling.data.registry import Examples, SourceContent
from scaling.models.pool import AttendingPool
from scaling.models.pooled_network import PooledNetwork
from scaling.models.pooling import PoolingChoice
from scaling.models.registry import ImageSize, seeded
from scaling.models.wide_resnet import WideResNet
from scaling.space.design import cells
from scaling.sweep.search.decisions import CONTINUE
from scaling.sweep.search.proposals import Wanted
from scaling.training.optimisation import Scale

Path(__file__).unlink(missing_ok=True)


def mark(name):
    (Path(os.environ["MARKS"]) / name).touch()


class Brightest(AttendingPool):
    def forward(self, x):
        return (x * self.maps(x).movedim(1, -1)).sum((1, 2))

    def maps(self, x):
        return torch.softmax(x.mean(-1).flatten(1), 1).reshape(len(x), 1, *x.shape[1:3])


@pooling
def peaks(channels: int) -> nn.Module:
    return Brightest(channels)


@family
def tiny(
    *, width: Annotated[int, Field(gt=0)] = 8, pooling: PoolingChoice = PoolingChoice("average"),
    num_classes: int = 1000, image_size: ImageSize = 224, in_chans: int = 3, seed: int | None = None,
) -> nn.Module:
    size = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    with seeded(seed, "trunk"):
        trunk = WideResNet(widths=[width], blocks=1, in_chans=in_chans)
    return PooledNetwork(
        trunk, channels=width, map_size=size, pooling=pooling, num_classes=num_classes, in_chans=in_chans, seed=seed
    )


class Stripes(Images):
    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def open(self, index):
        pixels = np.zeros((8, 8), np.uint8)
        pixels[:, :: 1 + int(self.labels[index])] = 200
        return Image.fromarray(pixels)

    def place(self, index):
        return f"stripe {index}"


@source("stripes", argument="COUNT")
def stripes(spec, config):
    labels = np.arange(int(spec.argument), dtype=np.int64) % 3
    return SourceContent({"train": Examples("stripes", Stripes(labels), labels)}, ("a", "b", "c"))


@loss
def squared(logits, targets):
    mark("loss")
    return (logits.softmax(1) - targets).square().sum(1).mean()


@augmentation
def negative(images, rng):
    mark("augmentation")
    return 255 - images


@rule
def quarter_root(growth, optimizer, ratio):
    mark("rule")
    return Scale(rate=ratio**-0.25)


@design()
def ends(space, feasibility):
    points = cells(space)
    yield [Wanted(cell, space.repetitions) for cell in feasibility.admit([points[0], points[-1]])]


@stopping
def lenient(stop, result, state):
    mark("stopping")
    return CONTINUE


@tracker("diary")
class Diary:
    def __init__(self, study):
        self.path, self.lines = study.folder / "diary.txt", []

    def started(self, trial): ...
    def epoch_ended(self, trial, epoch): ...

    def ended(self, trial, record):
        self.lines.append(f"{trial.label}: {record.status}")

    def close(self):
        self.path.write_text("\\n".join(self.lines))
"""
PACKAGE = """\
from torch import nn
from scaling import pooling

class Highest(nn.Module):
    def forward(self, x):
        return x.amax((1, 2))

@pooling
def highest(channels: int) -> nn.Module:
    return Highest()
"""
SPACE = """\
family: tiny
axes:
  width: [4, 8, 12]
arms:
  pooling: [average, peaks, highest]
repetitions: 1
search: {design: ends, stop: {rule: lenient, first: 1}}
data: {source: "stripes:240"}
recipe:
  epochs: 2
  batch_size: 40
  loss: squared
  augmentation: [negative]
  learning_rate_rule: {name: quarter_root, reference_width: 8}
resources: {cpus: 1, gpus: 0}
"""
DIGITS = """\
family: patchconvnet
arch: {patch_size: 2, width: 8, depth: 1}
axes:
  recipe.weight_decay: [0.05]
arms:
  pooling: [average, late]
repetitions: 1
data: {source: digits, train_limit: 200}
recipe: {epochs: 1, batch_size: 50}
"""
LATE = """\
from pathlib import Path
from torch import nn
from scaling import pooling

Path(__file__).unlink(missing_ok=True)

class Late(nn.Module):
    def forward(self, x):
        return x[:, -1, -1]

@pooling
def late(channels: int) -> nn.Module:
    return Late()
"""


class Home(NamedTuple):
    """A folder with a study in it, and what its commands need."""

    path: Path
    environment: dict[str, str]

    @property
    def plugin(self) -> Path:
        return write(self.path / "plugins" / "my_models.py", PLUGIN)  # it deletes itself whenever it is imported

    @property
    def records(self) -> list[Record]:
        return read_records(self.path / "results" / "mine")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A finished study of plugins alone, a file and an installed package."""
    path = tmp_path_factory.mktemp("home")
    site = install(path / "site", PACKAGE)
    write(path / "mine.yaml", SPACE)
    (path / "marks").mkdir()
    made = Home(path, {"MARKS": str(path / "marks"), **searching(site)})
    arguments = ("--space", "mine.yaml", "--plugin", made.plugin, "--track", "diary")
    done = run("scaling.sweep", *arguments, cwd=path, **made.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (path / "plugins" / "my_models.py").exists()
    return made


@pytest.fixture
def inside(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """The study's folder, with the package installed for commands in this process."""
    monkeypatch.chdir(home.path)
    monkeypatch.setenv("MARKS", home.environment["MARKS"])
    monkeypatch.syspath_prepend(str(home.path / "site"))
    with forgotten():
        yield home
        monkeypatch.undo()  # else the package would be found again, and stay for the tests that follow


@contextmanager
def forgotten() -> Iterator[None]:
    """Leave no plugin behind in this process."""
    try:
        yield
    finally:
        plugins.unload("my_package")
        plugins.load()


def refusal(capsys: pytest.CaptureFixture[str], code: int) -> str:
    assert code == 2
    [line] = capsys.readouterr().err.splitlines()
    return line.removeprefix("error: ")


def test_workers_train_with_every_kind_of_plugin(home: Home) -> None:
    assert [record.status for record in home.records] == ["finished"] * 6
    assert sorted(path.name for path in (home.path / "marks").iterdir()) == ["augmentation", "loss", "rule", "stopping"]
    assert {record.cell["width"] for record in home.records} == {4, 12}  # of the design
    assert len((home.path / "results" / "mine" / "diary.txt").read_text().splitlines()) == 6


def test_records_hold_name_and_digest_of_a_plugin(home: Home) -> None:
    digest = hashlib.sha256(PLUGIN.encode()).hexdigest()
    package = f"1.2.0 {hashlib.sha256(PACKAGE.encode()).hexdigest()}"
    for record in home.records:
        expected = {"my_models.py": digest}
        if record.arm == "highest":
            expected["my-package:my_package.models"] = package
        assert record.config["plugins"] == expected
    study = read_study(home.path / "results" / "mine")
    assert study.plugins == {"my_models.py": digest, "my-package:my_package.models": package}


def test_the_same_command_continues_the_study(inside: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(["--space", "mine.yaml", "--plugin", str(inside.plugin)]) == 0
    assert "6 of 6 trials" in capsys.readouterr().out


def test_another_digest_does_not_continue_the_study(inside: Home, capsys: pytest.CaptureFixture[str]) -> None:
    edited = f"{PLUGIN}\n# edited\n"
    inside.plugin.write_text(edited)
    said = refusal(capsys, sweep(["--space", "mine.yaml", "--plugin", "plugins/my_models.py"]))
    first, second = (hashlib.sha256(text.encode()).hexdigest()[:12] for text in (PLUGIN, edited))
    assert (
        f"needs my_models.py with SHA-256 {first}…, but it has SHA-256 {second}… here; --name NAME starts a new study"
        in said
    )


def test_a_study_is_not_continued_without_its_plugin(inside: Home, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, sweep(["--space", "mine.yaml"]))
    assert said.startswith("results/mine needs --plugin my_models.py (SHA-256 ")


def test_a_study_is_not_continued_without_its_package(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home.path)
    monkeypatch.setenv("MARKS", home.environment["MARKS"])
    with forgotten():
        said = refusal(capsys, sweep(["--space", "mine.yaml", "--plugin", str(home.plugin)]))
    assert "results/mine needs the installed package my-package (version 1.2.0, SHA-256 " in said


def test_another_name_starts_a_new_study(inside: Home) -> None:
    inside.plugin.write_text(f"{PLUGIN}\n# edited\n")
    assert sweep(["--space", "mine.yaml", "--plugin", "plugins/my_models.py", "--name", "new", "--dry-run"]) == 0


def test_measure_costs_a_space_of_plugins(inside: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(["--space", "mine.yaml", "--plugin", str(inside.plugin), "--json"]) == 0
    assert {row["pooling"] for row in json.loads(capsys.readouterr().out)} == {"average", "peaks", "highest"}


def test_rehearse_plays_a_stopping_rule_of_a_plugin(inside: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearse(["mine", "--plugin", str(inside.plugin)]) == 0
    assert "lenient" in capsys.readouterr().out


def test_explain_draws_the_attention_of_a_plugin(inside: Home, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("black.png")
    key = next(record.key for record in inside.records if record.arm == "peaks")
    arguments = ["--checkpoint", f"results/mine/weights/{key}.safetensors", "--images", "black.png"]
    assert "this trial needs --plugin my_models.py" in refusal(capsys, explain(arguments))
    assert explain([*arguments, "--plugin", str(inside.plugin)]) == 0
    assert Path("attention", "black.png").is_file()


def test_a_report_names_plugins_that_are_absent(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.path)
    with forgotten():
        assert report(["mine"]) == 0
    page = Path("reports", "mine", "index.html").read_text()
    assert "Trained with plugins that this report does not have" in page
    assert "--plugin my_models.py" in page  # in the command that runs the study


def test_a_report_that_has_the_plugins_has_no_caveat(inside: Home) -> None:
    assert report(["mine", "--plugin", str(inside.plugin), "--out", "whole"]) == 0
    assert "Trained with plugins" not in Path("whole", "mine", "index.html").read_text()


def test_a_plugin_workers_cannot_import_fails_trials_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path / "digits.yaml", DIGITS)
    only_here = "import sys\nif 'default_worker' in sys.argv[0]:\n    import not_installed_there\n"
    plugin = write(tmp_path / "late.py", only_here + LATE)
    done = run("scaling.sweep", "--space", "digits.yaml", "--plugin", plugin, "--track", "", cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    by_arm = {record.arm: record for record in read_records(tmp_path / "results" / "digits")}
    assert by_arm["average"].status == "finished"
    assert by_arm["late"].status == "failed"
    assert "late.py, line 3: ModuleNotFoundError: No module named 'not_installed_there'" in (
        by_arm["late"].reason or ""
    )


NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def two_nodes(cwd: Path) -> Iterator[str]:
    """Address of two Ray nodes of one core each, started in a folder of their own."""
    nodes = subprocess.Popen(
        [sys.executable, "-c", NODES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, cwd=cwd, env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"},
    )  # fmt: skip
    assert nodes.stdout
    try:
        yield nodes.stdout.readline().strip()
    finally:
        nodes.communicate()  # it ends at the end of its input


def test_workers_of_one_trial_on_two_nodes_get_the_plugin(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(tmp_path / "digits.yaml", f"{DIGITS}resources: {{workers: 2, cpus: 2, gpus: 0}}\n")
    plugin = write(tmp_path / "late.py", LATE)
    with two_nodes(elsewhere) as address:
        done = run(
            "scaling.sweep", "--space", "digits.yaml", "--plugin", plugin, "--address", address, "--track", "",
            cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not plugin.exists()
    assert [record.status for record in read_records(tmp_path / "results" / "digits")] == ["finished"] * 2
