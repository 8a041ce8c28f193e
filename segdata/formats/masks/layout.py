"""Layout: in which folders of a dataset the masks and the images lie. Of several that fit none is taken."""

from dataclasses import dataclass
from pathlib import Path

from segdata.core.errors import UnreadableError
from segdata.formats.imagenames import IMAGE_FOLDERS, MASK_FOLDERS, holds_images, is_image_name
from segdata.formats.images import ImageFolder
from segdata.formats.masks.maskfile import mask_headers
from segdata.formats.masks.partner import match

# They have the names of the masks, and are none of categories: VOC's numbers of objects, regions of interest.
_NO_RIVALS = frozenset({*IMAGE_FOLDERS, "segmentationobject", "roi", "rois", "fov"})
TWIN_SUFFIXES = ("annot", "_labels", "_masks", "_annotations")


class RivalFoldersError(UnreadableError):
    """Several folders may be the masks: `folders`."""

    def __init__(self, root: Path, folders: list[Path], images: Path | None) -> None:
        self.folders = folders
        listed = ", ".join(f"{folder.name}/" for folder in folders)
        beside = f" --images {images}" if images else ""
        super().__init__(
            f"{root}: each of {listed} may be the masks; give one of them as DATA: {folders[0]}{beside} "
            "(or describe them as layers in segdata.yaml)"
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """One folder of masks with its folder of images.

    Attributes
    ----------
    masks : the folder, or a single mask file
    images : the folder or the image file; None where there is none
    prefix : goes before the names in `images` to make image ids, ``train/``
    evidence : in words, for the user
    """

    masks: Path
    images: Path | None
    prefix: str
    evidence: str

    def mask_files(self) -> list[Path]:
        """The mask file, or every image file below the folder of masks, sorted."""
        return [self.masks] if self.masks.is_file() else list(ImageFolder.below(self.masks).paths.values())


def layouts(root: Path, images: Path | None = None) -> list[Layout]:
    """Where the masks of a dataset lie; `images` is where the user says the images are.

    Known are: a single mask file; `images/` and `masks/` (`labels/`, `annotations/` …, any case); pairs of folders
    `train/` and `trainannot/` (or `train_labels/`, `train_masks/`), all of them one dataset with image ids that
    begin with `train/`; and a folder of masks alone. Empty where there is no image file at all. Raises
    RivalFoldersError where more than one folder may be that of the masks.
    """
    if root.is_file():
        return [Layout(root, images, "", "one mask file")] if is_image_name(root.name) else []
    folders = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    named = _named(folders)
    if named:
        beside = images or next((folders[name] for name in IMAGE_FOLDERS if name in folders), None)
        rivals = named + _alike(named[0], [path for path in folders.values() if path not in named], beside)
        if len(rivals) > 1:
            raise RivalFoldersError(root, sorted(rivals), beside)
        where = f" and {beside.name}/" if beside else ""
        return [Layout(named[0], beside, "", f"folders {named[0].name}/{where}")]
    twins = list(_twins(folders, images))
    if twins:
        return twins
    if holds_images(root):
        return [Layout(root, images, "", "a folder of image files")]
    return []


def _named(folders: dict[str, Path]) -> list[Path]:
    """The folders that are called what masks are called, `labels/` or `labels_v2/`, and hold image files."""
    begins = tuple(f"{name}{mark}" for name in MASK_FOLDERS for mark in "_-")
    return [
        path for name, path in folders.items() if name in MASK_FOLDERS or name.startswith(begins) if holds_images(path)
    ]


def _alike(named: Path, others: list[Path], images: Path | None) -> list[Path]:
    """The folders whose files are stored as those in `named`, and have the names of the images as well.

    A folder called mask may hold anything: DRIVE keeps the field of view there, and its labels in `1st_manual/`.
    """
    pictures = ImageFolder.below(images).paths
    if images is None or not pictures:
        return []
    found = []
    for folder in others:
        if folder.name.lower() in _NO_RIVALS or images.is_relative_to(folder):
            continue
        files = ImageFolder.below(folder).paths
        fits = 2 * len(match(files, pictures)[0]) >= min(len(files), len(pictures)) > 0
        if fits and _stored(folder) == _stored(named):
            found.append(folder)
    return found


def _stored(folder: Path) -> tuple[bool, bool, bool] | None:
    """Whether the first file of a folder is coloured, of more than 8 bits, and lossy."""
    heads = mask_headers(list(ImageFolder.below(folder).paths.values())[:1])
    return (heads[0].coloured, heads[0].bits > 8, heads[0].lossy is not None) if heads else None


def _twins(folders: dict[str, Path], images: Path | None) -> list[Layout]:
    found = []
    for path in folders.values():
        suffix = next((end for end in TWIN_SUFFIXES if path.name.endswith(end) and path.name != end), None)
        if suffix is None or not holds_images(path):
            continue
        name = path.name.removesuffix(suffix)
        inside = [folder for folder in (images and images / name, images, folders.get(name.lower())) if folder]
        beside = next((folder for folder in inside if folder.is_dir()), None)
        found.append(Layout(path, beside, f"{name}/", f"folders {name}/ and {path.name}/"))
    return found
