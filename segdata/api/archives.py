"""Zip archives of datasets, unpacked into a temporary folder that is deleted when the program ends.

Archives are untrusted. Names that lead out of the folder, links, encrypted entries, and archives that unpack to a large
multiple of their size, or to more than the disk holds, are refused before anything is written.

Source: Fifield (2019), A better zip bomb, WOOT; PKWARE APPNOTE 6.3.10, sections 4.4 and 4.5.
"""

import shutil
import stat
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path, PurePosixPath

from segdata.core.errors import UnreadableError, count_noun
from segdata.core.paths import TEMPORARY_FOLDERS, is_unsafe_path, split_of_folder, with_folder
from segdata.core.storage import temporary_folder

_MAX_ENTRIES = 2_000_000
_MAX_RATIO = 100  # of unpacked to packed bytes, if there are more than
_MAX_BYTES = 1 << 30
_MAX_NAME_BYTES = 255  # of a file or folder
_BLOCK_BYTES = 1 << 20
_IGNORED_NAMES = ("__MACOSX/", ".DS_Store", "Thumbs.db")
# The only folder in an archive is the dataset's root, unless its name is that of a part of a dataset.
_PART_NAMES = {"masks", "labels", "annotations", "images", "imgs", "jpegimages", "img_dir", "ann_dir", "mask", "label"}


def unpack_archive(path: Path) -> Path:
    """Unpack a zip archive, once per run and version of the file, and return the dataset's root.

    Raises UnreadableError if the archive is damaged, encrypted or unsafe, or does not fit on the disk.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror or error}") from error
    return _unpack(path.absolute(), status.st_size, status.st_mtime_ns)


@cache
def _unpack(path: Path, size: int, modified: int) -> Path:
    """Unpack an archive; `size` and `modified` are part of the cache key."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _sound_entries(path, archive, size)
            home = temporary_folder()
            TEMPORARY_FOLDERS.add(home)
            folder = home / (path.stem[:80].strip(". ") or "archive")
            folder.mkdir()
            for entry in entries:
                _extract(archive, entry, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UnreadableError(f"{path}: is no zip archive, or damaged: {error}") from error
    except OSError as error:
        raise UnreadableError(
            f"{path}: cannot be unpacked to {tempfile.gettempdir()}: {error.strerror or error}"
        ) from error
    return _root(folder)


def _sound_entries(path: Path, archive: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    """The entries to unpack; raises UnreadableError if one is unsafe, or all together are too large."""
    remedy = "unzip it yourself and give the folder if you trust it"
    entries = [
        entry for entry in archive.infolist() if not entry.filename.endswith("/") and not _is_no_data(entry.filename)
    ]
    if not entries:
        raise UnreadableError(f"{path}: the archive is empty")
    if len(entries) > _MAX_ENTRIES:
        raise UnreadableError(f"{path}: holds {len(entries):,} files, more than {_MAX_ENTRIES:,}; {remedy}")
    keys: set[str] = set()
    for entry in entries:
        name, shown = entry.filename, ascii(entry.filename)[:120]
        parts = PurePosixPath(name).parts
        if is_unsafe_path(name) or "\\" in name or not parts:
            raise UnreadableError(f"{path}: the name {shown} leads out of the archive; nothing is unpacked")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UnreadableError(f"{path}: {shown} is a link; {remedy}")
        if entry.flag_bits & 1:
            raise UnreadableError(f"{path}: {shown} is encrypted; unzip it with its password and give the folder")
        if max(len(part.encode("utf-8", "surrogatepass")) for part in parts) > _MAX_NAME_BYTES:
            raise UnreadableError(f"{path}: the name {shown} is longer than {_MAX_NAME_BYTES} bytes; rename it")
        if (key := PurePosixPath(name).as_posix()) in keys:
            raise UnreadableError(f"{path}: holds {shown} twice; remove one")
        keys.add(key)
    total = sum(entry.file_size for entry in entries)
    if total > max(_MAX_BYTES, _MAX_RATIO * size):
        raise UnreadableError(f"{path}: {size:,} bytes unpack to {total:,}, as in a zip bomb; {remedy}")
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if total > free:
        place = tempfile.gettempdir()
        files = count_noun(len(entries), "file")
        raise UnreadableError(f"{path}: {files} of {total:,} bytes do not fit into {place} ({free:,} free); set TMPDIR")
    return entries


def _is_no_data(name: str) -> bool:
    return name.startswith(_IGNORED_NAMES[0]) or PurePosixPath(name).name in _IGNORED_NAMES


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    """Write one file; raises BadZipFile if its size differs from the archive's claim, or its checksum is wrong."""
    target = folder / PurePosixPath(entry.filename)
    left = entry.file_size
    with archive.open(entry) as source, with_folder(target).open("xb") as file:
        while data := source.read(_BLOCK_BYTES):
            left -= len(data)
            if left < 0:
                raise zipfile.BadZipFile(f"{ascii(entry.filename)[:120]} is larger than the archive says")
            file.write(data)
    if left:
        raise zipfile.BadZipFile(f"{ascii(entry.filename)[:120]} is smaller than the archive says")


def _root(folder: Path) -> Path:
    """The folder of the dataset: the only one in an archive, unless it is a part of a dataset."""
    while True:
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        name = inside[0].name
        if name.lower() in _PART_NAMES or split_of_folder(name) is not None:
            return folder
        folder = inside[0]
