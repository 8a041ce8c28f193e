"""Region properties: one row for each segment, with place, size and shape in pixels and millimetres."""

from collections.abc import Mapping
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.profile import Profile
from segdata.core.runs import (
    Floats,
    Ints,
    Rows,
    Runs,
    bounding_boxes,
    expand_ranges,
    label_parts,
    run_columns,
    segment_shapes,
)

_MAX_POINT_PAIRS = 4_000_000  # in memory at a time


def feret_diameters(runs: Runs, height: Ints, n_owners: int, *steps: tuple[Floats, Floats]) -> list[Floats]:
    """The maximum Feret diameter (n_owners,) of every owner, in the unit of each of `steps`; NaN without pixels.

    `height` (n_owners,) is that of the owner's image; a step is the width and height (n_owners,) of a pixel, and
    without steps the unit is the pixel. Distances are between the middles of pixel edges: one pixel has a diameter of
    1. `skimage.measure.regionprops` measures between the same points, but draws the convex hull in pixels first, which
    adds up to a pixel.
    Source: L. R. Feret (1931), Assoc. Int. pour l'Essai des Mat. 2, Group D, 428-436.
    """
    owner, x, y = _convex_hull(runs, height)
    first = np.searchsorted(owner, np.arange(n_owners + 1)).astype(np.int64)
    ones = np.ones(n_owners)
    diameters = [np.full(n_owners, np.nan) for _ in steps or (1,)]
    count = np.diff(first)
    for begin, end in _portions(count**2):
        mine = slice(first[begin], first[end])
        owners = owner[mine].astype(np.int64)
        a = np.repeat(np.arange(mine.start, mine.stop), count[owners])
        b = expand_ranges(first[owners], count[owners])
        dx, dy = (np.abs(side[a] - side[b]) for side in (x, y))
        some = np.flatnonzero(count[begin:end]) + begin
        starts = np.cumsum(count[some] ** 2) - count[some] ** 2
        for result, (wide, high) in zip(diameters, steps or ((ones, ones),), strict=True):
            # Around the middle of each of the two pixels lie the middles of its edges, half a pixel away on each side.
            across, down = wide[owner[a]], high[owner[a]]
            level = ((dx + 1) * across) ** 2 + (dy * down) ** 2
            squared = np.maximum(level, (dx * across) ** 2 + ((dy + 1) * down) ** 2)
            result[some] = np.sqrt(np.maximum.reduceat(squared, starts)) if len(some) else 0
    return diameters


def _portions(work: Ints) -> list[tuple[int, int]]:
    """Owners in portions of about `_MAX_POINT_PAIRS` pairs."""
    number = np.cumsum(work) // _MAX_POINT_PAIRS
    cuts = np.flatnonzero(np.diff(number)) + 1
    bounds = [0, *cuts.tolist(), len(work)]
    return [(a, b) for a, b in pairwise(bounds) if b > a]


def _convex_hull(runs: Runs, height: Ints) -> tuple[Rows, Ints, Ints]:
    """The corners of the convex hull of the middles of every owner's pixels, sorted by owner."""
    x, top = run_columns(runs, height)
    first = np.ones(len(x), bool)
    first[1:] = (runs.owner[1:] != runs.owner[:-1]) | (x[1:] != x[:-1])
    last = np.roll(first, -1)
    upper = lower_hull(runs.owner[first], x[first], top[first])
    lower = lower_hull(runs.owner[last], x[last], -(top + runs.length - 1)[last])
    owner = np.concatenate([upper[0], lower[0]])
    order = np.argsort(owner, kind="stable")
    x, y = np.concatenate([upper[1], lower[1]]), np.concatenate([upper[2], -lower[2]])
    return owner[order], x[order], y[order]


