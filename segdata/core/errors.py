"""Errors: misuse of the tool or a broken environment. Defects in the data are findings, never exceptions."""


class SegdataError(Exception):
    """What the command line prints as one line, with exit code 2: what, where, and what to do."""


class UnreadableError(SegdataError):
    """The dataset as a whole cannot be read: no known format, an ambiguous one, or a missing setting."""


class InvalidDatasetError(SegdataError):
    """`assert_valid` found something at or above the severity asked for."""
