"""VIA files of all versions, against pycocotools and a public dataset."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from segdata import Dataset, convert, read, validate
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect
from segdata.core.taxonomy import STAND_IN
from segdata.testing.pictures import Mask, masks_of_runs

POLYGON = {"name": "polygon", "all_points_x": [2, 12, 12, 2], "all_points_y": [3, 3, 9, 9]}
HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"


def loaded(dataset: Dataset) -> Batch:
    return concatenate_batches(list(dataset))


def masks(batch: Batch) -> list[Mask]:
    return masks_of_runs(batch.runs, *batch.segment_size)


def names(dataset: Dataset, batch: Batch) -> list[str]:
    return [dataset.profile.name_of(id_) for id_ in batch.segments["category_id"].to_pylist()]


def region(shape: object, **said: object) -> dict[str, object]:
    return {"shape_attributes": shape, "region_attributes": said}


def image(folder: Path, name: str = "a.png", height: int = 20, width: int = 30) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((height, width), np.uint8)).save(folder / name)


def save(path: Path, *regions: object, key: str | None = None, **more: object) -> Path:
    """A file of one image, a.png: plain, or under a key as in projects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = {"a.png7": {"filename": "a.png", "size": 7, "regions": regions, "file_attributes": {}, **more}}
    path.write_text(json.dumps(listed if key is None else {key: listed, "_via_settings": {}}), encoding="utf-8")
    return path


def drawn(ring: list[float], height: int = 20, width: int = 30) -> Mask:
    (rle,) = coco_mask.frPyObjects([ring], height, width)
    found: Mask = coco_mask.decode(rle) > 0
    return found


def test_a_public_dataset(real_data: Path) -> None:
    root = real_data / "via_kudzu"
    assert detect(root) == detect(root / "train") == "via"
    train = read(root / "train")
    (told,) = train.source.defects
    assert (told.severity, "'inseto'" in told.message, "'insect'" in told.message) == ("info", True, True)
    batch = loaded(train)
    assert (batch.images.num_rows, batch.n_segments, batch.defects) == (24, 520, ())
    assert set(names(train, batch)) == {"kudzu"}
    rings = batch.segments["rings"].to_pylist()
    for row in range(0, 520, 37):
        height, width = (int(side[row]) for side in batch.segment_size)
        np.testing.assert_array_equal(masks(batch)[row], drawn(rings[row][0], height, width))


def test_regions_without_category_are_kept_and_told(real_data: Path) -> None:
    dataset = read(real_data / "via_kudzu/val")
    (told,) = dataset.source.defects
    assert (told.code, told.severity, told.file) == ("SEG004", "info", "via_region_data.json")
    assert told.message.startswith("349 regions, in 16 images, without a category")
    batch = loaded(dataset)
    assert (batch.n_segments, set(names(dataset, batch))) == (349, {"region"})
    assert [category.definition for category in dataset.profile.taxonomy.categories] == [STAND_IN]
    both = read(real_data / "via_kudzu")
    assert (len(both), loaded(both).n_segments) == (40, 869)
    assert set(loaded(both).images["split"].to_pylist()) == {"train", "val"}


@pytest.mark.parametrize("version", ["1", "2", "project", "csv"])
def test_every_version(tmp_path: Path, version: str) -> None:
    image(tmp_path)
    if version == "csv":
        cell = [json.dumps(POLYGON).replace('"', '""'), json.dumps({"class": "car"}).replace('"', '""')]
        row = f'a.png,7,"{{}}",1,0,"{cell[0]}","{cell[1]}"\n'
        (tmp_path / "via.csv").write_text(f"{HEADER}\n{row}", encoding="utf-8")
    elif version == "1":
        item = {"filename": "a.png", "regions": {"0": region(POLYGON, **{"class": "car"})}, "base64_img_data": ""}
        (tmp_path / "via.json").write_text(json.dumps({"a.png7": item}), encoding="utf-8")
    else:
        key = "_via_img_metadata" if version == "project" else None
        save(tmp_path / "via.json", region(POLYGON, **{"class": "car"}), key=key)
    assert detect(tmp_path) == "via"
    dataset = read(tmp_path)
    batch = loaded(dataset)
    assert (dataset.source.defects, batch.defects, names(dataset, batch)) == ((), (), ["car"])
    np.testing.assert_array_equal(masks(batch)[0], drawn([2, 3, 12, 3, 12, 9, 2, 9]))
    place = {"1": "/a.png7/regions/0", "2": "/a.png7/regions/0", "csv": "line 2"}
    assert batch.segments["place"].to_pylist() == [place.get(version, "/_via_img_metadata/a.png7/regions/0")]


