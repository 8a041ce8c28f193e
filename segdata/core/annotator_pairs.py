"""Annotator pairs: tables of measurements that compare annotators of the same images."""

from dataclasses import dataclass, field

import numpy as np

from segdata.core.profile import Task
from segdata.core.runs import Flags
from segdata.core.table import Table
from segdata.core.taxonomy import Category


@dataclass(frozen=True, slots=True)
class AnnotatorPairs:
    """Tables with one row per thing, numbered from 0 over the whole panel.

    `category`, `category_a`, `category_b` are positions in `categories`; -1: none (unlabelled). `a`, `b` of `pairs` are
    positions in `annotators`, a < b. A case is an image, or a volume with all its slices; pixels of a volume are
    voxels. Pixels that either annotator of a pair labels void are left out everywhere, and so are categories that only
    one of them had to annotate.
    """

    annotators: tuple[str, ...]  # names, in the order of the panel
    persons: tuple[int, ...]  # (n_annotators,) who it is: two passes of one person over the same images have one number
    categories: tuple[Category, ...]  # the panel's
    task: Task  # in semantic data no category is countable, not even things
    # image (row of the images), frames, name, cluster (number of the sequence, patient or scene that it belongs to:
    # what a bootstrap draws as one), width, height, spacing_x, spacing_y, spacing_z (mm; NaN: unknown)
    cases: Table
    # case, a, b, annotation_a, annotation_b (rows; of a volume's, the first), pixels (of the case), void (how many of
    # these are left out)
    pairs: Table
    overlaps: Table  # pair, category, area_a, area_b, both: pixels of each category that either has, void left out
    # pair, category_a, category_b, pixels: each pixel counted once for each layer that either draws, under the segment
    # drawn last where several of one annotator and layer claim it
    cells: Table
    # case, pixels: pixels of a case, void of any annotator left out, for which every annotator chose the same; once for
    # each layer, where an annotator draws categories of stuff one above the other
    patterns: Table
    # pattern, annotator, category: what each annotator of the case chose for a pattern's pixels (-1: unlabelled); the
    # segment drawn last where several of one annotator and layer claim them
    votes: Table
    # pair, a, b (rows of the segments; -1: none), category_a, category_b (-1: none), area_a, area_b, shared, iou,
    # ignored: segments that belong together (with an IoU of 0.5 or less, things that only end elsewhere), those that
    # only A or only B has, and (`ignored`) those that count for nothing, since they lie in void or a crowd
    matches: Table
    # case, cluster (number within the case), annotator, segment (row), category, within: which segments of all
    # annotators are one; every segment that counts is in one cluster, alone where nobody else has it. Segment and
    # category are -1 for an annotator of the case who has none of it; `within` is 1 where its place is for the most
    # part in other segments of this annotator, of the same category. Who calls the place void or a crowd has no row
    members: Table
    # pair, side (0: A, 1: B), segment (row), piece (row of the other side's): segments of which the other side made
    # several, a row for each of these
    groups: Table
    # pair, category, side, unmatched, confused, boundary, ignored: the pixels to which only this side gives the
    # category, by why: their segment has no match, one of another category, one that ends elsewhere, or counts for
    # nothing. All of a category's rows together are the pixels on which the two disagree about it
    causes: Table
    # pair, category, match (row; -1: all of the category), edge_a, edge_b (boundary pixels), near_a, near_b (how many
    # of these are within the tolerance of the other's boundary), band_both, band_any (pixels, for Boundary IoU; 0 for
    # matches), hd95, hd, sum_a, sum_b (of distances to the other's boundary), offset (by how much B draws larger; of
    # all of a category without what is so far from the other's boundary that a part is missing), offset_sd; distances
    # in mm where the spacing of the case is known, else in pixels
    surfaces: Table
    # pair, category (counted one by one), pixels (that count), and of these, parted into the category's segments and
    # the rest: squares_a, squares_b, squares_both (sums of squares of what a segment of A, of B, and of both have),
    # logs_a, logs_b, logs_both (sums of n log2 n), area_a, area_b (pixels in segments), covered_a, covered_b (sums of
    # each segment's pixels times its largest IoU with one of the other's)
    partitions: Table = field(default_factory=lambda: Table({}))
    # case, annotator, segment (row), digest: of class masks, what hangs together and says something about who drew, and
    # a hash of its pixels (`segdata.agreement.copying`); of other data no rows
    parts: Table = field(default_factory=lambda: Table({}))
    # case, annotator, pixels, labelled: how many pixels of an annotator's categories lie below another of the same
    # layer, so that they are in no cell and no pattern, and how many pixels the categories have; no row where none are
    # hidden
    hidden: Table = field(default_factory=lambda: Table({}))
    # (n_cases, n_annotators) copies of another's work, which have no vote; None: there are none
    copied: Flags | None = None

    @property
    def countable(self) -> Flags:
        """(n_categories,) whether segments of a category are counted one by one; else its pixels are."""
        return np.array([category.kind == "thing" and self.task != "semantic" for category in self.categories], bool)

    def category_is_counted(self, name: str) -> bool:
        """Whether the segments of the category with this name are counted one by one."""
        return any(
            counted and category.name == name for category, counted in zip(self.categories, self.countable, strict=True)
        )

    @property
    def is_first_pass(self) -> Flags:
        """(n_annotators,) not a further pass of a person over the same images."""
        return np.array([person not in self.persons[:k] for k, person in enumerate(self.persons)], bool)

    @property
    def voices(self) -> Flags:
        """(n_cases, n_annotators) whose work in a case counts: no further pass of a person, and no copy."""
        voices = np.tile(self.is_first_pass, (len(self.cases), 1))
        return voices if self.copied is None else voices & ~self.copied

    @property
    def is_independent(self) -> Flags:
        """(n_pairs,) both annotations of a pair have a voice."""
        case, voices = self.pairs["case"], self.voices
        return np.asarray(voices[case, self.pairs["a"]] & voices[case, self.pairs["b"]], bool)


