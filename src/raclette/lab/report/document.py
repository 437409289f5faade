"""A page of sections, tables and figures that needs no network: plotly's script is inlined once.

Beside the page stand `figures/NAME.png` and `figures/NAME.csv` for each figure. Everything that is shown was escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from raclette.lab.figures import Figure, to_csv
from raclette.lab.figures.style import FONT, GRID, INK

_STYLE = f"""
body {{ font: 16px/1.5 {FONT}; color: {INK}; max-width: 1080px; margin: 2em auto; padding: 0 1em; }}
h1 {{ margin-bottom: 0.1em; }} h2 {{ border-bottom: 1px solid {GRID}; margin-top: 2em; }}
.subtitle {{ color: #666; margin-top: 0; }}
table {{ border-collapse: collapse; margin: 1em 0; font-size: 0.92em; }}
th, td {{ text-align: left; padding: 0.25em 0.9em 0.25em 0; border-bottom: 1px solid {GRID}; vertical-align: top; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
figure {{ margin: 1.5em 0 2em; }} figcaption {{ font-size: 0.9em; color: #444; padding: 0 3em; }}
.verdict {{ padding: 0.6em 1em; border-left: 6px solid; background: #f7f7f7; font-weight: 600; }}
.holds {{ border-color: #009E73; }} .broken {{ border-color: #D55E00; }}
pre {{ background: #f7f7f7; padding: 1em; overflow-x: auto; font-size: 0.85em; }}
.files a {{ margin-right: 1em; font-size: 0.85em; }}
nav a {{ margin-right: 1em; }}
"""


class Document:
    """Put it together from top to bottom, then `write` it."""

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self.subtitle = subtitle
        self.figures: list[Figure] = []
        self._parts: list[str] = []
        self._sections: list[str] = []

    def section(self, title: str) -> None:
        """Begin one; it appears in the list at the top."""
        self._sections.append(title)
        self._parts.append(f'<h2 id="s{len(self._sections)}">{escape(title)}</h2>')

    def text(self, paragraph: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{escape(paragraph)}</p>")

    def code(self, text: str) -> None:
        """A command or a file, as it is."""
        self._parts.append(f"<pre>{escape(text)}</pre>")

    def verdict(self, holds: bool, text: str) -> None:
        """What came out, green or red, in words too."""
        self._parts.append(f'<p class="verdict {"holds" if holds else "broken"}">{escape(text)}</p>')

    def pairs(self, values: Mapping[str, Any]) -> None:
        """Names and values, one a line."""
        self.table((), list(values.items()))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Numbers stand right."""
        top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
        self._parts.append(f"<table>{f'<tr>{top}</tr>' if top else ''}{body}</table>")

    def figure(self, figure: Figure) -> None:
        """With its caption and links to picture and table."""
        from raclette.lab.figures.page import div

        self.figures.append(figure)
        links = "".join(
            f'<a href="figures/{escape(figure.name)}.{ending}">{ending.upper()}</a>' for ending in ("png", "csv")
        )
        self._parts.append(f'{div(figure)}<div class="files">{links}</div>')

    def html(self) -> str:
        """The whole page."""
        from raclette.lab.figures.page import script

        contents = "".join(f'<a href="#s{i}">{escape(name)}</a>' for i, name in enumerate(self._sections, 1))
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(self.title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
            f"<script>{script() if self.figures else ''}</script></head>\n<body><h1>{escape(self.title)}</h1>"
            f'<p class="subtitle">{escape(self.subtitle)}</p><nav>{contents}</nav>'
            f"{''.join(self._parts)}</body></html>\n"
        )

    def write(self, directory: Path, name: str = "report.html") -> Path:
        """The page, its pictures and tables, into `directory` (made if missing). Raises OSError."""
        from raclette.lab.figures.picture import write_png

        pictures = directory / "figures"
        pictures.mkdir(parents=True, exist_ok=True)
        for figure in self.figures:
            write_png(figure, pictures / f"{figure.name}.png")
            (pictures / f"{figure.name}.csv").write_text(to_csv(figure), encoding="utf-8")
        path = directory / name
        path.write_text(self.html(), encoding="utf-8")
        return path


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    if isinstance(value, float):
        return f'<td class="number">{f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"}</td>'
    return f"<td>{escape(str(value))}</td>"
