"""SEG320 renumbered-categories: the numbers of categories move by one from some image on, or become one number."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats, Ints, unique_inverse
from segdata.core.statistics import effective_number
from segdata.core.strata import image_splits, is_example, joint_codes
from segdata.rules.shared import join_first

_MIN_IMAGES, _MIN_SEGMENTS = 10, 50  # of either part of a list whose numbers move
_MIN_SHARED, _MIN_GAIN, _MIN_MIXED = 0.65, 0.2, 4.0  # of a shift: how alike mixes are, how much more, of how many
_MAX_CUTS = 200  # places at which a list is cut in two
_MIN_MIXED_IMAGES = 0.5  # of the other images, with several segments: those with several categories
_MIN_ALIKE = 0.5  # how alike the mixes of the halves of a part are at least
_MIN_OTHERS = 3.0  # categories, by their effective number, in the part that has several


@rule("SEG320", "renumbered-categories", severity="warning", needs=(), whole=True, by_part=True)
def renumbered_categories(tables: Tables) -> Findings:
    """Numbers of categories are one higher or lower in a part of the images, or all are one category there.

    Example:
        the categories from 000026.jpg on occur as often as those of the other images if their numbers are one lower
            (bicycle for person, chair for bench): was the list numbered otherwise there?
        all 60 segments of the last 12 images, from 019.png, are kind c; the others have 6 categories (kind a, kind d,
            kind b): did an export write one category for all? (info)

    The rule looks at datasets of instances. A part is a split, or all images from one on; it and the rest have ten
    images and 50 segments at least. You get a finding if its mix of categories is like that of the rest when numbers
    are moved by one, and otherwise not, while the two halves of the part, and of the rest, are alike: where images are
    listed by what they show, nothing is said. You get an info if all segments from some image on are of one category,
    where most images before have several.

    Why: a script counted the list of categories from 0 in one part and from 1 in the other, or an export wrote the
    first category everywhere. Every number is valid, and your model learns wrong names.

    Remedy: look at some images of the part with `--overlays`. Correct their numbers, or export them again.
    """
    is_instances = tables.profile.task != "semantic"
    segments = tables.segments
    rows = np.flatnonzero(is_example(tables, crowds=False)) if is_instances else np.zeros(0, np.int64)
    which, first = joint_codes(segments["annotation"][rows], segments["category_id"][rows])
    tables, uses_of = gather(
        tables,
        {
            "annotation": segments["annotation"][rows[first]].astype(np.int32),
            "category": segments["category_id"][rows[first]].astype(np.int32),
            "n": np.bincount(which, minlength=len(first)).astype(np.int32),
        },
        {"annotation": "annotations"},
    )
    annotations, row = unique_inverse(uses_of["annotation"])
    ids, column = unique_inverse(uses_of["category"])
    if len(annotations) < 2 * _MIN_IMAGES or len(ids) < _MIN_OTHERS:
        return
    images = tables.annotations["image"][annotations]
    names = [tables.profile.name_of(int(id_)) for id_ in ids]
    uses = _Uses(row, column, uses_of["n"], len(annotations), names)
    yield from _shifted(tables, images, uses)
    yield from _of_one_category(tables, images, uses)


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
            f"{'lower' if step > 0 else 'higher'} ({', '.join(pairs)}): was the list numbered otherwise there?"
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
