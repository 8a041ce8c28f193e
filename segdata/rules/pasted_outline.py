"""SEG133 pasted-outline: objects have the same outline, in one image or in many."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from segdata.core.errors import count_noun, list_names
from segdata.core.finding import RowFinding, Severity
from segdata.core.reductions import gather_each, name_keys, sum_by, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints, unique_inverse
from segdata.core.strata import image_splits, independent_units, is_example, joint_codes
from segdata.core.table import Column, Table
from segdata.rules.shared import free_outlines, goes_in_and_out, occur_often, segments_finding, shape_keys

_OUTLINE = ("width", "height", "area", "perimeter")
_MIN_LEAD = 4  # times as many images as have the third most frequent outline: augmented copies repeat every outline
_MAX_DISC_ERROR = 0.03  # of a disc's area; a circle in whole pixels, or of 30 vertices, is off by less
_SHAPE = ("annotation", "category_id", "width", "height", "area", "perimeter")
_MIN_OVER_CHANCE = 10  # times as many segments have an outline of another split as would have one by chance
_OFFSETS = (0, 1, -1, 2, -2)  # pixels by which the area is changed to measure chance
_MAX_SAMPLE = 20_000  # outlines by which chance is measured


@rule(
    "SEG133",
    "pasted-outline",
    severity="info",
    needs=("shapes",),
    tasks=("instance", "panoptic"),
    whole=True,
    by_part=True,
)
def pasted_outline(
    tables: Tables, *, min_segments: int = 4, min_outline: int = 60, max_share: float = 0.25, min_images: int = 8
) -> Findings:
    """Several objects have the same outline, in one image at different places, or in many images.

    Example:
        12 segments have one outline, 31 x 27 px and 640 px, at other places: was it pasted?
        23 segments in 17 images have one outline, 32 x 32 px and 1,024 px: was it a tool's default?
        9 segments of val (b.jpg, …) have the very outlines of segments of train (a.jpg, …), at other places

    The rule compares category, width, height, area and length of the outline, of segments that are no boxes. It leaves
    out small shapes, which are alike by chance, discs of several sizes in one image, which a circle tool draws around
    round things, and datasets in which many images have such segments: discs around points, say, or drawn scenes.
    Segments in the same place are those of duplicate-segment.

    It is a warning if the outline goes in and out, since nobody draws the same pixels twice. Boxes, discs and other
    convex outlines are infos: a tool draws them, and things of one make are alike.

    A segment of one split that has the outline of one of another split, at another place, was pasted there, or its
    picture was mirrored, moved or cut before the dataset was divided. You get one finding if there are at least
    `min_segments` of them, and ten times as many as match by chance, which the rule counts with a pixel or two more or
    fewer. Boxes and discs do not count, nor do outlines shorter than twice `min_outline`.

    Over all images, the rule compares boxes as well. An outline stands out if it is in many images (frames of one
    sequence are one), in far more than the third most frequent one of its length, unless most objects are labelled
    with it.

    Why: an annotator copied one object and pasted it on the others, or clicked and left the square or disc that the
    tool puts there. The labels say where objects are, but not their shape.

    Remedy: draw the outlines of these objects.

    Options: `min_segments`: the least number of segments of one outline. `min_outline`: the least length of the
    outline, in pixel edges. `max_share`: the largest share of images that have such segments, of those with that many
    objects (one may always be), and of all segments that have one outline. `min_images`: the least number of images
    with one outline.
    Defaults: written before the rule was tried; in 42 openings of public datasets nothing is flagged.
    """
    yield from _pasted_outlines(tables, min_segments, min_outline, max_share)
    twins = _twins(tables, 2 * min_outline)
    rows = [_default_outlines(tables, min_outline, min_images, max_share), twins.columns]
    tables, (defaults, of_splits) = gather_each(tables, rows, {"image": "images"})
    yield from _default_findings(tables, defaults)
    most = max_share * twins.n
    yield from _outlines_of_two_splits(tables, of_splits, max(min_segments, _MIN_OVER_CHANCE * twins.by_chance), most)


def _pasted_outlines(tables: Tables, min_segments: int, min_outline: int, max_share: float) -> Iterator[RowFinding]:
    """A finding for each outline that several objects of one image have, at other places."""
    is_shape, _ = free_outlines(tables)
    rows = np.flatnonzero(is_example(tables, crowds=False) & is_shape & ~_discs_of_several_sizes(tables.segments))
    rows = rows[tables.segments["perimeter"][rows] >= min_outline]
    judged, count = np.unique(tables.segments["annotation"][rows], return_counts=True)
    judged = judged[count >= min_segments]
    rows = rows[occur_often(shape_keys(tables.segments, _SHAPE, rows), min_segments)]
    segments = tables.segments.take(rows)
    key, _ = joint_codes(*(segments[name].astype(np.int64) for name in _SHAPE))
    _, apart = joint_codes(key, segments["x"].astype(np.int64), segments["y"].astype(np.int64))
    n_places = np.bincount(key[apart], minlength=int(key.max(initial=-1)) + 1)
    pasted = n_places[key] >= min_segments
    flagged = np.isin(judged, segments["annotation"][pasted])
    none = np.zeros(len(judged), np.int64)
    sums = sum_by(tables, {"all": none}, {"n": np.ones(len(judged), np.int64), "flagged": flagged})
    if not len(sums) or sums["flagged"][0] > max(1, max_share * sums["n"][0]):
        return
    for shape in np.unique(key[pasted]).tolist():
        group = np.flatnonzero(key == shape)
        width, height, area = (int(segments[name][group[0]]) for name in ("width", "height", "area"))
        message = (
            f"{len(group)} segments have one outline, {width} x {height} px and {area:,} px, at other places: "
            "was it pasted?"
        )
        category = tables.profile.name_of(int(segments["category_id"][group[0]]))
        yield segments_finding(tables, message, rows[group], category, _severity_of(segments.take(group[:1])))


def _are_discs(segments: Table) -> Flags:
    """(n_segments,) which segments are discs, as a circle tool draws them."""
    width, height, area = (segments[name].astype(np.int64) for name in ("width", "height", "area"))
    is_convex = segments["perimeter"] == 2 * (width + height)
    is_round = abs(area - np.pi / 4 * width * height) <= _MAX_DISC_ERROR * area
    return np.asarray((width == height) & is_convex & is_round, bool)


def _discs_of_several_sizes(segments: Table) -> Flags:
    """(n_segments,) which segments are discs in an annotation whose discs differ in size."""
    discs = np.flatnonzero(_are_discs(segments))
    owner = segments["annotation"][discs]
    _, first = joint_codes(owner.astype(np.int64), segments["width"][discs].astype(np.int64))
    n_sizes = np.bincount(owner[first], minlength=int(owner.max(initial=-1)) + 1)
    several = np.zeros(len(segments), bool)
    several[discs] = n_sizes[owner] > 1
    return several


def _default_outlines(tables: Tables, min_outline: int, min_images: int, max_share: float) -> dict[str, Column]:
    """The segments with an outline that far more images have than have any usual one."""
    rows = np.flatnonzero(is_example(tables, crowds=False) & (tables.segments["perimeter"] >= min_outline))
    n_all = total(tables, n=len(rows))["n"]
    key = shape_keys(tables.segments, _OUTLINE, rows)
    if tables.turn is None:
        again = occur_often(key, 3)
        rows, key = rows[again], key[again]
    units = independent_units(tables)[tables.segments["image"][rows]]
    is_first = np.zeros(len(rows), bool)
    is_first[joint_codes(key, units)[1]] = True
    edges, one = tables.segments["perimeter"][rows].astype(np.int64), np.ones(len(rows), np.int64)
    shapes = sum_by(tables, {"key": key, "edges": edges}, {"images": is_first, "n": one}, least=3)
    stands_out = (shapes["images"] >= min_images) & (shapes["n"] <= max_share * n_all)
    stands_out &= shapes["images"] >= _MIN_LEAD * _third_most(shapes["images"], shapes["edges"])
    kept = np.isin(key, shapes["key"][stands_out])
    chosen = {name: tables.segments[name][rows[kept]].astype(np.int64) for name in ("image", *_OUTLINE)}
    return {"key": key[kept], **chosen}


def _default_findings(tables: Tables, defaults: Table) -> Iterator[RowFinding]:
    """A finding for each outline of many images."""
    for code in np.unique(defaults["key"]).tolist():
        group = defaults.take(defaults["key"] == code)
        images: Ints = np.unique(group["image"])
        names = list_names(tables.images["image_id"][images].tolist())
        width, height, area = (int(group[name][0]) for name in ("width", "height", "area"))
        yield RowFinding(
            f"{len(group):,} segments in {count_noun(len(images), 'image')} ({names}) "
            f"have one outline, {width} x {height} px and {area:,} px: was it a tool's default?",
            pixels=area * len(group),
            severity=_severity_of(group),
        )


class _Twins(NamedTuple):
    """Segments of one outline, in datasets of several splits."""

    columns: dict[str, Column]  # key of the outline and of the split, x, y, image
    n: int  # segments that were compared
    by_chance: float  # segments that would have the outline of another if they had a pixel or two more, or fewer


def _twins(tables: Tables, min_outline: int) -> _Twins:
    """The segments whose outline, no box and no disc, is that of another segment."""
    split = name_keys(pa.array(image_splits(tables), pa.string()))
    rows = np.zeros(0, np.int64)
    if len(sum_by(tables, {"split": split[split >= 0]}, {})) > 1:
        is_shape, _ = free_outlines(tables)
        is_judged = is_example(tables, crowds=False) & is_shape & ~_are_discs(tables.segments)
        rows = np.flatnonzero(is_judged & (tables.segments["perimeter"] >= min_outline))
        rows = rows[split[tables.segments["image"][rows]] >= 0]
    own = tables.segments.take(rows)
    area = own["area"].astype(np.int64)
    key, *beside = (shape_keys(own.beside(area=area + more), _SHAPE[1:], np.arange(len(rows))) for more in _OFFSETS)
    n = total(tables, n=len(rows))["n"]
    share = n // _MAX_SAMPLE + 1
    sampled = [keys[keys % share == 0] for keys in (key, np.concatenate(beside))]
    is_true = np.repeat([1, 0], [len(keys) for keys in sampled])
    sums = sum_by(tables, {"key": np.concatenate(sampled)}, {"n": is_true, "beside": 1 - is_true}, least=1)
    again = sum_by(tables, {"key": key}, {"n": np.ones(len(rows), np.int64)}, least=2)["key"]
    kept = np.isin(key, again)
    columns: dict[str, Column] = {name: own[name][kept].astype(np.int64) for name in ("x", "y", "image")}
    columns |= {"key": key[kept], "split": split[own["image"][kept]]}
    return _Twins(columns, n, share * int(sums["beside"].sum()) / len(beside))


def _outlines_of_two_splits(tables: Tables, twins: Table, least: float, most: float) -> Iterator[RowFinding]:
    """A finding for two splits of which at least `least` segments have the same outlines, at other places."""
    if len(twins) == 0:
        return
    split_of = image_splits(tables)
    key = name_keys(pa.array(split_of, pa.string()))
    splits, n_images = np.unique(key[key >= 0], return_counts=True)
    rank = np.argsort(np.argsort(n_images, kind="stable"))  # of each split, the smallest first
    place, (_, outline) = rank[np.searchsorted(splits, twins["split"])], unique_inverse(twins["key"])
    first, last = (_first_of_each(outline, by) for by in (place, -place))  # of the smallest split, and of the largest
    is_pair = (place[first] < place[last]) & np.logical_or(*(twins[axis][first] != twins[axis][last] for axis in "xy"))
    first, last = first[is_pair], last[is_pair]
    for pair in Table({"one": place[first], "other": place[last]}).groups("one", "other"):
        if not least <= len(pair) <= most:
            continue
        images = np.stack([twins["image"][first[pair]], twins["image"][last[pair]]], axis=1)
        one, other = split_of[images[0]]
        names = [list_names(tables.images["image_id"][np.unique(images[:, side])].tolist()) for side in (0, 1)]
        yield RowFinding(
            f"{len(pair):,} segments of {one!r} ({names[0]}) have the very outlines of segments of "
            f"{other!r} ({names[1]}), at other places: were objects pasted, or pictures altered before they were "
            "divided?",
            severity="warning",
        )


def _first_of_each(group: Ints, by: Ints) -> Ints:
    """The row of each group (n,) with the least of `by` (n,), the first one of several."""
    order = np.lexsort((by, group))
    return order[np.flatnonzero(np.diff(group[order], prepend=-1))]


def _severity_of(shapes: Table) -> Severity | None:
    return "warning" if goes_in_and_out(shapes)[0] else None


def _third_most(images: Ints, edges: Ints) -> Ints:
    """(n,) the third highest number of images among outlines at least half as long; 0 where there are fewer than three.

    Small outlines are the same by chance more often, so they are compared with their like and longer ones.
    """
    order = np.argsort(-edges)
    rest = images[order]
    for _ in range(2):  # what the highest number so far leaves to the next place
        rest = np.minimum(rest, np.append(0, np.maximum.accumulate(rest)[:-1]))
    n_longer = np.searchsorted(-2 * edges[order], -edges, side="right")
    return np.asarray(np.maximum.accumulate(rest)[n_longer - 1])
