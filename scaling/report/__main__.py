"""The command: `python -m scaling.report depth_width` turns a study's records into a verdict and a page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.report.write import Report, ReportOptions, compare_studies, find_studies, write_one
from scaling.statistics import MARGIN
from scaling.study import plugins
from scaling.study.command import command
from scaling.study.errors import RecordError, ScalingError
from scaling.study.storage import Where, place

if TYPE_CHECKING:
    from scaling.report.analysis.context import References

EPILOG = """\
examples:
  python -m scaling.report depth_width
  python -m scaling.report --results results --out reports      every study in results
  python -m scaling.report first second                         each, and the second compared with the first
  python -m scaling.report second --baseline first              changes since the first
  python -m scaling.report depth_width --reference patchconvnet
  python -m scaling.report --import timm:results-imagenet.csv,benchmark-infer.csv --name published
  python -m scaling.report --import 'csv:runs.csv?accuracy=acc&macs=gmacs*1e9&arm=pooling&cell=depth,width'

Writes DIR/STUDY/index.html (one file, opens from disk), verdict.json, figures and tables, and prints the verdict.
An incomplete or damaged study gives a report on what it has. Exit code: 0 written, 2 error.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scaling.report",
        description="Write reports on studies: a verdict with its uncertainty, and a page.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "studies", nargs="*", metavar="STUDY", help="name of a study, or its folder; several are compared; default: all"
    )
    add("--results", type=place, default=Path("results"), metavar="DIR|URI", help="default: results; or s3://…")
    add("--out", type=Path, default=Path("reports"), metavar="DIR", help="default: reports")
    add(
        "--margin",
        type=_positive,
        default=MARGIN,
        metavar="POINTS",
        help=f"differences within ± this many percentage points count as none; set it beforehand (default: {MARGIN})",
    )
    add(
        "--verdict-now",
        action="store_true",
        help="give a verdict although trials of the plan are missing; it counts as a look, and the next is stricter",
    )
    add("--baseline", metavar="STUDY", help="an earlier study; the report shows what changed since")
    add(
        "--reference",
        action="append",
        default=[],
        metavar="NAME|FILE",
        help="published numbers to draw in, such as patchconvnet or attention_augmented; may be repeated",
    )
    add(
        "--import",
        dest="imported",
        metavar="KIND:PATH",
        help="import others' results as a study in --results: timm:FILE,FILE, csv:FILE?accuracy=COLUMN&…, tune:FOLDER",
    )
    add("--name", help="name of the imported study; default: name of the file")
    add(
        "--arm",
        metavar="COLUMN[=VALUE,…]",
        help="with --import: column of the arms, the first value the baseline; for timm also family, tag, architecture",
    )
    add(
        "--arms",
        metavar="COLUMN,COLUMN",
        help="with --import csv: columns of scores, one an arm, the first the baseline",
    )
    plugins.add_option(parser)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise ValueError
    return value


_positive.__name__ = "number above 0"  # shown by argparse as the expected type


@command
def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    plugins.load(options.plugin)
    if options.imported is None and (options.name or options.arm or options.arms):
        raise RecordError("--name, --arm and --arms need --import KIND:PATH; a study is named by its folder")
    folders = find_studies(options.studies, options.results) if options.studies or options.imported is None else []
    settings = ReportOptions(
        options.margin,
        _baseline(options.baseline, options.results),
        _references(options.reference),
        options.verdict_now,
    )
    if options.imported is not None:
        folders = [*folders, _import(options)]
    problems = []
    read = []
    for folder in folders:
        try:
            report = write_one(folder, options.out, settings)
        except ScalingError as mistake:  # report the other studies nevertheless
            problems += mistake.problems
            continue
        read.append(folder)
        _print(report)
    if len(read) > 1 and (options.studies or options.imported):
        try:
            _print(compare_studies(read, options.out, settings))
        except ScalingError as mistake:
            problems += mistake.problems
    if problems:
        raise RecordError(problems)
    return 0


def _print(report: Report) -> None:
    for line in report.missing:
        print(f"left out: {line}", file=sys.stderr)
    print(f"{report.verdict}\n{report.page}")


def _import(options: argparse.Namespace) -> Where:
    from scaling.report.imports import import_study, parse

    request = parse(options.imported, options.arm, options.arms)
    folder, notes = import_study(request, options.results, options.name)
    print("\n".join(notes))
    return folder


def _references(names: Sequence[str]) -> list["References"]:
    from scaling.report.references import read_references

    return [read_references(name) for name in names]


def _baseline(name: str | None, results: Where) -> Where | None:
    return find_studies([name], results)[0] if name else None


if __name__ == "__main__":
    sys.exit(main())
