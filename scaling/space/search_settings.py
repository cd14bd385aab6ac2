"""How a study is searched: which cells run, which of them are stopped early, when it ends, and what it may spend."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from scaling.statistics import MARGIN
from scaling.study.config import Settings
from scaling.study.registry import Registry


@dataclass(frozen=True)
class SearchDesign:
    """A registered design: the function that proposes cells, and what it needs.

    Attributes:
        function: takes the space and its feasibility, and yields batches of cells.
        samples: whether it runs as many cells as `search.cells` says, and so needs that number.
        searches: whether it looks at results between batches.
    """

    function: Callable[..., Any]
    samples: bool = False
    searches: bool = False


MOST_CELLS = 20_000  # of a study
MOST_RATES = 99
ACCURACY = "val_accuracy"  # the objective that is not a cost
DESIGNS: Registry[SearchDesign] = Registry("design", "scaling.sweep.search.designs")
STOPPING_RULES: Registry[Callable[..., Any]] = Registry("stopping rule", "scaling.sweep.search.stopping")


class Stop(Settings):
    """When whole cells are stopped before their last epoch."""

    rule: str = Field(description="a registered stopping rule, such as asha")
    first: PositiveInt = Field(default=1, description="epoch of the first decision")
    factor: int = Field(
        default=3, ge=2, description="ratio of the epochs of successive decisions; rules such as asha keep 1/factor"
    )


class Search(Settings):
    """Which cells are run. Every cell has all its arms and repetitions, whatever the design."""

    design: str = Field(default="grid", description="a registered design, such as grid, random or tpe")
    cells: PositiveInt | None = Field(
        default=None, le=MOST_CELLS, description="how many to run; a grid runs all by default"
    )
    batch: PositiveInt = Field(
        default=4,
        le=MOST_CELLS,
        description="cells that a design such as tpe proposes at once; it sees results only between batches",
    )
    objectives: list[str] = Field(
        default=["val_accuracy", "macs"],
        min_length=1,
        description="for designs such as tpe: val_accuracy, and costs to minimise; of a cell, the mean over its arms",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="seed of the proposals")
    stop: Stop | None = Field(default=None, description="stop whole cells early")
    until: Literal["decided"] | None = Field(
        default=None, description="decided: add cells and repetitions until the verdict is no longer inconclusive"
    )

    margin: PositiveFloat = Field(
        default=MARGIN, description="percentage points; a difference whose interval lies within ± this counts as none"
    )

    @model_validator(mode="after")
    def _names_no_objective_twice(self) -> "Search":
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("objectives names one twice; leave one out")
        return self


class Tune(Settings):
    """A learning-rate grid for every cell and arm; the rate with the best validation accuracy represents it.

    The runs that choose the rate are not scored, so that no arm profits from the luck of its best run.
    """

    lr: PositiveInt = Field(
        default=3, le=MOST_RATES, description="number of rates; odd, so that the recipe's is the middle one"
    )
    factor: float = Field(default=2.0, ge=1.01, le=1000, description="ratio of neighbouring rates")
    choose_by: PositiveInt = Field(
        default=1,
        description="first repetitions, which run with every rate, choose by their mean and are not scored; the others"
        " run with the chosen rate",
    )

    @model_validator(mode="after")
    def _has_a_middle(self) -> "Tune":
        if self.lr % 2 == 0:
            raise ValueError(f"lr: {self.lr} rates have no middle one; give an odd number")
        return self

    def rates(self, base: float) -> list[float]:
        """Return the grid around `base`, ascending; six digits, so that keys do not depend on the last bit."""
        reach = self.lr // 2
        return [float(f"{base * self.factor**step:.6g}") for step in range(-reach, reach + 1)]

    def conditions(self) -> dict[str, Any]:
        """Return what makes another study; a default that is younger than some studies is left out."""
        return {"lr": self.lr, "factor": self.factor, **({"choose_by": self.choose_by} if self.choose_by != 1 else {})}


class Budget(Settings):
    """What a study may spend, including what it has spent before; without limits by default."""

    trials: PositiveInt | None = Field(default=None, description="trials started")
    hours: PositiveFloat | None = Field(default=None, description="wall-clock hours of this command")
    device_hours: PositiveFloat | None = Field(
        default=None, description="hours of trials times the GPUs of each, or on a CPU its cores"
    )
