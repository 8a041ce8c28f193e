"""Copying: pairs of annotators with more identical segments than other pairs of the campaign have.

Two annotators who draw independently hardly ever draw the same pixels. Pairs that do have one annotator's work under
two names, or a draft that both kept. The labels do not show who copied whom, but two copies are one vote: they decide
no majority, and their agreement means nothing.

Automation bias is the same effect with a model. Annotators who begin with its suggestions keep those that are good
enough, and those that only look good enough; segments beyond the rate of independent work were accepted, not drawn, and
do not show that the model is right. Source: Goddard, Roudsari and Wyatt (2012), Automation bias: a systematic review,
Journal of the American Medical Informatics Association 19(1), 121-127.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.agreement.estimates import Resampling
from segdata.agreement.inference import exact_interval, share_with_interval
from segdata.agreement.scores import Count, Number, Score, column_of, table_of_lines
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.batch import Batch
from segdata.core.label_hash import mix, run_digests
from segdata.core.resampling import least_clusters
from segdata.core.runs import Flags, Floats, Ints, Runs, bounding_boxes, label_parts
from segdata.core.table import Table


class UnchangedShare(msgspec.Struct, frozen=True):
    """The share of an annotator's segments that equal a model's, pixel for pixel, on the images that both annotated.

    `share`: of the annotator's `segments`. `persons`: the share of segments that two persons draw identically, where
    neither segment is a model's: the share to expect.
    """

    annotator: str
    model: str
    images: Count
    segments: Count
    share: Score
    persons: Score


def unchanged_shares(
    comparison: AnnotatorPairs, models: Collection[int], resampling: Resampling
) -> tuple[UnchangedShare, ...]:
    """For each person and each annotator in `models` (positions), the share of segments with the same pixels.

    A segment that only got another category is unchanged too; in semantic data a segment is all of a category in an
    image. The expected share is that of any two persons, without segments that are a model's. Intervals are over
    clusters; for shares of 0 and 1 they follow the rule of three.
    """
    matches, pairs = comparison.matches, comparison.pairs
    if not models or not len(matches):
        return ()
    is_model = np.isin(np.arange(len(comparison.annotators)), list(models))
    pair = column_of(matches, "pair")
    sides = np.stack([column_of(pairs, side)[pair] for side in "ab"])
    segment = np.stack([column_of(matches, side) for side in "ab"])
    counted = (segment >= 0) & ~column_of(matches, "ignored").astype(bool)
    shared = column_of(matches, "shared")
    same = counted.all(axis=0) & (column_of(matches, "area_a") == shared) & (column_of(matches, "area_b") == shared)
    cluster = column_of(comparison.cases, "cluster")[column_of(pairs, "case")[pair]]
    own = equals_model(segment, same, is_model[sides])
    person = np.array(comparison.persons, np.int64)[sides]
    independent = counted & ~own & ~is_model[sides].any(axis=0) & (person[0] != person[1])
    alike = same & independent.all(axis=0)
    hit, clusters = (np.concatenate([values[side] for side in independent]) for values in (alike, cluster))
    persons = share_over_clusters(hit, clusters, resampling)
    result = []
    for model in np.flatnonzero(is_model).tolist():
        for annotator in np.flatnonzero(~is_model).tolist():
            a, b = sorted((annotator, model))
            mine = counted[int(annotator == b)] & (sides[0] == a) & (sides[1] == b)
            if mine.any():
                names = comparison.annotators[annotator], comparison.annotators[model]
                images = _count_common_images(comparison, a, b)
                result.append(
                    UnchangedShare(
                        *names,
                        images,
                        int(mine.sum()),
                        share_over_clusters(same[mine], cluster[mine], resampling),
                        persons,
                    )
                )
    return tuple(result)


def equals_model(segment: Ints, same: Flags, is_model: Flags) -> Flags:
    """(2, n) whether the segment of each side has the pixels of a model's segment."""
    is_copied = np.zeros(int(segment.max(initial=-1)) + 2, bool)  # the last is nobody's
    for side in (0, 1):
        is_copied[segment[side, same & is_model[1 - side] & ~is_model[side]]] = True
    return np.asarray(is_copied[segment], bool)


