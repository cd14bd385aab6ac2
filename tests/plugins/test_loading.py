"""A plugin file is read once, imported under a name of its own, and leaves nothing behind if that fails."""

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaling.study import plugins
from scaling.study.config import TrialConfig
from scaling.study.errors import PluginError
from scaling.study.metrics import METRICS
from scaling.study.registry import KINDS
from tests.support import ROOT
from tests.support.plugins import SHARE, write


@pytest.fixture(autouse=True)
def _without_plugins() -> Iterator[None]:
    yield
    plugins.load()


def complaint(*paths: Path) -> str:
    with pytest.raises(PluginError) as refused:
        plugins.load(paths)
    [line] = refused.value.problems
    assert "\n" not in line
    return line


def names() -> dict[str, set[str]]:
    """All that is registered, by kind."""
    return {kind: set(registry) for kind, registry in KINDS.items() if kind == "metric"}


def test_a_plugin_adds_to_a_registry_until_it_is_unloaded(tmp_path: Path) -> None:
    before = names()
    plugins.load([write(tmp_path / "mine.py", SHARE)])
    assert names()["metric"] - before["metric"] == {"mac_share"}
    plugins.load()
    assert names() == before


def test_a_digest_is_the_sha256_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", SHARE)
    plugins.load([path])
    assert plugins.loaded() == {"mine.py": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_the_same_plugin_twice_is_loaded_once(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", SHARE)
    same = write(tmp_path / "copy" / "mine.py", SHARE)
    plugins.load([path, path, same])
    before = METRICS["mac_share"]
    plugins.load([path])
    assert METRICS["mac_share"] is before


def test_files_of_similar_names_and_equal_bytes_are_both_loaded(tmp_path: Path) -> None:
    text = """
from pathlib import Path
from scaling import pooling

@pooling(name=Path(__file__).stem.replace("-", "x"))
def p(channels): ...
"""
    plugins.load([write(tmp_path / name, text) for name in ("d-1.py", "d_1.py")])
    assert list(plugins.loaded()) == ["d-1.py", "d_1.py"]
    assert {"dx1", "d_1"} <= set(KINDS["pooling"])


def test_an_edited_plugin_replaces_the_earlier_one(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", SHARE)
    plugins.load([path])
    write(path, SHARE.replace("share of MACs", "another title"))
    plugins.load([path])
    assert METRICS["mac_share"].title == "another title"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:\n", "line 1: SyntaxError"),
        ("x = 1\n\nx.y\n", "line 3: AttributeError: 'int' object has no attribute 'y'"),
        ("import json\njson.loads('{')\n", "line 2: JSONDecodeError"),
        ("import no_such_module\n", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        ("raise ValueError('one\\ntwo')\n", "line 1: ValueError: one two"),
        ("raise ValueError\n", "line 1: ValueError"),
        ("\0", "line 1: SyntaxError: source code string cannot contain null bytes"),
        ("from scaling import pooling\n\n@pooling\ndef p(): ...\n", "line 3: pooling 'p'"),
    ],
)
def test_a_plugin_that_fails_is_one_line_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "mine.py", text)
    assert complaint(path).startswith(f"--plugin {path} cannot be imported: {path}, {said}")


def test_a_plugin_that_fails_leaves_nothing_registered(tmp_path: Path) -> None:
    before, modules = names(), set(sys.modules)
    complaint(write(tmp_path / "mine.py", f"{SHARE}\nundefined\n"))
    assert names() == before
    assert not [name for name in set(sys.modules) - modules if name.startswith(plugins.PREFIX)]


def test_bytes_that_are_no_python_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(b"x = '\xff'")
    assert f"{path}, line 1: SyntaxError" in complaint(path)


@pytest.mark.parametrize("name", ["mine.txt", "mine", "space.yaml"])
def test_a_file_that_is_no_python_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, SHARE)
    assert complaint(path) == f"--plugin {path} is not a Python file; its name must end in .py"


def test_a_folder_is_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "mine.py").mkdir()
    assert "is not a Python file" in complaint(tmp_path / "mine.py")


def test_a_file_that_is_absent_is_refused(tmp_path: Path) -> None:
    assert complaint(tmp_path / "mine.py") == f"--plugin {tmp_path / 'mine.py'}: there is no such file"


@pytest.mark.parametrize("text", ["", "x = 1\n", "from scaling import metric\n"])
def test_a_plugin_that_registers_nothing_is_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "mine.py", text)
    assert complaint(path).startswith(f"--plugin {path} registers nothing")


