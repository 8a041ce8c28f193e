"""SEG313 statistic-outlier: an image differs from all others in something that was measured."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import msgspec
import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Floats, Ints
from segdata.core.statistics import benjamini_hochberg, gap_probability, tail_probability
from segdata.core.strata import is_example, joint_codes, number_names, size_class
from segdata.core.table import Column, Table
from segdata.measure.sequences import SequenceIndex, is_frame_of

_MIN_OCCURRENCE = 0.75  # share of images with pixels of what is compared, or else the usual value is none
_MIN_SCALE = 0.1  # of logarithms: drawn shapes vary by a tenth at least
_SCALE_OF_FEW = 0.5  # the same for parts and holes where most images have none
_MAX_OUTLIER_SHARE = 0.05  # of the images: more images than these are no outliers
_SUMMED = ("area", "parts", "holes", "perimeter")
_MAX_STATISTICS_SHOWN = 3  # in a message
_CLAIMED = "pixels that several segments claim"
_BLOCK = 100_000  # numbers that are judged at a time, at least


class _Statistic(msgspec.Struct, frozen=True):
    """A number for each of some annotations."""

    name: str  # in words, for the message
    annotation: Ints  # (n,) rows
    amount: Floats  # (n,) pixels, segments, parts …; not negative
    size: Floats  # (n,) what the amount is divided by before it is compared, 1: nothing
    # (n,) pixels of the image, of which the amount is a part: what is compared are the odds, which vary as much near
    # none as near all; infinite: it is no part
    whole: Floats
    category: int | None = None  # its id, if it is about one
    pair: tuple[int, int] | None = None  # the ids of two categories, if it is about the pixels that they share
    counted: bool = False  # it is compared although most images have none
    # what is added before amounts are compared: pixels that careful drawing leaves at random
    floor: Floats | None = None
    tapers: Flags | None = None  # (n,) where a small amount is natural; None: nowhere


@rule("SEG313", "statistic-outlier", severity="info", needs=("coverage", "pairs", "shapes"), whole=True, by_part=True)
def statistic_outlier(
    tables: Tables, *, rate: float = 0.05, min_ratio: float = 10.0, min_amount: int = 20, min_images: int = 6
) -> Findings:
    """An image, or a slice or frame, differs many times over from all others in something that was measured.

    Example:
        pixels of membranes that are also mitochondria: 2,310, 115 times the median of 7 slices (20), p = 1e-06

    The rule compares images of one annotator and about one size, and the slices or frames of one sequence. It compares,
    as logarithms, the number of segments; pixels of void, unlabelled ones, and those that several segments claim, in
    all and for each two categories; and for each category its pixels, parts and holes, and the length of its outline
    beside its area. An image that lacks a category is not compared in it.

    Three in four images must have what is compared. Exceptions are parts, holes, and pixels that are void, unlabelled
    or claimed twice: where most images have none, those of one must stand apart from all others, and its pixels count
    beside a line half as long as the image's side, which careful drawing may leave. Few pixels of a category are
    natural in its first and last slice.

    The tails of the images' own distribution, taken for power laws, give the chance of each value. Among up to 20
    images, one or two also count that a wide gap separates from the others. The rate of false findings is controlled
    over all images and statistics (Benjamini and Hochberg, 1995). You get one finding for each image, which names the
    worst statistics. It is an info: the number is unusual, and only the picture tells whether the labels are wrong.

    Why: a hundredfold of anything may be a mask that was saved from the wrong layer, enlarged, thresholded, or shifted
    against its neighbours, and averages over the dataset do not show it.

    Remedy: look at the image beside one that the finding does not name.

    Options: `rate`: the rate of false findings. `min_ratio`: how many times more or less than the median it must also
    be. `min_amount`: by how many pixels, segments, parts or holes. `min_images`: smaller groups are not compared.
    Defaults: in 41 openings of public datasets nothing is flagged. If masks are inverted, or specked over the
    image, in one to three images of eight datasets, about half are found: those that the dataset does not vary by
    itself.
    """
    tables, sums = gather(tables, _sums(tables), {"owner": "annotations"})
    group, noun = _comparable(tables)
    statistics: list[tuple[str, int | None, tuple[int, int] | None]] = []
    judged, n_tests = [], 0
    for block in _blocks(_statistics(tables, group, sums)):
        low, n = _judge(block, group, len(statistics), rate, min_ratio, min_amount, min_images)
        judged.append(low)
        n_tests += n
        statistics += [(statistic.name, statistic.category, statistic.pair) for statistic in block]
    low = Table({name: np.concatenate([table[name] for table in judged]) for name in judged[0].names})
    outliers = low.take(benjamini_hochberg(low["chance"], rate, n_tests) & low["far"])
    present = _present(sums, outliers["annotation"])
    for rows in outliers.groups("annotation"):
        worst = outliers.take(rows[np.argsort(outliers["chance"][rows], kind="stable")])
        lines = list(worst.lines("which", "annotation", "amount", "median", "chance", "n"))
        absent = [_absent(statistics[k][2], annotation, present) for k, annotation, *_ in lines[:_MAX_STATISTICS_SHOWN]]
        texts = [
            _describe(statistics[k][0], amount, median)
            + (f"; no {tables.profile.name_of(id_)} there" if id_ is not None else "")
            for (k, _, amount, median, _, _), id_ in zip(lines[:_MAX_STATISTICS_SHOWN], absent, strict=True)
        ]
        others = len(lines) - _MAX_STATISTICS_SHOWN
        more = f", and {count_noun(others, 'other statistic')}" if others > 0 else ""
        first, row, _, _, p, n = lines[0]
        category = statistics[first][1]
        yield RowFinding(
            f"{'; '.join(texts)}{more}; {count_noun(n, noun[row])} compared, p = {max(p, 1e-99):.1g}",
            annotation=row,
            category=None if category is None else tables.profile.name_of(category),
        )


def _present(sums: Table, annotation: Ints) -> set[tuple[int, int]]:
    """The (annotation, category) that have a segment, of these annotations."""
    rows = np.flatnonzero(~sums["paired"] & np.isin(sums["owner"], annotation))
    return set(zip(sums["owner"][rows].tolist(), sums["category"][rows].tolist(), strict=True))


def _absent(pair: tuple[int, int] | None, annotation: int, present: set[tuple[int, int]]) -> int | None:
    """The category of a pair that an annotation has nowhere, so that it shares no pixels; None: it has both.

    >>> _absent((1, 2), 0, {(0, 1), (0, 2)}), _absent((1, 2), 0, {(0, 1), (5, 2)}), _absent(None, 0, set())
    (None, 2, None)
    """
    return next((id_ for id_ in pair or () if (annotation, id_) not in present), None)


def _blocks(statistics: Iterable[_Statistic]) -> Iterator[list[_Statistic]]:
    """Some statistics after others, as many numbers at a time as stay in the processor's memory."""
    block, n = list[_Statistic](), 0
    for statistic in statistics:
        block.append(statistic)
        n += len(statistic.amount)
        if n >= _BLOCK:
            yield block
            block, n = [], 0
    if block:
        yield block


