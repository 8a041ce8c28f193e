"""SEG315 repeated-labels: two different images have the same labels, pixel by pixel."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding, Severity
from segdata.core.profile import has_sequences
from segdata.core.reductions import gather_each, leading, name_keys, sum_by, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats, Ints, positions_in
from segdata.core.statistics import linked_groups
from segdata.core.strata import independent_units, joint_codes, number_names
from segdata.core.table import Table
from segdata.measure.placements import ELSEWHERE
from segdata.measure.sequences import SequenceIndex
from segdata.measure.tables.duplicates import MAX_DIFFERING_BITS
from segdata.rules.shared import (
    SUM_COLUMNS,
    free_outlines,
    goes_in_and_out,
    occur_often,
    picture_of_copy,
    shape_keys,
)

_MIN_OUTLINE = 30  # pixel edges: small shapes are equal by chance
_SHAPE = ("x", "y", "width", "height", "area", "perimeter")
_MIN_SCORE, _MIN_RATIO = 12.0, 3.0  # of labels on another picture, as in displaced-labels
_MAX_SEGMENT_IMAGES = 3  # that have a segment; one that more have is a stencil
_UNIT = 97.31  # parts of a pixel, the unit of turnable boxes: no decimal is half of it, which would round both ways
_NEAR = 2  # such parts
_MIN_TURNED = 0.6  # of the segments of both images
_MIN_PIXELS = 20  # of a part: smaller ones are at one place by chance, unless most images have them
_MIN_IMAGES, _MIN_IMAGE_SHARE = 4, 0.1  # that have it, and of all that are labelled
_MIN_ALIKE = 0.9  # of the labelled images, where one image's labels were exported for all
_MIN_DOT_IMAGES, _MIN_DOT_SHARE = 6, 0.5  # the same for smaller ones
_MAX_PARTS = 30  # that many images have: with more the scene stands still
_MAX_SHARE = 0.25  # of the pixels of its segment, unless it is a rectangle
_MIN_SIDE = 4  # of such a rectangle
_TURNS = (
    "as they are", "mirrored left to right", "mirrored upside down", "turned by 180 degrees", "with x and y exchanged",
    "turned by 90 degrees clockwise", "turned by 90 degrees counterclockwise", "turned by 90 degrees and mirrored",
)  # fmt: skip


@rule(
    "SEG315",
    "repeated-labels",
    severity="info",
    needs=("imprints", "shapes", "parts", "copies", "placements", "outlines"),
    whole=True,
    habit="image",
    by_part=True,
)
def repeated_labels(
    tables: Tables, *, min_edge: int = 200, max_alike: float = 0.1, min_segments: int = 4, min_share: float = 0.2
) -> Findings:
    """Two different images have the same labels, or several of them, pixel by pixel; also mirrored or turned.

    Example:
        these labels are a copy of those of 0016E5_08109.png, to the pixel, and the two pictures differ
        24 of 31 segments are those of 000000318219.jpg, mirrored left to right

    The rule compares categories and pixels of whole annotations of different images. It leaves out what can be the same
    by chance or on purpose: boxes, filled images and labels with a short outline; copies of one image, saved again or
    not (split-leak and conflicting-duplicates judge these), or altered by Roboflow, by their names; and neighbouring
    frames or slices of one sequence, in which things may stand still (frame-order and frozen-labels judge these). If
    many images share their labels, as with a fixed stencil, or two pictures of each scene, only those are reported that
    lie on the edges of the other picture and not on those of their own, as displaced-labels counts them; and one info
    says so where nearly all images have the same min_segments labels or more. It also
    compares single segments, by box, area and length of the outline: several that are on two or three images, and on no
    more, are no accident either, whatever their categories: a picture that was saved again, and labelled by another
    list. Nor is it one that most labels of an image are those of another, mirrored or turned by 90 or 180 degrees.
    If many images have such labels, the dataset was augmented, and nothing is flagged.

    It is a warning for outlines that go in and out: at least min_edge pixel edges of them in all of the labels,
    min_segments of them among several, or labels that are turned. Boxes, discs and other convex outlines are infos,
    because markers of things that stand still are alike.

    A small part of segments that is in many images at one place, with the same box and number of pixels, is an info,
    too: a legend, a scale bar or a mark of a tool in the masks. Dots of fewer than 20 pixels count if half of all
    images, or volumes, have them; images with the same labels throughout are one there.

    Why: an export loop that writes the last mask again, a tool that keeps the last image's labels, or a file copied
    under a wrong name. Nobody draws the same pixels twice.

    Remedy: look at which of the images the labels fit, and draw or restore those of the other. If a picture is mirrored
    or turned as its labels are, it is a copy: keep both in one split.

    Options: `min_edge`: the least number of pixel edges of the outlines of segments that are no boxes. `max_alike`: the
    largest share of images that have another one's labels; where there are more, they are meant. `min_segments`,
    `min_share`: the least number of segments that two images share, and the least share of those of either.
    Defaults: in 41 openings of public datasets nothing is flagged.
    """
    yield from _repeated_parts(tables)
    is_shape, edges = free_outlines(tables)
    long = np.flatnonzero(edges >= min_edge)
    repeating = _repeated_shapes(tables, np.flatnonzero(is_shape))
    outlined = {"annotation": long, "perimeter": _winding_edges(tables, is_shape)[long]}
    kinds = (outlined, repeating, _turnable_shapes(tables, is_shape))
    tables, (whole, shapes, turnable) = gather_each(tables, kinds, {"annotation": "annotations"})
    annotations = tables.annotations
    rows, n_edges = whole["annotation"], dict(whole.lines("annotation", "perimeter"))  # of outlines in and out
    yield from _turned_labels(tables, turnable, max_alike, min_segments)
    repeated = tables.measured["repeated_labels"]
    alike = (repeated["bits"] >= 0) & (repeated["bits"] <= MAX_DIFFERING_BITS)
    copied = repeated.take(np.isin(repeated["annotation"], rows) & ~alike)
    copied = copied.take(_are_different(tables, np.stack([copied["annotation"], copied["of"]], axis=1)))
    is_design = len(copied) > max(1, max_alike * len(rows))
    if is_design:
        yield from _same_everywhere(tables, copied, min_segments)
        copied = _misplaced(tables, copied)
    for row, other, bits in copied.lines("annotation", "of", "bits"):
        message = f"these labels are a copy of those of {_image_name(tables, other)}, to the pixel"
        severity: Severity | None = "warning" if n_edges[row] >= min_edge or is_design else None
        message += ", and the two pictures differ" if bits >= 0 else ""
        yield RowFinding(message, annotation=row, severity=severity)
    if is_design:
        return
    repeated_pairs = set(zip(*(repeated[name].tolist() for name in ("annotation", "of")), strict=True))
    for row, other, n_shared, n_renamed, n_winding in _shared_segments(tables, shapes, min_segments, min_share):
        if (row, other) not in repeated_pairs:
            n, name = annotations["n_segments"][row], _image_name(tables, other)
            message = f"{n_shared} of {n} segments are copies of those of {name}"
            renamed = f", {n_renamed} of them under another category" if n_renamed else ""
            severity = "warning" if n_winding >= min_segments else None
            yield RowFinding(message + renamed, annotation=row, severity=severity)


def _same_everywhere(tables: Tables, copied: Table, min_segments: int) -> Findings:
    """One finding if nearly all labelled images have the labels of one, several segments each."""
    annotations = tables.annotations
    of = int(np.bincount(copied["of"]).argmax())
    n_alike, n = int((copied["of"] == of).sum()) + 1, int((annotations["n_segments"] > 0).sum())
    n_segments = int(annotations["n_segments"][of])
    if n_alike < max(_MIN_IMAGES, _MIN_ALIKE * n) or n_segments < min_segments:
        return
    yield RowFinding(
        f"{n_alike:,} of {n:,} labelled images have the same {n_segments:,} segments, those of "
        f"{_image_name(tables, of)}: is it a stencil, or were the labels of one image exported for all?",
        severity="info",
    )


def _winding_edges(tables: Tables, is_shape: Flags) -> Ints:
    """(n_annotations,) pixel edges of the outlines that go in and out."""
    segments = tables.segments
    rows = np.flatnonzero(is_shape & goes_in_and_out(segments))
    owner, edges = (segments[name][rows].astype(np.int64) for name in ("annotation", "perimeter"))
    return np.bincount(owner, edges, len(tables.annotations)).astype(np.int64)


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
    rows = rows[_recurring(tables, shape_keys(segments, _SHAPE, rows), segments["annotation"][rows])]
    return {name: segments[name][rows].astype(np.int64) for name in ("annotation", "category_id", *_SHAPE)}


def _turnable_shapes(tables: Tables, is_shape: Flags) -> dict[str, Ints]:
    """Like `_repeated_shapes`, where a shape may be mirrored and turned; boxes are in parts of a pixel (`_UNIT`).

    Polygons are compared by points, as `area`, and length, since their pixels are others when they are mirrored.
    """
    segments, outlines = tables.segments, tables.outlines
    is_raster = is_shape & (segments["perimeter"] >= _MIN_OUTLINE)
    is_raster[outlines["segment"]] = False
    masks = np.flatnonzero(is_raster)
    rings = np.flatnonzero(is_shape[outlines["segment"]] & (outlines["around"] >= _MIN_OUTLINE))
    drawn = outlines["segment"][rings]
    row = np.concatenate([masks, drawn])
    width, height = (segments[name][masks].astype(np.int64) for name in ("width", "height"))
    sizes: dict[str, Ints] = {  # which no turn changes
        "category_id": segments["category_id"][row],
        "area": np.concatenate([segments["area"][masks], outlines["vertices"][rings]]),
        "perimeter": _in_parts(segments["perimeter"][masks], outlines["around"][rings]),
        "box": np.append(((width + height) << 40) + width * height, np.zeros(len(rings), np.int64)),
    }
    kept = _recurring(tables, shape_keys(Table(sizes), sizes, np.arange(len(row))), segments["annotation"][row])
    n = np.searchsorted(kept, len(masks))
    masks, rings = masks[kept[:n]], rings[kept[n:] - len(masks)]
    left, top = outlines["left"][rings], outlines["top"][rings]
    columns = {name: column[kept].astype(np.int64) for name, column in sizes.items() if name != "box"}
    columns["annotation"] = segments["annotation"][row[kept]].astype(np.int64)
    for name, ring in (
        ("x", left), ("y", top), ("width", outlines["right"][rings] - left), ("height", outlines["bottom"][rings] - top)
    ):  # fmt: skip
        columns[name] = _in_parts(segments[name][masks], ring)
    return columns


def _in_parts(pixels: Ints, of_rings: Floats) -> Ints:
    """Lengths of masks and of rings, one behind the other, in parts of a pixel."""
    return np.rint(_UNIT * np.concatenate([pixels, of_rings])).astype(np.int64)


def _recurring(tables: Tables, key: Ints, owner: Ints) -> Ints:
    """The rows, ascending, whose key (n,) two to `_MAX_SEGMENT_IMAGES` owners (n,) have; of a hash of it perhaps."""
    if tables.turn is None:
        return _shared_by_few(key, owner)
    kept = np.arange(len(key))
    for bits in (32, 64):  # half of the hash sorts out most
        short = key[kept] >> (64 - bits)
        _, first = joint_codes(short, owner[kept].astype(np.int64))
        shapes = sum_by(tables, {"key": short[first]}, {"n": np.ones(len(first), np.int64)}, least=2)
        kept = kept[np.isin(short, shapes["key"][shapes["n"] <= _MAX_SEGMENT_IMAGES] if bits == 64 else shapes["key"])]
    return kept


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
) -> Iterator[tuple[int, int, int, int, int]]:
    """Annotations, an earlier one, how many shapes they share that few images have, in other categories, in and out."""
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
    is_winding = goes_in_and_out(shapes)[first][kept]
    n_renamed, n_winding = (
        np.bincount(pair.ravel(), flags, len(pairs)).astype(np.int64)
        for flags in (category[after] != category[after - 1], is_winding[after])
    )
    n = annotations["n_segments"]
    few = np.minimum(n[pairs[:, 0]], n[pairs[:, 1]])
    is_copied = (
        (count >= min_segments) & (count >= min_share * few) & (annotator[pairs[:, 0]] == annotator[pairs[:, 1]])
    )
    pairs, count, n_renamed, n_winding = (column[is_copied] for column in (pairs, count, n_renamed, n_winding))
    other = _are_of_other_pictures(tables, pairs)
    columns = (column[other].tolist() for column in (pairs, count, n_renamed, n_winding))
    for (row, of), *counts in zip(*columns, strict=True):
        yield row, of, *counts


def _are_of_other_pictures(tables: Tables, pairs: Ints) -> Flags:
    """(n,) whether two annotations (n, 2) are of images that are neither one picture nor of one sequence."""
    if len(pairs) == 0:
        return np.zeros(0, bool)
    images = tables.annotations["image"][pairs]
    # two copies of one are alike
    picture = linked_groups(len(tables.images), tables.alike["image"], tables.alike["of"])
    same = picture[images[:, 0]] == picture[images[:, 1]]
    same |= _are_equal(SequenceIndex.from_tables(tables).sequence[pairs]) | _are_copies(tables, images)
    return np.asarray(~same & (images[:, 0] != images[:, 1]), bool)


def _turned_labels(tables: Tables, shapes: Table, max_alike: float, min_segments: int) -> Iterator[RowFinding]:
    """A finding for each annotation of which most segments are those of an earlier one, turned in one way."""
    annotations = tables.annotations
    if len(shapes) == 0:
        return
    shorter, longer = (choose(shapes["width"], shapes["height"]) for choose in (np.minimum, np.maximum))
    key, _ = joint_codes(shapes["category_id"], shapes["area"], shapes["perimeter"], shorter, longer)
    _, first = joint_codes(key, shapes["annotation"])
    first = first[np.bincount(key[first])[key[first]] <= _MAX_SEGMENT_IMAGES]
    after = np.flatnonzero(key[first][1:] == key[first][:-1]) + 1
    rows, of = first[after], first[after - 1]
    fits = _fitting_turns(annotations, tables.images, shapes, rows, of)
    pairs, place = np.unique(
        np.stack([shapes["annotation"][rows], shapes["annotation"][of]], axis=1), axis=0, return_inverse=True
    )
    count = np.stack([np.bincount(place.ravel(), fit, len(pairs)) for fit in fits]).astype(np.int64)
    turn = count.argmax(axis=0)
    n_shared = count.max(axis=0, initial=0)
    _, annotator = number_names(annotations.texts("annotator"))
    is_turned = (turn > 0) & (n_shared >= min_segments)
    is_turned &= n_shared >= _MIN_TURNED * annotations["n_segments"][pairs].max(axis=1)
    is_turned &= annotator[pairs[:, 0]] == annotator[pairs[:, 1]]
    turned = np.flatnonzero(is_turned)
    turned = turned[_are_of_other_pictures(tables, pairs[turned])]
    if len(turned) > max(1, max_alike * len(annotations)):
        return
    for k in turned.tolist():
        row, other = pairs[k].tolist()
        n, name = annotations["n_segments"][row], _image_name(tables, other)
        message = f"{n_shared[k]} of {n} segments are those of {name}, {_TURNS[turn[k]]}"
        yield RowFinding(message, annotation=row, severity="warning")


def _fitting_turns(annotations: Table, images: Table, shapes: Table, rows: Ints, of: Ints) -> list[Flags]:
    """For each of `_TURNS`: (n,) whether the shapes `of`, turned with their images, are in the places of `rows`."""
    names = ("x", "y", "width", "height")
    box, source = ([shapes[name][own] for name in names] for own in (rows, of))
    sides, source_sides = (
        [
            np.rint(_UNIT * images[name][annotations["image"][shapes["annotation"][own]]]).astype(np.int64)
            for name in ("width", "height")
        ]
        for own in (rows, of)
    )
    fits = []
    for turn in range(len(_TURNS)):
        is_exchanged, is_upside_down, is_mirrored = turn & 4, turn & 2, turn & 1
        x, y, width, height = (source[k] for k in ((1, 0, 3, 2) if is_exchanged else range(4)))
        x = sides[0] - x - width if is_mirrored else x
        y = sides[1] - y - height if is_upside_down else y
        away = [x - box[0], y - box[1], width - box[2], height - box[3]]
        away += [mine - other for mine, other in zip(sides, source_sides[:: -1 if is_exchanged else 1], strict=True)]
        fits.append(np.asarray(np.abs(np.stack(away)).max(axis=0, initial=0) <= _NEAR, bool))
    return fits


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


def _repeated_parts(tables: Tables) -> Findings:
    """One finding if small parts of segments are in many images, at one place, with the same box and pixels."""
    marks, units = _small_parts(tables), independent_units(tables)
    if tables.turn is None:  # few parts are repeated at all
        marks = marks.take(occur_often(shape_keys(marks, SUM_COLUMNS[2:], np.arange(len(marks))), _MIN_IMAGES))
    keys = {name: marks[name].astype(np.int64) for name in (*SUM_COLUMNS[2:], "category")}
    is_first = np.zeros(len(marks), bool)
    is_first[joint_codes(*keys.values(), units[marks["image"]])[1]] = True
    repeated = sum_by(tables, keys, {"images": is_first}, least=_MIN_IMAGES)
    n_images = total(tables, n=int(np.count_nonzero(np.bincount(units[tables.segments["image"]]))))["n"]

    def usual(counted: Table) -> Table:
        least_of_dots, least = max(_MIN_DOT_IMAGES, _MIN_DOT_SHARE * n_images), _MIN_IMAGE_SHARE * n_images
        return counted.take(counted["images"] >= np.where(counted["area"] < _MIN_PIXELS, least_of_dots, least))

    repeated = usual(repeated)
    repeated = usual(repeated.beside(images=np.minimum(repeated["images"], _drawings(tables, marks, repeated))))
    if leading(tables) is None or not 0 < len(repeated) <= _MAX_PARTS:
        return
    largest = repeated.take(np.argsort(-repeated["area"], kind="stable")[:1])
    (area, x, y, width, height, category, images) = next(largest.lines(*SUM_COLUMNS[2:], "category", "images"))
    noun = "images and sequences" if has_sequences(tables.profile) else "images"
    n_more = len(repeated) - 1
    more = f", and so {'is' if n_more == 1 else 'are'} {count_noun(n_more, 'more part')}" if n_more else ""
    yield RowFinding(
        f"a part of {area:,} px, {width} x {height} px at x = {x}, y = {y}, is in {images:,} of {n_images:,} {noun}, "
        f"pixel by pixel{more}: was a legend, a scale bar or another mark labelled with the scene?",
        category=tables.profile.name_of(category),
        pixels=int((repeated["area"] * repeated["images"]).sum()),
        severity="info",
    )


def _drawings(tables: Tables, marks: Table, repeated: Table) -> Ints:
    """(r,) in how many drawings each dot is; of other parts, in how many images.

    Images of one unit, and images with the same labels throughout, as of a stencil, are one drawing.
    """
    n, drawings = len(repeated), repeated["images"].copy()
    columns = (*SUM_COLUMNS[2:], "category")
    code, _ = joint_codes(*(np.concatenate([repeated[name], marks[name]]).astype(np.int64) for name in columns))
    which = positions_in(code[:n], int(code.max(initial=-1)) + 1)[code[n:]]
    is_dot = repeated["area"] < _MIN_PIXELS
    dots = np.flatnonzero((which >= 0) & np.append(is_dot, False)[which])
    images = tables.images.take(marks["image"][dots]).lines("group", "sequence", "image_id")
    units = pa.array([group or sequence or image for group, sequence, image in images], pa.string())
    labels = tables.annotations.texts("imprint").take(pa.array(marks["annotation"][dots]))
    found = sum_by(tables, {"dot": which[dots], "unit": name_keys(units), "labels": name_keys(labels)}, {})
    if not len(found):
        return drawings
    unit, first = joint_codes(found["dot"], found["unit"])
    drawing = linked_groups(len(first) + len(found), unit, len(first) + joint_codes(found["dot"], found["labels"])[0])
    of_dot = found["dot"][joint_codes(found["dot"], drawing[unit])[1]]
    drawings[is_dot] = np.bincount(of_dot, minlength=n)[is_dot]
    return drawings


def _small_parts(tables: Tables) -> Table:
    """What may be a mark: parts of segments and whole ones, off the frame.

    Columns: area and box, category, annotation and image.
    """
    parts, segments, images = tables.parts, tables.segments, tables.images
    of_mark = parts["area"] <= _MAX_SHARE * segments["area"][parts["segment"]]
    of_mark |= (parts["area"] == parts["width"] * parts["height"]) & (
        np.minimum(parts["width"], parts["height"]) >= _MIN_SIDE
    )
    of_mark |= parts["area"] < _MIN_PIXELS
    # Parts at the frame are borders of a camera, or the car that it is mounted on.
    parts = parts.take(of_mark & (parts["cut"] == 0) & ~segments["iscrowd"][parts["segment"]])
    is_dot = (segments["parts"] == 1) & (segments["area"] < _MIN_PIXELS) & ~segments["iscrowd"]
    for start, size in (("x", "width"), ("y", "height")):
        end = segments[start] + segments[size]
        is_dot &= (segments[start] > 0) & (end < images[size][segments["image"]])
    dots = np.flatnonzero(is_dot)
    owner = np.concatenate([parts["segment"], dots])
    columns = {name: np.concatenate([parts[name], segments[name][dots]]) for name in SUM_COLUMNS[2:]}
    columns |= {name: segments[name][owner] for name in ("annotation", "image")}
    return Table({**columns, "category": segments["category_id"][owner]})
