"""Writes COCO documents of instances, results and panoptic masks, batch by batch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError, check_choice
from segdata.core.losses import LossCounter, LossKind
from segdata.core.paths import with_folder
from segdata.core.polygons import Rings, has_bridges, keyhole, trace_outlines
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints, Runs, bounding_boxes, expand_ranges, segment_shapes
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Taxonomy
from segdata.formats.coco import POLYGON_CHOICES, instances, panoptic
from segdata.formats.coco.document import Raw, raw_json
from segdata.formats.coco.images import IMAGE_KEYS, category_items
from segdata.formats.coco.panoptic_reader import MAX_MASK_ID, UNLABELLED, read_regions
from segdata.formats.coco.segments import Polygons, malformed_rings, write_rles
from segdata.formats.shared import COCO_RESULTS_LOSSES, writing
from segdata.formats.shared.writing import rgb_picture

PANOPTIC_COLUMNS = frozenset({"images.metadata", "annotations.attributes"})


class WrittenSegment(msgspec.Struct, gc=False, omit_defaults=True, kw_only=True):
    """A written entry of `annotations` or `segments_info`."""

    id: int
    image_id: int | None = None
    category_id: int
    area: int
    bbox: list[int]
    iscrowd: int
    score: float | None = None
    track_id: int | None = None
    attributes: dict[str, Raw] | None = None
    also: list[int] | None = None  # secondary categories
    segmentation: object = None
    segdata_keyhole: int = 0  # 1: the single ring has bridges to holes


def written_segments(batch: Batch, rows: Ints, ids: Ints) -> list[WrittenSegment]:
    """The segments at these rows with new ids, and with area and bbox of their pixels."""
    height, _ = batch.segment_size
    areas = batch.runs.areas(batch.n_segments)[rows]
    box = np.stack(bounding_boxes(batch.runs, height, batch.n_segments), axis=1)[rows]
    columns = batch.segments.select(["category_id", "iscrowd", "score", "track_id", "also", "attributes"]).take(
        pa.array(rows)
    )
    return [
        WrittenSegment(
            id=id_,
            category_id=category,
            area=area,
            bbox=bbox,
            iscrowd=int(crowd or False),
            score=score,
            track_id=track,
            also=also or None,
            attributes={key: raw_json(value) for key, value in attributes} if attributes else None,
        )
        for id_, area, bbox, category, crowd, score, track, also, attributes in zip(
            ids.tolist(),
            areas.tolist(),
            box.tolist(),
            *(columns[name].to_pylist() for name in columns.column_names),
            strict=True,
        )
    ]


class ImageIds:
    """Assigns image ids: the source's if they are unused integers, else the next free ones."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._next = 1

    def assign(self, batch: Batch) -> list[int]:
        """(n_images,) the ids of a batch's images."""
        return [self._one(source_id) for source_id in batch.images["source_id"].to_pylist()]

    def _one(self, source_id: str | None) -> int:
        own = whole_number(source_id)
        if own is None or own < 0 or own in self._taken:
            while self._next in self._taken:
                self._next += 1
            own = self._next
        self._taken.add(own)
        return own


def image_items(batch: Batch, ids: list[int]) -> list[dict[str, object]]:
    """The entries of `images`: name, size if known, and the metadata as further keys."""
    height, width = batch.image_size
    entries = []
    for id_, name, high, wide, metadata in zip(
        ids,
        batch.images["image_id"].to_pylist(),
        height.tolist(),
        width.tolist(),
        batch.images["metadata"].to_pylist(),
        strict=True,
    ):
        entry: dict[str, object] = {"id": id_, "file_name": name}
        if wide and high:
            entry |= {"width": wide, "height": high}
        entry |= {key: raw_json(value) for key, value in metadata or () if key not in IMAGE_KEYS}
        entries.append(entry)
    return entries


def entry_attributes(batch: Batch) -> list[dict[str, Raw]]:
    """(n_annotations,) the annotations' attributes as further keys."""
    return [
        {key: raw_json(value) for key, value in attributes or ()}
        for attributes in batch.annotations["attributes"].to_pylist()
    ]


