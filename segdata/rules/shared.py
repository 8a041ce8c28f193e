"""Helpers of several rules: defects of readers, the dataset's policies, typical values of peers, disputes."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import Box, RowFinding, Severity
from segdata.core.guideline import Relation, is_related_either_way
from segdata.core.paths import split_of_folder
from segdata.core.profile import Profile
from segdata.core.reductions import medians, total
from segdata.core.rule import Findings, Tables
from segdata.core.runs import Flags, Floats, Ints, unique_inverse
from segdata.core.statistics import MAD_TO_SD, group_median
from segdata.core.strata import annotation_strata_if_any
from segdata.core.table import Table
from segdata.core.taxonomy import STAND_IN

# Roboflow's names of copies: with a hash, or, in an export of 2026, with 20 letters and digits.
_AUGMENTED = re.compile(r"(?:.*/)?(.+)\.rf\.(?:[0-9a-f]{32}|[0-9a-z]{20})\.\w+", re.DOTALL | re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?)([0-9]{1,18})([^0-9]*)", re.DOTALL)
SEPARATORS = re.compile(r"[\s_.\-]+")  # of words in the name of a category
_MIN_SINGLE_NAMES = 8
_SEPARATING_COLUMNS = ("annotator", "folder", "sequence", "camera", "month")
_MIN_SPREAD = 0.2  # of the logarithm of area
_MIN_SOLIDITY_SPREAD = 0.02  # of the spread of solidity, or
_COARSE = 0.15  # of a pixel's share of a segment's side: small outlines are coarse
_MIN_BOX_SHARE = 0.95  # of its box that a box-shaped segment fills
_PART = 2.0  # how unusual the area of a lobe may be
_SOLIDITY = 3.0  # and its solidity
SUM_COLUMNS = ("n", "pixels", "area", "x", "y", "width", "height")


def join_first(values: Iterable[object], most: int) -> str:
    """The first of some values, separated by commas, with an ellipsis for the rest."""
    texts = [str(value) for value in values]
    return ", ".join(texts[:most]) + (", …" if len(texts) > most else "")


def image_names(tables: Tables, annotations: Ints) -> str:
    """The first three images of some annotations, in the order of their names."""
    return join_first(sorted(set(tables.images["image_id"][tables.annotations["image"][annotations]].tolist())), 3)


def segments_finding(
    tables: Tables, message: str, rows: Ints, category: str | None = None, severity: Severity | None = None
) -> RowFinding:
    """A finding about several segments, with all of their pixels."""
    pixels = int(tables.segments.take(rows)["area"].sum())
    return RowFinding(message, segments=tuple(rows.tolist()), pixels=pixels, category=category, severity=severity)


def both_ways(pairs: Table, column: str = "shared") -> Table:
    """Each pair of segments `a` and `b` twice: as `one` and `other`, and as `other` and `one`, with this column."""
    a, b = pairs["a"], pairs["b"]
    return Table({"one": np.concatenate([a, b]), "other": np.concatenate([b, a]), column: np.tile(pairs[column], 2)})


def box_around(tables: Tables, rows: Ints | Sequence[int]) -> Box:
    """The box around several segments."""
    x, y, width, height = (tables.segments[name][rows] for name in ("x", "y", "width", "height"))
    left, top = int(x.min()), int(y.min())
    return left, top, int((x + width).max()) - left, int((y + height).max()) - top


def picture_of_copy(name: str) -> str | None:
    """The picture that an image is an altered copy of, by the name that Roboflow gives it; None for other names.

    >>> [picture_of_copy(f"train/a_jpg.rf.{end}.jpg") for end in ("0" * 32, "U1V7HCalsqRvw1Ddab0f", "b")]
    ['a_jpg', 'a_jpg', None]
    """
    match = _AUGMENTED.fullmatch(name)
    return None if match is None else match[1]


def numbered_name(image_id: str, folders: dict[str, str]) -> tuple[tuple[str, str, str], int] | None:
    """The series of an image, which all have whose names differ in their last number alone, and that number.

    Folders that are called as splits are do not count, nor does what Roboflow appends to the names of copies. `folders`
    keeps what was computed, as it is written -> without splits: there are few, and paths are slow. None: no number.

    >>> numbered_name("val/film/shot_012_jpg.rf.U1V7HCalsqRvw1Ddab0f.jpg", {})
    (('film', 'shot_', '_jpg'), 12)
    """
    name = str(PurePosixPath(image_id)) if image_id.endswith(("/", "/.")) else image_id
    last = name[name.rfind("/") + 1 :]
    dot = last.rfind(".")
    stem = picture_of_copy(last) or (last[:dot] if 0 < dot < len(last) - 1 else last)
    numbered = _NUMBERED.fullmatch(stem)
    if numbered is None:
        return None
    written = name[: len(name) - len(last)]
    if written not in folders:
        folders[written] = "/".join(part for part in PurePosixPath(written).parts if split_of_folder(part) is None)
    before, number, after = numbered.groups()
    return (folders[written], before, after), int(number)


def plain_name(name: str) -> str:
    """The name of a category without case and separators."""
    return SEPARATORS.sub("", name).casefold()


def improper_categories(profile: Profile, category: Ints, n: Ints) -> Ints:
    """Categories that are none by themselves, and too rare or too frequent in no sense: other findings speak of them.

    They have the name of a more frequent one but for case and separators (SEG215), stand in for the labels that name
    none, or name single things. `category` (k,) are ids of the whole dataset, `n` (k,) how frequent they are.
    """
    order = np.argsort(-n, kind="stable")
    names = [plain_name(profile.name_of(id_)) for id_ in category[order].tolist()]
    first = {name: row for row, name in reversed([*enumerate(names)])}
    misspelt = category[order][[row for row, name in enumerate(names) if first[name] != row]]
    return np.concatenate([misspelt, stand_ins(profile), single_names(profile, category, n)])


def stand_ins(profile: Profile) -> Ints:
    """The ids of categories that stand in for labels without one."""
    return np.array([entry.id for entry in profile.taxonomy.categories if entry.definition == STAND_IN], np.int64)


def single_names(profile: Profile, category: Ints, n: Ints) -> Ints:
    """Categories that name single things in place of kinds, as the texts of number plates do; none if they are few.

    Those with two digits or more in their names, if three quarters of all categories are such and occur once or twice.
    `category` (k,) are ids of the whole dataset, `n` (k,) how often they occur.
    """
    if profile.provisional is not None:  # `category_14` is our name
        return np.zeros(0, np.int64)
    is_numbered = np.array([sum(map(str.isdigit, profile.name_of(id_))) > 1 for id_ in category.tolist()], bool)
    n_rare = int((is_numbered & (n <= 2)).sum())
    are_most = n_rare >= _MIN_SINGLE_NAMES and 4 * n_rare >= 3 * len(category)
    return category[is_numbered & are_most]


def separating_column(tables: Tables, usual: Ints, odd: Ints, words: str) -> str:
    """The column whose strata are each nearly all of one of two sorts of annotations, in words: which are `odd`."""
    every, is_odd = np.concatenate([usual, odd]), np.repeat([False, True], [len(usual), len(odd)])
    columns = [tables.profile.by] if tables.profile.by else []
    for column in (*columns, *_SEPARATING_COLUMNS):
        names = annotation_strata_if_any(tables, column)[every]
        if any(name is None for name in names):
            continue
        share_of = {name: float(is_odd[names == name].mean()) for name in sorted(set(names.tolist()))}
        is_clear = all(share <= 0.1 or share >= 0.9 for share in share_of.values())
        if is_clear and len({share > 0.5 for share in share_of.values()}) == 2 and len(share_of) <= len(every) / 2:
            separating = [name for name, share in share_of.items() if share > 0.5]
            return f"; by {column}, {words}: {join_first(separating, 5)}"
    return ""


def reader_findings(tables: Tables, code: str) -> Findings:
    """The defects that readers reported under this code, as findings."""
    for defect in tables.defects:
        if defect.code == code:
            yield RowFinding(
                defect.message,
                ids=defect.segments,
                image_id=defect.image,
                annotator=defect.annotator,
                bbox=defect.bbox,
                pixels=defect.pixels,
                category=defect.category,
                severity=defect.severity,
                file=defect.file,
                place=defect.place,
                line=defect.line,
            )


def is_lossy(tables: Tables) -> Flags:
    """(n_segments,) whether the segment's mask is one that its storage changed (SEG010): its details mean nothing."""
    lossy = {defect.image for defect in tables.defects if defect.code == "SEG010" and defect.image is not None}
    if not lossy:
        return np.zeros(len(tables.segments), bool)
    image = np.isin(tables.images["image_id"].astype(str), sorted(lossy))
    return image[tables.segments["image"]]


