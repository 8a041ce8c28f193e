"""SEG315 repeated-labels: two different images have the same labels, pixel by pixel."""

from collections.abc import Iterator

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.reductions import gather, sum_by
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.statistics import linked_groups
from segdata.core.strata import joint_codes, number_names
from segdata.core.table import Table
from segdata.measure.placements import ELSEWHERE
from segdata.measure.sequences import SequenceIndex
from segdata.measure.tables.duplicates import MAX_DIFFERING_BITS
from segdata.rules.shared import free_outlines, occur_often, picture_of_copy, shape_keys

_MIN_OUTLINE = 30  # pixel edges: small shapes are equal by chance
_SHAPE = ("x", "y", "width", "height", "area", "perimeter")
_MIN_SCORE, _MIN_RATIO = 12.0, 3.0  # of labels on another picture, as in displaced-labels
_MAX_SEGMENT_IMAGES = 3  # that have a segment; one that more have is a stencil


@rule(
    "SEG315",
    "repeated-labels",
    severity="warning",
    needs=("imprints", "shapes", "copies", "placements"),
    whole=True,
    habit="image",
    by_part=True,
)
def repeated_labels(
    tables: Tables, *, min_edge: int = 200, max_alike: float = 0.1, min_segments: int = 4, min_share: float = 0.2
) -> Findings:
    """Two different images have the same labels, or several of them, pixel by pixel.

    Example:
        these labels are a copy of those of 0016E5_08109.png, to the pixel, and the two pictures differ

    The rule compares categories and pixels of whole annotations of different images. It leaves out what can be the same
    by chance or on purpose: boxes, filled images and labels with a short outline; copies of one image, saved again or
    not (split-leak and conflicting-duplicates judge these), or altered by Roboflow, by their names; and neighbouring
    frames or slices of one sequence, in which things may stand still (frame-order and frozen-labels judge these). If
    many images share their labels, as with a fixed stencil, or two pictures of each scene, only those are reported that
    lie on the edges of the other picture and not on those of their own, as displaced-labels counts them. It also
    compares single segments, by box, area and length of the outline: several that are on two or three images, and on no
    more, are no accident either, whatever their categories: a picture that was saved again, and labelled by another
    list.

    Why: an export loop that writes the last mask again, a tool that keeps the last image's labels, or a file copied
    under a wrong name. Nobody draws the same pixels twice.

    Remedy: look at which of the images the labels fit, and draw or restore those of the other.

    Options: `min_edge`: the least number of pixel edges of the outlines of segments that are no boxes. `max_alike`: the
    largest share of images that have another one's labels; where there are more, they are meant. `min_segments`,
    `min_share`: the least number of segments that two images share, and the least share of those of either.
    Defaults: in 41 openings of public datasets nothing is flagged.
    """
    is_shape, edges = free_outlines(tables)
    long = np.flatnonzero(edges >= min_edge)
    repeating = _repeated_shapes(tables, np.flatnonzero(is_shape))
    # Annotations with long outlines, whose keys are 0, before the shapes.
    columns = {name: np.concatenate([np.zeros_like(long), own]) for name, own in repeating.items()}
    columns["annotation"][: len(long)] = long
    tables, table = gather(tables, columns, {"annotation": "annotations"})
    annotations, is_long = tables.annotations, table["perimeter"] == 0
    rows, shapes = table["annotation"][is_long], table.take(~is_long)
    repeated = tables.measured["repeated_labels"]
    alike = (repeated["bits"] >= 0) & (repeated["bits"] <= MAX_DIFFERING_BITS)
    copied = repeated.take(np.isin(repeated["annotation"], rows) & ~alike)
    copied = copied.take(_are_different(tables, np.stack([copied["annotation"], copied["of"]], axis=1)))
    is_design = len(copied) > max(1, max_alike * len(rows))
    if is_design:
        copied = _misplaced(tables, copied)
    for row, other, bits in copied.lines("annotation", "of", "bits"):
        message = f"these labels are a copy of those of {_image_name(tables, other)}, to the pixel"
        yield RowFinding(f"{message}, and the two pictures differ" if bits >= 0 else message, annotation=row)
    if is_design:
        return
    repeated_pairs = set(zip(*(repeated[name].tolist() for name in ("annotation", "of")), strict=True))
    for row, other, n_shared, n_renamed in _shared_segments(tables, shapes, min_segments, min_share):
        if (row, other) not in repeated_pairs:
            n, name = annotations["n_segments"][row], _image_name(tables, other)
            message = f"{n_shared} of {n} segments are copies of those of {name}"
            renamed = f", {n_renamed} of them under another category" if n_renamed else ""
            yield RowFinding(message + renamed, annotation=row)


def _misplaced(tables: Tables, copied: Table) -> Table:
    """The copied annotations that lie on the picture of the other one, and not on their own."""
    lies = tables.measured["placements"]
    lies = lies.take(lies["change"] == ELSEWHERE)
    lies = lies.take(lies["score"] >= np.maximum(_MIN_SCORE, _MIN_RATIO * lies["own"]))
    pairs = set(lies.lines("annotation", "other"))
    return copied.take(np.array([pair in pairs for pair in copied.lines("annotation", "of")], bool))


def _image_name(tables: Tables, annotation: int) -> str:
    return str(tables.images["image_id"][tables.annotations["image"][annotation]])


