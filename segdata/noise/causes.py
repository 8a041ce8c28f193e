"""Causes: which candidates have a cause in common, so that a reviewer looks at it once, and what a border explains."""

import numpy as np

from segdata.core.overlay import box_ious
from segdata.core.runs import Flags, Ints, bounding_boxes, number_groups
from segdata.core.statistics import linked_groups
from segdata.noise.error_types import TYPES
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import UNLABELLED

MIN_BOX_IOU = 0.5  # the IoU of boxes from which on they are about one candidate
_MIN_COMMON = 5  # candidates with one cause
_MIN_IMAGES = 3  # in which the same place lacks a label


def group_causes(ranked: RankedCandidates, rows: Ints, types: Ints, along: Flags) -> Ints:
    """(c,) the number of the cause of each candidate `rows`, in the order in which causes occur, from 0.

    All labels of an image that is misaligned have one cause. So have those that an image almost without labels lacks,
    and five places or more of one image that lack a label, whatever the type: the image is labelled in part. So have,
    with the same `types` (n,) of error, five others or more of one image if they are half as many as its labels. What
    is found at one place of several copies of a picture has one cause, and what is seen alike at one place of three
    images or more and lacks a label: a logo, the bonnet of the car. So has, for each category, what the set leaves out
    `along` its border (n,), see `left_out_along_border`. Every other candidate is a cause of its own.
    """
    n_labels = np.bincount(ranked.image[ranked.row >= 0], minlength=len(ranked.softmin))
    image, is_label = ranked.image[rows], ranked.row[rows] >= 0
    is_astray = is_label & (ranked.move != 0).any(axis=1)[image]
    is_left_out = ranked.left_out[rows]
    lacks = lack_labels(ranked, rows)
    type_ = np.where(is_astray, TYPES.index("shift"), np.where(lacks, TYPES.index("missing"), types[rows]))
    key = 4 * (image * len(TYPES) + type_) + np.where(is_left_out, 3, np.where(lacks, 2, is_label))
    border = along[rows] & lacks & ~is_left_out
    key[border] = -1 - ranked.seen[rows[border]]
    _, group, count = np.unique(key, return_inverse=True, return_counts=True)
    needed = np.where(lacks, _MIN_COMMON, np.maximum(n_labels[image] / 2, _MIN_COMMON))
    needed[is_astray | is_left_out | border] = 2
    is_shared = count[group] >= needed
    number = np.where(is_shared, group, len(count) + np.arange(len(rows)))
    picture = ranked.related.picture
    copies = np.flatnonzero(np.bincount(picture)[picture[image]] > 1)
    in_copies = _at_one_place(ranked, rows, copies, np.column_stack([picture[image], type_, is_label]), 2)
    in_others = _at_one_place(ranked, rows, np.flatnonzero(lacks & ~is_shared), ranked.seen[rows, None], _MIN_IMAGES)
    a, b = number[np.concatenate([in_copies, in_others])].T
    number = linked_groups(len(count) + len(rows), a, b)[number]
    return number_groups(number)[1]


def lack_labels(ranked: RankedCandidates, rows: Ints) -> Flags:
    """(c,) which `rows` lack a label: nothing is annotated there, or only the ground under it."""
    bare = (ranked.category[rows] == UNLABELLED) | np.isin(rows, ranked.bare)
    return np.asarray((ranked.row[rows] < 0) & bare)


def _at_one_place(ranked: RankedCandidates, rows: Ints, chosen: Ints, kind: Ints, n_images: int) -> Ints:
    """(p, 2) pairs of places among the `chosen` of `rows` (c,), of one kind (c, K), with boxes alike.

    Each is paired with the first such place, if there are places in `n_images` images of one size or more.
    """
    image, pairs = ranked.image[rows], [np.empty((0, 2), np.int64)]
    if not ranked.candidates or len(np.unique(image[chosen])) < n_images:
        return pairs[0]
    size = image_sizes(ranked)[image[chosen]]
    _, of_kind = np.unique(np.column_stack([size, kind[chosen]]), axis=0, return_inverse=True)
    boxes = candidate_boxes(ranked)[rows]
    for left in np.split(chosen[np.argsort(of_kind, kind="stable")], np.cumsum(np.bincount(of_kind))[:-1]):
        while len(left) >= n_images:
            alike = box_ious(boxes[left].T, boxes[left[:1]].T) >= MIN_BOX_IOU
            alike[0] = True
            together, left = left[alike], left[~alike]
            if len(np.unique(image[together])) >= n_images:
                pairs.append(np.column_stack([np.full(len(together) - 1, together[0]), together[1:]]))
    return np.concatenate(pairs)


# How many things that are seen along the border, at most as many of which have a label, and in how many images, tell
# that a set leaves them out there on purpose.
_MIN_ALONG, _MAX_LABELLED_ALONG = 20, 0.2
# Pixels by which a label that is drawn by hand may end short of the border that its thing touches: in two sets of
# polygons most of those within 8 px lie at 1 to 3 (docs/results/flag.md). What a model sees reaches it.
_DRAWN_SHORT = 3


