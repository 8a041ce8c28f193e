"""What is not there is named with the way to get it."""

import os
import subprocess
import sys
from typing import Any

import pytest

from segdata.core.errors import SegdataError
from segdata.report.fiftyone.app import database_errors, import_fiftyone

_ASK = """
from segdata.core.errors import SegdataError
from segdata.report.fiftyone.app import import_fiftyone
try:
    import_fiftyone()
except SegdataError as error:
    print(error)
"""


def test_without_fiftyone_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(SegdataError, match=r"FiftyOne is not installed .*pip install 'segdata\[fiftyone\]'"):
        import_fiftyone()


def test_a_database_that_does_not_answer_is_named(fo: Any) -> None:
    address = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"  # the port of a service that throws all away
    told = subprocess.run(
        [sys.executable, "-c", _ASK],
        env={**os.environ, "FIFTYONE_DATABASE_URI": address},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = told.stdout.splitlines()
    assert line.startswith(f"no database of FiftyOne at {address}: ")
    assert line.endswith("start a mongod there, or unset the variable")


def test_nothing_is_sent_to_its_makers(fo: Any) -> None:
    assert fo.config.do_not_track


def test_a_database_that_goes_away_is_told(fo: Any) -> None:
    """In one line; what else goes wrong stays what it is."""
    from pymongo import MongoClient

    told = r"^the database of FiftyOne has stopped: .*:9.*; run the command again"
    away: Any = MongoClient("mongodb://127.0.0.1:9", serverSelectionTimeoutMS=100)  # as above
    with away, pytest.raises(SegdataError, match=told), database_errors():
        away.admin.command("ping")
    with pytest.raises(KeyError), database_errors():
        {}["what else goes wrong"]
