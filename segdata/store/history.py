"""History: the revisions of a canonical dataset; any may be made current again, and old ones deleted."""

import datetime
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from segdata.core.errors import SegdataError
from segdata.store import manifest as manifests
from segdata.store.manifest import Manifest
from segdata.store.revise import alone


@dataclass(frozen=True, slots=True)
class Past:
    """A revision.

    Attributes
    ----------
    name, created, what, parent : as dataset.yaml has them
    current : it is what is read
    images, segments : how many it has; None where its files cannot be read, as `present` or a validation tells
    size : bytes of its files, those that it shares with other revisions too
    own : bytes of the files that no other revision has: what to delete it would free
    present : its folder is there
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
class Pruned:
    """What `prune` deletes: revisions, folders of revisions that were never finished, and the bytes that frees."""

    revisions: tuple[str, ...]
    unfinished: tuple[str, ...]
    size: int


def history(root: Path) -> list[Past]:
    """The revisions of the dataset in a folder, the first one first."""
    manifest = manifests.load(root)
    names = [each.name for each in manifest.revisions]
    owners: dict[tuple[int, int], set[str]] = {}
    for name in {*names, *_folders(root)}:
        for path in _files(root / name):
            owners.setdefault(_identity(path), set()).add(name)
    found = []
    for each in manifest.revisions:
        files = _files(root / each.name)
        found.append(
            Past(
                each.name,
                each.created,
                each.what,
                each.parent,
                each.name == manifest.revision,
                _rows([root / each.name / "images.parquet"]),
                _rows([path for path in files if path.parent.name == "segments"]) if files else None,
                sum(path.stat().st_size for path in files),
                sum(path.stat().st_size for path in files if len(owners[_identity(path)]) == 1),
                (root / each.name).is_dir(),
            )
        )
    return found


def restore(root: Path, revision: str) -> str:
    """Make a revision current again; returns the one that was. All others stay, the later ones too.

    Raises SegdataError where there is no such revision, its files are gone, or another program is making one.
    """
    with alone(root):
        manifest = manifests.load(root)
        wanted = manifest.at(revision, root)
        if not (root / revision / "images.parquet").is_file():
            raise SegdataError(f"{root}: revision {revision} has no files any more; nothing is changed")
        manifests.commit(root, wanted)
        return manifest.revision


def prune(root: Path, keep: int = 1, *, dry_run: bool = False) -> Pruned:
    """Delete all but the last `keep` revisions and the current one, and what was never finished.

    dataset.yaml forgets them first: a crash leaves files that nothing refers to, and the next `prune` deletes.
    `dry_run`: delete nothing. Raises SegdataError where another program is making a revision.
    """
    if keep < 1:
        raise SegdataError(f"keep is {keep}; at least the current revision stays")
    with alone(root):
        manifest = manifests.load(root)
        last = {each.name for each in manifest.revisions[-keep:]} | {manifest.revision}
        gone = tuple(each.name for each in manifest.revisions if each.name not in last)
        known = {each.name for each in manifest.revisions} | {manifest.revision}
        unfinished = tuple(name for name in _folders(root) if name not in known)
        size = _freed(root, (*gone, *unfinished), last)
        if not dry_run:
            _forget(root, manifest, gone)
            for name in (*gone, *unfinished):
                shutil.rmtree(root / name, ignore_errors=True)
        return Pruned(gone, unfinished, size)


def _forget(root: Path, manifest: Manifest, gone: tuple[str, ...]) -> None:
    """Take revisions out of dataset.yaml."""
    if gone:
        left = tuple(each for each in manifest.revisions if each.name not in gone)
        manifests.commit(root, msgspec.structs.replace(manifest, revisions=left))


def ancestors(root: Path, revision: str) -> list[str]:
    """A revision and those that it was made from, the last one first."""
    parents = {each.name: each.parent for each in manifests.load(root).revisions}
    line: list[str] = []
    at: str | None = revision
    while at is not None and at not in line:
        line.append(at)
        at = parents.get(at)
    return line


def _folders(root: Path) -> list[str]:
    """The folders that are called as revisions are."""
    return sorted(path.name for path in root.iterdir() if path.is_dir() and re.fullmatch(r"r\d{4,}", path.name))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _identity(path: Path) -> tuple[int, int]:
    """Which file it is, by whatever name: files that do not change are linked."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _freed(root: Path, gone: tuple[str, ...], kept: set[str]) -> int:
    """The bytes of files that only deleted revisions have."""
    needed = {_identity(path) for name in kept for path in _files(root / name)}
    sizes = {_identity(path): path.stat().st_size for name in gone for path in _files(root / name)}
    return sum(size for identity, size in sizes.items() if identity not in needed)


def _rows(paths: list[Path]) -> int | None:
    """How many rows tables have, by their ends alone."""
    try:
        return sum(int(pq.ParquetFile(path).metadata.num_rows) for path in paths)
    except (OSError, ValueError):  # damaged; pyarrow's errors are among these
        return None