def lower_hull(owner: Rows, x: Ints, y: Ints) -> tuple[Rows, Ints, Ints]:
    """The corners of the lower hull of points that are sorted by owner and x, one point for each x.

    A point that is not below the line between its neighbours is no corner, also after others are removed; so all such
    points are removed at once, until none is left.
    """
    while True:
        inner = (owner[2:] == owner[1:-1]) & (owner[1:-1] == owner[:-2])
        over = (y[1:-1] - y[:-2]) * (x[2:] - x[:-2]) >= (y[2:] - y[:-2]) * (x[1:-1] - x[:-2])
        gone = inner & over
        if not gone.any():
            return owner, x, y
        kept = np.ones(len(owner), bool)
        kept[1:-1] = ~gone
        owner, x, y = owner[kept], x[kept], y[kept]


class Moments(msgspec.Struct, frozen=True):
    """The moments of n owners; NaN for owners without pixels."""

    x: Floats  # (n,) the centroid, in pixels; the centre of the first pixel is at 0
    y: Floats  # (n,) likewise
    xx: Floats  # (n,) the second central moments over the area, in pixels²
    yy: Floats  # (n,) likewise
    xy: Floats  # (n,) likewise

    def axes(self, step_x: Floats | float = 1.0, step_y: Floats | float = 1.0) -> tuple[Floats, Floats, Floats]:
        """Length, width and direction (n,) of the ellipse with the same second moments.

        `step_x` and `step_y` are the sizes of a pixel, so that lengths are in their unit. The direction is that of the
        long axis, in degrees from the x axis towards y (clockwise as images are shown), in (-90, 90]; NaN where no
        axis is longer.
        Source: M. K. Hu (1962), IRE Transactions on Information Theory 8(2), 179-187; the lengths are those of
        `skimage.measure.regionprops`, four times the root of the eigenvalues.
        """
        xx, yy, xy = self.xx * step_x**2, self.yy * step_y**2, self.xy * step_x * step_y
        middle, apart = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        angle = np.degrees(np.arctan2(2 * xy, xx - yy)) / 2
        angle = np.where(apart <= 1e-12 * np.maximum(middle, 1e-300), np.nan, angle)
        length, width = (4 * np.sqrt(np.maximum(eigenvalue, 0)) for eigenvalue in (middle + apart, middle - apart))
        return length, width, np.where(angle == -90, 90.0, angle)


