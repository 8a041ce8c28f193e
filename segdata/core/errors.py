"""Errors: misuse of segdata or a broken environment. Defects in the data are findings, never exceptions."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any


class SegdataError(Exception):
    """An error that the command line prints as one line, with exit code 2: what is wrong, where, and what to do."""


class UnreadableError(SegdataError):
    """The dataset as a whole cannot be read: no known format, an ambiguous one, or a missing setting."""


class SettingError(UnreadableError):
    """A setting in segdata.yaml is invalid; the caller that knows the file adds its name.

    `steps`: the keys and positions that lead to the setting, as far as they are known.
    """

    def __init__(self, message: str, *steps: str | int) -> None:
        super().__init__(message)
        self.steps = steps


class UnknownFormatError(UnreadableError):
    """No format recognises a dataset."""


class AmbiguousFormatError(SegdataError):
    """Several formats recognise a dataset equally well; `formats` are their names, the best one first."""

    def __init__(self, message: str, formats: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.formats = formats


class InvalidDatasetError(SegdataError):
    """`assert_valid` found something at or above the given severity."""


@contextmanager
def reworded_errors(reword: Callable[[str], str]) -> Iterator[None]:
    """Change the message of a SegdataError that the block raises."""
    try:
        yield
    except SegdataError as error:
        error.args = (reword(str(error)),)
        raise


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise SegdataError if `value` of the argument `name` is not one of `choices`."""
    if value not in choices:
        raise SegdataError(f"{name} is {value!r}, it must be one of: {', '.join(choices)}")


def missing_extra(library: str, extra: str, error: ModuleNotFoundError) -> SegdataError:
    """The error for a package that is not installed, with the command that installs it."""
    return SegdataError(f"{library} is not installed ({error.name}): pip install 'segdata[{extra}]'")


def import_extra(module: str, extra: str, called: str | None = None) -> Any:  # Any: packages with and without types
    """Import a module of a package that an extra installs; raises SegdataError with the command that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise missing_extra(called or module, extra, error) from error


def count_noun(number: int, noun: str, plural: str | None = None) -> str:
    """The number and the noun in the right form.

    >>> count_noun(1, "part"), count_noun(12345, "part"), count_noun(2, "category"), count_noun(2, "vertex", "vertices")
    ('1 part', '12,345 parts', '2 categories', '2 vertices')
    """
    several = plural or (f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s")
    return f"{number:,} {noun if number == 1 else several}"


def list_names(names: Sequence[object], most: int = 3) -> str:
    """The first names, and how many more there are.

    >>> list_names(["a.json", "b.json"]), list_names(["a", "b", "c", "d", "e"]), list_names(range(9), 1)
    ('a.json, b.json', 'a, b, c and 2 more', '0 and 8 more')
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return join_names([str(name) for name in names[:most]]) + more


def join_names(names: Sequence[str]) -> str:
    """Names with commas between them, or with semicolons if one of them has commas.

    >>> join_names(["wall", "tree"]), join_names(["wall", "door, double door"])
    ('wall, tree', 'wall; door, double door')
    """
    return ("; " if any(", " in name for name in names) else ", ").join(names)
