"""Writing: the target folder, images with their segments, painted pixels, colours of masks, and losses to count."""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.losses import AffectedItems, LossCounter, LossKind
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.paths import is_unsafe_path, without_extension
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints, Runs, fill_ranges
from segdata.core.taxonomy import Color, Taxonomy
from segdata.formats.shared.mask_files import pack_color, unpack_color
from segdata.formats.shared.taxonomies import write_sidecars

INDEXED = frozenset({"images.sequence", "images.frame", "images.split"})  # held by formats that write sequences


class ImageSegments(msgspec.Struct, frozen=True):
    """An image with the segments of its first annotation.

    Attributes
    ----------
    image_id : the image's id
    uri : path or URI of the image file
    height, width : pixels; 0 if unknown
    sequence, frame, split : as in `schema.BATCH_IMAGES`
    annotated : whether there is an annotation; otherwise no mask is written
    segments : (n,) rows of the batch's segments
    runs : their pixels; `runs.owner` counts from 0 over `segments`
    """

    image_id: str
    uri: str | None
    height: int
    width: int
    sequence: str | None
    frame: int | None
    split: str | None
    annotated: bool
    segments: Ints
    runs: Runs

    def index_row(
        self, mask: str | None, *, videos: bool = False, unknown_side: int | None = 0
    ) -> tuple[str | int | None, ...]:
        """The image's row of `images.csv`, see `write_index`; `unknown_side` stands for an unknown height or width."""
        row = (self.image_id, mask, self.width or unknown_side, self.height or unknown_side, self.uri)
        return (*row, self.sequence, self.frame, self.split) if videos else row

    def only(self, positions: Ints) -> "ImageSegments":
        """The image with only the segments at these positions."""
        return msgspec.structs.replace(
            self, segments=self.segments[positions], runs=self.runs.take(positions, len(self.segments))
        )


def segments_by_image(batch: Batch) -> Iterator[ImageSegments]:
    """The images of a batch with the segments of their first annotations.

    Raises SegdataError if an annotated image has no size.
    """
    n_images = batch.images.num_rows
    first = np.searchsorted(batch.annotation_image, np.arange(n_images + 1))
    bounds = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1))
    height, width = batch.image_size
    columns = batch.images.select(["image_id", "uri", "sequence", "frame", "split"]).to_pylist()
    offset, all_runs = batch.runs.offsets(batch.n_segments), batch.runs
    for image, row in enumerate(columns):
        annotated = bool(first[image] < first[image + 1])
        begin, end = (bounds[first[image]], bounds[first[image] + 1]) if annotated else (0, 0)
        if annotated and 0 in (height[image], width[image]):
            raise SegdataError(
                f"image {row['image_id']!r}: its size is unknown, so no mask can be written; give --images"
            )
        segments = np.arange(begin, end, dtype=np.int64)
        in_image = slice(offset[begin], offset[end])
        runs = Runs(all_runs.start[in_image], all_runs.length[in_image], all_runs.owner[in_image] - np.int32(begin))
        yield ImageSegments(
            **row,
            height=int(height[image]),
            width=int(width[image]),
            annotated=annotated,
            segments=segments,
            runs=runs,
        )


def in_first_annotation(batch: Batch) -> Flags:
    """(n_segments,) whether each segment belongs to the first annotation of its image."""
    return batch.is_first_annotation[batch.segment_annotation]


def segment_examples(batch: Batch, rows: NDArray[np.integer]) -> AffectedItems:
    """Examples of the segments at `rows`, the first three as "image: id" (the source's id if any), and all images."""
    if len(rows) == 0:
        return AffectedItems((), ())
    names, of_segment = batch.images["image_id"], batch.segment_image[rows]
    image_ids = names.take(pa.array(np.unique(of_segment))).to_pylist()
    images = names.take(pa.array(of_segment[:3])).to_pylist()
    ids = batch.segments.select(["source_id", "segment_id"]).take(pa.array(rows[:3])).to_pylist()
    labels = [f"{image}: {id_['source_id'] or id_['segment_id']}" for image, id_ in zip(images, ids, strict=True)]
    return AffectedItems(labels, image_ids)


def count_segments(
    batch: Batch, rows: NDArray[np.integer], kind: LossKind, losses: LossCounter, areas: Ints | None = None
) -> None:
    """Count the segments at `rows` as lost, with their pixels if `areas` (n_segments,) is given."""
    pixels = 0 if areas is None else int(areas[rows].sum())
    losses.add(kind, "segments", len(rows), pixels, segment_examples(batch, rows))


