"""The report: `python -m scaling.report depth_width` turns a study's records into a verdict and a page."""

import argparse
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling.errors import RecordError, ScalingError, command, unknown
from scaling.statistics import MARGIN
from scaling.storage import Where, place

EPILOG = """\
example:
  python -m scaling.report depth_width
  python -m scaling.report --results results --out reports      every study there is

Writes DIR/STUDY/index.html (one file, opens from disk), figures (PNG, SVG) and tables (CSV, Markdown), and ends with
the verdict. A study that is not complete gives the report that is possible. Exit code: 0 written, 2 a mistake.
"""


@dataclass(frozen=True)
class Report:
    """What a report says, and where."""

    verdict: str  # one sentence; a line for each arm that is compared with the baseline
    page: Path


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scaling.report",
        description="Report on studies: a verdict with its uncertainty, and a page.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="name of a study, or its folder; default: all")
    parser.add_argument(
        "--results",
        type=place,
        default=Path("results"),
        metavar="DIR|URI",
        help="default: results; also s3://…, gs://…",
    )
    parser.add_argument("--out", type=Path, default=Path("reports"), metavar="DIR", help="default: reports")
    parser.add_argument(
        "--margin", type=_positive, default=MARGIN, metavar="POINTS",
        help=f"differences within ± this many percentage points count as none; fix it beforehand (default: {MARGIN})",
    )  # fmt: skip
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise ValueError
    return value


_positive.__name__ = "number above 0"  # what argparse says was expected


@command
def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    problems = []
    for folder in find_studies(options.studies, options.results):
        try:
            report = write_report(folder, options.out, margin=options.margin)
        except ScalingError as mistake:  # the other studies are reported all the same
            problems += mistake.problems
            continue
        print(f"{report.verdict}\n{report.page}")
    if problems:
        raise RecordError(problems)
    return 0


def find_studies(names: list[str], results: Where) -> list[Where]:
    """Folders of the studies that `names` mean, names in `results` or paths; all in `results` where none is given.

    Raises:
        RecordError: one line for every name that means none, and for two that would write the same report.
    """
    known = {path.parent.name: path.parent for path in sorted(results.glob("*/study.json"), key=str)}
    if not names:
        if not known:
            raise RecordError(f"there is no study in {results}; run `python -m scaling.sweep` first, or give --results")
        return list(known.values())
    found: dict[str, Where] = {}
    problems = []
    for name in names:
        folder = known.get(name) or place(name)
        if not (folder / "study.json").is_file():
            problems.append(f"{unknown('study', name, known)}; looked in {results}, and for a folder with study.json")
        elif found.setdefault(folder.resolve().name, folder).resolve() != folder.resolve():
            problems.append(
                f"{found[folder.resolve().name]} and {folder} would write the same report; give them one by one"
            )
    if problems:
        raise RecordError(problems)
    return list(found.values())


def write_report(study_folder: str | Where, out_folder: str | Path = "reports", *, margin: float = MARGIN) -> Report:
    """Write the report of the study at `study_folder` into a folder of the same name in `out_folder`.

    Every file is written beside its place and renamed into it, the page last; equal records give equal files.

    Args:
        margin: percentage points within which a difference counts as none.

    Raises:
        RecordError: the study cannot be read.
    """
    # Imported here: drawing takes two seconds to load, which an error message or --help need not wait for.
    from scaling.analysis import analyse_study
    from scaling.galleries import find_galleries
    from scaling.page import Figure, inline, render_page
    from scaling.plots import PLOTS, THEME
    from scaling.storage import write_atomically
    from scaling.tables import TABLES

    folder = place(study_folder)
    target = Path(out_folder) / folder.resolve().name
    analysis = analyse_study(folder, margin)
    files: dict[str, bytes] = {}
    figures = {}
    for name, draw in PLOTS.items():
        drawing = draw(analysis)
        if drawing is not None:
            png, svg = drawing.render()
            files[f"figures/{name}.png"], files[f"figures/{name}.svg"] = png, svg
            figures[name] = Figure(name, drawing.text, inline(svg.decode(), name, drawing.text.description, THEME))
    tables = {name: build(analysis) for name, build in TABLES.items()}
    for name, table in tables.items():
        files[f"tables/{name}.csv"], files[f"tables/{name}.md"] = table.csv().encode(), table.markdown().encode()
    space = {name: value for name, value in analysis.study.space.items() if value}
    if space:
        files["space.yaml"] = _space_file(space)
    galleries = find_galleries(folder, analysis.arms, analysis.records)
    page = render_page(analysis, figures, tables, galleries, commands(folder, target, bool(space)))
    for name in (f"figures/{name}.{kind}" for name in PLOTS for kind in ("png", "svg")):
        if name not in files:  # of an earlier report on this study, which said something else
            (target / name).unlink(missing_ok=True)
    for name, content in {**files, "index.html": page.encode()}.items():
        write_atomically(target / name, content)
    return Report(analysis.headline, target / "index.html")


def _space_file(space: Mapping[str, Any]) -> bytes:
    """The space as it was read, overrides included, so that the study can be run again."""
    import yaml

    return yaml.safe_dump(_without_nothing(space), sort_keys=False, allow_unicode=True, width=120).encode()


def _without_nothing(tree: Mapping[str, Any]) -> dict[str, Any]:
    pruned = {
        name: _without_nothing(value) if isinstance(value, Mapping) else value
        for name, value in tree.items()
        if value is not None
    }
    return {name: value for name, value in pruned.items() if value != {}}


def commands(folder: Where, target: Path, has_space: bool) -> list[str]:
    """The commands that run the study and write this report again."""
    name = shlex.quote(folder.resolve().name)
    results = "" if folder.parent == Path("results") else f" --results {shlex.quote(str(folder.parent))}"
    out = "" if target.parent == Path("reports") else f" --out {shlex.quote(str(target.parent))}"
    report = f"python -m scaling.report {name}{results}{out}"
    if not has_space:
        return [report]
    return [f"python -m scaling.sweep --space {shlex.quote(str(target / 'space.yaml'))} --name {name}{results}", report]


if __name__ == "__main__":
    sys.exit(main())
