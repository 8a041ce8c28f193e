"""Names of images that no file has: what a document's names lack beside those of the files."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import looks_like_photograph


def explain_names(places: Iterable[Path], names: Sequence[str], skip: Sequence[Path]) -> str | None:
    """Why no image has its name although images are near: folders, or zeros, are missing in the names.

    None if fewer than half of the names are explained by that, or by masks, which may be called as their images.
    """
    files: dict[Path, str] = {}
    for place in places:
        for name, path in ImageFolder.below(place).paths.items():
            if not any(path.is_relative_to(folder) for folder in skip):
                files.setdefault(path, name)
    by_key: dict[str, list[Path]] = {}
    for path in files:
        by_key.setdefault(path.name, []).append(path)
        by_key.setdefault(_numbered(path.name), []).append(path)
    for remedy, key_of in (("their folders", _bare_name), ("the spelling of the files", _numbered)):
        found = {name: by_key[key] for name in names if (key := key_of(name)) in by_key}
        if found and 2 * len(found) >= len(names):
            name = max(found, key=lambda name: len(found[name]))
            if looks_like_photograph(found[name][:2]):
                shown = " or ".join(sorted(ascii(files[path]) for path in found[name])[:2])
                return f"images are named {name!a}, the file is {shown}: give the names {remedy}"
    return None


def _bare_name(name: str) -> str:
    return PurePosixPath(name).name


def _numbered(name: str) -> str:
    """A name without the zeros that it begins with, as a key of its own."""
    return f"0{_bare_name(name).lstrip('0')}"
