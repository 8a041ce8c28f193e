"""Rows of images, annotations and segments: sizes, boxes, centroids, attributes, and the coverage of annotations.

Further families are shapes (parts, holes and perimeter of segments, drawn parts, empty holes), pairs of segments of
one annotation that share pixels, touch, or have a thin band between them, and categories that are such bands.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core import kernels
from segdata.core.batch import Batch, clip_runs
from segdata.core.overlay import complement, find_contacts, first_identical, union_by_frame
from segdata.core.runs import Components, Flags, Ints, Runs, find_holes, label_parts, run_columns, segment_shapes
from segdata.core.strata import joint_codes, number_names
from segdata.measure.registry import BatchView, SegmentWalk, measure
from segdata.measure.tables.outlines import are_among, matches_ring


@measure(
    tables={
        "images": {},
        "annotations": {"image": "images"},
        "segments": {"annotation": "annotations", "image": "images"},
    }
)
def measure_rows(view: BatchView) -> dict[str, pa.Table]:
    """The tables that are always measured: images, annotations and segments."""
    batch = view.batch
    segments = segment_rows(batch, view.walk)
    return {"images": image_rows(batch), "annotations": annotation_rows(batch), "segments": segments}


def image_rows(batch: Batch) -> pa.Table:
    """One row per image, as read; sizes in pixels, 0 if unknown."""
    height, width = batch.image_size
    kept = ["image_id", "uri", "sha256", "sequence", "frame", "split", "group", "camera", "timestamp", "metadata"]
    return batch.images.select(kept).append_column("width", pa.array(width)).append_column("height", pa.array(height))


def annotation_rows(batch: Batch) -> pa.Table:
    """One row per annotation: its image, annotator, and number of segments."""
    count = np.bincount(batch.segment_annotation, minlength=batch.annotations.num_rows)
    kept = ["image", "annotator", "source", "stage", "created", "seconds", "coverage", "encoding", "file"]
    return batch.annotations.select(kept).append_column("n_segments", pa.array(count.astype(np.int64)))


def segment_rows(batch: Batch, walk: SegmentWalk) -> pa.Table:
    """One row per segment: ids, category, area and box in pixels, and the area and box that its file declares."""
    kept = ["annotation", "segment_id", "source_id", "category_id", "iscrowd", "track_id", "score", "source"]
    columns = {name: batch.segments[name] for name in kept}
    columns["iscrowd"] = columns["iscrowd"].fill_null(False)
    columns["image"] = pa.array(batch.segment_image)
    columns |= {name: pa.array(getattr(walk, name)) for name in ("area", "x", "y", "width", "height")}
    columns["declared_area"] = batch.segments["declared_area"]
    columns |= _declared_box(batch)
    columns |= {"file": batch.segments["file"], "place": batch.segments["place"]}
    return pa.table(columns)


def _declared_box(batch: Batch) -> dict[str, pa.Array]:
    """The declared bbox as four columns of float64; null where none is declared, or not of four numbers."""
    declared = batch.segments["declared_bbox"].combine_chunks()
    fits = pc.fill_null(pc.equal(pc.list_value_length(declared), 4), False)
    declared = pc.if_else(fits, declared, pa.scalar([None] * 4, type=declared.type))
    return {
        f"declared_{name}": pc.list_element(declared, position)
        for position, name in enumerate(("x", "y", "width", "height"))
    }


@measure("centres", "centroids", tables={"centroids": {"segment": "segments"}})
def measure_centroids(view: BatchView) -> pa.Table:
    """The table `centroids`, one row per segment, in pixels; 0 for a segment without pixels.

    segment (row), center_x, center_y: the mean of the columns and of the rows of its pixels; and, unless only `centres`
    are asked for, spread_x, spread_y: their standard deviations.
    """
    runs, n, height = view.batch.runs, view.batch.n_segments, view.batch.segment_size[0]
    pixels = np.maximum(view.walk.area, 1)
    center_x, center_y = view.walk.column_sum / pixels, view.walk.twice_row_sum / 2 / pixels
    columns = {"segment": np.arange(n), "center_x": center_x, "center_y": center_y}
    if "centroids" in view.families:
        x, top = run_columns(runs, height)
        within = (runs.length.astype(np.float64) ** 2 - 1) / 12  # the variance of the rows of one run
        away = (x - center_x[runs.owner]) ** 2, (top + (runs.length - 1) / 2 - center_y[runs.owner]) ** 2 + within
        for name, square in zip(("spread_x", "spread_y"), away, strict=True):
            columns[name] = np.sqrt(np.bincount(runs.owner, square * runs.length, n) / pixels)
    return pa.table(columns)


@measure("imprints", tables={})
def measure_imprints(view: BatchView) -> dict[str, pa.Table]:
    """The column `imprint` of `annotations`: a hash of categories and pixels that does not depend on their order."""
    batch, runs = view.batch, view.batch.runs
    category = batch.segment_category
    hashes = kernels.strip_hashes(runs.start, runs.length, runs.owner, batch.segment_size[0], category)
    # Sums of hashes do not depend on the order, so nothing is sorted; two of 64 bits are no accident.
    total = np.zeros((2, batch.annotations.num_rows), np.uint64)
    for row, of_segments in zip(total, hashes, strict=True):
        np.add.at(row, batch.segment_annotation, of_segments)
    digits = pa.py_buffer(total.T.astype(">u8").tobytes().hex().encode())  # 32 for each annotation
    ends = pa.py_buffer(np.arange(0, len(digits) + 1, 32, dtype=np.int32))
    imprint = pa.Array.from_buffers(pa.string(), total.shape[1], [None, ends, digits])
    return {"annotations": pa.table({"imprint": imprint})}


@measure("attributes", tables={"attributes": {"segment": "segments"}})
def measure_attributes(view: BatchView) -> pa.Table:
    """The table `attributes`, of the attributes that the taxonomy names: segment, name, value (JSON text or null)."""
    names = sorted({attribute.name for category in view.taxonomy.categories for attribute in category.attributes})
    stated = _attribute_rows(view.batch)
    return stated.filter(pc.is_in(stated["name"], value_set=pa.array(names, pa.string())))


@measure("spellings", tables={"spellings": {"segment": "segments"}})
def measure_spellings(view: BatchView) -> pa.Table:
    """The table `spellings`: each value of any attribute once for each annotation that has it.

    Its columns: segment (the first one with it), name, value (JSON text), n (segments with it).
    """
    stated = _attribute_rows(view.batch)
    annotation = view.batch.segment_annotation[stated["segment"].to_numpy()]
    codes = (number_names(stated[name].combine_chunks())[1] for name in ("name", "value"))
    number, first = joint_codes(annotation, *codes)  # `pa.Table.group_by` takes 20 ms to import
    order = np.argsort(first)
    return stated.take(pa.array(first[order])).append_column("n", pa.array(np.bincount(number)[order]))


def _attribute_rows(batch: Batch) -> pa.Table:
    """All attributes of segments: segment, name, value."""
    attributes = _as_list(batch.segments["attributes"].combine_chunks())
    count = pc.fill_null(pc.list_value_length(attributes), 0).to_numpy(zero_copy_only=False)
    entries = attributes.flatten()
    segment = pa.array(np.repeat(np.arange(batch.n_segments, dtype=np.int64), count))
    return pa.table({"segment": segment, "name": entries.field(0), "value": entries.field(1)})


@measure("also", tables={"also": {"segment": "segments"}})
def measure_secondary_categories(view: BatchView) -> pa.Table:
    """The table `also`: secondary categories of segments: segment, category_id."""
    batch = view.batch
    also = batch.segments["also"].combine_chunks()
    count = pc.fill_null(pc.list_value_length(also), 0).to_numpy(zero_copy_only=False)
    segment = np.repeat(np.arange(batch.n_segments, dtype=np.int64), count)
    return pa.table({"segment": segment, "category_id": also.flatten()})


def _as_list(maps: pa.Array) -> pa.Array:
    """A map column as lists of key and value, since pyarrow has no length of maps."""
    return maps.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())])))


@measure("coverage", "gaps", tables={"gaps": {"annotation": "annotations"}})
def measure_coverage(view: BatchView) -> dict[str, pa.Table]:
    """Columns for `annotations` (labelled, unlabelled, void, multiple: pixels) and the table `gaps`.

    `multiple` are pixels that two segments or more claim. Unlabelled pixels and gaps are counted inside the regions of
    interest only. `gaps` are the 4-connected unlabelled regions: annotation (row), area, box, perimeter (pixel edges).
    """
    batch, line, limits = view.batch, view.line, view.limits
    labelled, multiple = view.cover
    void = np.zeros(batch.annotations.num_rows, np.int64)
    is_void = np.isin(batch.segment_category, view.taxonomy.void_ids)
    np.add.at(void, batch.segment_annotation[is_void], view.walk.area[is_void])
    columns = {"labelled": labelled, "void": void, "multiple": multiple}
    if "gaps" not in view.families and limits is None:
        return {"annotations": pa.table({"unlabelled": line.height * line.width - labelled, **columns})}
    empty = _unclaimed_runs(view, np.arange(len(line.base)))
    if limits is not None:
        empty = clip_runs(empty, np.arange(len(line.base)), limits, line, len(line.base))
    shapes = segment_shapes(empty, line.height, len(line.base))
    return {
        "annotations": pa.table({"unlabelled": empty.areas(len(line.base)), **columns}),
        "gaps": component_table(shapes.parts, "annotation"),
    }


_SHAPE = ("area", "x", "y", "width", "height")


def mark_parts(view: BatchView, parts: pa.Table, cluster: Ints) -> pa.Table:
    """The table `parts` (all parts of the segments that have several) with three more columns.

    cluster: the area in pixels of the 8-connected region that the part belongs to. drawn: the part is a whole ring of
    its segment's polygon, or of those that bridges join to one, or there is no polygon; where a ring is narrower than a
    pixel, its raster falls apart. cut: this region is at the frame, or at the edge of the region of interest.
    """
    batch, segment = view.batch, parts["segment"].to_numpy()
    rings = batch.rings.among(np.unique(segment))
    is_ring = matches_ring(parts, rings.unkeyhole(), *batch.segment_size)
    is_ring |= ~np.isin(segment, rings.segment)
    columns = {"cluster": cluster, "drawn": is_ring, "cut": _cut_parts(view, parts, cluster)}
    for name, values in columns.items():
        parts = parts.append_column(name, pa.array(values))
    return parts


def _cut_parts(view: BatchView, parts: pa.Table, cluster: Ints) -> Flags:
    """(n_parts,) whether a part, or one that it touches at a corner, lies at the frame or at the region's edge.

    Corners are compared only in segments in which the boxes of the parts do not decide it.
    """
    segment, area, x, y, width, height = (parts[name].to_numpy() for name in ("segment", *_SHAPE))
    high, wide = (sizes[segment] for sizes in view.batch.segment_size)
    cut: Flags = (x == 0) | (y == 0) | (x + width == wide) | (y + height == high)
    is_open = cluster != area
    unclear = np.intersect1d(segment[cut & is_open], segment[~cut & is_open])
    if view.limits is not None:
        unclear = np.unique(segment)
    if len(unclear) == 0:
        return cut
    runs = view.batch.runs.take(unclear, view.batch.n_segments)
    part, region = (label_parts(runs, view.batch.segment_size[0][unclear], corners)[0] for corners in (False, True))
    at_edge = np.zeros(int(region.max(initial=-1)) + 1, bool)
    at_edge[region[_cut_runs(view, runs, unclear)]] = True
    of_part = np.zeros(int(part.max(initial=-1)) + 1, bool)
    of_part[part] = at_edge[region]
    cut[np.isin(segment, unclear)] = of_part  # both are in the order of segments, then of first pixels
    return cut


def _cut_runs(view: BatchView, runs: Runs, segments: Ints) -> Flags:
    """(n_runs,) whether a neighbour of the run, or a pixel at its corner, lies outside the region of interest.

    The owners are numbered as `segments`, their rows.
    """
    high, wide = (sizes[segments] for sizes in view.batch.segment_size)
    x, top = run_columns(runs, high)
    high, wide, bottom = high[runs.owner], wide[runs.owner], top + runs.length
    cut: Flags = (x == 0) | (top == 0) | (x + 1 == wide) | (bottom == high)
    inner = np.flatnonzero(~cut)
    if view.limits is None or len(inner) == 0:
        return cut
    start = ((x - 1) * high + top - 1)[inner][:, None] + high[inner][:, None] * np.arange(3)
    length = np.repeat(runs.length[inner] + 2, 3)
    around = Runs(start.ravel(), length, np.repeat(np.arange(len(inner), dtype=np.int32), 3))
    frame = view.batch.segment_annotation[segments][runs.owner[inner]]
    within = clip_runs(around, frame, view.limits, view.line, len(inner))
    cut[inner] = within.areas(len(inner)) < 3 * (runs.length[inner] + 2)
    return cut


def mark_empty_holes(view: BatchView, holes: pa.Table) -> pa.Table:
    """The table `holes` with the column `empty`: no segment of its annotation claims a pixel of the hole.

    A polygon has no holes but those that bridges join to its outline; if its raster encloses other pixels, because it
    touches itself, `empty` is False.
    """
    batch, owner = view.batch, holes["segment"].to_numpy()
    rings = batch.rings.among(np.unique(owner))
    candidate = ~np.isin(owner, rings.segment) | matches_ring(holes, rings.holes(), *batch.segment_size)
    of_hole = batch.segment_annotation[owner]
    unclaimed = _unclaimed_regions(view, np.unique(of_hole[candidate]))
    # An empty hole is an unclaimed region with the same box and area: both are 8-connected.
    empty = candidate & are_among([of_hole, *(holes[name].to_numpy() for name in _SHAPE)], unclaimed)
    return holes.append_column("empty", pa.array(empty))


def _unclaimed_regions(view: BatchView, annotations: Ints) -> list[Ints]:
    """Annotation, area, x, y, width, height (n,) of the 8-connected unclaimed regions of some annotations."""
    runs, height = _unclaimed_runs(view, annotations), view.line.height
    x, top = run_columns(runs, height)
    region, annotation = label_parts(runs, height, corners=True)
    return [annotation, *kernels.extents(region, x, top, top + runs.length, len(annotation))]


def _unclaimed_runs(view: BatchView, annotations: Ints) -> Runs:
    """The pixels of some annotations, given by ascending row, that no segment claims; owned by annotations."""
    side, line = view.sweep, view.line
    open_ = annotations[view.cover[0][annotations] < (line.height * line.width)[annotations]]
    height, width = line.height[open_], line.width[open_]
    # The runs of a frame lie together.
    begin, end = (np.searchsorted(side.start, line.base[open_] + room) for room in (0, (height + 1) * (width + 1)))
    claimed = union_by_frame(side.take_ranges(begin, end - begin), line)
    runs = complement(claimed.runs.take(open_, len(line.base)), height, width)
    return Runs(runs.start, runs.length, open_[runs.owner].astype(np.int32))


@measure("shapes", "parts", "holes", tables={"parts": {"segment": "segments"}, "holes": {"segment": "segments"}})
def measure_shapes(view: BatchView) -> dict[str, pa.Table]:
    """Columns for `segments` (parts, largest, holes, hole_pixels, perimeter), and the tables `parts` and `holes`.

    `parts` lists the parts of segments that have several; see `mark_parts` and `mark_empty_holes` for their further
    columns. Areas and boxes in pixels, perimeters in pixel edges.
    """
    batch = view.batch
    walk = view.walk
    empty = find_holes(batch.runs, batch.segment_size[0], walk.holes > 0)
    columns = {
        "parts": walk.parts,
        "largest": walk.largest,
        "holes": walk.holes,
        "hole_pixels": np.bincount(empty.owner, weights=empty.area, minlength=batch.n_segments).astype(np.int64),
        "perimeter": walk.perimeter,
    }
    return {
        "segments": pa.table(columns),
        "parts": mark_parts(view, component_table(walk.several, "segment"), walk.cluster),
        "holes": mark_empty_holes(view, component_table(empty, "segment")),
    }


def component_table(regions: Components, owner: str) -> pa.Table:
    """Regions as a table: the owner's row, area and box in pixels, perimeter in pixel edges."""
    columns = {name: getattr(regions, name) for name in (*_SHAPE, "perimeter")}
    return pa.table({owner: regions.owner.astype(np.int64), **columns})