def test_every_shape(tmp_path: Path) -> None:
    image(tmp_path)
    save(
        tmp_path / "via.json",
        region({"name": "rect", "x": 2, "y": 3, "width": 10, "height": 6}, c="a"),
        region({"name": "circle", "cx": 15, "cy": 10, "r": 5}, c="a"),
        region({"name": "ellipse", "cx": 15, "cy": 10, "rx": 8, "ry": 2, "theta": math.pi / 2}, c="a"),
        region({"name": "point", "cx": 15, "cy": 10}, c="a"),
        region({"name": "polyline", "all_points_x": [1, 2], "all_points_y": [1, 2]}, c="a"),
    )
    dataset = read(tmp_path)
    (told,) = dataset.source.defects
    assert (told.severity, told.message.rpartition(": ")[2]) == ("info", "1 point, 1 polyline")
    rect, circle, ellipse = masks(loaded(dataset))
    np.testing.assert_array_equal(rect, drawn([2, 3, 12, 3, 12, 9, 2, 9]))
    y, x = np.mgrid[:20, :30]
    assert abs(int(circle.sum()) - 25 * math.pi) < 12
    assert circle[(x - 15) ** 2 + (y - 10) ** 2 < 20].all()
    assert ellipse[3:17, 15].all()
    assert not ellipse[10, 20:].any()


def test_which_attribute_names_the_category(tmp_path: Path) -> None:
    """A usual name, else what most regions have; the user goes before; of a checkbox the first, then secondary ones."""
    image(tmp_path)
    many = {"id": "17", "kind": {"car": True, "bus": True, "van": False}, "class": ""}
    save(tmp_path / "via.json", region(POLYGON, **many), region(POLYGON, **{**many, "id": "18", "kind": {"bus": True}}))
    chosen = read(tmp_path, options={"attribute": "kind"})
    batch = loaded(chosen)
    assert names(chosen, batch) == ["car", "bus"]
    bus = batch.segments["category_id"].to_pylist()[1]
    assert batch.segments["also"].to_pylist() == [[bus], None]
    assert batch.segments["attributes"].to_pylist()[0] == [("class", '""'), ("id", '"17"')]
    assert names(read(tmp_path), loaded(read(tmp_path))) == ["car", "bus"]
    with pytest.raises(SegdataError, match="no region has the attribute 'colour'; there are: id, kind, class"):
        read(tmp_path, options={"attribute": "colour"})


def test_another_attribute_with_the_same_values_names_the_category_where_the_first_is_empty(tmp_path: Path) -> None:
    """Half of the annotators wrote the class into another attribute; what is no class stays an attribute."""
    image(tmp_path)
    save(
        tmp_path / "via.json",
        region(POLYGON, type="car", colour="red"),
        region(POLYGON, type="", Vehicle="car"),
        region(POLYGON, colour="blue"),
    )
    dataset = read(tmp_path)
    batch = loaded(dataset)
    assert names(dataset, batch) == ["car", "car", "region"]
    assert batch.segments["attributes"].to_pylist()[1] == [("type", '""')]
    messages = [defect.message for defect in dataset.source.defects if defect.code == "SEG004"]
    assert messages[0] == (
        "the category of 1 region is in the attribute 'Vehicle', that of the others in 'type': read from both; keep one"
    )
    assert "1 of 3 regions, in 1 image, without a category" in messages[1]
    chosen = read(tmp_path, options={"attribute": "type"})
    assert names(chosen, loaded(chosen)) == ["car", "region", "region"]


