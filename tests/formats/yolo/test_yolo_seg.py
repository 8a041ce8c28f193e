"""YOLO segmentation labels, against the rule that Ultralytics publishes, written once more."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import segdata
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect, find_format
from segdata.formats.shapes.geometry import rasterise
from segdata.formats.shapes.polygons import bridge_rings
from segdata.formats.yolo.lines import ring_shapes, shares_to_pixels, single_rings
from segdata.testing.pictures import Mask, masks_of_runs, runs_of_masks
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

TRIANGLE = "0 0.1 0.1 0.9 0.1 0.5 0.8\n"


def polygon2mask(line: str, height: int, width: int) -> Mask:
    """What Ultralytics makes of a line at the image's own size: single precision, truncated, cv2.fillPoly."""
    shares = np.array(line.split()[1:], dtype=np.float32).reshape(-1, 2)
    points = (shares * np.array([width, height], np.float32)).astype(np.int32)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [points], 1)
    return mask > 0


def dataset(
    folder: Path, lines: dict[str, str], size: tuple[int, int] = (20, 30), yaml: str = "names: [cat, dog]\n"
) -> Path:
    """A dataset of black images (height, width) with these label files."""
    (folder / "data.yaml").write_text(yaml, encoding="utf-8")
    for name, text in lines.items():
        for kind, suffix in (("images", "png"), ("labels", "txt")):
            path = folder / kind / f"{name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "images":
                Image.fromarray(np.zeros(size, np.uint8)).save(path)
            else:
                path.write_text(text, encoding="utf-8")
    return folder


def masks(opened: segdata.Dataset) -> list[Mask]:
    return [mask for batch in opened for mask in masks_of_runs(batch.runs, *batch.segment_size)]


def codes(opened: segdata.Dataset) -> list[str]:
    return sorted(each.code for each in (*opened.source.defects, *(d for batch in opened for d in batch.defects)))


@settings(deadline=None)
@given(datasets(Details()))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, made: tuple[object, object]) -> None:
    assert_round_trip(find_format("yolo-seg"), *made, tmp_path_factory.mktemp("y"))  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8))
def test_polygons_are_drawn_as_ultralytics_draws_them(points: list[tuple[float, float]]) -> None:
    ring = shares_to_pixels(np.array(points), np.array([17.0, 13.0]))
    line = "0 " + " ".join(f"{each!r}" for point in points for each in point)
    (shape,) = ring_shapes([ring], np.array([13]), np.array([17]))
    drawn = masks_of_runs(rasterise([[shape]], "cv2", 13, 17), np.array([13]), np.array([17]))[0]
    expected = polygon2mask(line, 13, 17)
    # A ring that goes back its own way is taken apart; it has no more pixels than the line.
    assert (drawn == expected).all() or not (drawn & ~expected).any()


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_a_ring_made_of_a_mask_is_the_mask_again(mask: Mask) -> None:
    """Whatever it has of parts, holes and lines one pixel wide, and through the text of the file."""
    height, width = mask.shape
    (ring,) = single_rings(runs_of_masks([mask]), np.array([height]))
    assert (np.round(ring) == np.floor(ring)).all(), "the same pixels for programs that round, and that truncate"
    text = [float(f"{each:.9g}") for each in (ring / [width, height]).ravel()]
    again = shares_to_pixels(np.array(text).reshape(-1, 2), np.array([float(width), float(height)]))
    shapes = ring_shapes([again], np.array([height]), np.array([width])) if mask.any() else []
    runs = rasterise([shapes], "cv2", height, width)
    assert (masks_of_runs(runs, np.array([height]), np.array([width]))[0] == mask).all()


