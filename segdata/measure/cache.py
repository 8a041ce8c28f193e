"""Cache: measured tables kept on disk, so that a dataset that has not changed is not decoded again."""

import os
import time
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b, file_digest
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.atomic_files import unique_token
from segdata.core.batch import replace_column
from segdata.core.finding import Defect, Finding
from segdata.core.profile import Profile
from segdata.core.rule import Family
from segdata.core.runs import Ints
from segdata.measure.measure import MeasuredTables
from segdata.measure.registry import row_links
from segdata.measure.stored_tables import EncodedPiece, StoredTables

FileStat = tuple[int, int, int]  # bytes, and nanoseconds of the last change of content and of anything
MAX_CACHE_BYTES = 4 << 30  # of the cache folder; beyond it the entries unused for longest are deleted
_SUFFIX = ".segdata"
_FILES, _IDS = "files", "ids"  # tables of an entry, beside the measured ones
_FINDINGS = "-findings"  # of an entry, behind its key
_DIGEST_BYTES = 16
_UNFINISHED_SECONDS = 86_400  # age at which an unfinished file is deleted


class FileListing(msgspec.Struct, frozen=True):
    """Path -> size and times of every file; -1 for a missing file."""

    files: dict[str, FileStat]

    @staticmethod
    def from_folders(
        root: Path, folders: Iterable[Path], max_files: int, left_out: Collection[str] = ()
    ) -> "FileListing | None":
        """List the files in the folder of a dataset and in `folders`; None for more than `max_files` files.

        Hidden files and folders, which hold no labels, and the files `left_out` in the dataset's folder are left out.
        """
        home = root if root.is_dir() else root.parent
        skipped = {str(home.absolute() / name) for name in left_out}
        files: dict[str, FileStat] = {}
        for folder in {home, *folders}:
            for entry in _files_below(folder):
                if entry.path not in skipped:
                    files[entry.path] = _file_stat(entry.path)
                if len(files) > max_files:
                    return None
        return FileListing(files)

    def with_files(self, paths: Iterable[str]) -> "FileListing":
        """The listing with further files, from any folder."""
        return FileListing(self.files | {path: _file_stat(path) for path in paths if path not in self.files})

    def changed_files(self, now: "FileListing") -> set[str]:
        """The files that are new in `now`, missing there, or possibly changed."""
        before, after = self.files, now.files
        return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def hash_file(path: str) -> str | None:
    """The BLAKE2 hash of a file's content, as 32 hexadecimal digits; None if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()
    except OSError:
        return None


def _files_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The files below a folder; links to folders are followed, each folder is visited once."""
    waiting, seen = [str(folder.absolute())], set[tuple[int, int]]()
    while waiting:
        try:
            place = waiting.pop()
            folder_stat = os.stat(place)  # noqa: PTH116 - a Path for each of many files would take longer than this
            if (folder_stat.st_dev, folder_stat.st_ino) in seen:
                continue
            seen.add((folder_stat.st_dev, folder_stat.st_ino))
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        waiting.append(entry.path)
                    else:
                        yield entry
        except OSError:  # a folder that cannot be listed cannot be read either
            continue


def _file_stat(path: str) -> FileStat:
    try:
        stat = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return (-1, 0, 0)
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class CacheEntry(msgspec.Struct, frozen=True):
    """The measured tables of a dataset, from an earlier run."""

    profile: Profile  # as it was read, without what a configuration declares
    image_ids: tuple[str, ...]  # in the order of the source
    families: frozenset[Family]  # that were measured
    # name -> table, decoded when it is first used; `images` has a column `row`, the image's row in the source
    tables: StoredTables
    defects: tuple[Defect, ...]  # all defects of the dataset
    opened: int  # how many of them, from the first, were found while opening
    listing: FileListing  # the files as they were
    hashes: dict[str, str]  # file -> hash of its content, of those that hold labels
    token: str = ""  # names this entry and no other; empty where it was not saved


