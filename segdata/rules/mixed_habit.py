"""SEG319 mixed-habit: some images are labelled in another way than the others, as counts of a feature tell."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats, Ints, unique_inverse
from segdata.core.statistics import effective_number
from segdata.core.strata import image_splits, independent_units, is_example, joint_codes, number_names
from segdata.core.table import Column, Table
from segdata.rules.shared import image_names, is_thing, join_first, separating_column

_MIN_POINTS = 8  # of an outline: those with fewer are often convex
_LOW = 0.1  # quantile of images that have something: how few of it an image may have by itself
_BETWEEN = 0.25  # of what an image would have by its categories: fewer are neither all nor nothing
_MIN_IMAGES, _MIN_SEGMENTS = 10, 50  # of either part of a list whose numbers move
_MIN_SHARED, _MIN_GAIN, _MIN_MIXED = 0.65, 0.2, 4.0  # of a shift: how alike mixes are, how much more, of how many
_MAX_CUTS = 200  # places at which a list is cut in two
_MIN_MIXED_IMAGES = 0.5  # of the other images, with several segments: those with several categories
_MIN_ALIKE = 0.5  # how alike the mixes of the halves of a part are at least
_MIN_OTHERS = 3.0  # categories, by their effective number, in the part that has several
_FEATURES = {  # of segments: what none has, and what many others have
    "dents": ("all {n} outlines are convex, as those of hulls, ellipses and boxes", "are not"),
    "cuts": ("none of {n} objects reaches the border of its image", "do"),
    "parts": ("none of {n} segments has a second part", "do"),
    "holes": ("none of {n} segments has a hole", "do"),
}


@rule("SEG319", "mixed-habit", severity="info", needs=("outlines", "shapes"), whole=True, by_part=True)
def mixed_habit(
    tables: Tables, *, min_images: int = 5, min_expected: float = 6.0, max_between: float = 0.2
) -> Findings:
    """No segment of some images has what many have in the others, or numbers of categories move there by one.

    Example:
        in 20 of 40 images (b.png, d.png, f.png, …) none of 2,080 objects reaches the border of its image; 214 of 2,490
            in the others do
        the categories from 000026.jpg on occur as often as those of the other images if their numbers are one lower
            (bicycle for person, chair for bench): was the list numbered otherwise there? (warning)

    Four things are counted in each image: outlines of eight points or more that are not convex, objects that touch the
    image's border, segments with several parts, and segments with holes. From the shares that the categories have in
    the images with some, the rule expects a number for each other image; it then takes the tenth of them that have
    fewest as the measure. An image counts if `min_expected` are expected by that measure and none is there. You get one
    finding if there are `min_images` of these, as many of the others, and hardly any image that has a quarter or less
    of what is expected: then the scene is not the cause. Images of one sequence or group count as one. If annotators,
    folders or months go with it, the finding says so.

    In instances, numbers of categories are told by which occur. The mix of categories of a split, or from some image of
    the list on, is like that of the other images if numbers are moved by one, and otherwise not, while both parts are
    alike within; where images are listed by what they show, nothing is said. Or all segments from some image on are of
    one category, where most images before have several.

    Why: some images were labelled in another way, or went through another program: with hulls or ellipses in place of
    outlines, without the objects that the border cuts, with the largest part of each object alone, with holes filled,
    under the numbers of another list. Your model learns both at random.

    Remedy: look at an image of either kind. Label one of them again, or write into the guideline what both may do.

    Options: `min_images`: fewer images tell nothing. `min_expected`: how many segments with it must be expected in an
    image without; at 6 one image in 400 has none by chance. `max_between`: images in between, as a share of those
    without.
    Defaults: set before the rule was tried on any data. 42 openings of public datasets and nine further public sets
    have no finding. Hulls or ellipses in place of the outlines in half of the images of COCO and GBM40, nuclei without
    those that the border cuts, and CamVid's classes reduced to their largest parts in half of its masks are found.
    """
    tables, counts = gather(tables, _counts(tables), {"annotation": "annotations"})
    yield from _renumbered(tables, counts.beside(n=counts["may_parts"]))
    annotations = tables.annotations
    annotator = number_names(annotations.texts("annotator"))[1]
    unit, _ = joint_codes(independent_units(tables)[annotations["image"]], annotator)
    for feature, (of_none, of_others) in _FEATURES.items():
        judged = counts.take(counts[f"may_{feature}"] > 0)
        is_without = _units_without(
            judged.beside(unit=unit[judged["annotation"]], n=judged[f"may_{feature}"], k=judged[feature]),
            min_images,
            min_expected,
            max_between,
        )
        if not is_without.any():
            continue
        is_without = is_without[unit[judged["annotation"]]]
        without, others = (np.unique(judged["annotation"][rows]) for rows in (is_without, ~is_without))
        n_without, n_others = (int(judged[f"may_{feature}"][rows].sum()) for rows in (is_without, ~is_without))
        yield RowFinding(
            f"in {len(without):,} of {count_noun(len(without) + len(others), 'image')} "
            f"({image_names(tables, without)}) {of_none.format(n=f'{n_without:,}')}; "
            f"{int(judged[feature][~is_without].sum()):,} of {n_others:,} in the others {of_others}"
            + separating_column(tables, others, without, "these have none")
        )


def _counts(tables: Tables) -> dict[str, Column]:
    """One row for each annotation and category: how many segments may have each feature, and how many do."""
    segments = tables.segments
    rows = np.flatnonzero(is_example(tables, crowds=False))
    which, first = joint_codes(segments["annotation"][rows], segments["category_id"][rows])
    columns: dict[str, Column] = {
        "annotation": segments["annotation"][rows[first]].astype(np.int32),
        "category": segments["category_id"][rows[first]].astype(np.int32),
    }
    for feature in _FEATURES:  # one after the other: datasets have millions of segments
        may, has = (flags[rows] for flags in _flags(tables, feature))
        columns[f"may_{feature}"] = np.bincount(which[may], minlength=len(first)).astype(np.int32)
        columns[feature] = np.bincount(which[may & has], minlength=len(first)).astype(np.int32)
    return columns


def _flags(tables: Tables, feature: str) -> tuple[Flags, Flags]:
    """(n_segments,) which segments may have a feature, and which have it."""
    segments = tables.segments
    every = np.ones(len(segments), bool)
    if feature == "parts":
        return every, segments["parts"] > 1
    if feature == "holes":
        return every, segments["holes"] > 0
    if feature == "cuts":
        at_border = (segments["x"] <= 0) | (segments["y"] <= 0)
        for begin, size, side in (("x", "width", "width"), ("y", "height", "height")):
            at_border |= segments[begin] + segments[size] >= tables.images[side][segments["image"]]
        return is_thing(tables), at_border
    outlined, convex = np.zeros((2, len(segments)), bool)
    outlined[tables.outlines["segment"]] = tables.outlines["vertices"] >= _MIN_POINTS
    convex[tables.outlines["segment"]] = tables.outlines["convex"]
    return outlined, ~convex


def _units_without(counts: Table, min_images: int, min_expected: float, max_between: float) -> Flags:
    """(n_units,) which units have none of a feature that is usual; `counts`: unit, category, n (segments), k (with it).

    None has if the dataset does not fall into units with and without.
    """
    unit, n_units = counts["unit"], int(counts["unit"].max(initial=-1)) + 1
    k = np.bincount(counts["unit"], counts["k"], n_units)
    category = unique_inverse(counts["category"])[1]
    of_some = (k > 0)[unit]
    n_categories = int(category.max(initial=-1)) + 1
    having, all_ = (np.bincount(category[of_some], counts[name][of_some], n_categories) for name in ("k", "n"))
    share = having / np.maximum(all_, 1)
    expected = np.bincount(unit, share[category] * counts["n"], n_units)
    with_some = (k > 0) & (expected >= min_expected)
    none: Flags = np.zeros(n_units, bool)
    if with_some.sum() < min_images:
        return none
    ratio = k[with_some] / expected[with_some]
    least = np.quantile(ratio, _LOW)
    none = (k == 0) & (least * expected >= min_expected)
    n_between = int((ratio < _BETWEEN).sum())
    return none if none.sum() >= min_images and n_between <= max_between * none.sum() else np.zeros(n_units, bool)


class _Uses(NamedTuple):
    """How often the categories occur in the images, by position."""

    row: Ints  # (n,) images, ascending
    column: Ints  # (n,) categories
    n: Ints  # (n,) segments
    n_images: int
    names: list[str]  # of the categories

    def sums(self, group: Ints, n_groups: int) -> Floats:
        """(n_groups, n_categories) segments, by the number of the group that each image (n_images,) is in."""
        key = group[self.row] * len(self.names) + self.column
        sums: Floats = np.bincount(key, self.n, n_groups * len(self.names)).astype(np.float64)
        return sums.reshape(n_groups, len(self.names))


def _renumbered(tables: Tables, counts: Table) -> Findings:
    """Numbers that move by one in a part of the images, or that become one for all; in instances alone.

    `counts`: one row for each annotation and category, with the number of segments, n.
    """
    annotations, row = unique_inverse(counts["annotation"])
    ids, column = unique_inverse(counts["category"])
    if len(annotations) < 2 * _MIN_IMAGES or len(ids) < _MIN_OTHERS or tables.profile.task == "semantic":
        return
    images = tables.annotations["image"][annotations]
    uses = _Uses(row, column, counts["n"], len(annotations), [tables.profile.name_of(int(id_)) for id_ in ids])
    yield from _shifted(tables, images, uses)
    yield from _of_one_category(tables, images, uses)


def _parts(tables: Tables, images: Ints, uses: _Uses) -> Iterator[tuple[str, Flags, Floats]]:
    """Parts of the images in words, which are in it, and how often categories occur: splits, and ends of the list.

    Both the part and the other images are `_MIN_IMAGES` at least; a long list is cut at `_MAX_CUTS` places.
    """
    splits = image_splits(tables)[images]
    names = sorted({name for name in splits.tolist() if name is not None})
    for name in names:
        is_of = splits == name
        if _MIN_IMAGES <= is_of.sum() <= len(images) - _MIN_IMAGES:
            yield f"of {name!r}", is_of, uses.sums(is_of.astype(np.int64), 2)[1]
    cuts = np.unique(np.linspace(_MIN_IMAGES, len(images) - _MIN_IMAGES, _MAX_CUTS).astype(np.int64))
    block = np.searchsorted(cuts, np.arange(len(images)), side="right")
    behind = np.cumsum(uses.sums(block, len(cuts) + 1)[::-1], axis=0)[::-1]
    for cut, own in zip(cuts.tolist(), behind[1:], strict=True):
        yield f"from {tables.images['image_id'][images[cut]]} on", np.arange(len(images)) >= cut, own


def _shifted(tables: Tables, images: Ints, uses: _Uses) -> Findings:
    """One finding for the part whose mix is most like that of the others if its numbers are moved by one."""
    total = uses.sums(np.zeros(uses.n_images, np.int64), 1)[0]
    best: tuple[float, int, str, Flags, Floats] | None = None
    for words, is_part, counts in _parts(tables, images, uses):
        others = total - counts
        if min(counts.sum(), others.sum()) < _MIN_SEGMENTS:
            continue
        own, rest = counts / counts.sum(), others / others.sum()
        alike = float(np.sqrt(own * rest).sum())
        for step in (1, -1):
            common = np.sqrt(np.roll(own, -step) * rest)
            gain = float(common.sum()) - alike
            is_alike = common.sum() >= _MIN_SHARED and effective_number(common) >= _MIN_MIXED
            if is_alike and gain >= max(_MIN_GAIN, best[0] if best else 0):
                best = gain, step, words, is_part, common
    if best is not None and _is_mixed(uses, best[3]):
        _, step, words, _, common = best
        names = uses.names
        largest = np.argsort(-common, kind="stable")[:3].tolist()
        pairs = [f"{names[(k + step) % len(names)]} for {names[k]}" for k in largest]
        yield RowFinding(
            f"the categories {words} occur as often as those of the other images if their numbers are one "
            f"{'lower' if step > 0 else 'higher'} ({', '.join(pairs)}): was the list numbered otherwise there?",
            severity="warning",
        )


def _is_mixed(uses: _Uses, is_part: Flags) -> bool:
    """Whether the first and the second half of a part, and of the others, have mixes that are alike.

    Where images are listed by what they show, halves differ as parts do, and a shift may fit by chance.
    """
    half = np.where(is_part, np.cumsum(is_part) > is_part.sum() / 2, np.cumsum(~is_part) > (~is_part).sum() / 2)
    mixes = np.sqrt(uses.sums(2 * is_part + half.astype(np.int64), 4))
    mixes /= np.maximum(np.linalg.norm(mixes, axis=1, keepdims=True), 1e-9)
    return bool(min(mixes[0] @ mixes[1], mixes[2] @ mixes[3]) >= _MIN_ALIKE)


def _of_one_category(tables: Tables, images: Ints, uses: _Uses) -> Findings:
    """One finding if all of the last or first images are of one category, where most of the others have several."""
    n_categories = np.bincount(uses.row, minlength=uses.n_images)
    n_segments = np.bincount(uses.row, uses.n, uses.n_images)
    only = np.full(uses.n_images, -1, np.int64)
    only[uses.row] = uses.column
    only[n_categories > 1] = -1
    for step in (-1, 1):
        begin = only[::step]
        length = int(np.argmax(begin != begin[0])) if (begin != begin[0]).any() else 0
        if begin[0] < 0 or min(length, uses.n_images - length) < _MIN_IMAGES:
            continue
        is_part = np.zeros(uses.n_images, bool)
        is_part[::step][:length] = True
        several = ~is_part & (n_segments > 1)
        others, own = uses.sums(is_part.astype(np.int64), 2)
        is_mixed = several.any() and (n_categories[several] > 1).mean() > _MIN_MIXED_IMAGES
        if is_mixed and own.sum() >= _MIN_SEGMENTS and others[begin[0]] and effective_number(others) >= _MIN_OTHERS:
            name = uses.names[int(begin[0])]
            shown = join_first([uses.names[k] for k in np.argsort(-others, kind="stable").tolist() if others[k]], 3)
            edge = tables.images["image_id"][images[is_part][0 if step < 0 else -1]]
            yield RowFinding(
                f"all {int(own.sum()):,} segments of the {'last' if step < 0 else 'first'} "
                f"{count_noun(length, 'image')}, {'from' if step < 0 else 'up to'} {edge}, are {name}; the others "
                f"have {int((others > 0).sum())} categories ({shown}): did an export write one category for all?",
                category=name,
                severity="info",
            )
            return