def test_ultralytics_sees_a_written_segment_with_its_hole(tmp_path: Path) -> None:
    mask = np.zeros((12, 15), bool)
    mask[1:11, 2:13] = True
    mask[4:8, 5:9] = False
    written = segdata.convert(segdata.from_arrays({"a.png": [(mask, "cat")]}, ["cat"]), tmp_path / "y", to="yolo-seg")
    line = (tmp_path / "y/labels/a.txt").read_text(encoding="utf-8")
    assert (polygon2mask(line, 12, 15) == mask).all()
    assert written.losses == ()
    assert (tmp_path / "y/train.txt").exists() is False
    assert (tmp_path / "y/images.txt").read_text(encoding="utf-8") == "./images/a.png\n"


def test_lines_one_pixel_wide_stay_where_a_ring_is_taken_apart(tmp_path: Path) -> None:
    """The outline goes them there and back, as it goes the bridge to the hole, but they lead to nothing else."""
    mask = np.zeros((20, 30), bool)
    mask[4:16, 5:17] = True
    mask[7:13, 8:14] = False
    mask[9, 17:25] = mask[9, 8:11] = mask[2:4, 10] = True
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    ring = bridge_rings([contour[:, 0] for contour in contours])
    line = "0 " + " ".join(f"{share:.9f}" for share in ((ring + 0.25) / [30, 20]).ravel()) + "\n"
    assert (polygon2mask(line, 20, 30) == mask).all()
    (read,) = masks(segdata.read(dataset(tmp_path, {"a": line})))
    assert (read == mask).all()


def test_pixels_of_bridges_between_parts_are_counted(tmp_path: Path) -> None:
    mask = np.zeros((12, 30), bool)
    mask[2:8, 2:8] = mask[2:8, 20:28] = True
    written = segdata.convert(segdata.from_arrays({"a.png": [(mask, "cat")]}, ["cat"]), tmp_path / "y", to="yolo-seg")
    line = (tmp_path / "y/labels/a.txt").read_text(encoding="utf-8")
    bridge = int((polygon2mask(line, 12, 30) != mask).sum())
    assert [(loss.pixels, loss.count) for loss in written.losses if loss.kind == "part"] == [(bridge, 1)]
    assert bridge == 12
    assert (masks(segdata.read(tmp_path / "y"))[0] == mask).all()


def test_lines_of_other_tasks_are_left_out_one_by_one(tmp_path: Path) -> None:
    pose = "0 0.5 0.5 0.2 0.2 " + " ".join(["0.5 0.5 2"] * 17)
    text = TRIANGLE + "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2 0.9\n" + pose + "\n1 0.1 0.1 0.2 0.2 0.3\n" + TRIANGLE
    folder = dataset(tmp_path, {"a": text}, yaml="names: {0: cat, 1: dog}\nkpt_shape: [17, 3]\n")
    opened = segdata.read(folder)
    assert len(masks(opened)) == 2
    assert codes(opened) == ["SEG004", "SEG004", "SEG004", "SEG004"]
    assert opened.segments["segment_id"].tolist() == [1, 6]


def test_empty_files_are_annotated_and_missing_ones_as_one_says(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {"a": TRIANGLE, "b": "", "c": TRIANGLE})
    (folder / "labels/c.txt").unlink()
    assert len(segdata.read(folder).annotations) == 2
    assert codes(segdata.read(folder)) == ["SEG011"]
    assert len(segdata.read(folder, options={"missing": "background"}).annotations) == 3
    with pytest.raises(SegdataError, match="unannotated or background"):
        segdata.read(folder, options={"missing": "void"})


def test_splits_are_folders_or_lists(tmp_path: Path) -> None:
    yaml = "path: .\ntrain: images/one\nval: [val.txt]\nnames: [cat]\n"
    folder = dataset(tmp_path, {"one/a": TRIANGLE, "two/b": TRIANGLE, "two/c": TRIANGLE}, yaml=yaml)
    (folder / "val.txt").write_text("./images/two/b.png\n", encoding="utf-8")
    images = segdata.read(folder).images
    assert dict(zip(images["image_id"], images["split"].fillna(""), strict=True)) == {
        "one/a.png": "train",
        "two/b.png": "val",
        "two/c.png": "",
    }


