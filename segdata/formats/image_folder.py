"""Where the image files of a document are, and which of them the document does not name."""

import os
from collections.abc import Sequence
from pathlib import Path

from segdata.core.defect import Defect
from segdata.formats.images import ImageFolder

_MOST_BESIDE = 50  # folders beside the document that are looked into


def find_images(
    document: Path, called: str, names: Sequence[str], given: Path | None, skip: Sequence[Path] = ()
) -> tuple[ImageFolder, list[Defect]]:
    """The folder that holds the images: the `given` one, or the first near the document that has any of them.

    `called` is how defects name the document; `skip` are folders that hold something else. Where none of the files is
    here, that is one information for the document, not one defect an image.
    """
    places = [given] if given is not None else [place for place in _places(document) if place not in skip]
    there = [place for place in places if place.is_dir()]
    by_folder: dict[str, set[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        by_folder.setdefault(folder, set()).add(file)
    for place in there:
        if _has_any(place, by_folder):
            return ImageFolder.below(place), []
    if not names:
        return ImageFolder(None), []
    tried = there or places
    looked = ", ".join(place.as_posix() for place in tried[:3]) + (", …" if len(tried) > 3 else "")
    message = f"none of the {len(names):,} image files is here (looked in {looked}); give --images"
    return ImageFolder(None), [Defect("SEG002", message, called, severity="info")]


def _has_any(place: Path, by_folder: dict[str, set[str]]) -> bool:
    """Whether any of the names, given by folder, is below `place`; a folder is listed, not asked for each name."""
    for folder, names in by_folder.items():
        try:
            with os.scandir(place / folder) as entries:
                if any(entry.name in names for entry in entries):
                    return True
        except (OSError, ValueError):  # no such folder, or a name that no folder can have
            continue
    return False


def _places(path: Path) -> list[Path]:
    """The folders where images of a document are found in practice, the likeliest first."""
    here = path.parent
    split = path.stem.rpartition("_")[2]
    places = [here / split, here / "images" / split, here / "images", here]
    around = [here]
    if here.absolute().name == "annotations":
        above = here.absolute().parent
        places += [above / split, above / "images" / split, above / "images", above]
        around.append(above)
    beside = [place for folder in around if folder.is_dir() for place in sorted(folder.iterdir()) if place.is_dir()]
    return list(dict.fromkeys(places + beside[:_MOST_BESIDE]))


def orphans(document: Path, folder: ImageFolder, names: Sequence[str]) -> list[Defect]:
    """SEG011 for every image file that the document does not name.

    Only where the folder is for images alone and no other JSON lies beside the document: else other documents may
    name them.
    """
    here = document.absolute()
    others = any(other != here for other in here.parent.glob("*.json"))
    if folder.root is None or others or here.is_relative_to(folder.root.absolute()):
        return []
    message = f"image file that {document.name} does not name"
    return [Defect("SEG011", message, name, image=name) for name in sorted(folder.paths.keys() - set(names))]