WIDEST_BAND = 5  # pixels of a band; Pascal VOC's void borders are 5 wide


@measure("pairs", tables={"pairs": {"a": "segments", "b": "segments"}})
def measure_pairs(view: BatchView) -> pa.Table:
    """The table `pairs`: segments a < b of one annotation that share pixels, their box and perimeter.

    The first of identical segments stands for all in pairs with others, and is paired with each copy: n copies give n -
    1 pairs.
    """
    batch, line, walk, side = view.batch, view.line, view.walk, view.sweep
    twin = first_identical(batch.runs, batch.segment_annotation, walk.area)
    copies = np.flatnonzero(twin != np.arange(batch.n_segments))
    if len(copies):
        single = twin[side.owner] == side.owner
        side = side.take(single)
    first, second, shared = kernels.shared_pixels(side.start, side.end, side.owner, line.base, line.height)
    shape = dict(zip(("shared", "x", "y", "width", "height", "perimeter"), shared, strict=True))
    columns = {"a": first.astype(np.int64), "b": second.astype(np.int64), **shape}
    if len(copies):
        # A copy shares all of its pixels with the first of its kind.
        own = (twin[copies], copies, *(getattr(walk, name)[copies] for name in ("area", *_SHAPE[1:], "perimeter")))
        order = np.lexsort([np.concatenate(pair) for pair in zip((second, first), (own[1], own[0]), strict=True)])
        columns = {
            name: np.concatenate([column, more])[order]
            for (name, column), more in zip(columns.items(), own, strict=True)
        }
    return pa.table(columns)


