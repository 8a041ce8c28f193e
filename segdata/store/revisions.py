"""Revisions of a canonical dataset: write a new one, list them, make one current again, delete old ones."""

import datetime
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

from segdata.core.atomic_files import sync, sync_tree
from segdata.core.batch import replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.safe_text import shell_word
from segdata.core.schema import ANNOTATIONS, IMAGES, SEGMENTS
from segdata.core.taxonomy import lineage
from segdata.store import manifest as manifests
from segdata.store.manifest import Manifest, Revision
from segdata.store.revision_reader import conform, part_name
from segdata.store.revision_writer import open_writer

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # what there is none of

CHANGES_FILE = "changes.jsonl"
IMAGES_FILE = "images.parquet"
ANNOTATIONS_FILE = "annotations.parquet"
ColumnChanges = Mapping[str, Mapping[str, Mapping[Any, Any]]]  # Any: ids, and values of each column's type


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
    changed : image_id -> all of the image's segments, as rows of `schema.SEGMENTS`
    what : a short description of the change
    log : a JSON object for each change, for ``changes.jsonl`` in the revision's folder
    parent : the revision from which `changed` was made; None: the current one
    images : column -> image_id -> new value; other values stay
    annotations : column -> (image_id, annotator) -> new value

    Unchanged files are linked to the previous revision. The last step is atomic; if anything fails before it, the
    dataset is unchanged and nothing is left behind. Raises SegdataError if writing fails, if another program is making
    a revision, and if `parent` is no longer the current one.
    """
    with lock_dataset(root):
        manifest = manifests.load(root)
        if parent not in (None, manifest.revision):
            what = f"revision {manifest.revision} has been made since {parent} was read"
            raise SegdataError(f"{root}: {what}; nothing is changed, try again")
        columns: ColumnChanges = {IMAGES_FILE: images or {}, ANNOTATIONS_FILE: annotations or {}}
        return _write_revision(root, manifest, changed, what, log, columns)


def _write_revision(
    root: Path,
    manifest: Manifest,
    changed: Mapping[str, pa.Table],
    what: str,
    log: Iterable[Mapping[str, Any]],
    columns: ColumnChanges,
) -> str:
    before = root / manifest.revision
    name = _next_name(root)
    folder = root / name
    try:
        (folder / "segments").mkdir(parents=True)
        for path in sorted(before.glob("*.parquet")):
            if columns.get(path.name):
                _write_columns(path, folder / path.name, columns[path.name])
            else:
                _link(path, folder / path.name)
        n_parts = _write_segments(before, folder, changed)
        lines = (json.dumps(entry, ensure_ascii=False) for entry in log)
        (folder / CHANGES_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
        sync_tree(folder)  # before the manifest names it
        sync(root)
        entry = Revision(name, manifests.now(), what, parent=manifest.revision, parts=n_parts)
        revisions = (*manifest.revisions, entry)
        manifests.commit(root, msgspec.structs.replace(manifest, revision=name, revisions=revisions))
    except BaseException as error:
        if not _is_current(root, name):  # an interruption may arrive after the commit
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, SegdataError) and isinstance(error.__cause__, OSError):
            error = error.__cause__
        if isinstance(error, (OSError, pa.ArrowException)):
            reason = error.strerror if isinstance(error, OSError) else error
            raise SegdataError(
                f"{root}: revision {name} cannot be written: {reason}; the dataset is as it was"
            ) from error
        raise
    return name


@contextmanager
def lock_dataset(root: Path) -> Iterator[None]:
    """Lock a dataset against other programs that make revisions; the system frees the lock of a killed program.

    Raises SegdataError if another program holds the lock, or the folder cannot be read.
    """
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
            pass  # the file system has no locks
        yield
    finally:
        os.close(folder)


def _is_current(root: Path, name: str) -> bool:
    try:
        return manifests.load(root).revision == name
    except SegdataError:
        return True  # do not delete anything if the manifest is unreadable


def _next_name(root: Path) -> str:
    """The name after the highest existing revision, whether the manifest lists it or not."""
    numbers = [int(match[1]) for path in root.iterdir() if (match := re.fullmatch(r"r(\d+)", path.name))]
    return f"r{max(numbers, default=0) + 1:04d}"


def _link(path: Path, target: Path) -> None:
    """Hard-link a file to another place; copy it if the disk cannot link."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _replace_images(group: pa.Table, pending: dict[str, pa.Table]) -> pa.Table:
    """Replace the rows of changed images in a row group; removes these images from `pending`."""
    names = [name for name in pc.unique(group["image_id"]).to_pylist() if name in pending]
    if not names:
        return group
    kept = group.filter(pc.invert(pc.is_in(group["image_id"], value_set=pa.array(names, pa.string()))))
    both = pa.concat_tables([kept, *(pending.pop(name) for name in names)])
    return both.take(pc.sort_indices(both["image_id"]))


