"""`python -m scaling.sweep --space depth_width` runs the trials of a study that have no record yet."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from scaling.console import Terminal
from scaling.space.overrides import parse_overrides
from scaling.study import plugins
from scaling.study.command import command, whole_number
from scaling.study.errors import ScalingError
from scaling.study.records import read_study
from scaling.study.storage import Where, place
from scaling.sweep.authentication import require_token
from scaling.sweep.executor.replay import Replay
from scaling.sweep.lease import locked
from scaling.sweep.overview import listed, status
from scaling.sweep.plan import data_lines, intended_name, make_plan, shown
from scaling.sweep.run import RunOptions, carry_out
from scaling.sweep.signals import interrupted_by_sigterm
from scaling.sweep.study_data import adoption
from scaling.sweep.study_folder import previous, require_plugins
from scaling.sweep.tracking import TRACKERS, check_names, usual_trackers

EPILOG = """\
example:
  python -m scaling.sweep --space depth_width
  python -m scaling.sweep --space depth_width --data parquet:data/cifar10 --set recipe.epochs=20 --set repetitions=5

Run the same command again to continue: trials that have a record do not run again. Exit code: 0 all trials finished,
1 some failed, 2 invalid input, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scaling.sweep",
        description="Run a study: all cells, arms and repetitions of a space.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--space", metavar="NAME|FILE", help="name or file of the space to run")
    what.add_argument("--list", action="store_true", help="list all studies with their progress")
    what.add_argument("--status", metavar="STUDY", help="show one study")
    parser.add_argument(
        "--data", metavar="SPEC", help="a registered data source, such as digits, cifar10 or folder:PATH"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting, such as recipe.epochs=5"
    )
    parser.add_argument("--samples", type=whole_number, metavar="N", help="sample N cells instead of taking all")
    parser.add_argument("--name", help="name of the study; default: made from the space and the overrides")
    parser.add_argument(
        "--results",
        type=place,
        default=Path("results"),
        metavar="DIR",
        help="a folder, or s3://bucket/path; default: results",
    )
    parser.add_argument("--address", help="of a running Ray cluster; default: start one on this machine")
    parser.add_argument(
        "--replay", type=place, metavar="FOLDER", help="replay the learning curves of that study instead of training"
    )
    parser.add_argument(
        "--track",
        metavar="NAMES",
        help=f"tools that show the trials live: {', '.join(sorted(TRACKERS))}, or '' for none;"
        f" default: {','.join(usual_trackers())}",
    )
    plugins.add_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the cells and their costs, and run nothing")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    plugins.load(options.plugin)
    console = Terminal()
    if options.list or options.status is not None:
        for part in listed(options.results) if options.list else status(options.results / options.status):
            console.print(part, highlight=False, soft_wrap=isinstance(part, str))
        return 0
    with interrupted_by_sigterm():
        return sweep(console, options)


def sweep(console: Console, options: argparse.Namespace) -> int:
    """Plan a study, then run it or show the plan; return the exit code."""
    trackers = usual_trackers() if options.track is None else (options.track.split(",") if options.track else [])
    check_names(trackers)
    overrides = parse_overrides(options.set, options.data)
    name = options.name or replayed_name(options.space, options.replay)
    with console.status("reading the space, the data and the costs"):
        try:
            plan = make_plan(options.space, overrides, results=options.results, samples=options.samples, name=name)
        except ScalingError:
            started = name or intended_name(options.space, overrides)
            if started and (options.results / started / "study.json").exists():  # it may lack a plugin it was made with
                require_plugins(options.results / started, read_study(options.results / started))
            raise
    require_token(options.address)
    if options.dry_run:
        for part in shown(plan):
            console.print(part, highlight=False, soft_wrap=isinstance(part, str))
        return 0
    for line in data_lines(plan):
        console.print(line, highlight=False, soft_wrap=True)
    with locked(plan.folder):
        run_options = RunOptions(options.address, trackers, Replay.of(options.replay) if options.replay else None)
        before = previous(plan.folder, plan.space, plan.design.data)
        if adopted := adoption(before, plan.design):
            console.print(adopted, highlight=False, soft_wrap=True)
        return carry_out(console, plan, run_options, before)


def replayed_name(space: str, replay: Where | None) -> str | None:
    """Name of a study that is replayed, so that nobody takes it for a trained one."""
    return f"{Path(space).stem}-replay" if replay else None


if __name__ == "__main__":
    sys.exit(main())
