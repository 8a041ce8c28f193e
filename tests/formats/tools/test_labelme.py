"""LabelMe against its own exports, Pillow, and files as people have them."""

import base64
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata import Dataset, convert, read, validate
from segdata.api.read import _with_unread_datasets
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.format import detect
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.per_image import ImageEntry
from segdata.formats.tools.labelme_reader import LABELME, read_image
from segdata.formats.tools.shapes import parse_polygons
from segdata.formats.tools.source import rasterise_shapes
from segdata.testing.pictures import Mask, masks_of_runs

SQUARE = [[1, 1], [4, 1], [4, 4], [1, 4]]


def loaded(dataset: Dataset) -> Batch:
    return concatenate_batches(list(dataset))


def masks(batch: Batch) -> list[Mask]:
    return masks_of_runs(batch.runs, *batch.segment_size)


def shape(label: str, points: object, kind: str | None = "polygon", **more: object) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def save(path: Path, *shapes: object, size: tuple[int, int] = (20, 30), **more: object) -> Path:
    document: dict[str, object] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": f"{path.stem}.png",
        "imageData": None,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**document, "imageHeight": size[0], "imageWidth": size[1], **more}), encoding="utf-8")
    return path


def test_a_polygon_with_a_bridge_to_its_hole(tmp_path: Path) -> None:
    """The hole is no part of the segment; its edge is, as Pillow draws it, and the bridge leaves no line."""
    ring = [[1, 1], [18, 1], [18, 18], [1, 18], [1, 1], [6, 6], [6, 12], [12, 12], [12, 6], [6, 6], [1, 1]]
    save(tmp_path / "a.json", shape("car", ring))
    expected = np.zeros((20, 30), bool)
    expected[1:19, 1:19] = True
    expected[7:12, 7:12] = False
    (mask,) = masks(loaded(read(tmp_path)))
    np.testing.assert_array_equal(mask, expected)


def test_images_with_shapes_that_were_flagged_to_be_left_out(tmp_path: Path) -> None:
    flags = [{"Skip": True}, {"Skip": True, "blurred": True}, {"Skip": False}, None]
    for number, own in enumerate(flags):
        save(tmp_path / f"{number}.json", shape("car", SQUARE), flags=own)
    save(tmp_path / "5.json", flags={"Skip": True})
    told = [one.message for one in read(tmp_path).source.defects if one.code == "SEG004"]
    assert told == ["'Skip' is set for 2 images with shapes: leave out or unset?"]


def encoded(mask: object) -> str:
    file = io.BytesIO()
    Image.fromarray(np.array(mask, np.uint8) * np.uint8(255)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_images_in_the_folder_of_images_beside_that_of_labels(tmp_path: Path) -> None:
    """`imagePath` leads nowhere, since labels and images were put into folders of their own afterwards."""
    for part in ("test", "validation"):
        (tmp_path / f"{part}/images_{part}").mkdir(parents=True)
        Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / f"{part}/images_{part}/a.png")
        save(tmp_path / f"{part}/labels_{part}/a.json", shape("car", [[3, 4], [9, 4], [9, 15]]), imagePath="../a.png")
    data = read(tmp_path)
    assert list(data.image_ids) == ["test/images_test/a.png", "validation/images_validation/a.png"]
    assert not [defect for defect in data.source.defects if defect.code in ("SEG002", "SEG011")]


def test_a_file_without_image_belongs_to_that_of_its_name_where_the_others_are(tmp_path: Path) -> None:
    triangle = [[3, 4], [12, 4], [12, 15]]
    for name in ("a", "b"):
        save(tmp_path / f"labels/{name}.json", shape("car", triangle))
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("RGB", (30, 20)).save(tmp_path / f"images/{name}.png")
    whole = loaded(read(tmp_path))
    (tmp_path / "labels/b.json").write_text(json.dumps({"shapes": [{"label": "car", "points": triangle}]}))
    bare = loaded(read(tmp_path))
    assert bare.images["image_id"].to_pylist() == whole.images["image_id"].to_pylist() == ["a.png", "b.png"]
    assert [mask.tolist() for mask in masks(bare)] == [mask.tolist() for mask in masks(whole)]


