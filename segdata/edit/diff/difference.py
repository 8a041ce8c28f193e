"""Difference: what two datasets, A and B, do not have in common, counted by kind, with the first few of each kind."""

from collections import Counter
from dataclasses import dataclass, field

from segdata.core.finding import Box
from segdata.core.pairing import ByName
from segdata.edit.diff.kinds import QUIET, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference.

    Attributes
    ----------
    kind : one of `KINDS`
    message : what is the matter, in one line
    image : image_id in A; in B where A has none; None for what concerns no image
    annotator : in A, else in B
    segment_a, segment_b : the source's own ids; None where that side has no such segment
    category_a, category_b : names
    pixels : how many pixels differ
    bbox : x, y, width, height in pixels, around these pixels
    """

    kind: Kind
    message: str
    image: str | None = None
    annotator: str | None = None
    segment_a: int | str | None = None
    segment_b: int | str | None = None
    category_a: str | None = None
    category_b: str | None = None
    pixels: int | None = None
    bbox: Box | None = None


@dataclass(slots=True)
class Count:
    """How often a kind of difference occurs, in how many images, and how many pixels are concerned."""

    n: int = 0
    images: int = 0
    pixels: int = 0


@dataclass(slots=True)
class Half:
    """What was read of one dataset: its files and format, images, segments, and defects (infos left out) by code."""

    files: str
    format: str
    n_images: int = 0
    n_segments: int = 0
    defects: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Difference:
    """What A and B do not have in common.

    Attributes
    ----------
    a, b : what was compared
    paired_by : ``id``, ``stem`` (without extension) or ``name`` (without folders and extension): how the images of
        both were paired
    n_images : pairs of images
    n_kept : segments of A that have the same image, category and pixels in B
    n_same : those of which B says everything else too that A says; their ids and polygon vertices apart
    counts : by kind, in the order of `KINDS`; kinds that do not occur are left out
    changes : the first of each kind that makes them differ, by kind and then by image
    moves : pixels by their category in A and in B, most first; None: no category
    strict : ids and polygon vertices count as differences too
    """

    a: Half
    b: Half
    paired_by: ByName
    n_images: int
    n_kept: int
    n_same: int
    counts: dict[Kind, Count]
    changes: tuple[Change, ...]
    moves: dict[tuple[str | None, str | None], int]
    strict: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.telling

    @property
    def telling(self) -> dict[Kind, Count]:
        """The counts that make A and B differ: without ids and polygon vertices, unless these were asked for."""
        return {kind: count for kind, count in self.counts.items() if self.strict or kind not in QUIET}

    @property
    def quiet(self) -> dict[Kind, Count]:
        """The counts that do not."""
        return {kind: count for kind, count in self.counts.items() if kind not in self.telling}

    def __repr__(self) -> str:
        found = ", ".join(f"{kind} {count.n}" for kind, count in self.telling.items()) or "the same"
        return f"Difference({self.a.files!r}, {self.b.files!r}: {found})"
