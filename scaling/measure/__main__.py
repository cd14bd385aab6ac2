"""`python -m scaling.measure`: costs without training, of models by name or of every cell of a space."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pydantic import ByteSize, TypeAdapter
from rich import box
from rich.table import Table
from rich.text import Text

from scaling.console import Terminal
from scaling.costs.counting.quick import ImageSize
from scaling.costs.live_tensors import Step
from scaling.costs.matching import match_costs
from scaling.devices import KINDS, chosen
from scaling.measure.columns import in_order, readable, title
from scaling.measure.models import Candidate, from_models, from_space
from scaling.measure.rows import Row, breakdown, measured, solved, timed
from scaling.space.overrides import parse_overrides
from scaling.study import plugins
from scaling.study.command import command, finite_number, whole_number
from scaling.study.errors import CostError, unknown
from scaling.wording import shortened

EPILOG = """\
examples:
  python -m scaling.measure --model timm:resnet50 timm:vit_small_patch16_224
  python -m scaling.measure --model patchconvnet --set width=384 --set depth=[60,120] --image-size 224 --batch-size 64
  python -m scaling.measure --space depth_width --sort macs
  python -m scaling.measure --model patchconvnet --set depth=12 --set pooling=[average,attention] --match macs=1e9

MACs are multiply-accumulates of convolutions, linear layers and matrix products of one image; FLOPs = 2 x MACs.
Single models are counted by fvcore and by torch, which must agree; spaces by torch, checked on a sample.
Exit code: 0, or 2 for a mistake in the arguments.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scaling.measure",
        description="Print the costs of models without training them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", nargs="+", metavar="NAME", help="timm:NAME, or a family such as patchconvnet")
    what.add_argument("--space", metavar="NAME|FILE", help="every cell and arm of a space")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a family's parameter, or a space's setting"
    )
    parser.add_argument("--data", metavar="SPEC", help="of a space: replaces its data")
    parser.add_argument("--samples", type=whole_number, metavar="N", help="of a space: sample N cells instead of all")
    parser.add_argument("--image-size", type=image_size, metavar="N|HxW", help="in pixels [the model's own, or 224]")
    parser.add_argument("--in-chans", type=whole_number, metavar="N", help="channels of the image [3]")
    parser.add_argument("--num-classes", type=whole_number, metavar="N", help="[the model's own, or 1000]")
    parser.add_argument("--batch-size", type=whole_number, metavar="N", help="predict memory for N images per step")
    parser.add_argument("--precision", choices=["float32", "tf32", "bfloat16"], help="of memory and latency [float32]")
    parser.add_argument("--optimizer", help="of training memory: adamw, lamb or sgd [adamw]")
    parser.add_argument("--checkpointing", action="store_true", help="predict memory with activation checkpointing")
    parser.add_argument("--memory", action="store_true", help="of a space: predict memory at its batch size")
    parser.add_argument(
        "--device", default=None, help=f"{', '.join(KINDS)}, of memory and latency [the first that is there]"
    )
    parser.add_argument(
        "--latency", action="store_true", help="time each with one image and with as many as fit up to 256"
    )
    parser.add_argument("--compiled", action="store_true", help="also time each after torch.compile")
    parser.add_argument("--seconds", type=finite_number, default=2.0, help="how long to repeat each timing [2]")
    parser.add_argument("--allow-busy", action="store_true", help="time even while other processes use the device")
    parser.add_argument("--match", metavar="COST=VALUE", help=f"solve for a cost; one of {', '.join(match_costs())}")
    parser.add_argument("--vary", default="width", metavar="KEY", help="parameter that --match solves for [width]")
    parser.add_argument("--by", choices=["operator", "module"], help="of one model: split its costs")
    parser.add_argument("--sort", metavar="COLUMN", help="of the table, such as macs; smallest first")
    parser.add_argument("--descending", action="store_true", help="with --sort: largest first")
    plugins.add_option(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print CSV, whole numbers")
    form.add_argument("--json", action="store_true", help="print JSON, whole numbers")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write to a file instead")
    return parser


def image_size(text: str) -> ImageSize:
    """Read `224` or `224x320` (height, width)."""
    sides = [whole_number(side) for side in text.lower().replace("×", "x").split("x")]
    if len(sides) > 2 or min(sides) < 1:
        raise ValueError(text)
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


@command
def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    plugins.load(options.plugin)
    options.device = options.device or str(chosen())  # memory is predicted for any, latency needs the device itself
    show(sorted_rows(rows_for(options), options.sort, options.descending), options)
    return 0


def rows_for(options: argparse.Namespace) -> list[Row]:
    """Return the rows of the requested table."""
    found = candidates(options)
    if options.by:
        if len(found) != 1:
            raise CostError(f"--by splits the costs of one model; {len(found)} were named")
        return breakdown(found[0], options.by)
    if options.match:
        cost, target = _target(options.match)
        return [solved(c, cost, target, options.vary, step_of(c, options)) for c in without(options.vary, found)]
    if not (options.latency or options.compiled):
        return [measured(candidate, step_of(candidate, options)) for candidate in found]
    kinds = (False, True) if options.compiled else (False,)
    return [
        {**candidate.labels, **times}
        for candidate in found
        for times in timed(
            candidate,
            options.precision or "float32",
            str(chosen(options.device, "--device")),
            kinds,
            seconds=options.seconds,
            allow_busy=options.allow_busy,
        )
    ]


def candidates(options: argparse.Namespace) -> list[Candidate]:
    """Return the models to measure."""
    settings = parse_overrides(options.set, options.data if options.space else None)
    known = {name: getattr(options, name) for name in ("image_size", "in_chans", "num_classes")}
    given = {name: value for name, value in known.items() if value is not None}
    if not options.space:
        if options.match:
            settings.pop(options.vary, None)
        return list(from_models(options.model, settings, given))
    if given:
        flag = next(iter(given)).replace("_", "-")
        raise CostError(f"--{flag}: a space's data decide that; use --data, or --set data.image_size=N")
    return from_space(options.space, settings, options.samples, options.device if options.memory else None)


def step_of(candidate: Candidate, options: argparse.Namespace) -> Step | None:
    """Return the step whose memory is predicted, or None without a batch size."""
    asked = {name: getattr(options, name) for name in ("batch_size", "precision", "optimizer")}
    settings = {**candidate.recipe, **{name: value for name, value in asked.items() if value is not None}}
    if "batch_size" not in settings:
        return None
    return Step(**settings, checkpointing=options.checkpointing, device=options.device)


def without(name: str, found: Sequence[Candidate]) -> list[Candidate]:
    """Return the distinct candidates without the parameter `name`."""
    distinct: dict[str, Candidate] = {}
    for candidate in found:
        kept = candidate.without(name)
        distinct.setdefault(json.dumps([kept.labels, kept.arch], sort_keys=True), kept)
    return list(distinct.values())


def sorted_rows(rows: list[Row], column: str | None, descending: bool) -> list[Row]:
    """Sort rows by a column; rows without a value come last."""
    if column is None:
        return rows
    if column not in columns_of(rows):
        raise CostError(unknown("column", column, columns_of(rows)))
    table = pd.DataFrame(rows).sort_values(column, ascending=not descending, kind="stable")
    return [rows[number] for number in table.index]


def columns_of(rows: list[Row]) -> list[str]:
    """Return the columns of a table in their order."""
    return in_order(list(dict.fromkeys(key for row in rows for key in row)))


def show(rows: list[Row], options: argparse.Namespace) -> None:
    """Print rows, or write them to a file."""
    if options.json or (options.out and options.out.suffix == ".json"):
        text = json.dumps(rows, indent=1, default=str)
    elif options.csv or options.out:
        text = pd.DataFrame(rows, columns=pd.Index(columns_of(rows))).astype(object).to_csv(index=False).rstrip("\n")
    else:
        console = Terminal()
        console.print(as_table(rows), soft_wrap=not console.is_terminal)
        return
    if options.out:
        options.out.write_text(text + "\n")
        print(f"{len(rows)} rows written to {options.out}")
    else:
        print(text)


def as_table(rows: list[Row]) -> Table:
    """Return rows as a table in readable units."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = columns_of(rows)
    for column in columns:
        is_number = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(title(column), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(Text(readable(column, row.get(column)), no_wrap=True) for column in columns))
    return table


def _target(text: str) -> tuple[str, float]:
    """Read `macs=4e9`; memory may have a unit, as in `training_memory=16GiB`."""
    cost, equals, value = text.partition("=")
    if not equals:
        raise CostError(f"--match {text}: write COST=VALUE, such as macs=4e9")
    try:
        target = float(TypeAdapter(ByteSize).validate_python(value)) if "memory" in cost else float(value)
    except (ValueError, OverflowError):
        raise CostError(f"--match {shortened(text)}: '{shortened(value)}' is not a number") from None
    if not 0 < target < math.inf:
        raise CostError(f"--match {shortened(text)}: needs a number above 0 that is finite")
    return cost, target


if __name__ == "__main__":
    sys.exit(main())