def test_a_folder_that_labels_the_images_of_another_is_told_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (30, 20)).save(tmp_path / f"{name}.png")
        save(tmp_path / f"{name}.json", shape("car", [[3, 4], [12, 4], [12, 15]]))
        save(tmp_path / f"old/{name}.json", shape("car", [[3, 4], [9, 4], [9, 15]]), imagePath=f"../{name}.png")
    (repeated,) = [defect for defect in read(tmp_path).source.defects if defect.code == "SEG008"]
    assert "2 images have labels in" in repeated.message
    assert repeated.message.endswith("a.png, b.png")


def test_masks_beside_the_files_they_were_made_of_are_no_images(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / f"{name}.json", shape("car", [[1, 1], [9, 1], [9, 9]]), imagePath=f"{name}.jpg")
        Image.new("L", (30, 20)).save(tmp_path / f"{name}.png")
    for name in "abc":
        Image.new("RGB", (30, 20)).save(tmp_path / f"{name}.jpg")
    dataset = read(tmp_path)
    assert list(dataset.image_ids) == ["a.jpg", "b.jpg", "c.jpg"]
    assert [(each.file, each.severity) for each in dataset.source.defects] == [("c.jpg", None), ("a.png", "info")]
    assert "there are 2 files with the name of an image with labels" in dataset.source.defects[1].message


