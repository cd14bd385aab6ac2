"""Are the probabilities and hypervolumes of fronts right in simulated studies whose fronts are known?

    python benchmarks/front_simulation.py [--studies 1000]

Prints the table of fronts in docs/statistics.md. All seeds are fixed.
"""

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.known_fronts import front_shares

# cells, repetitions, effect in points, deviation in points by which a cell's shape moves both arms
SETTINGS = [(6, 3, 0.0, 1.0), (6, 2, 0.0, 1.0), (12, 3, 0.0, 1.0), (12, 5, 0.3, 0.3), (30, 3, 0.0, 1.0)]
MORE_COST = 0.05  # in log, of an arm with an effect


def percent(*shares: float) -> str:
    return " | ".join("–" if math.isnan(share) else f"{100 * share:.1f} %" for share in shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies per row")
    options = parser.parse_args()
    names = "effect | volume covers | difference covers | differs | P ≥ 95 % and on it | calibration"
    print(f"| cells × repetitions | {names} |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | :--- |")
    for number, (cells, repetitions, effect, shape) in enumerate(SETTINGS):
        more = MORE_COST if effect else 0.0
        shares = front_shares(cells, repetitions, effect, more, shape, options.studies, seed=number)
        rates = percent(
            shares.volume_covers, shares.difference_covers, shares.difference_differs, shares.sure_are_right
        )
        said = ", ".join(f"{100 * given:.0f} → {100 * found:.0f}" for given, found, _ in shares.calibration)
        print(f"| {cells} × {repetitions} | {effect:g} | {rates} | {said} |", flush=True)


if __name__ == "__main__":
    main()
