"""Layout: in which folders of a dataset the masks and the images lie."""

import os
from dataclasses import dataclass
from pathlib import Path

from segdata.formats.images import SUFFIXES, ImageFolder

MASK_FOLDERS = (
    "masks",
    "labels",
    "annotations",
    "mask",
    "label",
    "segmentationclass",
    "gt",
    "groundtruth",
    "ground_truth",
    "instances",
    "instance_ids",
    "targets",
)
IMAGE_FOLDERS = ("images", "imgs", "image", "img", "jpegimages", "raw", "rgb", "inputs")
TWIN_SUFFIXES = ("annot", "_labels", "_masks", "_annotations")


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
    begin with `train/`; and a folder of masks alone. Empty where there is no image file at all.
    """
    if root.is_file():
        return [Layout(root, images, "", "one mask file")] if root.suffix.lower() in SUFFIXES else []
    folders = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    named = next((folders[name] for name in MASK_FOLDERS if name in folders and _has_files(folders[name])), None)
    if named is not None:
        beside = images or next((folders[name] for name in IMAGE_FOLDERS if name in folders), None)
        where = f" and {beside.name}/" if beside else ""
        return [Layout(named, beside, "", f"folders {named.name}/{where}")]
    twins = list(_twins(folders, images))
    if twins:
        return twins
    if _has_files(root):
        return [Layout(root, images, "", "a folder of image files")]
    return []


def _twins(folders: dict[str, Path], images: Path | None) -> list[Layout]:
    found = []
    for path in folders.values():
        suffix = next((end for end in TWIN_SUFFIXES if path.name.endswith(end) and path.name != end), None)
        if suffix is None or not _has_files(path):
            continue
        name = path.name.removesuffix(suffix)
        inside = [folder for folder in (images and images / name, images, folders.get(name.lower())) if folder]
        beside = next((folder for folder in inside if folder.is_dir()), None)
        found.append(Layout(path, beside, f"{name}/", f"folders {name}/ and {path.name}/"))
    return found


def _has_files(folder: Path) -> bool:
    """Whether an image file lies below a folder."""
    return any(Path(name).suffix.lower() in SUFFIXES for _, _, names in os.walk(folder) for name in names)
