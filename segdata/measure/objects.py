"""Objects: one row for each thing that was drawn, with its place, size and shape in pixels and millimetres."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.batch import Batch
from segdata.core.parts import shape
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs, boxes, columns
from segdata.measure.feret import feret
from segdata.measure.moments import moments

Floats = NDArray[np.float64]


def objects(batch: Batch, profile: Profile) -> pa.Table:
    """One row per segment with pixels; in semantic data, where a segment is all of its category, one per part of it.

    image_id, annotator, category, segment_id (the source's own, as text where it is one), part (from 1; null: the
    segment as a whole), crowd, track_id;
    x, y (centroid; the centre of the first pixel is at 0), box_x … box_height, area_px, length_px, width_px and angle
    (the ellipse of the same second moments; degrees from the x axis towards y), feret_px (largest diameter),
    perimeter_px (pixel edges); and the same in mm and mm² where the size of the image's pixels is known, else null.
    Every length in mm takes pixels as they are, also those that are not square.
    """
    runs, owner, part = _things(batch, profile)
    n = len(owner)
    height = batch.segment_size[0][owner]
    area = runs.areas(n)
    found = moments(runs, height, n)
    ones = np.ones(n)
    step_x, step_y = _steps(batch, profile, owner)
    known = not np.isnan(step_x).all()
    of_pixels, *others = feret(runs, height, n, (ones, ones), *([(step_x, step_y)] if known else []))
    of_mm = others[0] if known else np.full(n, np.nan)
    length, width, angle = found.axes()
    length_mm, width_mm, _ = found.axes(step_x, step_y)
    level = 2 * np.bincount(runs.owner, minlength=n)  # pixel edges above and below runs
    perimeter = shape(runs, height, n).perimeter
    columns_: dict[str, pa.Array | Ints | Floats] = {
        **_names(batch, profile, owner),
        "part": pa.array(part, mask=part == 0),
        "x": found.x,
        "y": found.y,
        **dict(zip(("box_x", "box_y", "box_width", "box_height"), boxes(runs, height, n), strict=True)),
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
    return pa.table({name: pa.array(each, from_pandas=True) for name, each in columns_.items()})


def _things(batch: Batch, profile: Profile) -> tuple[Runs, Ints, Ints]:
    """The pixels of each thing, its segment, and which part of that it is (0: all of it)."""
    if profile.task != "semantic":
        rows = np.flatnonzero(batch.runs.areas(batch.n_segments) > 0)
        return batch.runs.take(rows, batch.n_segments), rows, np.zeros(len(rows), np.int64)
    x, top = columns(batch.runs, batch.segment_size[0])
    label = kernels.parts(x, top, top + batch.runs.length, batch.runs.owner, False)[0]
    n = int(label.max(initial=-1)) + 1
    owner = np.zeros(n, np.int64)
    owner[label] = batch.runs.owner
    by_segment = np.argsort(owner, kind="stable")
    place = np.empty(n, np.int64)
    place[by_segment] = np.arange(n)
    owner = owner[by_segment]
    label = place[label]
    order = kernels.order_by(label.astype(np.int32), n)
    runs = Runs(batch.runs.start[order], batch.runs.length[order], label[order].astype(np.int32))
    return runs, owner, np.arange(n) - np.searchsorted(owner, owner) + 1


def _steps(batch: Batch, profile: Profile, owner: Ints) -> tuple[Floats, Floats]:
    """Width and height (n,) in mm of the pixels of each thing's image; NaN where they are not known."""
    known: Mapping[str, tuple[float, float, float]] = {
        each.name: each.spacing for each in profile.sequences if each.spacing is not None
    }
    of_image = [known.get(name, (np.nan,) * 3)[:2] for name in batch.images["sequence"].to_pylist()]
    steps = np.array(of_image, np.float64).reshape(-1, 2)[batch.segment_image[owner]]
    return steps[:, 0], steps[:, 1]


def _names(batch: Batch, profile: Profile, owner: Ints) -> dict[str, pa.Array]:
    """Whose things they are, and what they are."""
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