class SegmentIds:
    """Assigns segment ids that are unique in a file and positive, as pycocotools treats 0 as "no match"."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._last = 0

    def assign(self, own_ids: Ints) -> Ints:
        """(n,) the `own_ids`, with ids in use replaced by numbers beyond all earlier ones."""
        _, first = np.unique(own_ids, return_index=True)
        is_taken = np.ones(len(own_ids), bool)
        is_taken[first] = False
        is_taken |= np.array([id_ < 1 or id_ in self._taken for id_ in own_ids.tolist()], bool)
        self._last = max(self._last, int(own_ids.max(initial=0)))
        ids = own_ids.copy()
        ids[is_taken] = self._last + 1 + np.arange(int(is_taken.sum()))
        self._last = max(self._last, int(ids.max(initial=0)))
        self._taken.update(ids.tolist())
        return ids


def are_listable(batch: Batch, taxonomy: Taxonomy, losses: LossCounter) -> Flags:
    """(n_segments,) whether a document can list a segment: it must be the first annotator's and of a listed category.

    Counts segments of void, which COCO does not have, and of unknown categories.
    """
    category, first = batch.segment_category, writing.in_first_annotation(batch)
    areas = batch.runs.areas(batch.n_segments)
    void = np.isin(category, np.array(taxonomy.void_ids, np.int64))
    in_taxonomy = np.isin(category, np.array(list(taxonomy.by_id()), np.int64))
    kinds: tuple[tuple[LossKind, Flags], ...] = (("void", void), ("category", ~in_taxonomy))
    for kind, flag in kinds:
        rows = np.flatnonzero(flag & first)
        writing.count_segments(batch, rows, kind, losses, areas)
    return first & in_taxonomy & ~void


def count_profile_losses(profile: Profile, losses: LossCounter) -> None:
    """Count the places of volumes, and the details of the taxonomy that `category_items` leaves out."""
    writing.count_spatial_losses(profile, losses)
    taxonomy = profile.taxonomy
    kept = {"id", "name", "kind", "color", "parent", "definition"}
    categories = [category for category in taxonomy.categories if category.kind != "void"]
    lost = [category.name for category in categories if msgspec.to_builtins(category).keys() - kept]
    losses.add("category-details", "categories", len(lost), examples=lost)
    void = [category.name for category in taxonomy.categories if category.kind == "void"]
    losses.add("void", "categories", len(void), examples=void)
    if taxonomy.groups or taxonomy.name or taxonomy.version is not None:
        losses.add("category-details", "taxonomies", 1)


def document_head(profile: Profile) -> dict[str, Raw]:
    """The members `info` and `licenses` of the document that the dataset was read from."""
    return {key: raw_json(profile.metadata[key]) for key in ("info", "licenses") if key in profile.metadata}


def write_document(path: Path, profile: Profile, pieces: Iterable[tuple[list[bytes], list[bytes]]]) -> None:
    """Write a document from encoded pieces of images and annotations.

    Images come after annotations, as they are few and can be kept meanwhile; categories come last, as their keys in the
    profile's metadata may have been counted meanwhile.
    """
    head = document_head(profile)
    images: list[bytes] = []
    separator = b"\n"
    with path.open("wb") as file:
        file.write(msgspec.json.encode(head)[:-1] + (b"," if head else b"") + b'"annotations":[')
        for entries, annotations in pieces:
            images += entries
            if annotations:
                file.write(separator + b",\n".join(annotations))
                separator = b",\n"
        categories = msgspec.json.encode(category_items(profile.taxonomy, profile.metadata))
        file.write(b'\n],"images":[\n' + b",\n".join(images) + b'\n],"categories":' + categories + b"}\n")


@dataclass(frozen=True, slots=True)
class EncodedSegments:
    """The encoded segmentations of n segments."""

    shapes: list[object]  # (n,) lists of rings, and RLEs
    keyhole: Flags  # (n,) whether its single ring also goes around holes (`segdata.core.polygons`)
    lost: Flags  # (n,) whether the source's rings are lost


def encode_segments(batch: Batch, rows: Ints, polygons: str) -> EncodedSegments:
    """Encode the segments at these rows; `polygons` is one of `POLYGON_CHOICES`.

    A polygon is written only if it rasterises to exactly the segment's pixels.
    """
    n = len(rows)
    height, width = (side[rows] for side in batch.segment_size)
    runs, rings = batch.runs.take(rows, batch.n_segments), batch.segments["rings"].combine_chunks().take(pa.array(rows))
    from_rings = np.zeros(n, bool) if polygons == "never" else rings_are_exact(runs, rings, height, width)
    shapes: list[object] = rings.filter(pa.array(from_rings)).to_pylist()
    encoded_rows, marked = np.flatnonzero(from_rings), np.zeros(n, bool)
    if polygons == "exact":
        marked[encoded_rows] = _are_keyholes(
            runs.take(encoded_rows, n), rings.filter(pa.array(from_rings)), height[encoded_rows]
        )
        crowd = batch.segment_is_crowd[rows]
        rest = np.flatnonzero(~from_rings & ~crowd)
        outlined, place, keyholes = _outline_polygons(runs.take(rest, n), height[rest], width[rest])
        shapes, encoded_rows = shapes + outlined, np.concatenate([encoded_rows, rest[place]])
        marked[rest[place]] = keyholes
    as_rle = np.setdiff1d(np.arange(n), encoded_rows)
    shapes += list[object](write_rles(runs, as_rle, height, width))
    encoded_rows = np.concatenate([encoded_rows, as_rle])
    lost = np.asarray(rings.is_valid().to_numpy(zero_copy_only=False), bool) & ~from_rings
    return EncodedSegments([shapes[k] for k in np.argsort(encoded_rows).tolist()], marked, lost)


def rings_are_exact(runs: Runs, rings: pa.Array, height: Ints, width: Ints) -> Flags:
    """(n,) whether the source's rings rasterise to exactly the segment's pixels."""
    polygons = Polygons.of_lists(rings)
    exact: Flags = np.asarray(rings.is_valid().to_numpy(zero_copy_only=False), bool).copy()
    owner = np.repeat(np.arange(len(exact)), np.diff(polygons.segment))
    exact[owner[malformed_rings(polygons)]] = False
    rasterised = polygons.take_rings(np.flatnonzero(exact[owner])).rasterise(height, width)
    return exact & _same_pixels(runs, rasterised, len(exact))


def _are_keyholes(runs: Runs, rings: pa.Array, height: Ints) -> Flags:
    """(n,) whether the segment has holes and the source's rings are one ring with bridges."""
    n = len(rings)
    polygons = Polygons.of_lists(rings)
    is_keyhole: Flags = (np.diff(polygons.segment) == 1) & (segment_shapes(runs, height, n).n_holes > 0)
    single = polygons.take_rings(polygons.segment[:-1][is_keyhole])
    is_keyhole[is_keyhole] = has_bridges(Rings.outer_rings(single.xy, single.ring))
    return is_keyhole