def _count_common_images(comparison: AnnotatorPairs, a: int, b: int) -> int:
    both = (column_of(comparison.pairs, "a") == a) & (column_of(comparison.pairs, "b") == b)
    return int(column_of(comparison.cases, "frames")[column_of(comparison.pairs, "case")[both]].sum())


def share_over_clusters(hit: Flags, cluster: Ints, resampling: Resampling) -> Score:
    """The share of hits (n,) among segments, with its interval over their clusters."""
    number = np.unique(cluster, return_inverse=True)[1]
    n = int(number.max(initial=-1)) + 1
    if n == 0:
        return Score.undefined()
    hits, total = np.bincount(number, hit, n).astype(np.float64), np.bincount(number, minlength=n).astype(np.float64)
    return Score(*share_with_interval(hits, total, resampling.confidence, trials=len(hit)), len(hit), 0)


_NO_ROWS = (((2, 0), np.int64), (0, np.int64), (0, bool), (0, bool))  # of `ComparedSegments`
MIN_AREA = 64  # pixels: smaller segments may be identical by chance
NEARLY = 0.1  # px: the largest mean distance between two outlines that count as alike
USUAL_ALONE = 0.05  # the usual share alike if there is no other pair
MARGIN = 0.1  # by which the interval of a pair must exceed the usual share
MIN_ALIKE_SEGMENTS = 5  # segments that a pair must have alike
COMMON_DRAFT = 0.1  # a usual share from which all annotators began with the same labels, which is no copying
_USUAL_QUANTILE = 0.25  # of the other pairs' shares: some of these may be copies too
_MIN_COPIED_SHARE = 0.1  # of the images, since annotators copy image by image
_ONE_VOICE = 1 / 3  # share of an image's segments from which it counts as copied, if the pair does


class IdenticalWork(msgspec.Struct, frozen=True, kw_only=True):
    """The identical work of two annotators on the images that both annotated.

    `segments`: the number of compared segments, with a matched pair counted once: segments of 64 px or more that are
    not rectangles, in class masks their connected parts, and in pairs of persons without segments that equal a model's.
    `identical`: the share with the same pixels. `alike`: the share with the same pixels, or with outlines that are 0.1
    px apart on average. `usual`: the share alike of other pairs of persons (their lower quartile), 0.05 without other
    pairs. `stands`: the interval of `alike` is 10 points above that, a tenth of the images is copied, and `usual` is
    below 0.1: if all pairs have more alike, all began with the same labels. `one_voice`: the number of images in which
    the two then count as one annotator. `model`: one of the two is a model.
    """

    a: str
    b: str
    images: Count
    segments: Count
    identical: Score
    alike: Score
    usual: Number
    stands: bool
    one_voice: Count
    model: bool


def find_copies(
    comparison: AnnotatorPairs,
    segments: Table,
    resampling: Resampling,
    *,
    models: Collection[int] = (),
    gold: int | None = None,
) -> tuple[AnnotatorPairs, tuple[IdenticalWork, ...]]:
    """Find copies: the tables with copies marked in `copied`, and the identical work of every pair of persons.

    Parameters
    ----------
    segments : the measured segments, with `area`, `width` and `height`
    models : positions of annotators who are models
    gold : the position of the reference

    Among copies the reference keeps its vote, then persons before models, then the one that the panel lists first.
    """
    rows = _compare_segments(comparison, segments, models)
    cluster, frames = (column_of(comparison.cases, name) for name in ("cluster", "frames"))
    couples = judge_couples(rows, cluster, models, resampling)
    is_testable = len(couples) > 1  # of two alone both keep their voice: nothing is a majority
    results, copied = [], np.zeros((len(comparison.cases), len(comparison.annotators)), bool)
    for couple in couples:
        silent = couple.silent if is_testable else couple.silent[:0]
        copied[silent, second_voice(couple.who, models, gold)] = True
        results.append(
            couple.result(
                comparison.annotators, int(frames[_common_cases(comparison, couple.who)].sum()), frames[silent]
            )
        )
    return (replace(comparison, copied=copied) if copied.any() else comparison), tuple(results)


_COLUMNS = {
    "a": int,
    "b": int,
    "identical": float,
    "alike": float,
    "low": float,
    "high": float,
    "usual": float,
    "segments": int,
    "images": int,
    "one_voice": int,
    "model": bool,
    "stands": bool,
}