@dataclass(frozen=True, slots=True)
class MisplacedAnnotator:
    """Two annotators (positions) whose labels fit only when one side is mirrored, turned, moved or scaled.

    It is `annotator`'s side, likely. `message` reports in one line what fits, and how well.
    """

    annotator: int
    other: int
    message: str


@dataclass(frozen=True, slots=True)
class PanelAssessment:
    """The results of comparing a panel, as rows that rules filter."""

    disputes: Table  # segments that annotators do not agree on; see `segdata.agreement.disagreements`
    biases: Table  # annotator x category x kind, tested against chance; see `segdata.agreement.annotator_bias`
    # category, value, low, high (agreement of all), best (without the annotator who lowers it most), without (that
    # annotator), clusters
    unclear: Table
    # annotator, value, low, high (agreement with their own earlier work), others (agreement of different annotators on
    # these images), behind, behind_low (by how much it is better; at least, in all likelihood), clusters
    repeats: Table
    # annotator, category (-1: all), metric, value, low, high, bar, clusters, copied: who is under the bar against gold,
    # or (share `copied`) reaches it with segments that are gold's own
    below: Table
    gold: int | None = None  # the position of the reference among the annotators; None: there is none
    misplaced: tuple[MisplacedAnnotator, ...] = ()  # annotators whose labels are mirrored, turned, moved or scaled
    # a, b (positions), identical, alike, low, high (the share of their segments), usual, segments, images, one_voice,
    # model, stands: what every two annotators have alike; see `segdata.agreement.copying`
    copies: Table = field(default_factory=lambda: Table({}))
    # annotator, category (-1: all), kind, start, end, change, low, high, p, stands, clusters, first, last, outline: see
    # `segdata.agreement.drift`
    drifts: Table = field(default_factory=lambda: Table({}))
