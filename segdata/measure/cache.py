"""Cache: measured tables kept on disk, so that a dataset that has not changed is not decoded again.

An entry is one ZIP file of Arrow tables and a JSON head, in a folder that may be deleted, shared or damaged at any
time: an entry is replaced whole, checked when it is read, and one that is not as expected is none. What an entry is
of is in its name; what it was measured from is in its table `files`.
"""

import io
import os
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from segdata.core.config import Coverage, Overlap
from segdata.core.defect import Defect
from segdata.core.profile import Policy, Profile, RasterRule, Task
from segdata.core.rule import Family
from segdata.core.sequence import ImageSequence, Kind
from segdata.core.taxonomy import Taxonomy
from segdata.measure.listing import Listing

MOST_BYTES = 4 << 30  # what the folder may hold before the oldest entries go
_SUFFIX = ".segdata"
_OLD = 86_400  # seconds after which a file that nobody finished is rubbish


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a dataset from before.

    Attributes
    ----------
    profile : as it was read, without what a configuration declares
    image_ids : in the order of the source
    families : what was measured
    tables : name -> table; `images` has a column `row`, the image's row in the source
    defects : all that were met
    opened : how many of them, from the first, were met while opening
    listing : the files as they were
    hashes : file -> hash of its content, of those that hold labels
    """

    profile: Profile
    image_ids: tuple[str, ...]
    families: frozenset[Family]
    tables: dict[str, pa.Table]
    defects: tuple[Defect, ...]
    opened: int
    listing: Listing
    hashes: dict[str, str]


class _Head(msgspec.Struct, frozen=True):
    """The JSON head of an entry."""

    families: list[str]
    profile: dict[str, Any]  # Any: JSON
    defects: list[dict[str, Any]]
    opened: int


def load(folder: Path, key: str) -> Entry | None:
    """The entry of this key; None where there is none that is whole."""
    path = folder / f"{key}{_SUFFIX}"
    try:
        with zipfile.ZipFile(path) as archive:
            head = msgspec.json.decode(archive.read("head.json"), type=_Head)
            names = [name for name in archive.namelist() if name.endswith(".arrow")]
            tables = {name.removesuffix(".arrow"): _table(archive.read(name)) for name in names}
        files = tables.pop("files").to_pydict()
        ids = tables.pop("ids")["image_id"].to_pylist()
        stats = zip(files["size"], files["modified"], files["changed"], strict=True)
        entry = Entry(
            _profile(head.profile),
            tuple(ids),
            frozenset(head.families),  # type: ignore[arg-type]  # a family that is none any more is never asked for
            tables,
            tuple(_defect(each) for each in head.defects),
            head.opened,
            Listing(dict(zip(files["path"], stats, strict=True))),
            {path: mark for path, mark in zip(files["path"], files["hash"], strict=True) if mark},
        )
        os.utime(path)  # the oldest are those that nobody asked for longest
    except Exception:  # whatever is wrong with it, it is no entry: there are too many ways to be damaged to list
        return None
    return entry


def save(folder: Path, key: str, entry: Entry) -> None:
    """Keep an entry in the place of what was there; where that cannot be done nothing is kept, and nothing is said."""
    head = _Head(
        sorted(entry.families),
        msgspec.to_builtins(entry.profile),
        [msgspec.to_builtins(each) for each in entry.defects],
        entry.opened,
    )
    paths = list(entry.listing.files)
    stats = [entry.listing.files[path] for path in paths]
    files = {
        "path": paths,
        "size": [stat[0] for stat in stats],
        "modified": [stat[1] for stat in stats],
        "changed": [stat[2] for stat in stats],
        "hash": pa.array([entry.hashes.get(path) for path in paths], pa.string()),
    }
    tables = {**entry.tables, "files": pa.table(files), "ids": pa.table({"image_id": pa.array(entry.image_ids)})}
    partial = folder / f"{key}.{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("head.json", msgspec.json.encode(head))
            for name, table in tables.items():
                archive.writestr(f"{name}.arrow", _bytes(table))
        partial.replace(folder / f"{key}{_SUFFIX}")
        _tidy(folder)
    except (OSError, ValueError, pa.ArrowException):  # a disk that is full, a name that is no text
        pass
    finally:
        with suppress(OSError):
            partial.unlink()


def _tidy(folder: Path) -> None:
    """Delete what was never finished, and the entries not asked for longest while there is too much."""
    known = []
    for path in folder.iterdir():
        with suppress(OSError):
            stat = path.stat()
            if path.suffix == ".partial" and stat.st_mtime < time.time() - _OLD:
                path.unlink()
            elif path.suffix == _SUFFIX:
                known.append((stat.st_mtime, stat.st_size, path))
    total = sum(size for _, size, _ in known)
    for _, size, path in sorted(known)[:-1]:
        if total <= MOST_BYTES:
            break
        total -= size
        with suppress(OSError):
            path.unlink()


def _bytes(table: pa.Table) -> bytes:
    table = table.combine_chunks()  # many small pieces take longer to read
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_file(pa.BufferReader(data)).read_all()


def _defect(given: dict[str, Any]) -> Defect:  # Any: JSON
    box = given.pop("bbox")
    segments = tuple(given.pop("segments"))
    return Defect(**given, segments=segments, bbox=None if box is None else (box[0], box[1], box[2], box[3]))


def _profile(given: dict[str, Any]) -> Profile:  # Any: JSON
    read = dict(given)
    read["task"] = msgspec.convert(given["task"], Task)
    read["raster_rule"] = msgspec.convert(given["raster_rule"], RasterRule)
    read["taxonomy"] = msgspec.convert(given["taxonomy"], Taxonomy)
    read["coverage"] = Policy(
        msgspec.convert(given["coverage"]["value"], Coverage | dict[str, Coverage]), given["coverage"]["declared"]
    )
    read["overlap"] = Policy(msgspec.convert(given["overlap"]["value"], Overlap), given["overlap"]["declared"])
    read["sequences"] = tuple(_sequence(each) for each in given["sequences"])
    return Profile(**read)


def _sequence(given: dict[str, Any]) -> ImageSequence:  # Any: JSON
    read = dict(given)
    read["kind"] = msgspec.convert(given["kind"], Kind)
    for name in ("affine", "spacing"):
        read[name] = None if given[name] is None else tuple(given[name])
    read["header"] = msgspec.convert(given["header"], bytes | None)
    return ImageSequence(**read)