@measure("contacts", tables={"contacts": {"a": "segments", "b": "segments"}})
def measure_contacts(view: BatchView) -> pa.Table:
    """The table `contacts`: segments a < b of one annotation that touch, and the contact's length in pixel edges."""
    contacts = find_contacts(view.sweep, view.line)
    return pa.table({"a": contacts.a.astype(np.int64), "b": contacts.b.astype(np.int64), "length": contacts.pixels})


@measure("borders", tables={"borders": {"a": "segments", "b": "segments"}})
def measure_borders(view: BatchView) -> pa.Table:
    """The table `borders`: pairs a < b of segments of one annotation that follow each other along an image column.

    `touching` counts the places (image columns) where no pixel is between them, or they overlap, and `apart` those
    where 1 to `WIDEST_BAND` pixels lie between them that are void or unlabelled. Runs lie along columns, so one pass
    over them sees every border but those that are exactly upright.
    """
    side, line = view.sweep, view.line
    is_labelled = ~np.isin(view.batch.segment_category, view.taxonomy.void_ids)
    a, b, (touching, apart) = kernels.bands(
        side.start, side.end, side.owner, line.base, line.height, is_labelled.view(np.uint8), WIDEST_BAND
    )
    return pa.table({"a": a.astype(np.int64), "b": b.astype(np.int64), "touching": touching, "apart": apart})


