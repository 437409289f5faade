"""How figures look, on the page and in print: one palette, one size, nothing that is not data."""

from collections.abc import Sequence

# Okabe and Ito's colours, which people of any colour vision tell apart ("Color Universal Design", 2008).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A6A00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
PAGE_MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
GRID = "#e3e3e3"
SHADE = "#c9c9c9"
INK = "#222222"
FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"
COLOUR_SCALE = "Viridis"
# Inches; with the dots per inch a picture is 1,440 by 960 (or 2,160 by 960) pixels: a column of print, sharp.
SIZE, SIZE_WIDE, DPI = (7.2, 4.8), (10.8, 4.8), 200
# Area of the largest bubble, in square points.
BUBBLE_AREA = 2_200
# Cells of a heat map that still show their numbers.
NUMBERED_CELLS_MAX = 150


def colour(number: int) -> str:
    """Of the layer or group with this number."""
    return PALETTE[number % len(PALETTE)]


def faint(hexadecimal: str, opacity: float) -> str:
    """A colour as plotly's rgba(...)."""
    red, green, blue = (int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def bubble_areas(sizes: Sequence[int | float]) -> list[float]:
    """Square points of each disc: the largest has `BUBBLE_AREA`, none is too small to see."""
    largest = max(sizes, default=0) or 1
    return [max(BUBBLE_AREA * size / largest, BUBBLE_AREA / 40) for size in sizes]


def cell_text(value: float) -> str:
    """A heat map's number, in three digits."""
    return f"{value:.3g}"