@pytest.mark.parametrize("attributes", [{}, {"name": ""}, {"name": "not_defined"}])
def test_one_class_without_values_is_an_info(tmp_path: Path, attributes: dict[str, str]) -> None:
    image(tmp_path)
    save(tmp_path / "via.json", region(POLYGON, **attributes), region(POLYGON, **attributes))
    (told,) = read(tmp_path).source.defects
    assert (told.code, told.severity) == ("SEG004", "info")
    assert "2 regions, in 1 image, without a category" in told.message


def test_the_default_of_a_new_region_is_no_category(tmp_path: Path) -> None:
    """VIA writes `not_defined` into the name of each region that nobody named."""
    image(tmp_path)
    save(tmp_path / "via.json", region(POLYGON, name="not_defined", type="star"), region(POLYGON, type="letter"))
    dataset = read(tmp_path)
    assert names(dataset, loaded(dataset)) == ["star", "letter"]
    assert [told for told in dataset.source.defects if told.code == "SEG004"] == []


@pytest.mark.parametrize(("category", "n"), [("leaf", 1), ("vein", 0)])
def test_lines_of_a_category_of_polygons_are_a_warning(tmp_path: Path, category: str, n: int) -> None:
    image(tmp_path)
    line = {**POLYGON, "name": "polyline"}
    save(tmp_path / "via.json", region(POLYGON, name="leaf"), *5 * [region(line, name=category)])
    warnings = [told for told in read(tmp_path).source.defects if told.severity == "warning"]
    assert [told.message[:45] for told in warnings] == n * ["5 regions of categories that have polygons els"[:45]]


@pytest.mark.parametrize(("n_empty", "severity"), [(2, None), (3, "warning")])
def test_most_regions_without_a_category_are_of_one_kind(tmp_path: Path, n_empty: int, severity: str | None) -> None:
    image(tmp_path)
    save(tmp_path / "via.json", *2 * [region(POLYGON, name="leaf")], *n_empty * [region(POLYGON, name="")])
    (told,) = read(tmp_path).source.defects
    assert (told.severity, "or none" in told.message) == (severity, severity == "warning")
    assert told.message.startswith(f"{n_empty} of {n_empty + 2} regions, in 1 image, without a category")


def test_a_split_without_names_lacks_no_category(tmp_path: Path) -> None:
    """SEG004 tells what is wrong, SEG303 and SEG306 only what follows from it."""
    for split, names_of in (("train", ["scratch"] * 13 + [""] * 2), ("val", [""] * 9)):
        for number, name in enumerate(names_of):
            image(tmp_path / split / str(number))
            save(tmp_path / split / str(number) / "via.json", region(POLYGON, damage=name))
    findings = validate(tmp_path, select=["SEG004", "SEG303", "SEG306"]).findings
    assert [finding.code for finding in findings if finding.severity != "info"] == ["SEG004"]


def test_an_example_beside_the_own_splits_is_another_dataset(tmp_path: Path) -> None:
    """Repositories that were copied from a program keep its balloons."""
    for place in ("train", "val", "example/train", "example/val", "api"):
        image(tmp_path / place)
        save(tmp_path / place / "via.json", region(POLYGON, c=place.rpartition("/")[0]))
    dataset = read(tmp_path)
    assert list(dataset.image_ids) == ["train/a.png", "val/a.png"]
    (told,) = (told for told in dataset.source.defects if told.code == "SEG011")
    assert (told.severity, told.message.partition(":")[2]) == ("info", " api, example; give one as DATA")
    assert len(read(tmp_path, format="via")) == 5
    assert len(read(tmp_path / "example")) == 2
    (tmp_path / "example/val/via.json").unlink()
    assert len(read(tmp_path)) == 2
    (tmp_path / "val/via.json").unlink()
    assert len(read(tmp_path)) == 3  # folders of one dataset, as far as anybody can tell


def test_labels_beside_the_folder_of_the_splits(tmp_path: Path) -> None:
    """Several documents of one kind of word in `data/`, and a control beside it: what is in `data/` is the dataset."""
    for place in ("data/train_images", "data/test_images", "control/a", "control/b"):
        image(tmp_path / place)
        save(tmp_path / place / "via.json", region(POLYGON, c="word"))
    dataset = read(tmp_path)
    assert list(dataset.image_ids) == ["data/test_images/a.png", "data/train_images/a.png"]
    (told,) = dataset.source.defects
    assert (told.code, told.message.partition(":")[2]) == ("SEG011", " control/a, control/b; give one as DATA")


