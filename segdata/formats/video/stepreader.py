"""STEP reader: panoptic maps of videos."""

from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.formats.shared.mask_files import ValueRuns, decode_entry_mask, decode_mask
from segdata.formats.shared.pairing import has_index, images_folder
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.video.footage import Footage, filmed, first_folder, videos
from segdata.formats.video.seen import Shown, found_of, unknown_values
from segdata.formats.video.stepclasses import VOID, StepClasses, read_classes
from segdata.formats.video.stepnames import LAST_TRACK, MAPS, SPLITS

_TRIED = 16  # masks that are decoded to see whose classes they have


def open_step(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError where there are no maps, or nothing tells their classes."""
    root, images = request.root, images_folder(request)
    pairing = filmed(root, _footage(root, images), images)
    masks = [path for entry in pairing.entries for path in entry.files]
    if not masks and not has_index(root):
        raise UnreadableError(f"{root}: no frames; STEP has {MAPS}/<split>/<sequence>/<frame>.png")
    labels = str(request.options.get("labels") or request.config.options.get("labels") or "")
    classes = read_classes(root, request.taxonomy, labels, partial(_occurring, masks))
    films = videos(pairing.entries)
    profile = classes.naming.profile("kitti-step", root, "panoptic", "exhaustive", "forbid", sequences=films)
    look = partial(_look, root, classes)
    return PerImageSource(root, profile, pairing.entries, pairing.defects, look, annotator=request.annotator)


def _footage(root: Path, images: Path | None) -> list[Footage]:
    """The splits with their folders of images, or the sequences alone."""
    maps = root if root.name == MAPS else root / MAPS
    if not maps.is_dir():
        raise UnreadableError(f"{root}: no folder {MAPS}; STEP has {MAPS}/<split>/<sequence>/<frame>.png")
    photos = images or first_folder(maps.parent / "images")
    splits = [maps / name for name in SPLITS if (maps / name).is_dir()]
    if not splits:
        return [Footage(maps, photos or first_folder(maps.parent / "training", maps.parent / "training/image_02"))]
    return [
        Footage(each, first_folder(photos / each.name) if photos else None, each.name, f"{each.name}/")
        for each in splits
    ]


def _occurring(masks: list[Path]) -> set[int]:
    """The classes in some of the masks."""
    found: set[int] = set()
    for path in masks[:: max(1, len(masks) // _TRIED)][:_TRIED]:
        with suppress(OSError):
            found |= set(np.unique(decode_mask(path).values & 255).tolist())
    return found


def _look(root: Path, classes: StepClasses, entry: ImageEntry) -> list[ImageAnnotation]:
    """What one frame holds."""
    mask = decode_entry_mask(root, entry)
    if not mask.coloured or mask.lossy:
        why = f"{mask.lossy} changes ids" if mask.lossy else f"{mask.encoding} holds no class and track"
        raise BrokenLabelsError(Defect("SEG010", f"{why}; save 8-bit RGB PNG", relative_path(root, entry.files[0])))
    runs = ValueRuns.of(mask.pixels)
    kind, number = runs.value & 255, (runs.value >> 8 & 255) * 256 + (runs.value >> 16)
    category = np.array([classes.category.get(each, 0) for each in kind.tolist()], np.int64)
    taxonomy = classes.naming.taxonomy
    known = np.isin(kind, np.array(list(classes.category), np.int64))
    unknown = np.flatnonzero(~known & ~(classes.unlabelled & (kind == VOID)))
    void = np.isin(category, np.array(taxonomy.void_ids, np.int64))
    thing = np.isin(category, np.array([each.id for each in taxonomy.categories if each.kind == "thing"], np.int64))
    ids = (kind << 16) + number
    tracked, crowd = (number > 0) & ~void, (number == 0) & thing & known
    defects = unknown_values(runs, unknown.tolist(), kind, "of red is of no class")
    return [found_of(root, entry, mask, runs, Shown(known, category, ids, tracked, crowd), defects, _place)]


def _place(id_: int) -> str:
    return f"class {id_ >> 16}, track {id_ & LAST_TRACK}"