def _write_columns(before: Path, target: Path, changed: Mapping[str, Mapping[Any, Any]]) -> None:  # Any: as Columns
    """Rewrite the images or annotations, row group by row group, with new values in some columns."""
    of_images = target.name == IMAGES_FILE
    schema = IMAGES if of_images else ANNOTATIONS
    file = pq.ParquetFile(before)
    with open_writer(target, schema) as writer:
        for group in range(file.num_row_groups):
            rows = conform(file.read_row_group(group), schema)
            names = rows["image_id"].to_pylist()
            keys = names if of_images else list(zip(names, rows["annotator"].to_pylist(), strict=True))
            for column, new in changed.items():
                old = zip(keys, rows[column].to_pylist(), strict=True)
                rows = replace_column(rows, column, [new.get(key, value) for key, value in old])
            writer.write_table(rows)


def _write_segments(before: Path, folder: Path, changed: Mapping[str, pa.Table]) -> int:
    """Link the parts without changed images, and rewrite the others; returns the number of parts."""
    pending, paths = dict(changed), sorted(before.glob("segments/*.parquet"))
    for number, path in enumerate(paths):
        file, target = pq.ParquetFile(path), folder / "segments" / part_name(number)
        last = number == len(paths) - 1
        ids = set(pc.unique(file.read(columns=["image_id"])["image_id"]).to_pylist())
        if not ids & pending.keys() and not (last and pending):
            _link(path, target)
            continue
        with open_writer(target, SEGMENTS) as writer:
            for group in range(file.num_row_groups):
                rows = _replace_images(conform(file.read_row_group(group), SEGMENTS), pending)
                if rows.num_rows:
                    writer.write_table(rows, row_group_size=rows.num_rows)
            if last and pending:
                rest = pa.concat_tables([pending[name] for name in sorted(pending)])
                if rest.num_rows:
                    writer.write_table(rest, row_group_size=rest.num_rows)
    return len(paths)


@dataclass(frozen=True, slots=True)
class RevisionInfo:
    """A revision.

    Attributes
    ----------
    name, created, what, parent : as in dataset.yaml
    current : whether it is the current revision
    images, segments : their numbers; None if its files cannot be read
    size : bytes of its files, including files shared with other revisions
    own : bytes of files that no other revision has, which deleting it would free
    present : whether its folder exists
    """

    name: str
    created: datetime.datetime
    what: str
    parent: str | None
    current: bool
    images: int | None
    segments: int | None
    size: int
    own: int
    present: bool


@dataclass(frozen=True, slots=True)
class PruneResult:
    """The result of `prune`: deleted revisions, deleted folders of unfinished revisions, and freed bytes."""

    revisions: tuple[str, ...]
    unfinished: tuple[str, ...]
    size: int


def history(root: Path) -> list[RevisionInfo]:
    """The revisions of the dataset in a folder, the first one first."""
    manifest = manifests.load(root)
    names = [entry.name for entry in manifest.revisions]
    owners: dict[tuple[int, int], set[str]] = {}
    for name in {*names, *_revision_folders(root)}:
        for path in _files(root / name):
            owners.setdefault(_file_identity(path), set()).add(name)
    records = []
    for entry in manifest.revisions:
        files = _files(root / entry.name)
        sizes = {path: path.stat().st_size for path in files}
        own = [path for path in files if len(owners[_file_identity(path)]) == 1]
        records.append(
            RevisionInfo(
                name=entry.name,
                created=entry.created,
                what=entry.what,
                parent=entry.parent,
                current=entry.name == manifest.revision,
                images=_count_rows([root / entry.name / IMAGES_FILE]),
                segments=_count_rows([path for path in files if path.parent.name == "segments"]) if files else None,
                size=sum(sizes.values()),
                own=sum(sizes[path] for path in own),
                present=(root / entry.name).is_dir(),
            )
        )
    return records