def annotation_examples(batch: Batch, rows: NDArray[np.integer]) -> AffectedItems:
    """Examples of the annotations at `rows`: the images of the first three, and all images."""
    names, of_annotation = batch.images["image_id"], batch.annotation_image[rows]
    image_ids = names.take(pa.array(np.unique(of_annotation))).to_pylist()
    return AffectedItems(names.take(pa.array(of_annotation[:3])).to_pylist(), image_ids)


PixelValue = TypeVar("PixelValue", np.uint8, np.uint16, np.uint32, np.int32)


def paint(image: ImageSegments, values: Ints, blank: int, dtype: type[PixelValue]) -> NDArray[PixelValue]:
    """Paint a (height, width) array: `values[i]` in segment i, `blank` elsewhere; negative values are skipped."""
    canvas: NDArray[PixelValue] = np.full(image.width * image.height, blank, dtype)
    runs, value = image.runs, values[image.runs.owner]
    start, length = runs.start, runs.length
    if (value < 0).any():
        start, length, value = start[value >= 0], length[value >= 0], value[value >= 0]
    fill_ranges(canvas, start, length, value)
    return np.ascontiguousarray(canvas.reshape(image.width, image.height).T)


def are_visible(values: Ints, pixels: NDArray[PixelValue]) -> Flags:
    """(n,) whether each value still has a pixel in a painted array, as later segments may cover earlier ones."""
    present = np.zeros(max(int(pixels.max(initial=0)), int(values.max(initial=0))) + 1, bool)
    present[pixels] = True
    return present[values]


def count_overlap_losses(batch: Batch, painted_as: Ints, losses: LossCounter) -> None:
    """Count the pixels whose value changes because a later segment covers an earlier one.

    `painted_as` (n_segments,) is the value of each segment, -1 if it is not painted; segments of one annotation with
    equal values do not count.
    """
    pairs = find_overlaps_within(SweepRuns.from_runs(batch.runs, batch.annotation_line, batch.segment_annotation))
    lost = (painted_as[pairs.a] >= 0) & (painted_as[pairs.b] >= 0) & (painted_as[pairs.a] != painted_as[pairs.b])
    losses.add(
        "overlap",
        "pairs of segments",
        int(lost.sum()),
        int(pairs.pixels[lost].sum()),
        segment_examples(batch, pairs.a[lost]),
    )