@pytest.mark.parametrize(
    ("folder", "is_read"), [("docs", False), ("img", False), ("batch1", True), ("batch2", True), ("test", True)]
)
def test_pictures_in_a_folder_without_any_label_are_no_images(tmp_path: Path, folder: str, is_read: bool) -> None:
    """Three pictures of results in the folder of a program were images without labels (SEG011)."""
    for name in ("batch1/a.png", "batch1/b.png", f"{folder}/result.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20)).save(tmp_path / name)
    for name in ("a", "b"):
        save(tmp_path / f"batch1/{name}.json", shape("leaf", [[1, 1], [9, 1], [9, 9]]), imagePath=f"{name}.png")
    (finding,) = [found for found in validate(read(tmp_path)).findings if found.code == "SEG011"]
    assert (len(read(tmp_path).images), finding.severity) == ((3, "warning") if is_read else (2, "info"))
    assert (f"1 image in folders where none has labels ({folder}): not read" in finding.message) != is_read


def test_the_size_is_that_of_the_picture_in_a_file_without_one(tmp_path: Path) -> None:
    """LabelMe 3 wrote no imageHeight, and the picture itself."""
    path = save(tmp_path / "a.json", shape("car", SQUARE), imageData=encoded(np.zeros((20, 30), bool)))
    document = json.loads(path.read_text())
    path.write_text(json.dumps({key: document[key] for key in document if key not in ("imageHeight", "imageWidth")}))
    (height,), (width,) = (loaded(read(tmp_path)).images[side].to_pylist() for side in ("height", "width"))
    assert (height, width) == (20, 30)
    assert not [defect for defect in read(tmp_path).source.defects if defect.severity != "info"]
    assert validate(tmp_path, select="SEG312").findings == ()
    path.write_text(json.dumps({**document, "imageData": None, "imageHeight": None, "imageWidth": None}))
    assert [finding.code for finding in validate(tmp_path, select=["SEG004", "SEG312"]).findings] == ["SEG004"]


def test_the_picture_in_a_file_is_not_that_of_the_image_file(tmp_path: Path) -> None:
    """LabelMe draws on the picture within; one that was compressed again is the same, one of another size SEG003's."""
    rng = np.random.default_rng(1)
    one, other = (np.kron(rng.integers(0, 255, (5, 6)), np.ones((20, 20))).astype(np.uint8) for _ in range(2))
    Image.fromarray(one).save(tmp_path / "a.png")
    brighter = io.BytesIO()
    Image.fromarray(one // 2 + 60).save(brighter, "JPEG", quality=60)
    within = {"same": (tmp_path / "a.png").read_bytes(), "brighter": brighter.getvalue(), "none": b""}
    for name, data in within.items():
        save(
            tmp_path / "a.json",
            shape("car", SQUARE),
            size=(100, 120),
            imageData=base64.b64encode(data).decode(),
        )
        assert not validate(tmp_path, select="SEG004").findings, name
    file = io.BytesIO()
    Image.fromarray(other).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    save(tmp_path / "a.json", shape("car", SQUARE), size=(100, 120), imageData=data)
    (finding,) = validate(tmp_path, select="SEG004").findings
    assert finding.message.startswith("imageData is another picture than a.png")
    assert finding.severity == "warning"
    (tmp_path / "a.json").unlink()
    (tmp_path / "a.png").rename(tmp_path / "moved.png")
    for name in ("labels", "images"):
        (tmp_path / name).mkdir()
    (tmp_path / "moved.png").rename(tmp_path / "images/a.png")
    save(tmp_path / "labels/a.json", shape("car", SQUARE), size=(100, 120), imageData=data, imagePath="old\\a.png")
    (finding,) = validate(tmp_path, select="SEG004").findings
    assert finding.message.startswith("imageData is another picture than old\\a.png")


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("instance_segmentation", ["2011_000003", "2011_000006", "2011_000025"]),
        ("video_annotation", [f"0000010{k}" for k in range(5)]),
    ],
)
def test_its_own_exports_have_the_same_pixels(real_data: Path, folder: str, names: list[str]) -> None:
    """Later shapes lie over earlier ones there; classes are numbered as in labels.txt, -1 is written as 255."""
    root = real_data / "labelme" / folder
    assert detect(root / "data_annotated") == "labelme"
    assert read(root / "data_annotated").source.defects == ()
    labels = (root / "labels.txt").read_text().splitlines()
    exported = root / "data_dataset_voc"
    for name in names:
        path = root / "data_annotated" / f"{name}.json"
        (drawing,) = read_image(path.parent, ImageEntry(name, files=(path,)), None)
        groups = [-row if shape.group is None else shape.group for row, shape in enumerate(drawing.shapes, 1)]
        keys = [(shape.name, group) for shape, group in zip(drawing.shapes, groups, strict=True)]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys), 1)}
        classes, objects = np.zeros((2, *drawing.size), np.uint8)
        size = np.tile(drawing.size, (len(keys), 1))
        sketch = parse_polygons(drawing.shapes, size, LABELME.notation)
        parts = [[row] for row in range(len(keys))]
        runs, _ = rasterise_shapes(drawing.shapes, size, sketch, parts, LABELME.notation, LABELME.raster_rule)
        for shape, key, mask in zip(drawing.shapes, keys, masks_of_runs(runs, *size.T), strict=True):
            classes[mask] = (labels.index(shape.name) - 1) % 256
            objects[mask] = numbers[key]
        if folder == "video_annotation":
            np.testing.assert_array_equal(classes, Image.open(exported / "SegmentationClassPNG" / f"{name}.png"))
            continue
        # The Pillow of then drew a corner of a sofa (shape 6, vertex 103.9, 290.6) one pixel farther than Pillow 13.
        off = 1 if name == "2011_000006" else 0
        assert np.count_nonzero(classes != Image.open(exported / "SegmentationClass" / f"{name}.png")) == off
        drawn = np.where(classes == 255, 0, np.asarray(Image.open(exported / "SegmentationObject" / f"{name}.png")))
        assert np.count_nonzero(drawn != np.where(classes == 255, 0, objects)) == off


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(-5, 35), st.floats(-5, 25)), min_size=3, max_size=7, unique=True),
    st.tuples(st.floats(-5, 35), st.floats(-5, 25), st.floats(-5, 35), st.floats(-5, 25)),
)
def test_shapes_are_drawn_as_labelme_draws_them(
    tmp_path_factory: pytest.TempPathFactory, ring: list[tuple[float, float]], ends: tuple[float, ...]
) -> None:
    """By the calls that labelme's shape_to_mask makes of Pillow."""
    (x0, y0, x1, y1), folder = ends, tmp_path_factory.mktemp("drawn")
    radius = math.sqrt((x0 - x1) ** 2 + (y0 - y1) ** 2)
    pair = [[x0, y0], [x1, y1]]
    save(folder / "x.json", shape("a", ring), shape("a", pair, "rectangle"), shape("a", pair, "circle"))
    canvases = [Image.new("L", (30, 20)) for _ in range(3)]
    polygon, rectangle, circle = map(ImageDraw.Draw, canvases)
    polygon.polygon(ring, outline=1, fill=1)
    rectangle.rectangle(((min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))), outline=1, fill=1)
    circle.ellipse(((x0 - radius, y0 - radius), (x0 + radius, y0 + radius)), outline=1, fill=1)
    for canvas, mask in zip(canvases, masks(loaded(read(folder, format="labelme"))), strict=True):
        np.testing.assert_array_equal(mask, np.asarray(canvas) > 0)