@pytest.mark.parametrize("folder", ["results/27 June", "masks_predicted", "backup", "train - コピー", "train copy (2)"])
def test_predictions_and_copies_are_not_read_with_the_labels(tmp_path: Path, folder: str) -> None:
    for place in (".", folder):
        image(tmp_path / place)
        save(tmp_path / place / "via.json", region(POLYGON, c="apple"))
    dataset = read(tmp_path)
    assert list(dataset.image_ids) == ["a.png"]
    (told,) = dataset.source.defects
    assert told.code == "SEG011"
    assert told.severity == "info"
    assert folder.partition("/")[0] in told.message
    assert len(read(tmp_path, format="via")) == 2
    (tmp_path / "via.json").unlink()
    assert list(read(tmp_path).image_ids) == [f"{folder}/a.png"]  # nothing else was labelled


def test_a_refusal_names_no_folder_that_needs_images_which_are_not_here(tmp_path: Path) -> None:
    for place in ("first/train", "second/train"):
        save(tmp_path / place / "via.json", region(POLYGON, c="car"))
    with pytest.raises(UnreadableError, match=r"give --images$"):
        read(tmp_path)
    with pytest.raises(UnreadableError, match=r"give --images$"):
        read(tmp_path / "first")
    for place in ("first/train", "second/train"):
        image(tmp_path / place, "other.png")
    with pytest.raises(UnreadableError, match=r"these folders in it: first \(via\), second \(via\)$"):
        read(tmp_path)


def test_an_export_without_images_beside_another(tmp_path: Path) -> None:
    for place in ("train", "val"):
        image(tmp_path / place)
        save(tmp_path / place / "via.json", region(POLYGON, c="car"))
    (tmp_path / "val/via.json").write_text("{}")
    (tmp_path / "val/settings.json").write_text("{}")
    (told,) = (told for told in read(tmp_path).source.defects if told.code == "SEG004")
    assert (told.file, told.severity) == ("val/via.json", "warning")
    assert told.message == "lists no image: is it an export that failed?"


def test_of_two_images_of_one_name_the_one_beside_the_others_is_read(tmp_path: Path) -> None:
    names = ("a.png", "b.png", "c.png", "d.png")
    for name in names:
        image(tmp_path / "data/used", name)
    image(tmp_path / "data/tried", "a.png", height=9, width=9)
    listed = {
        name: {"filename": name, "size": 7, "regions": [region(POLYGON, c="car")], "file_attributes": {}}
        for name in names
    }
    (tmp_path / "via.json").write_text(json.dumps(listed), encoding="utf-8")
    data = read(tmp_path)
    assert [Path(uri).parent.name for uri in data.images["uri"]] == ["used"] * 4
    (tmp_path / "data/used/b.png").unlink()
    missing = [defect.image for defect in read(tmp_path).source.defects if defect.code == "SEG002"]
    assert missing == ["a.png", "b.png"]  # two files do not tell which of the two is meant


def test_sizes_come_from_images_or_attributes(tmp_path: Path) -> None:
    save(tmp_path / "a/via.json", region(POLYGON, c="car"))
    with pytest.raises(UnreadableError, match="none of the 1 image files is here, and VIA keeps no sizes"):
        read(tmp_path / "a")
    image(tmp_path / "elsewhere")
    assert loaded(read(tmp_path / "a", images=tmp_path / "elsewhere")).n_segments == 1
    save(tmp_path / "b/via.json", region(POLYGON, c="car"), file_attributes={"width": "30", "height": 20})
    dataset = read(tmp_path / "b")
    assert [each.severity for each in dataset.source.defects] == ["info"]
    assert [mask.shape for mask in masks(loaded(dataset))] == [(20, 30)]


