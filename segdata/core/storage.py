"""Storage: data under URLs such as s3://bucket/data, read and written through fsspec.

A dataset under a URL is mirrored: its files are copied into a temporary folder, which readers read and which is removed
when the program ends. Files of segments of a canonical dataset stay remote; their row groups are read on demand.
Output is uploaded from a temporary folder, the file that makes it a dataset last.
"""

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, Any

from segdata.core.errors import SegdataError, UnreadableError, count_noun, import_extra
from segdata.core.paths import as_url, is_unsafe_path

_MANIFEST = "dataset.yaml"
_COMPANION_FILES = ("segdata.yaml", "taxonomy.yaml")  # that belong to a dataset of one file
_FETCHED_ON_DEMAND = re.compile(r"r\d+/segments/[^/]+\.parquet")  # files of a canonical dataset
_NOT_MIRRORED = re.compile(r"images/")  # folder of a canonical dataset with copies of the images
# Stores of objects, whose files are read where the rows of a dataset name them; a file on the web is not.
STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "memory"})
_MAX_NAMES_SHOWN = 3  # names in a message
_SETUP = "see docs/cluster.md"


def join_url(url: str, name: str) -> str:
    """The URL of a file below a folder."""
    return f"{url}/{name}"


@dataclass(frozen=True, slots=True)
class Mirror:
    """The copy of a dataset's files on this machine."""

    root: Path  # the folder or file to read
    folder: Path  # what is below `url`, on this machine
    url: str
    remote: tuple[str, ...] = ()  # names below `url` that are not copied, but read on demand


_MIRRORS: list[Mirror] = []
_COPIES: dict[str, Path] = {}
_LOCK = Lock()


def mirror(url: str) -> Mirror:
    """Copy the files that readers need of a dataset under a URL to this machine.

    From a folder with dataset.yaml these are all but images and segments; from another folder, all files; for a file,
    the file itself, with segdata.yaml and taxonomy.yaml beside it. Raises SegdataError if nothing is there, access is
    denied, or a package is missing.
    """
    with storage_errors(url):
        fs, place = _filesystem(url)
        fs.invalidate_cache()
        home = temporary_folder()
        if fs.isfile(place):
            parent, _, name = place.rpartition("/")
            folder = home / (PurePosixPath(parent).name or "data")
            names = [name, *(other for other in _COMPANION_FILES if fs.isfile(f"{parent}/{other}"))]
            _download(fs, parent, names, folder)
            made = Mirror(folder / name, folder, url.rpartition("/")[0])
        else:
            names = _names_below(fs, place)
            if not names:
                raise UnreadableError(f"{url}: no file is there; check the bucket and the path")
            canonical = _MANIFEST in names
            remote = tuple(name for name in names if canonical and _FETCHED_ON_DEMAND.fullmatch(name))
            folder = home / PurePosixPath(place).name
            kept = [name for name in names if name not in remote and not (canonical and _NOT_MIRRORED.match(name))]
            _download(fs, place, kept, folder)
            made = Mirror(folder, folder, url, remote)
    with _LOCK:
        _MIRRORS.append(made)
    return made


def mirrors() -> tuple[Mirror, ...]:
    """The mirrors of this process so far."""
    with _LOCK:
        return tuple(_MIRRORS)


def original_url(path: str, among: Sequence[Mirror] | None = None) -> str:
    """The URL of a path in a mirror; any other path or URL is returned unchanged.

    `among`: the mirrors of another process; default: those of this one.
    """
    for made in _MIRRORS if among is None else among:
        if "://" not in path and Path(path).is_relative_to(made.folder):
            return join_url(made.url, Path(path).relative_to(made.folder).as_posix())
    return path


def open_mirrored(path: Path) -> IO[bytes] | Path:
    """The path of a mirrored file, or, if the mirror left it remote, a file object that fetches pieces on demand."""
    url = original_url(str(path))
    return path if url == str(path) or path.exists() else open_piecewise(url)


