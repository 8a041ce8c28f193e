"""PASCAL VOC: two masks, lists and XML files of an image make its segments."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

import segdata
from segdata import convert, diff, read
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect, find_format
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import masks_of_runs
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets
from tests.formats.voc.scenes import object_element, open_dataset, save, segment_pixels, write_boxes, write_scene
from tests.generators.coco_documents import annotation, document, write_document

WITHOUT_OVERLAPS = Details(overlaps=False, several=False)
EXACT = Details(overlaps=False, several=False, extras=False, void=False)
DATUMARO = "peer_fixtures/datumaro/voc_dataset/voc_dataset1"
PEERS = Path(__file__).parents[2] / "build/peers/bin/python"
SAMPLE = Path(__file__).parents[2] / "sample_data/panoptic"
# Reads a dataset, tells its masks as [image, class, pixels], and writes it again as CVAT does (Segmentation mask 1.1).
BY_DATUMARO = """
import json, sys
import numpy as np
from datumaro import Dataset
data = Dataset.import_from(sys.argv[1], "voc_instance_segmentation")
labels = [label.name for key, each in data.categories().items() if key.name == "label" for label in each.items]
found = []
for item in data:
    for each in item.annotations:
        if each.type.name == "mask":
            found.append([item.id, labels[each.label], np.flatnonzero(np.asarray(each.image).T).tolist()])