def test_one_missing_image_of_several(tmp_path: Path) -> None:
    """Its regions cannot be drawn; it stays listed and annotated."""
    image(tmp_path)
    listed = {
        name: {"filename": f"{name}.png", "size": 1, "regions": [region(POLYGON, c="car")]} for name in ("a", "b")
    }
    (tmp_path / "via.json").write_text(json.dumps(listed))
    dataset = read(tmp_path)
    (missing,) = dataset.source.defects
    assert (missing.code, missing.image, missing.place) == ("SEG002", "b.png", "/b")
    assert "cannot be drawn" in missing.message
    batch = loaded(dataset)
    assert (batch.images.num_rows, batch.annotations.num_rows, batch.n_segments) == (2, 2, 1)


def test_a_document_away_from_its_images_is_a_copy_of_the_one_beside_them(tmp_path: Path) -> None:
    square = {"name": "rect", "x": 3, "y": 4, "width": 5, "height": 6}
    save(tmp_path / "train/via.json", region(square, kind="car"))
    image(tmp_path / "train")
    save(tmp_path / "via.json", region(square, kind="car"))
    data = read(tmp_path)
    assert list(data.image_ids) == ["train/a.png"]
    (told,) = [found for found in data.validate().findings if found.code == "SEG008"]
    assert (told.severity, told.file) == ("info", "via.json")
    save(tmp_path / "via.json", region({**square, "x": 4}, kind="car"))
    assert list(read(tmp_path).image_ids) == ["a.png", "train/a.png"]  # other labels are no copy


def test_what_is_written_is_a_project(tmp_path: Path) -> None:
    """Holes and parts in one ring, exact by COCO's rule; what VIA has no field for is an attribute."""
    image(tmp_path / "a")
    save(
        tmp_path / "a/via.json",
        region(POLYGON, **{"class": "car", "iscrowd": True, "score": 0.25, "track_id": 4, "note": {"x": [1]}}),
        file_attributes={"camera": "left", "annotator": "ann", "split": "val"},
    )
    conversion = convert(tmp_path / "a", tmp_path / "b", to="via", copy_images=True, verify=True)
    assert conversion.losses == ()
    assert conversion.proof is not None
    assert conversion.proof.unexplained == ()
    project: dict[str, Any] = json.loads((tmp_path / "b/via_project.json").read_text())
    assert project["_via_settings"]["core"]["default_filepath"] == "images/"
    (id_,) = project["_via_image_id_list"]
    item = project["_via_img_metadata"][id_]
    assert id_ == f"a.png{(tmp_path / 'a/a.png').stat().st_size}" == f"{item['filename']}{item['size']}"
    assert item["regions"][0]["shape_attributes"]["all_points_x"] == [2, 12, 12, 2]
    assert project["_via_attributes"]["region"].keys() == set(item["regions"][0]["region_attributes"])
    ring = np.ones((20, 30), bool)
    ring[4:8, 4:9] = False
    ring[15:, :] = False
    ring[18, 3] = True
    (tmp_path / "m/masks").mkdir(parents=True)
    Image.fromarray(ring.astype(np.uint8)).save(tmp_path / "m/masks/a.png")
    (tmp_path / "m/taxonomy.yaml").write_text("unlabelled: 0\ncategories: [{id: 1, name: car}]\n")
    convert(tmp_path / "m", tmp_path / "c", to="via")
    written = json.loads((tmp_path / "c/via_project.json").read_text())["_via_img_metadata"]["a.png-1"]["regions"]
    shape = written[0]["shape_attributes"]
    points = np.stack([shape["all_points_x"], shape["all_points_y"]], axis=1)
    np.testing.assert_array_equal(drawn(points.ravel().tolist()), ring)
    np.testing.assert_array_equal(masks(loaded(read(tmp_path / "c")))[0], ring)