def _outline_polygons(runs: Runs, height: Ints, width: Ints) -> tuple[list[object], Ints, Flags]:
    """Exact polygons along pixel edges, their segments (m,), and which of them are keyholes."""
    n = len(height)
    all_outlines = trace_outlines(runs, height)
    has_holes = np.zeros(n, bool)
    has_holes[all_outlines.owner[all_outlines.hole]] = True
    with_holes = has_holes[all_outlines.owner]
    rings = all_outlines.take(np.flatnonzero(~with_holes)).merge(keyhole(all_outlines.take(np.flatnonzero(with_holes))))
    offset = rings.offsets(n)
    rasterised = Polygons(rings.xy.astype(np.float64), rings.ring, offset).rasterise(height, width)
    exact = np.flatnonzero(_same_pixels(runs, rasterised, n) & (np.diff(offset) > 0))
    lists, begin, end = rings.as_lists(), offset[exact].tolist(), offset[exact + 1].tolist()
    return [lists[first:last] for first, last in zip(begin, end, strict=True)], exact, has_holes[exact]


def _same_pixels(a: Runs, b: Runs, n_owners: int) -> Flags:
    """(n_owners,) whether the runs of each owner are equal in `a` and `b`."""
    first_a, first_b = a.offsets(n_owners), b.offsets(n_owners)
    same: Flags = np.diff(first_a) == np.diff(first_b)
    rows = np.flatnonzero(same)
    count = np.diff(first_a)[rows]
    at_a, at_b = expand_ranges(first_a[rows], count), expand_ranges(first_b[rows], count)
    differ = (a.start[at_a] != b.start[at_b]) | (a.length[at_a] != b.length[at_b])
    same[np.repeat(rows, count)[differ]] = False
    return same


def write_instances(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    *,
    polygons: str = "source",
) -> None:
    """Write one document: `target` itself if it ends in .json, else annotations.json in that folder.

    LVIS has the same losses. Raises SegdataError if `polygons` is not one of `POLYGON_CHOICES`.
    """
    check_choice("polygons", polygons, tuple(POLYGON_CHOICES))
    path = target if target.suffix.lower() == ".json" else target / "annotations.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = msgspec.json.Encoder().encode
    count_profile_losses(profile, losses)
    image_ids, segment_ids = ImageIds(), SegmentIds()

    def items() -> Iterator[tuple[list[bytes], list[bytes]]]:
        for batch in batches:
            # `_annotations` counts rings, as that depends on how they are written.
            writing.count_losses(batch, losses, instances.LOSSES - {"rings"}, frozenset({"images.metadata"}))
            writing.count_unannotated_images(batch, losses)
            ids = image_ids.assign(batch)
            image = np.array(ids, np.int64)
            annotations = _annotations(batch, profile.taxonomy, image, segment_ids, losses, polygons)
            yield [encode(entry) for entry in image_items(batch, ids)], [encode(item) for item in annotations]

    write_document(path, profile, items())