class _EntryHead(msgspec.Struct, frozen=True):
    """The JSON head of an entry."""

    families: list[str]
    profile: Profile
    defects: tuple[Defect, ...]
    opened: int
    token: str = ""
    rows: dict[str, list[int]] = {}  # of each piece of each table


def load_entry(folder: Path, key: str) -> CacheEntry | None:
    """Load the entry of this key; None if it is missing or damaged."""
    path = folder / f"{key}{_SUFFIX}"
    try:
        with zipfile.ZipFile(path) as archive:
            head = msgspec.json.decode(archive.read("head.json"), type=_EntryHead)
            encoded: dict[str, list[EncodedPiece]] = {}
            for name, sizes in head.rows.items():
                encoded[name] = [
                    EncodedPiece.read(archive.read(f"{name}.{k}.arrow"), rows) for k, rows in enumerate(sizes)
                ]
        files, ids = (StoredTables({}, {name: encoded.pop(name)})[name] for name in (_FILES, _IDS))
        files = files.to_pydict()
        stats = zip(files["size"], files["modified"], files["changed"], strict=True)
        entry = CacheEntry(
            head.profile,
            tuple(ids["image_id"].to_pylist()),
            frozenset(head.families),
            StoredTables({}, encoded),
            head.defects,
            head.opened,
            FileListing(dict(zip(files["path"], stats, strict=True))),
            {path: digest for path, digest in zip(files["path"], files["hash"], strict=True) if digest},
            head.token,
        )
        os.utime(path)  # the oldest are those that were unused for longest
    except Exception:  # any damage means that there is no entry: there are too many kinds to list
        return None
    return entry


def save_entry(folder: Path, key: str, entry: CacheEntry) -> None:
    """Save an entry in place of an older one; if that fails, nothing is saved and no error is raised."""
    paths = list(entry.listing.files)
    stats = [entry.listing.files[path] for path in paths]
    files = {
        "path": paths,
        "size": [stat[0] for stat in stats],
        "modified": [stat[1] for stat in stats],
        "changed": [stat[2] for stat in stats],
        "hash": pa.array([entry.hashes.get(path) for path in paths], pa.string()),
    }
    listing = StoredTables({_FILES: pa.table(files), _IDS: pa.table({"image_id": pa.array(entry.image_ids)})})
    stored = {name: tables for tables in (entry.tables, listing) for name in tables}
    rows = {name: tables.piece_rows(name) for name, tables in stored.items()}
    head = _EntryHead(sorted(entry.families), entry.profile, entry.defects, entry.opened, entry.token, rows)

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("head.json", msgspec.json.encode(head))
            for name, tables in stored.items():
                for k in range(len(rows[name])):
                    with archive.open(f"{name}.{k}.arrow", "w", force_zip64=True) as file:
                        tables.write_piece(name, k, file)

    _save_file(folder, key, write)


def _save_file(folder: Path, key: str, write: Callable[[Path], object]) -> None:
    """Write a file in place of that of the key; if that fails, nothing is saved and no error is raised."""
    partial = folder / f"{key}.{unique_token()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(folder / f"{key}{_SUFFIX}")
        _delete_old(folder)
    except (OSError, ValueError, pa.ArrowException):  # a disk that is full, a name that is no text
        pass
    finally:
        with suppress(OSError):
            partial.unlink()


class _StoredFindings(msgspec.Struct):
    """The findings of rules in the tables of an entry, by code, with the digest of the other inputs of each rule."""

    token: str
    rules: dict[str, tuple[str, msgspec.Raw]]


def load_findings(folder: Path, key: str, token: str, decided_by: Mapping[str, str]) -> dict[str, list[Finding]]:
    """Load code -> findings in the tables of the entry `token`, of rules whose `decided_by` has not changed."""
    stored = _stored_findings(folder, key, token).rules
    same = {code: findings for code, (digest, findings) in stored.items() if decided_by.get(code) == digest}
    return {code: msgspec.msgpack.decode(findings, type=list[Finding]) for code, findings in same.items()}


