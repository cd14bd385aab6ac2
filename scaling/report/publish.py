"""Publish: write the files of a report from an analysis: page, figures, tables, verdict.json, the space."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling.report.analysis.analysis import Analysis
from scaling.report.figures import FIGURES, in_order
from scaling.report.figures.theme import THEME
from scaling.report.page import PageFigure, inline, render_page
from scaling.report.page.galleries import find_galleries, find_samples
from scaling.report.tables.table import tables as all_tables
from scaling.report.verdict_file import verdict_document
from scaling.study.errors import StorageError
from scaling.study.plugins import files
from scaling.study.storage import Where, cause, write_atomically
from scaling.study.yaml_writer import write_yaml

FIGURE_KINDS = ("png", "svg", "pdf")


def publish(analysis: Analysis, target: Path, folder: Where | None, commands: Sequence[str]) -> Path:
    """Write the report of `analysis` into `target`: every file under a temporary name and renamed, the page last.

    Args:
        folder: of the study, with its galleries; None for several studies.
        commands: that run the study and the report again.

    Returns:
        the page.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{target} cannot be created: {cause(error)}; give another folder as --out") from None
    figures, files = _draw(analysis)
    tables = all_tables(analysis)
    for name, table in tables.items():
        files[f"tables/{name}.csv"], files[f"tables/{name}.md"] = table.csv().encode(), table.markdown().encode()
        files[f"tables/{name}.tex"] = table.latex().encode()
    document = verdict_document(analysis)
    files["verdict.json"] = json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1).encode() + b"\n"
    space = given_space(analysis)
    if space:
        files["space.yaml"] = _space_file(space)
    galleries = find_galleries(folder, analysis.arms, analysis.records) if folder is not None else []
    samples = [find_samples(folder, data) for data in analysis.study.data] if folder is not None else []
    page = render_page(analysis, figures, tables, galleries, commands, samples)
    for name in (f"figures/{name}.{kind}" for name in FIGURES for kind in FIGURE_KINDS):
        if name not in files:  # remove a figure of an earlier report that now has nothing to draw
            (target / name).unlink(missing_ok=True)
    for name, content in {**files, "index.html": page.encode()}.items():
        write_atomically(target / name, content)
    return target / "index.html"


def _draw(analysis: Analysis) -> tuple[dict[str, PageFigure], dict[str, bytes]]:
    """Draw every figure that has something to show: for the page, and as files."""
    figures, files = {}, {}
    for name, draw in in_order().items():
        drawing = draw(analysis)
        if drawing is None:
            continue
        png, svg = drawing.render()
        contents = (png, svg, drawing.pdf())
        files |= {f"figures/{name}.{kind}": content for kind, content in zip(FIGURE_KINDS, contents, strict=True)}
        vector = inline(svg.decode(), name, drawing.text.description, THEME)
        figures[name] = PageFigure(name, drawing.text, vector, draw.section)
    return figures, files


def given_space(analysis: Analysis) -> dict[str, Any]:
    """The settings of the space that are given, without empty ones."""
    return {name: value for name, value in analysis.study.space.items() if value}


def study_commands(folder: Where, target: Path, has_space: bool, plugins: Iterable[str] = ()) -> list[str]:
    """Commands that run the study, which needs `plugins`, and write its report again."""
    name = shlex.quote(folder.resolve().name)
    results = "" if folder.parent == Path("results") else f" --results {shlex.quote(str(folder.parent))}"
    out = "" if target.parent == Path("reports") else f" --out {shlex.quote(str(target.parent))}"
    report = f"python -m scaling.report {name}{results}{out}{_plugin_options(file.name for file in files())}"
    if not has_space:
        return [report]
    space = shlex.quote(str(target / "space.yaml"))
    return [f"python -m scaling.sweep --space {space} --name {name}{results}{_plugin_options(plugins)}", report]


def joint_commands(folders: Sequence[Where], target: Path) -> list[str]:
    """Command that writes the report on several studies again."""
    out = "" if target.parent == Path("reports") else f" --out {shlex.quote(str(target.parent))}"
    studies = " ".join(shlex.quote(str(folder)) for folder in folders)
    return [f"python -m scaling.report {studies}{out}{_plugin_options(file.name for file in files())}"]


def _plugin_options(names: Iterable[str]) -> str:
    """Command-line options for plugin files, with their paths where they are loaded; packages need none."""
    paths = {file.name: file.path for file in files()}
    return "".join(f" --plugin {shlex.quote(paths.get(name, name))}" for name in names if name.endswith(".py"))


def _space_file(space: Mapping[str, Any]) -> bytes:
    """The space as it was read, including overrides, so that the study can be run again."""
    return write_yaml(_without_empty(space)).encode()


def _without_empty(tree: Mapping[str, Any]) -> dict[str, Any]:
    pruned = {
        name: _without_empty(value) if isinstance(value, Mapping) else value
        for name, value in tree.items()
        if value is not None
    }
    return {name: value for name, value in pruned.items() if value != {}}
