"""Reading a page: a picture of any number of digits becomes lines of digits, each with its place and probability.

Beyond that: what is known of a line makes its reading surer (``Field``), forms become tables (``Template``), and what
is in doubt is laid before a person (``rows_of``, ``write_report``).
"""

from glassnet.digits.nondigits import NONE
from glassnet.reading.checks import CHECKS
from glassnet.reading.encode import cropped, image, jpeg, png, use_one_thread, within
from glassnet.reading.fields import Field, Value, gathered, likeliest_rows, read_choices, read_field
from glassnet.reading.form import Entry, form_table, read_form, sheet_of
from glassnet.reading.page import SEPARATORS, Array, Box, Digit, Line, Mark, Page
from glassnet.reading.pdf import count_pages, is_pdf, read_pdf_page
from glassnet.reading.reader import read, read_steps
from glassnet.reading.report import side_for, write_report
from glassnet.reading.review import Row, Sheet, confidences, cut_out, review_table, rows_of, threshold_for
from glassnet.reading.table import Table, parquet_library, print_csv, write_csv, write_parquet
from glassnet.reading.template import Place, Template, load_template

__all__ = [
    "CHECKS",
    "NONE",
    "SEPARATORS",
    "Array",
    "Box",
    "Digit",
    "Entry",
    "Field",
    "Line",
    "Mark",
    "Page",
    "Place",
    "Row",
    "Sheet",
    "Table",
    "Template",
    "Value",
    "confidences",
    "count_pages",
    "cropped",
    "cut_out",
    "form_table",
    "gathered",
    "image",
    "is_pdf",
    "jpeg",
    "likeliest_rows",
    "load_template",
    "parquet_library",
    "png",
    "print_csv",
    "read",
    "read_choices",
    "read_field",
    "read_form",
    "read_pdf_page",
    "read_steps",
    "review_table",
    "rows_of",
    "sheet_of",
    "side_for",
    "threshold_for",
    "use_one_thread",
    "within",
    "write_csv",
    "write_parquet",
    "write_report",
]
