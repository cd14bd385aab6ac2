"""Words: what a sentence calls the arms and the cost."""

from collections.abc import Callable
from dataclasses import dataclass, replace


def short_cost(value: float) -> str:
    """A cost of unknown unit: `0.3 M`, `5.1 M`, `120`."""
    for least, size, letter in ((1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e5, 1e6, "M"), (1e3, 1e3, "k")):
        if value >= least:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


@dataclass(frozen=True)
class Words:
    """How a sentence calls things."""

    baseline: str = "the baseline"
    arm: str = "the arm"
    cost: str = ""  # unit behind a cost, such as MACs
    cost_number: Callable[[float], str] = short_cost  # a cost without its unit
    cost_title: str = ""  # behind "at equal"; by default its unit
    ran: str = "that were run"  # which models are meant

    def along(self, cost: str, number: Callable[[float], str], title: str = "") -> "Words":
        """The same words with another cost."""
        return replace(self, cost=cost, cost_number=number, cost_title=title)

    def costs(self, value: float) -> str:
        return f"{self.cost_number(value)} {self.cost}".rstrip()

    def span(self, low: float, high: float, joint: str = "and") -> str:
        return f"{self.cost_number(low)} {joint} {self.costs(high)}"
