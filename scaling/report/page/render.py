"""Render the page from the templates, the style and the scripts beside this file."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from scaling.report.analysis.accounts import memory_note, time_note
from scaling.report.analysis.analysis import Analysis, size_of
from scaling.report.caveats import headed_caveats
from scaling.report.figures import Section, Text
from scaling.report.page import facts, words
from scaling.report.page.data import page_data
from scaling.report.page.galleries import Gallery, Samples
from scaling.report.page.packing import fingerprint, pack, plotly
from scaling.report.page.vector import coded, tied
from scaling.report.tables import Table
from scaling.statistics.other_sentences import shares_sentence
from scaling.study.metrics import main_cost
from scaling.wording import plural

HERE = Path(__file__).parent
MOST_ROWS = 400  # of a table on the page; the files have all rows
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
EARLY = 'if (window.DecompressionStream) document.documentElement.classList.add("live");'  # before the first paint
TABLES_IN_SECTIONS = {  # that page.html places; other tables are in the section of the design space
    "verdicts", "parts", "looks", "costs", "differences", "best", "cells", "trials", "failures", "time_spent",
    "equal_cost", "equal_cost_parts", "control", "fronts", "front_odds",
}  # fmt: skip


@dataclass(frozen=True)
class PageFigure:
    """A drawn figure, ready for the page."""

    name: str
    text: Text
    svg: Markup
    section: Section


def render_page(
    analysis: Analysis,
    figures: Mapping[str, PageFigure],
    tables: Mapping[str, Table],
    galleries: Sequence[Gallery],
    commands: Sequence[str],
    samples: Sequence[Samples | None] = (),
) -> str:
    """Render the page.

    Args:
        figures: by name; those with nothing to draw are absent.
        tables: by name.
        galleries: of attention maps; may be empty.
        commands: that run the study and the report again.
        samples: a picture of each data set of the study; None where there is none.
    """
    header, arrays = page_data(analysis)
    by_section = {
        section.value: [one.name for one in figures.values() if one.section is section] for section in Section
    }
    more_tables = [name for name, table in tables.items() if name not in TABLES_IN_SECTIONS and table.rows]
    content: dict[str, Any] = {
        "figures": figures,
        "tables": tables,
        "galleries": galleries,
        "commands": commands,
        "data_sets": list(itertools.zip_longest(analysis.study.data, samples)),
        "placed": by_section,
        "more_tables": more_tables,
        "caveats": headed_caveats(analysis),
        "memory_note": memory_note(analysis),
        "time_note": time_note(analysis),
        "has_space": any(analysis.study.space.values()),
        "has_models": bool(header["costs"]),
        "has_difference": bool(by_section["difference"]) or any(tables[name].rows for name in ("verdicts", "looks")),
        "has_curves": bool(header["with_curves"]),
        "has_appendix": bool(by_section["more"] or by_section["fronts"] or more_tables)
        or any(name in tables and tables[name].rows for name in ("fronts", "front_odds")),
        "has_equal": bool(header["equal"]),
        "has_predictions": bool(header["predictions"]),
    }
    sections = [{"id": name, "label": label} for name, label, is_there in _sections(content) if is_there]
    return (
        _environment()
        .get_template("page.html")
        .render(
            **content,
            **_texts(analysis),
            **_parts(header, arrays),
            sections=sections,
            most_rows=MOST_ROWS,
            plural=plural,
        )
    )


def _environment() -> jinja2.Environment:
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
    return environment


def _sections(content: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Sections of the page in order: id, label, whether there is anything to show."""
    return [
        ("verdict", "Verdict", True),
        ("caveats", "Caveats", bool(content["caveats"])),
        ("difference", "Difference", content["has_difference"]),
        ("costs", "Other costs", content["has_models"]),
        ("curves", "Curves", content["has_curves"]),
        ("trials", "Trials", bool(content["tables"]["trials"].rows)),
        ("attention", "Attention", bool(content["galleries"])),
        ("data-sets", "Data", bool(content["data_sets"])),
        ("took", "Resources", bool(content["memory_note"] or content["time_note"])),
        ("asked", "Setup", True),
        ("method", "Method", True),
        ("appendix", "Appendix", content["has_appendix"]),
    ]


def _texts(analysis: Analysis) -> dict[str, Any]:
    """The sentences and facts of the page."""
    return {
        "analysis": analysis,
        "study": analysis.study,
        "progress": analysis.progress,
        "extent": size_of(analysis),
        "verdicts": words.verdict_cards(analysis),
        "control": shares_sentence(analysis.shares) if analysis.shares else None,
        "settings": analysis.settings,
        "look": analysis.look,
        "front_note": words.front_note(analysis),
        "first_figure": f"accuracy_by_{main_cost()}",
        "asked": facts.settings(analysis),
        "environment": facts.environments(analysis),
        "until": facts.until(analysis),
        "level": f"{100 * analysis.settings.level:.4g}",
    }


def _parts(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, Markup]:
    """Style, scripts and data, with the policy that allows these scripts only."""
    script = _script()
    library, its_fingerprint = plotly()
    allowed = (fingerprint(EARLY), fingerprint(script), its_fingerprint)
    return {
        "css": Markup(_read("page.css")),
        "early": Markup(EARLY),
        "script": Markup(script),
        "policy": Markup(" ".join(f"'{name}'" for name in allowed)),
        "data": Markup(pack(header, arrays)),
        "plotly": Markup(library),
    }


def _script() -> str:
    """Join the scripts into one function, so that their names stay private."""
    files = "\n".join(_read(f"scripts/{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{files}}})();'


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