class MaskPaths:
    """Gives each image a unique path for its mask file, `masks/<image>.png`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, image_id: str, suffix: str = ".png") -> str:
        """The path below the target; raises SegdataError if the image id leaves it."""
        if is_unsafe_path(image_id):
            raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so no mask can be written")
        stem = without_extension(PurePosixPath("masks", image_id))
        if stem.lower() in self._taken:  # a.jpg and a.png, or names that some file systems do not tell apart
            stem = f"masks/{image_id}.{len(self._taken)}"
        self._taken.add(stem.lower())
        return stem + suffix


def pixel_values(ids: Ints, most: int = 2**16 - 1) -> Ints:
    """(n,) the pixel value of each segment of one image: its id if unique and 1 to `most`, else a free number.

    >>> pixel_values(np.array([7, 7, 900100, 2])).tolist()
    [1, 3, 4, 2]
    """
    values, count = np.unique(ids, return_counts=True)
    own = np.isin(ids, values[(count == 1) & (values > 0) & (values <= most)])
    taken = ids[own]
    n_free = int((~own).sum())
    free = np.setdiff1d(np.arange(1, len(ids) + 1, dtype=np.int64), taken)[:n_free]
    result = ids.astype(np.int64)
    result[~own] = free
    return result


# The columns of each kind of loss. Writers count losses that depend on pixels themselves.
_SEGMENT_COLUMNS: dict[LossKind, tuple[str, ...]] = {
    "attributes": ("attributes",),
    "crowd": ("iscrowd",),
    "rings": ("rings",),
    "score": ("score",),
    "secondary-categories": ("also",),
    "source": ("source",),
    "track": ("track_id",),
}
_ANNOTATION_COLUMNS: dict[LossKind, tuple[str, ...]] = {
    "annotation-attributes": ("stage", "reviewer", "created", "seconds", "coverage", "attributes"),
    "annotator": ("annotator",),
    "source": ("source",),
}
_IMAGE_COLUMNS: dict[LossKind, tuple[str, ...]] = {
    "image-details": ("channels", "sequence", "frame", "split", "group", "camera", "timestamp", "roi", "metadata")
}


def count_losses(
    batch: Batch, losses: LossCounter, lost: frozenset[LossKind], held: frozenset[str] = frozenset()
) -> None:
    """Count the values in the columns of `batch` that a format cannot hold.

    `lost` are the kinds that the format cannot hold; `held` names columns of these kinds that it can hold
    (``"images.metadata"``, ``"annotations.attributes"``, ``"segments.rings"``). Several annotations of one image are
    counted as "annotator".
    """
    for table_name, kinds, examples_of in (
        ("segments", _SEGMENT_COLUMNS, segment_examples),
        ("annotations", _ANNOTATION_COLUMNS, annotation_examples),
        ("images", _IMAGE_COLUMNS, _image_examples),
    ):
        table: pa.Table = getattr(batch, table_name)
        for kind, names in kinds.items():
            if kind in lost:
                present = {name: _has_value(table[name]) for name in names if f"{table_name}.{name}" not in held}
                rows = np.flatnonzero(np.logical_or.reduce([np.zeros(table.num_rows, bool), *present.values()]))
                columns = [name for name, has_value in present.items() if has_value.any()] if len(names) > 1 else []
                losses.add(kind, table_name, len(rows), examples=examples_of(batch, rows), columns=columns)
    if "annotator" in lost:
        several = np.flatnonzero(np.bincount(batch.annotation_image) > 1)
        losses.add("annotator", "images", len(several), examples=_image_examples(batch, several).few)


def _image_examples(batch: Batch, rows: Ints) -> AffectedItems:
    names = batch.images["image_id"].take(pa.array(rows)).to_pylist()
    return AffectedItems(names[:3], names)


def _has_value(column: pa.ChunkedArray) -> Flags:
    """(n,) whether a value is present: not null, not false, not empty."""
    if pa.types.is_boolean(column.type):
        return np.asarray(column.fill_null(False).to_numpy(), bool)
    valid = np.asarray(column.is_valid().to_numpy(), bool)
    if not (pa.types.is_map(column.type) or pa.types.is_list(column.type)):
        return valid
    counts = [np.diff(chunk.offsets.to_numpy()) for chunk in column.chunks]
    return valid & (np.concatenate([np.empty(0, np.int64), *counts]) > 0)


def count_losses_of_batches(
    batches: Iterable[Batch], losses: LossCounter, kinds: frozenset[LossKind]
) -> Iterator[Batch]:
    """Yield the batches, and count the values in each batch's columns that the format cannot hold."""
    for batch in batches:
        count_losses(batch, losses, kinds)
        yield batch


def count_unannotated_images(batch: Batch, losses: LossCounter) -> None:
    """Count the images that nobody annotated, for formats in which every image counts as annotated."""
    rows = np.setdiff1d(np.arange(batch.images.num_rows), batch.annotation_image)
    losses.add("empty-annotation", "images", len(rows), examples=_image_examples(batch, rows).few)


def count_spatial_losses(profile: Profile, losses: LossCounter) -> None:
    """Count the volumes whose position in the world (affine, spacing, header) a format does not hold."""
    placed = [sequence.name for sequence in profile.sequences if sequence.is_placed]
    losses.add("spatial", "sequences", len(placed), examples=placed[:3])


def start_folder(target: Path, profile: Profile, losses: LossCounter) -> None:
    """Create the target folder of a writer, with the files that define its labels (`write_sidecars`).

    For formats that hold the dataset's taxonomy unchanged, but no positions of volumes in the world: those are counted.
    """
    count_spatial_losses(profile, losses)
    target.mkdir(parents=True, exist_ok=True)
    write_sidecars(target, profile, profile.taxonomy)


def count_category_mask_losses(
    batch: Batch, values: Ints, losses: LossCounter, blank: int | None = None, ids: Ints | None = None
) -> None:
    """Count the losses of masks that merge the segments of a category.

    Parameters
    ----------
    values : (n_segments,) the pixel value of each segment's category; -1 if it cannot be painted
    blank : the value of unlabelled pixels: segments of that value are lost, too; None: no segment has it
    ids : (n_segments,) the segment id that each will have; None: the id of its category
    """
    areas = batch.runs.areas(batch.n_segments)
    _count_unpainted(batch, values >= 0, areas, losses)
    merged = in_first_annotation(batch) & (values >= 0) & (areas > 0)
    keys = np.stack([batch.segment_annotation, values], axis=1)[merged]
    _, group, size = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    several = np.flatnonzero(merged)[size[group] > 1]
    count_segments(batch, several, "instance", losses, areas)
    new = batch.segment_category if ids is None else ids
    renamed = np.flatnonzero(merged & ((new != batch.segments["segment_id"].to_numpy()) | _has_text_id(batch)))
    count_segments(batch, renamed, "segment-id", losses)
    unlabelled = np.flatnonzero(merged & (values == (-1 if blank is None else blank)))
    count_segments(batch, unlabelled, "unlabelled", losses, areas)
    count_overlap_losses(batch, np.where(in_first_annotation(batch), values, -1), losses)


