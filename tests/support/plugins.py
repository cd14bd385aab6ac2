"""Plugin files for tests, and commands that use them in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

SHARE = """\
from scaling import metric

@metric("share of MACs", label="Share (%)", unit="%", direction="lower", role="cost", fields=("macs", "training_macs"))
def mac_share(trials):
    \"\"\"Forward MACs over training MACs.\"\"\"
    return 100 * trials["macs"] / trials["training_macs"]
"""
MEDIAN = """\
from torch import nn
from scaling import pooling

class Median(nn.Module):
    def forward(self, x):
        return x.flatten(1, 2).median(1).values

@pooling
def median(channels: int) -> nn.Module:
    return Median()
"""


def write(path: Path, text: str) -> Path:
    """Write a file into folders that are made where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run(module: str, *arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m module` as a user would, from the folder `cwd`."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300", **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )


def install(site: Path, source: str) -> Path:
    """Lay out a package whose entry point is a plugin, as pip would install it into the folder `site`."""
    write(site / "my_package" / "__init__.py", "")
    write(site / "my_package" / "models.py", source)
    write(site / "my_package-1.2.0.dist-info" / "METADATA", "Metadata-Version: 2.1\nName: my-package\nVersion: 1.2.0\n")
    write(site / "my_package-1.2.0.dist-info" / "entry_points.txt", "[scaling.plugins]\nmodels = my_package.models\n")
    return site


def searching(site: Path) -> dict[str, str]:
    """Environment of a process in which the packages of `site` are installed."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))}


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one line in which a command refused what was asked."""
    assert result.returncode == 2, result.stdout + result.stderr
    [line] = result.stderr.splitlines()
    assert line.startswith("error: "), line
    return line.removeprefix("error: ")
