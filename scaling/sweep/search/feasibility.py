"""Feasibility: which proposed cells a study can run, and with which settings of each arm."""

from collections.abc import Sequence

from scaling.costs.cost_table import CostTable, match_arms_of
from scaling.data import Dataset
from scaling.space.design import Cell, Design
from scaling.space.schema import Space
from scaling.study.config import DataConfig
from scaling.study.errors import SpaceError
from scaling.study.records import Seeding


class Feasibility:
    """Matches the arms of proposed cells, computes their costs and applies the limits.

    `design` and `cost_table` grow with the cells that were asked about.

    Args:
        seeding: of the study.
        earlier_keys: as in `Design`.
    """

    def __init__(
        self,
        space: Space,
        datasets: dict[DataConfig, Dataset],
        seeding: Seeding = "own",
        earlier_keys: frozenset[str] = frozenset(),
    ) -> None:
        content = {config: data.content for config, data in datasets.items() if data.content is not None}
        self.design = Design(space, seeding=seeding, data=content, earlier_keys=earlier_keys)
        self.cost_table = CostTable([], datasets, space.resources)

    def macs(self, cell: Cell) -> dict[str, int]:
        """Multiply-accumulates of an image's forward pass by arm, for a cell whose costs are computed."""
        design = self.design
        return {str(arm): self.cost_table.of(design.config(cell, arm, 0)).macs for arm in design.space.arm_values}

    def compute_costs(self, points: Sequence[Cell]) -> None:
        """Compute the costs of cells, all at once, which is much faster than one by one.

        Raises:
            CostError: arms that cannot be made to cost the same.
            ModelError: a network that cannot be built for the data.
        """
        self.design = match_arms_of(self.design, points, self.cost_table.datasets)
        self.cost_table.add(self.design.configs(points))

    def admit(self, points: Sequence[Cell]) -> list[Cell]:
        """Select the cells all of whose arms are within the limits.

        Raises:
            SpaceError: there is none; names the limit and the cost of the cheapest cell.
        """
        if not points:
            raise SpaceError("the space has no cells")
        self.compute_costs(points)
        return self.design.within_limits(points, self.cost_table.limited)

    def feasible(self, points: Sequence[Cell]) -> list[Cell]:
        """Select the cells all of whose arms are within the limits; there may be none."""
        self.compute_costs(points)
        return [cell for cell in points if all(value <= 0 for value in self._excess(cell).values())]

    def excess(self, cell: Cell) -> dict[str, float]:
        """By how much the most expensive arm of a cell exceeds each limit; at most 0 within the limit."""
        self.compute_costs([cell])
        return self._excess(cell)

    def _excess(self, cell: Cell) -> dict[str, float]:
        bounds = self.design.space.bounds
        configs = self.design.configs([cell])
        return {
            name: max(self.cost_table.limited(config, name) for config in configs) / bound - 1
            for name, bound in bounds.items()
        }
