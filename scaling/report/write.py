"""Write the report of one study, or of several side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scaling.statistics import MARGIN
from scaling.study.errors import RecordError, unknown
from scaling.study.storage import Where, place

if TYPE_CHECKING:
    from scaling.report.analysis.context import References


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
    return write_one(place(study_folder), Path(out_folder), Options(margin))


def write_one(folder: Where, out: Path, options: Options) -> Report:
    # Imported here: drawing takes two seconds to load, which an error message or --help need not wait for.
    from scaling.report.analysis.analysis import analyse_study
    from scaling.report.analysis.changes import find_changes
    from scaling.report.publish import asked_space, publish, study_commands

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
    from scaling.report.analysis.analysis import analyse
    from scaling.report.analysis.context import Context
    from scaling.report.analysis.joint import Member, join
    from scaling.report.publish import joint_commands, publish
    from scaling.study.reading import read_what_can_be
    from scaling.study.records import read_study

    options = options or Options()
    joint = join([Member(read_study(folder), read_what_can_be(folder)) for folder in folders])
    context = Context(joint.left_out, joint.notes, options.references)
    analysis = analyse(joint.study, joint.records, options.margin, context)
    target = out / "+".join(folder.resolve().name for folder in folders)
    page = publish(analysis, target, None, joint_commands(folders, target))
    return Report(analysis.headline, page, tuple(joint.left_out))
