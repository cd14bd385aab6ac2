"""The page: an analysis with its figures and tables as one self-contained HTML file.

It asks nothing of any network, follows the reader's light or dark mode, and fits a phone and paper. Everything that
comes from records is escaped.
"""

from scaling.page.render import Figure, render_page
from scaling.page.vector import inline, tied

__all__ = ["Figure", "inline", "render_page", "tied"]
