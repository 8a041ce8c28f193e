from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from segdata.api.in_memory import from_arrays
from segdata.core.rule import Tables
from segdata.core.taxonomy import Category, Taxonomy
from segdata.measure.measure import measure_source
from segdata.noise.annotator_noise import confusion_table, noisy_group_table
from segdata.noise.evaluation import EvaluatedRanking
from segdata.noise.ranking import RankedCandidates
from segdata.noise.segments import GivenLabels
from segdata.noise.selection import LabelCheck, SegmentRows
from segdata.noise.trust import RelatedImages

NAMES = ("", "car", "van", "bus")
TAXONOMY = Taxonomy(categories=tuple(Category(id=at, name=name, kind="thing") for at, name in enumerate(NAMES) if name))
N, PER = 60, 6  # images, and candidates of each
EVERY = np.ones(N * PER, bool)


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Of images of one segment each; ben drew every third, ann the others; in two months."""
    mask = np.ones((2, 2), bool)
    data = from_arrays({f"{row:02d}.png": [(mask, "car")] for row in range(N)}, TAXONOMY)
    found = measure_source(data.source, frozenset(), profile=data.profile)
    who = np.array(["ben" if row % 3 == 0 else "ann" for row in range(N)], object)
    created = np.array(["2024-05-01" if row % 2 else "2024-06-01" for row in range(N)], object)
    return replace(found, annotations=found.annotations.beside(annotator=who, created=created))


def case(tables: Tables) -> LabelCheck:
    predictor: Any = SimpleNamespace(things=np.array([False, True, True, True]))  # Any: nothing else of it is asked
    maps: Any = None  # nor of the labels
    rows = SegmentRows.from_tables(tables)
    return LabelCheck(GivenLabels(maps, np.empty(0, np.int64)), predictor, NAMES, tables, rows, np.arange(N))


def suspicions(probability: Any, given: Any, seen: Any) -> RankedCandidates:
    n, none = N * PER, np.empty(0)
    held = EvaluatedRanking(none, none.astype(np.int64), none.astype(np.int64), (), none.astype(np.int64), N)
    zero = np.zeros(n, np.int64)
    return RankedCandidates(
        np.repeat(np.arange(N), PER), zero, zero, given, zero - 1, np.zeros(n), probability, np.zeros((n, 7)),
        np.zeros(n), np.ones(N), held, none.astype(np.int64), np.ones(4), [], seen,
        np.zeros((N, 2), np.int64), np.ones(N), np.zeros(n, bool), RelatedImages.unrelated(N),
    )  # fmt: skip


def drawn(seed: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    given = rng.integers(1, 4, N * PER)
    seen = np.where(rng.random(N * PER) < 0.7, given, rng.integers(1, 4, N * PER))
    return rng.beta(0.5, 8, N * PER), given, seen


def test_nothing_systematic_is_told_of_chance(tables: Tables) -> None:
    found = suspicions(*drawn(0))
    assert len(confusion_table(found, case(tables), EVERY)) == 0
    assert len(noisy_group_table(found, case(tables), EVERY)) == 0


def test_cars_that_are_called_vans(tables: Tables) -> None:
    probability, given, seen = drawn(1)
    called = (seen == 1) & (np.arange(N * PER) % 3 > 0)
    told = confusion_table(suspicions(probability, np.where(called, 2, given), seen), case(tables), EVERY)
    (row,) = list(told.lines("given", "seen"))
    assert row == ("van", "car")
    assert told["n"][0] > told["expected"][0] > told["reverse"][0]


def test_who_is_doubted_everywhere(tables: Tables) -> None:
    probability, given, seen = drawn(2)
    bens = np.repeat(np.arange(N) % 3 == 0, PER)
    found = suspicions(np.where(bens, probability + 0.2, probability), given, seen)
    told = noisy_group_table(found, case(tables), EVERY)
    assert list(told.lines("column", "name")) == [("annotator", "ben")]
    assert told["difference"][0] == pytest.approx(0.2, abs=0.05)
    may = np.repeat(np.arange(N) % 2 == 1, PER)
    found = suspicions(np.where(may, probability + 0.2, probability), given, seen)
    told = noisy_group_table(found, case(tables), EVERY)
    assert list(told.lines("column", "name")) == [("month", "2024-05")]


def test_what_the_model_cannot_judge_says_nothing_of_who_drew_it(tables: Tables) -> None:
    """Ben's buses look wrong, and vans are called buses; the model is too weak for buses."""
    probability, given, seen = drawn(2)
    given = np.where((seen == 2) & (np.arange(N * PER) % 3 > 0), 3, given)
    bens = np.repeat(np.arange(N) % 3 == 0, PER) & (given == 3)
    found = suspicions(np.where(bens, 0.9, probability), given, seen)
    judged = (given != 3) & (seen != 3)
    assert list(noisy_group_table(found, case(tables), EVERY).lines("name")) == [("ben",)]
    assert list(confusion_table(found, case(tables), EVERY).lines("given", "seen")) == [("bus", "van")]
    assert not len(noisy_group_table(found, case(tables), judged))
    assert not len(confusion_table(found, case(tables), judged))
