"""Zip archives of datasets: unpacked into a temporary folder that goes when the program ends.

Archives are files of strangers. Names that lead out of the folder, links, encrypted entries and archives that unpack to
far more than they are, or to more than the disk holds, are refused before anything is written.

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
_MAX_RATIO = 100  # an archive that unpacks to more is refused if that is also more than
_MAX_BYTES = 1 << 30
_MAX_LENGTH = 255  # bytes of a name of a file or folder
_PORTION = 1 << 20
_NO_DATA = ("__MACOSX/", ".DS_Store", "Thumbs.db")
# A folder that stands alone in an archive is the dataset's root, unless it is a part of one.
_PARTS = {"masks", "labels", "annotations", "images", "imgs", "jpegimages", "img_dir", "ann_dir", "mask", "label"}


def unpack_archive(path: Path) -> Path:
    """The root of the dataset in a zip archive, unpacked once while the program runs and the file stays as it is.

    Raises UnreadableError if the archive is damaged, encrypted or unsafe, or does not fit on the disk.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror or error}") from error
    return _unpack(path.absolute(), status.st_size, status.st_mtime_ns)


@cache
def _unpack(path: Path, size: int, modified: int) -> Path:
    """The root of the dataset in an archive of this size and time."""
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
    """The files to unpack; raises UnreadableError if one of them, or all together, must not be."""
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
        if max(len(part.encode("utf-8", "surrogatepass")) for part in parts) > _MAX_LENGTH:
            raise UnreadableError(f"{path}: the name {shown} is longer than {_MAX_LENGTH} bytes; rename it")
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
    return name.startswith(_NO_DATA[0]) or PurePosixPath(name).name in _NO_DATA


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    """Write one file, at most as large as the archive says; raises BadZipFile if it is larger, or its sum is wrong."""
    target = folder / PurePosixPath(entry.filename)
    left = entry.file_size
    with archive.open(entry) as source, with_folder(target).open("xb") as file:
        while data := source.read(_PORTION):
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
        if name.lower() in _PARTS or split_of_folder(name) is not None:
            return folder
        folder = inside[0]
