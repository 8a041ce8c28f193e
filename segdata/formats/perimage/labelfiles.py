"""Label files: one of a suffix for each image, called as the image is."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from segdata.core.defect import Defect
from segdata.core.unsafe import check_name, is_unsafe
from segdata.formats.imagenames import SUFFIXES
from segdata.formats.images import ImageFolder
from segdata.formats.masks.pairing import no_images
from segdata.formats.masks.partner import match
from segdata.formats.perimage.entry import Entry, below


def label_files(
    root: Path, suffix: str, images: Path | None, stated: Callable[[Path], str | None] = lambda path: None
) -> tuple[list[Entry], list[Defect]]:
    """The images of the label files at or below `root`, and what is wrong with files on either side.

    Images are below `images`, else beside the label files, or in a folder ``images`` there or next to `root`.
    `stated` tells the name that a label file gives to its image; else the two have the same name but for the extension.
    """
    labels = files_below(root, suffix)
    named = {name: _in_folder_of(name, stated(path)) for name, path in labels.items()}
    here = root if root.is_dir() else root.parent
    places = [images] if images else [here, here / "images", here.parent / "images"]
    partner, folder = _partners(named, [_pictures(place, deep=root.is_dir()) for place in places])
    entries: dict[str, Entry] = {}
    defects = []
    for name, path in labels.items():
        image_id = partner.get(name) or named[name] or name
        if image_id in entries:
            message = f"a second file of labels of image {image_id!r}; the first one is read"
            defects.append(Defect("SEG008", message, below(root, path), image=image_id))
            continue
        entries[image_id] = Entry(image_id, folder.paths.get(image_id), (path,))
        if partner and name not in partner:
            defects.append(Defect("SEG002", "the image file does not exist", below(root, path), image=image_id))
    if not partner:
        return list(entries.values()), [no_images(len(entries), here, images)] if entries else []
    for name in sorted(folder.paths.keys() - entries.keys()) if root.is_dir() else ():
        entries[name] = Entry(name, folder.paths[name])
        defects.append(Defect("SEG011", "an image without labels", name, image=name))
    return sorted(entries.values(), key=lambda entry: entry.image_id), defects


def files_below(root: Path, suffix: str) -> dict[str, Path]:
    """The label files by their paths below the dataset's root; `root` may be one itself."""
    if root.is_file():
        return {root.name: root}
    found = {}
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        start = "" if folder == str(root) else f"{Path(folder).relative_to(root).as_posix()}/"
        for name in sorted(names):
            if name.lower().endswith(suffix) and not name.startswith("."):
                found[start + name] = path = Path(folder, name)
                check_name(path)
    return found


def _in_folder_of(name: str, image: str | None) -> str | None:
    """The image that a label file names, in the label file's folder; None where it names none that is safe."""
    if image is None or is_unsafe(image):
        return None
    return PurePosixPath(name).with_name(PurePosixPath(image).name).as_posix()


def _pictures(place: Path, deep: bool) -> ImageFolder:
    """The image files in a folder; not `deep`: of a single file nothing tells how much else lies below its folder."""
    if deep or not place.is_dir():
        return ImageFolder.below(place)
    return ImageFolder(place, {path.name: path for path in sorted(place.iterdir()) if path.suffix.lower() in SUFFIXES})


def _partners(named: Mapping[str, str | None], folders: Sequence[ImageFolder]) -> tuple[dict[str, str], ImageFolder]:
    """The image file of each label file, in the first folder that has any; label files may name theirs."""
    for folder in folders:
        partner = {name: image for name, image in named.items() if image in folder.paths}
        labels, images = named.keys() - partner.keys(), folder.paths.keys() - set(partner.values())
        others, _ = match(sorted(labels), sorted(images))
        partner |= {name: image for name, image in others.items() if named[name] is None}
        if partner:
            return partner, folder
    return {}, ImageFolder(None)
