"""SEG310: who drifts is found, names exchanged at random give nothing, and what cannot be compared is not."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.core.errors import SegdataError
from segdata.core.finding import RowFinding
from segdata.core.rule import Tables
from segdata.core.strata import independent_units
from segdata.core.table import Table
from segdata.rules.annotator_drift import GroupedAnnotations, annotator_drift, drawn_amounts
from tests.rules.campaigns import Habit, campaign, renamed, with_guideline
from tests.rules.test_rules_by_loops import CAR, HAZE, PERSON, ROAD, images, scattered

USUAL = Habit()
THREE = {"anna": USUAL, "ben": USUAL, "cleo": USUAL}
ANY_EFFECT = {"min_difference": 0.0, "min_ratio": 1.0, "min_void": 0.0}
SHUFFLES = 200


def found(tables: Tables, **options: float) -> list[RowFinding]:
    return list(annotator_drift(tables, **options))


def drifting(habit: Habit, n_images: int, *, shared: bool = True, seed: int = 1) -> Tables:
    return campaign(np.random.default_rng(seed), THREE | {"ben": habit}, n_images, shared=shared)


@pytest.mark.parametrize(("n_images", "shared"), [(15, True), (45, False)])
def test_exchanged_names_give_findings_at_no_more_than_the_rate(n_images: int, shared: bool) -> None:
    """Without any least effect, so that chance alone decides; three standard deviations of 200 draws are allowed."""
    tables = drifting(Habit(misses=0.4, grows=2.0, void=0.05), n_images, shared=shared)
    rng = np.random.default_rng(0)
    hits = sum(bool(found(renamed(tables, rng), **ANY_EFFECT)) for _ in range(SHUFFLES))
    assert hits / SHUFFLES <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / SHUFFLES)


@pytest.mark.parametrize(
    ("habit", "said"),
    [
        (Habit(misses=0.45), "of images (the others:"),
        (Habit(grows=1.8), "times as large as for the others"),
        (Habit(void=0.06), "void: "),
    ],
)
def test_who_drifts_is_named(habit: Habit, said: str) -> None:
    several = found(drifting(habit, 40))
    assert several
    assert {each.annotator for each in several} == {"ben"}
    assert all(said in each.message and "on the same images, " in each.message for each in several)


@pytest.mark.parametrize(
    ("habit", "chapter"), [(Habit(misses=0.45), "definition"), (Habit(grows=1.8), "boundary_rule")]
)
def test_the_guideline_that_is_not_followed_is_quoted(habit: Habit, chapter: str) -> None:
    plain = drifting(habit, 40)
    for category in {each.category for each in found(plain)}:
        told = with_guideline(plain, str(category), **{chapter: "So it is."})
        assert [each.message.endswith('"So it is."') for each in found(told) if each.category == category] == [True]


def test_drift_shows_on_images_of_the_same_sort_too() -> None:
    several = found(drifting(Habit(void=0.06), 90, shared=False))
    assert [(each.annotator, "on similar images" in each.message) for each in several] == [("ben", True)]


def test_of_two_nobody_can_say_who_is_right() -> None:
    tables = campaign(np.random.default_rng(2), {"anna": USUAL, "ben": Habit(void=0.06)}, 30)
    (both,) = found(tables)
    assert both.annotator is None
    assert both.message.startswith("'anna', void: ")
    assert "('ben': " in both.message


def test_another_camera_is_no_drift() -> None:
    """Who has seen only one camera's images is not compared with who has seen the other's."""
    tables = campaign(np.random.default_rng(3), {"anna": USUAL}, 60)
    camera = tables.images["camera"][tables.annotations["image"]]
    names = np.where(camera == "camera 0", "anna", "ben").astype(object)
    tables = replace(tables, annotations=tables.annotations.beside(annotator=names))
    assert not found(tables, **ANY_EFFECT)


def test_many_frames_of_few_drives_are_little_evidence() -> None:
    """Five hundred frames of two drives: one mistake in each, made in all of their frames, is no habit."""
    tables = campaign(np.random.default_rng(4), THREE | {"ben": Habit(misses=0.6)}, 500, per_sequence=250)
    assert not found(tables, **ANY_EFFECT)


def test_batches_are_compared_where_the_configuration_says_so() -> None:
    tables = drifting(Habit(void=0.06), 90, shared=False)
    months = np.where(tables.annotations["annotator"] == "ben", "2024-05-01", "2024-06-01").astype(object)
    nobody = np.full(len(months), None, object)
    tables = replace(tables, annotations=tables.annotations.beside(annotator=nobody, created=months))
    assert not found(tables)
    (batch,) = found(replace(tables, profile=replace(tables.profile, by="month")))
    assert batch.annotator is None
    assert batch.message.startswith("month '2024-05', void: ")
    with pytest.raises(SegdataError, match="'weather'"):
        found(replace(tables, profile=replace(tables.profile, by="weather")))


def test_the_order_of_rows_and_names_does_not_matter() -> None:
    tables = drifting(Habit(misses=0.45, grows=1.8), 30)
    order = np.random.default_rng(5).permutation(len(tables.annotations))
    place = np.argsort(order)
    segments = tables.segments.beside(annotation=place[tables.segments["annotation"]])
    shuffled = replace(
        tables,
        annotations=tables.annotations.take(order),
        segments=segments.take(np.random.default_rng(6).permutation(len(segments))),
    )
    assert found(shuffled) == found(tables)


def test_one_annotator_and_none_are_quiet() -> None:
    one = campaign(np.random.default_rng(7), {"anna": USUAL}, 20)
    assert not found(one)
    nobody = Table({"image": one.annotations["image"], "annotator": np.full(len(one.annotations), None, object)})
    assert not found(replace(one, annotations=nobody))


def test_who_never_draws_a_category_is_named_though_every_image_has_its_own_size() -> None:
    tables = drifting(USUAL, 60, shared=False)
    sizes = np.random.default_rng(4).permutation(np.arange(len(tables.images)))
    tables = replace(tables, images=tables.images.beside(width=100 + sizes, height=110 + sizes))
    assert not found(tables)
    owner = tables.annotations["annotator"][tables.segments["annotation"]]
    never = (owner == "ben") & (tables.segments["category_id"] == 2)
    silent = replace(tables, segments=tables.segments.take(~never))
    (finding,) = found(silent)
    assert finding.category == "person"
    assert "'ben'" in finding.message
    assert "0%)" in finding.message or "in 0% of images" in finding.message


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_what_groups_are_compared_in(seed: int, alone: bool) -> None:
    """Images that several drew, if there are any; frames of one film are one observation; crowds are drawn, too."""
    rng = np.random.default_rng(seed)
    n = 8
    people = ["anna", "ben", "cleo", None]
    drawn = [
        [people[int(rng.integers(4))]] if alone else [who for who in people if rng.random() < 0.5] for _ in range(n)
    ]
    owners = [(image, who) for image, several in enumerate(drawn) for who in several]
    image, whose = np.array([own for own, _ in owners]), [who for _, who in owners]
    tables = scattered(rng, images(n, 10, 12), 60, (CAR, PERSON, ROAD, HAZE))
    film = np.array(["film" if k in (1, 2, 5) else None for k in range(n)], object)
    annotation = np.sort(rng.integers(0, len(owners), 60))
    segments = tables.segments.beside(annotation=annotation, image=image[annotation], area=rng.integers(1, 50, 60))
    annotations = Table({"image": image, "annotator": np.array(whose, object)})
    tables = replace(tables, images=tables.images.beside(sequence=film), annotations=annotations, segments=segments)
    observed = GroupedAnnotations.from_column(tables, "annotator")
    names = sorted({who for who in whose if who is not None})
    assert observed.names == names
    if len(names) < 2:
        assert observed.observation.tolist() == [-1] * len(owners)
        return
    several = {own for own in range(n) if len([who for other, who in owners if other == own and who]) > 1}
    assert observed.is_paired == bool(several)
    unit = independent_units(tables)
    cells: dict[tuple[int, int], list[int]] = {}
    for row, (own, who) in enumerate(owners):
        if who is not None and (own in several or not several):
            cells.setdefault((int(unit[own]), names.index(who)), []).append(row)
    keys = sorted(cells)
    assert observed.group.tolist() == [group for _, group in keys]
    assert observed.n_images.tolist() == [len(cells[key]) for key in keys]
    assert not several or observed.stratum.tolist() == [number for number, _ in keys]
    of = [next((k for k, key in enumerate(keys) if row in cells[key]), -1) for row in range(len(owners))]
    assert observed.observation.tolist() == of
    areas: dict[tuple[int, int], list[int]] = {}
    for own, category, area in segments.lines("annotation", "category_id", "area"):
        areas.setdefault((own, category), []).append(area)
    features = {(one.kind, one.category): one for one in observed.features(tables, drawn_amounts(tables))}
    used = {category for _, category in areas}
    kinds = {("presence", CAR), ("count", CAR), ("size", CAR), ("presence", ROAD), ("size", ROAD), ("void", None)}
    kinds |= {(kind, PERSON) for kind in ("presence", "count", "size")}
    assert features.keys() == {key for key in kinds if (key[1] or HAZE) in used}
    for (kind, category), feature in features.items():
        for k, key in enumerate(keys):
            own_areas = [areas[row, category or HAZE] for row in cells[key] if (row, category or HAZE) in areas]
            if kind == "void":
                expected = sum(map(sum, own_areas)) / 120 / len(cells[key])
            elif kind == "presence":
                expected = len(own_areas) / len(cells[key])
            elif kind == "count":
                expected = float(np.mean([np.log(len(each)) for each in own_areas])) if own_areas else 0.0
            else:
                logs = [np.mean([np.log(area / 120) for area in each]) for each in own_areas]
                expected = float(np.mean(logs)) if logs else 0.0
            assert feature.values[k] == pytest.approx(expected)
            assert feature.among[k] == (kind in ("presence", "void") or bool(own_areas))
