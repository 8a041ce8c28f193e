"""Inject label errors of every kind into a dataset at known rates and severities, and record each error.

The findings of `segdata flag` can be compared with the record.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, concatenate_batches, integer_column, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints, Runs, bounding_boxes
from segdata.core.schema import runs_to_rle
from segdata.noise.corruptions import corrupt_labels
from segdata.noise.error_types import CODES, CorruptionRates, Corruptions
from segdata.noise.segments import VOID, SegmentSet, overlaps
from segdata.testing.pictures import PictureDataset


@dataclass(frozen=True, slots=True)
class InjectedError:
    """One injected error.

    Segments are ids; of a category that is no thing, those that hold most of the pixels.
    """

    code: str  # the kind's name in `segdata flag`
    type: str
    kind: str  # how it was made
    severity: float  # pixels for outlines and shifts, the share of the smaller piece for splits, else 1
    image: str
    segments: tuple[int, ...]  # in the noisy dataset
    clean_segments: tuple[int, ...]
    bbox: tuple[int, int, int, int]  # x, y, width and height of the pixels that changed
    pixels: int  # number of changed pixels
    counts: str  # pixels after the error, as compressed COCO RLE
    clean_counts: str  # pixels before the error

    def row(self) -> dict[str, Any]:  # Any: what JSON holds
        """The error as JSON."""
        return asdict(self)


def inject_errors(
    data: OpenDataset, seed: int, rates: CorruptionRates | None = None, share: float = 1.0
) -> tuple[OpenDataset, list[InjectedError]]:
    """Inject errors into a `share` of a dataset's images; returns the dataset and the errors. A seed fixes them.

    In instance datasets all categories are things, in panoptic ones those that say so; of others each connected part
    is an object. Crowds and void stay as they are. Only the first annotation of an image is kept.
    """
    profile = data.profile
    batch = concatenate_batches(list(data.batches(1)))
    labelled = [category.id for category in profile.taxonomy.categories if category.kind != "void"]
    rank = {category_id: number for number, category_id in enumerate(labelled, 1)}
    ids = np.array([0, *rank], np.int64)
    things = _things(profile, rank)
    first = np.unique(batch.annotation_image, return_index=True)[1]
    pages, errors = [], list[InjectedError]()
    for annotation in first.tolist():
        rng = np.random.default_rng([seed, annotation])
        page = _SeenAnnotation(batch, annotation, rank)
        if rng.random() < share:
            errors += page.inject(things, rates or CorruptionRates(), rng)
        pages.append(page)
    return OpenDataset(PictureDataset(profile, _join_pages(batch, first, pages, ids)), profile, Config()), errors


def _things(profile: Profile, rank: dict[int, int]) -> Flags:
    kinds = {category.id: category.kind for category in profile.taxonomy.categories}
    countable = [profile.task == "instance" or (profile.task == "panoptic" and kinds[id_] == "thing") for id_ in rank]
    return np.array([False, *countable])


class _SeenAnnotation:
    """The first annotation of an image: its segments, and the rows of the dataset that they come from."""

    def __init__(self, batch: Batch, annotation: int, rank: dict[int, int]) -> None:
        self.rows = np.flatnonzero(batch.segment_annotation == annotation)
        image = int(batch.annotation_image[annotation])
        height, width = (int(side[image]) for side in batch.image_size)
        category = batch.segment_category[self.rows]
        crowd = batch.segment_is_crowd[self.rows]
        rank_of_row = np.array([rank.get(id_, VOID) for id_ in category.tolist()], np.int64)
        runs = batch.runs.take(self.rows, batch.n_segments)
        self.image = str(batch.images["image_id"][image].as_py())
        self.ids = integer_column(batch.segments["segment_id"])[self.rows]
        self.labels = SegmentSet.from_runs(runs, np.where(crowd, VOID, rank_of_row), height, width)
        self.origin = np.arange(len(self.rows))

    def inject(self, things: Flags, rates: CorruptionRates, rng: np.random.Generator) -> list[InjectedError]:
        """Inject errors into this annotation; returns them."""
        clean, ids = self.labels, self.ids
        new, truth = corrupt_labels(clean, things, rates, rng)
        self.labels, self.origin = _join_parts(clean, new, truth)
        more = int(ids.max(initial=0)) + 1 + np.cumsum(self.origin < 0) - 1
        self.ids = np.where(self.origin >= 0, ids[self.origin] if len(ids) else 0, more)
        changed = truth.changed_runs(clean.height)
        n = len(truth)
        box = np.column_stack(bounding_boxes(changed, np.full(n, clean.height, np.int64), n))
        pixels = changed.areas(n)
        before, after = _holding_segments(truth.old, n, clean), _holding_segments(truth.new, n, self.labels)
        sizes = np.full(n, clean.height, np.int64), np.full(n, clean.width, np.int64)
        was, left = ([rle.decode() for rle in runs_to_rle(runs, *sizes).to_pylist()] for runs in (truth.old, truth.new))
        return [
            InjectedError(
                code=CODES[kind_type], type=kind_type, kind=kind, severity=float(truth.severity[row]), image=self.image,
                segments=tuple(self.ids[after[row]].tolist()), clean_segments=tuple(ids[before[row]].tolist()),
                bbox=tuple(box[row].tolist()), pixels=int(pixels[row]), counts=left[row], clean_counts=was[row],
            )
            for row, (kind, kind_type) in enumerate(zip(truth.kinds, truth.types, strict=True))
            if pixels[row]
        ]  # fmt: skip


def _join_parts(clean: SegmentSet, new: SegmentSet, truth: Corruptions) -> tuple[SegmentSet, Ints]:
    """The changed segments with the parts of each category joined again, and the clean row of each."""
    n_parts = truth.n_parts
    named, row = np.unique(new.category[:n_parts], return_inverse=True)
    owner = np.append(row, len(named) + np.arange(len(new) - n_parts))
    owner_of_run = owner[new.runs.owner]
    order = np.lexsort((new.runs.start, owner_of_run))
    runs = Runs(new.runs.start[order], new.runs.length[order], owner_of_run[order].astype(np.int32))
    category = np.append(named, new.category[n_parts:])
    first = [int(np.append(np.flatnonzero(clean.category == category_rank), -1)[0]) for category_rank in named.tolist()]
    origin = np.append(np.array(first, np.int64), truth.origin[n_parts:])
    return SegmentSet.from_runs(runs, category, clean.height, clean.width), origin


def _holding_segments(runs: Runs, n: int, segments: SegmentSet) -> list[Ints]:
    """For each error, the segments that hold at least a tenth of its pixels."""
    mistakes = segments.same_image(runs, n)
    shared_pixels = overlaps(mistakes, segments)
    large = shared_pixels.pixels >= 0.1 * mistakes.areas[shared_pixels.a]
    return [shared_pixels.b[large & (shared_pixels.a == row)].astype(np.int64) for row in range(n)]


def _join_pages(batch: Batch, annotations: Ints, pages: list[_SeenAnnotation], ids: Ints) -> Batch:
    rows, category, categories = [], [], batch.segment_category
    for page in pages:
        like = np.where(page.origin >= 0, page.rows[page.origin] if len(page.rows) else 0, -1)
        rank = page.labels.category
        rows.append(np.where(like >= 0, like, page.rows[0] if len(page.rows) else 0))
        category.append(np.where(rank == VOID, categories[np.maximum(like, 0)], ids[np.maximum(rank, 0)]))
    count = np.array([len(page.labels) for page in pages])
    nothing, blank = np.empty(0, np.int64), [None] * int(count.sum())
    segments = batch.segments.take(pa.array(np.concatenate([nothing, *rows])))
    for column, values in (
        ("annotation", np.repeat(np.arange(len(pages)), count)),
        ("category_id", np.concatenate([nothing, *category])),
        ("segment_id", np.concatenate([nothing, *(page.ids for page in pages)])),
        ("source_id", blank), ("rings", blank), ("declared_area", blank), ("declared_bbox", blank),
    ):  # fmt: skip
        segments = replace_column(segments, column, values)
    runs = Runs.concatenate([page.labels.runs for page in pages], count.tolist())
    return Batch(batch.images, batch.annotations.take(pa.array(annotations)), segments, runs)
