"""Revise: a new revision of a canonical dataset, in which some images have other segments."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segdata.core.batch import replaced
from segdata.core.columns import ANNOTATIONS, IMAGES, SEGMENTS
from segdata.core.errors import SegdataError
from segdata.store import manifest as manifests
from segdata.store.manifest import Manifest, Revision
from segdata.store.source import conformed
from segdata.store.write import part_name, writer_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # what there is none of

LOG = "changes.jsonl"
IMAGES_FILE = "images.parquet"
Columns = Mapping[str, Mapping[str, Mapping[Any, Any]]]  # Any: ids, and values of each column's type
ANNOTATIONS_FILE = "annotations.parquet"


def revise(
    root: Path,
    changed: Mapping[str, pa.Table],
    what: str,
    log: Iterable[Mapping[str, Any]],
    parent: str | None = None,
    images: Mapping[str, Mapping[str, Any]] | None = None,
    annotations: Mapping[str, Mapping[tuple[str, str | None], Any]] | None = None,
) -> str:
    """Write a revision and make it current; returns its name.

    Parameters
    ----------
    root : the dataset's folder
    changed : image_id -> all of the image's segments, as rows of `columns.SEGMENTS`
    what : how the revision came about, in a few words
    log : a JSON object for each thing that was changed, for ``changes.jsonl`` in the revision's folder
    parent : the revision that `changed` was made from; None: the current one, whichever it is
    images : a column of the images -> image_id -> its new value there; others keep theirs
    annotations : the same of the annotations, by image_id and annotator

    What does not change is linked to the revision before. Until the last step the dataset is as it was; whatever goes
    wrong before, nothing is left behind. Raises SegdataError where it cannot be written, where another program is
    making a revision, and where `parent` is the current one no more.
    """
    with alone(root):
        manifest = manifests.load(root)
        if parent not in (None, manifest.revision):
            what = f"revision {manifest.revision} has been made since {parent} was read"
            raise SegdataError(f"{root}: {what}; nothing is changed, try again")
        columns: Columns = {IMAGES_FILE: images or {}, ANNOTATIONS_FILE: annotations or {}}
        return _revised(root, manifest, changed, what, log, columns)


def _revised(
    root: Path,
    manifest: Manifest,
    changed: Mapping[str, pa.Table],
    what: str,
    log: Iterable[Mapping[str, Any]],
    columns: Columns,
) -> str:
    before = root / manifest.revision
    name = _next_name(root)
    made = root / name
    try:
        (made / "segments").mkdir(parents=True)
        for path in sorted(before.glob("*.parquet")):
            if columns.get(path.name):
                _write_columns(path, made / path.name, columns[path.name])
            else:
                _link(path, made / path.name)
        n_parts = _write_segments(before, made, changed)
        lines = (json.dumps(entry, ensure_ascii=False) for entry in log)
        (made / LOG).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
        entry = Revision(name, manifests.now(), what, parent=manifest.revision, parts=n_parts)
        revisions = (*manifest.revisions, entry)
        manifests.commit(root, msgspec.structs.replace(manifest, revision=name, revisions=revisions))
    except BaseException as error:
        if not _is_current(root, name):  # an interruption may come when all is done
            shutil.rmtree(made, ignore_errors=True)
        if isinstance(error, (OSError, pa.ArrowException)):
            reason = error.strerror if isinstance(error, OSError) else error
            raise SegdataError(
                f"{root}: revision {name} cannot be written: {reason}; the dataset is as it was"
            ) from error
        raise
    return name


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep other programs from making a revision meanwhile; the system frees the lock of a program that was killed."""
    if fcntl is None:
        yield
        return
    try:
        folder = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise SegdataError(f"{root}: cannot be read: {error.strerror}") from error
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SegdataError(
                f"{root}: another program is changing it; nothing is changed, try again later"
            ) from error
        except OSError:
            pass  # a disk without locks
        yield
    finally:
        os.close(folder)


def _is_current(root: Path, name: str) -> bool:
    try:
        return manifests.load(root).revision == name
    except SegdataError:
        return True  # nothing is deleted of what cannot be read


def _next_name(root: Path) -> str:
    """One more than the highest revision that there is, whether the manifest knows it or not."""
    numbers = [int(found[1]) for path in root.iterdir() if (found := re.fullmatch(r"r(\d+)", path.name))]
    return f"r{max(numbers, default=0) + 1:04d}"


def _link(path: Path, target: Path) -> None:
    """The same file at another place; a copy where the disk cannot link."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


@dataclass
class _Waiting:
    """The changed images whose rows are not written yet."""

    rows: dict[str, pa.Table]

    def instead_of(self, group: pa.Table) -> pa.Table:
        """A row group with the changed images' rows in the place of those that it has."""
        here = [name for name in pc.unique(group["image_id"]).to_pylist() if name in self.rows]
        if not here:
            return group
        kept = group.filter(pc.invert(pc.is_in(group["image_id"], value_set=pa.array(here, pa.string()))))
        both = pa.concat_tables([kept, *(self.rows.pop(name) for name in here)])
        return both.take(pc.sort_indices(both["image_id"]))


def _write_columns(before: Path, target: Path, changed: Mapping[str, Mapping[Any, Any]]) -> None:  # Any: as Columns
    """Write the images or annotations again, row group by row group, with other values in some columns."""
    of_images = target.name == IMAGES_FILE
    schema = IMAGES if of_images else ANNOTATIONS
    file = pq.ParquetFile(before)
    with writer_of(target, schema) as writer:
        for group in range(file.num_row_groups):
            rows = conformed(file.read_row_group(group), schema)
            names = rows["image_id"].to_pylist()
            keys = names if of_images else list(zip(names, rows["annotator"].to_pylist(), strict=True))
            for column, new in changed.items():
                old = zip(keys, rows[column].to_pylist(), strict=True)
                rows = replaced(rows, column, [new.get(key, value) for key, value in old])
            writer.write_table(rows)


def _write_segments(before: Path, made: Path, changed: Mapping[str, pa.Table]) -> int:
    """Link the parts without changed images, and write the others again; returns how many there are."""
    waiting, paths = _Waiting(dict(changed)), sorted(before.glob("segments/*.parquet"))
    for number, path in enumerate(paths):
        file, target = pq.ParquetFile(path), made / "segments" / part_name(number)
        last = number == len(paths) - 1
        ids = set(pc.unique(file.read(columns=["image_id"])["image_id"]).to_pylist())
        if not ids & waiting.rows.keys() and not (last and waiting.rows):
            _link(path, target)
            continue
        with writer_of(target, SEGMENTS) as writer:
            for group in range(file.num_row_groups):
                rows = waiting.instead_of(conformed(file.read_row_group(group), SEGMENTS))
                if rows.num_rows:
                    writer.write_table(rows, row_group_size=rows.num_rows)
            if last and waiting.rows:
                rest = pa.concat_tables([waiting.rows[name] for name in sorted(waiting.rows)])
                if rest.num_rows:
                    writer.write_table(rest, row_group_size=rest.num_rows)
    return len(paths)
