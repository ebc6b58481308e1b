"""Rows as columns of numbers and codes, and the schema that says what each column is."""

from stackml.tables.reading import read_file as read_file
from stackml.tables.reading import to_frame as to_frame
from stackml.tables.schema import Column as Column
from stackml.tables.schema import Overrides as Overrides
from stackml.tables.schema import Schema as Schema
from stackml.tables.table import Table as Table
from stackml.tables.target import Problem as Problem
from stackml.tables.target import Target as Target
