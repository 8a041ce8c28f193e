"""Recovery: what simulated annotators were made to do is what the whole chain says that they do, from pixels on."""

import numpy as np
import pytest

import segdata
from segdata.agreement.annotator_bias import annotator_biases, least_clusters
from segdata.agreement.summary import Agreement, AnnotatorBias
from segdata.api.agreement import agree
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.dataset import OpenDataset
from segdata.core.table import Table
from segdata.core.taxonomy import Category
from tests.generators.annotators import ErrorRates, SimulatedAnnotator, simulate_annotator

HAND = ErrorRates(misses=0.03, adds=0.03, uneven=0.4, jitter=0.4, shift=0.4)


def cells(rng: np.random.Generator, n_images: int) -> OpenDataset:
    """Images with six discs each, of two categories."""
    y, x = np.mgrid[:70, :100]
    labels = {}
    for image in range(n_images):
        masks = []
        for k in range(6):
            at = 17 + 33 * (k % 3) + rng.integers(-3, 4), 18 + 34 * (k // 3) + rng.integers(-3, 4)
            masks.append(((x - at[0]) ** 2 + (y - at[1]) ** 2 <= rng.uniform(8, 12) ** 2, ("cell", "knot")[k % 2]))
        labels[f"{image:03d}.png"] = masks
    return segdata.from_arrays(labels, ["cell", "knot"])


def campaign(seed: int, n_images: int, **others: SimulatedAnnotator) -> Agreement:
    """What four annotators do, who have the same habits but for some."""
    truth = cells(np.random.default_rng(seed), n_images)
    people = dict.fromkeys("abcd", SimulatedAnnotator(HAND)) | others
    drawn = {name: simulate_annotator(truth, who, 100 * seed + k) for k, (name, who) in enumerate(people.items())}
    return agree(drawn, resamples=300, seed=seed, jobs=1, select=["SEG406", "SEG408", "SEG409"])


def bias(found: Agreement, annotator: str, category: str) -> AnnotatorBias:
    (one,) = (each for each in found.annotator_bias if (each.annotator, each.category) == (annotator, category))
    return one


def told(found: Agreement) -> set[tuple[str | None, str | None]]:
    return {(each.annotator, each.category) for each in found.findings}


def test_who_draws_larger_does_so_by_as_many_pixels() -> None:
    found = campaign(0, 16, c=SimulatedAnnotator(HAND, {"knot": ErrorRates(larger=3.0, uneven=0.4)}))
    offset = bias(found, "c", "knot").boundary_offset
    assert offset.low <= offset.value <= offset.high
    assert abs(offset.value - 3.0) < 0.3  # a disc of pixels is no disc
    assert told(found) == {("c", "knot")}
    assert bias(found, "c", "knot").found == ("offset",)


@pytest.mark.parametrize(
    ("kind", "habits"),
    [
        ("missed", ErrorRates(misses=0.4)),
        ("extra", ErrorRates(adds=0.6)),
        ("confused", ErrorRates(calls={"cell": 0.5})),
    ],
)
def test_who_misses_adds_or_confuses_is_told_of_alone(kind: str, habits: ErrorRates) -> None:
    found = campaign(1, 16, b=SimulatedAnnotator(HAND, {"knot": habits}))
    assert kind in bias(found, "b", "knot").found
    assert {annotator for annotator, _ in told(found)} == {"b"}
    share = getattr(bias(found, "b", "knot"), kind)
    expected = {"missed": 0.4, "extra": 0.6 / 1.6, "confused": 0.5}[kind]
    assert share.low <= expected <= share.high


def test_who_is_told_of_is_not_found_because_of_another() -> None:
    """One who draws larger makes no small ones of the rest, however few they are."""
    found = campaign(2, 12, a=SimulatedAnnotator(ErrorRates(larger=2.0)))
    assert {each.annotator for each in found.annotator_bias if "offset" in each.found} == {"a"}


def test_people_who_are_alike_are_left_alone() -> None:
    """A finding in at most 5 of 100 campaigns is two of 4 in one case of seventy."""
    assert sum(bool(told(campaign(seed, 10))) for seed in range(3, 7)) <= 1


def certain(n_images: int, n_categories: int, n_annotators: int = 3) -> AnnotatorPairs:
    """The first annotator misses everything of the first category, and nobody does anything else wrong."""
    categories = tuple(Category(id=k + 1, name=str(k)) for k in range(n_categories))
    image, code, who = (each.ravel() for each in np.mgrid[:n_images, :n_categories, :n_annotators].astype(np.int64))
    drew = np.where((code == 0) & (who == 0), -1, code)
    a, b = np.triu_indices(n_annotators, 1)
    tables = {name: Table({}) for name, type_ in AnnotatorPairs.__annotations__.items() if type_ is Table}
    tables |= {
        "cases": Table({"cluster": np.arange(n_images)}),
        "pairs": Table(
            {"case": np.repeat(np.arange(n_images), len(a)), "a": np.tile(a, n_images), "b": np.tile(b, n_images)}
        ),
        "members": Table(
            {"case": image, "cluster": code, "annotator": who, "segment": drew, "category": drew, "within": 0 * drew}
        ),
    }
    return AnnotatorPairs(tuple("abc"), (0, 1, 2), categories, "instance", **tables)


@pytest.mark.parametrize("n_categories", [2, 60])
def test_from_the_least_number_of_images_what_is_certain_is_found(n_categories: int) -> None:
    """With many cells too, which ask for a p so small that it takes more than 9,999 ways to hand out names."""
    n_cells = len(annotator_biases(certain(9, n_categories), n_draws=100)["p"])
    least = least_clusters(n_cells, 3)
    table = annotator_biases(certain(least, n_categories), n_draws=100)
    (row,) = np.flatnonzero(table["found"])
    assert (table["annotator"][row], table["category"][row], table["kind"][row]) == (0, 0, "missed")
    assert np.isnan(annotator_biases(certain(least - 1, n_categories), n_draws=100)["p"]).all()
