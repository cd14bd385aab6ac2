"""Theme: colours, markers and fonts of every figure.

The palette is fixed and suits colour-blind readers; each arm also has a marker shape. Each colour maps to a variable
of the page's style (`THEME`), so that figures follow the page into dark mode.
"""

from typing import Any

import seaborn as sns

WIDTH = 5.0  # inches; narrow, so that text stays readable on a phone
INK, MUTED, LINE, PAPER = "#1d2733", "#66717f", "#dfe3e8", "#ffffff"
ARM_COLOURS = [str(colour).lower() for colour in sns.color_palette("colorblind").as_hex()]
MARKERS = "osD^vPX*"
THEME = {INK: "--ink", MUTED: "--muted", LINE: "--line", PAPER: "--paper"} | {
    colour: f"--arm-{place}" for place, colour in enumerate(ARM_COLOURS)
}
STYLE: Any = {
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.bottom": True,
    "xtick.major.size": 3,
    "axes.linewidth": 0.8,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "text.parse_math": False,  # print a $ in a name as it is
    "svg.fonttype": "none",  # keep text as text: searchable, and in the page's font
    "svg.hashsalt": "scaling",  # write equal figures to equal files
}


def look(place: int) -> tuple[str, str]:
    """Colour and marker of the arm at index `place` of the study."""
    return ARM_COLOURS[place % len(ARM_COLOURS)], MARKERS[place % len(MARKERS)]