def _judge(
    block: Sequence[_Statistic],
    group: Ints,
    first: int,
    rate: float,
    min_ratio: float,
    min_amount: int,
    min_images: int,
) -> tuple[Table, int]:
    """The annotations whose numbers have a chance of `rate` at most, and how many there are that are compared.

    Columns: which (statistic, the block's are numbered from `first`), annotation, amount, median, chance, n (how many
    are compared with it), far (whether it is also far enough from the median).
    """
    which = np.repeat(np.arange(len(block)), [len(statistic.amount) for statistic in block])
    annotation = np.concatenate([statistic.annotation for statistic in block])
    amount = np.concatenate([statistic.amount for statistic in block])
    size = np.concatenate([statistic.size for statistic in block])
    whole = np.concatenate([statistic.whole for statistic in block])
    peers, _ = joint_codes(which, group[annotation])
    n_peers = np.bincount(peers)[peers]
    is_rare = np.bincount(peers, weights=amount > 0)[peers] < _MIN_OCCURRENCE * n_peers
    counted = np.array([statistic.counted for statistic in block], bool)[which]
    floor = np.concatenate(
        [np.zeros(len(statistic.amount)) if statistic.floor is None else statistic.floor for statistic in block]
    )
    tested = np.flatnonzero((n_peers >= min_images) & (counted | ~is_rare))
    amount, size, whole = amount[tested], size[tested], whole[tested]
    floor = np.where(is_rare[tested], floor[tested], 0)
    is_part = ~np.isinf(whole)
    scaled = np.log(np.maximum(amount + floor, 1) / np.where(is_part, np.maximum(whole - amount, 1), size))
    least = np.where(is_rare[tested] & (floor == 0), _SCALE_OF_FEW, _MIN_SCALE)
    chance, middle = tail_probability(scaled, peers[tested], least)
    chance = np.minimum(chance, gap_probability(scaled, peers[tested], least))
    apart = (floor == 0) | _are_apart(scaled, np.where(floor > 0, peers[tested], -1), math.log(max(min_ratio, 1.0)))
    low = np.flatnonzero((chance <= rate) & apart)
    amount, size, whole, scaled, middle = amount[low], size[low], whole[low], scaled[low], middle[low]
    odds, floor = np.exp(middle), floor[low]
    median = np.where(is_part[low], np.maximum(whole * odds - floor, 0) / (1 + odds), odds * size)
    far = np.abs(scaled - middle) >= math.log(max(min_ratio, 1.0))
    far &= np.abs(np.log(np.maximum(amount, 1) / np.maximum(median, 1))) >= math.log(max(min_ratio, 1.0))
    far &= np.abs(amount - median) >= min_amount
    row = tested[low]
    tapers = [
        np.zeros(len(statistic.amount), bool) if statistic.tapers is None else statistic.tapers for statistic in block
    ]
    far &= ~(np.concatenate(tapers)[row] & (scaled < middle))
    columns = {"which": which[row] + first, "annotation": annotation[row], "amount": amount, "median": median}
    return Table({**columns, "chance": chance[low], "n": n_peers[row], "far": far}), len(tested)