@pytest.mark.parametrize("above", ["/content/drive/My Drive/cats", "C:\\Users\\me\\cats", "..", "../../cats", "."])
def test_paths_of_another_machine_end_below_the_root(tmp_path: Path, above: str) -> None:
    slash = "\\" if "\\" in above else "/"
    yaml = f"train: {above}{slash}images{slash}one\nval: {above}{slash}val.txt\nnames: [cat]\n"
    folder = dataset(tmp_path, {"one/a": TRIANGLE, "two/b": TRIANGLE}, yaml=yaml)
    (folder / "val.txt").write_text(f"{above}{slash}images{slash}two{slash}b.png\n", encoding="utf-8")
    opened = segdata.read(folder)
    assert dict(zip(opened.images["image_id"], opened.images["split"], strict=True)) == {
        "one/a.png": "train",
        "two/b.png": "val",
    }
    assert codes(opened) == []


def test_labels_in_a_folder_of_their_own_have_the_images_beside_it(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {"train/a": TRIANGLE, "val/a": TRIANGLE})
    (folder / "YOLO").mkdir()
    (folder / "labels").rename(folder / "YOLO/labels")
    opened = segdata.read(folder, format="yolo-seg")
    assert opened.images["image_id"].tolist() == ["train/a.png", "val/a.png"]
    assert (len(opened.segments), codes(opened)) == (2, [])
    (folder / "YOLO/labels/val/a.txt").rename(folder / "YOLO/labels/val/b.txt")
    assert codes(segdata.read(folder, format="yolo-seg")) == ["SEG002", "SEG011"]


def test_labels_in_a_folder_of_their_own_have_the_nearest_images_where_several_datasets_lie(tmp_path: Path) -> None:
    for place in ("one/coco", "two"):
        (tmp_path / place).mkdir(parents=True)
        folder = dataset(tmp_path / place, {"train2017/a": TRIANGLE, "val2017/b": TRIANGLE})
        if place == "two":
            (folder / "data.yaml").unlink()
        else:
            (folder / "data.yaml").rename(tmp_path / "data.yaml")
            (folder / "YOLO").mkdir()
            (folder / "labels").rename(folder / "YOLO/labels")
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "two/images/train2017/a.png", tmp_path / "other/c.png")
    opened = segdata.read(tmp_path, format="yolo-seg")
    splits = dict(zip(opened.images["image_id"], opened.images["split"].fillna(""), strict=True))
    assert splits == {
        f"{place}/{image}.png": split
        for place in ("one/coco", "two")
        for image, split in (("train2017/a", "train"), ("val2017/b", "val"))
    } | {"other/c.png": ""}
    assert (len(opened.segments), codes(opened)) == (4, ["SEG011"])


def test_classes_without_data_yaml(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {"a": "1" + TRIANGLE[1:]})
    (folder / "data.yaml").unlink()
    opened = segdata.read(folder)
    assert [each.name for each in opened.profile.taxonomy.categories] == ["1"]
    assert [each.severity for each in opened.source.defects] == ["info"]
    (folder / "classes.txt").write_text("cat\ndog\n", encoding="utf-8")
    assert set(segdata.read(folder).segments["category_id"]) == {1}


def test_names_files_that_give_classes_other_numbers(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {"a": TRIANGLE})
    (folder / "classes.txt").write_text("dog\ncat\n", encoding="utf-8")
    opened = segdata.read(folder)
    assert [each.name for each in opened.profile.taxonomy.categories] == ["cat", "dog"]
    (defect,) = opened.source.defects
    message = "class 0 is 'cat' here, and 'dog' in classes.txt; 2 classes differ, this file's are read"
    assert (defect.code, defect.file, defect.message) == ("SEG202", "data.yaml", message)


def test_a_names_file_beside_the_labels_of_a_split(tmp_path: Path) -> None:
    """The tool wrote it anew, with the one class of its last picture."""
    folder = dataset(tmp_path, {"a": TRIANGLE})
    beside = sorted(folder.rglob("a.txt"))[0].with_name("classes.txt")
    beside.write_text("dog\n", encoding="utf-8")
    (defect,) = segdata.read(folder).source.defects
    assert defect.message == f"class 0 is 'cat' here, and 'dog' in {beside.relative_to(folder).as_posix()}"


