"""Across: what is measured from one frame or slice of a sequence to the next, and between images that are alike."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.reels import Reel, reels
from segdata.core.rule import Family
from segdata.core.runs import Ints
from segdata.core.table import Table
from segdata.measure.alike import alike
from segdata.measure.flickers import flickers
from segdata.measure.repeats import same_images, same_masks
from segdata.measure.retained import Retained
from segdata.measure.slices import Numbers, Slices, slices
from segdata.measure.solids import cavities, solids
from segdata.measure.stretch import Columns, Stretch, Tabled, frames_at_once, stretched
from segdata.measure.tracks import exchanges, tracks_of, turns
from segdata.measure.twins import twins

T = TypeVar("T")
Films = tuple[Columns, Columns, Columns, Columns]


def retaining(source: Source, families: frozenset[Family]) -> Source:
    """The source, such that what `across` loads again need not be decoded again, where that is little."""
    return Retained(source) if source.profile.sequences and families & {"frames", "volumes"} else source


def across(
    source: Source, tables: Tabled, families: frozenset[Family], profile: Profile, chunks: list[Ints], jobs: int
) -> Tabled:
    """The tables that `frames` (of videos), `volumes`, `copies` and `twins` add to those of a dataset.

    `chunks`: the rows of the source's images, in the order of the table `images`. Images of sequences are loaded again:
    only when all are known is it known which follow each other. Memory is that of a few frames for each thread.
    """
    source_row = np.concatenate([np.empty(0, np.int64), *chunks])
    n_frames = frames_at_once(chunks)

    def each(work: Callable[[Stretch], T], found: list[Reel]) -> list[T]:
        return list(stretched(source, tables, source_row, found, work, jobs, n_frames))

    added = {name: _joined([], names) for name, names in _EMPTY.items()}
    if "frames" in families:
        track = _tracks_of_things(tables["segments"], profile)
        found = reels(profile, tables["images"], tables["annotations"], "video")
        told = each(partial(_film, track=track, profile=profile), found)
        for place, name in enumerate(("exchanges", "turns", "flickers", "still")):
            added[name] = _joined([one[place] for one in told], _EMPTY[name])
        added["repeats"] = _joined([same_images(profile, tables["images"])], _EMPTY["repeats"])
    if "copies" in families:
        added["alike"] = _joined([alike(tables["images"], jobs)], _EMPTY["alike"])
    if "twins" in families:
        pairs = list(twins(source, tables | added, source_row, profile, jobs))
        added["twins"] = _joined(pairs, _EMPTY["twins"])
    if "volumes" in families and (found := reels(profile, tables["images"], tables["annotations"], "volume")):
        pieces: Sequence[Slices] = each(partial(slices, numbers=Numbers.of(tables["segments"])), found)
        added["solids"] = solids(tables, found, pieces)
        added["cavities"] = cavities(tables, found, pieces, added["solids"])
        added["skips"] = _joined([piece.skips for piece in pieces], _EMPTY["skips"])
    return added


def _tracks_of_things(segments: Table, profile: Profile) -> Ints:
    """(n_segments,) the track of each segment; -1: none, a crowd, or void."""
    left_out = segments["iscrowd"] | np.isin(segments["category_id"], profile.taxonomy.void_ids)
    return np.where(left_out, -1, tracks_of(segments))


def _film(stretch: Stretch, track: Ints, profile: Profile) -> Films:
    own = track[stretch.row]
    return exchanges(stretch, own), turns(stretch, own), flickers(stretch, profile.taxonomy), same_masks(stretch)


_BOX = ("x", "y", "width", "height")
_EMPTY = {
    "exchanges": ("a", "b", "own", "crossed"),
    "turns": (
        "before",
        "segment",
        "after",
        "agree",
        "fit",
        "like_before",
        "like_after",
        "shift",
        "stray",
        *(f"stray_{name}" for name in _BOX),
    ),
    "flickers": ("annotation", "segment", "category_id", "area", *_BOX, "part", "around", "lost", "gained"),
    "still": ("annotation", "of"),
    "repeats": ("image", "of"),
    "alike": ("image", "of", "same", "bits"),
    "twins": ("pair", "annotation", "other", "category_id", "area", "other_area", "shared"),
    "solids": ("segment", "thing", "area", *_BOX, "cluster", "slices", "whole"),
    "cavities": ("segment", "thing", "area", *_BOX, "empty", "whole"),
    "skips": ("before", "after", "annotation", "shared", "smaller", *_BOX),
}


def _joined(found: list[Columns], names: tuple[str, ...]) -> Table:
    """Columns of several stretches as one table."""
    return Table({name: np.concatenate([np.empty(0, np.int64), *(each[name] for each in found)]) for name in names})
