"""A result as a page in the browser: one file, with nothing from outside."""

from .content import Content as Content
from .content import of_file as of_file
from .content import of_result as of_result
from .page import write_page as write_page

__all__ = ["Content", "of_file", "of_result", "write_page"]
