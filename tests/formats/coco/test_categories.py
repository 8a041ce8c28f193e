"""Categories of documents: made into a taxonomy, or mapped to the user's."""

import json
from pathlib import Path
from typing import Any

from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.coco import instances
from tests.generators.coco_documents import annotation, document, load_all, write_document


def read(folder: Path, *categories: Any, taxonomy: Taxonomy | None = None) -> tuple[Profile, Batch, list[Defect]]:
    """A document with these categories, and an annotation of each of the ids 1, 2 and 3."""
    annotations = [annotation(id=id_, category_id=id_) for id_ in (1, 2, 3)]
    path = write_document(folder, document(categories=list(categories), annotations=annotations))
    source = instances.read(ReadRequest(path, taxonomy))
    return source.profile, *load_all(source)


THREE = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "sky"}]


def test_taxonomy_is_made_from_the_document(tmp_path: Path) -> None:
    """A supercategory that repeats the name is none."""
    profile, _, defects = read(
        tmp_path,
        {"id": 1, "name": "cat", "supercategory": "animal", "keypoints": ["nose"]},
        {"id": 2, "name": "dog", "supercategory": "dog", "color": [1, 2, 3], "isthing": 1},
        {"id": 3, "name": "sky", "supercategory": None, "isthing": 0},
    )
    assert defects == []
    assert profile.taxonomy.categories == (
        Category(id=1, name="cat", parent="animal"),
        Category(id=2, name="dog", color=(1, 2, 3)),
        Category(id=3, name="sky", kind="stuff"),
    )
    assert not profile.taxonomy_declared


def test_users_taxonomy_is_met_by_name_then_alias(tmp_path: Path) -> None:
    """What it lacks keeps its id where that is free, and its name is told."""
    given = Taxonomy(categories=(Category(id=3, name="dog"), Category(id=8, name="feline", aliases=("cat",))))
    profile, batch, defects = read(tmp_path, *THREE, taxonomy=given)
    assert batch.segments["category_id"].to_pylist() == [8, 3, 9]
    assert json.loads(profile.metadata["unknown_categories"]) == {"9": "sky"}
    assert (profile.taxonomy, profile.taxonomy_declared, defects) == (given, True, [])


def test_unknown_category_keeps_a_free_id(tmp_path: Path) -> None:
    given = Taxonomy(categories=(Category(id=1, name="dog"), Category(id=2, name="cat")))
    profile, batch, _ = read(tmp_path, *THREE, taxonomy=given)
    assert batch.segments["category_id"].to_pylist() == [2, 1, 3]
    assert json.loads(profile.metadata["unknown_categories"]) == {"3": "sky"}


def test_categories_without_names_are_met_by_id(tmp_path: Path) -> None:
    given = Taxonomy(categories=(Category(id=1, name="dog"), Category(id=2, name="cat"), Category(id=3, name="x")))
    _, batch, defects = read(tmp_path, {"id": 1}, {"id": 2}, {"id": 3}, taxonomy=given)
    assert (batch.segments["category_id"].to_pylist(), defects) == ([1, 2, 3], [])


def test_category_without_name_is_called_by_its_id(tmp_path: Path) -> None:
    profile, _, defects = read(tmp_path, {"id": 1}, *THREE[1:])
    assert profile.taxonomy.categories[0].name == "1"
    assert [(each.code, each.place) for each in defects] == [("SEG004", "/categories/0/name")]


def test_same_id_twice_keeps_the_first(tmp_path: Path) -> None:
    profile, _, defects = read(tmp_path, *THREE, {"id": 2, "name": "wolf"})
    assert [each.name for each in profile.taxonomy.categories] == ["cat", "dog", "sky"]
    assert [(each.code, each.place) for each in defects] == [("SEG008", "/categories/3")]
    assert "'wolf'" in defects[0].message


def test_the_group_of_a_class_s_own_name_is_no_category(tmp_path: Path) -> None:
    """Roboflow's first entry is the project, of supercategory none; a class may have its name."""
    profile, batch, defects = read(
        tmp_path,
        {"id": 1, "name": "vein", "supercategory": "none"},
        {"id": 2, "name": "midrib", "supercategory": "vein"},
        {"id": 3, "name": "vein", "supercategory": "vein"},
    )
    assert [(each.id, each.name, each.parent) for each in profile.taxonomy.categories] == [
        (2, "midrib", "vein"),
        (3, "vein", "vein"),
    ]
    assert batch.segments["category_id"].to_pylist() == [3, 2, 3]
    assert defects == []


def test_same_name_twice_is_left_to_the_taxonomy_rules(tmp_path: Path) -> None:
    profile, _, defects = read(tmp_path, *THREE[:2], {"id": 3, "name": "cat"})
    assert [each.name for each in profile.taxonomy.categories] == ["cat", "dog", "cat"]
    assert defects == []


def test_broken_categories_are_named(tmp_path: Path) -> None:
    _, batch, defects = read(tmp_path, {"id": "1", "name": "cat"}, {"id": 2, "name": "dog", "color": [1, 2]}, THREE[2])
    assert [(each.code, each.place) for each in defects] == [
        ("SEG004", "/categories/0/id"),
        ("SEG004", "/categories/1/color"),
        ("SEG007", "/annotations/0/category_id"),
    ]
    assert batch.segments["category_id"].to_pylist() == [2, 3]


def test_an_empty_list_of_categories_is_one_defect(tmp_path: Path) -> None:
    _, batch, (defect,) = read(tmp_path)
    assert (defect.code, defect.place, batch.n_segments) == ("SEG004", "/categories", 0)
    assert defect.message.startswith("the list of categories is empty")


def test_without_categories_ids_are_those_of_the_taxonomy(tmp_path: Path) -> None:
    taxonomy = Taxonomy(categories=(Category(id=2, name="dog", kind="thing"),))
    _, batch, _ = read(tmp_path, taxonomy=taxonomy)
    assert batch.segments["category_id"].to_pylist() == [2]


def test_ids_that_were_rounded_alike(tmp_path: Path) -> None:
    annotations = [annotation(id=int(float(583920174650000001 + k))) for k in range(3)]
    path = write_document(tmp_path, document(annotations=annotations))
    _, (defect,) = load_all(instances.read(ReadRequest(path)))
    assert defect.code == "SEG008"
    assert defect.message.endswith("ids above 2^53 that are equal were probably rounded, as JavaScript does")


def test_annotations_without_any_category_are_told_once_with_what_to_do(tmp_path: Path) -> None:
    """As makesense.ai exports polygons whose label nobody chose."""
    bare = [annotation(id=number, category_id=...) for number in (1, 2, 3)]
    path = write_document(tmp_path, document(annotations=bare, categories=[]))
    (defect,) = [found for found in instances.read(ReadRequest(path)).defects if found.place == "/annotations"]
    assert (defect.code, defect.lost) == ("SEG004", True)
    assert defect.message.startswith("3 annotations without category_id, and no list of categories")
