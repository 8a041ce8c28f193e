"""Remap: pixels of each new category are those of its old ones, whatever is joined; and what goes is counted."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core import yaml_files
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.errors import SegdataError
from segdata.core.losses import LossCounter
from segdata.core.profile import Profile, Task
from segdata.core.taxonomy import Category, CategoryKind, Taxonomy
from segdata.store.remap import MapTarget, Remap, TaxonomyMap, dump_map, load_map, rename_categories, resolve_map
from segdata.testing.pictures import draw_picture, masks_of_runs
from segdata.testing.strategies import datasets

TASKS: Sequence[Task] = ("semantic", "instance", "panoptic")
KINDS: Sequence[CategoryKind] = ("thing", "stuff", "void")


def pixels_by_category(batch: Batch, to: dict[int, int | None]) -> Counter[tuple[int, int, int]]:
    """(annotation, new category, pixel) -> 1 for every pixel that a segment of it claims."""
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    found: Counter[tuple[int, int, int]] = Counter()
    for annotation, category, mask in zip(
        batch.segment_annotation.tolist(), batch.segments["category_id"].to_pylist(), masks, strict=True
    ):
        new = to[category]
        if new is not None:
            found |= Counter({(annotation, new, int(pixel)): 1 for pixel in np.flatnonzero(mask)})
    return found


@settings(max_examples=25)
@given(datasets(), st.data())
def test_pixels_of_categories_stay(made: tuple[Profile, list[Batch]], data: st.DataObject) -> None:
    batch = concatenate_batches(made[1])
    old, task = made[0].taxonomy, data.draw(st.sampled_from(TASKS))
    new = Taxonomy(
        categories=tuple(Category(id=id_, name=str(id_), kind=data.draw(st.sampled_from(KINDS))) for id_ in (7, 8))
    )
    occurring = {*old.by_id(), *batch.segments["category_id"].to_pylist()}
    to: dict[int, int | None] = {id_: data.draw(st.sampled_from([None, 7, 8])) for id_ in sorted(occurring)}
    remap = Remap(to, old, new, task)
    found = remap(batch)
    found.runs.checked(*found.segment_size)
    assert pixels_by_category(found, {7: 7, 8: 8}) == pixels_by_category(batch, to)
    assert np.array_equal(found.annotation_image, batch.annotation_image)
    assert (np.diff(found.segment_annotation) >= 0).all()
    areas = batch.runs.areas(batch.n_segments)
    gone = [to[id_] is None for id_ in batch.segments["category_id"].to_pylist()]
    losses = LossCounter()
    remap(batch)  # loading an image again counts it once
    remap.count(losses)
    dropped = {loss.of: (loss.count, loss.pixels) for loss in losses.listed()}
    assert dropped.get("dropped segments", (0, 0)) == (sum(gone), int(areas[gone].sum()))
    assert {loss.kind for loss in losses.listed()} <= {"mapped"}


def remapped(
    text: str, to: dict[str, str | None], kinds: dict[str, CategoryKind], task: Task
) -> tuple[Batch, LossCounter]:
    drawing = draw_picture(text)
    old = drawing.profile.taxonomy
    new = Taxonomy(
        categories=tuple(Category(id=10 + n, name=name, kind=kind) for n, (name, kind) in enumerate(kinds.items()))
    )
    ids = {each.name: each.id for each in new.categories}
    of: dict[int, int | None] = {
        each.id: None if (name := to[each.name]) is None else ids[name] for each in old.categories
    }
    remap, losses = Remap(of, old, new, task), LossCounter()
    found = remap(drawing.batch)
    remap.count(losses)
    return found, losses


STREET = "aabb.\nccdd.\n\na: road (stuff)\nb: mark (stuff)\nc: car\nd: bus"


def test_things_stay_apart_and_stuff_is_joined() -> None:
    to = {"road": "ground", "mark": "ground", "car": "vehicle", "bus": "vehicle"}
    found, losses = remapped(STREET, to, {"ground": "stuff", "vehicle": "thing"}, "panoptic")
    assert found.segments["category_id"].to_pylist() == [10, 11, 11]
    assert found.segments["segment_id"].to_pylist() == [1, 3, 4]
    assert found.runs.areas(3).tolist() == [4, 2, 2]
    assert not losses.listed()


def test_in_semantic_data_all_of_a_category_is_one_segment() -> None:
    to = {"road": "ground", "mark": "ground", "car": "vehicle", "bus": "vehicle"}
    found, _ = remapped(STREET, to, {"ground": "stuff", "vehicle": "thing"}, "semantic")
    assert found.runs.areas(2).tolist() == [4, 4]


def test_things_that_become_stuff_are_joined_and_counted() -> None:
    to = {"road": "ground", "mark": None, "car": "ground", "bus": "ground"}
    found, losses = remapped(STREET, to, {"ground": "stuff"}, "panoptic")
    assert found.runs.areas(1).tolist() == [6]
    assert [str(loss) for loss in losses.listed()] == [
        "mapped: 1 dropped segment in 1 image, 2 px (e.g. 1.png)",
        "mapped: 2 joined things in 1 image, 4 px (e.g. 1.png)",
    ]


def test_overlaps_of_what_is_joined_count_once_and_its_polygon_is_forgotten() -> None:
    picture = "........\n........\n\na: road (stuff, polygon 0 0 4 0 4 2 0 2)\nb: mark (stuff, polygon 2 0 6 0 6 2 2 2)"
    found, _ = remapped(picture, {"road": "x", "mark": "x"}, {"x": "stuff"}, "instance")
    assert found.runs.areas(1).tolist() == [12]
    assert found.segments["rings"].to_pylist() == [None]
    alone, _ = remapped(picture, {"road": "x", "mark": "y"}, {"x": "stuff", "y": "stuff"}, "instance")
    assert None not in alone.segments["rings"].to_pylist()


def test_secondary_categories_follow() -> None:
    picture = "a.b\n\na: sofa (also bed)\nb: bed (also sofa car)\ncategory: sofa\ncategory: bed\ncategory: car"
    to = {"sofa": "sofa", "bed": "bed", "car": None}
    found, _ = remapped(picture, to, {"bed": "thing", "sofa": "thing"}, "instance")
    assert found.segments["also"].to_pylist() == [[10], [11]]


def test_a_category_that_the_map_does_not_know_is_refused() -> None:
    drawing = draw_picture("a.b\n\na: car\nb: cra (unknown)")
    remap = Remap({1: 1}, drawing.profile.taxonomy, drawing.profile.taxonomy, "instance")
    with pytest.raises(SegdataError, match="category id -1"):
        remap(drawing.batch)


NAMES = st.text("abcä: #'\"{}-,0", min_size=1, max_size=5).filter(lambda name: name.strip() == name)
TARGETS = st.none() | NAMES | st.lists(NAMES, min_size=1, max_size=3).map(tuple)


@given(st.dictionaries(NAMES, TARGETS, max_size=5), st.none() | NAMES)
def test_what_is_written_reads_back(migration: dict[str, MapTarget], taxonomy: str | None) -> None:
    read = yaml_files.parse_yaml(dump_map(migration, taxonomy), TaxonomyMap, "map.yaml")
    assert read == TaxonomyMap(taxonomy=taxonomy, categories=migration)


def test_a_name_that_the_new_taxonomy_lacks_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text("categories: [{id: 1, name: car}]")
    path = tmp_path / "map.yaml"
    path.write_text("taxonomy: new.yaml\ncategories:\n  auto: car\n  bus: cra\n")
    with pytest.raises(SegdataError, match=r"map\.yaml:4: new\.yaml has no category 'cra'; did you mean 'car'"):
        load_map(path)
    path.write_text("taxonomy: new.yaml\ncategories:\n  auto: car\n  bus: null\n")
    found, new = load_map(path)
    assert found.categories == {"auto": "car", "bus": None}
    assert new == Taxonomy(categories=(Category(id=1, name="car"),))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("categories: {a: 3}\n", "map.yaml:1: expected"),
        ("categorys: {a: b}\n", "did you mean 'categories'"),
        ("", "missing required field"),
        ("taxonomy: nowhere.yaml\ncategories: {}\n", "nowhere.yaml: cannot be read"),
    ],
)
def test_broken_maps(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(SegdataError, match=problem):
        load_map(tmp_path / "map.yaml")


def test_what_is_open_is_refused_with_names() -> None:
    given_ = TaxonomyMap(categories={"a": ("x", "y"), "b": "x"})
    with pytest.raises(SegdataError, match=r"categories are undecided: a \(x or y\)"):
        resolve_map(given_, ["a", "b"], complete=False)
    with pytest.raises(SegdataError, match="have no new name: c, d;"):
        resolve_map(TaxonomyMap(categories={"b": "x"}), ["b", "c", "d"], complete=True)
    with pytest.raises(SegdataError, match="have no new name: c, d, e, f, g, h, i, j and 2 more;"):
        resolve_map(TaxonomyMap(categories={"b": "x"}), list("bcdefghijkl"), complete=True)
    with pytest.raises(SegdataError, match=r"do not have these categories: bb; did you mean 'b'"):
        resolve_map(TaxonomyMap(categories={"bb": "x"}), ["b"], complete=False)
    assert resolve_map(TaxonomyMap(categories={"b": "x", "c": None}), ["b", "c", "d"], complete=False) == {
        "b": "x", "c": None, "d": "d",
    }  # fmt: skip


def test_categories_keep_what_they_say_under_new_names() -> None:
    taxonomy = Taxonomy(
        unlabelled=0,
        categories=(
            Category(id=4, name="auto", color=(1, 2, 3), parent="traffic"),
            Category(id=5, name="wheel", part_of=("auto", "lorry"), may_overlap=("mud",)),
            Category(id=6, name="lorry", aliases=("car",)),
            Category(id=7, name="mud"),
            Category(id=8, name="traffic"),
        ),
    )
    found = rename_categories(
        taxonomy, {"auto": "car", "wheel": "wheel", "lorry": "car", "mud": None, "traffic": "vehicle"}
    )
    assert found == Taxonomy(
        unlabelled=0,
        categories=(
            Category(id=4, name="car", color=(1, 2, 3), parent="vehicle"),
            Category(id=5, name="wheel", part_of=("car",)),
            Category(id=8, name="vehicle"),
        ),
    )


def test_of_joined_categories_the_one_of_that_name_stays() -> None:
    taxonomy = Taxonomy(categories=(Category(id=1, name="van"), Category(id=2, name="car", definition="Cars.")))
    assert rename_categories(taxonomy, {"van": "car", "car": "car"}).categories == (taxonomy.categories[1],)
