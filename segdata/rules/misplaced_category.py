"""SEG318 misplaced-category: a category lies elsewhere than in nearly all other images: beside or outside another."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding, Severity
from segdata.core.profile import ImageSequence
from segdata.core.reductions import gather_each
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Floats, Ints, expand_ranges, unique_inverse
from segdata.core.statistics import benjamini_hochberg, proves_rate, tail_probability
from segdata.core.strata import is_example, joint_codes
from segdata.core.table import Column, Table
from segdata.measure.sequences import SequenceIndex, is_frame_of
from segdata.rules.inside_outside import outside_findings, outside_rows
from segdata.rules.shared import SEPARATORS, is_lossy

_MIN_ORDER_RATE = 0.75  # of one order, which must be proven; chance gives 0.5
_MIN_REVERSAL = 0.5  # of the median distance: less is a deviation, and no reversal
_MIN_SCALE = 0.01  # of the image: distances do not vary less
# Of categories of volumes that are called left and right: the fewest volumes, the rate that must be proven, and the
# least distance of nine in ten volumes, in medians.
_MIN_VOLUMES, _NAMED_LAW, _APART = 8, 0.6, 0.3
# A whole image is turned if this share of its pairs with an order, and at least so many, are reversed.
_MIN_TURNED_PAIRS, _TURNED = 6, 0.9
_PAIRS_AT_ONCE = 500_000  # of categories in one image or volume
_MAD = 1.4826  # a standard deviation over the median deviation
_TWO_PLACES, _FAR, _NEAR = 4.0, 6.0, 3.0  # spreads: of both, between two places; from the own; and from the other's
_LEFT = {"left", "l", "lt", "lh", "links", "linke", "linker", "gauche", "izquierda", "izquierdo", "sinistra",
         "sinistro"}  # fmt: skip
_RIGHT = {"right", "r", "rt", "rh", "rechts", "rechte", "rechter", "droite", "droit", "derecha", "derecho", "destra",
          "destro"}  # fmt: skip
# Words for less and more along each axis: of images, of volumes whose axes are known (R, A, S), of others.
_IMAGE = (("left of", "right of"), ("above", "below"))
_PLACED = (("to the patient's left of", "to the patient's right of"), ("behind", "in front of"), ("below", "above"))
_UNPLACED = (("left of", "right of"), ("above", "below"), ("on lower slices than", "on higher slices than"))
_CAUSES = ("mirrored", "upside down", "in the other order of slices"), ("mirrored", "back to front", "upside down")
Words = tuple[tuple[str, str], ...]


@rule(
    "SEG318",
    "misplaced-category",
    severity="warning",
    needs=("centres", "pairs", "parts", "holes"),
    whole=True,
    by_part=True,
    when=lambda profile: len(profile.taxonomy.categories) > 1,
)
def misplaced_category(tables: Tables, *, min_images: int = 20, max_share: float = 0.1, fdr: float = 0.01) -> Findings:
    """A category lies on the other side of another one, or outside of it, other than in nearly all other images.

    Example:
        'left_eye' lies left of 'right_eye', by 13% of the image; in 34 of 36 images it lies right of it: are left and
            right exchanged?
        'sky' lies below 'road', by 66% of the image; in 37 of 40 images it lies above it; so do 8 other pairs: is the
            image upside down?
        'nucleus' lies outside of 'cell' in 1 of 7 places; in 199 of all 201 places it lies inside

    The rule compares where the centres of two categories lie, of all their pixels in an image or in a volume: left and
    right, above and below, and across the slices. In most datasets few pairs have an order: objects stand where they
    like. If a pair has the same order in nearly all images, the image in which it is reversed is reported, if the
    distance there is far beyond what the distances of the others make likely. A share `fdr` of the findings at most is
    due to chance (Benjamini and Hochberg, 1995); the tails of distances are taken for heavy ones. You get one finding
    for each image or volume, about its least likely pair. Volumes are compared along the patient's axes, as far as
    their headers say where these are. Two categories of a volume whose names differ by left and right alone need no
    proof that their order is a law. In a picture the finding is an info, unless the names say left and right or the
    whole picture is turned: a camera that looks down sees the same things in another order. The rule ignores void,
    crowds, frames of videos, and masks that their storage changed.

    A category of a volume is reported, too, if it lies where another one lies in eight volumes or more, and this volume
    lacks the other: labels were numbered anew.

    It also looks at categories that lie inside another one nearly everywhere, as nuclei in cells: in a hole of it, or
    on its pixels. You get one info for each image with parts that lie outside, not just at the border. Parts at the
    frame or under 16 px do not count, nor do categories that cover more than half of their images, in which everything
    lies. Slices of volumes are not compared.

    Why: exchanged names, mirrored or upside-down copies, and labels on the wrong structure are right in every pixel,
    so that no other check sees them. Your model learns that left is right.

    Remedy: look at the image beside another one. Exchange the names, turn image and labels back, or redraw the label.
    If the thing in the image really is the other way round, suppress the finding.

    Options: `min_images`: the least number of images or volumes that have both categories. `max_share`: the largest
    share of them that have the other order (one always may). `fdr`: the share of the reversed pairs that may be due to
    chance.
    Defaults: 20 images of which one has the other order are the fewest that prove a rate of 75 %, with a confidence of
    95 %. That eight in ten parts lie inside has to be proven, too; with none outside this takes 14.
    """
    inside, named = outside_rows(tables, min_images)
    tables, (outside, places) = gather_each(tables, (named, _places(tables)), {"annotation": "annotations"})
    yield from outside_findings(tables, inside, outside, max_share)
    rows = _merge(tables, places)
    yield from _in_the_place_of_another(tables, rows)
    laws = [*_laws(tables, rows, min_images, max_share)]
    if not laws:
        return
    stands = benjamini_hochberg(np.concatenate([law.chance for law in laws]), fdr)
    ends = np.cumsum([len(law.chance) for law in laws])
    reversed_pairs: dict[int, list[tuple[float, int, int]]] = {}  # of each unit: chance, law, place in it
    for number, (law, own) in enumerate(zip(laws, np.split(stands, ends[:-1]), strict=True)):
        for k in np.flatnonzero(own | law.is_named).tolist():
            if law.chance[k] < 1:
                unit = int(rows["unit"][law.row[k]])
                reversed_pairs.setdefault(unit, []).append((float(law.chance[k]), number, k))
    for unit, pairs in sorted(reversed_pairs.items()):
        yield _finding(tables, rows, laws, unit, pairs)


class _Law(msgspec.Struct, frozen=True):
    """Two categories of which one lies on the same side of the other in nearly all images or volumes."""

    category: int  # a category's id
    other: int  # the other's id
    axis: int  # 0, 1 or 2; across, down, along slices, or the patient's
    sign: int  # 1: the category usually has the greater place
    is_named: bool  # their names differ by left and right, in volumes
    row: Ints  # (n,) the row of the category, for each unit that has both
    distance: Floats  # (n,) as shares of the image; positive on the usual side
    chance: Floats  # (n,) that a distance is as far from the median as this one; 1 where the order is not reversed


def _places(tables: Tables) -> dict[str, Column]:
    """One row for each annotation and category: pixels, and their centre as shares of width and height."""
    segments, images = tables.segments, tables.images
    counts = is_example(tables, crowds=False) & ~is_lossy(tables)
    counts &= ~is_frame_of(tables.profile, images, "video")[segments["image"]]
    rows = np.flatnonzero(counts)
    code, first = joint_codes(segments["annotation"][rows], segments["category_id"][rows])
    area = segments["area"][rows].astype(np.float64)
    pixels = np.bincount(code, area, len(first))
    annotation = segments["annotation"][rows[first]].astype(np.int64)
    columns: dict[str, Column] = {"annotation": annotation, "pixels": pixels}
    columns["category"] = segments["category_id"][rows[first]].astype(np.int64)
    for name, side in (("x", "width"), ("y", "height")):
        centre = np.bincount(code, area * tables.centroids[f"center_{name}"][rows], len(first)) / pixels
        columns[name] = centre / np.maximum(images[side][segments["image"][rows[first]]], 1)
    return columns


def _merge(tables: Tables, rows: Table) -> Table:
    """One row for each image or volume and category, in this order: unit, annotation, category, places 0, 1 and 2.

    `unit` is the row of the annotation, or behind all of them the number of the volume. `is_placed`: the places are
    along the axes R, A and S, as shares of the volume.
    """
    index = SequenceIndex.from_tables(tables)
    annotation = rows["annotation"]
    number = index.sequence[annotation]
    slices = np.array([len(sequence_index.frame) for sequence_index in index.sequences], np.int64)
    in_volume, z = number >= 0, np.zeros(len(annotation))
    z[in_volume] = (index.place[annotation[in_volume]] + 0.5) / slices[number[in_volume]]
    if not in_volume.any():
        return rows.select(["annotation", "category"]).beside(
            **{"unit": annotation, "is_placed": in_volume, "0": rows["x"], "1": rows["y"], "2": z}
        )
    unit = np.where(in_volume, len(tables.annotations) + number, annotation)
    code, first = joint_codes(unit, rows["category"])
    pixels = np.bincount(code, rows["pixels"], len(first))
    places = np.stack([np.bincount(code, rows["pixels"] * v, len(first)) / pixels for v in (rows["x"], rows["y"], z)])
    number = number[first]
    sequence_of = {sequence.name: sequence for sequence in tables.profile.sequences}
    is_placed = np.zeros(len(first), bool)
    for k in np.unique(number[number >= 0]).tolist():
        own = np.flatnonzero(number == k)
        axes = _patient_axes(sequence_of.get(index.sequences[k].sequence))
        if axes is not None:
            is_placed[own] = True
            turned = np.empty((3, len(own)))
            for axis, (target, flip) in enumerate(axes):
                turned[target] = 1 - places[axis, own] if flip else places[axis, own]
            places[:, own] = turned
    columns: dict[str, Column] = {"unit": unit[first], "annotation": annotation[first], "is_placed": is_placed}
    return Table(columns | {"category": rows["category"][first]} | {str(k): places[k] for k in range(3)})


def _patient_axes(sequence: ImageSequence | None) -> list[tuple[int, bool]] | None:
    """The patient's axis for each axis of a volume, and whether it points the other way; None: not known."""
    if sequence is None or sequence.axes is None:
        return None
    axes = [next(((k, letter == pair[1]) for k, pair in enumerate(("RL", "AP", "SI")) if letter in pair), None)
            for letter in sequence.axes]  # fmt: skip
    stated = [axis for axis in axes if axis is not None]
    return stated if sorted(target for target, _ in stated) == [0, 1, 2] else None


