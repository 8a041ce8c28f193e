"""Pictures: the image files that files of an annotation tool name, and those beside them that no file does."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from segdata.core.finding import Defect
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.per_image import ImageEntry


def picture_folders(here: Path, images: Path | None) -> list[ImageFolder]:
    """Where the pictures may be: in `images`; without it in the dataset's folder `here`, or in one called images."""
    if images:
        return [ImageFolder.below(images)]
    folder = ImageFolder.below(here)
    return [folder, folder.inside("images"), ImageFolder.below(here.parent / "images")]


def first_picture(folders: Sequence[ImageFolder], names: Iterable[str]) -> Path | None:
    """The first image file of one of these names."""
    return next((folder.paths[name] for name in names for folder in folders if name in folder.paths), None)


def near(folders: Sequence[ImageFolder], name: str) -> str | None:
    """The first name that differs from `name` only in case or extension."""
    return next((hit for folder in folders if (hit := folder.near(name))), None)


def unlisted(folders: Sequence[ImageFolder], entries: Iterable[ImageEntry], tool: str) -> list[Defect]:
    """SEG011 for each image file that lies in a folder with listed ones and is not listed itself."""
    used = {str(entry.image) for entry in entries if entry.image is not None}  # texts are hashed faster than paths
    beside = {path.rpartition(os.sep)[0] for path in used}
    alone = {
        str(path): name
        for folder in folders
        for name, path in folder.paths.items()
        if str(path) not in used and str(path).rpartition(os.sep)[0] in beside
    }
    return [
        Defect("SEG011", f"an image that no {tool} file lists", name, image=name) for name in sorted(alone.values())
    ]
