"""Scenes: random panels, small ones, in which annotators see roughly the same and differ in every way they can."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from segdata.core.batch import replaced
from segdata.core.taxonomy import Kind
from segdata.testing.dense import Mask
from segdata.testing.panels import Layers, Panel, panel_of_masks

KINDS: tuple[Kind, ...] = ("thing", "thing", "stuff", "void")


@st.composite
def scenes(
    draw: st.DrawFn,
    n_annotators: int = 2,
    *,
    overlaps: bool = True,
    crowds: bool = True,
    absent: bool = False,
    kinds: tuple[Kind, ...] = KINDS,
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
    made = panel_of_masks(sizes, layers, kinds)
    flags = st.lists(st.integers(0, 4), min_size=made.batch.n_segments, max_size=made.batch.n_segments)
    crowd = [crowds and flag == 0 for flag in draw(flags)]
    return replace(made, batch=replace(made.batch, segments=replaced(made.batch.segments, "iscrowd", crowd)))


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