def _laws(tables: Tables, rows: Table, min_images: int, max_share: float) -> Iterator[_Law]:
    """The pairs of categories that have the same order along an axis in nearly all units, and another one in some."""
    is_volume = rows["unit"] >= len(tables.annotations)
    # Volumes with an order along patients' axes are not compared with those without.
    for kind, of_kind in enumerate((~is_volume, is_volume & rows["is_placed"], is_volume & ~rows["is_placed"])):
        least = min(min_images, _MIN_VOLUMES) if kind else min_images
        row = np.flatnonzero(of_kind)
        _, code = unique_inverse(rows["category"][row])
        row = row[np.bincount(code)[code] >= least]  # no pair has more units than either of its categories
        unit, category = rows["unit"][row], rows["category"][row]
        places = np.stack([rows[name][row] for name in "012"])  # all images are on one slice
        rows_of = _rows_by_category(category)
        for own, axis, other in _ordered_pairs(unit, category, places, least):
            mine, theirs = rows_of[own], rows_of[other]
            at = np.minimum(np.searchsorted(unit[theirs], unit[mine]), len(theirs) - 1)
            is_both = unit[theirs[at]] == unit[mine]
            mine, theirs = mine[is_both], theirs[at[is_both]]
            away = places[axis, mine] - places[axis, theirs]
            sign = 1 if (away > 0).sum() > (away < 0).sum() else -1
            is_named = kind > 0 and are_sides(tables.profile.name_of(own), tables.profile.name_of(other))
            chance = _chances(sign * away, is_named, min_images, max_share)
            if chance is not None:
                yield _Law(own, other, axis, sign, is_named, row[mine], sign * away, chance)


