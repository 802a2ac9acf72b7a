"""Reading a page: a picture of any number of digits becomes lines of digits, each with its place and probability."""

from glassnet.reading.page import NONE, Array, Box, Digit, Line, Mark, Page

__all__ = ["NONE", "Array", "Box", "Digit", "Line", "Mark", "Page"]
