"""Annotators: what people of known skill and bias would draw of the segments of a dataset.

What agreement finds can be held against what was put in. Pixels change as runs, exactly, and all chance comes from a
seed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.overlay import SweepRuns, find_contacts
from segdata.core.profile import Profile
from segdata.core.runs import Floats, Ints, Runs, bounding_boxes, run_columns
from segdata.noise.segments import grow, keep_topmost, perturb_outlines, translate, union_strips
from segdata.testing.pictures import PictureDataset


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """What somebody does with the segments of a category. Rates are chances for each segment, from 0 to 1.

    Attributes
    ----------
    misses : it is left out
    adds : another one like it is made up, anywhere in the image
    calls : it is called another category, by name
    larger : by how many pixels the outline is drawn further out; below 0: further in. Outlines move by whole pixels,
        by lot the one above or below, so that the mean is as said
    uneven : the standard deviation of `larger` from segment to segment
    jitter : that of the outline's wobbles, in pixels
    shift : that of where a segment is, to the right and down, in pixels
    splits : it is drawn as two, a left and a right half
    merges : it is drawn as one with one of its category that it touches
    void : it is called void
    """

    misses: float = 0.0
    adds: float = 0.0
    calls: Mapping[str, float] = field(default_factory=dict)
    larger: float = 0.0
    uneven: float = 0.0
    jitter: float = 0.0
    shift: float = 0.0
    splits: float = 0.0
    merges: float = 0.0
    void: float = 0.0


@dataclass(frozen=True, slots=True)
class SimulatedAnnotator:
    """Somebody who draws, with the habits of all categories but those `of` which there are others, by name.

    `skips`: the chance that an image is not annotated at all.
    """

    habits: ErrorRates = ErrorRates()
    of: Mapping[str, ErrorRates] = field(default_factory=dict)
    skips: float = 0.0

    def each(self, name: str) -> ErrorRates:
        """The habits of a category."""
        return self.of.get(name, self.habits)


def simulate_annotator(data: OpenDataset, who: SimulatedAnnotator, seed: int, name: str | None = None) -> OpenDataset:
    """What an annotator draws of a dataset's images, whose segments are taken for what is really there.

    Segments share pixels only where the dataset allows that; else the one whose outline was moved further out is on
    top, of equals one by lot. Crowds are left as
    they are. The same seed gives the same pixels.
    Raises ValueError for a category that the dataset lacks.
    """
    batch = concatenate_batches(list(data.batches(1)))
    hand = _Redrawing(batch, data.profile, who, np.random.default_rng(seed))
    hand.name()
    hand.cut()
    hand.outline()
    hand.invent()
    if data.profile.overlap.value != "allow":
        hand.flatten()
    result = hand.finished(name)
    return OpenDataset(PictureDataset(data.profile, result), data.profile, Config())


class _Redrawing:
    """A batch in the making: columns (n,) of its segments, and their runs."""

    _COLUMNS = ("row", "category", "true", "annotation", "crowd", "there", "further")

    def __init__(self, batch: Batch, profile: Profile, who: SimulatedAnnotator, rng: np.random.Generator) -> None:
        self.batch, self.profile, self.rng = batch, profile, rng
        self.row = np.arange(batch.n_segments)
        self.category = batch.segments["category_id"].to_numpy().astype(np.int64)
        self.annotation = batch.segment_annotation.astype(np.int64)
        self.crowd = batch.segments["iscrowd"].fill_null(False).to_numpy(zero_copy_only=False).astype(bool)
        self.runs = batch.runs
        self.there = np.ones(batch.n_segments, bool)
        self.further = np.zeros(batch.n_segments, np.int64)
        named = {rates.name: rates for rates in profile.taxonomy.categories}
        names_used = {*who.of, *(name for category in (who.habits, *who.of.values()) for name in category.calls)}
        if names_used - named.keys():
            raise ValueError(f"no category {sorted(names_used - named.keys())}; there are {sorted(named)}")
        self.ids = {name: each.id for name, each in named.items()}
        self.void = next((each.id for each in named.values() if each.kind == "void"), None)
        self.of = {each.id: who.each(each.name) for each in named.values()}
        self.shown = rng.random(batch.annotations.num_rows) >= who.skips
        self.true = self.category.copy()  # habits are those of what a segment is, whatever it is called

    def habit(self, what: str) -> Floats:
        """(n,) of the segments; crowds have none."""
        ids, inverse = np.unique(self.true, return_inverse=True)
        value = np.array(
            [getattr(self.of[category], what) if category in self.of else 0.0 for category in ids.tolist()], float
        )
        return np.where(self.crowd, 0.0, value[inverse.reshape(-1)])

    def by_lot(self, what: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self.rng.random(len(self.row)) < self.habit(what)

    @property
    def size(self) -> tuple[Ints, Ints]:
        """Height and width (n,) of each segment's image."""
        height, width = self.batch.image_size
        image = self.batch.annotation_image[self.annotation]
        return height[image], width[image]

    def name(self) -> None:
        """Misses, other categories and void."""
        self.there &= ~self.by_lot("misses")
        lot = self.rng.random(len(self.row))
        for id_, chance, other in self._calls():
            is_own = (self.true == id_) & ~self.crowd
            taken = is_own & (lot < chance)
            self.category[taken] = other
            lot[is_own] -= chance  # what is left is for the next name
            lot[taken] = 2.0
        void = self.by_lot("void")
        if void.any():
            if self.void is None:
                raise ValueError("the taxonomy has no category that is void")
            self.category[void] = self.void

    def _calls(self) -> Iterator[tuple[int, float, int]]:
        for id_, habits in self.of.items():
            for other, chance in habits.calls.items():
                yield id_, chance, self.ids[other]

    def cut(self) -> None:
        """Splits and merges."""
        height, _ = self.size
        n = len(self.row)
        split = np.flatnonzero(self.by_lot("splits") & self.there)
        x, _, wide, _ = bounding_boxes(self.runs, height, n)
        half = np.full(n, -1, np.int64)
        half[split] = n + np.arange(len(split))
        column_of_run, _ = run_columns(self.runs, height)
        owner = self.runs.owner
        right = (half[owner] >= 0) & (column_of_run >= (x + wide // 2)[owner])
        self._more(split)
        self.runs = Runs(self.runs.start, self.runs.length, np.where(right, half[owner], owner).astype(np.int32))
        self.runs = self.runs.sorted_by_owner(len(self.row))
        self._merge()

    def _merge(self) -> None:
        joins = self.by_lot("merges") & self.there
        if not joins.any():
            return
        line = self.batch.annotation_line
        touching = find_contacts(SweepRuns.from_runs(self.runs, line, self.annotation), line)
        a, b = touching.a.astype(np.int64), touching.b.astype(np.int64)
        is_merged = (self.category[a] == self.category[b]) & self.there[a] & self.there[b] & joins[b]
        into = np.arange(len(self.row))
        into[b[is_merged]] = a[is_merged]  # a < b, so that chains end
        while (into[into] != into).any():
            into = into[into]
        self.there &= into == np.arange(len(into))
        height, width = self.size
        x, top = run_columns(self.runs, height)
        owner_of_run = into[self.runs.owner]
        self.runs = union_strips(owner_of_run, x, top, top + self.runs.length, height, width)

    def outline(self) -> None:
        """Where segments lie, and where they end."""
        height, width = self.size
        n, rng = len(self.row), self.rng
        right, down = (np.round(rng.normal(size=n) * self.habit("shift")).astype(np.int64) for _ in "xy")
        self.runs = translate(self.runs, height, width, right, down)
        self.runs = perturb_outlines(self.runs, height, width, self.habit("jitter"), rng)
        wanted = self.habit("larger") + rng.normal(size=n) * self.habit("uneven")
        self.further = np.floor(wanted + rng.random(n)).astype(np.int64)
        self.runs = grow(self.runs, height, width, self.further)

    def invent(self) -> None:
        """More of what there is, elsewhere."""
        height, width = self.size
        n, more = len(self.row), np.flatnonzero(self.by_lot("adds") & self.there)
        if not len(more):
            return
        x, y, wide, high = bounding_boxes(self.runs, height, n)
        copies = self.runs.take(more, n)
        right = np.floor(self.rng.random(len(more)) * (width - wide + 1)[more]).astype(np.int64) - x[more]
        down = np.floor(self.rng.random(len(more)) * (height - high + 1)[more]).astype(np.int64) - y[more]
        copies = translate(copies, height[more], width[more], right, down)
        self._more(more)
        self.category[n:] = self.true[more]
        self.runs = Runs.concatenate([self.runs, copies], [n, len(more)])

    def _more(self, like: Ints) -> None:
        """More segments, with the columns of some that there are, and no runs yet."""
        for column in self._COLUMNS:
            values = getattr(self, column)
            setattr(self, column, np.append(values, values[like]))

    def flatten(self) -> None:
        """Each pixel under one segment."""
        places = np.lexsort((self.rng.permutation(len(self.row)), self.further))
        height, width = self.size
        kept = np.flatnonzero(self.there)
        runs = self.runs.take(kept, len(self.row))
        annotations, frame = np.unique(self.annotation[kept], return_inverse=True)
        if len(annotations):
            rank = np.argsort(places)[kept]
            self._only(kept)
            self.runs = keep_topmost(runs, frame.reshape(-1), height[kept], width[kept], rank)

    def _only(self, kept: Ints) -> None:
        for column in self._COLUMNS:
            setattr(self, column, getattr(self, column)[kept])

    def finished(self, name: str | None) -> Batch:
        """The batch, without annotations that are not shown and segments of which nothing is left."""
        n = len(self.row)
        annotations = self.batch.annotations
        left = self.there & (self.runs.areas(n) > 0) & self.shown[self.annotation]
        kept = np.flatnonzero(left)
        kept = kept[np.argsort(self.annotation[kept], kind="stable")]
        runs = self.runs.take(kept, n)
        segments = self.batch.segments.take(pa.array(self.row[kept]))
        shown = np.flatnonzero(self.shown)
        for column, values in (
            ("annotation", np.searchsorted(shown, self.annotation[kept])),
            ("category_id", self.category[kept]),
            ("segment_id", np.arange(1, len(kept) + 1)),
            ("source_id", [None] * len(kept)),
            ("rings", [None] * len(kept)),
            ("declared_area", [None] * len(kept)),
            ("declared_bbox", [None] * len(kept)),
        ):
            segments = replace_column(segments, column, values)
        annotations = annotations.take(pa.array(shown))
        if name is not None:
            annotations = replace_column(annotations, "annotator", [name] * len(shown))
        return Batch(self.batch.images, annotations, segments, runs)