data.export(sys.argv[2], "voc_segmentation")
print(json.dumps(found))
"""


@settings(max_examples=40)
@given(dataset=datasets())
def test_only_what_was_counted_is_lost(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    assert_round_trip(find_format("pascal-voc"), *dataset, tmp_path_factory.mktemp("law"))


@settings(max_examples=40)
@given(dataset=datasets(WITHOUT_OVERLAPS))
def test_what_xml_files_hold_comes_back(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    assert_round_trip(find_format("pascal-voc"), *dataset, tmp_path_factory.mktemp("law"))


@settings(max_examples=20)
@given(dataset=datasets(EXACT).filter(lambda each: each[0].task != "semantic"))
def test_objects_lose_nothing_that_is_pixels(
    tmp_path_factory: pytest.TempPathFactory, dataset: tuple[Profile, list[Batch]]
) -> None:
    losses = assert_round_trip(find_format("pascal-voc"), *dataset, tmp_path_factory.mktemp("law"))
    assert {loss.kind for loss in losses.listed()} <= {"empty-segment", "segment-id"}


def test_objects_have_the_class_below_them(tmp_path: Path) -> None:
    write_scene(tmp_path, [[7, 7, 255], [15, 0, 255]], [[1, 1, 255], [4, 0, 255]])
    dataset, batch, defects = open_dataset(tmp_path)
    assert segment_pixels(dataset, batch) == {
        1: ("car", [(0, 0), (1, 0)], False),
        4: ("person", [(0, 1)], False),
        255: ("void", [(2, 0), (2, 1)], False),
    }
    assert (dataset.profile.format, dataset.profile.task, dataset.profile.coverage.value) == (
        "pascal-voc",
        "instance",
        "sparse",
    )
    assert dataset.profile.taxonomy_declared
    assert batch.segments["place"].to_pylist() == ["object 1", "object 4", "value 255"]
    assert batch.annotations["encoding"].to_pylist() == ["palette 8 bit"]
    assert defects == []


def test_without_masks_of_objects_it_is_semantic(tmp_path: Path) -> None:
    write_scene(tmp_path, [[7, 0, 7, 255]])
    dataset, batch, defects = open_dataset(tmp_path)
    assert dataset.profile.task == "semantic"
    assert segment_pixels(dataset, batch) == {7: ("car", [(0, 0), (2, 0)], False), 255: ("void", [(3, 0)], False)}
    assert defects == []


def test_masks_that_disagree_are_found_and_the_majority_counts(tmp_path: Path) -> None:
    """Object 1 is a car but for one pixel, object 2 lies on background, and a person is no object at all."""
    write_scene(tmp_path, [[7, 7, 15, 0, 15]], [[1, 1, 1, 2, 0]])
    dataset, batch, defects = open_dataset(tmp_path)
    assert segment_pixels(dataset, batch) == {
        1: ("car", [(0, 0), (1, 0), (2, 0)], False),
        256: ("person", [(4, 0)], True),
    }
    assert [(each.code, each.pixels, each.place, each.segments, each.severity) for each in defects] == [
        ("SEG014", 1, "x=2, y=0", (1,), None),
        ("SEG014", 1, "x=3, y=0", (2,), None),
        ("SEG014", 1, "x=4, y=0", (), "warning"),
    ]


def test_an_image_without_its_mask_of_objects_keeps_its_classes(tmp_path: Path) -> None:
    write_scene(tmp_path, [[7, 7]], [[1, 2]])
    write_scene(tmp_path, [[7, 0]], stem="2007_000002")
    _, batch, defects = open_dataset(tmp_path)
    assert [(each.code, each.image) for each in defects] == [("SEG002", "2007_000002.jpg")]
    assert batch.segments["iscrowd"].to_pylist() == [False, False, True]


def test_lists_tell_splits_and_missing_masks(tmp_path: Path) -> None:
    write_scene(tmp_path, [[7]], [[1]])
    write_scene(tmp_path, [[7]], [[1]], stem="2007_000002")
    Image.new("RGB", (1, 1)).save(tmp_path / "JPEGImages/2007_000009.jpg")  # for another task
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000001\n2007_000003\n../../secret\n")
    (lists / "trainval.txt").write_text("2007_000001\n2007_000002\n")
    (lists / "test.txt").write_text("2007_000004\n")
    _, batch, defects = open_dataset(tmp_path)
    assert dict(zip(batch.images["image_id"].to_pylist(), batch.images["split"].to_pylist(), strict=True)) == {
        "2007_000001.jpg": "train",
        "2007_000002.jpg": "trainval",
        "2007_000003": "train",
        "2007_000004": "test",
    }
    assert batch.annotation_image.tolist() == [0, 1], "no mask: not annotated"
    assert [(each.code, each.line, each.file) for each in defects] == [
        ("SEG002", 2, "ImageSets/Segmentation/train.txt"),
        ("SEG015", 3, "ImageSets/Segmentation/train.txt"),
    ]


def test_a_list_of_images_that_are_not_here_is_one_warning(tmp_path: Path) -> None:
    write_scene(tmp_path, [[7]], [[1]])
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000001\n")
    (lists / "val.txt").write_text("2012_000004\n2012_000005\n")
    _, _, defects = open_dataset(tmp_path)
    assert [(each.severity, each.file) for each in defects] == [("warning", "ImageSets/Segmentation/val.txt")]
    assert defects[0].message.endswith("none has a file here, either: it may be a list of another release")


@pytest.mark.parametrize("folder", ["", "JPEGImages/"])
def test_lists_of_files_are_read_as_stems(tmp_path: Path, folder: str) -> None:
    write_scene(tmp_path, [[7]], [[1]])
    write_scene(tmp_path, [[7]], [[1]], stem="2007_000002.v2")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text(f"{folder}2007_000001.jpg\n2007_000002.v2\n")
    _, batch, defects = open_dataset(tmp_path)
    assert batch.images["split"].to_pylist() == ["train", "train"]
    (defect,) = defects
    assert (defect.code, defect.severity, defect.file) == ("SEG002", "warning", "ImageSets/Segmentation/train.txt")
    assert defect.message.startswith(
        f"names files instead of stems ('{folder}2007_000001.jpg' for '2007_000001') in 1 line"
    )


def test_boxes_give_attributes_to_the_objects_they_enclose(tmp_path: Path) -> None:
    write_scene(tmp_path, [[7, 7, 0, 7]] * 2, [[1, 1, 0, 2]] * 2)
    free = "<attributes><attribute><name>color</name><value>red</value></attribute></attributes>"
    write_boxes(
        tmp_path,
        object_element("car", (4, 1, 4, 2), "<pose>Left</pose><difficult>1</difficult>"),
        object_element("car", (1, 1, 2, 2), f"<truncated>0</truncated>{free}"),
        size=(4, 2),
    )
    _, batch, defects = open_dataset(tmp_path)
    assert batch.segments["attributes"].to_pylist() == [
        [("color", '"red"'), ("truncated", "false")],
        [("difficult", "true"), ("pose", '"Left"')],
    ]
    assert batch.segments["declared_bbox"].to_pylist() == [[0, 0, 2, 2], [3, 0, 1, 2]]
    assert defects == []


def test_where_there_is_void_a_box_that_includes_it_is_an_attribute(tmp_path: Path) -> None:
    write_scene(tmp_path, [[255, 7, 7, 7, 255]], [[255, 1, 1, 1, 255]])
    write_boxes(tmp_path, object_element("car", (1, 1, 5, 1)))
    _, batch, defects = open_dataset(tmp_path)
    assert batch.segments["attributes"].to_pylist()[0] == [("bndbox", "[0.0,0.0,5.0,1.0]")]
    assert batch.segments["declared_bbox"].to_pylist() == [None, None]
    assert defects == []


@pytest.mark.parametrize("grey", [True, False])
def test_labelmap_of_cvat_names_colours_and_positions(tmp_path: Path, grey: bool) -> None:
    colors = np.array([[0, 0, 0], [10, 10, 128], [10, 128, 0]], np.uint8)
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\na:10,10,128::\nb:10,128,0::\n"
    )
    values = np.array([[0, 1, 2]])
    for folder, pixels in (("SegmentationClass", values), ("SegmentationObject", values)):
        save(tmp_path / folder / "x.png", pixels, None)
    if not grey:
        Image.fromarray(colors[values]).save(tmp_path / "SegmentationClass/x.png")
    dataset, batch, _ = open_dataset(tmp_path)
    assert segment_pixels(dataset, batch) == {1: ("a", [(1, 0)], False), 2: ("b", [(2, 0)], False)}
    assert [(each.id, each.name, each.kind) for each in dataset.taxonomy.categories] == [
        (1, "a", "thing"),
        (2, "b", "thing"),
        (255, "void", "void"),
    ]


def test_a_taxonomy_tells_what_names_are(tmp_path: Path) -> None:
    """Names of the label map are looked up in it; what it lacks is an unknown category."""
    write_scene(tmp_path, [[1, 2]], [[1, 2]], stem="x")
    (tmp_path / "class_names.txt").write_text("_background_\nauto\ntruck\n")
    taxonomy = Taxonomy(categories=(Category(id=40, name="car", aliases=("auto",)),))
    dataset, batch, _ = open_dataset(tmp_path, taxonomy=taxonomy)
    assert batch.segments["category_id"].to_pylist()[0] == 40
    assert dataset.profile.name_of(batch.segments["category_id"].to_pylist()[1]) == "truck"


def test_classes_that_nothing_names_are_said_to_be_a_guess(tmp_path: Path) -> None:
    for number in range(12):
        write_scene(tmp_path, [[1]], stem=f"frame{number}")
    dataset = read(tmp_path)
    assert not dataset.profile.taxonomy_declared
    # Nobody declared the other 19 classes, so that they may be unused (SEG204).
    assert [(finding.code, finding.severity) for finding in segdata.validate(dataset, select=["SEG2"]).findings] == [
        ("SEG219", "info")
    ]


def test_the_folder_of_the_development_kit_is_found_below(tmp_path: Path) -> None:
    write_scene(tmp_path / "VOCdevkit/VOC2012", [[1]])
    assert detect(tmp_path) == "pascal-voc"
    assert len(read(tmp_path)) == 1
    write_scene(tmp_path / "VOCdevkit/VOC2007", [[1]], stem="000001")
    with pytest.raises(UnreadableError, match="several datasets"):
        read(tmp_path)
    (tmp_path / "VOCdevkit/VOC2007/SegmentationClass").rename(tmp_path / "VOCdevkit/VOC2007/SegmentationClassPNG")
    with pytest.raises(UnreadableError, match="several datasets"):
        read(tmp_path, format="pascal-voc")


def test_another_folder_of_class_masks_is_an_option(tmp_path: Path) -> None:
    write_scene(tmp_path, [[1]])
    save(tmp_path / "SegmentationClassAug/2007_000001.png", [[2]])
    dataset, batch, _ = open_dataset(tmp_path, options={"classes": "SegmentationClassAug"})
    assert segment_pixels(dataset, batch) == {2: ("bicycle", [(0, 0)], False)}


def test_arrays_of_an_older_labelme_lie_beside_the_masks(tmp_path: Path) -> None:
    write_scene(tmp_path, [[1]])
    (tmp_path / "SegmentationClass").rename(tmp_path / "SegmentationClassPNG")
    (tmp_path / "SegmentationClass").mkdir()
    np.save(tmp_path / "SegmentationClass/2007_000001.npy", [[1]])
    assert detect(tmp_path) == "pascal-voc"
    assert len(read(tmp_path)) == 1


def test_settings_beside_the_masks_leave_them_to_other_formats(tmp_path: Path) -> None:
    write_scene(tmp_path, [[1]])
    (tmp_path / "segdata.yaml").write_text("instance_ids: {category: nucleus}\n")
    assert detect(tmp_path) == "instance-ids"


def test_written_files_are_those_of_voc(tmp_path: Path) -> None:
    """Indices and palettes as Pillow reads them; boxes count from 1 and include both ends."""
    write_scene(tmp_path / "in", [[0, 7, 7], [0, 7, 255]], [[0, 9, 9], [0, 9, 255]])
    convert(tmp_path / "in", tmp_path / "out", to="pascal-voc")
    for folder in ("SegmentationClass", "SegmentationObject"):
        before, after = (Image.open(tmp_path / each / folder / "2007_000001.png") for each in ("in", "out"))
        assert (after.mode, after.tobytes(), after.getpalette()) == ("P", before.tobytes(), before.getpalette())
    text = (tmp_path / "out/Annotations/2007_000001.xml").read_text()
    assert "<bndbox><xmin>2</xmin><ymin>1</ymin><xmax>3</xmax><ymax>2</ymax></bndbox>" in text
    assert (tmp_path / "out/ImageSets/Segmentation/default.txt").read_text() == "2007_000001\n"
    assert not (tmp_path / "out/labelmap.txt").exists(), "VOC's classes need no label map"


def test_void_over_an_object_is_an_overlap_and_void_over_void_is_none(tmp_path: Path) -> None:
    """Of two regions of void one comes back: which was which is lost, and no pixel."""
    taxonomy = Taxonomy(categories=(Category(id=1, name="car"), Category(id=2, name="void", kind="void")))
    ring = [0, 0, 2, 0, 2, 1, 0, 1]
    annotations = [annotation(id=k, category_id=category, segmentation=[ring]) for k, category in enumerate((1, 2, 2))]
    categories = [{"id": each.id, "name": each.name} for each in taxonomy.categories]
    write_document(tmp_path, document(annotations=annotations, categories=categories), "labels.json")
    conversion = convert(tmp_path / "labels.json", tmp_path / "out", to="pascal-voc", taxonomy=taxonomy)
    lost = {loss.kind: (loss.count, loss.pixels) for loss in conversion.losses}
    assert (lost["overlap"], lost["instance"], lost["empty-segment"]) == ((2, 4), (2, 4), (1, 0))
    assert segment_pixels(*open_dataset(tmp_path / "out")[:2]) == {255: ("void", [(0, 0), (1, 0)], False)}


@pytest.mark.parametrize(("id_", "words"), [(0, "has id 0"), (255, "has id 255"), (300, "has id 300")])
def test_ids_beyond_a_byte_are_refused(tmp_path: Path, id_: int, words: str) -> None:
    write_scene(tmp_path, [[1]])
    taxonomy = Taxonomy(categories=(Category(id=id_, name="x"),))
    with pytest.raises(SegdataError, match=words):
        convert(tmp_path, tmp_path / "out", to="pascal-voc", taxonomy=taxonomy)
    assert not (tmp_path / "out").exists()


def test_datumaro_reads_what_is_written_and_is_read(tmp_path: Path) -> None:
    if not PEERS.exists():
        pytest.skip("Datumaro is not here: make build/peers/.installed")
    convert(SAMPLE, tmp_path / "voc", to="pascal-voc")
    words = [PEERS, "-c", BY_DATUMARO, str(tmp_path / "voc"), str(tmp_path / "back")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    theirs = sorted((image, name, pixels) for image, name, pixels in json.loads(done.stdout))
    assert theirs == pixels_of(tmp_path / "voc")
    assert theirs == pixels_of(tmp_path / "back")


def pixels_of(root: Path) -> list[tuple[str, str, list[int]]]:
    """Stem of the image, category, and positions of pixels, of each segment."""
    dataset, batch, _ = open_dataset(root)
    stems = [Path(name).stem for name in batch.images["image_id"].to_pylist()]
    names = [dataset.profile.name_of(each) for each in batch.segments["category_id"].to_pylist()]
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    pixels = [np.flatnonzero(mask.T).tolist() for mask in masks]
    return sorted(zip((stems[row] for row in batch.segment_image), names, pixels, strict=True))


def test_labelme_export(real_data: Path) -> None:
    """The peer's own export: its three images, with the segments that its COCO export has, and __ignore__ as void."""
    root = real_data / "labelme/instance_segmentation"
    assert detect(root / "data_dataset_voc") == "pascal-voc"
    dataset, batch, defects = open_dataset(root / "data_dataset_voc", images=root / "data_annotated")
    assert defects == []
    categories = [dataset.profile.name_of(each) for each in batch.segments["category_id"].to_pylist()]
    assert categories.count("void") == 2
    coco = json.loads((root / "data_dataset_coco/annotations.json").read_text())
    assert len(categories) - 2 == len(coco["annotations"]) == 12
    for row, name in enumerate(batch.images["image_id"].to_pylist()):
        values = np.asarray(Image.open(root / f"data_dataset_voc/SegmentationObject/{Path(name).stem}.png"))
        mine = np.flatnonzero(batch.segment_image == row)
        ids = batch.segments["segment_id"].to_numpy()[mine]
        area = batch.runs.areas(batch.n_segments)[mine]
        objects = {int(id_): int(pixels) for id_, pixels in zip(ids, area, strict=True) if id_ < 255}
        assert objects == {int(v): int((values == v).sum()) for v in np.unique(values) if v}


