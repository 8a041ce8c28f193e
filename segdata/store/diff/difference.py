"""Difference: the kinds of difference between two datasets, and their counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.finding import Box, Count
from segdata.core.paths import PairByName

DifferenceKind = Literal[
    "image-missing",
    "image-added",
    "image-size",
    "image-details",
    "spatial",
    "annotation-missing",
    "annotation-added",
    "empty-annotation",
    "annotator",
    "annotation-attributes",
    "segment-missing",
    "segment-added",
    "pixels",
    "category",
    "category-pixels",
    "crowd",
    "track",
    "score",
    "source",
    "attributes",
    "secondary-categories",
    "category-missing",
    "category-added",
    "category-renamed",
    "category-details",
    "segment-id",
    "rings",
    "rings-missing",
    "rings-added",
]
DIFFERENCE_KINDS: tuple[DifferenceKind, ...] = get_args(DifferenceKind)
# Differences that change no label: they are counted, but do not make datasets differ unless `strict`.
QUIET_KINDS: frozenset[DifferenceKind] = frozenset({"segment-id", "rings", "rings-missing", "rings-added"})
KIND_SUMMARIES: dict[DifferenceKind, str] = {
    "image-missing": "images of A that B lacks",
    "image-added": "images of B that A lacks",
    "image-size": "images of another size, whose segments are not compared",
    "image-details": "sequence, frame, split, group, camera, time, region of interest or metadata of images",
    "spatial": "where the voxels of volumes lie in the world",
    "annotation-missing": "annotations (all that one annotator drew on an image) that B lacks",
    "annotation-added": "annotations (all that one annotator drew on an image) that A lacks",
    "empty-annotation": "images annotated without any segment on one side, not annotated on the other",
    "annotator": "annotations by another annotator",
    "annotation-attributes": "source, stage, reviewer, times, coverage or attributes of annotations",
    "segment-missing": "segments of A that nothing in B resembles",
    "segment-added": "segments of B that nothing in A resembles",
    "pixels": "segments with other pixels",
    "category": "segments of another category",
    "category-pixels": "annotations with pixels that have other categories",
    "crowd": "segments that are a crowd on one side only",
    "track": "segments of another track",
    "score": "segments with another score",
    "source": "segments made by another source (human or model)",
    "attributes": "segments with other attributes",
    "secondary-categories": "segments with other secondary categories",
    "category-missing": "categories of A that B lacks",
    "category-added": "categories of B that A lacks",
    "category-renamed": "categories with the same id and another name",
    "category-details": "categories with another id, kind, colour, parent or guideline",
    "segment-id": "segments with another id",
    "rings": "segments with other polygon vertices",
    "rings-missing": "segments whose polygon vertices B lacks",
    "rings-added": "segments whose polygon vertices A lacks",
}


def kind_unit(kind: DifferenceKind) -> str:
    """The unit in which differences of a kind are counted.

    >>> kind_unit("image-size"), kind_unit("category-pixels"), kind_unit("category-missing"), kind_unit("category")
    ('image', 'annotation', 'category', 'segment')
    """
    named = {"spatial": "volume", "annotator": "annotation", "empty-annotation": "annotation", "category": "segment"}
    if kind in named:
        return named[kind]
    first = kind.partition("-")[0]
    return (
        "annotation"
        if kind == "category-pixels"
        else first
        if first in ("image", "annotation", "category")
        else "segment"
    )


class DatasetChange(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    `image` is its id in A, else in B, and null if no image is concerned; segments have the ids of the source, null
    where that side has no such segment; categories are names; `pixels` differ, within `bbox`: [x, y, width, height].
    """

    kind: DifferenceKind
    image: str | None = None
    annotator: str | None = None
    segment_a: int | str | None = None
    segment_b: int | str | None = None
    category_a: str | None = None
    category_b: str | None = None
    message: str
    pixels: int | None = None
    bbox: Box | None = None


class KindCount(msgspec.Struct, rename={"n": "count"}):
    """The number of differences of a kind, with their images and pixels."""

    n: Count = 0
    images: Count = 0
    pixels: Count = 0


