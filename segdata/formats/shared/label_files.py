"""Label files, one for each image, paired with it by the image name in the label file, or by file name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from segdata.core.finding import Defect
from segdata.core.losses import LOSSES_FILE
from segdata.core.paths import check_path_name, dataset_folder, is_unsafe_path
from segdata.formats.shared.file_names import (
    IMAGE_SUFFIXES,
    match_names,
    misnamed_hint,
    misnamed_images,
    walk_files,
)
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import elsewhere_defect, may_have_labels, no_images_defect, unsupported_files
from segdata.formats.shared.per_image import ImageEntry, relative_path


def pair_label_files(
    root: Path, suffix: str, images: Path | None, stated: Callable[[Path], str | None] | None = None
) -> tuple[list[ImageEntry], list[Defect]]:
    """Pair the label files at or below `root` with their images.

    Parameters
    ----------
    root : the file or folder that the user named
    suffix : of label files, in lower case: ``".json"``
    images : folder of the images; None: beside the label files, or in a folder ``images`` there or next to `root`
    stated : returns the name of the image that a label file states, in the folder of the label file, or None if it
        states none. Label files that state none, by default all, have the name of their image with another extension.
        For labels that are called like ``a.png.txt``, give ``lambda path: path.stem``

    Returns an entry for each image, and the defects: two label files for one image, files without a partner. An image
    that is not found has the stated name as its id, or that of its label file.
    """
    labels = find_label_files(root, suffix)
    named = {name: _in_folder_of(name, stated(path) if stated else None) for name, path in labels.items()}
    folder_root = dataset_folder(root)
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
    if root.is_dir():
        defects += unsupported_files(root, [root])
    if not partner:
        return list(entries.values()), [
            *(defect for defect in defects if defect.code == "SEG021"),
            *([no_images_defect(len(entries), folder_root, images)] if entries else []),
        ]
    if root.is_dir():
        defects += add_unlabelled_images(entries, folder)
    return sorted(entries.values(), key=lambda entry: entry.image_id), defects


def add_unlabelled_images(
    entries: dict[str, ImageEntry], folder: ImageFolder, claimed: Iterable[str] = ()
) -> Iterator[Defect]:
    """Add the images of a folder that have no label file to `entries`; yields their defects.

    `claimed`: names that are not added. An image that differs from one with labels in the extension alone (`a.png`
    beside `a.jpg` and `a.json`) is usually its mask, and is not added either; one defect lists all of these. Nor are
    images of folders where none has labels, unless the folder is one of a split or differs in numbers from one
    that has labels: they usually are pictures of a program.
    """
    labelled = {name.rpartition(".")[0] for name in entries}
    homes = {name.rpartition("/")[0] for name, entry in entries.items() if entry.image is not None}
    beside, elsewhere = [], []
    unlabelled = sorted(folder.paths.keys() - entries.keys() - set(claimed))
    meant = misnamed_images([name for name, entry in entries.items() if entry.image is None], unlabelled)
    for name in unlabelled:
        if name.rpartition(".")[0] in labelled:
            beside.append(name)
            continue
        if homes and name not in meant and not may_have_labels(name, homes):
            elsewhere.append(name)
            continue
        entries[name] = ImageEntry(name, folder.paths[name])
        yield Defect("SEG011", f"an image without labels{misnamed_hint(meant.get(name))}", name, image=name)
    if beside:
        are = "is a file" if len(beside) == 1 else f"are {len(beside):,} files"
        message = f"there {are} with the name of an image with labels and another extension: not read"
        yield Defect("SEG011", message, beside[0], severity="info")
    if elsewhere:
        yield elsewhere_defect(elsewhere)


def find_label_files(root: Path, suffix: str) -> dict[str, Path]:
    """Relative path -> label file for the files below the dataset's root, which may be a label file itself.

    Skips hidden files and folders, and the list of losses that `segdata convert` leaves beside its output.
    """
    if root.is_file():
        return {root.name: root}
    paths = {}
    for name, path in walk_files(root):
        if path.name.lower().endswith(suffix) and not path.name.startswith(".") and name != LOSSES_FILE:
            check_path_name(path)
            paths[name] = path
    return paths


def _in_folder_of(name: str, image: str | None) -> str | None:
    """The path of the image that a label file names, relative to its folder; None for no name or an unsafe path."""
    if image is None or is_unsafe_path(image):
        return None
    return PurePosixPath(name).with_name(PurePosixPath(image).name).as_posix()


def _image_folder(place: Path, deep: bool) -> ImageFolder:
    """The image files in a folder; `deep`: at any depth. A single label file may lie in a folder of unrelated files."""
    if deep or not place.is_dir():
        return ImageFolder.below(place)
    return ImageFolder(
        place, {path.name: path for path in sorted(place.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES}
    )


def _partners(named: Mapping[str, str | None], folders: Sequence[ImageFolder]) -> tuple[dict[str, str], ImageFolder]:
    """The image file of each label file, from the first folder that has any of them."""
    for folder in folders:
        partner = {name: image for name, image in named.items() if image in folder.paths}
        labels, images = named.keys() - partner.keys(), folder.paths.keys() - set(partner.values())
        matched, _ = match_names(sorted(labels), sorted(images))
        partner |= {name: image for name, image in matched.items() if named[name] is None}
        if partner:
            return partner, folder
    for folder in folders:  # images/a.png and labels/a.xml, at any depth
        labels_of, images_of = _by_own_name(named), _by_own_name(folder.paths)
        matched, _ = match_names(labels_of, images_of)
        if 2 * len(matched) >= min(len(named), len(folder.paths)) > 0:
            return {labels_of[label]: images_of[image] for label, image in matched.items()}, folder
    return {}, ImageFolder(None)


def _by_own_name(paths: Iterable[str]) -> dict[str, str]:
    """File name -> path, for the file names that occur once."""
    names: dict[str, list[str]] = {}
    for path in paths:
        names.setdefault(PurePosixPath(path).name, []).append(path)
    return {name: several[0] for name, several in names.items() if len(several) == 1}
