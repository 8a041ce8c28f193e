"""SEG212: two ways to draw what is hidden are told apart from sloppy borders and from chance."""

from dataclasses import replace

import numpy as np
import pytest

from segdata.core.config import Config
from segdata.core.finding import Finding
from segdata.core.profile import Policy
from segdata.core.rule import Tables, find_rule
from segdata.core.rule_runner import run_rules
from segdata.core.table import Table
from segdata.core.taxonomy import Category
from segdata.measure.measure import measure_source
from segdata.rules.occlusion_treatment import _comparable, _ways
from segdata.testing.pictures import draw_picture
from tests.rules.campaigns import with_tables

RULE = find_rule("SEG212")
LEGEND = "category: car\ncategory: person\ncategory: pole"
EMPTY = measure_source(draw_picture(f"...\n\n{LEGEND}"), RULE.needs, jobs=1)
AREA = 1000


def scenes(overlaps: list[list[float]], annotators: list[str] | None = None, n_images: int | None = None) -> Tables:
    """For each annotation cars that meet a person or a pole each: the share of the latter that both claim."""
    annotation = np.repeat(np.arange(len(overlaps)), [2 * len(each) for each in overlaps])
    n_pairs = len(annotation) // 2
    share = np.concatenate([np.array(each, float) for each in overlaps])
    a, b = 2 * np.arange(n_pairs), 2 * np.arange(n_pairs) + 1
    category = np.empty(2 * n_pairs, np.int64)
    category[a], category[b] = 1, 2 + np.arange(n_pairs) % 2
    n = n_images or len(overlaps)
    image = np.arange(len(overlaps)) % n
    return with_tables(
        EMPTY,
        images=Table({"image_id": np.array([f"{each}.png" for each in range(n)], object)}),
        annotations=Table({"image": image, "annotator": np.array(annotators or [None] * len(overlaps), object)}),
        segments=Table(
            {
                "annotation": annotation,
                "image": image[annotation],
                "category_id": category,
                "iscrowd": np.zeros(2 * n_pairs, bool),
                "area": np.full(2 * n_pairs, AREA),
                **{side: np.zeros(2 * n_pairs, np.int64) for side in ("x", "y", "width", "height")},
            }
        ),
        pairs=Table(
            {"a": a[share > 0], "b": b[share > 0], "shared": np.round(AREA * share[share > 0]).astype(np.int64)}
        ),
        borders=Table({"a": a, "b": b, "touching": np.full(n_pairs, 10), "apart": np.zeros(n_pairs, np.int64)}),
    )


def found(tables: Tables, **options: object) -> list[Finding]:
    return list(run_rules(tables, [RULE], Config(rules={"SEG212": options})).findings)


def test_two_ways_by_file_are_named_with_both_groups() -> None:
    whole, seen = [0.2, 0.3, 0.1, 0.2], [0.0, 0.01, 0.0, 0.0]
    findings = found(scenes([whole, seen] * 4))
    (car,) = [finding for finding in findings if finding.category == "car"]
    assert "drawn whole in 4 annotations (16 of 16 borders; 0.png, 2.png, 4.png, …)" in car.message
    assert "only as far as visible in 4 (0 of 16; 1.png, 3.png, 5.png, …)" in car.message
    assert "intraclass correlation 1.00" in car.message
    assert (car.severity, car.image) == ("warning", None)


@pytest.mark.parametrize(
    "overlaps",
    [
        [[0.2, 0.0, 0.3, 0.0]] * 8,  # every file mixes both
        [[0.2, 0.3, 0.2, 0.1]] * 8,  # all are drawn whole
        [[0.01, 0.0, 0.015, 0.0], [0.0, 0.019, 0.01, 0.0]] * 4,  # borders are drawn as exactly as people do
        [[1.0, 1.0, 0.95, 0.92], [0.0, 0.0, 0.0, 0.0]] * 4,  # one lies upon the other
        [[0.2, 0.3, 0.1, 0.2], [0.0, 0.0, 0.0, 0.0]],  # two files are too few
        [[0.2], [0.0]] * 8,  # of one border a file nobody can tell
    ],
)
def test_one_way_or_none_is_left_alone(overlaps: list[list[float]]) -> None:
    assert not found(scenes(overlaps))


