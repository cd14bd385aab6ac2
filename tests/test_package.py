"""The package as it is installed: its spaces are inside, its names load late, its dependencies are pinned."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT


def run(code: str, *, cwd: Path) -> str:
    """Run code in a fresh interpreter that finds modules in `cwd` before the installed packages."""
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, text=True, capture_output=True, check=True).stdout


@pytest.mark.slow
def test_the_wheel_holds_the_spaces_and_finds_them(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*command, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")

    found = run(
        "import scaling; from scaling.space import search_path; print(scaling.__file__); print(search_path())",
        cwd=tmp_path / "installed",
    )

    assert str(tmp_path / "installed" / "scaling") in found
    shipped = {p.name for p in (tmp_path / "installed" / "scaling" / "search_spaces").rglob("*")}
    assert shipped >= {p.name for p in (ROOT / "search_spaces").rglob("*")}
    for kind in ("yaml", "html", "css", "js"):
        inside = {p.relative_to(ROOT) for p in (ROOT / "scaling").rglob(f"*.{kind}") if "search_spaces" not in p.parts}
        assert inside, kind
        assert all((tmp_path / "installed" / path).is_file() for path in inside)


def test_importing_the_package_loads_no_pandas(tmp_path: Path) -> None:
    assert run("import scaling, sys; print('pandas' in sys.modules)", cwd=tmp_path).strip() == "False"


def test_results_are_read_without_torch_and_ray(tmp_path: Path) -> None:
    code = "import scaling, sys; scaling.load_study; print([m for m in ('torch', 'ray') if m in sys.modules])"

    assert run(code, cwd=tmp_path).strip() == "[]"


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import scaling

    with pytest.raises(AttributeError, match="has no attribute 'biuld_model'"):
        _ = scaling.biuld_model  # pyright: ignore[reportAttributeAccessIssue]
    assert set(scaling.__all__) <= set(dir(scaling))


def test_lower_bounds_and_constraints_agree() -> None:
    """Every dependency has a tested lower bound and a version that CI runs on."""
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    project = (ROOT / "pyproject.toml").read_text()

    listed = re.findall(r'"([A-Za-z0-9_-]+)(?:\[[^\]]*\])?>=([0-9.a-z]+)"', project)
    names = {name.lower().replace("_", "-") for name, _ in listed}
    assert {"torch", "torchvision", "timm", "optuna", "ray", "fvcore", "pandas", "seaborn", "pydantic"} <= names
    assert names <= pinned


# Ways to come by the packages that are functions too, one after another in a fresh interpreter each
ORDERS = [
    "first = scaling.{name}; import scaling.{name}",
    "import scaling.{name}; first = scaling.{name}",
    "from scaling import {name} as first; import scaling.{name}.__main__",
    "first = importlib.import_module('scaling.{name}'); from scaling import {name}",
]
CALLS = {
    "compare": "assert {function}(FRAME)['b'].kind == 'better'",
    "measure": "assert {function}(MODEL, image_size=16).params == {function}(MODEL, 16).params > 0",
}
SETUP = """
import importlib, os, sys, traceback
import pandas as pd
import scaling, scaling.costs.complexity, scaling.statistics.judge
FRAME = pd.DataFrame({"arm": [*"aaabbb"], "score": [70, 70.1, 69.9, 80, 80.1, 80.2], "seed": [0, 1, 2] * 2})
MODEL = scaling.build_model("patchconvnet", width=16, depth=1, patch_size=4, num_classes=2, image_size=16)
"""


@pytest.mark.slow
def test_compare_and_measure_can_be_called_before_and_after_imports(tmp_path: Path) -> None:
    cases = [
        f"{order.format(name=name)}\n"
        + "\n".join(call.format(function=function) for function in ("first", f"scaling.{name}"))
        + f"\nassert scaling.{name}.main is importlib.import_module('scaling.{name}.__main__').main"
        for name, call in CALLS.items()
        for order in ORDERS
    ]
    code = f"""{SETUP}
assert not {{"scaling.compare", "scaling.measure"}} & set(sys.modules)
for case in {cases!r}:
    if (child := os.fork()) == 0:  # fresh as to these packages; what takes long to load is there
        try:
            exec(case)
        except BaseException:
            traceback.print_exc()
            print(case, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, case
"""
    ignored = ["ignore:`torch.jit:DeprecationWarning", "ignore:This process:DeprecationWarning"]  # of timm; of forks
    warnings = [word for filter in ["error", *ignored] for word in ("-W", filter)]
    done = subprocess.run([sys.executable, *warnings, "-c", code], cwd=tmp_path, text=True, capture_output=True)

    assert (done.returncode, done.stderr) == (0, "")
