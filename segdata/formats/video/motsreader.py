"""MOTS reader: sequences of masks, or of lines."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.errors import UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest, Source
from segdata.core.profile import Profile
from segdata.formats.shared.mask_files import MaskFile, ValueRuns, decode_entry_mask
from segdata.formats.shared.pairing import has_index, images_folder
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.video import motsnames, motstext
from segdata.formats.video.footage import Footage, filmed, first_folder, videos
from segdata.formats.video.motsclasses import DIVISOR, LABELS, MotsClasses, read_classes
from segdata.formats.video.seen import Flags, Shown, found_of, unknown_values

_LAYOUTS = ("png", "txt")
_MASKS = "instances"
_NAME = len("000000")


def open_mots(request: ReadRequest) -> Source:
    """The dataset; raises UnreadableError where there are no sequences."""
    root = request.root
    if not root.exists():
        raise UnreadableError(f"{root}: does not exist")
    layout = str(request.options.get("layout") or _layout(root))
    check_choice("layout", layout, _LAYOUTS)
    images = images_folder(request)
    if layout == "txt":
        classes = read_classes(root, motstext.folder_of(root), request.taxonomy)
        return motstext.opened(request, images, classes, partial(_profile, request, classes))
    pairing = filmed(root, _footage(root, images), images)
    masks = [path for entry in pairing.entries for path in entry.files]
    if not masks and not has_index(root):
        raise UnreadableError(f"{root}: no frames; MOTS has {_MASKS}/<sequence>/<frame>.png or <sequence>.txt")
    above = [root / _MASKS, *(folder for path in masks[:1] for folder in (path.parent, path.parent.parent))]
    folder = next((each for each in above if (each / LABELS).is_file()), root)
    classes = read_classes(root, folder, request.taxonomy)
    defects = (*classes.defects, *pairing.defects, *(_misnamed(root, pairing.entries) if classes.official else ()))
    profile = _profile(request, classes, pairing.entries)
    return PerImageSource(
        root, profile, pairing.entries, defects, partial(_look, root, classes), annotator=request.annotator
    )


def _layout(root: Path) -> str:
    """PNG, unless there are only TXT files."""
    if root.is_file():
        return "txt"
    masks = any((folder / _MASKS).is_dir() for folder in (root, *_folders(root)))
    lines = (root / motsnames.FOLDER).is_dir() or motstext.files(root)
    return "txt" if lines and not masks else "png"


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


def _footage(root: Path, images: Path | None) -> list[Footage]:
    """Where the masks lie: in `instances/`, of each split, or in the folder itself."""
    if not root.is_dir():
        raise UnreadableError(f"{root}: is no folder; MOTS has {_MASKS}/<sequence>/<frame>.png or <sequence>.txt")
    if (root / _MASKS).is_dir():
        return [Footage(root / _MASKS, images or image_folder(root))]
    splits = [folder for folder in _folders(root) if (folder / _MASKS).is_dir()]
    if splits:
        return [
            Footage(each / _MASKS, images / each.name if images else image_folder(each), each.name, f"{each.name}/")
            for each in splits
        ]
    return [Footage(root, images or (image_folder(root.parent) if root.name == _MASKS else None))]


def image_folder(root: Path) -> Path | None:
    """Where the images of sequences are found in practice."""
    return first_folder(root / "training/image_02", root / "image_02", root / "images")


def _misnamed(root: Path, entries: Iterable[ImageEntry]) -> list[Defect]:
    """SEG004, as an information, for each sequence whose frames are not named by six digits."""
    wrong: dict[Path, list[str]] = {}
    for entry in entries:
        for path in entry.files:
            if len(path.stem) != _NAME or not path.stem.isdecimal() or path.suffix != ".png":
                wrong.setdefault(path.parent, []).append(path.name)
    return [
        Defect(
            "SEG004",
            f"{len(names)} frames are not named as 000000.png, as {names[0]!r}: mots_tools does not read them",
            relative_path(root, folder),
            severity="info",
        )
        for folder, names in wrong.items()
    ]


def _profile(request: ReadRequest, classes: MotsClasses, entries: Iterable[ImageEntry]) -> Profile:
    films = videos(entries)
    return classes.naming.profile("mots", request.root, "instance", "sparse", "forbid", sequences=films)


def _look(root: Path, classes: MotsClasses, entry: ImageEntry) -> list[ImageAnnotation]:
    """What one frame holds."""
    mask = decode_entry_mask(root, entry)
    if mask.coloured or mask.lossy:
        why = f"{mask.lossy} changes ids" if mask.lossy else f"{mask.encoding} holds no ids of 16 bits"
        raise BrokenLabelsError(
            Defect("SEG010", f"{why}; save them as 16-bit grey PNG", relative_path(root, entry.files[0]))
        )
    runs = ValueRuns.of(mask.pixels)
    category, known = classes.of(runs.value // DIVISOR)
    tracked = ~np.isin(category, np.array(classes.naming.taxonomy.void_ids, np.int64))
    defects = _unknown(mask, runs, ~known & (runs.value != 0))
    return [found_of(root, entry, mask, runs, Shown(known, category, runs.value, tracked), defects)]


def _unknown(mask: MaskFile, runs: ValueRuns, unknown: Flags) -> list[Defect]:
    """SEG009 for each value of no class, or one SEG010 where there are 8 bits, which hold none."""
    if mask.values.dtype == np.uint8 and unknown.any():
        pixels = int(runs.area[unknown].sum())
        message = f"8 bits hold no id of {DIVISOR:,} or more: ids have wrapped, {pixels:,} px mean nothing; save 16 bit"
        return [Defect("SEG010", message, pixels=pixels)]
    return unknown_values(runs, np.flatnonzero(unknown).tolist(), runs.value, "is of no class")