def test_the_parts_of_a_group_are_one_segment(real_data: Path) -> None:
    dataset = read(real_data / "labelme/instance_segmentation/data_annotated")
    batch = loaded(dataset)
    rings = batch.segments["rings"].to_pylist()
    names = [dataset.profile.name_of(id_) for id_ in batch.segments["category_id"].to_pylist()]
    image = [batch.images["image_id"][int(row)].as_py() for row in batch.segment_image]
    several = [(where, name, len(each)) for where, name, each in zip(image, names, rings, strict=True) if len(each) > 1]
    assert several == [("2011_000003.jpg", "person", 2), ("2011_000006.jpg", "sofa", 4)]
    assert {each.name for each in dataset.profile.taxonomy.categories if each.kind == "void"} == {"__ignore__"}


@pytest.mark.parametrize(("n_groups", "named"), [(1, True), (2, False)])
def test_a_group_that_holds_everything_is_doubted(tmp_path: Path, n_groups: int, named: bool) -> None:
    corners = [[1, 1], [5, 1], [5, 5]]
    shapes = [shape(label, corners, group_id=k % n_groups) for k, label in enumerate(("cow", "cow", "dog", "cow"))]
    save(tmp_path / "a.json", *shapes)
    message = "all 4 shapes have the group 0, so that 3 of 'cow' are one object; give each object a group of its own"
    assert any(each.message.startswith(message) for each in loaded(read(tmp_path)).defects) == named


def test_every_kind_of_shape(real_data: Path) -> None:
    dataset = read(real_data / "labelme/primitives")
    (said,) = dataset.source.defects
    assert (said.severity, said.message.rpartition(": ")[2]) == ("info", "1 line, 1 linestrip, 1 point")
    batch = loaded(dataset)
    names = [dataset.profile.name_of(id_) for id_ in batch.segments["category_id"].to_pylist()]
    assert names == ["rectangle", "circle", "rectangle", "polygon", "octagon"]
    canvas = Image.new("L", (560, 450))
    radius = float(np.hypot(30, 41))
    ImageDraw.Draw(canvas).ellipse((195 - radius, 84 - radius, 195 + radius, 84 + radius), outline=1, fill=1)
    np.testing.assert_array_equal(masks(batch)[1], np.asarray(canvas) > 0)
    rectangle = np.zeros((450, 560), bool)
    rectangle[35:136, 32:133] = True  # corners are pixels of it
    np.testing.assert_array_equal(masks(batch)[0], rectangle)
    assert masks(batch)[4].nonzero()[0].min() == 305
    assert not [each for each in validate(dataset).findings if each.severity == "error"]


