"""How honest are the scaling fits? Simulated studies with a known law: coverage, identified floors, predicted sizes.

    python benchmarks/fits_simulation.py [--studies 2000]

Prints the table of docs/fits.md. All seeds are fixed.
"""

import argparse
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.known_laws import LawDesign, law_shares  # pyright: ignore[reportMissingImports] # of the tests, which ask the same

DESIGNS = [
    *(LawDesign(cells=cells, floor=floor) for floor, cells in itertools.product((0.0, 5.0), (6, 9, 12, 20))),
    *(LawDesign(cells=cells, shape_sd=0.5) for cells in (6, 12, 20)),
    *(LawDesign(cells=cells, decades=1.0) for cells in (6, 12, 20)),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies per setting")
    studies = parser.parse_args().studies
    print(
        "| cells | E | decades | shapes | α covers | E covers | A covers | difference covers | predicted |"
        " identified | open |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for number, one in enumerate(DESIGNS):
        found = law_shares(one, studies, seed=number)
        shares = (
            found.alpha, found.floor, found.amplitude, found.difference, found.predicted, found.identified, found.open
        )  # fmt: skip
        numbers = " | ".join(f"{100 * share:.1f} %" for share in shares)
        print(f"| {one.cells} | {one.floor:g} | {one.decades:g} | {one.shape_sd:g} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