def _rows_by_category(category: Ints) -> dict[int, Ints]:
    """Category -> its rows, ascending."""
    ids, number = unique_inverse(category)
    starts = np.cumsum(np.bincount(number, minlength=len(ids)))[:-1]
    # Without ids there is one part, empty.
    return dict(zip(ids.tolist(), np.split(np.argsort(number, kind="stable"), starts), strict=False))


def _ordered_pairs(unit: Ints, category: Ints, places: Floats, least: int) -> list[tuple[int, int, int]]:
    """Category, axis and a later category, where at least `least` units have both and few have them in one order.

    Takes rows that ascend by unit (n,) and category (n,), and their places along each axis (k, n). `_PAIRS_AT_ONCE`
    limits memory.
    """
    ids, code = unique_inverse(category)
    row = np.arange(len(unit))
    n_later = np.searchsorted(unit, unit, "right") - row - 1  # rows of the same unit behind each
    ends = np.searchsorted(np.cumsum(n_later), np.arange(_PAIRS_AT_ONCE, n_later.sum(), _PAIRS_AT_ONCE))
    pairs, counts = [np.zeros(0, np.int64)], [np.zeros((0, 1 + 2 * len(places)), np.int64)]
    for some in np.split(row, ends):
        first, second = np.repeat(some, n_later[some]), expand_ranges(some + 1, n_later[some])
        different, which = unique_inverse(code[first] * len(ids) + code[second])
        columns = [np.bincount(which, minlength=len(different))]
        for place in places:
            away = place[first] - place[second]
            columns += [np.bincount(which[order], minlength=len(different)) for order in (away > 0, away < 0)]
        pairs.append(different)
        counts.append(np.stack(columns, 1))
    different, which = unique_inverse(np.concatenate(pairs))
    n, *sides = (np.bincount(which, column, len(different)) for column in np.concatenate(counts).T)
    ordered = []
    for axis, (ahead, behind) in enumerate(zip(sides[::2], sides[1::2], strict=True)):
        few = np.minimum(ahead, behind)
        pair = different[(n >= least) & (few > 0) & (few <= np.maximum(1, n / 4))]
        own, other = (ids[part].tolist() for part in np.divmod(pair, len(ids)))
        ordered += [(first_id, axis, second_id) for first_id, second_id in zip(own, other, strict=True)]
    return sorted(ordered)


