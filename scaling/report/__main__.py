"""The report: `python -m scaling.report depth_width` turns a study's records into a verdict and a page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.statistics import MARGIN
from scaling.study import plugins
from scaling.study.command import command
from scaling.study.errors import RecordError, ScalingError
from scaling.study.storage import Where, place

if TYPE_CHECKING:
    from scaling.report.analysis.context import References

from scaling.report.write import Options, Report, compare_studies, find_studies, write_one

EPILOG = """\
examples:
  python -m scaling.report depth_width
  python -m scaling.report --results results --out reports      every study there is
  python -m scaling.report first second                         each, and the second against the first
  python -m scaling.report second --baseline first              what changed since
  python -m scaling.report depth_width --reference patchconvnet
  python -m scaling.report --import timm:results-imagenet.csv,benchmark-infer.csv --name published
  python -m scaling.report --import 'csv:runs.csv?accuracy=acc&macs=gmacs*1e9&arm=pooling&cell=depth,width'

Writes DIR/STUDY/index.html (one file, opens from disk), verdict.json, figures and tables, and ends with the verdict.
A study that is not complete, or not whole, gives the report that is possible. Exit code: 0 written, 2 a mistake.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scaling.report",
        description="Report on studies: a verdict with its uncertainty, and a page.",
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
        help=f"differences within ± this many percentage points count as none; fix it beforehand (default: {MARGIN})",
    )
    add("--baseline", metavar="STUDY", help="an earlier study; the report says what changed since")
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
        help="others' results, made a study in --results: timm:FILE,FILE, csv:FILE?accuracy=COLUMN&…, tune:FOLDER",
    )
    add("--name", help="name of the imported study; default: that of the file")
    add(
        "--arm",
        metavar="COLUMN[=VALUE,…]",
        help="of --import: what arms differ in, the first value the baseline; for timm also family, tag, architecture",
    )
    plugins.add_option(parser)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise ValueError
    return value


_positive.__name__ = "number above 0"  # what argparse says was expected


@command
def main(argv: list[str] | None = None) -> int:
    asked = parser().parse_args(argv)
    plugins.load(asked.plugin)
    if asked.imported is None and (asked.name or asked.arm):
        raise RecordError("--name and --arm belong to --import KIND:PATH; a study is named by its folder")
    folders = find_studies(asked.studies, asked.results) if asked.studies or asked.imported is None else []
    options = Options(asked.margin, _baseline(asked.baseline, asked.results), _references(asked.reference))
    if asked.imported is not None:
        folders = [*folders, _import(asked.imported, asked.arm, asked.results, asked.name)]
    problems = []
    read = []
    for folder in folders:
        try:
            report = write_one(folder, asked.out, options)
        except ScalingError as mistake:  # the other studies are reported all the same
            problems += mistake.problems
            continue
        read.append(folder)
        _tell(report)
    if len(read) > 1 and (asked.studies or asked.imported):
        try:
            _tell(compare_studies(read, asked.out, options))
        except ScalingError as mistake:
            problems += mistake.problems
    if problems:
        raise RecordError(problems)
    return 0


def _tell(report: Report) -> None:
    for line in report.missing:
        print(f"left out: {line}", file=sys.stderr)
    print(f"{report.verdict}\n{report.page}")


def _import(spec: str, arms: str | None, results: Where, name: str | None) -> Where:
    from scaling.report.imports import import_study, parse

    folder, notes = import_study(parse(spec, arms), results, name)
    print("\n".join(notes))
    return folder


def _references(names: Sequence[str]) -> list["References"]:
    from scaling.report.references import read_references

    return [read_references(name) for name in names]


def _baseline(name: str | None, results: Where) -> Where | None:
    return find_studies([name], results)[0] if name else None


if __name__ == "__main__":
    sys.exit(main())
