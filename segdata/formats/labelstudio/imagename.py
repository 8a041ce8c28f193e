"""Image name: the image that a task refers to, by an upload, a URL, a bucket or a path."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

from segdata.core.paths import is_unsafe_path
from segdata.formats.shared.file_names import IMAGE_SUFFIXES
from segdata.formats.shared.images import ImageFolder

_UPLOAD = "data/upload/"
_PREFIX = 9  # of uploaded files: eight hexadecimal digits and a dash
_KEYS = ("image", "img", "url", "image_url", "photo", "picture")


@dataclass(frozen=True, slots=True)
class ImageName:
    """The name of an image.

    Attributes
    ----------
    image_id : as a path
    key : in the task's data
    uri : where it is, if that is a URL
    unsafe : it named a file outside of the dataset, and only the last part is kept
    """

    image_id: str
    key: str
    uri: str | None = None
    unsafe: bool = False


def image_name(data: dict[str, Any], key: str | None) -> ImageName | None:  # Any: JSON
    """The image that the data of a task name, at `key` where that is known; None where they name none."""
    texts = {name: value for name, value in data.items() if isinstance(value, str) and value}
    named = [name for name, value in texts.items() if PurePosixPath(_path(value)[0]).suffix.lower() in IMAGE_SUFFIXES]
    found = [name for name in (key, *_KEYS) if name in texts] + named
    if not found or found[0] is None:
        return None
    name, remote = _path(texts[found[0]])
    if not name:
        return None
    uri = texts[found[0]] if remote else None
    if not is_unsafe_path(name):
        return ImageName(PurePosixPath(name).as_posix(), found[0], uri)
    last = PurePosixPath(name.replace("\\", "/")).name
    return None if last in ("", "..") else ImageName(last, found[0], uri, unsafe=True)


def _path(text: str) -> tuple[str, bool]:
    """The path in a reference to an image, and whether it is somewhere else.

    >>> _path("/data/upload/7/0a1b2c3d-cat.jpg"), _path("/data/local-files/?d=cats%2Fa.jpg")
    (('0a1b2c3d-cat.jpg', False), ('cats/a.jpg', False))
    >>> _path("s3://bucket/cats/a.jpg")
    ('cats/a.jpg', True)
    """
    if "?d=" in text:
        return unquote(text.partition("?d=")[2].partition("&")[0]).removeprefix("/"), False
    if "://" in text:
        return unquote(text.partition("://")[2].partition("/")[2].partition("?")[0].partition("#")[0]), True
    name = text.removeprefix("/")
    return (unquote(PurePosixPath(name).name) if name.startswith(_UPLOAD) else name), False


def find(name: str, folder: ImageFolder, by_file: dict[str, str]) -> str | None:
    """The name of an image's file in a folder: by its path, by the file's name, and without an upload's prefix."""
    file = PurePosixPath(name).name
    candidates = (name, by_file.get(file), by_file.get(file[_PREFIX:]) if file[_PREFIX - 1 : _PREFIX] == "-" else None)
    return next((each for each in candidates if each in folder.paths), None)


def reference(prefix: str, image_id: str) -> str:
    """The reference to an image in a task that is written; behind `?d=` a path is escaped."""
    return prefix + (quote(image_id) if prefix.endswith("=") else image_id)