def test_crowds_small_segments_and_allowed_overlaps_are_left_alone() -> None:
    tables = scenes([[0.2, 0.3, 0.1, 0.2], [0.0] * 4] * 4)
    n = len(tables.segments)
    assert found(tables)
    assert not found(replace(tables, segments=tables.segments.beside(iscrowd=np.ones(n, bool))))
    small = replace(tables, segments=tables.segments.beside(area=np.full(n, 40)))
    assert not found(with_tables(small, pairs=small.pairs.beside(shared=small.pairs["shared"] // 25)))
    glass = Category(id=1, name="car", may_overlap=("person", "pole"))
    taxonomy = replace_category(tables, glass)
    assert not found(taxonomy)


def replace_category(tables: Tables, category: Category) -> Tables:
    kept = [each for each in tables.profile.taxonomy.categories if each.id != category.id]
    taxonomy = type(tables.profile.taxonomy)(categories=(category, *kept))
    return replace(tables, profile=replace(tables.profile, taxonomy=taxonomy))


def test_where_overlap_is_forbidden_it_does_not_run() -> None:
    assert not RULE.applies(replace(EMPTY.profile, overlap=Policy("forbid", declared=True)))
    assert not RULE.applies(replace(EMPTY.profile, task="panoptic"))


def test_the_rule_for_what_is_hidden_is_quoted() -> None:
    tables = replace_category(
        scenes([[0.2] * 4, [0.0] * 4] * 4), Category(id=1, name="car", occlusion_rule="Only what is seen.")
    )
    (car,) = [finding for finding in found(tables) if finding.category == "car"]
    assert car.message.endswith('; guideline: "Only what is seen."')


def test_findings_do_not_depend_on_the_order_of_segments() -> None:
    tables = scenes([[0.2, 0.3, 0.2, 0.1, 0.2, 0.0], [0.0] * 4] * 5)
    n = len(tables.segments)
    new = np.random.default_rng(0).permutation(n)  # row -> its new row
    rows = np.argsort(new)
    moved = with_tables(
        tables,
        segments=tables.segments.take(rows),
        pairs=tables.pairs.beside(**_ordered(new[tables.pairs["a"]], new[tables.pairs["b"]])),
        borders=tables.borders.beside(**_ordered(new[tables.borders["a"]], new[tables.borders["b"]])),
    )
    assert found(moved) == found(tables) != []


def _ordered(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    return {"a": np.minimum(a, b), "b": np.maximum(a, b)}


def test_an_annotator_who_draws_whole_is_named() -> None:
    rng = np.random.default_rng(1)
    overlaps, who = [], []
    for name in ("first", "second", "third"):
        for _ in range(8):
            overlaps.append([0.2 if name == "third" else 0.005 * float(rng.integers(2)) for _ in range(4)])
            who.append(name)
    (car,) = [finding for finding in found(scenes(overlaps, who, n_images=8)) if finding.category == "car"]
    assert car.message.startswith("'third' draws it whole: 100% of 32 borders overlap, for the others 0%")
    assert car.annotator == "third"


def test_shuffled_names_of_files_and_annotators_are_found_no_more_often_than_stated() -> None:
    """The ways are handed out to borders at random: 5 % of the datasets may be flagged, of either kind."""
    rng = np.random.default_rng(2)
    hits = 0
    for run in range(200):
        n = 4 if run % 2 else 3
        overlaps = [[0.2 * float(rng.random() < 0.5) for _ in range(n)] for _ in range(12)]
        names = [str(rng.choice(["x", "y", "z"])) for _ in overlaps] if run % 4 < 2 else None
        hits += bool(found(scenes(overlaps, names, n_images=6 if names else None)))
    assert hits <= 10


def test_ways_to_draw_from_the_half_on_and_up_to_a_tenth() -> None:
    n, over = np.array([10, 10, 10, 10, 1]), np.array([5, 4, 1, 2, 0])
    whole, visible = _ways(n, over)
    assert whole.tolist() == [True, False, False, False, False]
    assert visible.tolist() == [False, False, True, False, True]


def test_annotators_are_compared_on_the_same_images_where_several_drew() -> None:
    """Image 0 has two annotations; those of images 1 and 2 are compared by the other category alone."""
    tables = replace(EMPTY, annotations=Table({"image": np.array([0, 0, 1, 2])}))
    borders = Table({"annotation": np.array([0, 1, 2, 3, 2, 0]), "other": np.array([2, 2, 2, 2, 3, 3])})
    stratum = _comparable(tables, borders)["stratum"].tolist()
    assert [stratum.index(each) for each in stratum] == [0, 0, 2, 2, 4, 5]
