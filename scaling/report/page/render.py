"""Lays the page out, from the templates, the style and the scripts beside this file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
from markupsafe import Markup

from scaling.report.analysis.accounts import memory_note, time_note
from scaling.report.analysis.analysis import Analysis, cells_and_seeds
from scaling.report.caveats.all import caveats
from scaling.report.figures.text import Text
from scaling.report.page import words
from scaling.report.page.data import page_data
from scaling.report.page.galleries import Gallery
from scaling.report.page.packing import fingerprint, pack, plotly
from scaling.report.page.vector import coded, tied
from scaling.report.tables import Table
from scaling.wording import plural, points

HERE = Path(__file__).parent
MOST_ROWS = 400  # a longer table stays in its file; the page says so
SCRIPTS = (
    "core",
    "plotting",
    "details",
    "explore",
    "equal",
    "curves",
    "predicted",
    "filter",
    "table",
    "start",
)  # in this order
EARLY = 'if (window.DecompressionStream) document.documentElement.classList.add("live");'  # before anything is painted
PLACES = {  # section of the page → beginnings of the names of its figures; others stand in "more"
    "explore": ("accuracy_by_",),
    "fronts": ("front_",),
    "difference": ("paired_difference", "difference_"),
    "curves": ("learning_curves",),
    "took": ("memory_prediction",),
}
PLACED_TABLES = {"verdicts", "costs", "differences", "best", "cells", "trials", "failures", "time_spent"} | {
    "equal_cost",
    "control",
    "fronts",
    "front_odds",
}


@dataclass(frozen=True)
class Figure:
    """A drawn figure, ready to stand in the page."""

    name: str
    text: Text
    svg: Markup


def render_page(
    analysis: Analysis,
    figures: Mapping[str, Figure],
    tables: Mapping[str, Table],
    galleries: Sequence[Gallery],
    commands: Sequence[str],
) -> str:
    """Lay the page out.

    Args:
        figures: by name; what could not be drawn is missing.
        tables: by name.
        galleries: of what attention looks at; may be none.
        commands: that run the study and the report again.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"tied": tied, "coded": coded}
    environment.filters["capitalize_first"] = words.sentence_case
    environment.filters["without_outcome"] = words.without_outcome
    environment.filters["first_texts"] = lambda table, rows: replace(table, rows=table.rows[:rows]).texts
    style, script = _read("page.css"), _script()
    library, its_fingerprint = plotly()
    header, arrays = page_data(analysis)
    placed = _placed(figures)
    notes = {"memory_note": memory_note(analysis), "time_note": time_note(analysis)}
    said = caveats(analysis)
    more_tables = [name for name, table in tables.items() if name not in PLACED_TABLES and table.rows]
    has_fronts = bool(placed["fronts"]) or any(
        name in tables and tables[name].rows for name in ("fronts", "front_odds")
    )
    sections = (
        ("verdict", "Verdict", True),
        ("caveats", "Doubts", said),
        ("explore", "Accuracy and cost", header["costs"]),
        ("trials", "Trials", tables["trials"].rows),
        ("difference", "Difference", placed["difference"]),
        ("fronts", "Fronts", has_fronts),
        ("more", "Design space", placed["more"] or more_tables),
        ("curves", "Curves", header["with_curves"]),
        ("attention", "Attention", galleries),
        ("took", "Costs", any(notes.values())),
        ("asked", "How it was run", True),
        ("method", "Method", True),
    )
    return environment.get_template("page.html").render(
        css=Markup(style),
        early=Markup(EARLY),
        script=Markup(script),
        policy=Markup(" ".join(f"'{name}'" for name in (fingerprint(EARLY), fingerprint(script), its_fingerprint))),
        data=Markup(pack(header, arrays)),
        plotly=Markup(library),
        sections=[(name, label) for name, label, is_there in sections if is_there],
        analysis=analysis,
        study=analysis.study,
        progress=analysis.progress,
        extent=cells_and_seeds(analysis),
        answers=words.answers(analysis),
        control=words.sentence_case(analysis.control.sentence) if analysis.control else None,
        front_note=words.front_note(analysis),
        **notes,
        caveats=said,
        figures=figures,
        placed=placed,
        has_space=any(analysis.study.space.values()),
        has_models=bool(header["costs"]),
        has_curves=bool(header["with_curves"]),
        has_fronts=has_fronts,
        has_equal=bool(header["equal"]),
        has_predictions=bool(header["predictions"]),
        tables=tables,
        more_tables=more_tables,
        galleries=galleries,
        most_rows=MOST_ROWS,
        asked=words.asked(analysis),
        environment=words.environments(analysis),
        until=words.until(analysis),
        commands=commands,
        plural=plural,
        level=points(100 * (1 - (1 - 0.95) / max(1, len(analysis.verdicts))), decimals=1),
        margin=analysis.verdicts[0].margin if analysis.verdicts else None,
    )


def _script() -> str:
    """The scripts as one, with names that nobody outside sees."""
    files = "\n".join(_read(f"scripts/{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{files}}})();'


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _placed(figures: Iterable[str]) -> dict[str, list[str]]:
    """Names of figures by the section of the page that they stand in."""
    placed: dict[str, list[str]] = {section: [] for section in (*PLACES, "more")}
    for name in figures:
        section = next((place for place, beginnings in PLACES.items() if name.startswith(beginnings)), "more")
        placed[section].append(name)
    return placed