def segment_moments(runs: Runs, height: Ints, n_owners: int) -> Moments:
    """The moments of every owner; `height` (n_owners,) is that of its image.

    A run of L pixels from row t on has Σy = L t + L (L - 1) / 2 and Σy² = L t² + t L (L - 1) + (L - 1) L (2 L - 1) / 6.
    """
    x, top = run_columns(runs, height)
    # Relative to the first run, so that squares stay small.
    first = np.searchsorted(runs.owner, np.arange(n_owners))
    some = first < len(runs)
    origin_x, origin_y = np.zeros(n_owners, np.int64), np.zeros(n_owners, np.int64)
    origin_x[some], origin_y[some] = x[first[some]], top[first[some]]
    u = (x - origin_x[runs.owner]).astype(np.float64)
    t = (top - origin_y[runs.owner]).astype(np.float64)
    n = runs.length.astype(np.float64)
    down = n * t + n * (n - 1) / 2
    squared = n * t * t + t * n * (n - 1) + (n - 1) * n * (2 * n - 1) / 6

    def total(weights: Floats) -> Floats:
        return np.bincount(runs.owner, weights, n_owners).astype(np.float64, copy=False)

    area = total(n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = total(n * u) / area, total(down) / area
        xx = total(n * u * u) / area - mean_x**2
        yy = total(squared) / area - mean_y**2
        xy = total(u * down) / area - mean_x * mean_y
    return Moments(mean_x + origin_x, mean_y + origin_y, np.maximum(xx, 0), np.maximum(yy, 0), xy)


def object_table(batch: Batch, profile: Profile) -> pa.Table:
    """One row per segment with pixels; in semantic data, where a segment is all of its category, one row per part.

    image_id, annotator, category, segment_id (the source's own, as text where it is one), part (from 1; null: the
    segment as a whole), crowd, track_id;
    x, y (centroid; the centre of the first pixel is at 0), box_x … box_height, area_px, length_px, width_px and angle
    (the ellipse of the same second moments; degrees from the x axis towards y), feret_px (largest diameter),
    perimeter_px (pixel edges); and the same in mm and mm² where the size of the image's pixels is known, else null.
    Every length in mm takes pixels as they are, also those that are not square.
    """
    runs, owner, part = _object_runs(batch, profile)
    n = len(owner)
    height = batch.segment_size[0][owner]
    area = runs.areas(n)
    moments = segment_moments(runs, height, n)
    ones = np.ones(n)
    step_x, step_y = _pixel_sizes(batch, profile, owner)
    has_spacing = not np.isnan(step_x).all()
    of_pixels, *others = feret_diameters(runs, height, n, (ones, ones), *([(step_x, step_y)] if has_spacing else []))
    of_mm = others[0] if has_spacing else np.full(n, np.nan)
    length, width, angle = moments.axes()
    length_mm, width_mm, _ = moments.axes(step_x, step_y)
    level = 2 * np.bincount(runs.owner, minlength=n)  # pixel edges above and below runs
    perimeter = segment_shapes(runs, height, n).perimeter
    columns_: dict[str, pa.Array | Ints | Floats] = {
        **_object_names(batch, profile, owner),
        "part": pa.array(part, mask=part == 0),
        "x": moments.x,
        "y": moments.y,
        **dict(zip(("box_x", "box_y", "box_width", "box_height"), bounding_boxes(runs, height, n), strict=True)),
        "area_px": area,
        "length_px": length,
        "width_px": width,
        "angle": angle,
        "feret_px": of_pixels,
        "perimeter_px": perimeter,
        "area_mm2": area * step_x * step_y,
        "length_mm": length_mm,
        "width_mm": width_mm,
        "feret_mm": of_mm,
        "perimeter_mm": level * step_x + (perimeter - level) * step_y,
    }
    return pa.table({name: pa.array(column, from_pandas=True) for name, column in columns_.items()})


def _object_runs(batch: Batch, profile: Profile) -> tuple[Runs, Ints, Ints]:
    """The runs of each object, its segment, and the number of its part (0: the whole segment)."""
    if profile.task != "semantic":
        rows = np.flatnonzero(batch.runs.areas(batch.n_segments) > 0)
        return batch.runs.take(rows, batch.n_segments), rows, np.zeros(len(rows), np.int64)
    label, owner = label_parts(batch.runs, batch.segment_size[0])
    order = kernels.order_by(label.astype(np.int32), len(owner))
    runs = Runs(batch.runs.start[order], batch.runs.length[order], label[order].astype(np.int32))
    return runs, owner, np.arange(len(owner)) - np.searchsorted(owner, owner) + 1  # parts are in the order of segments


def _pixel_sizes(batch: Batch, profile: Profile, owner: Ints) -> tuple[Floats, Floats]:
    """Width and height (n,) in mm of the pixels of each object's image; NaN if unknown."""
    spacing: Mapping[str, tuple[float, float, float]] = {
        sequence.name: sequence.spacing for sequence in profile.sequences if sequence.spacing is not None
    }
    of_image = [spacing.get(name, (np.nan,) * 3)[:2] for name in batch.images["sequence"].to_pylist()]
    steps = np.array(of_image, np.float64).reshape(-1, 2)[batch.segment_image[owner]]
    return steps[:, 0], steps[:, 1]


def _object_names(batch: Batch, profile: Profile, owner: Ints) -> dict[str, pa.Array]:
    """The names of objects: image, annotator, category and ids."""
    rows = pa.array(owner)
    segments = batch.segments.take(rows)
    ids = segments["category_id"].combine_chunks().dictionary_encode()
    names = pa.array([profile.name_of(id_) for id_ in ids.dictionary.to_pylist()], pa.string())
    numbers = segments["segment_id"].cast(pa.string())
    return {
        "image_id": batch.images["image_id"].take(pa.array(batch.segment_image[owner])).combine_chunks(),
        "annotator": batch.annotations["annotator"].take(segments["annotation"]).combine_chunks(),
        "category": names.take(ids.indices),
        "segment_id": pc.coalesce(segments["source_id"], numbers).combine_chunks(),
        "crowd": segments["iscrowd"].fill_null(False).combine_chunks(),
        "track_id": segments["track_id"].combine_chunks(),
    }