def _are_apart(values: Floats, group: Ints, gap: float) -> Flags:
    """(n,) whether a value is one of the few of its group (n,), -1: none, that are far above all of the others.

    A tail that goes on without a gap is how the dataset is: objects that lie on others share more pixels or fewer.
    """
    apart = np.zeros(len(values), bool)
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(rows) < 2 or group[rows[0]] < 0:
            continue
        ranked = rows[np.argsort(-values[rows], kind="stable")]
        most = max(1, int(_MAX_OUTLIER_SHARE * len(rows)))
        gaps = np.flatnonzero(values[ranked[:most]] - values[ranked[1 : most + 1]] >= gap)
        apart[ranked[: gaps.max() + 1 if len(gaps) else 0]] = True
    return apart


def _describe(name: str, amount: float, median: float) -> str:
    """One statistic of one image, beside that of the others."""
    if median < 1:
        return f"{name}: {amount:,.0f}, where the median is 0 in an image of this size"
    if amount >= median:
        times = f"{amount / max(median, 1):,.0f} times the median"
    else:
        times = f"1/{max(median, 1) / max(amount, 1):,.0f} of the median"
    return f"{name}: {amount:,.0f}, {times} ({median:,.0f} in an image of this size)"


def _comparable(tables: Tables) -> tuple[Ints, list[str]]:
    """(n_annotations,) a number that comparable annotations share, and what to call the image of each."""
    index, annotations = SequenceIndex.from_tables(tables), tables.annotations
    in_sequence = index.sequence >= 0
    of_size = size_class(tables)[annotations["image"]]
    annotator = number_names(annotations.texts("annotator"))[1]
    group, _ = joint_codes(annotator, index.sequence, np.where(in_sequence, 0, of_size))
    kind = {sequence.name: "slice" if sequence.kind == "volume" else "frame" for sequence in tables.profile.sequences}
    names = tables.images["sequence"][annotations["image"]].tolist()
    return group, [kind.get(name, "image") if some else "image" for name, some in zip(names, in_sequence, strict=True)]


def _sums(tables: Tables) -> dict[str, Column]:
    """The statistics summed for each annotation and category, or each annotation and two categories that share pixels.

    Columns: owner (annotation), category, other (the second category), paired (whether there is one), area (that is
    shared), parts, holes, perimeter.
    """
    segments, pairs = tables.segments, tables.pairs
    rows = np.flatnonzero(is_example(tables, crowds=False))
    single = _sum_columns(
        {"category": segments["category_id"][rows], "owner": segments["annotation"][rows]},
        {name: segments[name][rows] for name in _SUMMED},
    )
    a, b = (segments["category_id"][pairs[side]] for side in ("a", "b"))
    both = {"category": np.minimum(a, b), "other": np.maximum(a, b), "owner": segments["annotation"][pairs["a"]]}
    double = _sum_columns(both, {"area": pairs["shared"]})
    n, m = len(single["owner"]), len(double["owner"])
    none = np.zeros(max(n, m), np.int64)
    return {
        name: np.concatenate([single.get(name, none[:n]), double.get(name, none[:m])])
        for name in ("owner", "category", "other", *_SUMMED)
    } | {"paired": np.repeat([False, True], [n, m])}


def _sum_columns(keys: dict[str, Column], amounts: dict[str, Column]) -> dict[str, Column]:
    """The keys, one row for each combination in ascending order, and the sums of the amounts, whole numbers."""
    which, first = joint_codes(*keys.values())
    summed = {name: np.bincount(which, column, len(first)).astype(np.int64) for name, column in amounts.items()}
    return {name: column[first].astype(np.int64) for name, column in keys.items()} | summed