@pytest.mark.parametrize("names", ["cat\ndog\n", "cat\n", "person\nbicycle\n"])
def test_names_files_that_agree_or_are_of_something_else(tmp_path: Path, names: str) -> None:
    (dataset(tmp_path, {"a": TRIANGLE}) / "classes.txt").write_text(names, encoding="utf-8")
    assert codes(segdata.read(tmp_path)) == []


def test_a_split_that_is_made_of_the_images_of_train(tmp_path: Path) -> None:
    yaml = "train: images/one\nval: ./images/one\ntest: images/one\nnames: [cat]\n"
    findings = segdata.validate(dataset(tmp_path, {"one/a": TRIANGLE}, yaml=yaml), select="SEG304").findings
    assert {finding.severity for finding in findings} == {"warning"}
    message = "is made of the images of train: images/one"
    assert {finding.message for finding in findings} == {f"val {message}", f"test {message}"}


def test_labels_in_utf_16(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {"a": TRIANGLE, "b": TRIANGLE})
    (folder / "labels/b.txt").write_text(TRIANGLE, encoding="utf-16")
    (finding,) = segdata.validate(folder, select=("SEG001", "SEG004")).findings
    assert finding.message == "is text in UTF-16, where UTF-8 is expected: save it as that"


def test_extensions_that_ultralytics_does_not_find_on_linux(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {"a": TRIANGLE, "b": TRIANGLE, "c": TRIANGLE})
    for name in "bc":
        (folder / f"labels/{name}.txt").rename(folder / f"labels/{name}.TXT")
    (finding,) = segdata.validate(folder, select="SEG002").findings
    assert (finding.severity, finding.file) == ("warning", "labels/b.TXT")
    assert "this file and of 1 other are read" in finding.message


def test_images_turned_by_exif_are_as_they_are_shown(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {"a": TRIANGLE})
    (folder / "images/a.png").unlink()
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(folder / "images/a.jpg", exif=turned)
    opened = segdata.read(folder)
    assert masks(opened)[0].shape == (30, 20)
    assert codes(opened) == ["SEG012"]
    (turned_image,) = segdata.validate(folder, select="SEG012").findings
    assert turned_image.message.startswith("the size that viewers show 20x30 is turned")  # YOLO's files declare none


def test_without_images_there_are_no_sizes(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {"a": TRIANGLE})
    (folder / "images/a.png").unlink()
    with pytest.raises(UnreadableError, match="the image files are needed; give --images"):
        segdata.read(folder)


def test_images_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    mask = np.ones((4, 4), bool)
    both = segdata.from_arrays({"a.png": [(mask, "cat")], "a.jpg": [(mask, "cat")]}, ["cat"])
    with pytest.raises(SegdataError, match=r"share the label file labels/a\.txt"):
        segdata.convert(both, tmp_path / "y", to="yolo-seg")
    assert not (tmp_path / "y").exists()


