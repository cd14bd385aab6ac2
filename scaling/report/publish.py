"""Publish: the files of a report, from an analysis: page, figures, tables, verdict.json, the space as a file."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures import PLOTS, THEME
from scaling.report.page import Figure, inline, render_page
from scaling.report.page.galleries import find_galleries
from scaling.report.tables import TABLES
from scaling.report.verdict_file import verdict_document
from scaling.study.errors import StorageError
from scaling.study.storage import Where, cause, write_atomically

FIGURE_KINDS = ("png", "svg", "pdf")


def publish(analysis: Analysis, target: Path, folder: Where | None, commands: Sequence[str]) -> Path:
    """Write the report of `analysis` into `target`, every file beside its place and renamed into it, the page last.

    Args:
        folder: of the study, where its galleries are; None where it is several.
        commands: that run the study and the report again.

    Returns:
        the page.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{target} cannot be made: {cause(error)}; give another folder as --out") from None
    files: dict[str, bytes] = {}
    figures = {}
    for name, draw in PLOTS.items():
        drawing = draw(analysis)
        if drawing is not None:
            png, svg = drawing.render()
            files[f"figures/{name}.png"], files[f"figures/{name}.svg"] = png, svg
            files[f"figures/{name}.pdf"] = drawing.pdf()
            figures[name] = Figure(name, drawing.text, inline(svg.decode(), name, drawing.text.description, THEME))
    tables = {name: build(analysis) for name, build in TABLES.items()}
    for name, table in tables.items():
        files[f"tables/{name}.csv"], files[f"tables/{name}.md"] = table.csv().encode(), table.markdown().encode()
        files[f"tables/{name}.tex"] = table.latex().encode()
    document = verdict_document(analysis)
    files["verdict.json"] = json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1).encode() + b"\n"
    space = asked_space(analysis)
    if space:
        files["space.yaml"] = _space_file(space)
    galleries = find_galleries(folder, analysis.arms, analysis.records) if folder is not None else []
    page = render_page(analysis, figures, tables, galleries, commands)
    for name in (f"figures/{name}.{kind}" for name in PLOTS for kind in FIGURE_KINDS):
        if name not in files:  # of an earlier report on this study, which said something else
            (target / name).unlink(missing_ok=True)
    for name, content in {**files, "index.html": page.encode()}.items():
        write_atomically(target / name, content)
    return target / "index.html"


def asked_space(analysis: Analysis) -> dict[str, Any]:
    """What the space says, without what it leaves open."""
    return {name: value for name, value in analysis.study.space.items() if value}


def study_commands(folder: Where, target: Path, has_space: bool) -> list[str]:
    """The commands that run the study and write its report again."""
    name = shlex.quote(folder.resolve().name)
    results = "" if folder.parent == Path("results") else f" --results {shlex.quote(str(folder.parent))}"
    out = "" if target.parent == Path("reports") else f" --out {shlex.quote(str(target.parent))}"
    report = f"python -m scaling.report {name}{results}{out}"
    if not has_space:
        return [report]
    return [f"python -m scaling.sweep --space {shlex.quote(str(target / 'space.yaml'))} --name {name}{results}", report]


def joint_commands(folders: Sequence[Where], target: Path) -> list[str]:
    """The command that writes the report on several studies again."""
    out = "" if target.parent == Path("reports") else f" --out {shlex.quote(str(target.parent))}"
    return [f"python -m scaling.report {' '.join(shlex.quote(str(folder)) for folder in folders)}{out}"]


def _space_file(space: Mapping[str, Any]) -> bytes:
    """The space as it was read, overrides included, so that the study can be run again."""
    return yaml.safe_dump(_without_nothing(space), sort_keys=False, allow_unicode=True, width=120).encode()


def _without_nothing(tree: Mapping[str, Any]) -> dict[str, Any]:
    pruned = {
        name: _without_nothing(value) if isinstance(value, Mapping) else value
        for name, value in tree.items()
        if value is not None
    }
    return {name: value for name, value in pruned.items() if value != {}}