def defect_keys(tables: Tables, rows: Ints) -> list[tuple[str, int | str]]:
    """The image and the source's own id of some segments, by which defects name them."""
    image = tables.images["image_id"]
    lines = tables.segments.take(rows).lines("image", "segment_id", "source_id")
    return [(image[row], id_ if source is None else source) for row, id_, source in lines]


def has_defect(tables: Tables, code: str, rows: Ints | None = None) -> Flags:
    """(n_segments,) whether a defect of this code names the segment, so that other rules skip it; of `rows`: (n,)."""
    reported = {
        (defect.image, segment) for defect in tables.defects if defect.code == code for segment in defect.segments
    }
    segment_rows = np.arange(len(tables.segments)) if rows is None else rows
    if not reported:
        return np.zeros(len(segment_rows), bool)
    return np.array([key in reported for key in defect_keys(tables, segment_rows)], bool)


def requires_full_coverage(tables: Tables) -> Flags:
    """(n_annotations,) whether every pixel must be labelled: by the annotation's own coverage, else the dataset's."""
    habit = "exhaustive" if tables.profile.is_exhaustive else "sparse"
    return np.array([(own or habit) == "exhaustive" for own in tables.annotations["coverage"].tolist()], bool)


def background_is_declared(profile: Profile) -> bool:
    """Whether no other image says what unlabelled pixels mean; see `leaves_background_unlabelled`."""
    return profile.coverage.declared or not profile.is_exhaustive


