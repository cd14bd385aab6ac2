"""The report: `python -m scaling.report depth_width` turns a study's records into a verdict and a page."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.statistics import MARGIN
from scaling.study.errors import RecordError, ScalingError, command, unknown
from scaling.study.storage import Where, place

if TYPE_CHECKING:
    from scaling.answers.context import References

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


@dataclass(frozen=True)
class Report:
    """What a report says, and where."""

    verdict: str  # one sentence; a line for each arm that is compared with the baseline
    page: Path
    missing: tuple[str, ...] = ()  # what could not be read and was left out, one line a file


@dataclass(frozen=True)
class Options:
    """What all reports of one command have in common."""

    margin: float = MARGIN
    baseline: Where | None = None  # an earlier study, to mark what changed
    references: Sequence["References"] = ()


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
            report = _write(folder, asked.out, options)
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
    from scaling.imports import import_study, parse

    folder, notes = import_study(parse(spec, arms), results, name)
    print("\n".join(notes))
    return folder


def _references(names: Sequence[str]) -> list["References"]:
    from scaling.references import read_references

    return [read_references(name) for name in names]


def _baseline(name: str | None, results: Where) -> Where | None:
    return find_studies([name], results)[0] if name else None


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

    Every file is written beside its place and renamed into it, the page last; equal records give equal files. Records
    that cannot be read are named and left out.

    Args:
        margin: percentage points within which a difference counts as none.

    Raises:
        RecordError: the study cannot be read.
    """
    return _write(place(study_folder), Path(out_folder), Options(margin))


def _write(folder: Where, out: Path, options: Options) -> Report:
    # Imported here: drawing takes two seconds to load, which an error message or --help need not wait for.
    from scaling.answers.analysis import analyse_study
    from scaling.answers.changes import find_changes
    from scaling.publish import asked_space, publish, study_commands

    target = out / folder.resolve().name
    analysis = analyse_study(folder, options.margin)
    context = replace(analysis.context, references=options.references)
    if options.baseline is not None and options.baseline.resolve() != folder.resolve():
        earlier = analyse_study(options.baseline, options.margin)
        lines = [f"{earlier.study.name}: {line}" for line in earlier.context.left_out]
        changes = find_changes(analysis, earlier)
        context = replace(context, changes=changes, left_out=[*context.left_out, *lines])
    analysis = replace(analysis, context=context)
    page = publish(analysis, target, folder, study_commands(folder, target, bool(asked_space(analysis))))
    return Report(analysis.headline, page, tuple(context.left_out))


def compare_studies(folders: Sequence[Where], out: Path, options: Options | None = None) -> Report:
    """Write one report on several studies, the first the baseline, into a folder of their names joined by a plus.

    Raises:
        RecordError: one of them cannot be read, or two have one name.
    """
    from scaling.answers.analysis import analyse
    from scaling.answers.context import Context
    from scaling.answers.joint import Member, join
    from scaling.publish import joint_commands, publish
    from scaling.study.reading import read_what_can_be
    from scaling.study.records import read_study

    options = options or Options()
    joint = join([Member(read_study(folder), read_what_can_be(folder)) for folder in folders])
    context = Context(joint.left_out, joint.notes, options.references)
    analysis = analyse(joint.study, joint.records, options.margin, context)
    target = out / "+".join(folder.resolve().name for folder in folders)
    page = publish(analysis, target, None, joint_commands(folders, target))
    return Report(analysis.headline, page, tuple(joint.left_out))


if __name__ == "__main__":
    sys.exit(main())
