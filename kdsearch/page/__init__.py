"""The report as one HTML file that works offline."""

from kdsearch.page.document import page

__all__ = ["page"]
