"""Opposed: what was measured of annotators' work on the same images, as tables."""

from dataclasses import dataclass

from segdata.core.table import Table
from segdata.core.taxonomy import Category


@dataclass(frozen=True, slots=True)
class Opposed:
    """Tables with one row per thing, numbered from 0 over the whole panel.

    `category`, `category_a`, `category_b` are positions in `categories`; -1: none (unlabelled). `a`, `b` of `pairs` are
    positions in `annotators`, a < b. A case is an image, or a volume with all its slices, whose pixels are voxels.
    What either annotator of a pair calls void is left out everywhere; what a pair does not both annotate (a category
    that one of them was never asked for) likewise.

    Attributes
    ----------
    annotators : their names, as the panel orders them
    persons : (n_annotators,) who it is: two passes of one person over the same images have one number
    categories : the panel's
    cases : image (row of the images), frames, name, cluster (number of the sequence, patient or scene that it belongs
        to: what a bootstrap draws as one), width, height, spacing_x, spacing_y, spacing_z (mm; NaN: unknown)
    pairs : case, a, b, annotation_a, annotation_b (rows; of a volume's, the first), pixels (of the case), void (how
        many of these are left out)
    overlaps : pair, category, area_a, area_b, both: pixels of each category that either has, void left out
    cells : pair, category_a, category_b, pixels: each pixel counted once, under the segment drawn last where several
        of one annotator claim it
    patterns : case, pixels, void left out: pixels of a case that got the same votes
    votes : pattern, category, count: how many annotators gave a pattern's pixels this category
    matches : pair, a, b (rows of the segments; -1: none), category_a, category_b (-1: none), area_a, area_b, shared,
        iou, ignored: segments that belong together, those that only A or only B has, and (`ignored`) those that count
        for nothing, since they lie in void or a crowd
    groups : pair, side (0: A, 1: B), segment (row), others: segments of which the other side made `others`, 2 or more
    surfaces : pair, category, match (row; -1: all of the category), edge_a, edge_b (boundary pixels), near_a, near_b
        (how many of these are within the tolerance of the other's boundary), band_both, band_any (pixels, for Boundary
        IoU), hd95, hd, sum_a, sum_b (of distances to the other's boundary), offset (by how much B draws larger, in
        pixels), offset_sd
    """

    annotators: tuple[str, ...]
    persons: tuple[int, ...]
    categories: tuple[Category, ...]
    cases: Table
    pairs: Table
    overlaps: Table
    cells: Table
    patterns: Table
    votes: Table
    matches: Table
    groups: Table
    surfaces: Table