def test_an_image_of_another_extension_is_named(real_data: Path) -> None:
    dataset = read(real_data / "peer_fixtures/sahi_terrain", format="labelme")
    missing, other = dataset.source.defects
    assert (missing.code, missing.file, missing.image) == ("SEG002", "terrain1.json", "terrain1.png")
    assert "'terrain1.jpg', which differs only in case, extension" in missing.message
    assert (other.code, other.severity) == ("SEG011", "info")
    assert loaded(dataset).n_segments == 12


def test_what_a_shape_says_survives(tmp_path: Path) -> None:
    """Flags, description and unknown keys come back in the same places."""
    save(
        tmp_path / "a/x.json",
        shape("car", SQUARE, flags={"dirty": False}, description="red", difficult=3, score=0.5, group_id=7),
        shape("wheel", [[9.5, 9.25], [12, 9], [12, 12]], group_id=7),
        shape("car", [[20, 2], [25, 2], [25, 8]], group_id=None),
        flags={"night": True},
        camera="left",
        annotator="ann",
    )
    dataset = read(tmp_path / "a")
    batch = loaded(dataset)
    assert batch.images["metadata"].to_pylist() == [[("camera", '"left"'), ("night", "true")]]
    assert batch.annotations["annotator"].to_pylist() == ["ann"]
    assert batch.segments["score"].to_pylist() == [0.5, None, None]
    first, second, third = batch.segments["attributes"].to_pylist()
    assert first == [("description", '"red"'), ("difficult", "3"), ("dirty", "false"), ("group_id", "7")]
    assert (second, third) == ([("group_id", "7")], None)
    conversion = convert(dataset, tmp_path / "b", to="labelme", verify=True)
    assert conversion.losses == ()
    assert conversion.proof is not None
    assert conversion.proof.unexplained == ()
    written = json.loads((tmp_path / "b/x.json").read_text())
    car = written["shapes"][0]
    assert (car["flags"], car["description"], car["difficult"], car["group_id"]) == ({"dirty": False}, "red", 3, 7)
    assert written["shapes"][1]["points"] == [[9.5, 9.25], [12.0, 9.0], [12.0, 12.0]]
    assert (written["flags"], written["camera"]) == ({"night": True}, "left")


def test_parts_share_a_group_and_holes_become_a_mask(tmp_path: Path) -> None:
    ring = np.ones((5, 5), bool)
    ring[1:4, 1:4] = False
    save(
        tmp_path / "a/x.json",
        shape("car", [[0, 0], [4, 4]], "mask", mask=encoded(ring)),
        shape("car", SQUARE, group_id=0),
        shape("car", [[9, 9], [12, 9], [12, 12]], group_id=0),
    )
    convert(tmp_path / "a", tmp_path / "canonical", to="canonical")
    convert(tmp_path / "canonical", tmp_path / "b", to="labelme")
    shapes = json.loads((tmp_path / "b/x.json").read_text())["shapes"]
    assert [each["shape_type"] for each in shapes] == ["mask", "polygon", "polygon"]
    assert [each["group_id"] for each in shapes] == [None, 0, 0]
    before, after = loaded(read(tmp_path / "a")), loaded(read(tmp_path / "b"))
    for one, other in zip(masks(before), masks(after), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("corner", "is_read"), [([4, 5], True), ([5, 6], True), ([9, 11], False), ([2, 2], False)])
def test_a_mask_as_large_as_its_box(tmp_path: Path, corner: list[int], is_read: bool) -> None:
    """Some programs name the last pixel of the box, others the one behind it."""
    mask = np.ones((6, 5), bool)
    save(tmp_path / "x.json", shape("car", [[0, 0], corner], "mask", mask=encoded(mask)), shape("car", SQUARE))
    (batch,) = read(tmp_path).batches()
    assert batch.segments.num_rows == 1 + is_read
    findings = [one for one in validate(tmp_path).findings if one.code == "SEG004"]
    assert [one.message for one in findings] == (
        [] if is_read else [f"the mask is 5 x 6 px in a box of {corner[0] + 1} x {corner[1] + 1} px; left out"]
    )


