"""Write the report of one study, or of several side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.statistics import MARGIN
from scaling.study.errors import RecordError, unknown
from scaling.study.storage import Where, place

if TYPE_CHECKING:
    from scaling.report.analysis.analysis import Analysis
    from scaling.report.analysis.context import References


@dataclass(frozen=True)
class Report:
    """A written report."""

    verdict: str  # one line per arm that is compared with the baseline
    page: Path
    missing: tuple[str, ...] = ()  # files that could not be read, and trials, that were left out, one line each


@dataclass(frozen=True)
class ReportOptions:
    """Settings of all reports of one command."""

    margin: float = MARGIN
    baseline: Where | None = None  # an earlier study, to show changes
    references: Sequence["References"] = ()
    verdict_now: bool = False  # although trials of the plan are missing; it counts as a look


def find_studies(names: list[str], results: Where) -> list[Where]:
    """Find the folders of studies by name in `results` or by path; all in `results` if no name is given.

    Raises:
        RecordError: a name matches no study, or two would write the same report; one line each.
    """
    known = {path.parent.name: path.parent for path in sorted(results.glob("*/study.json"), key=str)}
    if not names:
        if not known:
            raise RecordError(f"{results} has no study; run `python -m scaling.sweep` first, or give --results")
        return list(known.values())
    found: dict[str, Where] = {}
    problems = []
    for name in names:
        folder = known.get(name) or place(name)
        if not (folder / "study.json").is_file():
            problems.append(f"{unknown('study', name, known)}; looked in {results} and for a folder with study.json")
        elif found.setdefault(folder.resolve().name, folder).resolve() != folder.resolve():
            problems.append(
                f"{found[folder.resolve().name]} and {folder} would write the same report; give them one at a time"
            )
    if problems:
        raise RecordError(problems)
    return list(found.values())


def write_report(
    study_folder: str | Where, out_folder: str | Path = "reports", *, margin: float = MARGIN, verdict_now: bool = False
) -> Report:
    """Write the report of the study at `study_folder` into a folder of the same name in `out_folder`.

    Every file is written under a temporary name and renamed, the page last; equal records give equal files. Records
    that cannot be read are named and left out.

    Args:
        margin: percentage points within which a difference counts as none.
        verdict_now: give a verdict although trials of the plan are missing; it counts as a look at the study.

    Raises:
        RecordError: the study cannot be read.
    """
    return write_one(place(study_folder), Path(out_folder), ReportOptions(margin, verdict_now=verdict_now))


def write_one(folder: Where, out: Path, options: ReportOptions) -> Report:
    """Write the report of the study at `folder` into a folder of the same name in `out`."""
    # Imported here: the drawing libraries take two seconds to load, which would delay error messages and --help.
    from scaling.report.analysis.changes import find_changes
    from scaling.report.looks_file import analyse_study, keep_look, read_looks
    from scaling.report.publish import given_space, publish, study_commands

    target = out / folder.resolve().name
    analysis = analyse_study(folder, options.margin, options.verdict_now)
    notes = [*analysis.context.notes, *filter(None, [keep_look(folder, analysis)])]
    context = replace(analysis.context, references=options.references, notes=notes, looks=read_looks(folder))
    if options.baseline is not None and options.baseline.resolve() != folder.resolve():
        earlier = analyse_study(options.baseline, options.margin)
        said = keep_look(options.baseline, earlier)  # its verdict is shown, which is a look at it
        lines = [f"{earlier.study.name}: {line}" for line in earlier.context.left_out]
        changes = find_changes(analysis, earlier)
        notes += [f"{earlier.study.name}: {said}"] if said else []
        context = replace(context, notes=notes, changes=changes, left_out=[*context.left_out, *lines])
    analysis = replace(analysis, context=context)
    commands = study_commands(folder, target, bool(given_space(analysis)), analysis.study.plugins)
    page = publish(analysis, target, folder, commands)
    return Report(analysis.headline, page, (*context.left_out, *_other_images(analysis)))


def compare_studies(folders: Sequence[Where], out: Path, options: ReportOptions | None = None) -> Report:
    """Write one report on several studies, the first the baseline, into a folder named after all, joined by `+`.

    Raises:
        RecordError: a study cannot be read, or two have the same name.
    """
    from scaling.report.analysis.analysis import analyse
    from scaling.report.analysis.context import Context
    from scaling.report.analysis.joint import Member, join
    from scaling.report.analysis.trial_table import count
    from scaling.report.analysis.verdicts import Look
    from scaling.report.publish import joint_commands, publish
    from scaling.study.reading import read_what_can_be
    from scaling.study.records import read_study

    options = options or ReportOptions()
    joint = join([Member(read_study(folder), read_what_can_be(folder)) for folder in folders])
    context = Context(joint.left_out, joint.notes, references=options.references)
    is_complete = count(joint.study, joint.records).is_complete
    look = Look(None, is_verdict=is_complete or options.verdict_now)
    analysis = analyse(joint.study, joint.records, options.margin, context, look)
    target = out / "+".join(folder.resolve().name for folder in folders)
    page = publish(analysis, target, None, joint_commands(folders, target))
    return Report(analysis.headline, page, (*joint.left_out, *_other_images(analysis)))


def _other_images(analysis: "Analysis") -> list[str]:
    """A line on trials that were scored on other test images than most, if there are any."""
    from scaling.report.analysis.scored_images import on_other_images_text

    return [said] if (said := on_other_images_text(analysis.study, analysis.records)) else []
