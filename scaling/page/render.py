"""Lays the page out, from `page.html`, `page.css` and the scripts beside this file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from scaling.accounts import memory_note, time_note
from scaling.analysis import COSTS, Analysis, cells_and_seeds
from scaling.caveats import caveats
from scaling.figures import Text
from scaling.galleries import Gallery
from scaling.metrics import METRICS
from scaling.page import words
from scaling.page.vector import tied
from scaling.statistics.verdict import plural, points
from scaling.tables import Table

HERE = Path(__file__).parent
MOST_ROWS = 400  # a longer table stays in its file; the page says so


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
    environment.filters["tied"] = tied
    return environment.get_template("page.html").render(
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        analysis=analysis,
        study=analysis.study,
        progress=analysis.progress,
        extent=cells_and_seeds(analysis),
        answers=words.answers(analysis),
        front_note=words.front_note(analysis),
        memory_note=memory_note(analysis),
        time_note=time_note(analysis),
        caveats=caveats(analysis),
        figures=figures,
        tables=tables,
        galleries=galleries,
        most_rows=MOST_ROWS,
        asked=words.asked(analysis),
        environment=words.environments(analysis),
        until=words.until(analysis),
        commands=commands,
        metrics=METRICS,
        costs=COSTS,
        plural=plural,
        level=points(100 * (1 - (1 - 0.95) / max(1, len(analysis.verdicts))), decimals=1),
        margin=analysis.verdicts[0].margin if analysis.verdicts else None,
    )
