"""MOTS: a mask for each frame, or text files: which of both a folder has, and how masks are read and written."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import LossCounter, LossKind, ReadRequest, Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.formats.shared.mask_files import MaskFile, ValueRuns
from segdata.formats.shared.pairing import has_index, images_folder
from segdata.formats.shared.per_image import (
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import write_sidecars
from segdata.formats.video import MOTS_TEXT_FOLDER
from segdata.formats.video.frame_masks import (
    Flags,
    FrameFolder,
    FramePath,
    FramePaths,
    FrameWriter,
    MaskMeaning,
    TrackNumbers,
    Values,
    ValueScheme,
    annotation_of_mask,
    decode_frame,
    first_folder,
    list_sequences,
    pair_frames,
    unknown_values,
)
from segdata.formats.video.mots_classes import (
    DIVISOR,
    IGNORED,
    LABELS,
    MotsClasses,
    mots_class_numbers,
    read_mots_classes,
)
from segdata.formats.video.mots_text import MotsTextWriter, open_text, text_files, text_folder

_LAYOUTS = ("png", "txt")
_MASKS = "instances"
_NAME_LENGTH = len("000000")


def open_mots(request: ReadRequest) -> Source:
    """The dataset; raises UnreadableError if there are no sequences."""
    root = request.root
    layout = str(request.options.get("layout") or _find_layout(root))
    check_choice("layout", layout, _LAYOUTS)
    images = images_folder(request)
    if layout == "txt":
        classes = read_mots_classes(root, text_folder(root), request.taxonomy)
        return open_text(request, images, classes, partial(_profile, request, classes))
    pairing = pair_frames(root, _frame_folders(root, images), images)
    masks = [path for entry in pairing.entries for path in entry.files]
    if not masks and not has_index(root):
        raise UnreadableError(f"{root}: no frames; MOTS has {_MASKS}/<sequence>/<frame>.png or <sequence>.txt")
    above = [root / _MASKS, *(folder for path in masks[:1] for folder in (path.parent, path.parent.parent))]
    folder = next((folder_above for folder_above in above if (folder_above / LABELS).is_file()), root)
    classes = read_mots_classes(root, folder, request.taxonomy)
    defects = (*classes.defects, *pairing.defects, *(_misnamed(root, pairing.entries) if classes.official else ()))
    profile = _profile(request, classes, pairing.entries)
    return PerImageSource(
        root, profile, pairing.entries, defects, partial(_read_frame, root, classes), annotator=request.annotator
    )


def _find_layout(root: Path) -> str:
    """PNG, unless there are only TXT files."""
    if root.is_file():
        return "txt"
    masks = any((folder / _MASKS).is_dir() for folder in (root, *_folders(root)))
    lines = (root / MOTS_TEXT_FOLDER).is_dir() or text_files(root)
    return "txt" if lines and not masks else "png"


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


def _frame_folders(root: Path, images: Path | None) -> list[FrameFolder]:
    """The folders of masks: `instances/`, that of each split, or the folder itself."""
    if not root.is_dir():
        raise UnreadableError(f"{root}: is not a folder; MOTS has {_MASKS}/<sequence>/<frame>.png or <sequence>.txt")
    if (root / _MASKS).is_dir():
        return [FrameFolder(root / _MASKS, images or image_folder(root))]
    splits = [folder for folder in _folders(root) if (folder / _MASKS).is_dir()]
    if splits:
        return [
            FrameFolder(
                split / _MASKS, images / split.name if images else image_folder(split), split.name, f"{split.name}/"
            )
            for split in splits
        ]
    return [FrameFolder(root, images or (image_folder(root.parent) if root.name == _MASKS else None))]


def image_folder(root: Path) -> Path | None:
    """The usual folder of the images of sequences."""
    return first_folder(root / "training/image_02", root / "image_02", root / "images")


def _misnamed(root: Path, entries: Iterable[ImageEntry]) -> list[Defect]:
    """SEG004, as an information, for each sequence whose frame names are not six digits."""
    misnamed: dict[Path, list[str]] = {}
    for entry in entries:
        for path in entry.files:
            if len(path.stem) != _NAME_LENGTH or not path.stem.isdecimal() or path.suffix != ".png":
                misnamed.setdefault(path.parent, []).append(path.name)
    return [
        Defect(
            "SEG004",
            f"{len(names)} frames are not named 000000.png, for example {names[0]!r}: mots_tools does not read them",
            relative_path(root, folder),
            severity="info",
        )
        for folder, names in misnamed.items()
    ]


def _profile(request: ReadRequest, classes: MotsClasses, entries: Iterable[ImageEntry]) -> Profile:
    sequences = list_sequences(entries)
    return classes.naming.profile("mots", request.root, "instance", "sparse", "forbid", sequences=sequences)


def _read_frame(root: Path, classes: MotsClasses, entry: ImageEntry) -> list[ImageAnnotation]:
    mask, runs = decode_frame(root, entry, False, "ids", "ids of 16 bits", "them as 16-bit grey PNG")
    category, is_known = classes.category_of(runs.value // DIVISOR)
    tracked = ~np.isin(category, np.array(classes.naming.taxonomy.void_ids, np.int64))
    defects = _unknown(mask, runs, ~is_known & (runs.value != 0))
    return [annotation_of_mask(root, entry, mask, runs, MaskMeaning(is_known, category, runs.value, tracked), defects)]


def _unknown(mask: MaskFile, runs: ValueRuns, unknown: Flags) -> list[Defect]:
    """SEG009 for each value of no class, or one SEG010 where there are 8 bits, which hold none."""
    if mask.values.dtype == np.uint8 and unknown.any():
        pixels = int(runs.area[unknown].sum())
        message = (
            f"8 bits cannot hold ids of {DIVISOR:,} or more: ids have wrapped, {pixels:,} px mean nothing; save 16 bits"
        )
        return [Defect("SEG010", message, pixels=pixels)]
    return unknown_values(runs, np.flatnonzero(unknown).tolist(), runs.value, "has no class")


_LAST_FRAME = 999_999


def write_mots(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    kinds: frozenset[LossKind],
    *,
    layout: str = "png",
) -> None:
    """Write all images; raises SegdataError for what the format has no numbers for."""
    check_choice("layout", layout, _LAYOUTS)
    classes, names = mots_class_numbers(profile.taxonomy)
    scheme = ValueScheme(
        base={id_: DIVISOR * number for id_, number in classes.items()},
        void=IGNORED * DIVISOR,
        voids=profile.taxonomy.void_ids,
        numbers=TrackNumbers(0, DIVISOR - 1, f"MOTS holds {DIVISOR:,} of a category"),
    )
    folder = target / (_MASKS if layout == "png" else MOTS_TEXT_FOLDER)
    folder.mkdir(parents=True)
    if names is not None:
        (folder / LABELS).write_text("".join(f"{name}\n" for name in names), encoding="utf-8", newline="\n")
    if layout == "png":
        FrameWriter(scheme, 0, FramePaths(_LAST_FRAME), partial(_save_frame, target), kinds).write(
            profile, batches, target, losses
        )
    else:
        with MotsTextWriter(target) as lines:
            FrameWriter(scheme, 0, FramePaths(_LAST_FRAME, {Path(LABELS).stem}), lines.save, kinds).write(
                profile, batches, target, losses
            )
    write_sidecars(target, profile, profile.taxonomy)


def _save_frame(target: Path, frame_path: FramePath, pixels: Values, shown: Ints, category: Ints) -> str:
    name = f"{_MASKS}/{frame_path.folder}/{frame_path.number:06d}.png"
    (target / name).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels.astype(np.uint16)).save(target / name)
    return name
