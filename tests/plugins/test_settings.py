"""Only what a plugin defines carries its digest, and no setting names a plugin."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import scaling
from scaling.space.design import Design
from scaling.space.load import load_space
from scaling.study import plugins
from scaling.study.config import TrialConfig
from scaling.study.errors import PluginError, SpaceError
from scaling.study.metrics.metric import costs, main_cost
from scaling.study.registry import KINDS
from scaling.sweep.study_folder import describe, require_plugins
from tests.support.plugins import MEDIAN, SHARE, write

SPACE = """\
family: patchconvnet
arch: {patch_size: 2, depth: 1}
axes: {width: [16]}
arms: {pooling: [average, median]}
data: digits
"""
KIND_OF = {  # decorator → kind in messages, where they differ
    "source": "data source",
    "stopping": "stopping rule",
    "rule": "learning-rate rule",
}
OTHERS = {"build_model", "compare", "load_pretrained", "load_study", "measure", "__version__"}


@pytest.fixture(autouse=True)
def _without_plugins() -> Iterator[None]:
    yield
    plugins.load()


def test_only_the_arm_that_uses_a_plugin_holds_its_digest(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", MEDIAN)
    plugins.load([path])
    design = Design(load_space(str(write(tmp_path / "space.yaml", SPACE))))
    average, median = (design.config({"width": 16}, arm, 0) for arm in ("average", "median"))
    assert average.plugins == {}
    assert average.key == TrialConfig.model_validate(average.model_dump(exclude={"plugins"})).key
    assert median.plugins == plugins.loaded()
    assert median.key != TrialConfig.model_validate(median.model_dump(exclude={"plugins"})).key


@pytest.mark.parametrize(
    ("kind", "decorated", "settings"),
    [
        ("loss", "@loss\ndef mine(logits, targets): ...", {"recipe": {"loss": "mine"}}),
        ("augmentation", "@augmentation\ndef mine(images, rng): ...", {"recipe": {"augmentation": ["mine"]}}),
        (
            "rule",
            "@rule\ndef mine(growth, optimizer, ratio): ...",
            {"recipe": {"learning_rate_rule": {"name": "mine", "reference_width": 8}}},
        ),
        ("source", "@source('mine', argument='PATH')\ndef mine(spec, config): ...", {"data": {"source": "mine:x"}}),
        ("source", "@source('mine')\ndef mine(spec, config): ...", {"data": {"source": "mine"}}),
        ("pooling", "@pooling\ndef mine(channels: int): ...", {"arch": {"pooling": {"name": "mine"}}}),
    ],
)
def test_every_part_of_the_result_carries_its_digest(
    tmp_path: Path, kind: str, decorated: str, settings: dict[str, object]
) -> None:
    plugins.load([write(tmp_path / "mine.py", f"from scaling import {kind}\n\n{decorated}\n")])
    config = TrialConfig.model_validate({"family": "patchconvnet", "arch": {}, **settings})
    assert plugins.used_by(config) == plugins.loaded()
    assert plugins.used_by(TrialConfig(family="patchconvnet", arch={})) == {}


def test_a_metric_is_no_part_of_a_result(tmp_path: Path) -> None:
    plugins.load([write(tmp_path / "mine.py", SHARE)])
    design = Design(load_space(str(write(tmp_path / "space.yaml", SPACE.replace("median", "max")))))
    trial = design.trial("study", {"width": 16}, "max", 0)
    assert trial.config.plugins == {}
    assert describe("study", design, [trial], None).plugins == {}


DECIDING = {
    "match": "match: {cost: mac_share}",
    "limits": "limits: {mac_share: 90}",
    "objectives": "search: {design: nsga2, cells: 1, objectives: [val_accuracy, mac_share]}",
}


@pytest.mark.parametrize("setting", DECIDING)
def test_a_study_needs_the_metrics_that_decide_what_it_trains(tmp_path: Path, setting: str) -> None:
    share = SHARE.replace('"training_macs")', '"params")').replace("training_macs", "params")
    plugins.load([write(tmp_path / "mine.py", share)])
    text = f"{SPACE.replace('median', 'max')}{DECIDING[setting]}\n"
    study = describe("study", Design(load_space(str(write(tmp_path / "space.yaml", text)))), [], None)
    assert study.plugins == plugins.loaded()
    plugins.load([write(tmp_path / "mine.py", f"{share}# edited\n")])
    with pytest.raises(PluginError, match=r"needs mine\.py with SHA-256"):
        require_plugins(tmp_path, study)


def test_a_metric_of_a_plugin_is_never_the_main_cost(tmp_path: Path) -> None:
    plugins.load([write(tmp_path / "mine.py", SHARE.replace("role=", "order=-99, role="))])
    assert costs()[0] == "mac_share"
    assert main_cost() == "macs"


def test_a_study_needs_the_plugin_of_its_design(tmp_path: Path) -> None:
    text = "from scaling import design\n\n@design()\ndef mine(space, feasibility): ...\n"
    plugins.load([write(tmp_path / "mine.py", text)])
    space = load_space(str(write(tmp_path / "space.yaml", f"{SPACE.replace('median', 'max')}search: mine\n")))
    assert describe("study", Design(space), [], None).plugins == plugins.loaded()


BOTH = """
from scaling import augmentation, caveat, design, figure, loss, pooling, rule, stopping, table

for decorator in (augmentation, caveat, design, figure, loss, rule, stopping, table, pooling):
    def bare(channels): ...
    def called(channels): ...
    decorator(bare)
    decorator()(called)
"""


def test_decorators_work_with_and_without_parentheses(tmp_path: Path) -> None:
    plugins.load([write(tmp_path / "mine.py", BOTH)])
    assert (
        sum({"bare", "called"} <= set(registry.added_by(plugins.files()[0].module)) for registry in KINDS.values()) == 9
    )


def test_a_task_of_a_plugin_is_registered(tmp_path: Path) -> None:
    text = "from scaling import task\n\n@task('ranking')\nclass Ranking: ...\n"
    plugins.load([write(tmp_path / "mine.py", text)])
    assert "ranking" in KINDS["task"]


@pytest.mark.parametrize("key", ["plugin", "plugins"])
def test_a_space_file_cannot_name_a_plugin(tmp_path: Path, key: str) -> None:
    marker = tmp_path / "executed"
    plugin = write(tmp_path / "mine.py", f"open({str(marker)!r}, 'w')\n{SHARE}")
    space = write(tmp_path / "space.yaml", f"{SPACE.replace('median', 'max')}{key}: [{plugin}]\n")
    with pytest.raises(SpaceError, match=key):
        load_space(str(space))
    assert not marker.exists()


def test_every_kind_has_a_public_decorator() -> None:
    for name in set(scaling.__all__) - OTHERS:
        assert callable(getattr(scaling, name))
        assert KIND_OF.get(name, name) in KINDS
    assert len(KINDS) == len(set(scaling.__all__) - OTHERS)


def test_a_pooling_cannot_take_the_name_of_a_built_in(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", MEDIAN.replace("def median", "def average"))
    with pytest.raises(
        PluginError, match=r"pooling 'average' is defined twice, in .*poolings/average\.py, line \d+ and in --plugin "
    ):
        plugins.load([path])