def _in_the_place_of_another(tables: Tables, rows: Table) -> Findings:
    """Categories of volumes that lie where another one lies elsewhere, in a volume that lacks the other."""
    rows = rows.take((rows["unit"] >= len(tables.annotations)) & rows["is_placed"])
    (units, unit), (ids, category) = (unique_inverse(rows[name]) for name in ("unit", "category"))
    if len(units) < _MIN_VOLUMES:
        return
    places = np.full((len(units), len(ids), 3), np.nan)
    places[unit, category] = np.stack([rows[name] for name in "012"], axis=1)
    has = ~np.isnan(places[:, :, 0])
    n_both = has.T.astype(np.int64) @ has
    for own, other in np.argwhere((n_both >= _MIN_VOLUMES) & ((has.T.astype(np.int64) @ ~has) > 0)).tolist():
        pair = places[has[:, own] & has[:, other]][:, [own, other]]
        middle = np.median(pair, axis=0)
        spread = np.median(np.abs(pair - middle), axis=0) * _MAD + _MIN_SCALE
        apart = np.abs(middle[0] - middle[1]) / spread.sum(axis=0)
        axis = int(np.argmax(apart))
        if apart[axis] < _TWO_PLACES:
            continue
        from_own, from_other = np.abs(places[:, own] - middle[:, None]) / spread[:, None]
        alone = has[:, own] & ~has[:, other]
        for k in np.flatnonzero(alone & (from_own[:, axis] > _FAR) & (from_other.max(axis=1) < _NEAR)).tolist():
            names = tables.profile.name_of(int(ids[own])), tables.profile.name_of(int(ids[other]))
            yield RowFinding(
                f"{names[0]!r} lies where {names[1]!r} lies in {n_both[own, other]:,} volumes that have both, and this "
                f"one has no {names[1]!r}: has it the name of the other?",
                annotation=int(rows["annotation"][np.flatnonzero((unit == k) & (category == own))[0]]),
                category=names[0],
            )


