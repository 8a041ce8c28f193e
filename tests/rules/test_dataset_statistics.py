"""SEG301 to SEG311: splits, balance, outliers, companions and borders, where a picture would be too large."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from segdata.core.finding import Finding, RowFinding
from segdata.core.rule import Tables
from segdata.core.table import Table
from segdata.measure.measure import measure_source
from segdata.rules.boundary_treatment import boundary_treatment
from segdata.rules.class_imbalance import class_imbalance
from segdata.rules.count_outlier import count_outlier
from segdata.rules.missing_companion import _together, missing_companion
from segdata.rules.size_outlier import size_outlier
from segdata.rules.split_drift import split_drift
from segdata.rules.split_missing import split_missing
from segdata.rules.too_few import too_few
from segdata.testing.pictures import draw_picture
from tests.rules.campaigns import Habit, campaign, tables_of, with_guideline, with_tables

Judged = Callable[..., list[Finding]]


def counts(rows: list[list[int]], areas: int = 50) -> Tables:
    """Images with so many segments of each category."""
    segments = [
        (image, category + 1, areas)
        for image, row in enumerate(rows)
        for category, n in enumerate(row)
        for _ in range(n)
    ]
    n = len(rows)
    return tables_of(list(range(n)), ["anna"] * n, segments, np.zeros(n, bool))


def with_splits(tables: Tables, splits: Sequence[str | None], **columns: list[str]) -> Tables:
    more = {name: np.array(values, object) for name, values in columns.items()}
    return replace(tables, images=tables.images.beside(split=np.array(splits, object), **more))


def messages(found: Iterator[RowFinding]) -> list[str]:
    return [each.message for each in found]


def test_a_category_that_chance_keeps_from_a_split_is_a_warning() -> None:
    """One image of twelve has it: a third of all divisions put it elsewhere than into the four of val."""
    rows = [[1, 1, 0, 0]] * 8 + [[1, 0, 0, 0]] * 4
    splits = ["train"] * 8 + ["val"] * 4
    (common,) = split_missing(with_splits(counts(rows), splits))
    assert (common.severity, common.category) == (None, "person")
    assert "in 0.2% of cases" in common.message  # 1 of 495
    rare = [[1, 0, 1, 1], *[[1, 0, 0, 0]] * 11]
    (both,) = split_missing(with_splits(counts(rare), splits))
    assert (both.severity, both.message) == ("warning", "'val' lacks 2 rare categories: sign, tree")


def test_frames_of_one_drive_are_one_piece_of_evidence() -> None:
    rows = [[1, 1, 0, 0]] * 8 + [[1, 0, 0, 0]] * 4
    splits = ["train"] * 8 + ["val"] * 4
    drives = ["a"] * 8 + ["b"] * 2 + ["c"] * 2
    (found,) = split_missing(with_splits(counts(rows), splits, sequence=drives))
    assert found.severity == "warning"


def test_a_split_without_labels_lacks_nothing() -> None:
    rows = [[1, 1, 0, 0]] * 8 + [[0, 0, 0, 0]] * 4
    assert not list(split_missing(with_splits(counts(rows), ["train"] * 8 + ["test"] * 4)))


def test_splits_with_other_names_are_one_finding() -> None:
    """One annotator wrote scratch and dent, the other damage: one cause, not three errors and a drift."""
    rows = [[1, int(image % 2), 0, 0] for image in range(8)] + [[0, 0, 1, 0]] * 4 + [[1, 0, 0, 0]] * 4
    splits = ["train"] * 8 + ["val"] * 4 + ["test"] * 4
    tables = with_splits(counts(rows), splits)
    names = [tables.profile.name_of(id_) for id_ in np.unique(tables.segments["category_id"]).tolist()]
    apart, lacking = split_missing(tables)
    assert apart.message.startswith(
        f"'val' ({names[2]}) and the other splits ({names[0]}, {names[1]}) have no category"
    )
    assert lacking.message == f"'test' lacks 1 rare category: {names[1]}"
    two = with_splits(counts(rows[:12]), splits[:12])
    assert [one.message[:5] for one in split_missing(two)] == ["'val'"]
    assert list(split_drift(two)) == []
    nobody_knows = with_splits(counts([*rows[:4], *([[0, 0, 0, 0]] * 4)]), [*([None] * 4), *(["train", "val"] * 2)])
    assert list(split_missing(nobody_knows)) == []


def test_random_divisions_drift_in_one_of_twenty_and_chosen_ones_are_named() -> None:
    rng = np.random.default_rng(0)
    rows = rng.poisson([3, 2, 1, 1], (60, 4)) * rng.integers(0, 2, (60, 4))
    tables = counts(rows.tolist())
    splits = ["train"] * 40 + ["val"] * 20
    hits = [
        bool(list(split_drift(with_splits(tables, rng.permutation(splits).tolist()), min_distance=0.0)))
        for _ in range(60)
    ]
    assert np.mean(hits) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    assert not list(split_drift(with_splits(tables, splits)))
    chosen = [["train", "val"][int(few)] for few in rows[:, 0] <= np.median(rows[:, 0])]
    (found,) = split_drift(with_splits(tables, chosen))
    assert found.category == "car"


def test_drift_of_two_drives_is_no_evidence() -> None:
    """All frames of val are of one drive: no division of two drives could have been otherwise."""
    rows = [[3, 0, 0, 0]] * 10 + [[0, 3, 0, 0]] * 9 + [[1, 3, 0, 0]]
    tables = with_splits(counts(rows), ["train"] * 10 + ["val"] * 10)
    assert list(split_drift(tables))
    assert not list(split_drift(with_splits(tables, ["train"] * 10 + ["val"] * 10, sequence=["a"] * 10 + ["b"] * 10)))


def test_balance_by_a_column_speaks_of_each_stratum() -> None:
    rows = [[200, 1, 0, 0], [5, 5, 0, 0], [5, 5, 0, 0]]
    tables = with_splits(counts(rows), [None] * 3, camera=["left", "right", "right"])
    assert not list(class_imbalance(tables))
    by_camera = replace(tables, profile=replace(tables.profile, by="camera"))
    (found,) = messages(class_imbalance(by_camera))
    assert found.startswith(
        "by segments, in camera 'left', the effective number of 2 categories is 1.0; 'car' has 200, "
    )
    assert found.endswith("suggested weights: person 1.9, car 0.13")
    few = {each.category: each.message for each in too_few(by_camera, min_per_stratum=2)}
    assert few == dict.fromkeys(("car", "person"), "images by camera: 'left' 1, 2 are required")


def test_close_ups_are_no_size_outliers_where_several_are() -> None:
    """One giant among dwarfs is; five giants of one image are not, nor is what the edge may cut."""

    def judge(areas: dict[int, list[int]], x: int = 10) -> list[RowFinding]:
        rows = [(image, 1, area) for image, several in areas.items() for area in several]
        n = max(areas) + 1
        tables = tables_of(list(range(n)), ["anna"] * n, rows, np.zeros(n, bool))
        box = {"x": np.full(len(rows), x), "y": np.full(len(rows), 10)}
        sides = {"width": np.full(len(rows), 30), "height": np.full(len(rows), 30)}
        return list(size_outlier(replace(tables, segments=tables.segments.beside(**box, **sides))))

    usual = {image: [40, 50, 60, 55] for image in range(12)}
    assert [each.pixels for each in judge(usual | {12: [4000]})] == [4000]
    assert [each.pixels for each in judge(usual | {12: [2]})] == [2]
    assert not judge(usual | {12: [4000] * 5})
    assert not judge(usual | {12: [4000]}, x=1)


def test_crumbs_and_unfinished_images_are_count_outliers() -> None:
    usual = [[n, 0, 0, 0] for n in (38, 40, 41, 42, 44, 39, 37, 45, 40, 41, 43, 40)]
    (crumbs, unfinished) = count_outlier(counts([*usual, [400, 0, 0, 0], [2, 0, 0, 0]]))
    assert (crumbs.annotation, unfinished.annotation) == (12, 13)
    assert not list(count_outlier(counts(usual)))
    few = [[n, 0, 0, 0] for n in (1, 1, 1, 1, 2, 1, 1, 3, 1, 1, 5, 12)]
    assert not list(count_outlier(counts(few)))


@pytest.mark.parametrize(("n", "missing", "expected"), [(46, 1, 1), (45, 1, 0), (300, 3, 3), (300, 4, 0)])
def test_companions_need_many_images(n: int, missing: int, expected: int) -> None:
    rows = [[1, 1, 0, 0]] * (n - missing) + [[1, 0, 0, 0]] * missing
    found = list(missing_companion(counts(rows)))
    assert [each.annotation for each in found] == list(range(n - missing, n))[:expected]
    assert {each.category for each in found} <= {"person"}


def test_what_the_guideline_says_of_the_companion_is_quoted() -> None:
    tables = counts([[1, 1, 0, 0]] * 45 + [[1, 0, 0, 0]])

    def told(**chapters: str) -> str:
        (found,) = missing_companion(with_guideline(tables, "person", **chapters))
        return found.message

    assert told().endswith("% or more)")
    assert told(definition="Who walks.").endswith('; guideline: "Who walks."')
    assert told(definition="Who walks.", occlusion_rule="Draw what is hidden.").endswith('"Draw what is hidden."')


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_co_occurrence_is_the_product_of_presences(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segdata.rules.missing_companion._AT_ONCE", at_once)
    present = np.random.default_rng(1).random((40, 5)) < 0.4
    owner, category = np.nonzero(present)
    expected = present.T.astype(int) @ present.astype(int)
    np.testing.assert_array_equal(_together(owner, category, 5), expected)


def test_two_ways_of_borders_are_found_and_whose_they_are() -> None:
    touching, apart = "aaaa\nbbbb", "aaaa\n....\nbbbb"
    text = "\n\n".join([touching, apart] * 3) + "\n\na: road\nb: car"
    tables = measure_source(draw_picture(text), frozenset({"borders"}), jobs=1)
    (finding,) = boundary_treatment(tables, min_places=4)
    found = finding.message
    assert finding.severity is None, "an info: the scene may be the cause"
    assert found.startswith("'road' and 'car' touch in 3 annotations (1.png, 3.png, 5.png)")
    assert found.endswith("0 in between")
    who = np.array(["anna", "ben"] * 3, object)
    named = replace(tables, annotations=tables.annotations.beside(annotator=who))
    (finding,) = boundary_treatment(named, min_places=4)
    assert finding.message.endswith("; by annotator, these draw them apart: ben")
    assert finding.severity is None


def test_of_those_who_draw_borders_apart_five_are_named() -> None:
    touching, apart = "aaaa\nbbbb", "aaaa\n....\nbbbb"
    text = "\n\n".join([touching, apart] * 12) + "\n\na: road\nb: car"
    tables = measure_source(draw_picture(text), frozenset({"borders"}), jobs=1)
    for n_apart, rest in ((5, "v, w, x, y, z"), (6, "u, v, w, x, y, …")):
        who = np.array([["anna", "zyxwvu"[file % n_apart]][side] for file in range(12) for side in (0, 1)], object)
        named = replace(tables, annotations=tables.annotations.beside(annotator=who))
        assert messages(boundary_treatment(named, min_places=4))[0].endswith(f"these draw them apart: {rest}")


def test_borders_between_both_ways_are_no_two_ways() -> None:
    mixed = "aaaa\n..bb\nbb.."
    text = "\n\n".join(["aaaa\nbbbb", "aaaa\n....\nbbbb", mixed] * 3) + "\n\na: road\nb: car"
    tables = measure_source(draw_picture(text), frozenset({"borders"}), jobs=1)
    assert not list(boundary_treatment(tables, min_places=4))


def test_quiet_on_a_campaign_of_equals() -> None:
    tables = campaign(np.random.default_rng(8), {"anna": Habit(), "ben": Habit()}, 60)
    boxes = {name: np.full(len(tables.segments), 10) for name in ("x", "y", "width", "height")}
    borders = Table({name: np.zeros(0, int) for name in ("a", "b", "touching", "apart")})
    tables = with_tables(tables, segments=tables.segments.beside(**boxes), borders=borders)
    for check in (class_imbalance, split_missing, split_drift, missing_companion, boundary_treatment, count_outlier):
        assert not list(check(tables)), check.__name__


@pytest.mark.parametrize(
    ("single", "others", "flagged"),
    [
        (3, [[1, 1, 1, 1]] * 10 + [[1, 2, 1, 4]] * 10, True),
        (2, [[1, 1, 1, 1]] * 24, False),  # two may be close-ups
        (3, [[1, 1, 1, 1]] * 19, False),
        (3, [[1, 1, 1, 1]] * 24 + [[1, 1, 0, 0]], False),  # what lies between makes one likely
        (25, [[1, 1, 1, 1]] * 24, False),  # one is usual
    ],
)
def test_images_of_which_one_category_was_kept(single: int, others: list[list[int]], flagged: bool) -> None:
    rows = others + [[int(k % 2 == 0), 3 * (k % 2), 0, 0] for k in range(single)]
    found = [one for one in missing_companion(counts(rows)) if "single category" in one.message]
    assert [(one.annotation, one.severity) for one in found] == [(None, "warning")] * flagged
    if flagged:
        assert found[0].message.startswith("3 of 23 images have a single category (")
        assert found[0].message.endswith("all others 4: was only one category of these images kept?")
    sequence = np.array(["a"] * len(rows), object)
    tables = counts(rows)
    in_video = replace(tables, images=tables.images.beside(sequence=sequence))
    assert not [one for one in missing_companion(in_video) if "single category" in one.message]
