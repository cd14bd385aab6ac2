"""The package as it is installed: its spaces are inside, its names load late, its halves stay apart."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT


def run(code: str, *, cwd: Path) -> str:
    """Run code in a fresh interpreter that sees the packages installed here, and `cwd` before them."""
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


def test_importing_the_package_loads_neither_torch_nor_ray_nor_pandas(tmp_path: Path) -> None:
    loaded = run(
        "import scaling, sys; print([m for m in ('torch', 'ray', 'pandas') if m in sys.modules])", cwd=tmp_path
    )

    assert loaded.strip() == "[]"


def test_results_are_read_without_torch_and_ray(tmp_path: Path) -> None:
    code = "import scaling, sys; scaling.load_study; print([m for m in ('torch', 'ray') if m in sys.modules])"

    assert run(code, cwd=tmp_path).strip() == "[]"


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import scaling

    with pytest.raises(AttributeError, match="has no attribute 'biuld_model'"):
        _ = scaling.biuld_model  # pyright: ignore[reportAttributeAccessIssue]
    assert set(scaling.__all__) <= set(dir(scaling))


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("ray", {"executor"}),
        ("optuna", {"search", "trackers"}),
        ("fvcore", {"costs"}),
        ("seaborn", {"plots"}),
    ],
)
def test_a_library_is_known_in_one_place(package: str, allowed: set[str]) -> None:
    imports = re.compile(rf"^\s*(import|from) {package}\b", re.MULTILINE)

    users = {
        path.relative_to(ROOT / "scaling").parts[0]
        for path in (ROOT / "scaling").rglob("*.py")
        if imports.search(path.read_text())
    }

    assert users <= allowed
    assert users, f"nothing uses {package}; take it out of the dependencies"


def test_lower_bounds_and_constraints_agree() -> None:
    """Every dependency has a lower bound that was tried and a version that CI runs on."""
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    project = (ROOT / "pyproject.toml").read_text()

    listed = re.findall(r'"([A-Za-z0-9_-]+)(?:\[[^\]]*\])?>=([0-9.a-z]+)"', project)
    names = {name.lower().replace("_", "-") for name, _ in listed}
    assert {"torch", "torchvision", "timm", "optuna", "ray", "fvcore", "pandas", "seaborn", "pydantic"} <= names
    assert names <= pinned