def test_copied_images_are_where_ultralytics_looks(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    folder = dataset(tmp_path / "in", {"train/a": TRIANGLE})
    segdata.convert(folder, tmp_path / "y", to="yolo-seg", copy_images=True, verify=True)
    assert (tmp_path / "y/images/train/a.png").is_file()
    assert (tmp_path / "y/labels/train/a.txt").read_text(encoding="utf-8") == TRIANGLE
    assert (tmp_path / "y/train.txt").read_text(encoding="utf-8") == "./images/train/a.png\n"
    assert "train: train.txt\nval: train.txt\n" in (tmp_path / "y/data.yaml").read_text(encoding="utf-8")


def test_crop_images(real_data: Path) -> None:
    """Its README: 96, 62 and 50 rows in 24, 11 and 12 images, and a data.yaml of a private Windows folder."""
    folder = real_data / "yolo_seg_crop"
    assert detect(folder) == "yolo-seg"
    opened = segdata.read(folder)
    splits = dict(zip(opened.images["image_id"], opened.images["split"], strict=True))
    rows = [splits[image] for image in opened.segments["image_id"]]
    assert {split: rows.count(split) for split in ("train", "val", "test")} == {"train": 96, "val": 62, "test": 50}
    assert [list(splits.values()).count(split) for split in ("train", "val", "test")] == [24, 11, 12]
    assert codes(opened) == ["SEG015"]
    lines = {}
    for path in folder.rglob("labels/*.txt"):
        lines[path.parent.parent.name + "/" + path.stem] = path.read_text(encoding="utf-8").splitlines()
    batch = next(iter(opened))
    drawn = masks_of_runs(batch.runs, *batch.segment_size)
    image = batch.images["image_id"].to_pylist()
    number = batch.segments["segment_id"].to_pylist()
    for row in range(0, len(drawn), 10):
        line = lines[image[batch.segment_image[row]].rpartition(".")[0]][number[row] - 1]
        assert (drawn[row] == polygon2mask(line, *drawn[row].shape)).all()


def test_fixture_of_datumaro(real_data: Path) -> None:
    opened = segdata.read(real_data / "peer_fixtures/datumaro/yolo_dataset/yolov8_segmentation")
    assert opened.segments["category_id"].tolist() == [2, 4]
    assert opened.images["split"].tolist() == ["train"]


def test_boxes_alone_are_not_this_format(real_data: Path) -> None:
    with pytest.raises(SegdataError, match="looks like YOLO boxes"):
        segdata.read(real_data / "peer_fixtures/label_studio/test_import_yolo_data_unif_dims")


def test_what_had_no_polygon_loses_none(tmp_path: Path) -> None:
    image = tmp_path / "images" / "a.png"
    image.parent.mkdir()
    Image.new("L", (4, 4)).save(image)
    labels = {"a.png": np.array([[1, 1, 0, 0]] * 4)}
    dataset = segdata.from_arrays(labels, ["cat"], images=image.parent)
    result = segdata.convert(dataset, tmp_path / "yolo", to="yolo-seg", copy_images=True, verify=True)
    assert "rings" not in {loss.kind for loss in result.losses}
    assert result.proof is not None
    assert result.proof.holds


def test_labels_beside_their_images_are_recognised_whatever_their_number_of_lines(tmp_path: Path) -> None:
    lines = ["0 0.1 0.1 0.5 0.1 0.5 0.6 0.1 0.6", "1 0.6 0.6 0.9 0.6 0.9 0.9", "0 0.1 0.7 0.3 0.7 0.3 0.9"]
    for n_lines in (1, 3):
        Image.new("RGB", (40, 30)).save(tmp_path / f"{n_lines}.jpg")
        (tmp_path / f"{n_lines}.txt").write_text("\n".join(lines[:n_lines]) + "\n")
    data = segdata.read(tmp_path)
    assert data.profile.format == "yolo-seg"
    assert len(data.segments) == 4
    (tmp_path / "1.txt").unlink()
    assert segdata.read(tmp_path).profile.format == "yolo-seg", "no label file has a single line"


def test_labels_that_are_all_empty_are_an_empty_dataset(tmp_path: Path) -> None:
    dataset(tmp_path, {"a": "", "b": "\n"}, yaml="train: images\nnames: [cat, dog]\n")
    assert detect(tmp_path) == "yolo-seg"
    assert [each.code for each in segdata.validate(tmp_path).findings if each.severity == "error"] == ["SEG020"]
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")  # boxes
    assert detect(tmp_path) != "yolo-seg"


def test_numbered_folders_of_images_have_numbered_folders_of_labels(tmp_path: Path) -> None:
    """A folder of labels without such a folder of images, as a copy, is left alone."""
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n", encoding="utf-8")
    for number in ("1st", "2nd"):
        for kind, suffix in (("images", "png"), ("labels", "txt")):
            path = tmp_path / f"train/{kind}_{number}/{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(TRIANGLE) if kind == "labels" else Image.fromarray(np.zeros((20, 30), np.uint8)).save(path)
    for folder in ("labels", "labels_old"):
        (tmp_path / "val" / folder).mkdir(parents=True)
        (tmp_path / "val" / folder / "a.txt").write_text(TRIANGLE)
    (tmp_path / "val/images").mkdir()
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "val/images/a.png")
    opened = segdata.read(tmp_path)
    assert len(masks(opened)) == 3
    assert codes(opened) == []


