"""The page: an analysis with its figures and tables as one self-contained HTML file.

It makes no network requests, follows the reader's light or dark mode, and fits a phone and paper. Everything that comes
from records is escaped.
"""

from scaling.report.page.render import PageFigure, render_page
from scaling.report.page.vector import coded, inline, tied

__all__ = ["PageFigure", "coded", "inline", "render_page", "tied"]
