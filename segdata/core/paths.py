"""Paths: image URIs, unsafe file names, the split in a path, and keys that pair images of several datasets by name."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlparse

from segdata.core.errors import SegdataError, UnreadableError

_FOLDERS_OF_PROGRAMS = {"__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "lost+found"}
DECISION_LOG = "review.jsonl"
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/{1,2}([^/].*)", re.DOTALL)
_PART = re.compile(r"(.+)#(|k=\d+|xywh=[\d,]+)")


def dataset_folder(root: Path) -> Path:
    """The folder of a dataset: the dataset itself, or the folder that its file is in."""
    return root if root.is_dir() else root.parent


def visible_folders(names: Iterable[str]) -> list[str]:
    """The names of folders that may hold data, sorted: hidden ones, and those that other programs leave, do not.

    Jupyter keeps copies in `.ipynb_checkpoints`, macOS puts `__MACOSX` into archives, a NAS thumbnails into `@eaDir`.
    """
    return sorted(name for name in names if not name.startswith(".") and name not in _FOLDERS_OF_PROGRAMS)


def is_archive(path: Path) -> bool:
    """Whether a path is a file with the suffix .zip; zip-based formats have others, such as .npz and .qpdata."""
    return path.suffix.lower() == ".zip" and path.is_file()


def decision_log_path(data: str | Path) -> Path:
    """The path of the decision log: ``review.jsonl`` in the folder of a canonical dataset, for all its revisions.

    For other data it is ``<name>.review.jsonl`` beside the data.
    """
    path = Path(data).absolute()
    path = path.resolve() if path.name == ".." else path  # `..` has no name to put a file beside
    return path / DECISION_LOG if (path / "dataset.yaml").is_file() else path.with_name(f"{path.name}.{DECISION_LOG}")


def slice_uri(path: Path, k: int) -> str:
    """The URI of a slice of a volume: the file, and after a # the number of the slice."""
    return f"{path.absolute().as_uri()}#k={k}"


def as_url(place: object) -> str | None:
    """The URL that a text or path names; None for a local path.

    >>> as_url("s3://bucket/data"), as_url(Path("s3://bucket/data")), as_url("data/a.json"), as_url("file:///data")
    ('s3://bucket/data', 's3://bucket/data', None, None)
    """
    if not isinstance(place, (str, Path)):
        return None
    match = _URL.fullmatch(str(place))  # a Path makes one slash of two
    return None if match is None or match[1].lower() == "file" else f"{match[1].lower()}://{match[2].rstrip('/')}"


