"""DAVIS and YouTube-VOS: videos of palette PNG masks whose index is an object, the same in all frames.

Index 0 is background, 255 void; in DAVIS 2016, whose masks hold 0 and 255 alone, 255 is the one object. Specification:
davisvideochallenge/davis2017-evaluation davis2017/davis.py, davisvideochallenge/davis-matlab db_util/db_read_annot.m
(2016).

Read: `Annotations/<size>/<sequence>/<frame>.png` and `Annotations_unsupervised` with `JPEGImages` and `ImageSets` (the
splits); YouTube-VOS without sizes, with the categories of `meta.json`, also as `train/` and `valid/`; folders of
sequences alone, as results are. Without `meta.json` there are no categories: all is `object`. Scribbles are no masks.
Which year's meaning 255 has is told by ImageSets or meta.json, else by the values in some sequences; where these
contradict each other the option has to. Frames without a mask are not annotated.

Written: as DAVIS 2017, with `meta.json` where there are categories, `images.csv` and `taxonomy.yaml`. A sequence has at
most 254 tracks. What is in no split is listed in `train.txt`: the official loader reads nothing that is not listed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError, check_choice
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Ints
from segdata.formats.beyond import BESIDE_TRACKS
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.colour_writer import voc_color
from segdata.formats.masks.decoded import decoded
from segdata.formats.masks.maskindex import INDEX
from segdata.formats.masks.pairing import images_of
from segdata.formats.masks.valueruns import ValueRuns
from segdata.formats.perimage.entry import Entry, below
from segdata.formats.perimage.found import BrokenLabelsError, Found
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.video.davisfiles import (
    MASKS,
    META,
    SIZES,
    Place,
    SetWriter,
    places,
    read_meta,
    splits,
    year_of_sets,
)
from segdata.formats.video.davisobjects import OBJECT, VOID, Objects, year_by_values
from segdata.formats.video.footage import filmed, videos
from segdata.formats.video.painter import Painter, Values
from segdata.formats.video.scheme import Scheme
from segdata.formats.video.seen import PALETTE, Shown, found_of, frames, png_kinds, unknown_values
from segdata.formats.video.spots import Spot, Spots
from segdata.formats.video.tracks import TrackNumbers

LOSSES: frozenset[Kind] = BESIDE_TRACKS
CHECKED = ("davis2017-evaluation's decoding, value by value",)
READ_OPTIONS = {
    "masks": "the folder of the masks where there are several, Annotations/480p",
    "year": "2016: 255 is the object; 2017: 255 is void; default: by ImageSets, else by the values",
}
WRITE_OPTIONS = {"size": f"the folder in Annotations that masks go to: {', '.join(SIZES)}; default: 480p"}
_YEARS = ("2016", "2017", "2019")
_BY_SIZE = r"^([^/]+/)?Annotations(_unsupervised)?/(480p|1080p|Full-Resolution)/(?P<sequence>[^/]+)/\d{5}\.png$"
_PLAIN = r"^([^/]+/)?Annotations/(?P<sequence>[^/]+)/\d{5}\.png$"
_BARE = r"^(?P<sequence>[^/]+)/\d{5}\.png$"
_COLOURS = bytes(channel for index in range(256) for channel in voc_color(index))
_LAST_FRAME, _LAST_TRACK = 99_999, VOID - 1


def detect(seen: Glance) -> Clue | None:
    """Frames of five digits in `Annotations`, with DAVIS' sizes or JPEGImages beside; or sequences of palette PNGs."""
    by_size = frames(seen, _BY_SIZE)
    if by_size:
        return Clue(1.0, f"{by_size[0]} is a frame in the folder of a size")
    plain = frames(seen, _PLAIN)
    if plain and (seen.matching(r"(^|/)JPEGImages/") or seen.heads(rf"(^|/){META}$", rb'"objects"\s*:')):
        return Clue(0.95, f"{plain[0]} is a frame, with JPEGImages or {META}")
    bare = frames(seen, _BARE)
    if bare and {colour for _, colour in png_kinds(seen, bare)} == {PALETTE}:
        return Clue(0.8, f"{bare[0]} is a palette PNG named as a frame, in the folder of a sequence")
    return None