def test_a_built_in_name_is_refused_with_both_files(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", SHARE.replace("def mac_share", "def macs"))
    said = complaint(path)
    assert said.startswith("metric 'macs' is defined twice, in ")
    assert str(path) in said
    assert "scaling/study/metrics/" in said


def test_a_name_of_another_plugin_is_refused_with_both_files(tmp_path: Path) -> None:
    first, second = write(tmp_path / "first.py", SHARE), write(tmp_path / "second.py", SHARE)
    assert complaint(first, second) == (
        f"metric 'mac_share' is defined twice, in --plugin {first}, line 3 and in --plugin {second}, line 3;"
        " rename one of them"
    )


def test_two_plugins_of_one_file_name_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a" / "mine.py", SHARE)
    second = write(tmp_path / "b" / "mine.py", SHARE.replace("mac_share", "other"))
    said = complaint(first, second)
    assert str(first) in said
    assert str(second) in said


def test_a_built_in_keeps_its_name_against_an_earlier_plugin(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", SHARE.replace("def mac_share", "def macs"))
    code = f"""
from pathlib import Path
from scaling.study import plugins
try:
    plugins.load([Path({str(path)!r})])
except Exception as error:
    print(error)
from scaling.study.metrics import METRICS
print(METRICS["macs"].title)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    refused, title = done.stdout.splitlines()
    assert "defined twice" in refused
    assert title == "MACs"


def test_what_a_helper_registers_belongs_to_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path / "helper_of_mine.py", SHARE)
    path = write(tmp_path / "mine.py", "import helper_of_mine\n")
    plugins.load([path])
    assert list(plugins.loaded()) == ["mine.py"]
    plugins.load()
    assert "mac_share" not in METRICS


WRAPPER = """
import functools
from scaling import pooling
from scaling.models.poolings.average import average

@pooling(name="mine")
@functools.wraps(average)
def mine(channels):
    return average(channels)

pooling(name="again")(average)
"""


def test_a_wrapped_built_in_belongs_to_the_plugin(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", WRAPPER)
    plugins.load([path])
    config = TrialConfig(family="patchconvnet", arch={"depth": 2, "pooling": "mine"})
    assert plugins.used_by(config) == plugins.loaded() != {}
    plugins.load()
    assert not {"mine", "again"} & set(KINDS["pooling"])


def test_built_ins_that_a_plugin_imports_first_stay_built_in(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", WRAPPER)
    code = f"""
from pathlib import Path
from scaling.study import plugins
plugins.load([Path({str(path)!r})])
from scaling.study.registry import KINDS
print([name for name, registry in KINDS.items() for thing in registry if registry.module(thing)[:8] == "scaling_"])
plugins.load()
print("average" in KINDS["pooling"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines() == ["['pooling', 'pooling']", "True"]


def test_what_a_plugin_defines_can_be_pickled(tmp_path: Path) -> None:
    plugins.load([write(tmp_path / "mine.py", SHARE)])
    function = METRICS["mac_share"].values
    assert pickle.loads(pickle.dumps(function)) is function


def test_another_process_loads_plugins_by_unpickling_them(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", SHARE)
    plugins.load([path])
    content = pickle.dumps((plugins.Shipment(), METRICS["mac_share"].values))
    path.unlink()
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)[1].__name__)"
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, cwd=ROOT, check=True)
    assert done.stdout == b"mac_share\n"


def test_source_and_tracebacks_survive_the_file(tmp_path: Path) -> None:
    import inspect

    path = write(tmp_path / "mine.py", SHARE)
    plugins.load([path])
    path.unlink()
    assert "Forward MACs over training MACs" in inspect.getsource(METRICS["mac_share"].values)


def test_a_trial_without_plugins_keeps_its_key() -> None:
    config = TrialConfig(family="patchconvnet", arch={"depth": 2})
    assert config.key == TrialConfig(family="patchconvnet", arch={"depth": 2}, plugins={}).key
    assert config.key != config.model_copy(update={"plugins": {"mine.py": "0" * 64}}).key


def test_a_trial_that_lacks_its_plugin_is_refused() -> None:
    with pytest.raises(
        PluginError, match=r"this trial needs --plugin mine\.py \(SHA-256 0{12}…\), which is not loaded"
    ):
        plugins.require({"mine.py": "0" * 64})


def test_a_trial_of_another_version_is_refused(tmp_path: Path) -> None:
    plugins.load([write(tmp_path / "mine.py", SHARE)])
    with pytest.raises(
        PluginError, match=r"this trial needs mine\.py with SHA-256 0{12}…, but it has SHA-256 [0-9a-f]{12}… here"
    ):
        plugins.require({"mine.py": "0" * 64})


def test_a_plugin_that_fails_on_arrival_says_so_when_needed(tmp_path: Path) -> None:
    plugin = plugins.PluginFile("mine.py", "mine.py", b"import no_such_module\n")
    plugins.receive([plugin])
    with pytest.raises(PluginError, match=r"mine\.py, line 1: ModuleNotFoundError"):
        plugins.require({"mine.py": plugin.digest})
