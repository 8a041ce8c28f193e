"""File URIs: slices of a volume by number, and the files that URIs name."""

from pathlib import Path
from urllib.parse import unquote, urlparse


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


def inside(uri: str | None, root: Path) -> str | None:
    """A path or URI as it is written below `root`: relative where it lies there, so that the folder can be moved."""
    if not uri or "://" in uri:
        return uri
    path, start = Path(uri).absolute(), root.absolute()
    return path.relative_to(start).as_posix() if path.is_relative_to(start) else uri


def outside(uri: str | None, root: Path) -> str | None:
    """`inside` backwards: the path or URI of what is written below `root`."""
    return uri if not uri or "://" in uri else (root / uri).as_posix()