def local_file(uri: str | None) -> Path | None:
    """The local file that a path or URI names, without a fragment (#...); None for a remote one.

    >>> local_file("file:///a%20b.nii.gz#k=3").as_posix(), local_file("s3://a/b.png")
    ('/a b.nii.gz', None)
    """
    if not uri:
        return None
    if "://" not in uri:
        return Path(uri)
    parts = urlparse(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def replace_file(uri: str, path: Path) -> str:
    """Replace the file of a path or URI and keep its fragment.

    >>> replace_file("file:///a/b.nii#k=3", Path("/c/b.nii")), replace_file("a.png", Path("c.png"))
    ('file:///c/b.nii#k=3', 'c.png')
    """
    if "://" not in uri:
        return str(path)
    part = urlparse(uri).fragment
    return path.absolute().as_uri() + (f"#{part}" if part else "")


def relative_uri(uri: str | None, root: Path) -> str | None:
    """A path or URI relative to `root` if it lies there, else absolute; a relative URI ends with a #.

    None for a file in a temporary folder, which will not exist when the path is read.

    >>> root = Path("/data")
    >>> [relative_uri(uri, root) for uri in ("/data/a.png", "file:///data/a.dcm", "file:///data/a.nii#k=3")]
    ['a.png', 'a.dcm#', 'a.nii#k=3']
    """
    path, base = local_file(uri), root.absolute()
    if uri is None or path is None:
        return uri
    if any(path.absolute().is_relative_to(folder) for folder in TEMPORARY_FOLDERS):
        return None
    if not path.absolute().is_relative_to(base):
        return uri if "://" in uri else path.absolute().as_posix()
    name = path.absolute().relative_to(base).as_posix()
    if "://" in uri:
        return f"{name}#{urlparse(uri).fragment}"
    return path.absolute().as_posix() if _PART.fullmatch(name) else name


def absolute_uri(uri: str | None, root: Path) -> str | None:
    """The inverse of `relative_uri`: the absolute path or URI of a name written below `root`."""
    if not uri or "://" in uri:
        return uri
    part = None if Path(uri).is_absolute() else _PART.fullmatch(uri)
    if part is None:
        return str((root / uri).absolute())
    return (root / part[1]).absolute().as_uri() + (f"#{part[2]}" if part[2] else "")


def relative_channels(channels: Any, root: Path) -> Any:  # Any: rows of the column `channels`
    """The channels of an image with `relative_uri` applied to their URIs."""
    return _with_uris(channels, lambda uri: relative_uri(uri, root))


def absolute_channels(channels: Any, root: Path) -> Any:  # Any: rows of the column `channels`
    """The inverse of `relative_channels`."""
    return _with_uris(channels, lambda uri: absolute_uri(uri, root))


def _with_uris(channels: Any, change: Any) -> Any:  # Any: as above, and a function of a URI
    if channels is None:
        return None
    return tuple({**channel, "uri": change(channel.get("uri"))} for channel in channels)


def is_unsafe_path(name: str) -> bool:
    """Whether a path in an annotation file leads out of the dataset (absolute, a drive, `..`) or is invalid (NUL).

    >>> is_unsafe_path("../secret.png"), is_unsafe_path("a/b.png")
    (True, False)
    """
    if not SUSPECT.search(name):
        return False
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or name[1:2] == ":" or "\0" in name


SUSPECT = re.compile(r"\x00|\.\.|^[/\\]|^.:")  # names that may be unsafe; the pattern also works in Arrow


def is_file(path: Path) -> bool:
    r"""Whether a path is a file; False for invalid names: of more than 255 bytes, or with NUL.

    >>> is_file(Path("a" * 300)), is_file(Path("a\0b"))
    (False, False)
    """
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    r"""Whether a path is a folder; False for invalid names, as in `is_file`.

    >>> is_folder(Path("a" * 300)), is_folder(Path("a\0b"))
    (False, False)
    """
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def with_folder(path: Path) -> Path:
    """Make the folder of a path that is to be written, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def check_path_name(path: Path) -> None:
    """Raise UnreadableError if a path is not valid UTF-8, which tables, reports and other systems require."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise UnreadableError(f"{shown}: the name is not UTF-8; rename it") from error


def check_plain_files(root: Path) -> None:
    """Raise SegdataError if the dataset contains a pipe, socket or device, which may never end when read."""
    for path in _links_and_others(root) if root.is_dir() else [root]:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise SegdataError(f"{path}: is a pipe, a socket or a device; remove it")


def _links_and_others(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is neither a plain file nor a folder; links are not followed."""
    with suppress(OSError), os.scandir(folder) as entries:  # the reader reports what it cannot read
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _links_and_others(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


TEMPORARY_FOLDERS: set[Path] = set()
"""Absolute: where archives are unpacked. They go when the program ends, so nothing that is written refers to them."""

# A split in the name of a file or folder: train, instances_train2017, test-dev2017, valid.coco
SPLIT_WORD = re.compile(
    r"(?<![^\W_])(?P<split>train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?(?:-dev)?)(?:(?:19|20)\d\d)?(?![^\W_])",
    re.IGNORECASE,
)
_SHORT_SPLITS = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}


def split_words(name: str) -> list[str]:
    """The words for splits in the name of a file or folder, lower case.

    >>> split_words("train_val"), split_words("instances_train2017"), split_words("trainers")
    (['train', 'val'], ['train'], [])
    """
    return [match["split"].lower() for match in SPLIT_WORD.finditer(name)]


def split_of_name(name: str) -> str | None:
    """The split in the name of a file or folder: train, val, test …; None if the name has no such word, or several.

    >>> [split_of_name(name) for name in ("instances_train2017", "valid", "test-dev2017", "trainers", "train_val")]
    ['train', 'val', 'test-dev', None, None]
    """
    words = split_words(name)
    return _SHORT_SPLITS.get(words[0], words[0]) if len(words) == 1 else None


# Words beside that of the split in the name of a folder: train_images, img_train, training-set
_CONTENT_WORDS = re.compile(
    r"(?:images?|imgs?|frames?|photos?|pictures?|masks?|labels?|annotations?|gt|data|dataset|set|split)+",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def split_of_folder(name: str) -> str | None:
    """The split of a folder that is named after a split alone: train, val, test …; None for other folders.

    >>> [split_of_folder(name) for name in ("Valid", "train2017", "test_images", "trainset", "train_val", "test_bench")]
    ['val', 'train', 'test', 'train', None, None]
    """
    split = split_of_name(name.lower().removesuffix("set"))
    rest = "" if split is None else re.sub(r"[\W_]", "", SPLIT_WORD.sub("", name.lower().removesuffix("set")))
    return split if not rest or _CONTENT_WORDS.fullmatch(rest) else None


def split_from_path(path: str) -> str | None:
    """The split of the innermost folder of a POSIX path that is named after a split; None if there is no such folder.

    >>> split_from_path("street/train/a.png"), split_from_path("images/train2017/a.png"), split_from_path("train.png")
    ('train', 'train', None)
    """
    if "/" not in path:
        return None
    parts = [part for part in path.split("/") if part not in ("", ".")]  # a Path for each image would take long
    return next((split for part in reversed(parts[:-1]) if (split := split_of_folder(part)) is not None), None)


PairByName = Literal["id", "stem", "name"]
PairBy = Literal["id", "stem", "name", "varying", "content"]
PairingKey = tuple[str, int | str]


def _stem(image: str) -> str:
    return without_extension(image)


def _name(image: str) -> str:
    return PurePosixPath(image).stem


_WORDS = re.compile(r"\d+|[^\W\d_]+|[\W_]")
# Keys by which images are paired, the strictest first; the next one is tried only if no image is paired.
NAME_KEYS: dict[PairByName, Callable[[str], str]] = {"id": str, "stem": _stem, "name": _name}


def pairing_keys(images: Sequence[str], by: PairBy) -> list[PairingKey]:
    """(n,) the pairing key of each image of a dataset; images of two datasets with equal keys are the same image.

    `by` is one of `NAME_KEYS` or "varying". Duplicate ids are numbered. The id becomes part of another key that several
    images share, so that they pair with nothing.
    """
    if by == "id":
        seen: Counter[str] = Counter()
        numbered: list[PairingKey] = []
        for image in images:
            numbered.append((image, seen[image]))
            seen[image] += 1
        return numbered
    named = varying_names(images) if by == "varying" else [_name_key(by)(image) for image in images]
    often = Counter(named)
    return [(name, 0 if often[name] == 1 else image) for name, image in zip(named, images, strict=True)]


def _name_key(by: PairBy) -> Callable[[str], str]:
    return next(key for name, key in NAME_KEYS.items() if name == by)


def varying_names(images: Sequence[str]) -> list[str]:
    """(n,) the ids without extension, and without the words and numbers that all of them begin and end with.

    >>> varying_names(["b/01_manual1.gif", "b/02_manual1.gif"])
    ['01', '02']
    """
    words = [_WORDS.findall(_stem(image)) for image in images]
    if len(words) < 2:
        return [""] * len(words)
    before = _common_prefix(words)
    after = _common_prefix([name_words[before:][::-1] for name_words in words])
    return ["".join(name_words[before : len(name_words) - after]) for name_words in words]


def _common_prefix(lists: Sequence[list[str]]) -> int:
    """The length of the longest common prefix of lists."""
    first, last = min(lists), max(lists)
    n = min(len(first), len(last))
    return next((k for k in range(n) if first[k] != last[k]), n)


def without_extension(name: str | PurePosixPath) -> str:
    """A relative path without the extension of its last part.

    `PurePath.with_suffix` raises ValueError for ``..png`` from Python 3.13 on.

    >>> without_extension("a/b.c.png"), without_extension("..png"), without_extension("a/.png")
    ('a/b.c', '.', 'a/.png')
    """
    path = PurePosixPath(name)
    return path.as_posix().removesuffix(path.suffix)
