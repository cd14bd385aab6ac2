"""`python -m scaling.rehearse STUDY` shows what each stopping rule would have done to a finished study."""

import argparse
import sys
from pathlib import Path

from scaling.space.search_settings import STOPPING_RULES, Stop
from scaling.study import plugins
from scaling.study.command import command
from scaling.study.records import read_records, read_study
from scaling.study.storage import place
from scaling.sweep.search.rehearsal import rehearse

EPILOG = """\
example:
  python -m scaling.rehearse depth_width
  python -m scaling.rehearse depth_width --first 2 --factor 2

A stop is wrong if the cell, run to its end, would have been on the front of one of its arms.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scaling.rehearse",
        description="Replay a finished study under each stopping rule and count the wrong stops.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", metavar="STUDY", help="name of a study, or its folder")
    parser.add_argument("--results", type=place, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--first", type=_epoch, default=1, metavar="EPOCH", help="of the first decision; default: 1")
    parser.add_argument("--factor", type=_factor, default=3, metavar="N", help="see search.stop.factor; default: 3")
    plugins.add_option(parser)
    return parser


def _epoch(text: str) -> int:
    return Stop(rule="asha", first=int(text)).first  # pydantic's error is a ValueError, which argparse understands


def _factor(text: str) -> int:
    return Stop(rule="asha", factor=int(text)).factor


_epoch.__name__, _factor.__name__ = "epoch from 1 on", "whole number from 2 on"  # shown by argparse as what it expected


@command
def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    plugins.load(options.plugin)
    folder = options.results / options.study
    folder = folder if (folder / "study.json").is_file() else place(options.study)
    study, records = read_study(folder), read_records(folder)
    for rule in sorted(STOPPING_RULES):
        print(rehearse(study, records, Stop(rule=rule, first=options.first, factor=options.factor)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
