"""OME-Zarr: label images of microscopy, in the folder ``labels`` of a Zarr hierarchy, versions 0.1 to 0.5.

Specification: https://ngff.openmicroscopy.org (0.4: ``image-label`` and ``multiscales`` in .zattrs; 0.5: below ``ome``
in zarr.json).

Read: of each label image the array of full resolution; 0 is unlabelled, every other number is a segment, and its
category is the name of the label image (``labels/nuclei``: nuclei). If ``image-label`` gives its values a property
``class``, ``category``, ``label`` or ``name`` that several values share, that is the category. Segments of two label
images may overlap. An array of more than two axes has an image for each plane, ``<image>/<0000>``: slices of the last
axis before y and x are a sequence, and numbers are tracks through it. A chunk that is not there is unlabelled, as Zarr
has it. The pixels of the image itself are not read, so that rules which look at pictures are skipped. DATA is a
``.zarr`` folder, a folder of them, or one label image.
Not written: export instance ids or NIfTI.
"""

from collections.abc import Iterator
from os import DirEntry, scandir
from pathlib import Path

from segdata.core.errors import list_names
from segdata.core.format import FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared.file_names import is_zarr_folder

LOSSES: frozenset[LossKind] = frozenset()  # read only
ALIASES = ("zarr", "ngff", "ome-ngff")
_MAX_DEPTH = 3  # of .zarr folders below DATA
CHECKED = ("ome-zarr 0.18 (its files of versions 0.4 and 0.5)", "zarr (each number's pixels)")


def detect(files: FileProbe) -> FormatMatch | None:
    """A folder with Zarr's own files that has label images, or folders of these."""
    if not files.root.is_dir() or not _may_hold_zarr(files):
        return None
    groups = label_groups(files.root)
    return FormatMatch(1.0, f"labels in {list_names([group.name for group in groups])}") if groups else None


def _may_hold_zarr(files: FileProbe) -> bool:
    """Quick check for Zarr's own files or folders, which most datasets do not have."""
    if is_zarr_folder(files.root) or is_zarr_folder(files.root / "labels"):
        return True
    return any(".zarr/" in name for name in files.names) or any(files.root.glob("*.zarr"))


read = ImportedOnCall("segdata.formats.masks.ome_zarr_files:open_ome_zarr")


def label_groups(root: Path) -> list[Path]:
    """The Zarr folders with label images in or below a folder, sorted; one label image itself counts as one."""
    if not root.is_dir():
        return []
    if is_zarr_folder(root / "labels") or (root.parent.name == "labels" and is_zarr_folder(root)):
        return [root]
    return sorted(_groups_below(root, _MAX_DEPTH))


def _groups_below(folder: Path, deep: int) -> Iterator[Path]:
    try:
        with scandir(folder) as entries:
            below = [Path(entry.path) for entry in entries if not entry.name.startswith(".") and _is_folder(entry)]
    except OSError:
        return
    for path in below:
        if path.name.endswith(".zarr"):
            if is_zarr_folder(path / "labels"):
                yield path
        elif deep > 1:
            yield from _groups_below(path, deep - 1)


def _is_folder(entry: DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False
