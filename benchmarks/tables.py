"""Tables as Markdown, as evaluations write them."""

from gliomorph.interfaces.files.tables import markdown

__all__ = ["markdown"]
