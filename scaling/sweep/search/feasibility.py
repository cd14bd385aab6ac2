"""Admission: which proposed cells a study can run, and with which settings of each arm."""

from collections.abc import Sequence

from scaling.costs.cost_table import CostTable, match_arms_of
from scaling.data import Dataset
from scaling.space.design import Cell, Design
from scaling.space.schema import Space
from scaling.study.config import DataConfig
from scaling.study.errors import SpaceError


class Feasibility:
    """Matches the arms of proposed cells, prices them and holds them to the limits.

    It grows with the cells that it is asked about: `design` and `cost_table` know them all.
    """

    def __init__(self, space: Space, datasets: dict[DataConfig, Dataset]) -> None:
        self.design = Design(space)
        self.cost_table = CostTable([], datasets, space.resources)

    def macs(self, cell: Cell) -> dict[str, int]:
        """Multiply-accumulates of an image's forward pass, by arm, of a cell that was priced."""
        design = self.design
        return {str(arm): self.cost_table.of(design.config(cell, arm, 0)).macs for arm in design.space.arm_values}

    def price(self, points: Sequence[Cell]) -> None:
        """Learn what cells cost, all in one go, which is much faster than one by one.

        Raises:
            CostError: arms that cannot be made to cost the same.
            ModelError: a network that cannot be built for the data.
        """
        self.design = match_arms_of(self.design, points, self.cost_table.datasets)
        self.cost_table.add(self.design.configs(points))

    def admit(self, points: Sequence[Cell]) -> list[Cell]:
        """Cells that keep to the limits in all of their arms.

        Raises:
            SpaceError: none does; names the limit and what the cheapest cell costs.
        """
        if not points:
            raise SpaceError("the space has no cells")
        self.price(points)
        return self.design.within_limits(points, self.cost_table.limited)

    def feasible(self, points: Sequence[Cell]) -> list[Cell]:
        """Likewise, but none is an answer too."""
        self.price(points)
        return [cell for cell in points if all(value <= 0 for value in self._excess(cell).values())]

    def excess(self, cell: Cell) -> dict[str, float]:
        """By how much of each limit a cell exceeds it, in its dearest arm; not above 0 where it keeps to it."""
        self.price([cell])
        return self._excess(cell)

    def _excess(self, cell: Cell) -> dict[str, float]:
        bounds = {name: bound for name, bound in self.design.space.limits if bound is not None}
        configs = self.design.configs([cell])
        return {
            name: max(self.cost_table.limited(config, name) for config in configs) / bound - 1
            for name, bound in bounds.items()
        }
