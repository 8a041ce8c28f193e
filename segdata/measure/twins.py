"""Twins: what the same annotator drew on two images that are the same picture."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.executor import run_ordered
from segdata.core.format import Source
from segdata.core.line import Line
from segdata.core.meet import Side
from segdata.core.profile import Profile
from segdata.core.roi import limited
from segdata.core.runs import Ints, spread
from segdata.core.table import Column, Flags, Table
from segdata.measure.stretch import Columns, Tabled

_AT_ONCE = 16  # pairs that are loaded together


def twins(source: Source, tables: Tabled, source_row: Ints, profile: Profile, jobs: int) -> Iterator[Columns]:
    """One row per pair of `alike` images, annotator and category, of images of one size.

    pair (row of `alike`), annotation and other (rows, that of the later and of the earlier image), category_id, area
    and other_area (pixels of either that the category covers), shared (by both). Crowds and void are left out.
    `source_row` (n_images,): the row in the source of each of the dataset's images.
    """
    images, pairs = tables["images"], tables["alike"]
    a, b = pairs["of"], pairs["image"]
    fits = (images["width"][a] == images["width"][b]) & (images["height"][a] == images["height"][b])
    rows = np.flatnonzero(fits & (images["width"][a] > 0))
    portions = [rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE)]
    return run_ordered(partial(_compared, source, tables, source_row, profile), portions, jobs)


def _compared(source: Source, tables: Tabled, source_row: Ints, profile: Profile, rows: Ints) -> Columns:
    """The rows of some pairs."""
    pairs, annotations = tables["alike"].take(rows), tables["annotations"]
    image = np.unique(np.concatenate([pairs["of"], pairs["image"]]))
    batch, _ = limited(source.load(source_row[image]))
    begin, end = (np.searchsorted(annotations["image"], image, side) for side in ("left", "right"))
    annotation = spread(begin.astype(np.int64), (end - begin).astype(np.int64))
    pair, other, own = _matched(pairs, image, batch, annotations["annotator"][annotation])
    category, code = np.unique(batch.segments["category_id"].to_numpy(), return_inverse=True)
    height, width = batch.image_size
    of_image = batch.annotation_image[own]
    line = Line.of(np.repeat(height[of_image], len(category)), np.repeat(width[of_image], len(category)))
    counts = ~batch.segments["iscrowd"].fill_null(False).to_numpy()
    counts &= ~np.isin(batch.segments["category_id"].to_numpy(), profile.taxonomy.void_ids)
    covered = [_covered(batch, each, line, code, len(category), counts) for each in (own, other)]
    n_frames = len(own) * len(category)
    area, other_area = (np.bincount(line.frame_of(each.start), each.end - each.start, n_frames) for each in covered)
    one, two = covered
    _, _, start, length = kernels.strips(one.start, one.end, one.owner, two.start, two.end, two.owner)
    shared = np.bincount(line.frame_of(start), length, n_frames)
    some = np.flatnonzero(area + other_area)
    which, kind = np.divmod(some, max(len(category), 1))
    columns = {
        "pair": rows[pair[which]],
        "annotation": annotation[own[which]],
        "other": annotation[other[which]],
        "category_id": category[kind],
        "area": area[some],
        "other_area": other_area[some],
        "shared": shared[some],
    }
    return {name: each.astype(np.int64) for name, each in columns.items()}


def _matched(pairs: Table, image: Ints, batch: Batch, annotator: Column) -> tuple[Ints, Ints, Ints]:
    """Pair, and the batch's annotations of its earlier and its later image, by the same annotator."""
    by: dict[tuple[int, str | None], int] = {}
    for row, (place, name) in enumerate(zip(batch.annotation_image.tolist(), annotator.tolist(), strict=True)):
        by.setdefault((place, name), row)
    names = sorted(set(annotator.tolist()), key=lambda name: (name is not None, name))
    places = [np.searchsorted(image, pairs[name]).tolist() for name in ("of", "image")]
    found = [
        (pair, by[first, name], by[second, name])
        for pair, (first, second) in enumerate(zip(*places, strict=True))
        for name in names
        if (first, name) in by and (second, name) in by
    ]
    columns = np.array(found, np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _covered(batch: Batch, annotation: Ints, line: Line, code: Ints, n_codes: int, counts: Flags) -> Side:
    """What the segments of each category of some annotations cover together, each in a frame of its own."""
    of = batch.segment_annotation
    begin, end = (np.searchsorted(of, annotation, side).astype(np.int64) for side in ("left", "right"))
    segment = spread(begin, end - begin)
    frame = np.repeat(np.arange(len(annotation)), end - begin) * n_codes + code[segment]
    kept = counts[segment]
    side = Side.of(batch.runs.take(segment[kept], batch.n_segments), line, frame[kept])
    start, length, _ = kernels.cover(side.start, side.end)
    return Side(start, start + length, np.zeros(len(start), np.int32))