def open_piecewise(url: str) -> IO[bytes]:
    """Open a file under a URL; its pieces are fetched on demand."""
    with storage_errors(url):
        fs, place = _filesystem(url)
        file: IO[bytes] = fs.open(place, "rb", cache_type="readahead", block_size=1 << 20)
        return file


_MAX_REQUESTS = 64  # ranges of a file under a URL that are asked for one by one


def read_ranges(place: str, ranges: Sequence[tuple[int, int]], size: int) -> bytes:
    """Read byte ranges (first, end) of a file, given by path or URL, one after the other.

    For many ranges of a file under a URL, the whole file is copied, once while the program runs. Raises OSError if the
    file cannot be read, and SegdataError if it does not have `size` bytes.
    """
    if as_url(place) is not None:
        if len(ranges) > _MAX_REQUESTS:
            return read_ranges(str(local_copy(place)), ranges, size)
        with storage_errors(place):
            fs, key = _filesystem(place)
            _check_size(place, int(fs.info(key)["size"]), size)
            starts, ends = ([range_[k] for range_ in ranges] for k in (0, 1))
            return b"".join(fs.cat_ranges([key] * len(ranges), starts, ends))
    with Path(place).open("rb") as file:
        _check_size(place, os.fstat(file.fileno()).st_size, size)
        pieces = []
        for first, last in ranges:
            file.seek(first)
            pieces.append(file.read(last - first))
        return b"".join(pieces)


def _check_size(place: str, n_bytes: int, size: int) -> None:
    if n_bytes != size:
        raise SegdataError(f"{place}: has {n_bytes:,} bytes, and {size:,} where the dataset was opened")


def names_in(folder: Path) -> list[str]:
    """The names of the files in a folder, with files that a mirror left remote."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    for made in _MIRRORS:
        if folder.is_relative_to(made.folder):
            below = folder.relative_to(made.folder).as_posix()
            names += [PurePosixPath(name).name for name in made.remote if str(PurePosixPath(name).parent) == below]
    return sorted(set(names))


def local_copy(url: str) -> Path:
    """A local copy of a file under a URL, made once while the program runs; raises OSError if the file is missing."""
    with _LOCK:
        copied = _COPIES.get(url) or next(filter(None, (_in_mirror(made, url) for made in _MIRRORS)), None)
    if copied is not None:
        return copied
    with storage_errors(url):
        fs, place = _filesystem(url)
        target = temporary_folder() / (PurePosixPath(place).name or "file")
        try:
            fs.get_file(place, str(target))
        except FileNotFoundError as error:
            raise FileNotFoundError(2, "No such file", url) from error
    with _LOCK:
        _COPIES[url] = target
    return target


def _in_mirror(made: Mirror, url: str) -> Path | None:
    """The copy of a file in one of the mirrors."""
    path = made.folder / url.removeprefix(f"{made.url}/")
    return path if url.startswith(f"{made.url}/") and path.is_file() else None


def check_free_url(url: str) -> None:
    """Raise SegdataError if there are files under a URL that is to be written."""
    with storage_errors(url):
        fs, place = _filesystem(url)
        fs.invalidate_cache()
        names = [PurePosixPath(place).name] if fs.isfile(place) else _names_below(fs, place, missing_is_empty=True)
    if not names:
        return
    listed = ", ".join(names[:_MAX_NAMES_SHOWN]) + (", …" if len(names) > _MAX_NAMES_SHOWN else "")
    half = "" if _MANIFEST in names else "; if an interrupted conversion has left them, delete them first"
    raise SegdataError(f"{url}: {count_noun(len(names), 'file')} there already ({listed}); name another target{half}")


def upload(folder: Path, url: str, last: str) -> None:
    """Write the files below a folder under a URL, the one called `last` after all others.

    A program that is killed meanwhile leaves files without `last`, which are no dataset.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    names.sort(key=lambda name: name == last)
    for name in names:
        upload_file(folder / name, join_url(url, name))