def _statistics(tables: Tables, group: Ints, sums: Table) -> Iterator[_Statistic]:
    """Everything that is compared; `group` (n_annotations,) is what comparable annotations share."""
    annotations = tables.annotations
    every, name_of = np.arange(len(annotations)), tables.profile.name_of
    frame = np.maximum(tables.images["width"].astype(np.float64) * tables.images["height"], 1)[annotations["image"]]
    ones = np.ones(len(every))
    yield _Statistic("segments", every, annotations["n_segments"].astype(np.float64), ones, np.full(len(every), np.inf))
    for column, words in (
        ("multiple", _CLAIMED),
        ("unlabelled", "unlabelled pixels"),
        ("void", "pixels of void"),
    ):
        amount = annotations[column].astype(np.float64)
        yield _Statistic(words, every, amount, ones, frame, counted=True, floor=np.sqrt(frame) / 2)
    for (a, b), owner, pixels in _usual_overlaps(sums.take(sums["paired"]), group):
        shared = np.bincount(owner, weights=pixels, minlength=len(every)).astype(np.float64)
        yield _Statistic(f"pixels of {name_of(a)} that are also {name_of(b)}", every, shared, ones, frame, pair=(a, b))
    single = sums.take(~sums["paired"])
    # By category, then in the order of annotations.
    single = single.take(np.argsort(single["category"], kind="stable"))
    owner, category = single["owner"], single["category"]
    tapers = partial(_are_ends, *_slice_places(tables))
    ids, begin = np.unique(category, return_index=True)  # they are in ascending order
    ends = [*begin[1:].tolist(), len(category)][: len(begin)]  # none without a category
    for id_, start, end in zip(ids.tolist(), begin.tolist(), ends, strict=True):
        mine = slice(start, end)
        name, own = name_of(id_), owner[mine]
        area, ones, no_part = single["area"][mine].astype(np.float64), np.ones(len(own)), np.full(len(own), np.inf)
        yield _Statistic(f"pixels of {name}", own, area, ones, frame[own], id_, tapers=tapers(own))
        yield _Statistic(
            f"parts of {name}", own, single["parts"][mine].astype(np.float64), ones, no_part, id_, counted=True
        )
        yield _Statistic(
            f"holes of {name}", own, single["holes"][mine].astype(np.float64), ones, no_part, id_, counted=True
        )
        outline = single["perimeter"][mine].astype(np.float64)
        yield _Statistic(f"pixel edges of the outline of {name}", own, outline, np.sqrt(area), no_part, id_)


def _slice_places(tables: Tables) -> tuple[Ints, Ints]:
    """(n_annotations,) the number of its volume, -1: none, and its place there."""
    index, annotations = SequenceIndex.from_tables(tables), tables.annotations
    in_volume = is_frame_of(tables.profile, tables.images, "volume")[annotations["image"]]
    return np.where(in_volume, index.sequence, -1), index.place


def _are_ends(volume: Ints, place: Ints, own: Ints) -> Flags:
    """(n,) whether something that only annotations `own` (n,) have begins or ends in each: one neighbour has it.

    An organ tapers there. A slice without a neighbour that has it is no end: these are stray voxels.

    >>> _are_ends(np.array([0, 0, 0, 0, 1, -1]), np.array([0, 1, 2, 4, 3, 3]), np.arange(6)).tolist()
    [True, False, True, False, False, False]
    """
    key = volume[own] * (int(place.max(initial=0)) + 2) + place[own]
    beside = np.isin(key - 1, key).astype(np.int64) + np.isin(key + 1, key)
    ends: Flags = (beside == 1) & (volume[own] >= 0)
    return ends


def _usual_overlaps(shared: Table, group: Ints) -> Iterator[tuple[tuple[int, int], Ints, Ints]]:
    """Two categories, the annotations in which they share pixels, and how many (n,).

    Only those that enough annotations of some group have to be compared: a dataset has thousands of pairs of categories
    that share pixels here and there, and a number for each of them and each annotation would fill the memory.
    """
    owner = shared["owner"]
    pair, first = joint_codes(shared["category"], shared["other"])
    peers, of_peers = joint_codes(pair, group[owner])
    is_usual = np.bincount(peers) >= _MIN_OCCURRENCE * np.bincount(group)[group[owner[of_peers]]]
    for number in np.unique(pair[of_peers[is_usual]]).tolist():
        rows, row = np.flatnonzero(pair == number), first[number]
        yield (int(shared["category"][row]), int(shared["other"][row])), owner[rows], shared["area"][rows]