def test_names_of_images(tmp_path: Path) -> None:
    """Slashes of either kind, folders beside, images copied along; and a path is followed nowhere outside."""
    blank: NDArray[np.uint8] = np.zeros((20, 30), np.uint8)
    (tmp_path / "images").mkdir()
    for name in ("x.png", "y.png"):
        Image.fromarray(blank).save(tmp_path / "images" / name)
    save(tmp_path / "labels/x.json", shape("car", SQUARE), imagePath="..\\images\\x.png")
    save(tmp_path / "labels/y.json", shape("car", SQUARE), imagePath="y.png")
    dataset = read(tmp_path / "labels")
    assert (dataset.source.defects, list(dataset.image_ids)) == ((), ["x.png", "y.png"])
    convert(dataset, tmp_path / "out", to="labelme", copy_images=True)
    assert json.loads((tmp_path / "out/x.json").read_text())["imagePath"] == "images/x.png"
    again = read(tmp_path / "out")
    assert (again.source.defects, list(again.image_ids)) == ((), ["x.png", "y.png"])
    save(tmp_path / "labels/z.json", shape("car", SQUARE), imagePath="../../../etc/z.png")
    defects = read(tmp_path / "labels").source.defects
    assert [(each.code, each.file) for each in defects] == [("SEG015", "z.json"), ("SEG002", "z.json")]
    save(tmp_path / "labels/z.json", shape("car", SQUARE), imagePath="C:\\data\\z.png")
    assert [each.code for each in read(tmp_path / "labels").source.defects] == ["SEG015", "SEG002"]


@pytest.mark.parametrize("image_path", ["../images/z.png", "../z.png", "..\\images\\z.png"])
def test_a_missing_image_beside_the_folder_of_labels_is_missing_and_no_more(tmp_path: Path, image_path: str) -> None:
    """LabelMe writes such paths where labels have a folder of their own, which is all that is read."""
    blank: NDArray[np.uint8] = np.zeros((20, 30), np.uint8)
    Image.fromarray(blank).save(tmp_path / "y.png")
    save(tmp_path / "labels/y.json", shape("car", SQUARE), imagePath="../y.png")
    Image.fromarray(blank).save(tmp_path / "labels/y.png")
    save(tmp_path / "labels/z.json", shape("car", SQUARE), imagePath=image_path)
    defects = read(tmp_path / "labels").source.defects
    assert [(each.code, each.file) for each in defects] == [("SEG002", "z.json")]


def test_the_user_s_taxonomy_names_the_categories(tmp_path: Path) -> None:
    save(tmp_path / "x.json", shape("auto", SQUARE), shape("strange", SQUARE), shape("_background_", SQUARE))
    taxonomy = Taxonomy(categories=(Category(id=5, name="car", aliases=("auto",)),))
    dataset = read(tmp_path, taxonomy=taxonomy)
    assert loaded(dataset).segments["category_id"].to_pylist() == [5, 6]
    assert dataset.profile.unknown_names == {6: "strange"}


def test_images_of_one_name_get_files_of_their_own(tmp_path: Path) -> None:
    save(tmp_path / "a/x.json", shape("car", SQUARE), imagePath="x.png")
    save(tmp_path / "a/x2.json", shape("bus", SQUARE), imagePath="x.jpg")
    convert(tmp_path / "a", tmp_path / "b", to="labelme")
    assert list(read(tmp_path / "b").image_ids) == ["x.jpg", "x.png"]