THINNEST = 2  # pixels along a column: what smoothing and resizing leave between two values
_MIN_PAIR = 3  # places where a category lies between the same two others


@measure("between", tables={"between": {"annotation": "annotations"}})
def measure_between(view: BatchView) -> pa.Table:
    """The table `between`: annotations with runs of 1 or 2 pixels that have two other categories above and below.

    n: how many there are. between: how many of a category whose number lies between those of the two, and mixed: how
    many such categories lie between several pairs of others, in three places or more each. Unlabelled pixels have the
    lowest number. Empty where segments may overlap; void, and what it touches, does not count.
    """
    annotation, own, above, below = _thin_runs(view)
    low, high = np.minimum(above, below), np.maximum(above, below)
    is_between = (low < own) & (own < high)
    n_annotations = view.batch.annotations.num_rows
    n, n_between = (np.bincount(annotation[rows], minlength=n_annotations) for rows in (own == own, is_between))
    pair, first = joint_codes(*(column[is_between] for column in (annotation, own, low, high)))
    first = np.flatnonzero(is_between)[first]
    usual = first[np.bincount(pair, minlength=len(first)) >= _MIN_PAIR]
    category, its_first = joint_codes(annotation[usual], own[usual])
    several = usual[its_first][np.bincount(category, minlength=len(its_first)) >= 2]
    mixed = np.bincount(annotation[several], minlength=n_annotations)
    kept = np.flatnonzero(n)
    return pa.table({"annotation": kept, "n": n[kept], "between": n_between[kept], "mixed": mixed[kept]})


