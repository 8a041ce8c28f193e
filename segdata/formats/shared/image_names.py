"""Image names that match no file, and image files that no document names."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from segdata.core.errors import list_names
from segdata.core.finding import Defect
from segdata.core.paths import is_file
from segdata.formats.shared.file_names import is_image_name, misnamed_hint, misnamed_images, walk_nearest
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import looks_like_photograph

_MAX_ENTRIES = 10_000  # of folders near a document, besides two for each of its images
_MAX_SEARCHED_BYTES = 64 << 20  # of other documents, searched for names of images
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts it before the name of an uploaded file
_FILE_NAME = re.compile(rb'"file_name"\s*:\s*"([^"]*)"')


def explain_names(places: Sequence[Path], names: Sequence[str], skip: Sequence[Path]) -> str | None:
    """Why document names match no nearby image file: different folders, extensions, zeros, blanks, what uploads add.

    None if fewer than half of the names are explained by that, or by masks, which may be called as their images.
    """
    # A walk does not follow links to folders.
    outermost = [place for place in places if place.is_symlink() or not any(one in place.parents for one in places)]
    files = [
        folder / name
        for folder, inside in walk_nearest(outermost, _MAX_ENTRIES + 2 * len(names))
        if not any(folder.is_relative_to(other) for other in skip)
        for name in inside
        if is_image_name(name)
    ]
    for remedy, key_of in _REMEDIES.items():
        by_key: dict[str, list[Path]] = {}
        for path in files:
            by_key.setdefault(key_of(path.name), []).append(path)
        found = {name: by_key[key] for name in names if (key := key_of(name)) in by_key}
        if found and 2 * len(found) >= len(names):
            name = max(found, key=lambda name: len(found[name]))
            if looks_like_photograph(found[name][:2]):
                shown = " or ".join(sorted(ascii(_name_near(path, places)) for path in found[name])[:2])
                return f"images are named {name!a}, the file is {shown}: give the names {remedy}"
    return None


def _name_near(path: Path, places: Iterable[Path]) -> str:
    """The name of a file below the first of the places that contains it."""
    return next(path.relative_to(place) for place in places if place in path.parents).as_posix()


def _bare_name(name: str) -> str:
    return name.rpartition("/")[2]  # a PurePosixPath of each of 118,000 names takes half a second


_REMEDIES: dict[str, Callable[[str], str]] = {  # what to give the names -> what a name and its file have in common then
    "their folders": _bare_name,
    "the spelling of the files": lambda name: _bare_name(name).lstrip("0"),
    "the spelling of the files: uploads have eight letters and a dash before them": lambda name: _UPLOAD_PREFIX.sub(
        "", _bare_name(name)
    ),
    "the spelling of the files: they begin or end with blanks or line ends": lambda name: _bare_name(name).strip(),
    "the spelling of the files: an address goes on with a question mark and its signature": lambda name: _bare_name(
        name.partition("?")[0]
    ),
    "the extension of the files": lambda name: _bare_name(name).rpartition(".")[0] or _bare_name(name),
}


def unlisted_images(document: Path, folder: ImageFolder, names: Sequence[str]) -> list[Defect]:
    """SEG011 for every image file that the document does not name.

    Only where the folder is for images alone. Files that another JSON beside the document names are none, and nothing
    is reported if those are too large to be searched, or cannot be read.
    """
    path = document.absolute()
    unlisted = folder.paths.keys() - set(names)
    if folder.root is None or not unlisted or path.is_relative_to(folder.root.absolute()):
        return []
    others = [other for other in path.parent.glob("*.json") if other != path and is_file(other)]
    try:
        if sum(other.stat().st_size for other in others) > _MAX_SEARCHED_BYTES:
            return []
        names_of = {other: set(_FILE_NAME.findall(other.read_bytes())) for other in others}
    except OSError:
        return []
    elsewhere = set().union(*names_of.values())
    named = {PurePosixPath(name.decode("utf-8", "replace")).name for name in elsewhere}
    orphans = [name for name in sorted(unlisted) if PurePosixPath(name).name not in named]
    meant = misnamed_images(set(names) - folder.paths.keys(), orphans)
    documents = sorted([document.name, *(other.name for other, listed in names_of.items() if listed)])
    several = f"no document names ({list_names(documents)})"  # the same for each document of a split
    message = f"image file that {several if len(documents) > 1 else f'{document.name} does not name'}"
    return [Defect("SEG011", message + misnamed_hint(meant.get(name)), name, image=name) for name in orphans]
