"""URIs of images: the file, of some a part of it, and how both are written where a folder may be moved with its images.

A plain path is a picture. A file URI is a volume, a raster or another file that is no picture as a whole; what is
behind its # is the slice or the region that is the image.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

_PART = re.compile(r"(.+)#(|k=\d+|xywh=[\d,]+)")


def slice_uri(path: Path, k: int) -> str:
    """Where a slice of a volume is: the file, and behind a # the number of the slice."""
    return f"{path.absolute().as_uri()}#k={k}"


def local_file(uri: str | None) -> Path | None:
    """The file that a path or URI names, without what is behind a #; None where it is none of this machine.

    >>> local_file("file:///a%20b.nii.gz#k=3").as_posix(), local_file("s3://a/b.png")
    ('/a b.nii.gz', None)
    """
    if not uri:
        return None
    if "://" not in uri:
        return Path(uri)
    parts = urlparse(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def moved(uri: str, path: Path) -> str:
    """The same part of another file.

    >>> moved("file:///a/b.nii#k=3", Path("/c/b.nii")), moved("a.png", Path("c.png"))
    ('file:///c/b.nii#k=3', 'c.png')
    """
    if "://" not in uri:
        return str(path)
    part = urlparse(uri).fragment
    return path.absolute().as_uri() + (f"#{part}" if part else "")


def inside(uri: str | None, root: Path) -> str | None:
    """A path or URI as it is written below `root`: relative where it lies there; of a URI that ends with a #.

    >>> root = Path("/data")
    >>> inside("/data/a.png", root), inside("file:///data/a.dcm", root), inside("file:///data/a.nii#k=3", root)
    ('a.png', 'a.dcm#', 'a.nii#k=3')
    """
    path, base = local_file(uri), root.absolute()
    if uri is None or path is None:
        return uri
    if not path.absolute().is_relative_to(base):
        return uri if "://" in uri else path.absolute().as_posix()
    name = path.absolute().relative_to(base).as_posix()
    if "://" in uri:
        return f"{name}#{urlparse(uri).fragment}"
    return path.absolute().as_posix() if _PART.fullmatch(name) else name


def outside(uri: str | None, root: Path) -> str | None:
    """`inside` backwards: the absolute path or URI of what is written below `root`."""
    if not uri or "://" in uri:
        return uri
    part = None if Path(uri).is_absolute() else _PART.fullmatch(uri)
    if part is None:
        return str((root / uri).absolute())
    return (root / part[1]).absolute().as_uri() + (f"#{part[2]}" if part[2] else "")


def channels_inside(channels: Any, root: Path) -> Any:  # Any: rows of the column `channels`
    """The channels of an image as they are written below `root`."""
    return _with_uris(channels, lambda uri: inside(uri, root))


def channels_outside(channels: Any, root: Path) -> Any:  # Any: rows of the column `channels`
    """`channels_inside` backwards."""
    return _with_uris(channels, lambda uri: outside(uri, root))


def _with_uris(channels: Any, change: Any) -> Any:  # Any: as above, and a function of a URI
    if channels is None:
        return None
    return tuple({**each, "uri": change(each.get("uri"))} for each in channels)
