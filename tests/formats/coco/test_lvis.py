"""LVIS: what each image says of its categories survives, and its own evaluation can read what is written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata import convert, read
from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest, detect
from segdata.formats.coco import lvis
from tests.generators.coco_documents import annotation, document, load_all, write_document

URL = "http://images.cocodataset.org/train2017/000000391895.jpg"
NAME = "train2017/000000391895.jpg"
CATEGORIES = [
    {"id": 1, "name": "cat", "synset": "cat.n.01", "synonyms": ["cat", "kitty"], "def": "a feline", "frequency": "f"},
    {"id": 2, "name": "dog", "synset": "dog.n.01", "synonyms": ["dog"], "def": "a canine", "frequency": "c"},
    {"id": 3, "name": "owl", "synset": "owl.n.01", "synonyms": ["owl"], "def": "a bird", "frequency": "r"},
]


def entry(**keys: Any) -> dict[str, Any]:
    """An image as LVIS 1.0 lists it, with `keys` instead; a key that is `...` is left out."""
    sound = {
        "id": 1,
        "width": 6,
        "height": 5,
        "coco_url": URL,
        "neg_category_ids": [],
        "not_exhaustive_category_ids": [],
    }
    return {key: value for key, value in (sound | keys).items() if value is not ...}


def opened(folder: Path, *images: dict[str, Any], annotations: Sequence[Any] = ()) -> tuple[Batch, list[Defect]]:
    """A document with these images, read."""
    content = document(images=list(images), annotations=list(annotations), categories=CATEGORIES)
    return load_all(lvis.read(ReadRequest(write_document(folder, content))))


def test_what_is_known_of_categories_is_the_coverage(tmp_path: Path) -> None:
    """Absent: exhaustive. Drawn: exhaustive, unless there may be more. Of the rest nothing is said."""
    image = entry(neg_category_ids=[2], not_exhaustive_category_ids=[3])
    drawn = [annotation(), annotation(id=2, category_id=3)]
    batch, defects = opened(tmp_path, image, entry(id=2, coco_url="a/b.jpg"), annotations=drawn)
    assert defects == []
    assert batch.images["image_id"].to_pylist() == [NAME, "a/b.jpg"]
    assert batch.annotations["coverage"].to_pylist() == ['{"cat":"exhaustive","dog":"exhaustive"}', None]
    assert [dict(said) for said in batch.images["metadata"].to_pylist()] == [
        {"coco_url": json.dumps(URL)},
        {"coco_url": '"a/b.jpg"'},
    ]


def test_an_image_without_its_list_of_absent_categories(tmp_path: Path) -> None:
    _, (defect,) = opened(tmp_path, entry(neg_category_ids=...))
    assert (defect.code, defect.severity, defect.place) == ("SEG004", "warning", "/images/0/neg_category_ids")


def test_more_of_a_category_that_was_not_drawn_is_said_too(tmp_path: Path) -> None:
    batch, _ = opened(tmp_path, entry(not_exhaustive_category_ids=[3]))
    assert batch.annotations["coverage"].to_pylist() == ['{"owl":"sparse"}']


@pytest.mark.parametrize("target", ["again.json", "again"])
def test_a_document_survives_the_canonical_dataset(tmp_path: Path, target: str) -> None:
    """The same images, categories and annotations, key by key."""
    images = [
        entry(neg_category_ids=[2], not_exhaustive_category_ids=[3], flickr_url="http://f", date_captured="2013"),
        entry(id=7, coco_url="http://x/val2017/7.jpg", file_name="own/7.jpg", neg_category_ids=[1, 2, 3]),
    ]
    drawn = [annotation(area=4.0, bbox=[1.0, 1.0, 2.0, 2.0]), annotation(id=2, category_id=3)]
    content = document(info={"year": 2020}, images=images, annotations=drawn, categories=CATEGORIES)
    convert(write_document(tmp_path, content), tmp_path / "canonical")
    assert convert(tmp_path / "canonical", tmp_path / target, to="lvis").losses == ()
    path = tmp_path / target if target.endswith(".json") else tmp_path / target / "annotations.json"
    again = json.loads(path.read_bytes())
    assert again["info"] == {"year": 2020}
    assert again["images"] == [images[1], images[0] | {"file_name": NAME}], "in the order of their names"
    for before, after in zip(CATEGORIES, again["categories"], strict=True):
        assert before.items() <= after.items()
    assert [(each["id"], each["category_id"], each["segmentation"]) for each in again["annotations"]] == [
        (each["id"], each["category_id"], each["segmentation"]) for each in drawn
    ]


def test_frequencies_are_counted_where_nobody_tells(tmp_path: Path) -> None:
    """LVIS' evaluation asks every category for one: r up to 10 images, c up to 100, f above."""
    n_images = {1: 10, 2: 11, 3: 101}
    images = [{"id": k, "file_name": f"{k:03}.png", "width": 6, "height": 5} for k in range(101)]
    drawn = [
        annotation(id=k, image_id=image, category_id=id_)
        for k, (id_, image) in enumerate((id_, image) for id_, count in n_images.items() for image in range(count))
    ]
    names = [{"id": id_, "name": str(id_)} for id_ in (1, 2, 3, 4)]
    source = write_document(tmp_path, document(images=images, annotations=drawn, categories=names))
    convert(source, tmp_path / "l.json", to="lvis")
    content = json.loads((tmp_path / "l.json").read_bytes())
    assert [each["frequency"] for each in content["categories"]] == ["r", "c", "f", "r"]
    assert content["images"][0]["not_exhaustive_category_ids"] == [1, 2, 3], "the coverage of COCO is sparse"
    assert content["images"][0]["neg_category_ids"] == []