def upload_file(path: Path, url: str) -> int:
    """Write one file under a URL; returns its size in bytes. Raises SegdataError if it did not arrive whole."""
    with storage_errors(url):
        fs, place = _filesystem(url)
        fs.put_file(str(path), place)
        size = int(fs.info(place)["size"])
        if size != path.stat().st_size:
            raise SegdataError(f"{url}: {size:,} of {path.stat().st_size:,} bytes were written; try again")
    return size


def size_of(url: str) -> int | None:
    """The size of a file under a URL in bytes; None if there is none."""
    with storage_errors(url):
        fs, place = _filesystem(url)
        fs.invalidate_cache()
        try:
            return int(fs.info(place)["size"])
        except FileNotFoundError:
            return None


def delete_below(url: str) -> None:
    """Delete a file under a URL, or all files of a folder; missing files are no error."""
    with suppress(Exception):  # the error that led here says more
        fs, place = _filesystem(url)
        fs.invalidate_cache()
        for name in fs.find(place):
            fs.rm_file(name)


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn errors of object stores into UnreadableErrors that say what to do."""
    try:
        yield
    except (SegdataError, FileNotFoundError) as error:
        if isinstance(error, FileNotFoundError) and "bucket" in str(error).lower():
            raise UnreadableError(f"{url}: there is no bucket {_bucket(url)!r}; check its name and region") from error
        raise
    except Exception as error:  # each store has its own classes, which are not here where it is not installed
        name, reason = type(error).__name__, " ".join(str(error).split())[:200]
        if "Credential" in name or "credential" in reason:
            raise UnreadableError(
                f"{url}: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, on this "
                f"machine and on all workers; {_SETUP}"
            ) from error
        if isinstance(error, PermissionError):
            raise UnreadableError(
                f"{url}: access is refused ({reason}); check the credentials and their rights"
            ) from error
        if "Endpoint" in name or "Connect" in name or isinstance(error, TimeoutError):
            raise UnreadableError(
                f"{url}: the store does not answer ({reason}); check the network and AWS_ENDPOINT_URL"
            ) from error
        if isinstance(error, OSError):
            raise UnreadableError(f"{url}: {reason or name}") from error
        raise


def _bucket(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _filesystem(url: str) -> tuple[Any, str]:  # Any: fsspec has no types
    """The file system of a URL, and the path in it."""
    core = import_extra("fsspec.core", "cloud", "fsspec")
    scheme = url.partition("://")[0]
    try:
        fs, place = core.url_to_fs(url)
    except ImportError as error:
        package = "pip install 'segdata[cloud]'" if scheme == "s3" else "install the package that fsspec names"
        raise SegdataError(f"{url}: {' '.join(str(error).split())[:160]}; {package}") from error
    except ValueError as error:
        raise SegdataError(
            f"{url}: fsspec knows no {scheme!r}; use s3://, gs:// or another of its protocols"
        ) from error
    return fs, str(place).rstrip("/")


def _names_below(fs: Any, place: str, *, missing_is_empty: bool = False) -> list[str]:  # Any: as above
    """The files below a folder, as paths below it."""
    try:
        paths = fs.find(place)
    except FileNotFoundError:
        if missing_is_empty and fs.exists(place.partition("/")[0]):
            return []
        raise
    if not paths and not fs.exists(place.partition("/")[0]):
        raise FileNotFoundError(f"the bucket of {place} does not exist")
    start = len(place) + 1
    return sorted(name[start:] for name in map(str, paths) if name[start:] and not name.endswith("/"))


def _download(fs: Any, place: str, names: Sequence[str], folder: Path) -> None:  # Any: as above
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if is_unsafe_path(name):
            raise UnreadableError(f"{place}/{name}: the name leads out of the dataset; rename it")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    fs.get([f"{place}/{name}" for name in names], [str(folder / name) for name in names])


def temporary_folder() -> Path:
    """A new folder that is removed when this process ends."""
    home = Path(tempfile.mkdtemp(prefix="segdata-")).resolve()
    atexit.register(_remove, home, os.getpid())
    return home


def _remove(home: Path, process: int) -> None:
    """Remove the folder, in the process that made it."""
    if os.getpid() == process:
        shutil.rmtree(home, ignore_errors=True)