def _chances(distance: Floats, is_named: bool, min_images: int, max_share: float) -> Floats | None:
    """(n,) the chance of each distance that is reversed, 1 of the others; None: the order is no law.

    `is_named`: of left and right, whose order is a law if nine in ten of the others lie well apart.
    """
    n, usual = len(distance), distance[distance > 0]
    n_other = n - len(usual)
    middle = float(np.median(distance))
    is_reversed = distance <= -_MIN_REVERSAL * middle
    if is_named and proves_rate(len(usual), n, _NAMED_LAW) and np.quantile(usual, 0.1) >= _APART * middle:
        return np.where(is_reversed, 0.0, 1.0)
    if n < min_images or n_other > max(1, max_share * n) or not proves_rate(len(usual), n, _MIN_ORDER_RATE):
        return None
    chance, _ = tail_probability(distance, np.zeros(n, np.int64), _MIN_SCALE)
    return np.where(is_reversed, chance, 1.0)


def are_sides(name: str, other: str) -> bool:
    """Whether two names of categories differ by left and right alone.

    >>> are_sides("kidney_left", "kidney_right"), are_sides("L lung", "R lung"), are_sides("left", "kidney right")
    (True, True, False)
    """
    words = [[word.casefold() for word in SEPARATORS.split(text)] for text in (name, other)]
    if len(words[0]) != len(words[1]):
        return False
    differing = [{first, second} for first, second in zip(*words, strict=True) if first != second]
    return len(differing) == 1 and bool(differing[0] & _LEFT) and bool(differing[0] & _RIGHT)


def _finding(
    tables: Tables, rows: Table, laws: list[_Law], unit: int, pairs: list[tuple[float, int, int]]
) -> RowFinding:
    """The finding of one image or volume, about its least likely pair."""
    # Names that say left and right tell more than others.
    pairs = sorted(pairs, key=lambda pair: (not are_sides(*_names(tables, laws[pair[1]])), pair))
    _, number, k = pairs[0]
    law = laws[number]
    row = int(law.row[k])
    names = _names(tables, law)
    is_volume = unit >= len(tables.annotations)
    is_placed = bool(rows["is_placed"][row])
    words: Words = _IMAGE if not is_volume else _PLACED if is_placed else _UNPLACED
    here, usual = words[law.axis][:: law.sign]
    what = "volume" if is_volume else "image"
    message = (
        f"{names[0]!r} lies {here} {names[1]!r}, by {-law.distance[k]:.0%} of the {what}; in "
        f"{int((law.distance > 0).sum()):,} of {count_noun(len(law.distance), what)} it lies {usual} it"
    )
    others = len({frozenset((laws[n].category, laws[n].other)) for _, n, _ in pairs}) - 1
    if others:
        message += f"; so do {others} other pairs" if others > 1 else "; so does another pair"
    turned = _turned_axis(rows, laws, unit)
    if turned is not None and not (turned == 0 and are_sides(*names)):
        message += f": is the {what} {_CAUSES[is_placed][turned]}?"
    elif are_sides(*names):
        message += ": are left and right exchanged?"
    counts = Counter(id_ for _, n, _ in pairs for id_ in (laws[n].category, laws[n].other))
    category = tables.profile.name_of(max(counts, key=lambda id_: counts[id_]))
    is_told_by_names = are_sides(*names)
    severity: Severity | None = None if is_volume or is_told_by_names or turned is not None else "info"
    return RowFinding(message, annotation=int(rows["annotation"][row]), category=category, severity=severity)


def _turned_axis(rows: Table, laws: list[_Law], unit: int) -> int | None:
    """The axis along which all of an image or volume is reversed, the last of several; None: there is none."""
    for axis in (2, 1, 0):
        here = [law.distance[rows["unit"][law.row] == unit].tolist() for law in laws if law.axis == axis]
        is_reversed = [distance < 0 for distances in here for distance in distances]
        if len(is_reversed) >= _MIN_TURNED_PAIRS and sum(is_reversed) >= _TURNED * len(is_reversed):
            return axis
    return None


def _names(tables: Tables, law: _Law) -> tuple[str, str]:
    return tables.profile.name_of(law.category), tables.profile.name_of(law.other)
