"""The page: an analysis with its figures and tables as one self-contained HTML file.

It asks nothing of any network, follows the reader's light or dark mode, and fits a phone and paper. Everything that
comes from records is escaped.
"""

from scaling.report.page.render import Figure, render_page
from scaling.report.page.vector import coded, inline, tied

__all__ = ["Figure", "coded", "inline", "render_page", "tied"]
