"""KITTI-STEP and MOTChallenge-STEP: RGB panoptic maps of videos, the class in red, the track in green and blue.

R is the class, G * 256 + B the number of the track in its class; class 255 is void, number 0 means no track. The
classes of KITTI-STEP are Cityscapes' train ids 0 to 18, MOTChallenge-STEP has 7 others; person and car have tracks.
Specification: google-research/deeplab2 g3doc/setup/kitti_step.md, data/utils/create_step_panoptic_maps.py.

Read: `panoptic_maps/<split>/<sequence>/<frame>.png`, also without the split, with images in `images/`. A region of a
thing without a track is a crowd. A segment's id, and a track's, is R * 65536 + G * 256 + B, for numbers begin anew in
every class.

Written: the same layout with `images.csv`, `taxonomy.yaml` and `segdata.yaml`, which says whose classes these are.
What is in no split goes to `train`. Every pixel has a class: unlabelled ones become void, unless the taxonomy has no
category of that kind: then it says that 255 is unlabelled. Stuff and crowds have no track; other segments without one
get one of their own. Numbers go up to 65 535, but deeplab2 packs them by 1000: tracks get small ones where they do not
come from this format.
"""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Ints
from segdata.formats.beyond import BESIDE_TRACKS
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.decoded import decoded
from segdata.formats.masks.maskfile import decode
from segdata.formats.masks.maskindex import INDEX
from segdata.formats.masks.pairing import images_of
from segdata.formats.masks.valueruns import ValueRuns
from segdata.formats.perimage.entry import Entry, below
from segdata.formats.perimage.found import BrokenLabelsError, Found
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.video.footage import Footage, filmed, first_folder, videos
from segdata.formats.video.painter import Painter, Values
from segdata.formats.video.scheme import Scheme
from segdata.formats.video.seen import COLOUR, Shown, found_of, png_kinds, unknown_values
from segdata.formats.video.spots import Spot, Spots
from segdata.formats.video.stepclasses import VOID, StepClasses, read_classes, written_classes
from segdata.formats.video.tracks import TrackNumbers

LOSSES: frozenset[Kind] = BESIDE_TRACKS | {"unlabelled"}
CHECKED = ("the specification's decoding, pixel by pixel", "deeplab2's label tables")
_LABELS = "kitti, motchallenge or taxonomy (the classes are the ids of the taxonomy)"
READ_OPTIONS = {"labels": f"{_LABELS}; default: by the classes that occur"}
WRITE_OPTIONS = {"labels": f"{_LABELS}; default: kitti where it has all names, else taxonomy"}
_MAPS = "panoptic_maps"
_FRAMES = r"^panoptic_maps/([^/]+/){1,2}[^/]+\.png$"
_SPLITS = ("train", "val", "test")
_LAST_FRAME, _LAST_TRACK, _SMALL = 999_999, 65_535, 999
_TRIED = 16  # masks that are decoded to see whose classes they have


def detect(seen: Glance) -> Clue | None:
    """RGB frames below `panoptic_maps`."""
    names = seen.matching(_FRAMES)
    names = names or (seen.matching(r"^([^/]+/){1,2}\d{6}\.png$") if seen.root.name == _MAPS else [])
    if names and png_kinds(seen, names) == {(8, COLOUR)}:
        return Clue(1.0, f"{names[0]} is an RGB frame of panoptic maps")
    return None


def read(request: Request) -> PerImageSource:
    """Open a dataset; raises UnreadableError where there are no maps, or nothing tells what their classes mean."""
    root, images = request.root, images_of(request)
    pairing = filmed(root, _footage(root, images), images)
    masks = [path for entry in pairing.entries for path in entry.files]
    if not masks and not (root / INDEX).is_file():
        raise UnreadableError(f"{root}: no frames; STEP has {_MAPS}/<split>/<sequence>/<frame>.png")
    labels = str(request.options.get("labels") or request.config.options.get("labels") or "")
    classes = read_classes(root, request.taxonomy, labels, partial(_occurring, masks))
    profile = Profile(
        name=root.stem,
        format="kitti-step",
        task="panoptic",
        taxonomy=classes.naming.taxonomy,
        taxonomy_declared=classes.naming.declared,
        coverage=Policy("exhaustive"),
        overlap=Policy("forbid"),
        files=str(root),
        metadata=classes.naming.metadata,
        sequences=videos(pairing.entries),
    )
    look = partial(_look, root, classes)
    return PerImageSource(root, profile, pairing.entries, pairing.defects, look, annotator=request.annotator)


def write(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, *, labels: str | None = None
) -> None:
    """Write a dataset; raises SegdataError for classes, tracks or frames beyond what the format holds."""
    classes, whose = written_classes(profile.taxonomy, labels)
    stuff = frozenset(each.id for each in profile.taxonomy.categories if each.kind == "stuff")
    refusal = f"STEP holds {_LAST_TRACK:,} of a category"
    scheme = Scheme(
        base={id_: number << 16 for id_, number in classes.items()},
        void=VOID << 16,
        voids=profile.taxonomy.void_ids,
        numbers=TrackNumbers(1, _LAST_TRACK, refusal, small=_SMALL),
        plain=stuff,
        plain_crowds=True,
    )
    (target / _MAPS).mkdir(parents=True)
    Painter(scheme, VOID << 16, Spots(_LAST_FRAME), partial(_save, target), LOSSES).write(
        profile, batches, target, losses
    )
    taxonomy = profile.taxonomy
    if not taxonomy.void_ids:
        taxonomy = msgspec.structs.replace(taxonomy, unlabelled=VOID)
    write_beside(target, profile, taxonomy, options={"labels": whose})


def _footage(root: Path, images: Path | None) -> list[Footage]:
    """The splits with their folders of images, or the sequences alone."""
    maps = root if root.name == _MAPS else root / _MAPS
    if not maps.is_dir():
        raise UnreadableError(f"{root}: no folder {_MAPS}; STEP has {_MAPS}/<split>/<sequence>/<frame>.png")
    photos = images or first_folder(maps.parent / "images")
    splits = [maps / name for name in _SPLITS if (maps / name).is_dir()]
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
            found |= set(np.unique(decode(path).values & 255).tolist())
    return found


def _look(root: Path, classes: StepClasses, entry: Entry) -> list[Found]:
    """What one frame holds."""
    mask = decoded(root, entry)
    if not mask.coloured or mask.lossy:
        why = f"{mask.lossy} changes ids" if mask.lossy else f"{mask.encoding} holds no class and track"
        raise BrokenLabelsError(Defect("SEG010", f"{why}; save 8-bit RGB PNG", below(root, entry.files[0])))
    runs = ValueRuns.of(mask.values)
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
    return f"class {id_ >> 16}, track {id_ & _LAST_TRACK}"


def _save(target: Path, spot: Spot, pixels: Values, shown: Ints, category: Ints) -> str:
    """Write one frame."""
    name = f"{_MAPS}/{_split(spot)}/{spot.folder}/{spot.number:06d}.png"
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    bytes_ = pixels.astype("<u4").view(np.uint8).reshape(*pixels.shape, 4)
    Image.fromarray(np.ascontiguousarray(bytes_[:, :, 2::-1])).save(target / name)
    return name


def _split(spot: Spot) -> str:
    return spot.split if spot.split in _SPLITS else _SPLITS[0]