def leaves_background_unlabelled(tables: Tables, least_share: float = 0.25, least_annotations: int = 5) -> bool:
    """Whether unlabelled pixels of the masks are background, judged by their amount if no coverage is declared.

    They are if coverage is exhaustive only by the format's habit, and nine in ten of at least `least_annotations`
    annotations leave more than `least_share` of their image unlabelled; any number of annotations is enough if a
    taxonomy that somebody wrote says what marks unlabelled pixels.
    """
    if background_is_declared(tables.profile):
        return False
    annotations = tables.annotations.take(tables.annotations.missing("coverage"))
    frame = (tables.images["width"] * tables.images["height"])[annotations["image"]]
    empty = annotations["unlabelled"] > least_share * frame
    is_named = tables.profile.taxonomy_declared and tables.profile.taxonomy.unlabelled is not None
    n = total(tables, all=len(empty), empty=int(empty.sum()))
    return n["all"] >= max(1 if is_named else least_annotations, 1) and n["empty"] / n["all"] >= 0.9


def forbidden_overlaps(tables: Tables) -> Table:
    """The rows of `pairs` that the policy forbids, or would forbid where it allows all overlap.

    This leaves out pairs with a crowd, pairs whose categories the taxonomy names `part_of` or `may_overlap` (in either
    direction) or forbids to overlap or touch (SEG207 reports those), and with `same-category-forbid` pairs of different
    categories.
    """
    pairs, taxonomy = tables.pairs, tables.profile.taxonomy
    category, crowd = tables.segments["category_id"], tables.segments["iscrowd"]
    a, b = pairs["a"], pairs["b"]
    free = crowd[a] | crowd[b]
    if tables.profile.overlap.value == "same-category-forbid":
        free |= category[a] != category[b]
    relations: tuple[Relation, ...] = ("part_of", "may_overlap", "may_not_overlap", "may_not_touch")
    for relation in relations:
        free |= is_related_either_way(taxonomy, relation, category[a], category[b])
    return pairs.take(~free)