def read(request: Request) -> PerImageSource:
    """Open a dataset; raises UnreadableError where there are no frames, several folders of them, or 255 is unclear."""
    root, images = request.root, images_of(request)
    found = places(root, images, str(request.options.get("masks", "")))
    pairing = filmed(root, [place.footage for place in found], images, sparse=True)
    if not any(entry.files for entry in pairing.entries) and not (root / INDEX).is_file():
        raise UnreadableError(f"{root}: no frames; DAVIS has {MASKS[0]}/480p/<sequence>/00000.png")
    defects = list(pairing.defects)
    listed = {
        place.footage.masks / name: objects
        for place in found
        for name, objects in read_meta(root, place.root, defects).items()
    }
    year = _year(request, found, pairing.entries, known=bool(listed))
    objects = Objects.of(year, listed, request.taxonomy)
    entries = pairing.entries if (root / INDEX).is_file() else _split(pairing.entries, found, year)
    profile = Profile(
        name=root.stem,
        format="davis",
        task="instance",
        taxonomy=objects.naming.taxonomy,
        taxonomy_declared=objects.naming.declared,
        coverage=Policy("sparse"),
        overlap=Policy("forbid"),
        files=str(root),
        metadata=objects.naming.metadata,
        sequences=videos(entries),
    )
    look = partial(_look, root, objects)
    return PerImageSource(root, profile, entries, tuple(defects), look, annotator=request.annotator)


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, *, size: str = "480p") -> None:
    """Write a dataset; raises SegdataError where a sequence has more tracks or frames than the format holds."""
    check_choice("size", size, SIZES)
    names = {each.id: each.name for each in profile.taxonomy.by_id().values() if each.kind != "void"}
    scheme = Scheme(
        base=dict.fromkeys(names, 0),
        void=VOID,
        voids=profile.taxonomy.void_ids,
        numbers=TrackNumbers(1, _LAST_TRACK, f"DAVIS holds {_LAST_TRACK}"),
    )
    target.mkdir(parents=True)
    sets = SetWriter(target, names if set(names.values()) - {OBJECT} else {})
    save = partial(_save, target, size, sets)
    Painter(scheme, 0, Spots(_LAST_FRAME), save, LOSSES).write(profile, batches, target, losses)
    sets.write()
    write_beside(target, profile, profile.taxonomy)


def _year(request: Request, found: Sequence[Place], entries: Sequence[Entry], known: bool) -> int:
    """Which year's meaning the value 255 has; `known`: there is a meta.json, which only later years have."""
    given = str(request.options.get("year", ""))
    if given:
        check_choice("year", given, _YEARS)
        return 2016 if given == _YEARS[0] else 2017
    told = [year for place in found if (year := year_of_sets(place.root)) is not None]
    return 2017 if known else max(told) if told else year_by_values(request.root, entries)


def _split(entries: Sequence[Entry], found: Sequence[Place], year: int) -> list[Entry]:
    """The entries with the splits that ImageSets tell, where folders do not."""
    told: Mapping[str, str] = {name: split for place in found for name, split in splits(place.root, year).items()}
    return [replace(entry, split=entry.split or told.get(entry.sequence or "")) for entry in entries]


def _look(root: Path, objects: Objects, entry: Entry) -> list[Found]:
    """What one frame holds."""
    mask = decoded(root, entry)
    if mask.coloured or mask.lossy:
        why = f"{mask.lossy} changes values" if mask.lossy else f"{mask.encoding} holds no numbers of objects"
        raise BrokenLabelsError(Defect("SEG010", f"{why}; save 8-bit palette PNG", below(root, entry.files[0])))
    runs = ValueRuns.of(mask.values)
    category, known = objects.categories(runs.value, entry.files[0].parent)
    void = known & (category == objects.naming.to[objects.void])
    # The one object of 2016 is the first, not the 255th.
    ids = np.where((runs.value == VOID) & ~void, 1, runs.value)
    why = "is neither 0 nor 255" if objects.year == 2016 else "is no object of the video"
    defects = unknown_values(runs, np.flatnonzero(~known & (runs.value != 0)).tolist(), runs.value, why)
    return [found_of(root, entry, mask, runs, Shown(known, category, ids, ~void), defects)]


def _save(target: Path, size: str, sets: SetWriter, spot: Spot, pixels: Values, shown: Ints, category: Ints) -> str:
    """Write one frame."""
    name = f"{MASKS[0]}/{size}/{spot.folder}/{spot.number:05d}.png"
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels.astype(np.uint8))
    picture.putpalette(_COLOURS)
    picture.save(target / name)
    objects = shown < VOID
    sets.add(spot, shown[objects], category[objects])
    return name
