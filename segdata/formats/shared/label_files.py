"""Label files: one for each image, or one document for all, and where the image files are."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from segdata.core.finding import Defect
from segdata.core.paths import check_path_name, is_unsafe_path
from segdata.formats.shared.file_names import IMAGE_SUFFIXES, match_names
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import no_images_defect
from segdata.formats.shared.per_image import ImageEntry, relative_path


def pair_label_files(
    root: Path, suffix: str, images: Path | None, stated: Callable[[Path], str | None] = lambda path: None
) -> tuple[list[ImageEntry], list[Defect]]:
    """The images of the label files at or below `root`, and the defects of label and image files.

    Images are below `images`, else beside the label files, or in a folder ``images`` there or next to `root`.
    `stated` tells the name that a label file gives to its image; else the two have the same name but for the extension.
    """
    labels = find_label_files(root, suffix)
    named = {name: _in_folder_of(name, stated(path)) for name, path in labels.items()}
    folder_root = root if root.is_dir() else root.parent
    places = [images] if images else [folder_root, folder_root / "images", folder_root.parent / "images"]
    partner, folder = _partners(named, [_image_folder(place, deep=root.is_dir()) for place in places])
    entries: dict[str, ImageEntry] = {}
    defects = []
    for name, path in labels.items():
        image_id = partner.get(name) or named[name] or name
        if image_id in entries:
            message = f"a second label file for image {image_id!r}; the first one is read"
            defects.append(Defect("SEG008", message, relative_path(root, path), image=image_id))
            continue
        entries[image_id] = ImageEntry(image_id, folder.paths.get(image_id), (path,))
        if partner and name not in partner:
            defects.append(Defect("SEG002", "the image file does not exist", relative_path(root, path), image=image_id))
    if not partner:
        return list(entries.values()), [no_images_defect(len(entries), folder_root, images)] if entries else []
    for name in sorted(folder.paths.keys() - entries.keys()) if root.is_dir() else ():
        entries[name] = ImageEntry(name, folder.paths[name])
        defects.append(Defect("SEG011", "an image without labels", name, image=name))
    return sorted(entries.values(), key=lambda entry: entry.image_id), defects


def find_label_files(root: Path, suffix: str) -> dict[str, Path]:
    """The label files by their paths below the dataset's root; `root` may be one itself."""
    if root.is_file():
        return {root.name: root}
    paths = {}
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        start = "" if folder == str(root) else f"{Path(folder).relative_to(root).as_posix()}/"
        for name in sorted(names):
            if name.lower().endswith(suffix) and not name.startswith("."):
                paths[start + name] = path = Path(folder, name)
                check_path_name(path)
    return paths


def _in_folder_of(name: str, image: str | None) -> str | None:
    """The image that a label file names, in the label file's folder; None if it names none, or an unsafe path."""
    if image is None or is_unsafe_path(image):
        return None
    return PurePosixPath(name).with_name(PurePosixPath(image).name).as_posix()


def _image_folder(place: Path, deep: bool) -> ImageFolder:
    """The image files in a folder; `deep`: at any depth. A single label file may lie in a folder with much else."""
    if deep or not place.is_dir():
        return ImageFolder.below(place)
    return ImageFolder(
        place, {path.name: path for path in sorted(place.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES}
    )


def _partners(named: Mapping[str, str | None], folders: Sequence[ImageFolder]) -> tuple[dict[str, str], ImageFolder]:
    """The image file of each label file, from the first folder that has any; a label file may name its image."""
    for folder in folders:
        partner = {name: image for name, image in named.items() if image in folder.paths}
        labels, images = named.keys() - partner.keys(), folder.paths.keys() - set(partner.values())
        matched, _ = match_names(sorted(labels), sorted(images))
        partner |= {name: image for name, image in matched.items() if named[name] is None}
        if partner:
            return partner, folder
    return {}, ImageFolder(None)


_MOST_BESIDE = 50  # folders beside the document that are looked into


def find_images(
    document: Path, file_name: str, names: Sequence[str], images: Path | None, skip: Sequence[Path] = ()
) -> tuple[ImageFolder, list[Defect]]:
    """The folder of the images: `images` if given, else the first near the document that has any of them.

    `file_name` is the document's name in defects; `skip` are folders that hold something else. If no image is found,
    the document gets one defect of severity info, not one for each image.
    """
    places = [images] if images is not None else [place for place in _places(document) if place not in skip]
    folders = [place for place in places if place.is_dir()]
    by_folder: dict[str, set[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        by_folder.setdefault(folder, set()).add(file)
    for place in folders:
        if _has_any(place, by_folder):
            return ImageFolder.below(place), []
    if not names:
        return ImageFolder(None), []
    tried = folders or places
    searched = ", ".join(place.as_posix() for place in tried[:3]) + (", …" if len(tried) > 3 else "")
    message = f"none of the {len(names):,} image files was found in {searched}; give --images"
    return ImageFolder(None), [Defect("SEG002", message, file_name, severity="info")]


def _has_any(place: Path, by_folder: dict[str, set[str]]) -> bool:
    """Whether any of the names, grouped by folder, is below `place`; each folder is listed once."""
    for folder, names in by_folder.items():
        try:
            with os.scandir(place / folder) as entries:
                if any(entry.name in names for entry in entries):
                    return True
        except (OSError, ValueError):  # no such folder, or a name that no folder can have
            continue
    return False


def _places(document: Path) -> list[Path]:
    """The folders that hold the images of a document in practice, the likeliest first."""
    parent = document.parent
    split = document.stem.rpartition("_")[2]
    places = [parent / split, parent / "images" / split, parent / "images", parent]
    around = [parent]
    if parent.absolute().name == "annotations":
        above = parent.absolute().parent
        places += [above / split, above / "images" / split, above / "images", above]
        around.append(above)
    beside = [place for folder in around if folder.is_dir() for place in sorted(folder.iterdir()) if place.is_dir()]
    return list(dict.fromkeys(places + beside[:_MOST_BESIDE]))


def unlisted_images(document: Path, folder: ImageFolder, names: Sequence[str]) -> list[Defect]:
    """SEG011 for every image file that the document does not name.

    Only where the folder is for images alone and no other JSON lies beside the document: else other documents may
    name them.
    """
    path = document.absolute()
    has_others = any(other != path for other in path.parent.glob("*.json"))
    if folder.root is None or has_others or path.is_relative_to(folder.root.absolute()):
        return []
    message = f"image file that {document.name} does not name"
    return [Defect("SEG011", message, name, image=name) for name in sorted(folder.paths.keys() - set(names))]
