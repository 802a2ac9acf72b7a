"""Reading a page: a picture of any number of digits becomes lines of digits, each with its place and probability."""

from glassnet.reading.page import NONE, Array, Box, Digit, Line, Mark, Page
from glassnet.reading.reader import read, read_steps

__all__ = ["NONE", "Array", "Box", "Digit", "Line", "Mark", "Page", "read", "read_steps"]