def copies_table(comparison: AnnotatorPairs, works: Sequence[IdenticalWork]) -> Table:
    """Identical work as the table `copies` of `segdata.core.annotator_pairs.PanelAssessment`."""
    position = {name: k for k, name in enumerate(comparison.annotators)}
    return table_of_lines(
        _COLUMNS,
        [
            (
                position[work.a],
                position[work.b],
                work.identical.value,
                work.alike.value,
                work.alike.low,
                work.alike.high,
                work.usual,
                work.segments,
                work.images,
                work.one_voice,
                work.model,
                work.stands,
            )
            for work in works
        ],
    )


def shares_alike_with(
    reference: int | None, comparison: AnnotatorPairs, works: Sequence[IdenticalWork]
) -> dict[int, float]:
    """The share of identical segments of each person whose work is a copy of the reference."""
    if reference is None:
        return {}
    name, position = comparison.annotators[reference], {who: k for k, who in enumerate(comparison.annotators)}
    return {
        position[work.b if work.a == name else work.a]: work.alike.value
        for work in works
        if work.stands and name in (work.a, work.b)
    }


def _is_with_model(couple: tuple[int, int], models: Collection[int]) -> bool:
    return couple[0] in models or couple[1] in models


def second_voice(couple: tuple[int, int], models: Collection[int], gold: int | None) -> int:
    """The annotator of two copies who loses the vote."""
    return max(couple, key=lambda name: (name != gold, name in models, name))


def _usual_share(others: list[Score]) -> float:
    """The usual share alike of two annotators: the lower quartile over the other pairs."""
    values = [score.value for score in others if np.isfinite(score.value)]
    return float(np.quantile(values, _USUAL_QUANTILE)) if values else USUAL_ALONE


@dataclass(frozen=True, slots=True)
class ComparedSegments:
    """n segments of pairs of annotators that can show copying; a matched pair counts once."""

    couple: Ints  # (2, n) the two annotators
    case: Ints  # (n,)
    identical: Flags  # (n,) the pixels are the same
    alike: Flags  # (n,) they nearly are