def _annotations(
    batch: Batch, taxonomy: Taxonomy, image_ids: Ints, segment_ids: SegmentIds, losses: LossCounter, polygons: str
) -> list[WrittenSegment]:
    rows = np.flatnonzero(are_listable(batch, taxonomy, losses))
    own_ids = integer_column(batch.segments["segment_id"])[rows]
    ids = segment_ids.assign(own_ids)
    texts = batch.segments["source_id"].is_valid().to_numpy()[rows]
    changed = np.flatnonzero((ids != own_ids) | texts)
    writing.count_segments(batch, rows[changed], "segment-id", losses)
    items = written_segments(batch, rows, ids)
    drawing = encode_segments(batch, rows, polygons)
    lost = np.flatnonzero(drawing.lost)
    writing.count_segments(batch, rows[lost], "rings", losses)
    for item, segmentation, is_keyhole in zip(items, drawing.shapes, drawing.keyhole.tolist(), strict=True):
        item.segmentation, item.segdata_keyhole = segmentation, int(is_keyhole)
    for item, image in zip(items, image_ids[batch.segment_image[rows]].tolist(), strict=True):
        item.image_id = image
    return items


class _CocoResult(msgspec.Struct, gc=False):
    image_id: int
    category_id: int
    segmentation: dict[str, object]
    score: float


def write_results(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, score: str | float = 1.0
) -> None:
    """Write ``results.json`` and ``image_info.json``; `score` is for segments without one.

    Raises SegdataError if `score` is no number.
    """
    try:
        default = float(score)
    except ValueError as error:
        raise SegdataError(f"score is {score!r}; a number is expected") from error
    target.mkdir(parents=True, exist_ok=True)
    count_profile_losses(profile, losses)
    image_ids, encode = ImageIds(), msgspec.json.Encoder().encode
    images: list[msgspec.Raw] = []
    n_results = 0
    with (target / "results.json").open("wb") as file:
        file.write(b"[")
        for batch in batches:
            _count_result_losses(batch, losses)
            ids = image_ids.assign(batch)
            images += [msgspec.Raw(encode(entry)) for entry in image_items(batch, ids)]
            for result in _results(batch, profile, np.array(ids, np.int64), default, n_results, losses):
                file.write((b",\n" if n_results else b"\n") + encode(result))
                n_results += 1
        file.write(b"\n]\n")
    categories = category_items(profile.taxonomy, profile.metadata)
    listed = {**document_head(profile), "images": images, "categories": categories}
    (target / "image_info.json").write_bytes(encode(listed))


def _count_result_losses(batch: Batch, losses: LossCounter) -> None:
    """Count what lists of results cannot hold, such as annotations that are not from a model."""
    writing.count_losses(
        batch, losses, COCO_RESULTS_LOSSES - {"score"}, frozenset({"images.metadata", "annotations.source"})
    )
    writing.count_unannotated_images(batch, losses)
    not_model = np.flatnonzero([source != "model" for source in batch.annotations["source"].to_pylist()])
    losses.add("source", "annotations", len(not_model), examples=writing.annotation_examples(batch, not_model))


def _results(
    batch: Batch, profile: Profile, image_ids: Ints, default: float, n_before: int, losses: LossCounter
) -> Iterator[_CocoResult]:
    rows = np.flatnonzero(are_listable(batch, profile.taxonomy, losses))
    segments = batch.segments.take(pa.array(rows))
    scores = segments["score"].to_numpy()
    bare = np.flatnonzero(~np.isfinite(scores))
    writing.count_segments(batch, rows[bare], "score", losses)
    changed = integer_column(segments["segment_id"]) != n_before + 1 + np.arange(len(rows))
    moved = np.flatnonzero(changed | segments["source_id"].is_valid().to_numpy())
    writing.count_segments(batch, rows[moved], "segment-id", losses)
    scores = np.where(np.isfinite(scores), scores, default)
    rles = write_rles(batch.runs, rows, *batch.segment_size)
    return map(
        _CocoResult,
        image_ids[batch.segment_image[rows]].tolist(),
        segments["category_id"].to_pylist(),
        rles,
        scores.tolist(),
    )