def test_a_saved_project_beside_its_export(tmp_path: Path) -> None:
    """Both list the same images: one copy is read, and only regions that differ are an error."""
    image(tmp_path)
    save(tmp_path / "via_export.json", region(POLYGON, kind="cat"))
    save(tmp_path / "via_project.json", region(POLYGON, kind="cat"), key="_via_img_metadata")
    dataset = read(tmp_path)
    assert names(dataset, loaded(dataset)) == ["cat"]
    (defect,) = [defect for defect in dataset.source.defects if defect.code == "SEG008"]
    assert (defect.severity, defect.file) == ("info", "via_project.json")
    assert defect.message == "lists 1 image as via_export.json does, with the same regions"
    save(tmp_path / "via_project.json", region(POLYGON, kind="dog"), key="_via_img_metadata")
    (defect,) = [defect for defect in read(tmp_path).source.defects if defect.code == "SEG008"]
    assert (defect.severity, defect.image) == (None, "a.png")
    assert defect.message.startswith("lists 1 image that via_export.json lists, too, with other regions; ")


def save_all(path: Path, shapes: dict[str, object]) -> None:
    """A file with a region on each image."""
    listed = {name: {"filename": name, "regions": [region(shape, kind="cat")]} for name, shape in shapes.items()}
    path.write_text(json.dumps(listed))


def test_an_older_state_of_a_file_beside_it_is_one_finding(tmp_path: Path) -> None:
    """However many images differ; it names both files and counts the images."""
    moved = {**POLYGON, "all_points_x": [3, 12, 12, 3]}
    for name in "abcd":
        image(tmp_path, f"{name}.png")
    save_all(tmp_path / "via.json", dict.fromkeys(["a.png", "b.png", "c.png", "d.png"], POLYGON))
    save_all(tmp_path / "via_backup.json", {"a.png": POLYGON, "b.png": moved, "c.png": moved})
    (defect,) = read(tmp_path).source.defects
    assert (defect.code, defect.severity, defect.file, defect.image) == ("SEG008", None, "via_backup.json", None)
    assert defect.place == "/b.png"
    assert defect.message == (
        "lists 3 images that via.json lists, too, 2 of them with other regions; the entries of via.json are read: move "
        "one of the files away, or name the file to validate"
    )
    (tmp_path / "via_backup.json").rename(tmp_path / "via_backup.txt")
    assert not read(tmp_path).source.defects


@pytest.mark.parametrize("name", ["{}_via.json", "via_{}.json", "{}.json"])
def test_images_in_the_folder_of_the_split_that_a_file_names(tmp_path: Path, name: str) -> None:
    for split in ("train", "val"):
        image(tmp_path / split)
        save(tmp_path / name.format(split), region(POLYGON, kind="cat"))
    dataset = read(tmp_path)
    assert dataset.source.defects == ()
    assert list(dataset.image_ids) == ["train/a.png", "val/a.png"]
    assert loaded(dataset).images["split"].to_pylist() == ["train", "val"]
    assert list(read(tmp_path / name.format("val")).image_ids) == ["val/a.png"]


def test_an_image_beside_a_file_comes_before_one_in_a_split_folder(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "train"):
        image(folder)
    save(tmp_path / "via_train.json", region(POLYGON, kind="cat"))
    assert list(read(tmp_path).image_ids) == ["a.png"]


def test_images_in_the_folder_images_beside_a_file_of_a_split(tmp_path: Path) -> None:
    for split in ("train", "val"):
        image(tmp_path / "dataset" / split / "images")
        save(tmp_path / "dataset" / split / "via_region_data.json", region(POLYGON, kind="cat"))
    dataset = read(tmp_path)
    assert list(dataset.image_ids) == ["dataset/train/a.png", "dataset/val/a.png"]
    assert dataset.source.defects == ()
    assert loaded(dataset).images["split"].to_pylist() == ["train", "val"]


@pytest.mark.parametrize(
    ("width", "beyond", "severity"), [(30, 3, "info"), (30, 4, "warning"), (1000, 5, "info"), (1000, 6, "warning")]
)
def test_vertices_a_little_outside_the_frame_are_an_info(
    tmp_path: Path, width: int, beyond: int, severity: str
) -> None:
    image(tmp_path, width=width)
    shape = {"name": "polygon", "all_points_x": [5, width + beyond, width + beyond, 5]}
    shape["all_points_y"] = [2, 2, 18, 18]
    save(tmp_path / "via.json", region(shape, c="car"))
    (found,) = (found for found in read(tmp_path).validate().findings if found.code == "SEG115")
    assert found.severity == severity