def _repeated_shapes(tables: Tables, rows: Ints) -> dict[str, Ints]:
    """The annotations and shapes of some segments, of those whose shape occurs again; of a hash of it perhaps.

    If the dataset is in parts, only the hash of each shape travels, and the shapes of those that several annotations
    have.
    """
    segments = tables.segments
    rows = rows[segments["perimeter"][rows] >= _MIN_OUTLINE]
    key, kept = shape_keys(segments, _SHAPE, rows), np.arange(len(rows))
    if tables.turn is None:
        kept = _shared_by_few(key, segments["annotation"][rows])
    for bits in (32, 64) if tables.turn is not None else ():  # half of the hash sorts out most
        short = key[kept] >> (64 - bits)
        _, first = joint_codes(short, segments["annotation"][rows[kept]].astype(np.int64))
        shapes = sum_by(tables, {"key": short[first]}, {"n": np.ones(len(first), np.int64)}, least=2)
        kept = kept[np.isin(short, shapes["key"][shapes["n"] <= _MAX_SEGMENT_IMAGES] if bits == 64 else shapes["key"])]
    return {name: segments[name][rows[kept]].astype(np.int64) for name in ("annotation", "category_id", *_SHAPE)}


def _shared_by_few(key: Ints, owner: Ints) -> Ints:
    """The rows, ascending, of the keys (n,) that two to `_MAX_SEGMENT_IMAGES` owners (n,) have."""
    order = np.flatnonzero(occur_often(key, 2))  # most keys occur once
    order = order[np.lexsort((owner[order], key[order]))]
    key, owner = key[order], owner[order]
    is_new_key = np.diff(key, prepend=key[:1] - 1) != 0
    is_new_owner = is_new_key | (np.diff(owner, prepend=owner[:1]) != 0)
    group = np.cumsum(is_new_key) - 1
    n_owners = np.bincount(group[is_new_owner])
    return np.sort(order[((n_owners > 1) & (n_owners <= _MAX_SEGMENT_IMAGES))[group]])


def _shared_segments(
    tables: Tables, shapes: Table, min_segments: int, min_share: float
) -> Iterator[tuple[int, int, int, int]]:
    """Annotations, an earlier one, how many shapes they share that few images have, how many in other categories."""
    annotations = tables.annotations
    if len(shapes) == 0:
        return
    key, _ = joint_codes(*(shapes[name] for name in _SHAPE))
    # One annotation counts once for each shape: copies within it are SEG104.
    _, first = joint_codes(key, shapes["annotation"])
    shape, owner, category = key[first], shapes["annotation"][first], shapes["category_id"][first]
    _, annotator = number_names(annotations.texts("annotator"))
    several = np.bincount(shape)[shape]
    kept = (several > 1) & (several <= _MAX_SEGMENT_IMAGES)
    shape, owner, category = shape[kept], owner[kept], category[kept]
    after = np.flatnonzero(shape[1:] == shape[:-1]) + 1
    pairs, pair, count = np.unique(
        np.stack([owner[after], owner[after - 1]], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    n_renamed = np.bincount(pair.ravel(), category[after] != category[after - 1], len(pairs)).astype(np.int64)
    n = annotations["n_segments"]
    few = np.minimum(n[pairs[:, 0]], n[pairs[:, 1]])
    is_copied = (
        (count >= min_segments) & (count >= min_share * few) & (annotator[pairs[:, 0]] == annotator[pairs[:, 1]])
    )
    is_copied &= annotations["image"][pairs[:, 0]] != annotations["image"][pairs[:, 1]]
    pairs, count, n_renamed = pairs[is_copied], count[is_copied], n_renamed[is_copied]
    if len(pairs) == 0:
        return
    images = annotations["image"][pairs]
    # two copies of one are alike
    picture = linked_groups(len(tables.images), tables.alike["image"], tables.alike["of"])
    alike = picture[images[:, 0]] == picture[images[:, 1]]
    left_out = alike | _are_equal(SequenceIndex.from_tables(tables).sequence[pairs]) | _are_copies(tables, images)
    for (row, other), *counts in zip(
        *(column[~left_out].tolist() for column in (pairs, count, n_renamed)), strict=True
    ):
        yield row, other, *counts


def _are_different(tables: Tables, pairs: Ints) -> Flags:
    """(n,) whether two annotations (n, 2) are of different images that are no neighbours in a sequence."""
    index = SequenceIndex.from_tables(tables)
    neighbours = _are_equal(index.sequence[pairs])
    for k in np.flatnonzero(neighbours).tolist():
        place, before = index.place[pairs[k]].tolist()
        between = index.sequences[index.sequence[pairs[k, 0]]].annotation[before : place + 1]
        codes = {tables.annotations.cell("imprint", row) for row in between.tolist()}
        neighbours[k] = len(codes) == 1
    return np.asarray(~_are_copies(tables, tables.annotations["image"][pairs]) & ~neighbours, bool)


def _are_copies(tables: Tables, images: Ints) -> Flags:
    """(n,) whether the files of two images (n, 2) have the same bytes, or are copies of one picture by their names."""
    pictures = [picture_of_copy(name) for name in tables.images["image_id"][images.ravel()].tolist()]
    same_picture = [
        image is not None and image == other for image, other in zip(pictures[::2], pictures[1::2], strict=True)
    ]
    same_bytes = _are_equal(number_names(tables.images.texts("content"))[1][images])
    return np.asarray(same_bytes | np.array(same_picture, bool), bool)


def _are_equal(pairs: Ints) -> Flags:
    """(n,) whether two numbers (n, 2) are the same; those below 0 are unknown."""
    return np.asarray((pairs[:, 0] == pairs[:, 1]) & (pairs[:, 0] >= 0), bool)