class DatasetSide(msgspec.Struct, rename={"files": "dataset", "n_images": "images", "n_segments": "segments"}):
    """One of the two datasets: its path, format and size, and its defects (infos left out) by code."""

    files: str
    format: str
    n_images: Count = 0
    n_segments: Count = 0
    defects: dict[str, Count] = {}


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences between A and B.

    Attributes
    ----------
    a, b : the datasets
    paired_by : ``id``, ``stem`` (without extension) or ``name`` (without folders and extension): how the images of
        both were paired
    n_images : pairs of images
    n_kept : segments of A that have the same image, category and pixels in B
    n_same : of these, segments whose other columns are equal, too, except ids and polygon vertices
    counts : for each occurring kind, in the order of `DIFFERENCE_KINDS`
    changes : the first differences of each kind, by kind and then by image
    moves : pixels by their category in A and in B, most first; None: no category
    strict : whether ids and polygon vertices count as differences
    """

    a: DatasetSide
    b: DatasetSide
    paired_by: PairByName
    n_images: int
    n_kept: int
    n_same: int
    counts: dict[DifferenceKind, KindCount]
    changes: tuple[DatasetChange, ...]
    moves: dict[tuple[str | None, str | None], int]
    strict: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.telling

    @property
    def telling(self) -> dict[DifferenceKind, KindCount]:
        """The counts that make A and B differ: without ids and polygon vertices, unless `strict`."""
        return {kind: count for kind, count in self.counts.items() if self.strict or kind not in QUIET_KINDS}

    @property
    def quiet(self) -> dict[DifferenceKind, KindCount]:
        """The counts that do not make A and B differ."""
        return {kind: count for kind, count in self.counts.items() if kind not in self.telling}

    def __repr__(self) -> str:
        counts = ", ".join(f"{kind} {count.n}" for kind, count in self.telling.items()) or "the same"
        return f"Difference({self.a.files!r}, {self.b.files!r}: {counts})"


@dataclass(slots=True)
class DifferenceCounter:
    """Collects and counts differences."""

    limit: int | None  # number of each kind to keep; None: all
    ignored: frozenset[DifferenceKind] = frozenset()  # kinds that are not counted
    counts: dict[DifferenceKind, KindCount] = field(default_factory=dict)  # by kind
    changes: dict[DifferenceKind, list[DatasetChange]] = field(default_factory=dict)  # by kind, in the order of images
    # pixels by their category in A and in B; None: no category
    moves: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    n_images: list[int] = field(default_factory=lambda: [0, 0])  # in A and in B
    n_segments: list[int] = field(default_factory=lambda: [0, 0])  # in A and in B
    n_kept: int = 0  # segments of A that have the same image, category and pixels in B
    n_same: int = 0  # those of which B says everything else too that A says; their ids and vertices apart
    # in A and in B, what was met while reading, by code
    defects: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))

    def add(
        self,
        kind: DifferenceKind,
        images: NDArray[np.integer],
        change: Callable[[int], DatasetChange],
        pixels: NDArray[np.integer] | None = None,
    ) -> None:
        """Count n differences of one kind.

        Parameters
        ----------
        images : (n,) a number for the image of each
        change : makes the k-th of them; called for the first few only
        pixels : (n,) how many pixels each concerns
        """
        n = len(images)
        if n == 0 or kind in self.ignored:
            return
        count = self.counts.setdefault(kind, KindCount())
        count.n += n
        count.images += len(np.unique(images))
        count.pixels += 0 if pixels is None else int(pixels.sum())
        kept = self.changes.setdefault(kind, [])
        n_kept = n if self.limit is None else min(n, self.limit - len(kept))
        kept.extend(change(k) for k in range(n_kept))

    def put(self, change: DatasetChange) -> None:
        """Count one difference that concerns no image."""
        self.add(change.kind, np.zeros(1, np.int64), lambda k: change)
        if change.kind in self.counts:
            self.counts[change.kind].images = 0

    def merge(self, other: "DifferenceCounter") -> None:
        """Add what was found in further images."""
        for kind, count in other.counts.items():
            total = self.counts.setdefault(kind, KindCount())
            total.n = total.n + count.n
            total.images = total.images + count.images
            total.pixels = total.pixels + count.pixels
            kept = self.changes.setdefault(kind, [])
            room = None if self.limit is None else self.limit - len(kept)
            kept.extend(other.changes[kind][:room])
        self.moves.update(other.moves)
        self.n_kept, self.n_same = self.n_kept + other.n_kept, self.n_same + other.n_same
        for side in (0, 1):
            self.n_images[side] += other.n_images[side]
            self.n_segments[side] += other.n_segments[side]
            self.defects[side].update(other.defects[side])
