"""Id table: the CSV or JSON file beside instance-ID images that tells each value's category."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from segdata.core.errors import UnreadableError
from segdata.core.yamlfile import read_text

_MAX_ID = 2**62
COLUMNS = ("image", "value", "category", "segment_id", "iscrowd")


@dataclass(frozen=True, slots=True)
class IdTable:
    """The n rows of a side table.

    Attributes
    ----------
    category : (n,) name, or id as text
    segment_id : (n,) where it is not the value; None else
    iscrowd : (n,)
    rows : (image, value) -> row; image "" for all images
    """

    category: list[str] = field(default_factory=list)
    segment_id: list[int | None] = field(default_factory=list)
    iscrowd: list[bool] = field(default_factory=list)
    rows: dict[tuple[str, int], int] = field(default_factory=dict)

    def row_of(self, image: str, value: int) -> int:
        """The row for a value in an image (its id, file name, or name without extension), else in all images; or -1."""
        path = PurePosixPath(image)
        names = (image, path.name, path.stem, "")
        return next((self.rows[name, value] for name in names if (name, value) in self.rows), -1)


def load_id_table(path: Path) -> IdTable:
    """The side table in a CSV file, or a JSON list of objects; raises UnreadableError with file and line."""
    text = read_text(path)
    table = IdTable()
    for line, record in _records(path, text):
        try:
            value, category = int(record["value"]), str(record["category"])
            segment = record.get("segment_id")
            identity = None if segment in (None, "") else int(str(segment))
        except (KeyError, ValueError, TypeError) as error:
            raise UnreadableError(f"{path}:{line}: a row needs a whole number 'value' and a 'category'") from error
        if identity is not None and abs(identity) > _MAX_ID:
            raise UnreadableError(f"{path}:{line}: segment_id {identity} is beyond 62 bits")
        key = (str(record.get("image") or ""), value)
        if key in table.rows:
            raise UnreadableError(f"{path}:{line}: value {value} is here twice{' for ' + key[0] if key[0] else ''}")
        table.rows[key] = len(table.category)
        table.category.append(category)
        table.segment_id.append(identity)
        table.iscrowd.append(str(record.get("iscrowd") or "0").lower() in ("1", "true"))
    return table


def _records(path: Path, text: str) -> Iterable[tuple[int, dict[str, Any]]]:  # Any: cells of a foreign file
    if path.suffix.lower() != ".json":
        return _lines(path, text)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"{path}:{error.lineno}: is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{path}: is not a table: it is nested too deeply, or has numbers too long") from error
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise UnreadableError(f"{path}:1: a JSON table is a list of objects with 'value' and 'category'")
    return enumerate(data, 1)


def _lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:  # Any: cells of a foreign file
    """The records of a CSV file, each with the line that it ends on; a name may hold a line break."""
    records = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for record in records:
            yield records.line_num, record
    except csv.Error as error:
        raise UnreadableError(f"{path}:{records.line_num}: is not CSV: {error}") from error
