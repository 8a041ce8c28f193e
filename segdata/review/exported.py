"""Exported: decisions in a file that the HTML report made, or that another log is."""

from codecs import BOM_UTF8
from pathlib import Path
from typing import Literal

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Decision
from segdata.review import log

KIND = "segdata decisions"


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions of one reviewer, as the HTML report exports them.

    `dataset` is what the report was about; each finding is as in the report, with the imprint of the labels then.
    """

    version: Literal[1]
    kind: Literal["segdata decisions"]
    dataset: str
    decisions: tuple[Decision, ...]


def is_export(path: Path) -> bool:
    """Whether a file is such an export, or a log, by its name and its beginning."""
    if path.suffix == ".jsonl":
        return True
    try:
        with path.open("rb") as file:
            return KIND.encode() in file.read(400)
    except OSError:
        return False


def read_export(path: Path) -> list[Decision]:
    """The decisions in an export, or in a log; raises SegdataError where the file is neither."""
    if path.suffix == ".jsonl":
        if not path.is_file():
            raise SegdataError(f"{path}: no such file")
        return log.read(path)
    try:
        found = msgspec.json.decode(path.read_bytes().removeprefix(BOM_UTF8), type=Export)
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        remedy = "export it from the HTML report again"
        raise SegdataError(f"{path}: is no export of decisions: {error}; {remedy}") from error
    for number, each in enumerate(found.decisions):
        log.check(each, f"{path}: decision {number + 1}")
    return list(found.decisions)


def schema() -> dict[str, object]:
    """The JSON Schema of an export."""
    return msgspec.json.schema(Export)