def left_out_along_border(ranked: RankedCandidates) -> Flags:
    """(n,) what lacks a label and lies so near the border that hardly anything of its category has a label there.

    Many guidelines leave out what the border cuts, or a strip along it: one question to their author, not an error
    each. The strip is the widest in which at most a fifth of what is labelled or seen has a label.
    """
    result = np.zeros(len(ranked), bool)
    if not len(ranked.bare) or not ranked.candidates:
        return result
    away = _away_from_border(ranked)
    is_label, known = ranked.row >= 0, ranked.known_images[ranked.image]
    for category in np.unique(ranked.seen[ranked.bare]).tolist():
        bare = ranked.bare[ranked.seen[ranked.bare] == category]
        rows = np.concatenate([np.flatnonzero(is_label & (ranked.category == category)), bare])
        rows = rows[known[rows]]
        rows = rows[np.argsort(away[rows], kind="stable")]
        n_within = np.searchsorted(away[rows], away[rows], "right")  # as near as each, or nearer
        n_labelled = np.cumsum(is_label[rows])[n_within - 1]
        hardly_any = (n_within >= _MIN_ALONG) & (n_labelled <= _MAX_LABELLED_ALONG * n_within)
        widest = int(away[rows][hardly_any].max(initial=-1))
        if len(np.unique(ranked.image[bare[away[bare] <= widest]])) >= _MIN_IMAGES:
            result[bare[away[bare] <= widest]] = True
    return result


def _away_from_border(ranked: RankedCandidates) -> Ints:
    """(n,) pixels between each candidate and the border of its image, less those by which a drawn label is short."""
    x, y, width, height = candidate_boxes(ranked).T
    down, across = image_sizes(ranked)[ranked.image].T
    away = np.minimum(np.minimum(x, y), np.minimum(across - x - width, down - y - height))
    return np.asarray(np.maximum(away - _DRAWN_SHORT, 0))


# The share of what touches the border that must have a label, for a place there that lacks one to be as good as others.
# At first runs on six sets, with shares of 0.18, 0.43, 0.73, 0.98, 1.00 and 1.00, such places were right 0, 0, 24, 17,
# 13 and 2 times, and debatable or false 21, 6, 6, 5, 2 and 3 times (docs/results/flag.md).
_MIN_LABELLED_AT_BORDER = 0.5


def surest_missing(ranked: RankedCandidates, rows: Ints) -> Ints:
    """(c,) the places, out of `rows` that lack a label, in the order in which to look at them.

    First comes what the model is sure of and what stands out from its surroundings in the image: the mean of both
    ranks, whatever P, which says how probable an error is but not whether it is a matter of opinion. Last comes what
    touches the border of its image, in categories most of whose things there have no label either: what the border
    cuts may have been left out on purpose. On seven sets whose verdicts it was chosen on, a right place came before
    another in 0.82 of the pairs, by P in 0.55 (docs/results/flag.md).
    """
    if not len(rows) or ranked.distinct is None:
        return rows
    regions = [item.regions.score for item in ranked.candidates]
    score = np.concatenate([np.zeros(int((ranked.row >= 0).sum())), *regions])
    surer, clearer = (np.searchsorted(np.sort(x[rows]), x[rows], "right") for x in (score, ranked.distinct))
    last = _seldom_labelled_at_border(ranked, rows)
    return rows[np.lexsort((-ranked.probability[rows], -(surer + clearer), last))]


def _seldom_labelled_at_border(ranked: RankedCandidates, rows: Ints) -> Flags:
    """(c,) which places that lack a label, `rows`, touch the border, where few of their category have one."""
    touches, is_label = _away_from_border(ranked) == 0, ranked.row >= 0
    n = len(ranked.iou)
    n_labelled = np.bincount(np.maximum(ranked.category[is_label & touches], 0), minlength=n)
    n_lacking = np.bincount(ranked.seen[rows][touches[rows]], minlength=n)
    n_all = n_labelled + n_lacking
    few = (n_all >= _MIN_ALONG) & (n_labelled < _MIN_LABELLED_AT_BORDER * n_all)
    return np.asarray(touches[rows] & few[ranked.seen[rows]])


def image_sizes(ranked: RankedCandidates) -> Ints:
    """(i, 2) height and width."""
    return np.array([(item.regions.height, item.regions.width) for item in ranked.candidates], np.int64)


def candidate_boxes(ranked: RankedCandidates) -> Ints:
    """(n, 4) x, y, width and height of each candidate."""
    every = [
        part
        for sort in ("annotated", "regions")
        for part in (getattr(segments, sort) for segments in ranked.candidates)
    ]
    boxes = [np.column_stack(bounding_boxes(segments.runs, segments.heights, len(segments))) for segments in every]
    return np.concatenate([np.empty((0, 4), np.int64), *boxes])