def _thin_runs(view: BatchView) -> tuple[Ints, Ints, Ints, Ints]:
    """Runs of at most `THINNEST` pixels between two other categories: annotation, own category, those around it."""
    batch, line = view.batch, view.line
    nothing = np.empty(0, np.int64)
    if view.profile.overlap.value != "forbid" or batch.n_segments == 0:
        return nothing, nothing, nothing, nothing
    side = view.sweep
    category = batch.segment_category.astype(np.int64)
    unlabelled = int(category.min()) - 1
    void = np.isin(category, view.taxonomy.void_ids)
    thin = np.flatnonzero(side.end - side.start <= THINNEST)
    thin = thin[~void[side.owner[thin]]]
    frame, _, top = line.lower(side.start[thin])
    inside = (top > 0) & (top + side.end[thin] - side.start[thin] < line.height[frame])
    thin, frame = thin[inside], frame[inside]
    own = category[side.owner[thin]]
    kept = np.ones(len(thin), bool)
    around = []
    before, after = np.maximum(thin - 1, 0), np.minimum(thin + 1, len(side.start) - 1)
    for other, gap in (
        (before, np.where(thin > before, side.start[thin] - side.end[before], 1)),
        (after, np.where(thin < after, side.start[after] - side.end[thin], 1)),
    ):
        beside = np.where(gap == 0, category[side.owner[other]], unlabelled)
        kept &= (gap >= 0) & (beside != own) & ~((gap == 0) & void[side.owner[other]])
        around.append(beside)
    above, below = around
    kept &= above != below
    return frame[kept], own[kept], above[kept], below[kept]