@pytest.mark.parametrize("described", [True, False])
def test_decimal_commas_are_named(described: bool, tmp_path: Path) -> None:
    """As a spreadsheet of another language writes them: the dataset is recognised, and each line says why."""
    root = dataset(tmp_path, {"a": "0 0,1 0,1 0,9 0,1 0,5 0,8\n1 0,2 0,2 0,4 0,2 0,3 0,4\n"})
    if not described:
        (root / "data.yaml").unlink()
    findings = [finding for finding in segdata.validate(root, one_by_one=True).findings if finding.code == "SEG004"]
    lines = [finding.message for finding in findings if "commas in its numbers" in finding.message]
    assert len(lines) == 2
    assert "'0 0,1 0,1 0,9 0,1 0,5 0,8' has commas in its numbers; write points (0.5); left out" in lines[0]


def test_other_words_with_commas_are_no_numbers(tmp_path: Path) -> None:
    root = dataset(tmp_path, {"a": "0 .1 .1 .9 .1 .5 .8\n0 a,1 .1 .9 .1 .5 .8\n"})
    (finding,) = (each for each in segdata.validate(root).findings if each.code == "SEG004")
    assert "is not a row of numbers" in finding.message


def test_boxes_before_the_points_are_named_and_left_out(tmp_path: Path) -> None:
    """Rows of class, box and points, as some converters write them; YOLO takes the box for two points."""
    rings = [[0.1, 0.1, 0.9, 0.1, 0.5, 0.8], [0.2, 0.3, 0.6, 0.3, 0.6, 0.7, 0.2, 0.7]]
    boxes = [[0.5, 0.45, 0.8, 0.7], [0.4, 0.5, 0.4, 0.4]]
    rows = [
        "\n".join(f"{k} " + " ".join(map(str, row)) for k, row in enumerate(kind))
        for kind in (rings, [box + ring for box, ring in zip(boxes, rings, strict=True)])
    ]
    (tmp_path / "plain").mkdir()
    (tmp_path / "boxed").mkdir()
    plain = segdata.read(dataset(tmp_path / "plain", {"a": rows[0]}))
    boxed = segdata.read(dataset(tmp_path / "boxed", {"a": rows[1]}))
    for mask, other in zip(masks(plain), masks(boxed), strict=True):
        assert (mask == other).all()
    assert (codes(plain), codes(boxed)) == ([], ["SEG004"])


def test_a_dataset_below_the_folder_and_pictures_beside_its_splits(tmp_path: Path) -> None:
    """A repository has results, and pictures of its README, beside the data that YOLO loads."""
    line = "0 0.1 0.1 0.5 0.1 0.5 0.5"
    (tmp_path / "data").mkdir()
    yaml = "train: train/images\nval: val/images\nnames: [cat, dog]\n"
    dataset(tmp_path / "data", {}, yaml=yaml)
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / "data" / split / kind).mkdir(parents=True)
        Image.new("L", (30, 20)).save(tmp_path / f"data/{split}/images/{split}.png")
        (tmp_path / f"data/{split}/labels/{split}.txt").write_text(line)
    for picture in ("result.png", "data/runs/curve.png"):
        (tmp_path / picture).parent.mkdir(exist_ok=True)
        Image.new("L", (30, 20)).save(tmp_path / picture)
    opened = segdata.read(tmp_path)
    assert [category.name for category in opened.profile.taxonomy.categories] == ["cat", "dog"]
    assert list(opened.image_ids) == ["train/train.png", "val/val.png"]
    (left_out,) = opened.source.defects
    assert (left_out.code, left_out.severity) == ("SEG011", "info")
    assert "1 image without labels and in no split, such as 'runs/curve.png'" in left_out.message
    Image.new("L", (30, 20)).save(tmp_path / "data/val/images/background.png")
    assert "val/background.png" in segdata.read(tmp_path).image_ids, "YOLO loads it"