def counts_small_shapes(tables: Tables) -> Flags:
    """(n_segments,) whether small parts and holes of a segment count as mistakes.

    They do not for crowds, void, categories whose lines are `thin`, and masks that their storage changed (SEG010).
    """
    segments, categories = tables.segments, tables.profile.taxonomy.categories
    left_alone = [category.id for category in categories if category.thin or category.kind == "void"]
    return ~(is_lossy(tables) | segments["iscrowd"] | np.isin(segments["category_id"], left_alone))


def typical_values(
    tables: Tables, values: Floats, among: Flags, least_near: int = 8, least_far: int = 20, *, of: Ints | None = None
) -> tuple[Floats, Floats]:
    """Median and standard deviation of `values` among the peers of some segments, `of` (n,); default: all.

    `values` and `among`, which segments count as peers, are (n_segments,). Peers are those of the same
    annotation and category where there are `least_near`, else those of the same category in the dataset where there
    are `least_far`; NaN where there are fewer. The standard deviation is that of the median absolute deviation.
    Several sorts of values, (k, n_segments), give (k, n).
    """
    segments = tables.segments
    rows = np.arange(len(segments)) if of is None else of
    category = unique_inverse(segments["category_id"])[1]
    annotation_category = segments["annotation"].astype(np.int64) * (int(category.max(initial=0)) + 1) + category
    sorts = np.atleast_2d(values)
    near = [_group_statistics(own, annotation_category, among, least_near, rows) for own in sorts]
    middle, spread = (np.stack(columns) for columns in zip(*near, strict=True))
    is_missing = np.isnan(middle[0])
    asked, peers = segments["category_id"][rows[is_missing]], np.flatnonzero(among)
    if tables.turn is None:
        peers = peers[np.isin(segments["category_id"][peers], asked)]
    for k, (middles, spreads) in enumerate(_far_statistics(tables, sorts[:, peers], peers, asked, least_far)):
        middle[k, is_missing], spread[k, is_missing] = middles, spreads
    return (middle, spread) if values.ndim == 2 else (middle[0], spread[0])


def _far_statistics(
    tables: Tables, values: Floats, peers: Ints, asked: Ints, least_members: int
) -> Iterator[tuple[Floats, Floats]]:
    """For each sort of values (k, n) of some segments (n,): medians and deviations of the categories asked for (m,)."""
    k = len(values)
    # Categories have the same numbers in all parts of a dataset.
    category = tables.segments["category_id"][peers].astype(np.int64)
    group, own = (category * k + np.arange(k)[:, None]).ravel(), values.ravel()
    middles = medians(tables, own, group)
    away = np.abs(own - middles["median"][np.searchsorted(middles["group"], group)])
    spreads = medians(tables, away, group)["median"] * MAD_TO_SD
    for sort in range(k):
        wanted_key = asked.astype(np.int64) * k + sort
        place = np.searchsorted(middles["group"], wanted_key)
        rows = np.flatnonzero(place < len(middles))
        rows = rows[middles["group"][place[rows]] == wanted_key[rows]]
        rows = rows[middles["n"][place[rows]] >= least_members]
        result = np.full((2, len(asked)), np.nan)
        result[:, rows] = middles["median"][place[rows]], spreads[place[rows]]
        yield result[0], result[1]


def _group_statistics(
    values: Floats, group: Ints, eligible: Flags, least_members: int, rows: Ints
) -> tuple[Floats, Floats]:
    """Median and standard deviation of the chosen members of the groups of some segments."""
    group_number = unique_inverse(group)[1]
    n_groups = int(group_number.max(initial=-1)) + 1
    is_asked = np.zeros(n_groups, bool)
    is_asked[group_number[rows]] = True
    is_asked &= np.bincount(group_number[eligible], minlength=n_groups) >= least_members
    members = np.flatnonzero(eligible & is_asked[group_number])
    member = group_number[members]
    middles = group_median(values[members], member)
    middle, spread = np.full(n_groups, np.nan), np.full(n_groups, np.nan)
    middle[member] = middles
    spread[member] = group_median(np.abs(values[members] - middles), member) * MAD_TO_SD
    return middle[group_number[rows]], spread[group_number[rows]]


