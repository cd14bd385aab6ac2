"""The sweep: `python -m scaling.sweep --space depth_width` runs a study, or what is missing of it."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from scaling.console import Terminal
from scaling.space.overrides import parse_overrides
from scaling.study import plugins
from scaling.study.command import command
from scaling.study.errors import ScalingError
from scaling.study.records import read_study
from scaling.study.storage import Where, place
from scaling.sweep.authentication import require_token
from scaling.sweep.executor.replay import Replay
from scaling.sweep.overview import listed, status
from scaling.sweep.plan import intended_name, make_plan, shown
from scaling.sweep.run import RunOptions, carry_out
from scaling.sweep.signals import interrupted_by_sigterm
from scaling.sweep.study_folder import locked, previous, require_plugins
from scaling.sweep.trackers.registry import USUAL, check_names

EPILOG = """\
example:
  python -m scaling.sweep --space depth_width
  python -m scaling.sweep --space depth_width --data parquet:data/cifar10 --set recipe.epochs=20 --set seeds=5

The same command again runs only what is missing. Exit code: 0 all trials finished, 1 some failed, 2 a mistake in
what was asked, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scaling.sweep",
        description="Run a study: every cell, arm and seed of a space.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--space", metavar="NAME|FILE", help="the question: a space's name or its file")
    what.add_argument("--list", action="store_true", help="show the studies there are, and how far each has come")
    what.add_argument("--status", metavar="STUDY", help="show one study")
    parser.add_argument(
        "--data", metavar="SPEC", help="digits, cifar10, cifar100, parquet:PATH, folder:PATH, wds:PATH, hf:NAME"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting, such as recipe.epochs=5"
    )
    parser.add_argument("--samples", type=int, metavar="N", help="sample N cells instead of taking all")
    parser.add_argument("--name", help="name of the study; made from the space and the overrides where not given")
    parser.add_argument(
        "--results",
        type=place,
        default=Path("results"),
        metavar="DIR",
        help="a folder, or s3://bucket/path; default: results",
    )
    parser.add_argument("--address", help="of a running Ray cluster; a local one is started where not given")
    parser.add_argument(
        "--replay", type=place, metavar="FOLDER", help="take learning curves from the study there, and train nothing"
    )
    parser.add_argument(
        "--track", default=",".join(USUAL), metavar="NAMES",
        help="tools to tell of trials: optuna, tensorboard, mlflow, wandb, or '' for none; default: %(default)s",
    )  # fmt: skip
    plugins.add_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the trials and what they cost, run nothing")
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
    """Plan a study and run what is missing of it, or show what that would be; return the exit code."""
    trackers = options.track.split(",") if options.track else []
    check_names(trackers)
    overrides = parse_overrides(options.set, options.data)
    name = options.name or replayed_name(options.space, options.replay)
    with console.status("reading the space, the data and the costs"):
        try:
            plan = make_plan(
                options.space, overrides, results=options.results, samples=options.samples, name=name
            )
        except ScalingError:
            started = name or intended_name(options.space, overrides)
            if started and (options.results / started / "study.json").exists():  # it may lack a plugin it was made with
                require_plugins(options.results / started, read_study(options.results / started))
            raise
    require_token(options.address)
    if options.dry_run:
        for part in shown(plan):
            console.print(part, highlight=False)
        return 0
    with locked(plan.folder):
        means = RunOptions(options.address, trackers, Replay.of(options.replay) if options.replay else None)
        return carry_out(console, plan, means, previous(plan.folder, plan.space))


def replayed_name(space: str, replay: Where | None) -> str | None:
    """Name of a study that is not trained, so that it is never taken for one that is."""
    return f"{Path(space).stem}-replay" if replay else None


if __name__ == "__main__":
    sys.exit(main())