def test_carriage_returns_alone_end_lines(tmp_path: Path) -> None:
    line = TRIANGLE.strip()
    folder = dataset(tmp_path, {"a": f"{line}\r{line}\r"})
    assert detect(folder) == "yolo-seg"
    opened = segdata.read(folder)
    assert (codes(opened), len(opened.segments)) == ([], 2)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{} # checked", ": it has '#'; left out"),
        ("1.jpg {}", "the class is a name, '1.jpg', where YOLO has its number"),
    ],
)
def test_words_among_the_numbers_of_all_lines(tmp_path: Path, line: str, words: str) -> None:
    folder = dataset(tmp_path, {"a": line.format(TRIANGLE.strip().replace(".", ".0000000")) + "\n"})
    assert detect(folder) == "yolo-seg"
    messages = [each.message for each in segdata.validate(folder, select="SEG004").findings]
    assert [words in message for message in messages] == [True]


def test_numbers_as_numpy_writes_them_are_read(tmp_path: Path) -> None:
    words = [f"{float(word):.18e}" for word in TRIANGLE.split()]
    folder = dataset(tmp_path, {"a": " ".join(words) + "\n"})
    assert detect(folder) == "yolo-seg"
    opened = segdata.read(folder)
    assert codes(opened) == []
    (tmp_path / "plain").mkdir()
    np.testing.assert_array_equal(
        masks(opened)[0], masks(segdata.read(dataset(tmp_path / "plain", {"a": TRIANGLE})))[0]
    )


def test_a_number_of_the_object_behind_the_class_is_named(tmp_path: Path) -> None:
    category, rest = TRIANGLE.split(" ", 1)
    opened = segdata.read(dataset(tmp_path, {"a": f"{category} 1952 {rest}"}))
    (defect,) = [defect for batch in opened for defect in batch.defects]
    assert defect.code == "SEG006"
    assert "is 1952, behind the class, the number of the object?" in defect.message


def test_the_class_of_a_further_object_in_one_line_is_named(tmp_path: Path) -> None:
    category, rest = TRIANGLE.strip().split(" ", 1)
    opened = segdata.read(dataset(tmp_path, {"a": f"{category} {rest} 2 {rest} 2 {rest}"}))
    (defect,) = [defect for batch in opened for defect in batch.defects]
    assert "coordinate 2 is not a share of the image (0 to 1): is it the class of a further object" in defect.message


@pytest.mark.parametrize("line", ["0 {} inf", "0 inf {} 0.5", "0 {} inf 0.5"])
def test_infinite_coordinates_are_told(tmp_path: Path, line: str) -> None:
    points = " ".join(["0.1 0.1 0.9 0.1 0.9 0.9"] * 3)
    opened = segdata.read(dataset(tmp_path, {"a": line.format(points)}), format="yolo-seg")
    (defect,) = [defect for batch in opened for defect in batch.defects]
    assert defect.code == "SEG006"


def test_what_a_network_predicted_is_not_read_with_the_labels(tmp_path: Path) -> None:
    """Ultralytics saves its results in the folder in which somebody works."""
    root = dataset(tmp_path, {"a": "0 0.1 0.1 0.9 0.1 0.9 0.9\n"})
    predicted = root / "runs/segment/predict2/labels/a.txt"
    predicted.parent.mkdir(parents=True)
    predicted.write_text("0 0.1 0.1 0.9 0.1 0.9 0.5 0.87\n")
    opened = segdata.read(root)
    assert list(opened.image_ids) == ["a.png"]
    assert len(masks(opened)) == 1
    assert [defect.severity for defect in opened.source.defects if "runs/segment/predict2" in defect.message] == [
        "info"
    ]