def is_thing(tables: Tables) -> Flags:
    """(n_segments,) whether a segment is one object: a thing of the taxonomy, no crowd, its mask unchanged."""
    thing_ids = [category.id for category in tables.profile.taxonomy.by_id().values() if category.kind == "thing"]
    segments = tables.segments
    result: Flags = np.isin(segments["category_id"], thing_ids) & ~segments["iscrowd"] & ~is_lossy(tables)
    return result


def bridged_segments(tables: Tables) -> Table:
    """The rows of `lobes` whose two largest lobes are like their peers, with how much more unusual the whole is.

    Adds the columns area_z and bent_z, robust scores of the logarithm of the segment's area and of its lack of
    solidity; and gain: by how much both together exceed the score of its more unusual lobe.
    """
    table, area = tables.lobes, tables.segments["area"]
    middle, spread = np.log(table["typical"]), np.maximum(table["spread"], _MIN_SPREAD)
    scale = np.maximum(table["solidity_spread"], np.maximum(_MIN_SOLIDITY_SPREAD, _COARSE / np.sqrt(table["typical"])))
    area_z = (np.log(area[table["segment"]]) - middle) / spread
    bent_z = (table["typical_solidity"] - table["solidity"]) / scale
    first, second = ((np.log(table[name]) - middle) / spread for name in ("first", "second"))
    bent = (table["typical_solidity"] - table["lobe_solidity"]) / scale
    worst = np.maximum.reduce([first, -second, bent, np.zeros(len(table))])
    gain = np.hypot(np.maximum(area_z, 0), np.maximum(bent_z, 0)) - worst
    alike = (first <= _PART) & (second >= -_PART) & (bent <= _SOLIDITY)
    alike &= is_thing(tables)[table["segment"]]
    return table.beside(area_z=area_z, bent_z=bent_z, gain=gain).take(alike)


def sum_by_owner(things: Table, by: str, *also: str) -> Table:
    """One row per owner, ascending.

    Takes `things` with the columns area, x, y, width, height in pixels, and `by`, the column that names the owner.
    Returns the columns `by`, n (how many), pixels (their sum), and area, box and the columns `also` of the largest; of
    equals the first.
    """
    owner, owner_number = np.unique(things[by], return_inverse=True)
    order = np.lexsort((-things["area"], owner_number))
    first = order[np.searchsorted(owner_number[order], np.arange(len(owner)))]
    largest = things.take(first)
    return Table(
        {
            by: owner,
            "n": np.bincount(owner_number, minlength=len(owner)),
            "pixels": np.bincount(owner_number, weights=things["area"], minlength=len(owner)).astype(np.int64),
            **{name: largest[name] for name in (*SUM_COLUMNS[2:], *also)},
        }
    )


def small_region_findings(regions: Table, group: str, noun: str, unit: str) -> Findings:
    """One finding per owner of some small holes or parts: how many, how large together, and the largest one."""
    summed = sum_by_owner(regions, group, *({"segment", "whole"} - {group}))
    for segment, whole, n, pixels, largest, *box in summed.lines("segment", "whole", *SUM_COLUMNS):
        largest_note = f", the largest {largest} {unit if largest != 1 else unit.removesuffix('s')}" if n > 1 else ""
        own_unit = unit.removesuffix("s") if pixels == 1 else unit
        message = f"{count_noun(n, noun)} of {pixels:,} {own_unit}{largest_note}, in a segment of {whole:,} {unit}"
        yield RowFinding(message, segments=(segment,), bbox=tuple(box), pixels=pixels)


def free_outlines(tables: Tables) -> tuple[Flags, Floats]:
    """(n_segments,) which segments are no boxes, and (n_annotations,) the pixel edges of their outlines together."""
    segments = tables.segments
    is_shape = np.asarray(segments["area"] < _MIN_BOX_SHARE * segments["width"] * segments["height"], bool)
    own = np.where(is_shape, segments["perimeter"], 0)
    edges: Floats = np.bincount(segments["annotation"], own, len(tables.annotations)).astype(np.float64)
    return is_shape, edges