def count_segment_mask_losses(batch: Batch, kept: Flags, losses: LossCounter, painted_as: Ints | None = None) -> None:
    """Count the losses of masks that give each segment a value of its own.

    `kept` (n_segments,): whether each can be painted. `painted_as` (n_segments,): equal for segments of one annotation
    that share a value, as void segments do; None: none do.
    """
    areas = batch.runs.areas(batch.n_segments)
    _count_unpainted(batch, kept, areas, losses)
    paintable = in_first_annotation(batch) & kept
    named = np.flatnonzero(paintable & _has_text_id(batch))
    count_segments(batch, named, "segment-id", losses)
    own = np.arange(batch.n_segments, dtype=np.int64) if painted_as is None else painted_as
    count_overlap_losses(batch, np.where(paintable, own, -1), losses)


def paint_and_count(
    batch: Batch, image: ImageSegments, values: Ints, blank: int, dtype: type[PixelValue], losses: LossCounter
) -> NDArray[PixelValue]:
    """`paint`, and count the segments that later ones cover completely."""
    pixels = paint(image, values, blank, dtype)
    count_hidden_segments(batch, image, values, pixels, losses)
    return pixels


class NumberedSegments(msgspec.Struct, frozen=True):
    """The segments of one image as an array in which each has its own number, later ones over earlier ones."""

    # (height, width) the number of the segment at each pixel, uint16 or uint32; 0: no segment
    pixels: NDArray[Any]  # Any: of either type
    values: Ints  # (n,) the numbers of the n visible segments
    rows: Ints  # (n,) the rows of these segments in the batch


def number_segments(
    batch: Batch, categories: Collection[int], losses: LossCounter, most: int = 2**16 - 1
) -> Iterator[tuple[ImageSegments, NumberedSegments | None]]:
    """The images of a batch with their segments of these categories numbered by `pixel_values`; None: not annotated.

    Counts the losses of one number per pixel, among them segments that later ones cover completely.
    """
    is_known = np.isin(batch.segment_category, np.array(sorted(categories), np.int64))
    count_segment_mask_losses(batch, is_known, losses)
    ids = batch.segments["segment_id"].fill_null(0).to_numpy()
    for image in segments_by_image(batch):
        if not image.annotated:
            yield image, None
            continue
        has_pixels = image.runs.areas(len(image.segments)) > 0
        shown = image.only(np.flatnonzero(is_known[image.segments] & has_pixels))
        values = pixel_values(ids[shown.segments], most)
        pixels = paint(shown, values, 0, smallest_unsigned(max(int(values.max(initial=0)), 2**16 - 1)))
        visible = are_visible(values, pixels)
        count_segments(batch, shown.segments[~visible], "empty-segment", losses)
        yield image, NumberedSegments(pixels, values[visible], shown.segments[visible])


def smallest_unsigned(most: int) -> Any:  # Any: one of three types
    """The smallest unsigned type, up to 32 bits, that holds values from 0 to `most`."""
    return np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32


def count_hidden_segments(
    batch: Batch, image: ImageSegments, values: Ints, pixels: NDArray[PixelValue], losses: LossCounter
) -> None:
    """Count the segments of one image that later segments cover completely.

    `values` (n,) are those of the image's segments, -1 if not painted; `pixels` is the painted array.
    """
    has_pixels = (image.runs.areas(len(image.segments)) > 0) & (values >= 0)
    hidden = image.segments[has_pixels][~are_visible(values[has_pixels], pixels)]
    count_segments(batch, hidden, "empty-segment", losses)


def _count_unpainted(batch: Batch, kept: Flags, areas: Ints, losses: LossCounter) -> None:
    """Count the segments whose category the format lacks, and those without pixels."""
    in_first = in_first_annotation(batch)
    unknown = np.flatnonzero(in_first & ~kept)
    count_segments(batch, unknown, "category", losses, areas)
    empty = np.flatnonzero(in_first & kept & (areas == 0))
    count_segments(batch, empty, "empty-segment", losses)


