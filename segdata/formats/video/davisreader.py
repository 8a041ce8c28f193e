"""DAVIS reader: videos of index masks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.errors import UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.formats.shared.mask_files import ValueRuns, decode_entry_mask
from segdata.formats.shared.pairing import has_index, images_folder
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.video.davisfiles import Place, places, read_meta, splits, year_of_sets
from segdata.formats.video.davisnames import MASKS
from segdata.formats.video.davisobjects import VOID, Objects, year_by_values
from segdata.formats.video.footage import filmed, videos
from segdata.formats.video.seen import Shown, found_of, unknown_values

_YEARS = ("2016", "2017", "2019")


def open_davis(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError where there are no frames, several folders of them, or 255 is unclear."""
    root, images = request.root, images_folder(request)
    found = places(root, images, str(request.options.get("masks", "")))
    pairing = filmed(root, [place.footage for place in found], images, sparse=True)
    if not any(entry.files for entry in pairing.entries) and not has_index(root):
        raise UnreadableError(f"{root}: no frames; DAVIS has {MASKS[0]}/480p/<sequence>/00000.png")
    defects = list(pairing.defects)
    listed = {
        place.footage.masks / name: objects
        for place in found
        for name, objects in read_meta(root, place.root, defects).items()
    }
    year = _year(request, found, pairing.entries, known=bool(listed))
    objects = Objects.of(year, listed, request.taxonomy)
    entries = pairing.entries if has_index(root) else _split(pairing.entries, found, year)
    films = videos(entries)
    profile = objects.naming.profile("davis", root, "instance", "sparse", "forbid", sequences=films)
    look = partial(_look, root, objects)
    return PerImageSource(root, profile, entries, tuple(defects), look, annotator=request.annotator)


def _year(request: ReadRequest, found: Sequence[Place], entries: Sequence[ImageEntry], known: bool) -> int:
    """Which year's meaning the value 255 has; `known`: there is a meta.json, which only later years have."""
    given = str(request.options.get("year", ""))
    if given:
        check_choice("year", given, _YEARS)
        return 2016 if given == _YEARS[0] else 2017
    told = [year for place in found if (year := year_of_sets(place.root)) is not None]
    return 2017 if known else max(told) if told else year_by_values(request.root, entries)


def _split(entries: Sequence[ImageEntry], found: Sequence[Place], year: int) -> list[ImageEntry]:
    """The entries with the splits that ImageSets tell, where folders do not."""
    told: Mapping[str, str] = {name: split for place in found for name, split in splits(place.root, year).items()}
    return [replace(entry, split=entry.split or told.get(entry.sequence or "")) for entry in entries]


def _look(root: Path, objects: Objects, entry: ImageEntry) -> list[ImageAnnotation]:
    """What one frame holds."""
    mask = decode_entry_mask(root, entry)
    if mask.coloured or mask.lossy:
        why = f"{mask.lossy} changes values" if mask.lossy else f"{mask.encoding} holds no numbers of objects"
        raise BrokenLabelsError(Defect("SEG010", f"{why}; save 8-bit palette PNG", relative_path(root, entry.files[0])))
    runs = ValueRuns.of(mask.pixels)
    category, known = objects.categories(runs.value, entry.files[0].parent)
    void = known & (category == objects.naming.to[objects.void])
    # The one object of 2016 is the first, not the 255th.
    ids = np.where((runs.value == VOID) & ~void, 1, runs.value)
    why = "is neither 0 nor 255" if objects.year == 2016 else "is no object of the video"
    defects = unknown_values(runs, np.flatnonzero(~known & (runs.value != 0)).tolist(), runs.value, why)
    return [found_of(root, entry, mask, runs, Shown(known, category, ids, ~void), defects)]
