"""What several annotators drew on the same images: from pictures, from masks, or drawn by Hypothesis."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from segdata.agreement.paired_segments import PanelBatch
from segdata.core import kernels
from segdata.core.batch import Batch, concatenate_batches, integer_column, merge_images, replace_column
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, CategoryKind
from segdata.testing.pictures import Mask, draw_picture
from segdata.testing.strategies import masks

Layers = Sequence[tuple[int, Mask]]  # position of the category, and pixels (H, W), from the first drawn to the last
NAMES = "abcdefghij"


Panel = PanelBatch  # of annotators "a", "b", …


def panel(*texts: str, absent: Collection[tuple[str, int]] = ()) -> Panel:
    """What each annotator drew, a picture each, see `segdata.testing.pictures`; categories are the same by name.

    `absent` are annotators and images, counted from 0, that they did not annotate.
    """
    drawings = [draw_picture(text) for text in texts]
    named: dict[str, Category] = {}
    for drawing in drawings:
        for each in drawing.profile.taxonomy.categories:
            named.setdefault(each.name, Category(id=len(named) + 1, name=each.name, kind=each.kind))
    batches = []
    for name, drawing in zip(NAMES, drawings, strict=False):
        id_of = {each.id: named[each.name].id for each in drawing.profile.taxonomy.categories}
        batch = drawing.batch
        ids = [id_of[each] for each in batch.segments["category_id"].to_pylist()]
        annotations = replace_column(batch.annotations, "annotator", [name] * batch.annotations.num_rows)
        renamed = Batch(batch.images, annotations, replace_column(batch.segments, "category_id", ids), batch.runs)
        kept = [k for k in range(batch.images.num_rows) if (name, k) not in absent]
        batches.append(_keep_images(renamed, kept))
    return Panel(_join_batches(batches), tuple(NAMES[: len(texts)]), tuple(named.values()))


def panel_of_masks(
    sizes: Sequence[tuple[int, int]], layers: Sequence[Sequence[Layers | None]], kinds: Sequence[CategoryKind]
) -> Panel:
    """What each annotator drew on each image: `layers[annotator][image]`; None: not annotated.

    `sizes` are height and width of the images, `kinds` those of the categories.
    """
    n, batches = len(sizes), []
    images = make_table(
        BATCH_IMAGES,
        n,
        image_id=[f"{image + 1}.png" for image in range(n)],
        height=[height for height, _ in sizes],
        width=[width for _, width in sizes],
    )
    for name, of_image in zip(NAMES, layers, strict=False):
        flat = [(image, *layer) for image, each in enumerate(of_image) for layer in each or ()]
        annotations = make_table(BATCH_ANNOTATIONS, n, image=pa.array(range(n), pa.int32()), annotator=[name] * n)
        segments = make_table(
            BATCH_SEGMENTS,
            len(flat),
            annotation=[image for image, _, _ in flat],
            segment_id=list(range(1, len(flat) + 1)),
            category_id=[code + 1 for _, code, _ in flat],
            iscrowd=[False] * len(flat),
        )
        runs = Runs.concatenate([_runs(mask) for _, _, mask in flat], [1] * len(flat))
        batch = Batch(images, annotations, segments, runs)
        batches.append(_keep_images(batch, [image for image, each in enumerate(of_image) if each is not None]))
    categories = tuple(Category(id=k + 1, name=NAMES[k], kind=kind) for k, kind in enumerate(kinds))
    return Panel(_join_batches(batches), tuple(NAMES[: len(layers)]), categories)


def _runs(mask: Mask) -> Runs:
    """The pixels of a mask (H, W), all of one owner."""
    start, length, value = kernels.label_runs(mask.astype(np.uint8))
    return Runs(start[value > 0], length[value > 0], np.zeros(int((value > 0).sum()), np.int32))


def _keep_images(batch: Batch, images: Sequence[int]) -> Batch:
    """The same images, with annotations of some of them alone."""
    kept = np.flatnonzero(np.isin(batch.annotation_image, images))
    rows = np.flatnonzero(np.isin(batch.segment_annotation, kept))
    annotation = np.searchsorted(kept, batch.segment_annotation[rows]).astype(np.int32)
    return Batch(
        batch.images,
        batch.annotations.take(pa.array(kept)),
        replace_column(batch.segments.take(pa.array(rows)), "annotation", annotation),
        batch.runs.take(rows, batch.n_segments),
    )


def _join_batches(batches: Sequence[Batch]) -> Batch:
    """Annotations of the same images as one batch, in the order of the images."""
    images = batches[0].images
    sizes = [[integer_column(batch.images[name]).tolist() for name in ("height", "width")] for batch in batches]
    if any(size != sizes[0] for size in sizes):
        raise ValueError(f"pictures of different sizes: {sizes}")
    number = np.arange(images.num_rows)
    return merge_images(concatenate_batches(list(batches)), np.tile(number, len(batches)))[0]


@st.composite
def panels(draw: st.DrawFn, annotators: int = 2, overlapping: bool = True, void: bool = True) -> Panel:
    """Up to three small images by some annotators, each of whom may have left out some of the images.

    `overlapping`: segments of an annotator may share pixels. `void`: the last category is void.
    """
    kinds: list[CategoryKind] = ["thing", "stuff", "stuff", "void" if void else "thing"]
    sizes = draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3))
    layers: list[list[Layers | None]] = []
    for _ in range(annotators):
        layers.append([])
        for size in sizes:
            free, found = np.ones(size, bool), []
            for code in draw(st.lists(st.integers(0, len(kinds) - 1), max_size=4)):
                mask = draw(masks(*size)) & free
                free = free if overlapping else free & ~mask
                found.append((code, mask))
            layers[-1].append(draw(st.sampled_from([found, found, found, None])))
    return panel_of_masks(sizes, layers, kinds)


SCENE_KINDS: tuple[CategoryKind, ...] = ("thing", "thing", "stuff", "void")


@st.composite
def scenes(
    draw: st.DrawFn,
    n_annotators: int = 2,
    *,
    overlaps: bool = True,
    crowds: bool = True,
    absent: bool = False,
    kinds: tuple[CategoryKind, ...] = SCENE_KINDS,
) -> Panel:
    """Up to two images of at most 8 x 8 pixels.

    Every annotator draws the boxes that there are, moved a little, under another category, or not at all. `overlaps`:
    segments of one annotator may share pixels. `crowds`: some are crowds. `absent`: some annotators left out images.
    """
    sizes = draw(st.lists(st.tuples(st.integers(2, 8), st.integers(2, 8)), min_size=1, max_size=2))
    layers: list[list[Layers | None]] = [[] for _ in range(n_annotators)]
    for size in sizes:
        boxes = draw(st.lists(_boxes(size, len(kinds)), max_size=4))
        for of_annotator in layers:
            missing = absent and draw(st.booleans())
            of_annotator.append(None if missing else _redrawn(draw, size, boxes, overlaps, len(kinds)))
    panel_made = panel_of_masks(sizes, layers, kinds)
    flags = st.lists(st.integers(0, 4), min_size=panel_made.batch.n_segments, max_size=panel_made.batch.n_segments)
    crowd = [crowds and flag == 0 for flag in draw(flags)]
    return replace(
        panel_made,
        batch=replace(panel_made.batch, segments=replace_column(panel_made.batch.segments, "iscrowd", crowd)),
    )


Box = tuple[int, int, int, int, int]  # category, top, bottom, left, right


@st.composite
def _boxes(draw: st.DrawFn, size: tuple[int, int], n_categories: int) -> Box:
    top, left = draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))
    bottom, right = draw(st.integers(top + 1, size[0])), draw(st.integers(left + 1, size[1]))
    return draw(st.integers(0, n_categories - 1)), top, bottom, left, right


def _redrawn(draw: st.DrawFn, size: tuple[int, int], boxes: list[Box], overlaps: bool, n_categories: int) -> Layers:
    """What one annotator makes of the boxes."""
    layers: list[tuple[int, Mask]] = []
    free = np.ones(size, bool)
    for category, top, bottom, left, right in boxes:
        how = draw(st.sampled_from(["same", "same", "moved", "smaller", "called otherwise", "missed"]))
        mask = np.zeros(size, bool)
        mask[top:bottom, left:right] = True
        if how == "moved":
            mask = np.roll(mask, draw(st.integers(-1, 1)), axis=draw(st.integers(0, 1)))
        if how == "smaller":
            mask[top] = False
        if not overlaps:
            mask &= free
            free &= ~mask
        if how != "missed" and mask.any():
            other = draw(st.integers(0, n_categories - 1)) if how == "called otherwise" else category
            layers.append((other, mask))
    return layers