def _has_text_id(batch: Batch) -> Flags:
    """(n_segments,) whether the segment's id in the source is a text."""
    named: Flags = batch.segments["source_id"].is_valid().to_numpy()
    return named


def rgb_picture(values: NDArray[np.uint32]) -> Image.Image:
    """The RGB image of packed colours `values` (height, width); red is the low byte."""
    channels = values.astype("<u4", copy=False).view(np.uint8).reshape(*values.shape, 4)[:, :, :3]
    return Image.fromarray(np.ascontiguousarray(channels))


class MaskPalette(msgspec.Struct, frozen=True):
    """The pixel values of categories in masks to be written."""

    value: dict[int, int]  # category id -> palette index, or packed colour
    blank: int | None  # the value of unlabelled pixels; None if all values are taken
    palette: bytes | None  # 768 bytes; None for RGB
    unlabelled: int | Color | None  # for `unlabelled` in taxonomy.yaml if some pixels are blank

    def values(self, categories: Ints) -> Ints:
        """(n,) the value of each category id; -1 for one that the taxonomy lacks."""
        return np.array([self.value.get(category, -1) for category in categories.tolist()], np.int64)

    def picture(self, pixels: NDArray[np.uint32]) -> Image.Image:
        """The mask image with the values `pixels` (height, width)."""
        if self.palette is not None:
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.putpalette(self.palette)
            return picture
        return rgb_picture(pixels)


def mask_palette(taxonomy: Taxonomy) -> MaskPalette:
    """The palette of a taxonomy: indices if every id is 0 to 255, else colours; else raises SegdataError."""
    ids = list(taxonomy.by_id())
    over = [id_ for id_ in ids if not 0 <= id_ <= 255]
    if not over:
        blank = _free_id(taxonomy, ids)
        unlabelled = taxonomy.unlabelled_color or blank
        return MaskPalette({id_: id_ for id_ in ids}, blank, _palette_bytes(taxonomy, blank), unlabelled)
    by_color = {category.rgb: category for category in taxonomy.categories}
    if None in by_color or len(by_color) < len(ids):
        raise SegdataError(
            f"category id {over[0]} does not fit an 8-bit mask (0 to 255), and not every category has a color of its "
            "own for RGB masks; give each a color in taxonomy.yaml, or write instance-ids"
        )
    blank_color = taxonomy.unlabelled_color or _free_color(taxonomy)
    value = {category.id: pack_color(color) for color, category in by_color.items() if color is not None}
    return MaskPalette(value, pack_color(blank_color), None, blank_color)


def _free_id(taxonomy: Taxonomy, ids: list[int]) -> int | None:
    """The id for unlabelled pixels: the taxonomy's, else 0, else the highest free one; None if all are taken."""
    if taxonomy.unlabelled_id is not None and 0 <= taxonomy.unlabelled_id <= 255:
        return taxonomy.unlabelled_id
    return next((id_ for id_ in (0, *range(255, 0, -1)) if id_ not in ids), None)


def _free_color(taxonomy: Taxonomy) -> Color:
    taken = taxonomy.by_color()
    return next(color for color in map(unpack_color, range(2**24)) if color not in taken)


def _palette_bytes(taxonomy: Taxonomy, blank: int | None) -> bytes:
    """The colours of the ids; an id without one gets an unused colour of VOC's scheme."""
    by_id, taken = taxonomy.by_id(), set(taxonomy.by_color())
    nobody = taxonomy.unlabelled_color
    taken |= {nobody} if nobody else set()
    voc = [voc_color(index) for index in range(1, 256)]
    other_colors = (color for color in map(unpack_color, range(2**24)) if color not in voc)
    spare = (color for color in chain(voc, other_colors) if color not in taken)
    palette: NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
    for identity, category in by_id.items():
        palette[identity] = category.rgb or next(spare)
    if blank is not None and blank not in by_id:
        palette[blank] = nobody or (0, 0, 0)
    return palette.tobytes()


def voc_color(index: int) -> Color:
    """The colour of an index in PASCAL VOC's palette: its bits, lowest first, spread over the channels' high bits.

    Source: `VOClabelcolormap` of the VOC development kit.

    >>> voc_color(1), voc_color(15)
    ((128, 0, 0), (192, 128, 128))
    """
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]