def save_findings(
    folder: Path, key: str, token: str, decided_by: Mapping[str, str], findings: Mapping[str, list[Finding]]
) -> None:
    """Save findings in the tables of an entry, and keep those of other rules; see `load_findings`."""
    encode = msgspec.msgpack.encode
    stored = _stored_findings(folder, key, token)
    for code in decided_by.keys() & findings.keys():
        stored.rules[code] = decided_by[code], msgspec.Raw(encode(findings[code]))
    text = encode(stored)
    _save_file(folder, key + _FINDINGS, lambda path: path.write_bytes(_digest(text) + text))


def _stored_findings(folder: Path, key: str, token: str) -> _StoredFindings:
    """The saved findings of the entry `token`; empty if they belong to another entry, or are damaged."""
    path = folder / f"{key}{_FINDINGS}{_SUFFIX}"
    with suppress(OSError):
        data = path.read_bytes()
        if data[:_DIGEST_BYTES] == _digest(text := data[_DIGEST_BYTES:]):
            stored = msgspec.msgpack.decode(text, type=_StoredFindings)
            os.utime(path)
            if stored.token == token:
                return stored
    return _StoredFindings(token, {})


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _delete_old(folder: Path) -> None:
    """Delete unfinished files and, while the folder is too large, the entries unused for longest."""
    entries = []
    for path in folder.iterdir():
        with suppress(OSError):
            stat = path.stat()
            if path.suffix == ".partial" and stat.st_mtime < time.time() - _UNFINISHED_SECONDS:
                path.unlink()
            elif path.suffix == _SUFFIX:
                entries.append((stat.st_mtime, stat.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries)[:-1]:
        if total <= MAX_CACHE_BYTES:
            break
        total -= size
        with suppress(OSError):
            path.unlink()


def cut_images(measured: MeasuredTables, first: int, last: int) -> MeasuredTables:
    """The tables of the images `first:last`, with rows counted from 0, and the defects that name one of these images.

    Each table must be in the order of its images, as `measure_batch` and `concatenate_measured` return them.
    """
    span = {"images": (first, last)}
    tables = {"images": measured.tables["images"].slice(first, last - first)}
    for name, columns in row_links().items():  # a table comes after those that it refers to
        if name not in measured.tables or not columns:
            continue
        table = measured.tables[name]
        column, target_table = next(iter(columns.items()))
        begin, end = np.searchsorted(table[column].to_numpy(), span[target_table]).tolist()
        span[name] = (begin, end)
        part = table.slice(begin, end - begin)
        for link, target in columns.items():
            part = replace_column(part, link, part[link].to_numpy().astype(np.int64) - span[target][0])
        tables[name] = part
    names = set(tables["images"]["image_id"].to_pylist())
    return MeasuredTables(tables, [defect for defect in measured.defects if defect.image in names])


def interleave_measured(
    order: Ints, kept: Mapping[int, int], before: MeasuredTables, fresh: Iterable[tuple[Ints, MeasuredTables]]
) -> Iterator[MeasuredTables]:
    """Yield pieces in the order of the images, partly from an earlier measurement, partly from this one.

    Parameters
    ----------
    order : rows of all images, in the order in which they are measured
    kept : row -> the image's row in `before`
    fresh : the other rows in the same order, in portions, and what was measured of each
    """
    pieces = (
        measured if len(portion) == 1 else cut_images(measured, row, row + 1)
        for portion, measured in fresh
        for row in range(len(portion))
    )
    begin = 0
    rows: Sequence[int] = order.tolist()
    while begin < len(rows):
        if rows[begin] not in kept:
            yield next(pieces)
            begin += 1
            continue
        first = kept[rows[begin]]
        end = begin + 1
        while end < len(rows) and kept.get(rows[end]) == first + end - begin:
            end += 1
        yield cut_images(before, first, first + end - begin)
        begin = end