def _compare_segments(comparison: AnnotatorPairs, segments: Table, models: Collection[int]) -> ComparedSegments:
    """The segments to compare, from the table `matches`, or in class masks from their `parts`."""
    matches, pairs = comparison.matches, comparison.pairs
    if not len(matches):
        return ComparedSegments(np.zeros((2, 0), np.int64), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, bool))
    person = np.array(comparison.persons, np.int64)
    pair = column_of(matches, "pair")
    sides = np.stack([column_of(pairs, side)[pair] for side in "ab"])
    rows = np.flatnonzero((person[sides[0]] != person[sides[1]]) & ~column_of(matches, "ignored").astype(bool))
    segment = np.stack([column_of(matches, side)[rows] for side in "ab"])
    area = np.stack([column_of(matches, f"area_{side}")[rows] for side in "ab"])
    shared, sides, pair = column_of(matches, "shared")[rows], sides[:, rows], pair[rows]
    matched = (segment >= 0).all(axis=0)
    identical = matched & (area == shared).all(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = (area.sum(axis=0) - 2 * shared) / _outline_lengths(comparison)[rows]
    alike = identical | (matched & (apart <= NEARLY))
    is_model = np.isin(np.arange(len(person)), list(models))[sides]
    is_telling = segments["area"] < segments["width"] * segments["height"]
    telling = (np.append(is_telling, False)[segment] & (area >= MIN_AREA)).any(axis=0)
    from_model = equals_model(segment, alike, is_model).any(axis=0) & ~is_model.any(axis=0)
    if len(comparison.parts):
        near: dict[tuple[int, int], Ints] = {}
        parts = comparison.parts.take(~np.isin(column_of(comparison.parts, "segment"), segment[:, from_model]))
        segment_of = column_of(parts, "segment")
        for a, b in zip(*np.unique(sides[:, alike], axis=1).tolist(), strict=True):
            own = segment[:, alike & (sides[0] == a) & (sides[1] == b)]
            near[a, b] = np.flatnonzero(np.isin(segment_of, own))
        present = np.zeros((len(comparison.cases), len(person)), bool)
        for side in "ab":
            present[column_of(pairs, "case"), column_of(pairs, side)] = True
        case, annotator, digest = (column_of(parts, name) for name in ("case", "annotator", "digest"))
        return compare_digests(case, annotator, digest, present, models, person, near)
    kept = np.flatnonzero(telling & ~from_model)
    return ComparedSegments(sides[:, kept], column_of(pairs, "case")[pair[kept]], identical[kept], alike[kept])


def telling_parts(batch: Batch, *, connected: bool) -> tuple[Ints, NDArray[np.uint64]]:
    """Parts that are specific enough to show copying: the segment (n,) and a hash of the pixels (n,).

    Parts are segments, or with `connected`, for data without instances, their connected components: single objects may
    be copied into class masks that differ otherwise.
    """
    height = batch.segment_size[0]
    part, owner = batch.runs.owner.astype(np.int64), np.arange(batch.n_segments)
    if connected:
        part, owner = label_parts(batch.runs, height)
    n = len(owner)
    runs = Runs(batch.runs.start, batch.runs.length, part.astype(np.int32)).sorted_by_owner(n)
    area = runs.areas(n)
    _, _, wide, high = bounding_boxes(runs, height[owner], n)
    kept = np.flatnonzero((area >= MIN_AREA) & (area < wide * high))
    return owner[kept], run_digests(runs, n)[kept]


def compare_digests(
    case: Ints,
    annotator: Ints,
    digest: NDArray[np.uint64],
    present: Flags,
    models: Collection[int],
    person: Ints,
    near: Mapping[tuple[int, int], Ints] | None = None,
) -> ComparedSegments:
    """Compare the parts of every two persons on the cases that both annotated; identical parts count once.

    `case`, `annotator` and `digest` (n,) describe the parts, `present` (cases, annotators) who annotated what,
    `person` (annotators,) who is who. Parts that only one has are paired with parts of the other, as far as there
    are any. `near`: rows of parts of two annotators that are nearly identical.
    """
    key = mix(digest ^ mix(case.astype(np.uint64)))
    own = [np.flatnonzero(annotator == k) for k in range(present.shape[1])]
    own = [rows[np.unique(key[rows], return_index=True)[1]] for rows in own]
    from_models = np.unique(np.concatenate([np.zeros(0, np.uint64), *(key[own[k]] for k in models)]))
    couples, cases, identical, alike = ([np.zeros(shape, type_)] for shape, type_ in _NO_ROWS)
    for a, b in combinations(range(present.shape[1]), 2):
        if person[a] == person[b]:
            continue
        both = present[:, a] & present[:, b]
        rows_a, rows_b = (own[k][both[case[own[k]]]] for k in (a, b))
        if a not in models and b not in models:
            rows_a, rows_b = (rows[~np.isin(key[rows], from_models)] for rows in (rows_a, rows_b))
        touched = np.zeros(0, np.int64) if near is None else near.get((a, b), np.zeros(0, np.int64))
        same, other_same = np.isin(key[rows_a], key[rows_b]), np.isin(key[rows_b], key[rows_a])
        hit, other_hit = same | np.isin(rows_a, touched), other_same | np.isin(rows_b, touched)
        left = [np.bincount(case[rows], minlength=len(present)) for rows in (rows_a[~hit], rows_b[~other_hit])]
        others = np.repeat(np.arange(len(present)), np.maximum(*left))
        cases.append(np.append(case[rows_a[hit]], others))
        identical.append(np.append(same[hit], np.zeros(len(others), bool)))
        alike.append(np.append(np.ones(int(hit.sum()), bool), np.zeros(len(others), bool)))
        couples.append(np.tile(np.array([[a], [b]]), len(cases[-1])))
    return ComparedSegments(
        np.concatenate(couples, axis=1), np.concatenate(cases), np.concatenate(identical), np.concatenate(alike)
    )


def _common_cases(comparison: AnnotatorPairs, couple: tuple[int, int]) -> Ints:
    """The cases that both annotated."""
    pairs = comparison.pairs
    both = (column_of(pairs, "a") == couple[0]) & (column_of(pairs, "b") == couple[1])
    case: Ints = column_of(pairs, "case")[both]
    return case


@dataclass(frozen=True, slots=True)
class _Couple:
    """Two annotators, the shares of their identical segments, and the cases in which their work is one annotator's."""

    who: tuple[int, int]
    identical: Score
    alike: Score
    usual: float
    stands: bool
    silent: Ints
    model: bool

    def result(self, names: Sequence[str], images: int, silent_frames: Ints) -> IdenticalWork:
        """The identical work of the couple for reports."""
        return IdenticalWork(
            a=names[self.who[0]],
            b=names[self.who[1]],
            images=images,
            segments=self.alike.n,
            identical=self.identical,
            alike=self.alike,
            usual=self.usual,
            stands=self.stands,
            one_voice=int(silent_frames.sum()),
            model=self.model,
        )


def judge_couples(
    rows: ComparedSegments, cluster: Ints, models: Collection[int], resampling: Resampling
) -> list[_Couple]:
    """Judge every two annotators with compared segments; `cluster` (n_cases,) is the unit of resampling."""
    code = rows.couple[0] * (int(rows.couple.max(initial=0)) + 1) + rows.couple[1]
    of_codes = [np.flatnonzero(code == number) for number in np.unique(code)]
    own = {(int(rows.couple[0, some[0]]), int(rows.couple[1, some[0]])): some for some in of_codes}
    couples = list(own)
    alike = {
        couple: _share_of_few(rows.alike[some], cluster[rows.case[some]], resampling) for couple, some in own.items()
    }
    result = []
    for couple, some in own.items():
        others = [other for other in couples if other != couple and not _is_with_model(other, models)]
        usual = _usual_share([alike[other] for other in others])
        stands = usual < COMMON_DRAFT and alike[couple].low > usual + MARGIN
        stands = bool(stands and rows.alike[some].sum() >= MIN_ALIKE_SEGMENTS)
        total = np.bincount(rows.case[some], minlength=len(cluster))
        n_alike = np.bincount(rows.case[some], rows.alike[some], len(cluster))
        silent = np.flatnonzero((total > 0) & (n_alike > max(usual, _ONE_VOICE) * total))
        stands = stands and len(silent) >= _MIN_COPIED_SHARE * int((total > 0).sum())
        silent = silent if stands else silent[:0]
        identical = _share_of_few(rows.identical[some], cluster[rows.case[some]], resampling)
        with_model = _is_with_model(couple, models)
        result.append(_Couple(couple, identical, alike[couple], usual, stands, silent, with_model))
    return result


def _share_of_few(hit: Flags, cluster: Ints, resampling: Resampling) -> Score:
    """Like `share_over_clusters`; with too few clusters for an interval, each counts as ten independent trials."""
    share = share_over_clusters(hit, cluster, resampling)
    n = len(np.unique(cluster))
    if not n or n >= least_clusters(resampling.confidence):
        return share
    coins = min(len(hit), 10 * n)
    low, high = exact_interval(round(share.value * coins), coins, resampling.confidence)
    return msgspec.structs.replace(share, low=low, high=high)


def _outline_lengths(comparison: AnnotatorPairs) -> Floats:
    """(n_matches,) the mean number of boundary pixels of the two; NaN where they were not measured."""
    surfaces, matches = comparison.surfaces, comparison.matches
    length = np.full(len(matches), np.nan)
    if not len(surfaces):
        return length
    edge = (column_of(surfaces, "edge_a") + column_of(surfaces, "edge_b")) / 2
    own = column_of(surfaces, "match")
    of_match = own >= 0
    n_categories = len(comparison.categories)
    whole = np.flatnonzero(~of_match)
    key = column_of(surfaces, "pair")[whole] * n_categories + column_of(surfaces, "category")[whole]
    order = np.argsort(key)
    wanted_key = column_of(matches, "pair") * n_categories + np.maximum(column_of(matches, "category_a"), 0)
    if len(order):
        place = np.minimum(np.searchsorted(key[order], wanted_key), len(order) - 1)
        has_key = key[order][place] == wanted_key
        # The outlines of a whole category are no measure of single things.
        has_key &= ~comparison.countable[np.maximum(column_of(matches, "category_a"), 0)]
        length[has_key] = edge[whole][order][place][has_key]
    length[own[of_match]] = edge[of_match]
    return length
