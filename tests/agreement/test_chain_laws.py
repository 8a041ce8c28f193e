"""Laws of the whole chain, from pixels to the result: what must not matter does not."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import segdata
from segdata.agreement.scores import Score
from segdata.agreement.summary import Agreement
from segdata.api.agreement import agree
from segdata.core.batch import Batch
from segdata.core.dataset import OpenDataset
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY = Taxonomy(
    categories=(
        Category(id=1, name="road", kind="stuff"),
        Category(id=2, name="car"),
        Category(id=3, name="bus"),
        Category(id=4, name="void", kind="void"),
    )
)
CATEGORIES = {1: "road", 2: "car", 3: "car", 4: "bus", 5: "bus", 6: "void"}
Maps = list[np.ndarray]
SIGNED = {"offset", "count_difference"}  # change their sign with the order of annotators
few = settings(max_examples=10)


@st.composite
def drawings(draw: st.DrawFn) -> list[Maps]:
    """What two annotators draw on up to four images of one size; the second often like the first."""
    seed = draw(st.integers(0, 2**16))
    rng, n = np.random.default_rng(seed), draw(st.integers(1, 4))
    size = draw(st.tuples(st.integers(3, 14), st.integers(3, 14)))
    first = [np.kron(rng.integers(0, 7, (5, 5)), np.ones((3, 3), int))[: size[0], : size[1]] for _ in range(n)]
    noise = draw(st.floats(0, 0.6))
    second = [np.where(rng.random(size) < noise, rng.integers(0, 7, size), each) for each in first]
    return [first, second]


def dataset(maps: Maps, names: Mapping[int, str] = CATEGORIES) -> OpenDataset:
    return segdata.from_arrays({f"{k}.png": (each, names) for k, each in enumerate(maps)}, TAXONOMY)


def agreed(one: OpenDataset, other: OpenDataset, jobs: int = 1) -> Agreement:
    return agree({"a": one, "b": other}, resamples=100, jobs=jobs, select=["SEG410"])


def scores(found: Agreement) -> dict[str, float]:
    """Every score of all, of the pair, and of the categories."""
    tables = {"all": found.overall.scores, "pair": found.pairs[0].scores}
    tables |= {each.category: each.scores for each in found.categories}
    return {f"{of} {name}": score.value for of, table in tables.items() for name, score in table.items()}


def assert_same(one: dict[str, float], other: dict[str, float]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


@few
@given(drawings())
def test_the_order_of_annotators_does_not_matter(drawn: list[Maps]) -> None:
    one, other = (scores(agreed(*map(dataset, each))) for each in (drawn, drawn[::-1]))
    turned = {
        name: -value if name.split()[-1] in SIGNED and name.startswith("pair") else value for name, value in one.items()
    }
    assert_same(turned, other)


@few
@given(drawings())
def test_who_draws_the_same_agrees_wholly(drawn: list[Maps]) -> None:
    found = scores(agreed(dataset(drawn[0]), dataset(drawn[0])))
    ideal = {"hd95": 0, "assd": 0, "offset": 0, "offset_size": 0, "count_gap": 0, "count_difference": 0}
    ideal["variation_of_information"] = 0
    for name, value in found.items():
        if name.endswith("prevalence"):  # how common it is, not how well they agree
            continue
        assert np.isnan(value) or abs(value - ideal.get(name.split()[-1], 1)) < 1e-12, name


@few
@given(drawings(), st.permutations(range(1, 7)))
def test_the_numbers_of_instances_do_not_matter(drawn: list[Maps], order: list[int]) -> None:
    number = np.array([0, *order])
    renamed = {int(number[k]): name for k, name in CATEGORIES.items()}
    before = scores(agreed(*map(dataset, drawn)))
    after = scores(agreed(dataset(drawn[0]), dataset([number[each] for each in drawn[1]], renamed)))
    assert_same(before, after)


@few
@given(drawings(), st.sampled_from([np.transpose, np.fliplr, np.flipud]))
def test_pictures_may_be_turned_over(drawn: list[Maps], turn: object) -> None:
    before = scores(agreed(*map(dataset, drawn)))
    turned = [[np.ascontiguousarray(turn(each)) for each in maps] for maps in drawn]  # type: ignore[operator]  # one of three
    assert_same(before, scores(agreed(*map(dataset, turned))))


@few
@given(drawings(), st.randoms())
def test_the_order_of_images_does_not_matter(drawn: list[Maps], random: object) -> None:
    order = np.random.default_rng(len(drawn[0])).permutation(len(drawn[0]))
    before = scores(agreed(*map(dataset, drawn)))
    after = scores(agreed(*(dataset([maps[k] for k in order.tolist()]) for maps in drawn)))
    assert_same(before, after)


class OneByOne:
    """A source whose portions are single images."""

    def __init__(self, data: OpenDataset) -> None:
        self.of = data.source
        self.profile, self.image_ids, self.defects = self.of.profile, self.of.image_ids, self.of.defects

    def chunks(self) -> list[Ints]:
        return [np.array([k]) for k in range(len(self.image_ids))]

    def load(self, rows: Ints) -> Batch:
        return self.of.load(rows)


@few
@given(drawings())
def test_portions_and_threads_do_not_matter(drawn: list[Maps]) -> None:
    whole = [dataset(maps) for maps in drawn]
    single = [replace(each, source=OneByOne(each)) for each in whole]
    first = values(agreed(*whole))
    assert values(agreed(*single, jobs=1)) == first
    assert values(agreed(*single, jobs=2)) == first


def values(found: Agreement) -> list[tuple[str, str]]:
    """Scores with their intervals, as text, so that NaN is itself."""
    tables: list[Mapping[str, Score]] = [found.overall.scores, *(each.scores for each in found.pairs)]
    tables += [each.scores for each in found.categories]
    return [(name, repr(score)) for table in tables for name, score in table.items()]
