"""SEG315 repeated-labels: two different images have the same labels, pixel by pixel."""

from collections.abc import Iterator

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.frame_sequences import SequenceIndex
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.strata import joint_codes, number_names
from segdata.measure.tables.duplicates import MOST_BITS
from segdata.rules.shared import free_outlines

_LEAST_OUTLINE = 30  # pixel edges: small shapes are alike by chance
_MOST_IMAGES = 3  # that have a segment; one that more have is a stencil


@rule(
    "SEG315", "repeated-labels", severity="warning", needs=("imprints", "shapes", "copies"), whole=True, habit="image"
)
def repeated_labels(
    tables: Tables, *, min_edge: int = 200, max_alike: float = 0.1, min_segments: int = 4, min_share: float = 0.2
) -> Findings:
    """Two different images have the same labels, or several of them, pixel by pixel.

    Example:
        the labels are those of 0016E5_08109.png, pixel by pixel, and the image is another

    The rule compares categories and pixels of whole annotations of different images. It leaves out what can be the same
    by chance or on purpose: boxes, filled images and labels with a short outline; copies of one image, saved again or
    not (split-leak and conflicting-duplicates judge these); and neighbouring frames or slices of one sequence, in which
    things may stand still (frame-order and frozen-labels judge these). If many images share their labels, as with a
    fixed stencil, none is reported. It also compares single segments, by category, box, area and length of the outline:
    several that are on two or three images, and on no more, are no accident either.

    Why: an export loop that writes the last mask again, a tool that keeps the last image's labels, or a file copied
    under a wrong name. Nobody draws the same pixels twice.

    Remedy: look at which of the images the labels fit, and draw or restore those of the other.

    Options: `min_edge`: the least number of pixel edges of the outlines of segments that are no boxes. `max_alike`: the
    largest share of images that have another one's labels; where there are more, it is no mistake. `min_segments`,
    `min_share`: the least number of segments that two images share, and the least share of those of either.
    Defaults: in 41 openings of public datasets nothing is flagged.
    """
    annotations = tables.annotations
    is_shape, edges = free_outlines(tables)
    rows = np.flatnonzero(edges >= min_edge)
    repeated = tables.measured["repeated_labels"]
    kept = np.isin(repeated["annotation"], rows)
    alike = (repeated["bits"] >= 0) & (repeated["bits"] <= MOST_BITS)
    pairs = np.stack([repeated["annotation"], repeated["of"]], axis=1)[kept & ~alike]
    pairs = pairs[_are_different(tables, pairs)]
    if len(pairs) > max(1, max_alike * len(rows)):
        return
    for row, other in pairs.tolist():
        name = tables.images["image_id"][annotations["image"][other]]
        yield RowFinding(f"the labels are those of {name}, pixel by pixel, and the image is another", annotation=row)
    known = set(zip(*(repeated[name].tolist() for name in ("annotation", "of")), strict=True))
    for row, other, n_shared in _shared_segments(tables, np.flatnonzero(is_shape), min_segments, min_share):
        if (row, other) not in known:
            name, n = tables.images["image_id"][annotations["image"][other]], annotations["n_segments"][row]
            message = f"{n_shared} of {n} segments are also on {name}, in the same place, and the image is another"
            yield RowFinding(message, annotation=row)


def _shared_segments(
    tables: Tables, shapes: Ints, min_segments: int, min_share: float
) -> Iterator[tuple[int, int, int]]:
    """Annotations, an earlier one, and how many segments (of some rows) they share that at most three images have."""
    segments, annotations = tables.segments, tables.annotations
    rows = shapes[segments["perimeter"][shapes] >= _LEAST_OUTLINE]
    if len(rows) == 0:
        return
    columns = ("category_id", "x", "y", "width", "height", "area", "perimeter")
    key, _ = joint_codes(*(segments[name][rows].astype(np.int64) for name in columns))
    repeated = np.bincount(key)[key] > 1
    # One annotation counts once for each shape: copies within it are SEG104.
    shape, owner = key[repeated], segments["annotation"][rows[repeated]].astype(np.int64)
    _, first = joint_codes(shape, owner)
    shape, owner = shape[first], owner[first]
    _, annotator = number_names(annotations.texts("annotator"))
    several = np.bincount(shape)[shape]
    kept = (several > 1) & (several <= _MOST_IMAGES)
    shape, owner = shape[kept], owner[kept]
    after = np.flatnonzero(shape[1:] == shape[:-1]) + 1
    pairs, count = np.unique(np.stack([owner[after], owner[after - 1]], axis=1), axis=0, return_counts=True)
    n = annotations["n_segments"]
    few = np.minimum(n[pairs[:, 0]], n[pairs[:, 1]])
    chosen = (count >= min_segments) & (count >= min_share * few) & (annotator[pairs[:, 0]] == annotator[pairs[:, 1]])
    chosen &= annotations["image"][pairs[:, 0]] != annotations["image"][pairs[:, 1]]
    pairs, count = pairs[chosen], count[chosen]
    copies = {frozenset(pair) for pair in zip(*(tables.alike[name].tolist() for name in ("image", "of")), strict=True)}
    images = annotations["image"][pairs]
    alike = np.array([frozenset(pair) in copies for pair in images.tolist()], bool)
    left_out = alike | _are_equal(SequenceIndex.of(tables).sequence[pairs]) | _are_copies(tables, images)
    for (row, other), n_shared in zip(pairs[~left_out].tolist(), count[~left_out].tolist(), strict=True):
        yield row, other, n_shared


def _are_different(tables: Tables, pairs: Ints) -> Flags:
    """(n,) whether two annotations (n, 2) are of different images that are no neighbours in a sequence."""
    index = SequenceIndex.of(tables)
    neighbours = _are_equal(index.sequence[pairs])
    for k in np.flatnonzero(neighbours).tolist():
        place, before = index.place[pairs[k]].tolist()
        between = index.sequences[index.sequence[pairs[k, 0]]].annotation[before : place + 1]
        codes = {tables.annotations.cell("imprint", row) for row in between.tolist()}
        neighbours[k] = len(codes) == 1
    return np.asarray(~_are_copies(tables, tables.annotations["image"][pairs]) & ~neighbours, bool)


def _are_copies(tables: Tables, images: Ints) -> Flags:
    """(n,) whether the files of two images (n, 2) have the same bytes."""
    return _are_equal(number_names(tables.images.texts("content"))[1][images])


def _are_equal(pairs: Ints) -> Flags:
    """(n,) whether two numbers (n, 2) are the same; those below 0 are unknown."""
    return np.asarray((pairs[:, 0] == pairs[:, 1]) & (pairs[:, 0] >= 0), bool)
