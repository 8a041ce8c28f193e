"""Suspects: which types of error make sense for what is annotated and what is seen."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.core.finding import Box, Decision, Finding, Verdict
from segdata.core.runs import Ints
from segdata.noise.candidates import ImageCandidates
from segdata.noise.causes import candidate_boxes, group_causes, left_out_along_border, surest_missing
from segdata.noise.error_types import TYPES, ErrorType
from segdata.noise.evaluation import EvaluatedRanking
from segdata.noise.flag_result import misalignment_notes
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import SegmentSet, segments_of_map
from segdata.noise.selection import (
    Selection,
    countable_categories,
    likely_types,
    match_decisions,
    select_candidates,
)
from segdata.noise.thresholds import CategoryTrust
from segdata.noise.trust import RelatedImages


def suspicion(category: int, seen: int, is_region: bool, likeliest: ErrorType) -> RankedCandidates:
    """One candidate, of which one type is likeliest and all others are as likely as each other."""
    one = np.ones(1)
    row = np.zeros(1, np.int64)
    nothing = EvaluatedRanking(np.zeros(0), row[:0], row[:0], (), row[:0], 1)
    return RankedCandidates(
        image=row,
        row=row - is_region,
        candidate=row,
        category=row + category,
        seen=row + seen,
        odds=one,
        probability=one / 2,
        type=np.array([[0.5 if each == likeliest else 0.5 / (len(TYPES) - 1) for each in TYPES]]),
        doubt=one,
        softmin=one,
        held_out=nothing,
        held_category=row[:0],
        iou=np.ones(3),
        candidates=(),
        believed=row + seen,
        move=np.zeros((1, 2), np.int64),
        informed=one,
        left_out=np.zeros(1, bool),
        related=RelatedImages.unrelated(1),
    )


@pytest.mark.parametrize(
    ("category", "seen", "is_region", "likeliest", "told"),
    [
        (1, 2, True, "boundary", "category"),  # part of a tree is a car: not the tree's outline
        (0, 2, True, "boundary", "boundary"),
        (0, 2, True, "extra", "missing"),
        (1, 0, True, "category", "extra"),
        (1, 2, False, "boundary", "boundary"),
        (1, 2, False, "merge", "extra"),  # the first of those that are left, which are alike
    ],
)
def test_the_type_makes_sense(category: int, seen: int, is_region: bool, likeliest: ErrorType, told: ErrorType) -> None:
    found = likely_types(suspicion(category, seen, is_region, likeliest), np.zeros(3, bool))
    assert TYPES[found[0]] == told


def test_a_thing_without_a_label_on_labelled_ground_is_missing() -> None:
    on_ground = replace(suspicion(1, 2, True, "category"), bare=np.zeros(1, np.int64))
    assert TYPES[likely_types(on_ground, np.zeros(3, bool))[0]] == "missing"


def test_images_whose_labels_lie_elsewhere_are_named() -> None:
    maps: Any = SimpleNamespace(image_ids=np.array([f"{at}.png" for at in range(9)], object))
    case: Any = SimpleNamespace(given=SimpleNamespace(maps=maps), images=np.arange(1, 9))
    none = suspicion(1, 1, False, "shift")
    assert misalignment_notes(case, none) == ()
    (note,) = misalignment_notes(case, replace(none, move=np.array([[0, 0], [5, -3], [0, 4]])))
    assert "2 images" in note
    assert "2.png (5 px to the right and 3 px up), 3.png (4 px down);" in note
    (note,) = misalignment_notes(case, replace(none, move=np.full((8, 2), -7)))
    assert "(7 px to the left and 7 px up) and 3 more;" in note


IMAGE = ["a", "a", "a", "a", "b"]
SEGMENT = [1, 2, 2, None, None]  # 2 is in two parts, and something is missing in a and b
WHOSE = ["anna", "anna", "anna", "anna", None]
BOX = np.array([[0, 0, 10, 10], [20, 0, 10, 10], [40, 0, 10, 10], [60, 0, 10, 10], [60, 0, 10, 10]])


def said(
    verdict: Verdict, image: str | None = "a", segment: int | None = None, box: Box | None = None, code: str = "SEG504"
) -> Decision:
    named = () if segment is None else (segment,)
    finding = Finding(code=code, rule="r", severity="warning", message="m", image=image, segments=named, bbox=box)
    return Decision(
        verdict=verdict, reviewer="r", time="2026-01-01T00:00:00Z", via="html", image=image, segment=segment,
        finding=finding,
    )  # fmt: skip


def of(*decisions: Decision) -> dict[int, bool]:
    rows, wrong = match_decisions(decisions, IMAGE, SEGMENT, BOX, WHOSE)
    return dict(zip(rows.tolist(), wrong.tolist(), strict=True))


def test_who_accepts_a_finding_says_that_the_label_is_wrong() -> None:
    box = (0, 0, 10, 10)
    assert of(said("accept", segment=1, box=box)) == {0: True}
    assert of(said("fix", segment=1, box=box)) == of(said("void", segment=1, box=box)) == {0: True}
    assert of(said("reject", segment=1, box=box)) == {0: False}
    assert of(said("unsure", segment=1, box=box)) == {}


def test_of_several_parts_the_box_tells_which() -> None:
    assert of(said("accept", segment=2, box=(41, 0, 10, 10))) == {2: True}
    assert of(said("accept", segment=2, box=(30, 0, 10, 10))) == {}  # it lies beside both


def test_what_is_missing_is_found_by_image_and_box() -> None:
    assert of(said("accept", box=(61, 1, 9, 9)), said("reject", "b", box=(60, 0, 10, 10))) == {3: True, 4: False}
    assert of(said("accept", box=(0, 0, 10, 10))) == {}


def test_a_region_in_a_labelled_segment_is_found_by_its_box_alone() -> None:
    """A wall that is labelled as floor: the finding names the floor, which another candidate is about."""
    assert of(said("reject", segment=1, box=(61, 1, 9, 9), code="SEG503")) == {3: False}
    assert of(said("accept", segment=2, box=(40, 0, 10, 10))) == {2: True}


def test_the_last_word_counts() -> None:
    box = (0, 0, 10, 10)
    assert of(said("accept", segment=1, box=box), said("reject", segment=1, box=box)) == {0: False}
    assert of(said("accept", segment=1, box=box), said("unsure", segment=1, box=box)) == {0: True}


def test_other_findings_and_other_images_say_nothing() -> None:
    assert of(said("accept", segment=1, box=(0, 0, 10, 10), code="SEG106")) == {}
    assert of(said("accept", "c", segment=1, box=(0, 0, 10, 10)), said("accept", None)) == {}
    assert of() == {}


def test_a_segment_without_a_finding_is_right_where_it_is_accepted() -> None:
    def told(verdict: Verdict, segment: int | None) -> Decision:
        return Decision(verdict=verdict, reviewer="r", time="t", via="python", image="a", segment=segment)

    assert of(told("accept", 1)) == {0: False}
    assert of(told("reject", 1)) == of(told("fix", 1)) == {0: True}
    assert of(told("accept", 2)) == {}  # nobody knows which part
    assert of(told("accept", None)) == {}


def test_what_is_said_of_another_annotators_labels_says_nothing() -> None:
    told = said("accept", segment=1, box=(0, 0, 10, 10))
    assert of(replace(told, annotator="anna")) == {0: True}
    assert of(replace(told, annotator="ben")) == {}
    assert told.finding is not None
    assert of(replace(told, finding=replace(told.finding, annotator="ben"))) == {}


def many(
    image: list[int], row: list[int], type_: list[ErrorType], p: list[float], astray: set[int]
) -> RankedCandidates:
    """Candidates of some images: the row of each is -1 for a region."""
    n, n_images = len(image), max(image) + 1
    one = suspicion(1, 1, is_region=False, likeliest="extra")
    weight = np.full((n, len(TYPES)), 0.01)
    weight[np.arange(n), [TYPES.index(each) for each in type_]] = 1
    is_region = np.array(row) < 0
    return replace(
        one,
        image=np.array(image),
        row=np.array(row),
        category=np.where(is_region, 0, 1),
        seen=np.where(is_region, 1, -1),
        believed=np.ones(n, np.int64),
        type=weight,
        probability=np.array(p),
        odds=np.log(p) - np.log1p(-np.array(p)),
        doubt=np.array(p),
        softmin=np.ones(n_images),
        informed=np.ones(n_images),
        move=np.array([[3 * (each in astray), 0] for each in range(n_images)]),
        left_out=np.zeros(n, bool),
        related=RelatedImages.unrelated(n_images),
    )


def causes_of(ranked: RankedCandidates, rows: Ints, types: Ints) -> Ints:
    """The causes of `rows`, with what the set leaves out along the border."""
    return group_causes(ranked, rows, types, left_out_along_border(ranked))


def test_all_labels_of_a_misaligned_image_are_one_cause_and_leave_room_for_others() -> None:
    """Sixty labels of one image are most probably moved; the cap of 5 % of 200 labels is ten causes."""
    image = [0] * 60 + [1 + at // 14 for at in range(140)]
    p = [0.95] * 60 + [0.9 - 0.001 * at for at in range(140)]
    kind: list[ErrorType] = ["extra", "split", "merge", "boundary", "shift"]
    types = [kind[at % 5] for at in range(200)]
    ranked = many(image, [*range(200)], types, p, {0})
    trust = [CategoryTrust(category="a", iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None)]
    things = np.array([False, True])
    found = select_candidates(ranked, trust, np.array([0.0, 0.5]), things, None, 0)
    n_causes = len(np.unique(found.cause))
    assert n_causes == 10
    assert len(found.rows) == 60 + 9
    chosen = [at for at in range(60, 200) if types[at] not in ("boundary", "split")][:9]  # these come last
    merged = [at for at in chosen if types[at] == "merge"]  # the others are less often right
    assert found.rows[: 1 + len(merged)].tolist() == [0, *merged]  # one of each cause first
    assert found.seldom.tolist() == found.rows[60 + len(merged) :].tolist() == [at for at in chosen if at not in merged]
    assert (found.cause[np.isin(found.rows, np.arange(60))] == 0).all()
    assert found.left_out == 200 - 69


def test_crumbs_are_not_listed_but_small_things_with_a_label_are() -> None:
    ranked = replace(many([0] * 40, [*range(38), -1, -1], ["extra"] * 40, [0.9] * 40, set()), small=np.array([0, 38]))
    trust = [CategoryTrust(category="a", iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None)]

    def listed(things: list[bool]) -> set[int]:
        threshold = np.array([0.0, 0.5])
        found = select_candidates(replace(ranked, prior=0.01), trust, threshold, np.array(things), None, 0)
        return {0, 38, 39} & set(found.rows.tolist())

    assert listed([False, True]) == {0, 39}
    assert listed([False, False]) == {39}


@pytest.mark.parametrize(("p", "listed"), [(0.2, {0, 2, 3, 4}), (0.3, {0, 1, 2, 3, 4})])
def test_what_may_lack_a_label_is_listed_only_if_that_is_probable(p: float, listed: set[int]) -> None:
    """An extra thing, a place without a label, a merge, an outline, and a place of an image almost without labels."""
    types: list[ErrorType] = ["extra", "missing", "merge", "boundary", "missing"] + ["split"] * 95
    drawn = many([0] * 100, [0, -1, 1, 2, -1, *range(3, 98)], types, [p] * 5 + [0.01] * 95, set())
    ranked = replace(drawn, prior=0.01, bare=np.array([1, 4]), left_out=np.arange(100) == 4)
    trust = [CategoryTrust(category="a", iou=0.9, auroc=0.9, injected=99, threshold=0.1, reason=None)]
    found = select_candidates(ranked, trust, np.array([0.0, 0.1]), np.array([False, True]), None, 0)
    assert set(found.rows.tolist()) == listed


def test_stuff_whose_colours_are_those_of_its_label_is_not_listed() -> None:
    """Two parts of stuff, a region with another label, and one of another image without."""

    def colours(*fitting: int) -> NDArray[np.float64]:
        return np.where(np.isin(np.arange(100), fitting), -0.1, 0.1)

    types: list[ErrorType] = ["boundary", "extra"] * 49 + ["category", "missing"]
    drawn = many([0] * 99 + [1], [*range(98), -1, -1], types, [0.9] * 100, set())
    drawn = replace(drawn, category=np.append(np.ones(99, np.int64), 0), seen=np.append(np.full(98, -1), [2, 1]))
    ranked = replace(drawn, colours=colours(0, 98, 99), prior=0.01)
    trust = [CategoryTrust(category=n, iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None) for n in "ab"]

    def listed(of: RankedCandidates, *things: bool) -> set[int]:
        threshold, decided = np.full(3, 0.5), np.arange(2, 98)
        return set(select_candidates(of, trust, threshold, np.array([False, *things]), None, 0, decided).rows.tolist())

    assert listed(ranked, False, False) == {1, 99}  # what lacks a label may have the colours of the ground
    assert listed(replace(ranked, colours=colours(1)), False, False) == {0, 98, 99}
    assert listed(ranked, True, False) == {0, 1, 98, 99}  # things
    assert listed(replace(ranked, bare=np.array([98])), False, False) == {1, 98, 99}
    assert listed(replace(ranked, move=np.array([[3, 0], [0, 0]])), False, False) >= {0}  # of a misaligned image


def test_stuff_that_is_cut_merged_or_moved_is_listed_whatever_its_colours_are() -> None:
    """Merged parts have the colours of their label: three of four on the nerve tissue that experts corrected."""
    wanted: list[ErrorType] = ["merge", "split", "shift", "extra"]
    lesson = replace(
        suspicion(1, 1, False, "extra").held_out, mistake=np.array([0, 1]), mistake_type=("merge", "split")
    )
    drawn = many([0, 1, 2, 3] + [4] * 96, [*range(100)], wanted + ["extra"] * 96, [0.9] * 4 + [0.1] * 96, set())
    ranked = replace(
        drawn,
        colours=np.where(np.arange(100) < 4, -1.0, np.nan),
        prior=0.01,
        held_out=lesson,
        held_category=np.ones(2, np.int64),
    )
    trust = [CategoryTrust(category="a", iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None)]
    assert set(select_candidates(ranked, trust, np.full(2, 0.5), np.zeros(2, bool), None, 0).rows.tolist()) == {0, 1, 2}


def test_regions_of_stuff_that_touch_are_one_finding() -> None:
    """A plant of which the model sees one half as weed and one as crop, the leaf of another one, and a stone in it."""
    seen = np.zeros((40, 40), np.int64)
    seen[5:12, 5:10], seen[5:12, 10:16], seen[30:35, 30:35], seen[12:15, 6:12] = 1, 2, 2, 3
    regions = segments_of_map(seen.ravel(), 40, 40)
    labelled = regions.take(np.arange(100) % 4)
    order = np.lexsort((regions.areas, regions.category == 3))  # the leaf, the two halves, and the stone
    label, at = np.where(regions.category == 3, 2, 1), np.append(np.zeros(100, np.int64), order)
    held = ImageCandidates(labelled, np.arange(100), regions, label, np.zeros(4, bool))
    row = [*range(100), -1, -1, -1, -1]
    drawn = many([0] * 104, row, ["extra"] * 100 + ["category"] * 4, [0.1] * 100 + [0.9, 0.8, 0.7, 0.6], set())
    category, of_regions = np.append(np.ones(100, np.int64), label[order]), regions.category[order]
    ranked = replace(drawn, candidates=(held,), candidate=at, category=category, prior=0.01)
    ranked = replace(ranked, seen=np.append(np.full(100, -1), of_regions))
    trust = [CategoryTrust(category=n, iou=0.9, auroc=0.9, injected=9, threshold=0.5, reason=None) for n in "abc"]

    def listed(things: list[bool]) -> list[int]:
        return select_candidates(ranked, trust, np.full(4, 0.5), np.array(things), None, 0).rows.tolist()

    assert listed([False] * 4) == [100, 101, 103]
    assert listed([False, True, True, True]) == [100, 101, 102, 103]


def test_what_an_image_almost_without_labels_lacks_is_one_cause() -> None:
    """However many labels it has: three suspected by their number, one by itself; an image of its own has another."""
    image, row = [0] * 40 + [0, 0, 0, 0, 1], [*range(40), -1, -1, -1, -1, -1]
    types: list[ErrorType] = ["extra"] * 40 + ["missing"] * 5
    ranked = replace(many(image, row, types, [0.5] * 45, set()), left_out=np.arange(45) >= 40)
    ranked.left_out[43] = False
    numbers = np.array([TYPES.index(each) for each in types])
    assert causes_of(ranked, np.arange(40, 45), numbers).tolist() == [0, 0, 0, 1, 2]


def test_five_places_of_one_image_without_a_label_are_one_cause() -> None:
    """However many labels it has, and whatever they are taken for; places with another label are not."""
    types: list[ErrorType] = ["extra"] * 60 + ["missing", "boundary"] * 3 + ["category"] * 6 + ["missing"] * 4
    ranked = many([0] * 72 + [1] * 4, [*range(60), *[-1] * 16], types, [0.5] * 76, set())
    ranked.category[66:72] = 1
    numbers = np.array([TYPES.index(each) for each in types])
    assert causes_of(ranked, np.arange(60, 76), numbers).tolist() == [0] * 6 + [*range(1, 11)]
    ranked = replace(ranked, bare=np.arange(66, 72))  # on labelled ground
    assert causes_of(ranked, np.arange(60, 76), numbers).tolist() == [0] * 12 + [1, 2, 3, 4]


def test_what_is_found_in_copies_of_a_picture_is_one_cause() -> None:
    """Things at the same place with the same type of error; not in another picture, nor with another type."""
    drawn = np.zeros((40, 40), np.int64)
    drawn[5:12, 5:10], drawn[30:35, 30:35] = 1, 1
    things, none = segments_of_map(drawn.ravel(), 40, 40), segments_of_map(drawn.ravel() * 0, 40, 40)
    held = ImageCandidates(things, np.arange(2), none, none.category, np.zeros(0, bool))
    types: list[ErrorType] = ["extra", "split", "extra", "merge", "extra", "split"]
    ranked = replace(many([0, 0, 1, 1, 2, 2], [0, 1] * 3, types, [0.9] * 6, set()), candidates=(held,) * 3)
    numbers = np.array([TYPES.index(each) for each in types])

    def causes(*picture: int) -> list[int]:
        related = RelatedImages(np.arange(3), np.array(picture))
        return group_causes(
            replace(ranked, related=related), np.arange(6), numbers, np.zeros(len(ranked), bool)
        ).tolist()

    assert causes(0, 0, 1) == [0, 1, 0, 2, 3, 4]
    assert causes(0, 1, 0) == [0, 1, 2, 3, 0, 1]
    assert causes(0, 1, 2) == [*range(6)]


def test_what_lacks_a_label_at_one_place_of_three_images_is_one_cause() -> None:
    """A logo burnt into frames; not in two images, elsewhere, seen as something else, or of another size."""

    def held(x: int, category: int, width: int = 60) -> ImageCandidates:
        drawn = np.zeros((width, 40), np.int64)  # column by column
        drawn[x : x + 10, 5:12] = category
        regions = segments_of_map(drawn.ravel(), 40, width)
        nothing = segments_of_map(drawn.ravel() * 0, 40, width)
        return ImageCandidates(nothing, np.arange(0), regions, np.zeros(1, np.int64), np.zeros(1, bool))

    def causes(*images: ImageCandidates) -> list[int]:
        n = len(images)
        ranked = replace(many([*range(n)], [-1] * n, ["missing"] * n, [0.9] * n, set()), candidates=images)
        ranked = replace(ranked, seen=np.array([int(each.regions.category[0]) for each in images]))
        return causes_of(ranked, np.arange(n), np.full(n, TYPES.index("missing"))).tolist()

    assert causes(held(4, 1), held(6, 1), held(3, 1)) == [0, 0, 0]
    assert causes(held(4, 1), held(30, 1), held(6, 1)) == [0, 1, 2]
    assert causes(held(4, 1), held(6, 2), held(4, 1), held(5, 1)) == [0, 1, 0, 0]
    assert causes(held(4, 1), held(4, 1, 61), held(4, 1)) == [0, 1, 2]


def beside_borders(labelled: list[tuple[int, int]], bare: list[tuple[int, int]]) -> RankedCandidates:
    """Labels and places without one, as (image, distance to the left border), of 2 px in images of 60 x 400 px."""

    def drawn(places: list[tuple[int, int]], image: int) -> SegmentSet:
        pixels = np.zeros((60, 400), np.int64)  # column by column
        for number, (of, away) in enumerate(places):
            if of == image:
                pixels[away : away + 2, 4 * number + 2 : 4 * number + 4] = number + 1
        segments = segments_of_map(pixels.ravel(), 400, 60)
        return replace(segments, category=np.ones(len(segments), np.int64))

    labelled, bare, n_images = sorted(labelled), sorted(bare), 1 + max(of for of, _ in labelled + bare)
    candidates = []
    for image in range(n_images):
        things, places = drawn(labelled, image), drawn(bare, image)
        flags = np.zeros(len(places), bool)
        candidates.append(ImageCandidates(things, np.arange(len(things)), places, flags.astype(np.int64), flags))
    n, m = len(labelled), len(bare)
    image: list[int] = [of for of, _ in labelled + bare]
    types: list[ErrorType] = [*["extra"] * n, *["missing"] * m]
    ranked = many(image, [*range(n), *[-1] * m], types, [0.9] * (n + m), set())
    return replace(ranked, candidates=tuple(candidates), bare=np.arange(n, n + m))


IN_IMAGES = st.tuples(st.integers(0, 4), st.integers(0, 12))


@given(st.lists(IN_IMAGES, min_size=1, max_size=25), st.lists(IN_IMAGES, min_size=1, max_size=60))
@settings(max_examples=60)
def test_what_is_left_out_along_the_border_by_loops(
    labelled: list[tuple[int, int]], bare: list[tuple[int, int]]
) -> None:
    ranked = beside_borders(labelled, bare)
    labelled, bare = ([(of, max(at - 3, 0)) for of, at in sorted(places)] for places in (labelled, bare))
    widest = -1
    for away in range(13):
        n_labelled, n_bare = (sum(at <= away for _, at in places) for places in (labelled, bare))
        hardly_any = n_labelled + n_bare >= 20 and n_labelled <= 0.2 * (n_labelled + n_bare)
        widest = away if hardly_any and away in {at for _, at in labelled + bare} else widest
    inside = [(of, at) for of, at in sorted(bare) if at <= widest]
    expected = [at <= widest and len({of for of, _ in inside}) >= 3 for _, at in sorted(bare)]
    assert left_out_along_border(ranked).tolist() == [False] * len(labelled) + expected


def test_labels_drawn_a_little_short_of_the_border_are_labels_there() -> None:
    """Of two thirds of the cells at the border the outline ends two pixels before it: none was counted."""
    drawn_short = [(of, 2) for of in range(3) for _ in range(14)]
    at_border = [(of, 0) for of in range(3) for _ in range(7)]
    assert not left_out_along_border(beside_borders(drawn_short, at_border)).any()
    further = [(of, 9) for of, _ in drawn_short]
    assert left_out_along_border(beside_borders(further, at_border)).sum() == len(at_border)


def test_what_a_set_leaves_out_along_the_border_is_one_question_and_comes_last() -> None:
    """Seven cells at the border of each of three images, and one inside, beside 60 that have a label."""
    inside = [(at % 3, 20) for at in range(60)]
    ranked = beside_borders(inside, [(of, 0) for of in range(3) for _ in range(7)] + [(0, 20), (1, 20)])
    ranked = replace(ranked, probability=np.where(ranked.row >= 0, 0.01, 0.9), prior=0.01)
    ranked = replace(ranked, odds=np.log(ranked.probability) - np.log1p(-ranked.probability))
    trust = [CategoryTrust(category="a", iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None)]

    def chosen(of: RankedCandidates) -> Selection:
        return select_candidates(of, trust, np.full(2, 0.5), np.array([False, True]), None, 0)

    away = candidate_boxes(ranked)[:, 0]
    found = chosen(ranked)
    assert away[found.rows].tolist() == [20, 20, *[0] * 21]
    assert found.cause.tolist() == [0, 1, *[2] * 21]
    assert found.reasons == ("short-list",) * 2 + ("border",) * 21
    some_labelled = beside_borders([*inside, *[(of, 0) for of in (0, 1, 2)] * 2], [(of, 0) for of in (0, 1, 2)] * 7)
    assert not left_out_along_border(some_labelled).any()


def test_what_is_sure_and_stands_out_comes_first_whatever_its_p() -> None:
    """A clear cell before a faint one that the model is as sure of, and before a clump that it is less sure of."""
    ranked = beside_borders([(0, 20)], [(0, 20)] * 4)
    score, distinct = np.array([0.9, 0.9, 0.5, 0.4]), np.array([0.1, 2.0, 1.0, 0.2])
    regions = replace(ranked.candidates[0].regions, score=score)
    ranked = replace(
        ranked, candidates=(replace(ranked.candidates[0], regions=regions),), distinct=np.append(0, distinct)
    )
    ranked = replace(ranked, probability=np.array([0.0, 0.9, 0.4, 0.5, 0.95]))
    rows = np.arange(1, 5)
    assert surest_missing(ranked, rows).tolist() == [2, 1, 3, 4]
    assert surest_missing(replace(ranked, distinct=None), rows).tolist() == rows.tolist()  # nothing is known of them
    assert surest_missing(ranked, rows[:0]).tolist() == []


@pytest.mark.parametrize(("n_labelled", "last"), [(12, False), (10, True), (2, True)])
def test_what_the_border_cuts_comes_last_where_most_has_no_label_there(n_labelled: int, last: bool) -> None:
    """Twelve clear places at the border beside labels there, and a dull one inside, which comes first or last."""
    at_border = [(at % 3, at // 6) for at in range(12)]
    ranked = beside_borders([*[(0, 20)] * 60, *[(1, 3)] * n_labelled], [*at_border, (2, 30)])
    is_inside = np.append(
        np.zeros(60 + n_labelled, bool), np.array([away for _, away in sorted([*at_border, (2, 30)])]) > 3
    )
    ranked = replace(ranked, distinct=np.where(is_inside, 0.1, 2.0))
    ordered = surest_missing(ranked, ranked.bare)
    expected = n_labelled + 12 >= 20 and last
    assert is_inside[ordered].tolist() == ([True] + [False] * 12 if expected else [False] * 12 + [True])


def test_the_list_begins_with_the_surest_places_and_nothing_is_dropped() -> None:
    ranked = beside_borders([(0, 20)] * 80, [(0, 30)] * 4)
    ranked = replace(ranked, probability=np.where(ranked.row >= 0, 0.01, 0.9), prior=0.01)
    ranked = replace(ranked, odds=np.log(ranked.probability) - np.log1p(-ranked.probability))
    ranked = replace(ranked, distinct=np.append(np.zeros(80), [0.1, 0.3, 0.2, 0.4]))
    trust = [CategoryTrust(category="a", iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None)]
    found = select_candidates(ranked, trust, np.full(2, 0.5), np.array([False, True]), None, 0)
    assert found.rows.tolist() == [83, 81, 82, 80]


def test_labels_that_fit_badly_do_not_grow() -> None:
    """Of two places of stuff without a label, one is in an image whose labels of it fit badly; it may be missing."""
    types: list[ErrorType] = ["extra"] * 98 + ["boundary", "boundary"]
    ranked = replace(many([0] * 99 + [1], [*range(98), -1, -1], types, [0.1] * 98 + [0.9] * 2, set()), prior=0.01)
    ranked = replace(ranked, unfit=np.array([99]))
    trust = [CategoryTrust(category="a", iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None)]

    def listed(of: RankedCandidates) -> set[int]:
        return set(select_candidates(of, trust, np.full(2, 0.5), np.zeros(2, bool), None, 0).rows.tolist())

    assert listed(ranked) == {98}
    ranked.type[99, TYPES.index("missing")] = 2
    assert listed(ranked) == {98, 99}


def test_outlines_and_labels_that_the_border_cuts_come_last() -> None:
    """An outline, merged things at the border and inside, a place at the border without a label, the least P first."""
    drawn, place = np.zeros((40, 40), np.int64), np.zeros((40, 40), np.int64)
    drawn[5:12, 5:10], drawn[30:40, 20:30], drawn[20:29, 20:29], place[15:25, 0:6] = 1, 2, 3, 1
    things, seen = segments_of_map(drawn.ravel(), 40, 40), segments_of_map(place.ravel(), 40, 40)
    held = ImageCandidates(things, np.arange(3), seen, np.zeros(1, np.int64), np.zeros(1, bool))
    types: list[ErrorType] = ["boundary", "merge", "merge", "missing"]
    number = np.append(things.category - 1, 3)  # of each candidate, as drawn
    ranked = many(
        [0] * 4 + [1 + at // 3 for at in range(57)],
        [0, 1, 2, -1, *range(57)],
        [types[at] for at in number] + ["extra"] * 57,
        [0.9 - 0.1 * at for at in number] + [0.01] * 57,
        set(),
    )
    # annotated ones first, as candidates are: the region is the last one
    order = np.array([0, 1, 2, *range(4, 61), 3])
    columns = ("image", "row", "category", "seen", "believed", "type", "probability", "odds", "doubt", "left_out")
    ranked = replace(ranked, **{name: getattr(ranked, name)[order] for name in columns})
    ranked = replace(ranked, candidates=(held,) + (replace(held, regions=seen.take(np.arange(0))),) * 19, prior=0.01)
    trust = [CategoryTrust(category="a", iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None)]
    found = select_candidates(ranked, trust, np.full(2, 0.5), np.array([False, True]), None, 0)
    assert [int(np.append(number[:3], [*[9] * 57, 3])[row]) for row in found.rows] == [2, 3, 0]  # 5 % of 60: three
    assert found.left_out == 1
    assert found.reasons == ("short-list", "short-list", "outline")


TRUST = [CategoryTrust(category=n, iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None) for n in "ab"]


@pytest.mark.parametrize(
    ("n_listed", "n_known", "reason"), [(10, 20, ""), (9, 20, "short-list"), (10, 19, "unknown-images")]
)
def test_long_places_short_lists_and_unknown_data_come_last(n_listed: int, n_known: int, reason: str) -> None:
    """Some merged things in 40 images, one of them extra, and a probable place longer than a quarter of its image."""
    drawn, place = np.zeros((40, 40), np.int64), np.zeros((40, 40), np.int64)
    for at in range(6):
        drawn[5:8, 2 + 6 * at : 5 + 6 * at] = at + 1
    place[20:31, 5:10] = 1
    things, long = segments_of_map(drawn.ravel(), 40, 40), segments_of_map(place.ravel(), 40, 40)
    each = ImageCandidates(things, np.arange(len(things)), long.take(np.arange(0)), np.arange(0), np.zeros(0, bool))
    held = replace(each, regions=long, label=np.zeros(1, np.int64), thin=np.zeros(1, bool))
    n = 40 * len(things)
    p = np.where((np.arange(n) % len(things) == 0) & (np.arange(n) < n_listed * len(things)), 0.8, 0.001)
    image, row = [*np.repeat(np.arange(40), len(things)).tolist(), 0], [*(np.arange(n) % len(things)).tolist(), -1]
    ranked = many(image, row, ["extra"] + ["merge"] * (n - 1) + ["missing"], [*p.tolist(), 0.9], set())
    ranked = replace(ranked, candidates=(held, *[each] * 39), prior=0.01, informed=(np.arange(40) < n_known) * 1.0)
    found = select_candidates(ranked, TRUST[:1], np.full(2, 0.5), np.array([False, True]), None, 0)
    assert len(found.rows) == n_listed + 1
    merged = (reason,) * (n_listed - 1 if reason else 0)
    assert sorted(found.reasons) == sorted([*merged, "kind", "long"])
    assert found.rows[-1] == n
    decided = select_candidates(ranked, TRUST[:1], np.full(2, 0.5), np.array([False, True]), None, 0, np.array([1]))
    assert ("short-list" in decided.reasons) == (n_listed < 9)  # it was a longer list


def test_things_without_a_label_after_the_first_ten_come_last_and_whole_images_before() -> None:
    """Fourteen of different images, one of them almost without labels, among merged and extra things."""
    types: list[ErrorType] = ["merge", "extra"] + ["extra"] * 598 + ["missing"] * 14
    p = np.array([0.7, 0.7, *[0.01] * 598, *np.linspace(0.9, 0.6, 14)])
    image = [*(np.arange(600) % 20).tolist(), *range(14)]
    ranked = replace(many(image, [*range(600), *[-1] * 14], types, p.tolist(), set()), prior=0.01)
    ranked.left_out[613] = True
    found = select_candidates(ranked, TRUST[:1], np.full(2, 0.5), np.array([False, True]), None, 0)
    assert set(found.rows[:12].tolist()) == {0, *range(600, 610), 613}
    assert found.rows[12:].tolist() == found.seldom.tolist() == [1, 610, 611, 612]
    assert found.reasons == ("kind",) + ("later",) * 3


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(TYPES)), min_size=1, max_size=60))
def test_what_is_less_often_right_is_one_block_at_the_end_and_a_cause_is_on_one_side(
    cases: list[tuple[int, bool, ErrorType]],
) -> None:
    cases.sort(key=lambda case: case[1])  # regions come last
    image, row = [case[0] for case in cases], [-1 if case[1] else at for at, case in enumerate(cases)]
    ranked = many([*image, *[0] * 400], [*row, *range(60, 460)], [case[2] for case in cases] + ["extra"] * 400,
                  [0.9] * len(cases) + [0.01] * 400, set())  # fmt: skip
    found = select_candidates(replace(ranked, prior=0.01), TRUST[:1], np.full(2, 0.5), np.array([False, True]), None, 0)
    n_first = len(found.rows) - len(found.seldom)
    assert found.rows[n_first:].tolist() == found.seldom.tolist()
    assert not set(found.cause[:n_first].tolist()) & set(found.cause[n_first:].tolist())
    for part in (found.cause[:n_first], found.cause[n_first:]):
        firsts = np.unique(part, return_index=True)[1]
        assert sorted(firsts) == list(range(len(firsts)))  # all but the first of a cause come last


@pytest.mark.parametrize(("usual", "reasons"), [(10, ("long",)), (11, ("short-list",))])
def test_a_place_as_long_as_its_things_usually_are_is_not_long(usual: int, reasons: tuple[str, ...]) -> None:
    """Three teeth of a length, and a place of 11 px in an image of 40 px."""
    drawn, place = np.zeros((40, 40), np.int64), np.zeros((40, 40), np.int64)
    for at in range(3):
        drawn[2 : 2 + usual, 2 + 8 * at : 6 + 8 * at] = at + 1
    place[20:31, 5:10] = 1
    things, seen = segments_of_map(drawn.ravel(), 40, 40), segments_of_map(place.ravel(), 40, 40)
    held = ImageCandidates(things, np.arange(3), seen, np.zeros(1, np.int64), np.zeros(1, bool))
    ranked = many([0] * 4, [0, 1, 2, -1], ["extra"] * 3 + ["missing"], [0.01] * 3 + [0.9], set())
    trust = [CategoryTrust(category="a", iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None)]
    ranked = replace(ranked, candidates=(held,), prior=0.01)
    found = select_candidates(ranked, trust, np.full(2, 0.5), np.array([False, True]), None, 0)
    assert found.reasons == reasons


@pytest.mark.parametrize(("n_usual", "n_odd"), [(4, 2), (2, 0)])
def test_a_place_far_larger_or_smaller_than_the_others_comes_last(n_usual: int, n_odd: int) -> None:
    """Places of 8 px, one of 17 and one of 3, each in an image of 80 px with 24 labels; four alone tell of none."""
    drawn = np.zeros((80, 80), np.int64)
    for at in range(24):
        drawn[2 + 9 * (at // 8) : 9 + 9 * (at // 8), 1 + 9 * (at % 8) : 8 + 9 * (at % 8)] = at + 1
    things = segments_of_map(drawn.ravel(), 80, 80)
    sides = [17, 3] + [8] * n_usual
    corners = [
        (35 + 20 * (at % 2), 2 + 20 * (at // 2)) for at in range(len(sides))
    ]  # one place of many images is a cause
    places = [np.zeros((80, 80), np.int64) for _ in sides]
    for place, side, (y, x) in zip(places, sides, corners, strict=True):
        place[y : y + side, x : x + side] = 1
    regions = [segments_of_map(place.ravel(), 80, 80) for place in places]
    held = [ImageCandidates(things, np.arange(24), r, np.zeros(1, np.int64), np.zeros(1, bool)) for r in regions]
    n = 24 * len(sides)
    image = [*np.repeat(np.arange(len(sides)), 24).tolist(), *range(len(sides))]
    types: list[ErrorType] = ["extra"] * n + ["missing"] * len(sides)
    p = [*[0.01] * n, *np.linspace(0.9, 0.8, len(sides)).tolist()]
    ranked = many(image, [*range(n), *[-1] * len(sides)], types, p, set())
    ranked = replace(ranked, candidates=tuple(held), prior=0.001)
    found = select_candidates(ranked, TRUST[:1], np.full(2, 0.5), np.array([False, True]), None, 0)
    assert found.reasons == ("short-list",) * (len(sides) - n_odd) + ("odd-size",) * n_odd
    assert set(found.rows[len(sides) - n_odd :].tolist()) == set(range(n, n + n_odd))


def test_a_place_of_a_category_without_any_label_in_its_image_comes_last() -> None:
    """Of two places without a label, the more probable one is in an image without labels of its category."""
    types: list[ErrorType] = ["extra"] * 98 + ["missing"] * 2
    ranked = many([0] * 49 + [1] * 49 + [0, 1], [*range(49), *range(49), -1, -1], types, [0.01] * 100, set())
    ranked.category[:49] = 2
    p = np.append(np.full(98, 0.01), [0.9, 0.8])
    ranked = replace(ranked, probability=p, odds=np.log(p) - np.log1p(-p), prior=0.01)
    trust = [CategoryTrust(category=n, iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None) for n in "ab"]

    def listed(of: RankedCandidates) -> list[int]:
        return select_candidates(of, trust, np.full(3, 0.5), np.array([False, True, True]), None, 0).rows.tolist()

    assert listed(ranked) == [99, 98]
    assert listed(replace(ranked, left_out=np.arange(100) == 98)) == [98, 99]


@pytest.mark.parametrize(("n_parts", "n_known", "believed"), [(1000, 2, True), (999, 2, False), (1100, 1, False)])
def test_of_few_parts_of_stuff_nothing_is_believed(n_parts: int, n_known: int, believed: bool) -> None:
    """Twenty of them seem to have another name; parts in unknown images do not count. Of things it is another kind."""
    types: list[ErrorType] = ["category"] * 20 + ["extra"] * (n_parts - 20)
    p = np.append(np.full(20, 0.9), np.full(n_parts - 20, 0.01)).tolist()
    ranked = many([0] * 550 + [1] * (n_parts - 550), [*range(n_parts)], types, p, set())
    ranked = replace(ranked, prior=0.01, informed=np.array([1.0, float(n_known == 2)]))
    trust = [CategoryTrust(category=n, iou=0.9, auroc=0.9, injected=99, threshold=0.5, reason=None) for n in "ab"]
    for things in (False, True):
        found = select_candidates(ranked, trust, np.full(3, 0.5), np.array([False, things, True]), None, 0)
        assert found.rows.tolist() == [*range(20)]
        assert set(found.reasons) == ({"kind"} if things else set() if believed else {"few-parts"})


DISC = [(3, 5), (1, 9), (1, 9), *[(0, 11)] * 5, (1, 9), (1, 9), (3, 5)]  # first row and height of each column


@pytest.mark.parametrize(
    ("drawn", "separate"),
    [("discs", True), ("one an image", False), ("few", False), ("dense", False), ("of two sizes", False),
     ("lines", False)],
)  # fmt: skip
def test_a_class_map_of_discs_is_a_set_of_things_in_the_order_of_the_list(drawn: str, separate: bool) -> None:
    """Twelve places lack a label, in images of 40 px with six discs or the like: ten come first, two after them.

    They are longer than a quarter of the image, but no longer than the discs.
    """
    n_images, n_each = 8 if drawn == "few" else 250 if "one" in drawn else 40, 1 if "one" in drawn else 6
    map_ = np.zeros((40, 40), np.int64)
    for at in range(n_each):
        x, y = 1 + 13 * (at % 3), 1 + 20 * (at // 3)
        if drawn == "lines":
            for step in range(10):
                map_[y + step, x + step : x + step + 2] = 1
        elif drawn in ("dense", "of two sizes"):
            side = 4 if drawn != "dense" and at else 12
            map_[y : y + side + 7, x : x + side] = 1
        else:
            for column, (top, height) in enumerate(DISC):
                map_[y + top : y + top + height, x + column] = 1
    parts = segments_of_map(map_.T.ravel(), 40, 40)
    corners = [(36 - 4 * (at // 8 % 2), 4 * (at % 8)) for at in range(n_images)]
    places = [np.pad(np.ones((3, 11), np.int64), ((y, 37 - y), (x, 29 - x))) for y, x in corners]
    regions = [segments_of_map(place.T.ravel(), 40, 40) for place in places]
    held = [ImageCandidates(parts, np.arange(n_each), r, np.zeros(1, np.int64), np.zeros(1, bool)) for r in regions]
    n = n_images * n_each
    image = [*np.repeat(np.arange(n_images), n_each).tolist(), *range(n_images)]
    types: list[ErrorType] = ["extra"] * n + ["missing"] * n_images
    p = np.array([*[0.01] * n, *np.linspace(0.9, 0.6, 12), *[0.01] * n_images])[: n + n_images]
    ranked = many(image, [*np.tile(np.arange(n_each), n_images).tolist(), *[-1] * n_images], types, p.tolist(), set())
    ranked = replace(ranked, candidates=tuple(held), prior=0.01)
    assert countable_categories(ranked, np.zeros(2, bool)).tolist() == [False, separate]
    assert not countable_categories(ranked, np.ones(2, bool)).any()  # things are countable as they are
    found = select_candidates(ranked, TRUST[:1], np.full(2, 0.5), np.zeros(2, bool), None, 0)
    assert len(found.rows) - len(found.seldom) == (10 if separate else 0)


@pytest.mark.parametrize(("iou", "things", "listed"), [(0.79, True, False), (0.8, True, True), (0.79, False, True)])
def test_outlines_of_things_are_listed_where_the_model_knows_their_category_exactly(
    iou: float, things: bool, listed: bool
) -> None:
    types: list[ErrorType] = ["boundary", "merge"] + ["extra"] * 98
    ranked = replace(many([0] * 100, [*range(100)], types, [0.9] * 2 + [0.1] * 98, set()), prior=0.01)
    ranked = replace(
        ranked,
        iou=np.array([1.0, iou]),
        held_out=replace(ranked.held_out, mistake=np.zeros(1, np.int64), mistake_type=("merge",)),
        held_category=np.ones(1, np.int64),
    )
    trust = [CategoryTrust(category="a", iou=iou, auroc=0.9, injected=99, threshold=0.5, reason=None)]
    found = select_candidates(ranked, trust, np.full(2, 0.5), np.array([False, things]), None, 0)
    assert set(found.rows.tolist()) == ({0, 1} if listed else {1})


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(TYPES)), min_size=1, max_size=60))
def test_one_cause_is_of_one_image_and_one_type_and_never_of_few(
    cases: list[tuple[int, bool, ErrorType]],
) -> None:
    cases.sort(key=lambda case: case[1])  # regions come last
    image, row = [case[0] for case in cases], [-1 if case[1] else at for at, case in enumerate(cases)]
    ranked = many(image, row, [case[2] for case in cases], [0.5] * len(cases), set())
    types = np.array([TYPES.index(case[2]) for case in cases])
    cause = causes_of(ranked, np.arange(len(cases)), types)
    assert sorted(set(cause.tolist())) == list(range(cause.max() + 1))
    firsts = [int(np.flatnonzero(cause == number)[0]) for number in range(cause.max() + 1)]
    assert firsts == sorted(firsts)
    for number in range(cause.max() + 1):
        mine = np.flatnonzero(cause == number)
        if len(mine) > 1:
            is_region = cases[mine[0]][1]
            assert len({(image[at], cases[at][1], is_region or cases[at][2]) for at in mine}) == 1
            n_labels = sum(each == image[mine[0]] and at >= 0 for each, at in zip(image, row, strict=True))
            assert len(mine) >= 5
            assert is_region or len(mine) >= n_labels / 2