def test_exhaustive_coverage_makes_all_others_negative(tmp_path: Path) -> None:
    """That every pixel is labelled cannot be said, and is counted."""
    write_document(tmp_path, document(categories=[{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]), "labels.json")
    (tmp_path / "segdata.yaml").write_text("coverage: exhaustive\n")
    result = convert(tmp_path / "labels.json", tmp_path / "l.json", to="lvis")
    assert [(loss.kind, loss.count) for loss in result.losses] == [("annotation-attributes", 1)]
    image = json.loads((tmp_path / "l.json").read_bytes())["images"][0]
    assert (image["neg_category_ids"], image["not_exhaustive_category_ids"]) == ([2], [])


SAID = st.dictionaries(st.sampled_from(["cat", "dog", "owl"]), st.sampled_from(["exhaustive", "sparse"]))


@settings(max_examples=20)
@given(said=SAID, present=st.sets(st.sampled_from([1, 2, 3])))
def test_any_coverage_comes_back(
    tmp_path_factory: pytest.TempPathFactory, said: dict[str, str], present: set[int]
) -> None:
    """But for that a drawn category is sparse, which is what silence means."""
    folder = tmp_path_factory.mktemp("lvis")
    ids = {"cat": 1, "dog": 2, "owl": 3}
    full = {ids[name] for name, each in said.items() if each == "exhaustive"}
    more = {ids[name] for name, each in said.items() if each == "sparse"}
    image = entry(neg_category_ids=sorted(full - present), not_exhaustive_category_ids=sorted((present - full) | more))
    drawn = [annotation(id=id_, category_id=id_) for id_ in sorted(present)]
    path = write_document(folder, document(images=[image], annotations=drawn, categories=CATEGORIES))
    found = read(path).annotations["coverage"].dropna().tolist()
    silent = {name: each for name, each in said.items() if each == "exhaustive" or ids[name] not in present}
    assert (json.loads(found[0]) if found else {}) == silent
    convert(path, folder / "again.json", to="lvis")
    written_image = json.loads((folder / "again.json").read_bytes())["images"][0]
    assert written_image == image | {"file_name": NAME}


def test_what_the_official_reader_asks_for_is_there(tmp_path: Path) -> None:
    """The keys that lvis/lvis.py and lvis/eval.py take without asking whether they are there."""
    convert(write_document(tmp_path, document()), tmp_path / "l.json", to="lvis")
    content = json.loads((tmp_path / "l.json").read_bytes())
    asked = {
        "images": {"id", "height", "width", "neg_category_ids", "not_exhaustive_category_ids"},
        "annotations": {"id", "image_id", "category_id", "area", "segmentation", "bbox"},
        "categories": {"id", "frequency"},
    }
    for key, names in asked.items():
        assert all(names <= each.keys() for each in content[key])


def test_it_is_told_from_coco(tmp_path: Path) -> None:
    """By images that say what is not in them, or by the synsets of categories; the pixels are COCO's in any case."""
    write_document(tmp_path / "a", document(images=[entry()]))
    write_document(tmp_path / "b", document(categories=CATEGORIES))
    write_document(tmp_path / "c", document())
    assert [detect(tmp_path / name) for name in "abc"] == ["lvis", "lvis", "coco-instances"]
    as_coco = read(tmp_path / "a" / "some.json", format="coco-instances")
    assert as_coco.image_ids == [NAME]
    assert as_coco.segments["area"].tolist() == read(tmp_path / "a").segments["area"].tolist() == [4]


def test_definitions_are_the_taxonomys(tmp_path: Path) -> None:
    source = read(write_document(tmp_path, document(images=[entry()], categories=CATEGORIES)))
    assert [each.definition for each in source.taxonomy.categories] == ["a feline", "a canine", "a bird"]
    assert json.loads(source.profile.metadata["category_keys"])["1"]["synonyms"] == ["cat", "kitty"]


def test_names_of_the_users_taxonomy_go_first(tmp_path: Path) -> None:
    """Coverage and the further keys follow the names."""
    path = write_document(tmp_path, document(images=[entry(neg_category_ids=[2])], categories=CATEGORIES))
    (tmp_path / "taxonomy.yaml").write_text(
        "categories:\n  - {id: 50, name: Katze, aliases: [cat]}\n  - {id: 51, name: dog}\n  - {id: 52, name: owl}\n"
    )
    source = read(path)
    assert source.segments["category"].tolist() == ["Katze"]
    assert json.loads(source.annotations["coverage"][0]) == {"Katze": "exhaustive", "dog": "exhaustive"}
    assert json.loads(source.profile.metadata["category_keys"])["50"]["synset"] == "cat.n.01"


def test_a_category_cannot_be_absent_and_not_all_drawn(tmp_path: Path) -> None:
    _, defects = opened(tmp_path, entry(neg_category_ids=[2], not_exhaustive_category_ids=[2]))
    assert [(each.code, each.place) for each in defects] == [("SEG004", "/images/0/not_exhaustive_category_ids")]


@pytest.mark.parametrize(
    ("counts", "n_wrong"),
    [
        ([(2, 1), (1, 1), (0, 0)], 0),  # right
        ([(2, 1), (1, 1), (5, 5)], 2),  # one category of three is wrong in both counts
        ([(20, 11), (30, 20), (40, 30)], 0),  # of another file, such as the training set
        ([(1, 1), (0, 0), (0, 0)], 2),  # the file has more: no part of what was counted
    ],
)
def test_counts_that_contradict_the_file_are_warnings(
    tmp_path: Path, counts: list[tuple[int, int]], n_wrong: int
) -> None:
    categories = [
        {**category, "instance_count": n, "image_count": m, "frequency": "r" if m <= 10 else "c"}
        for category, (n, m) in zip(CATEGORIES, counts, strict=True)
    ]
    drawn = [annotation(), annotation(id=2), annotation(id=3, category_id=2)]
    content = document(images=[entry()], annotations=drawn, categories=categories)
    _, defects = load_all(lvis.read(ReadRequest(write_document(tmp_path, content))))
    assert [(each.code, each.severity) for each in defects] == [("SEG004", "warning")] * n_wrong


@pytest.mark.parametrize(
    ("frequency", "message"),
    [
        ("f", "the frequency of 1 category contradicts image_count: cat is f with 10"),
        ("rare", "the frequency of 1 category is none of r, c and f: cat is rare with 10"),
    ],
)
def test_a_frequency_that_contradicts_its_own_count_is_a_warning(tmp_path: Path, frequency: str, message: str) -> None:
    categories = [{**CATEGORIES[0], "image_count": 10, "frequency": frequency}]
    content = document(images=[entry()], annotations=[], categories=categories)
    _, defects = load_all(lvis.read(ReadRequest(write_document(tmp_path, content))))
    assert [each.message for each in defects] == [message]