def write_panoptic(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write ``panoptic.json`` and the folder ``panoptic`` below `target`."""
    folder = target / "panoptic"
    folder.mkdir(parents=True)
    count_profile_losses(profile, losses)
    image_ids, names = ImageIds(), writing.MaskPaths()
    encode = msgspec.json.Encoder().encode

    def items() -> Iterator[tuple[list[bytes], list[bytes]]]:
        for batch in batches:
            writing.count_losses(batch, losses, panoptic.LOSSES, PANOPTIC_COLUMNS)
            ids = image_ids.assign(batch)
            shown = batch.take_segments(np.flatnonzero(are_listable(batch, profile.taxonomy, losses)))
            entries = _entries(shown, ids, names, folder, losses)
            yield [encode(entry) for entry in image_items(batch, ids)], [encode(entry) for entry in entries]

    write_document(target / "panoptic.json", profile, items())


def _entries(
    batch: Batch, image_ids: list[int], names: writing.MaskPaths, folder: Path, losses: LossCounter
) -> list[dict[str, object]]:
    """Write the masks of a batch; returns the entries of `annotations`."""
    ids = _segment_ids(batch, losses)
    writing.count_overlap_losses(batch, ids, losses)
    attributes = entry_attributes(batch)
    annotation = np.searchsorted(batch.annotation_image, np.arange(len(image_ids))).tolist()
    visible, rows, entries = [], [], list[dict[str, object]]()
    for k, image in enumerate(writing.segments_by_image(batch)):
        if image.annotated:
            name = names.name(image.image_id).removeprefix("masks/")
            picture = writing.paint(image, ids[image.segments], UNLABELLED, np.uint32)
            rgb_picture(picture).save(with_folder(folder / name), "PNG")
            runs, visible_rows = _visible_pixels(picture, ids[image.segments])
            visible.append(runs)
            rows.append(image.segments[visible_rows])
            entries.append(
                {"image_id": image_ids[k], "file_name": name, "segments_info": [], **attributes[annotation[k]]}
            )
    kept = np.concatenate([np.empty(0, np.int64), *rows])
    hidden = np.setdiff1d(np.arange(batch.n_segments), kept)
    writing.count_segments(batch, hidden, "empty-segment", losses)
    shown = batch.take_segments(kept, Runs.concatenate(visible, [len(image_rows) for image_rows in rows]))
    segments = written_segments(shown, np.arange(len(kept)), ids[kept])
    bounds = np.cumsum([0, *map(len, rows)]).tolist()
    for entry, first, last in zip(entries, bounds[:-1], bounds[1:], strict=True):
        entry["segments_info"] = segments[first:last]
    return entries


def _visible_pixels(picture: NDArray[np.uint32], ids: Ints) -> tuple[Runs, Ints]:
    """The pixels of the visible segments in a mask, and the ascending positions of these segments."""
    present, _, runs = read_regions(picture)
    order = np.argsort(ids)
    position = order[np.searchsorted(ids, present, sorter=order)]
    return runs.take(np.argsort(position), len(present)), np.sort(position)


def _segment_ids(batch: Batch, losses: LossCounter) -> Ints:
    """(n_segments,) the segments' ids if unique in their image and small enough, else free ones."""
    own_ids = integer_column(batch.segments["segment_id"])
    image = batch.segment_image
    order = np.lexsort((np.arange(len(own_ids)), own_ids, image))
    again = np.zeros(len(own_ids), bool)
    again[order[1:]] = (own_ids[order[1:]] == own_ids[order[:-1]]) & (image[order[1:]] == image[order[:-1]])
    own = (own_ids >= 1) & (own_ids <= MAX_MASK_ID) & ~again
    ids = np.where(own, own_ids, 0)
    for row in np.unique(image[~own]).tolist():
        missing = np.flatnonzero((image == row) & ~own)
        taken_ids = ids[(image == row) & own]
        # At most n of the first n + m numbers are taken, so m are free.
        free = np.setdiff1d(np.arange(1, len(taken_ids) + len(missing) + 1), taken_ids)[: len(missing)]
        if len(free) and free[-1] > MAX_MASK_ID:
            raise SegdataError(
                f"an image has {len(taken_ids) + len(missing):,} segments; COCO panoptic holds {MAX_MASK_ID:,}"
            )
        ids[missing] = free
    changed = np.flatnonzero(~own | batch.segments["source_id"].is_valid().to_numpy())
    writing.count_segments(batch, changed, "segment-id", losses)
    return ids