def test_masks_with_the_names_of_the_images_are_none(tmp_path: Path) -> None:
    for folder in ("mask", "org"):
        (tmp_path / folder).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / folder / "1.png")
    document = {"shapes": [shape("a", SQUARE)], "imagePath": "1.png", "imageHeight": 8, "imageWidth": 8}
    (tmp_path / "1.json").write_text(json.dumps(document))
    assert read(tmp_path).image_ids == ["org/1.png"]


@pytest.mark.parametrize("folders", [["JPEGImages"], ["phase", "amplitude"]])
def test_images_in_another_folder_are_found_or_asked_for(tmp_path: Path, folders: list[str]) -> None:
    for k in range(3):
        for folder in ("before", *folders):
            (tmp_path / folder).mkdir(exist_ok=True)
        for folder in folders:
            Image.new("L", (8, 8)).save(tmp_path / folder / f"{k}.png")
        document = {"shapes": [shape("a", SQUARE)], "imagePath": f"{k}.png", "imageHeight": 8, "imageWidth": 8}
        (tmp_path / f"before/{k}.json").write_text(json.dumps(document))
    opened = read(tmp_path)
    assert opened.profile.format == "labelme"
    if len(folders) == 1:
        assert opened.image_ids == [f"JPEGImages/{k}.png" for k in range(3)]
        assert not validate(tmp_path, select=["SEG002", "SEG011"]).findings
        assert read(tmp_path / "before").image_ids == ["0.png", "1.png", "2.png"]
    else:
        chosen = read(tmp_path / "before", images=tmp_path / "phase")
        assert not chosen.source.defects
        (absent,) = [defect for defect in opened.source.defects if defect.code == "SEG002"]
        listed = ", ".join(str(tmp_path / folder) for folder in sorted(folders))
        assert absent.message.endswith(f"give --images: {listed} have files of their names")


def test_a_folder_whose_labels_are_read_is_not_called_unread(tmp_path: Path) -> None:
    """`images/` was said to be unread, since it holds a COCO copy of the LabelMe files that are read."""
    save(tmp_path / "images/a.json", shape("leaf", [[1, 1], [9, 1], [9, 9]]))
    Image.new("RGB", (30, 20)).save(tmp_path / "images/a.png")
    source = read(tmp_path).source
    (tmp_path / "older").mkdir()
    defects = _with_unread_datasets(source, tmp_path, (tmp_path / "images", tmp_path / "older")).defects
    assert [defect.message for defect in defects] == ["labels in older/ are not read; give older as DATA to read them"]


def test_a_mask_that_is_called_a_polygon_is_told(tmp_path: Path) -> None:
    save(
        tmp_path / "x.json",
        shape("car", [[0, 0], [4, 4]], "polygon", mask=encoded(np.ones((5, 5), bool))),
        shape("car", SQUARE, mask=None),
    )
    dataset = read(tmp_path)
    assert loaded(dataset).n_segments == 1
    told = [(defect.code, defect.message) for defect in loaded(dataset).defects]
    assert told == [
        ("SEG004", "the shape has a mask, but its shape_type is 'polygon'; write 'mask'; left out"),
    ]


def test_predictions_beside_labels_are_not_read_with_them(tmp_path: Path) -> None:
    for name in ("a", "b", "results/a", "results/b"):
        path = save(tmp_path / f"{name}.json", shape("car" if "/" not in name else "guess", SQUARE))
        Image.new("RGB", (30, 20)).save(path.with_suffix(".png"))
    dataset = read(tmp_path)
    assert list(dataset.image_ids) == ["a.png", "b.png"]
    assert [category.name for category in dataset.profile.taxonomy.categories] == ["car"]
    assert [(told.code, told.severity) for told in dataset.source.defects] == 2 * [("SEG011", "info")]
    assert len(read(tmp_path, format="labelme")) == 4
    save(tmp_path / "results/c.json", shape("guess", SQUARE))
    assert len(read(tmp_path)) == 5  # most lie there: it is where somebody saves labels