def test_labelme_export_through_canonical_and_back(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "labelme/instance_segmentation/data_dataset_voc"
    convert(root, tmp_path / "canonical")
    convert(tmp_path / "canonical", tmp_path / "voc", to="pascal-voc")
    assert diff(root, tmp_path / "voc").same


def test_datumaro_fixture(real_data: Path) -> None:
    """RGB masks of 20 x 10 pixels: index 2, bicycle, and object 1; the XML's cat and person are nowhere in them."""
    dataset, batch, defects = open_dataset(real_data / DATUMARO)
    assert [(name, len(pixels)) for name, pixels, _ in segment_pixels(dataset, batch).values()] == [("bicycle", 200)]
    assert batch.images["image_id"].to_pylist() == ["2007_000001.jpg", "2007_000002.jpg"]
    assert batch.images["split"].to_pylist() == ["train", "test"]
    assert defects == []
    assert sum(each.code == "SEG014" and each.severity == "info" for each in batch.defects) == 1


@pytest.mark.parametrize(
    ("values", "name", "format"),
    [
        ((0, 255), "1", "colour-masks"),  # 255 would be void
        ((0, 40, 180, 255), "1", "colour-masks"),  # soft edges of one class
        ((0, 3, 15, 255), "1", "pascal-voc"),
        ((0, 255), "2007_000032", "pascal-voc"),
    ],
)
def test_masks_of_another_meaning_in_voc_s_folders(
    tmp_path: Path, values: tuple[int, ...], name: str, format: str
) -> None:
    """Grain: soft masks from 0 to 255 in SegmentationClass/, which were read as aeroplanes and bicycles."""
    pixels = np.repeat(np.repeat(np.array([values], np.uint8), 8, axis=0), 8, axis=1)
    for folder, picture in (("SegmentationClass", pixels), ("JPEGImages", pixels)):
        (tmp_path / folder).mkdir()
        Image.fromarray(picture).save(tmp_path / folder / f"{name}.png")
    assert detect(tmp_path) == format
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\ngrain:128,0,0::\n")
    assert detect(tmp_path) == "pascal-voc"


def test_colours_of_their_own_are_numbered(tmp_path: Path) -> None:
    """Masks of two animals in colours that VOC's palette lacks, and no file that names them."""
    for folder in ("JPEGImages", "SegmentationClass"):
        (tmp_path / folder).mkdir()
    for number, color in enumerate([(160, 96, 64), (224, 70, 70)]):
        pixels = np.zeros((20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"JPEGImages/{number}.jpg")
        pixels[5:15, 5:15] = color
        Image.fromarray(pixels).save(tmp_path / f"SegmentationClass/{number}.png")
    data = segdata.read(tmp_path, format="pascal-voc")
    assert data.segments["category"].tolist() == ["category_1", "category_2"]
    assert {one.code for one in data.validate(select=["SEG0", "SEG2"]).findings} == {"SEG219"}


@pytest.mark.parametrize(("with_void", "name"), [(True, "aeroplane"), (False, "category_1")])
def test_classes_are_voc_s_where_void_is_drawn(tmp_path: Path, with_void: bool, name: str) -> None:
    """Leaves of rice, value 1 of masks without void, were aeroplanes."""
    pixels = np.zeros((20, 30), np.uint8)
    pixels[4:12, 5:25] = 255 if with_void else 0
    pixels[6:10, 8:20] = 1
    for folder in ("SegmentationClass", "JPEGImages"):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "leaf.png")
    data = segdata.read(tmp_path)
    assert set(data.segments["category"]) - {"void"} == {name}
    assert [each.code for each in data.validate().findings if each.code == "SEG219"] == ["SEG219"]


@pytest.mark.parametrize("colour", [(7, 7, 7), (128, 128, 128), (192, 128, 128)])
def test_indices_that_are_saved_as_greys_in_rgb(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    """Values i in 0 to 9, saved as the colours (i, i, i), none of which is in VOC's palette; grey 128 is, class 7."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[4:12, 5:25] = colour
    pixels[14:18, 5:25] = 0 if colour[0] == colour[1] == 128 else (3, 3, 3)
    for folder in ("SegmentationClass", "JPEGImages"):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "leaf.png")
    data = segdata.read(tmp_path)
    names = {(7, 7, 7): ["category_3", "category_7"], (128, 128, 128): ["category_7"]}
    # One colour that is no grey shows that the others are no indices.
    assert sorted(data.segments["category"]) == names.get(colour, ["category_15"])
    assert [each.code for each in data.validate(select=["SEG009"]).findings] == ([] if colour in names else ["SEG009"])


def test_black_and_white_in_rgb_is_not_void(tmp_path: Path) -> None:
    """White may be a foreground: it is reported, and not read as VOC's void, whose index is 255."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[4:12, 5:25] = 255
    for folder in ("SegmentationClass", "JPEGImages"):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "leaf.png")
    findings = segdata.read(tmp_path).validate(select=["SEG009"]).findings
    assert [finding.pixels for finding in findings] == [160]


@pytest.mark.parametrize("name", ["train_aug", "trainaug"])
def test_a_list_that_extends_another_is_no_split(tmp_path: Path, name: str) -> None:
    """As VOC 2012 with the masks of SBD: names that only the other folder has masks of are told, not missing."""
    for k in range(1, 7):
        save(tmp_path / f"SegmentationClassAug/2007_{k:06d}.png", [[2, 0]])
        if k < 4:
            write_scene(tmp_path, [[1, 0]], stem=f"2007_{k:06d}")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    for split, numbers in (("train", (1, 2)), ("val", (3,)), (name, (1, 2, 4, 5, 6))):
        (lists / f"{split}.txt").write_text("".join(f"2007_{k:06d}\n" for k in numbers))
    dataset, batch, defects = open_dataset(tmp_path, format="pascal-voc")
    assert defects == []
    assert batch.images["split"].to_pylist() == ["train", "train", "val"]
    told = [defect.message for defect in dataset.source.defects if defect.code == "SEG011"]
    assert [message[:8] for message in told] == ["3 images"]
    assert "classes=SegmentationClassAug" in told[0]
    (tmp_path / f"ImageSets/Segmentation/{name}.txt").write_text("2007_000001\n2007_000002\n2007_000003\n")
    assert [defect.code for defect in open_dataset(tmp_path, format="pascal-voc")[2]] == ["SEG304"]


def test_lists_of_a_class_are_read_by_their_names(tmp_path: Path) -> None:
    """VOC's lists of a class tell 1 or -1 behind each name."""
    for number in (1, 2):
        write_scene(tmp_path, [[7]], [[1]], stem=f"2007_{number:06d}")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000001 -1\n2007_000002  1\n")
    _, batch, defects = open_dataset(tmp_path)
    assert batch.images["split"].to_pylist() == ["train", "train"]
    assert defects == []


@pytest.mark.parametrize(
    ("classes", "objects", "is_told"),
    [
        ([[3, 3, 0, 5]], [[3, 3, 0, 5]], True),
        ([[3, 3, 0, 5]], [[1, 1, 0, 2]], False),
        ([[1, 1, 0, 2]], [[1, 1, 0, 2]], False),  # numbered from 1, as objects are
        ([[3, 3, 0, 3]], [[3, 3, 0, 4]], False),
    ],
)
def test_a_mask_of_objects_that_is_that_of_classes(
    tmp_path: Path, classes: object, objects: object, is_told: bool
) -> None:
    write_scene(tmp_path, classes, objects)
    _, _, defects = open_dataset(tmp_path)
    assert [(defect.code, defect.severity) for defect in defects] == [("SEG206", "warning")] * is_told
