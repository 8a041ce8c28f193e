"""Bias: planted systematic errors are found, with their size, and honest annotators are left alone."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.agreement.annotator_bias import BIAS_KINDS, annotator_biases, count_deviations, least_clusters
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.table import Table
from segdata.core.taxonomy import Category

N_OBJECTS = 8
CATEGORIES = (Category(id=1, name="car"), Category(id=2, name="bus"))


def campaign(
    rng: np.random.Generator,
    n_images: int = 40,
    n_annotators: int = 4,
    *,
    missing: dict[int, float] | None = None,
    calling: dict[int, float] | None = None,
    larger: dict[int, float] | None = None,
) -> AnnotatorPairs:
    """Every annotator misses 5 % of the objects, confuses 3 %, and draws with an error of 1 px; some do more."""
    missing, calling, larger = missing or {}, calling or {}, larger or {}
    members, surfaces, pairs = [], [], []
    truth = rng.integers(0, 2, (n_images, N_OBJECTS))
    has = rng.random((n_annotators, n_images, N_OBJECTS)) >= np.array(
        [0.05 + missing.get(i, 0) for i in range(n_annotators)]
    ).reshape(-1, 1, 1)
    wrong = rng.random(has.shape) < np.array([0.03 + calling.get(i, 0) for i in range(n_annotators)]).reshape(-1, 1, 1)
    size = rng.normal(0, 1, has.shape) + np.array([larger.get(i, 0) for i in range(n_annotators)]).reshape(-1, 1, 1)
    says = np.where(wrong, 1 - truth, truth)
    for image in range(n_images):
        for a in range(n_annotators):
            for b in range(a + 1, n_annotators):
                both = has[a, image] & has[b, image]
                surfaces += [
                    (len(pairs), says[a, image, k], 0, size[b, image, k] - size[a, image, k])
                    for k in np.flatnonzero(both)
                ]
                pairs.append((image, a, b))
        members += [
            (image, k, i, 0, says[i, image, k], 0) if has[i, image, k] else (image, k, i, -1, -1, 0)
            for i in range(n_annotators)
            for k in np.flatnonzero(has[:, image].any(axis=0))
        ]

    def table(names: str, rows: list[tuple[float, ...]]) -> Table:
        columns = np.array(rows, float).reshape(-1, len(names.split())).T
        return Table(
            {
                name: column if name == "offset" else column.astype(np.int64)
                for name, column in zip(names.split(), columns, strict=True)
            }
        )

    tables = {name: Table({}) for name, type_ in AnnotatorPairs.__annotations__.items() if type_ is Table}
    tables |= {
        "cases": Table({"cluster": np.arange(n_images)}),
        "pairs": table("case a b", pairs),
        "members": table("case cluster annotator segment category within", members),
        "surfaces": table("pair category match offset", surfaces),
    }
    names = tuple("abcdefgh"[:n_annotators])
    return AnnotatorPairs(names, tuple(range(n_annotators)), CATEGORIES, "instance", **tables)


def found(opposed: AnnotatorPairs, rate: float = 0.05) -> set[tuple[int, int, str]]:
    table = annotator_biases(opposed, rate=rate).lines("annotator", "category", "kind", "found", "value")
    return {
        (annotator, category, kind)
        for annotator, category, kind, hit, value in table
        if hit and (kind != "offset" or abs(value) >= 1)
    }


def test_who_misses_is_found_with_the_rate() -> None:
    opposed = campaign(np.random.default_rng(0), missing={2: 0.25})
    assert {cell[::2] for cell in found(opposed)} == {(2, "missed")}
    table = annotator_biases(opposed)
    rows = (table["annotator"] == 2) & (table["kind"] == "missed")
    assert rows.sum() == 2
    assert ((table["low"] <= 0.3) & (table["high"] >= 0.3))[rows].all()


def test_who_draws_large_is_found_and_the_others_are_not_small() -> None:
    opposed = campaign(np.random.default_rng(1), n_annotators=3, larger={0: 2.0})
    assert found(opposed) == {(0, 0, "offset"), (0, 1, "offset")}
    table = annotator_biases(opposed)
    rows = (table["annotator"] == 0) & (table["kind"] == "offset")
    np.testing.assert_allclose(table["value"][rows], 2.0, atol=0.35)


def test_who_confuses_is_found() -> None:
    assert {cell[::2] for cell in found(campaign(np.random.default_rng(2), calling={1: 0.3}))} == {(1, "confused")}


def test_honest_annotators_stand_out_by_chance_alone() -> None:
    """A finding in no more campaigns than the rate allows: 5 of 100, and three standard deviations."""
    rng = np.random.default_rng(3)
    wrong = sum(bool(found(campaign(rng, n_images=12, n_annotators=3))) for _ in range(100))
    assert wrong <= 5 + 3 * np.sqrt(100 * 0.05 * 0.95)


def test_two_annotators_cannot_be_told_apart() -> None:
    table = annotator_biases(campaign(np.random.default_rng(4), n_annotators=2, missing={0: 0.5}))
    assert np.isnan(table["p"]).all()
    assert not table["found"].any()
    rows = (table["annotator"] == 0) & (table["kind"] == "missed")
    np.testing.assert_allclose(table["value"][rows], 0.55, atol=0.15)


def test_too_few_images_say_nothing() -> None:
    assert np.isnan(annotator_biases(campaign(np.random.default_rng(5), n_images=7, missing={0: 0.6}))["p"]).all()


def test_more_cells_need_more_images() -> None:
    assert least_clusters(10, 3) == 8
    assert least_clusters(4000, 3) == 12
    assert 3.0 ** -least_clusters(4000, 3) <= 0.05 / 4000 / 4


def test_a_permutation_of_annotators_changes_names_alone() -> None:
    rng = np.random.default_rng(6)
    opposed = campaign(rng, missing={0: 0.3}, larger={1: 1.5})
    order = np.array([2, 0, 3, 1])
    place = np.argsort(order)
    pairs, surfaces = opposed.pairs, opposed.surfaces
    a, b = place[pairs["a"]], place[pairs["b"]]
    turned = a > b
    moved = replace(
        opposed,
        pairs=pairs.beside(a=np.minimum(a, b), b=np.maximum(a, b)),
        surfaces=surfaces.beside(offset=np.where(turned[surfaces["pair"]], -1, 1) * surfaces["offset"]),
        members=opposed.members.beside(annotator=place[opposed.members["annotator"]]),
    )
    before, after = count_deviations(opposed), count_deviations(moved)
    key_before = np.lexsort((place[before.annotator], before.category, before.kind, before.cluster))
    key_after = np.lexsort((after.annotator, after.category, after.kind, after.cluster))
    np.testing.assert_allclose(before.hits[key_before], after.hits[key_after], atol=1e-12)
    np.testing.assert_allclose(before.total[key_before], after.total[key_after])


@pytest.mark.parametrize("kind", BIAS_KINDS)
def test_every_kind_is_told(kind: str) -> None:
    assert kind in set(annotator_biases(campaign(np.random.default_rng(7)))["kind"].tolist())


def test_shares_without_a_hit_have_an_interval() -> None:
    """Resamples of nothing are all nothing; so many segments without a miss may yet be a few percent."""
    table = annotator_biases(campaign(np.random.default_rng(8), n_images=8, n_annotators=3))
    rows = (table["value"] == 0) & (table["kind"] == "confused")
    assert rows.any()
    assert (table["high"][rows] > 0.01).all()


def test_intervals_hold_the_rate() -> None:
    """In 95 of 100 cases, and three standard deviations of as many campaigns less."""
    held = []
    for seed in range(12):
        table = annotator_biases(
            campaign(np.random.default_rng(seed), n_images=12, n_annotators=3), seed=seed, n_draws=300
        )
        rows = table["kind"] == "missed"
        held += ((table["low"] <= 0.05) & (table["high"] >= 0.05))[rows].tolist()
    assert np.mean(held) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / len(held))


@pytest.mark.parametrize("n_annotators", [3, 4, 5])
def test_one_who_errs_less_makes_no_bad_annotators_of_the_rest(n_annotators: int) -> None:
    """All but the last miss 30 %: nobody stands out but by that one; without the law half of the cells are found."""
    missing = dict.fromkeys(range(n_annotators - 1), 0.25)
    found = []
    for seed in range(4):
        table = annotator_biases(campaign(np.random.default_rng(seed), n_annotators=n_annotators, missing=missing))
        found += table["found"][table["kind"] == "missed"].tolist()
    assert np.mean(found) <= 0.1


def test_two_who_have_one_habit_are_both_found() -> None:
    table = annotator_biases(campaign(np.random.default_rng(1), n_annotators=5, missing={0: 0.25, 1: 0.25}))
    rows = table["found"] & (table["kind"] == "missed")
    assert set(table["annotator"][rows].tolist()) == {0, 1}