def goes_in_and_out(shapes: Table) -> Flags:
    """(n,) whether an outline is longer than that of its box: boxes, discs and other convex outlines are not."""
    width, height, perimeter = (shapes[name].astype(np.int64) for name in ("width", "height", "perimeter"))
    return np.asarray(perimeter > 2 * (width + height), bool)


_SPARE_BITS = 2  # four buckets for each number
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, without a pattern: 2 ** 64 over the golden ratio


def shape_keys(segments: Table, columns: Iterable[str], rows: Ints) -> Ints:
    """(n,) a hash of the whole numbers that n rows have in some columns."""
    code = np.zeros(len(rows), np.uint64)
    for name in columns:
        code = (code ^ segments[name][rows].astype(np.int64).view(np.uint64)) * _MULTIPLIER
        code ^= code >> np.uint64(29)
    return code.view(np.int64)


def occur_often(values: Ints, n: int) -> Flags:
    """(n_values,) whether a number occurs `n` times or more; one sort of those that share a bucket with as many."""
    bits = len(values).bit_length() + _SPARE_BITS
    bucket = ((values.astype(np.int64).view(np.uint64) * _MULTIPLIER) >> np.uint64(64 - bits)).astype(np.int64)
    rows = np.flatnonzero(np.bincount(bucket)[bucket] >= n)
    rows = rows[np.argsort(values[rows])]
    ascending = values[rows]
    number = np.cumsum(np.diff(ascending, prepend=ascending[:1] - 1) != 0) - 1
    often = np.zeros(len(values), bool)
    often[rows] = np.bincount(number)[number] >= n
    return often


class Dispute(NamedTuple):
    """One row of `PanelAssessment.disputes`; `category` and `called` are names, `area` is in pixels.

    `whose` is the annotator whose segment is shown, None if there is none.
    """

    annotation: int
    segment: int
    other: int
    category: str
    called: str
    support: int
    others: int
    n: int
    near: float
    distance: float
    share: float
    area: int
    whose: str | None

    def finding(self, message: str) -> RowFinding:
        """A finding about the segments, or the region, in dispute."""
        rows = tuple(row for row in (self.segment, self.other) if row >= 0)
        return RowFinding(message, segments=rows, annotation=self.annotation, category=self.category, pixels=self.area)

    @property
    def backing(self) -> str:
        """The annotators on the other side, in words."""
        if self.others == 1:
            return self.whose or "the other"
        if self.support < 0:
            return "most others"
        return f"{self.support} of {self.others} others"


def disputes_of_kind(
    tables: Tables, kind: str, min_pixels: int, min_share: float = 0.0, *, apart: tuple[float, float] | None = None
) -> Iterator[Dispute]:
    """The disputes of a kind about segments of at least `min_pixels`.

    Regions that are not counted must be in dispute for at least `min_share` of their pixels. `apart`: below which share
    of boundaries that are near, and from which distance on, a dispute is one; None: all.
    """
    if tables.assessment is None or tables.annotator_pairs is None:
        return
    disputes = tables.assessment.disputes
    # Any: texts; -1 is the last
    names: list[Any] = [*(category.name for category in tables.annotator_pairs.categories), ""]
    segments, annotations = tables.segments, tables.annotations
    of_kind = np.flatnonzero(disputes["kind"] == kind)
    segment, pixels, share = (disputes[name][of_kind] for name in ("segment", "pixels", "share"))
    area = np.where(pixels >= 0, pixels, np.append(segments["area"], 0)[segment])
    is_large = (area >= min_pixels) & ~(share < min_share)
    if apart is not None:
        is_large &= (disputes["near"][of_kind] < apart[0]) & (disputes["distance"][of_kind] >= apart[1])
    for row, pixels_of in zip(of_kind[is_large].tolist(), area[is_large].tolist(), strict=True):
        cell = {name: disputes.cell(name, row) for name in Dispute._fields[:-2]}
        own = cell["segment"]
        whose = annotations["annotator"][segments["annotation"][own]] if own >= 0 else None
        called = {"category": names[cell["category"]], "called": names[cell["called"]]}
        yield Dispute(**(cell | called), area=pixels_of, whose=whose)