def restore(root: Path, revision: str) -> str:
    """Make a revision current again; returns the previous one. All revisions stay, including later ones.

    Raises SegdataError if there is no such revision, its files are missing, or another program is making one.
    """
    with lock_dataset(root):
        manifest = manifests.load(root)
        target = manifest.at_revision(revision, root)
        if not (root / revision / IMAGES_FILE).is_file():
            raise SegdataError(f"{root}: revision {revision} has no files any more; nothing is changed")
        manifests.commit(root, target)
        return manifest.revision


def prune(root: Path, keep: int = 1, *, dry_run: bool = False) -> PruneResult:
    """Delete all revisions but the last `keep` and the current one, and unfinished folders.

    They are removed from dataset.yaml first: after a crash, the next `prune` deletes the unreferenced files.
    `dry_run`: delete nothing. Raises SegdataError if another program is making a revision.
    """
    if keep < 1:
        raise SegdataError(f"keep is {keep}; at least the current revision stays")
    with lock_dataset(root):
        manifest = manifests.load(root)
        last = {entry.name for entry in manifest.revisions[-keep:]} | {manifest.revision}
        gone = tuple(entry.name for entry in manifest.revisions if entry.name not in last)
        listed = {entry.name for entry in manifest.revisions} | {manifest.revision}
        unfinished = tuple(name for name in _revision_folders(root) if name not in listed)
        size = _freed_bytes(root, (*gone, *unfinished), last)
        if not dry_run:
            _drop_from_manifest(root, manifest, gone)
            for name in (*gone, *unfinished):
                shutil.rmtree(root / name, ignore_errors=True)
        return PruneResult(gone, unfinished, size)


def _drop_from_manifest(root: Path, manifest: Manifest, gone: tuple[str, ...]) -> None:
    """Remove revisions from dataset.yaml."""
    if gone:
        left = tuple(entry for entry in manifest.revisions if entry.name not in gone)
        manifests.commit(root, msgspec.structs.replace(manifest, revisions=left))


def ancestors(root: Path, revision: str) -> list[str]:
    """A revision and its ancestors, newest first."""
    return lineage(revision, {entry.name: entry.parent for entry in manifests.load(root).revisions})


def _revision_folders(root: Path) -> list[str]:
    """The folders with names of revisions."""
    return sorted(path.name for path in root.iterdir() if path.is_dir() and re.fullmatch(r"r\d{4,}", path.name))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _file_identity(path: Path) -> tuple[int, int]:
    """The identity of a file, which hard links share."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _freed_bytes(root: Path, gone: tuple[str, ...], kept: set[str]) -> int:
    """The bytes of files that belong to deleted revisions only."""
    needed = {_file_identity(path) for name in kept for path in _files(root / name)}
    sizes = {_file_identity(path): path.stat().st_size for name in gone for path in _files(root / name)}
    return sum(size for identity, size in sizes.items() if identity not in needed)


def _count_rows(paths: list[Path]) -> int | None:
    """The number of rows in tables, read from their footers."""
    try:
        return sum(int(pq.ParquetFile(path).metadata.num_rows) for path in paths)
    except (OSError, ValueError):  # damaged; pyarrow's errors are among these
        return None


def canonical_root(
    data: OpenDataset, need: str = "fixes make a new revision of a canonical dataset", instead: str = ""
) -> Path:
    """The folder of a canonical dataset; raises SegdataError for other formats, which have no revisions.

    The message gives the reason, `need`, and what else to do, `instead`.
    """
    root = Path(data.profile.files)
    if data.profile.format != "canonical" or not root.is_dir():
        raise SegdataError(
            f"{data.profile.files}: {need}, this is {data.profile.format}; {instead}convert it first: segdata convert "
            f"{shell_word(root)} OUT"
        )
    return root
