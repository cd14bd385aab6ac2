"""References: published numbers, one YAML file per series, drawn in for orientation.

A file gives its citation and whether its FLOPs count multiply-accumulates once or twice; this module converts them to
MACs. Points name the data they were measured on: their training differs from that of any study here.
"""

from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scaling.report.analysis.context import Reference, References
from scaling.study.errors import RecordError, unknown
from scaling.study.plain_yaml import MOST_BYTES, YamlError, read_yaml_text


class Point(BaseModel):
    """One published model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    accuracy: float = Field(ge=0, le=100, description="percent, top-1")
    params_m: float | None = Field(default=None, gt=0, description="millions")
    gflops: float | None = Field(default=None, gt=0, description="as the paper prints it, in billions")
    data: str | None = None  # if it differs from the series'
    source: str | None = None


class Series(BaseModel):
    """A file of references."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    series: str
    citation: str
    counts: Literal["MACs", "2×MACs"]
    data: str
    source: str
    points: list[Point]


def known_references() -> list[str]:
    """Names of the series inside the package."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in files(__name__).iterdir() if entry.name.endswith(".yaml")
    )


def read_references(name: str) -> References:
    """Read a series by name, or from a file of the same form.

    Raises:
        RecordError: the series or file does not exist, or is not valid.
    """
    inside = known_references()
    path = files(__name__) / f"{name}.yaml" if name in inside else Path(name)
    if not path.is_file():
        raise RecordError(f"--reference: {unknown('series', name, inside)}, or a YAML file; see docs/reports.md")
    try:
        with path.open("rb") as file:
            read = read_yaml_text(file.read(MOST_BYTES + 1))  # more is refused, however much it is
    except OSError as error:
        raise RecordError(f"--reference {name}: cannot be read: {error.strerror or error}") from None
    except YamlError as error:
        raise RecordError([finding.sentence(f"--reference {name}") for finding in error.findings]) from None
    try:
        series = Series.model_validate(read.content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        line = read.line(first["loc"])
        where = f"{name}:{line}" if line else name
        place = ".".join(map(str, first["loc"])) or "file"
        raise RecordError(f"--reference {where}: {place}: {first['msg']}") from None
    macs_a_flop = {"MACs": 1.0, "2×MACs": 0.5}[series.counts]
    points = [
        Reference(
            model=point.model,
            series=series.series,
            accuracy=point.accuracy,
            params=point.params_m * 1e6 if point.params_m else None,
            macs=point.gflops * 1e9 * macs_a_flop if point.gflops else None,
            data=point.data or series.data,
            source=point.source or series.source,
        )
        for point in series.points
    ]
    return References(series.series, series.citation, series.counts, points)
