"""CVAT files against pycocotools, OpenCV, Datumaro's fixture, and the rules of its documentation."""

from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco_mask

from segdata import Dataset, convert, read
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.errors import SegdataError
from segdata.core.format import detect
from segdata.testing.pictures import Mask, masks_of_runs

META = """<meta><task><name>street</name><mode>annotation</mode><labels>
<label><name>car</name><color>#00ff00</color><type>any</type><attributes>
<attribute><name>parked</name><input_type>checkbox</input_type><default_value>false</default_value></attribute>
<attribute><name>doors</name><input_type>number</input_type></attribute>
<attribute><name>make</name><input_type>select</input_type><values>a\nb</values></attribute></attributes></label>
<label><name>bus</name><attributes></attributes></label>
<label><name>nose</name><type>points</type></label>
</labels></task></meta>"""
POINTS = 'points="2,3;12.5,3;12.5,9.25;2,9"'


def loaded(dataset: Dataset) -> Batch:
    return concatenate_batches(list(dataset))


def masks(batch: Batch) -> list[Mask]:
    return masks_of_runs(batch.runs, *batch.segment_size)


def save(folder: Path, inner: str, meta: str = META, name: str = "annotations.xml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{inner}</annotations>'
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def image(inner: str, name: str = "a.png", more: str = "") -> str:
    return f'<image id="0" name="{name}" width="30" height="20" {more}>{inner}</image>'


def drawn(ring: list[float]) -> Mask:
    (rle,) = coco_mask.frPyObjects([ring], 20, 30)
    found: Mask = coco_mask.decode(rle) > 0
    return found


def test_datumaro_s_fixture(real_data: Path) -> None:
    root = real_data / "peer_fixtures/datumaro/cvat_dataset/for_images"
    assert detect(root) == detect(root / "train.xml") == "cvat"
    dataset = read(root)
    (told,) = dataset.source.defects
    assert told.severity == "info"
    assert told.message.endswith("left out: 1 points, 1 polyline, 2 skeleton; labels of these alone: label2")
    batch = loaded(dataset)
    (broken,) = batch.defects
    assert (broken.code, broken.place) == ("SEG004", "/annotations/image[2]/polygon[1]")  # its label is empty
    assert batch.segments["attributes"].to_pylist() == [
        [("a1", "true"), ("a2", '"v3"'), ("a3", '"0003"'), ("a4", "2.4"), ("occluded", "true"), ("z_order", "1")]
    ]
    assert [each.name for each in dataset.profile.taxonomy.categories] == ["label1"]
    np.testing.assert_array_equal(masks(batch)[0], drawn([0, 2, 4, 2, 4, 4, 0, 4])[:8, :8])


def test_labels_of_points_alone_are_no_categories(tmp_path: Path) -> None:
    """A fish has a box and thirteen landmarks, whose labels may be of any shape."""
    save(tmp_path, image(f'<polygon label="car" {POINTS}/><points label="bus" points="1,1"/>'))
    dataset = read(tmp_path)
    assert [each.name for each in dataset.profile.taxonomy.categories] == ["car"]
    (told, _) = dataset.source.defects
    assert told.message == "shapes without area are left out: 1 points; labels of these alone: bus"
    save(tmp_path, image(f'<polygon label="bus" {POINTS}/><points label="bus" points="1,1"/>'))
    assert [each.name for each in read(tmp_path).profile.taxonomy.categories] == ["car", "bus"]


def test_a_semicolon_behind_the_last_point_is_no_point(tmp_path: Path) -> None:
    save(tmp_path, image('<polygon label="car" points="2,3;12,3;12,9;"/><polygon label="car" points="2,3;12,3;;9,9"/>'))
    batch = loaded(read(tmp_path))
    (mask,) = masks(batch)
    np.testing.assert_array_equal(mask, drawn([2, 3, 12, 3, 12, 9]))
    (broken,) = batch.defects
    assert broken.code == "SEG006"


def test_polygons_boxes_and_ellipses(tmp_path: Path) -> None:
    """By COCO's rule; turned ones about their middle, clockwise; ellipses as OpenCV draws them."""
    save(
        tmp_path,
        image(
            f'<polygon label="car" {POINTS} source="auto" occluded="1" z_order="2"/>'
            '<box label="bus" xtl="4" ytl="4" xbr="10" ybr="8" source="manual"/>'
            '<box label="bus" xtl="4" ytl="4" xbr="12" ybr="8" rotation="90.00"/>'
            '<ellipse label="bus" cx="14.4" cy="10.6" rx="8.2" ry="3.7" rotation="30"/>'
        ),
    )
    batch = loaded(read(tmp_path))
    polygon, upright, turned, ellipse = masks(batch)
    np.testing.assert_array_equal(polygon, drawn([2, 3, 12.5, 3, 12.5, 9.25, 2, 9]))
    np.testing.assert_array_equal(upright, drawn([4, 4, 10, 4, 10, 8, 4, 8]))
    np.testing.assert_array_equal(turned, drawn([6, 2, 10, 2, 10, 10, 6, 10]))
    canvas = np.zeros((20, 30), np.uint8)
    cv2.ellipse(canvas, (14, 11), (8, 4), 30, 0, 360, 1, thickness=-1)
    np.testing.assert_array_equal(ellipse, canvas > 0)
    assert batch.segments["source"].to_pylist() == ["model", "human", None, None]
    assert batch.segments["attributes"].to_pylist()[0] == [("occluded", "true"), ("z_order", "2")]


@settings(max_examples=30)
@given(mask=arrays(bool, (6, 9)), left=st.integers(0, 21), top=st.integers(0, 14))
def test_masks_go_row_by_row_through_their_box(
    tmp_path_factory: pytest.TempPathFactory, mask: Mask, left: int, top: int
) -> None:
    values = mask.ravel().tolist()
    counts, value = [0], False
    for each in values:
        if each != value:
            counts.append(0)
            value = each
        counts[-1] += 1
    rle = ", ".join(map(str, counts))
    folder = tmp_path_factory.mktemp("masks")
    where = f'left="{left}" top="{top}" width="9" height="6"'
    save(folder, image(f'<mask label="car" source="manual" occluded="0" rle="{rle}" {where} z_order="0"></mask>'))
    whole = np.zeros((20, 30), bool)
    whole[top : top + 6, left : left + 9] = mask
    np.testing.assert_array_equal(masks(loaded(read(folder)))[0], whole)


@pytest.mark.parametrize(("left", "top", "outside"), [(21, 14, 0), (22, 14, 6), (-1, 14, 6), (21, 15, 9), (21, -2, 18)])
def test_pixels_of_masks_outside_of_the_image_are_told(tmp_path: Path, left: int, top: int, outside: int) -> None:
    save(tmp_path, image(f'<mask label="car" rle="0, 54" left="{left}" top="{top}" width="9" height="6"/>'))
    batch = loaded(read(tmp_path))
    told = [(defect.code, defect.pixels, defect.severity) for defect in batch.defects]
    assert told == [("SEG004", outside, "warning")][: outside > 0]
    assert batch.runs.areas(1).tolist() == [54 - outside]


def test_groups_attributes_and_tags(tmp_path: Path) -> None:
    said = (
        '<attribute name="parked">true</attribute><attribute name="doors">4</attribute>'
        '<attribute name="make">b</attribute><attribute name="track_id">9</attribute>'
        '<attribute name="is_crowd">true</attribute>'
    )
    save(
        tmp_path,
        image(
            f'<polygon label="car" {POINTS} group_id="3" source="semi-auto">{said}</polygon>'
            f'<polygon label="car" points="20,2;25,2;25,6" group_id="3" source="semi-auto">{said}</polygon>'
            f'<polygon label="bus" points="20,12;25,12;25,16" group_id="3"/>'
            '<tag label="night" source="manual"></tag><cuboid label="car"/>',
            more='subset="train"',
        ),
    )
    dataset = read(tmp_path)
    batch = loaded(dataset)
    assert batch.images["metadata"].to_pylist() == [[("tags", '["night"]')]]
    assert batch.images["split"].to_pylist() == ["train"]
    assert [len(each) for each in batch.segments["rings"].to_pylist()] == [2, 1]
    first, second = batch.segments.to_pylist()
    assert (first["track_id"], first["iscrowd"], first["source"]) == (9, True, "human")
    assert dict(first["attributes"]) == {
        "doors": "4",
        "group_id": "3",
        "make": '"b"',
        "parked": "true",
        "source": '"semi-auto"',
    }
    assert second["attributes"] == [("group_id", "3")]
    car, bus = dataset.profile.taxonomy.categories
    assert (car.name, car.rgb, [each.values for each in car.attributes]) == ("car", (0, 255, 0), [(), (), ("a", "b")])
    assert bus.name == "bus"
    conversion = convert(dataset, tmp_path / "out", to="cvat", verify=True)
    assert conversion.losses == ()
    assert conversion.proof is not None
    assert conversion.proof.unexplained == ()
    root = ElementTree.parse(tmp_path / "out/annotations.xml").getroot()
    assert [each.get("group_id") for each in root.iterfind("image/polygon")] == ["3", "3", "3"]
    assert root.findtext("meta/task/labels/label/attributes/attribute/input_type") == "number"
    assert [each.get("label") for each in root.iterfind("image/tag")] == ["night"]


def test_attributes_of_several_types_are_counted(tmp_path: Path) -> None:
    """XML holds texts: one number among texts comes back as a text."""
    both = "".join(
        f'<polygon label="{label}" {POINTS}><attribute name="x">{value}</attribute></polygon>'
        for label, value in (("car", "1"), ("bus", "one"))
    )
    numbers = META.replace("doors", "x")
    save(tmp_path / "a", image(both), numbers)
    conversion = convert(tmp_path / "a", tmp_path / "b", to="cvat", verify=True)
    assert conversion.losses == ()
    assert conversion.proof is not None
    assert conversion.proof.unexplained == ()


def track(*shapes: str, id_: int = 0, label: str = "car") -> str:
    return f'<track id="{id_}" label="{label}" source="manual">{"".join(shapes)}</track>'


def box(frame: int, x: float, outside: int = 0, keyframe: int = 1) -> str:
    return (
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="{keyframe}" '
        f'xtl="{x}" ytl="2" xbr="{x + 4}" ybr="6"/>'
    )


VIDEO = META.replace(
    "<mode>annotation</mode>",
    "<mode>interpolation</mode><size>6</size><original_size><width>30</width><height>20</height></original_size>",
)


def test_videos(tmp_path: Path) -> None:
    """All frames are images; a track is not where it is outside."""
    every = [box(frame, frame, keyframe=int(frame in (0, 3))) for frame in range(3)]
    save(tmp_path, track(*every, box(3, 3, outside=1)) + track(box(1, 20, 0), box(2, 20, 1), id_=1, label="bus"), VIDEO)
    dataset = read(tmp_path)
    assert [each.severity for each in dataset.source.defects] == ["info"]  # the images are not here
    assert list(dataset.image_ids) == [f"frame_{frame:06d}.png" for frame in range(6)]
    batch = loaded(dataset)
    assert batch.annotations.num_rows == 6
    assert batch.images["sequence"].to_pylist() == ["street"] * 6
    assert batch.images["frame"].to_pylist() == list(range(6))
    assert [each.name for each in dataset.profile.sequences] == ["street"]
    where = list(zip(batch.segment_image.tolist(), batch.segments["track_id"].to_pylist(), strict=True))
    assert where == [(0, 0), (1, 0), (1, 1), (2, 0)]
    assert int(masks(batch)[1].nonzero()[1].min()) == 1


def test_frames_between_keyframes_are_unknown(tmp_path: Path) -> None:
    """They are not empty: nobody says what is there, unless it is put in between."""
    save(tmp_path, track(box(0, 0), box(4, 8)) + track(box(2, 20), box(3, 20, 1), id_=1, label="bus"), VIDEO)
    dataset = read(tmp_path)
    (unknown,) = [each for each in dataset.source.defects if each.severity == "warning"]
    assert "3 frames between keyframes without a shape (1 frame without any annotation)" in unknown.message
    batch = loaded(dataset)
    assert batch.annotation_image.tolist() == [0, 2, 3, 4, 5]
    between = loaded(read(tmp_path, options={"interpolate": "yes"}))
    assert between.annotation_image.tolist() == list(range(6))
    left = [int(mask.nonzero()[1].min()) for mask in masks(between)]
    assert left == [0, 2, 4, 20, 6, 8]
    with pytest.raises(SegdataError, match="interpolate is 'maybe'"):
        read(tmp_path, options={"interpolate": "maybe"})


def test_zip_archives_are_read(tmp_path: Path) -> None:
    save(tmp_path / "a", image(f'<polygon label="car" {POINTS}/>'))
    with ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.write(tmp_path / "a/annotations.xml", "annotations.xml")
    found, expected = read(tmp_path / "task.zip").segments, read(tmp_path / "a").segments
    assert found[["category", "area", "place"]].equals(expected[["category", "area", "place"]])


def test_holes_and_parts_become_masks(tmp_path: Path) -> None:
    text = '<mask label="car" rle="0, 3, 1, 1, 1, 3" left="0" top="0" width="3" height="3"/>'
    save(tmp_path / "a", image(text))
    conversion = convert(tmp_path / "a", tmp_path / "b", to="cvat", verify=True)
    assert conversion.losses == ()
    mask = ElementTree.parse(tmp_path / "b/annotations.xml").getroot().find("image/mask")
    assert mask is not None
    assert mask.get("rle") == "0, 3, 1, 1, 1, 3"


def test_masks_of_a_track_lie_where_each_frame_has_them(tmp_path: Path) -> None:
    """Frames between keyframes that CVAT writes out are read; an outside shape is not there."""

    def frame(number: int, rle: str, left: int, keyframe: int, outside: int = 0) -> str:
        keys = f'frame="{number}" keyframe="{keyframe}" outside="{outside}" occluded="0" z_order="0"'
        return f'<mask {keys} rle="{rle}" left="{left}" top="1" width="3" height="2"/>'

    shapes = [frame(0, "0, 6", 1, 1), frame(1, "0, 6", 1, 0), frame(2, "1, 5", 2, 1), frame(3, "1, 5", 2, 1, 1)]
    size = "<original_size><width>20</width><height>10</height></original_size>"
    (tmp_path / "annotations.xml").write_text(
        f"<annotations><meta><task><size>4</size>{size}</task></meta>"
        f'<track id="5" label="car" source="manual">{"".join(shapes)}</track></annotations>'
    )
    dataset = read(tmp_path)
    assert dataset.segments[["image_id", "track_id", "area"]].to_numpy().tolist() == [
        ["frame_000000.png", 5, 6],
        ["frame_000001.png", 5, 6],
        ["frame_000002.png", 5, 5],
    ]
    (first, _, third) = masks(concatenate_batches(list(dataset)))
    assert np.argwhere(first).min(axis=0).tolist() == [1, 1]
    assert not third[1, 2]
    assert third[1, 3:5].all()
    assert third[2, 2:5].all()


def test_a_video_is_written_with_its_tracks(tmp_path: Path) -> None:
    """What CVAT does with the file: a shape holds until the next one, so that the end of a track is outside."""
    shapes = track(box(0, 0), box(1, 2), box(2, 4, outside=1), box(3, 6), box(4, 8, outside=1))
    save(tmp_path / "a", shapes + track(box(4, 20), box(5, 21), id_=7, label="bus"), VIDEO)
    conversion = convert(tmp_path / "a", tmp_path / "b", to="cvat", write_options={"layout": "video"}, verify=True)
    assert {loss.kind for loss in conversion.losses} <= {"image-details", "segment-id"}
    root = ElementTree.parse(tmp_path / "b/annotations.xml").getroot()
    assert root.findtext("./meta/task/mode") == "interpolation"
    assert (root.findtext("./meta/task/size"), root.findtext("./meta/task/stop_frame")) == ("6", "5")
    written = {
        each.get("id"): [(shape.get("frame"), shape.get("outside")) for shape in each]
        for each in root.iterfind("track")
    }
    assert written == {"0": [("0", "0"), ("1", "0"), ("2", "1"), ("3", "0"), ("4", "1")], "7": [("4", "0"), ("5", "0")]}
    before, after = read(tmp_path / "a").segments, read(tmp_path / "b").segments
    columns = ["image_id", "category", "track_id", "area"]
    assert after[columns].equals(before[columns])
    # Without the names, as CVAT exports it, the frames are called frame_000000 and so on: here they are already.
    (tmp_path / "b/images.csv").unlink()
    assert read(tmp_path / "b").segments[columns].equals(before[columns])


def test_masks_stay_until_the_next_keyframe(tmp_path: Path) -> None:
    """CVAT copies masks, and boxes turn the shorter way."""
    masks_ = "".join(
        f'<mask frame="{frame}" outside="{outside}" rle="0, 6" left="{frame}" top="1" width="3" height="2"/>'
        for frame, outside in ((0, 0), (2, 0), (4, 1))
    )
    save(tmp_path, track(masks_), VIDEO)
    batch = loaded(read(tmp_path, options={"interpolate": "yes"}))
    assert batch.segment_image.tolist() == [0, 1, 2, 3]
    assert [int(mask.nonzero()[1].min()) for mask in masks(batch)] == [0, 0, 2, 2]


def test_frames_beyond_the_list_are_told(tmp_path: Path) -> None:
    save(tmp_path / "a", track(box(0, 0), box(1, 2)), VIDEO)
    convert(tmp_path / "a", tmp_path / "b", to="cvat", write_options={"layout": "video"})
    index = tmp_path / "b/images.csv"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:2]))
    dataset = read(tmp_path / "b")
    assert len(dataset.image_ids) == 1
    (defect,) = [each for each in dataset.source.defects if each.code == "SEG007"]
    assert "images.csv" in defect.message


def test_images_in_a_folder_of_a_folder(tmp_path: Path) -> None:
    """`images/raw/a.png` is the image `a.png`, unless it lies in a split, or two folders have one."""
    shape = '<polygon label="car" points="2,3;12,3;12,9"/>'
    save(tmp_path, image(shape) + image(shape, "b.png") + image(shape, "c.png"))
    for name in ("images/raw/a.png", "images/raw/b.png", "images/small/b.png", "train/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / name)
    images = {entry.image_id: entry.image for entry in read(tmp_path).source.entries}
    assert images == {"a.png": tmp_path / "images/raw/a.png", "b.png": None, "c.png": None}


def test_labels_that_the_list_lacks_are_named(tmp_path: Path) -> None:
    inner = image(f'<polygon label="car" {POINTS}/><polygon label="cra" {POINTS}/>')
    (told,) = [one for one in read(save(tmp_path / "listed", inner)).source.defects if one.code == "SEG004"]
    assert (told.severity, told.message) == (
        "warning", "shapes have labels that the list of labels lacks: cra; it has bus, car, nose",
    )  # fmt: skip
    without = read(save(tmp_path / "without", inner, meta=""))
    assert not [one for one in without.source.defects if one.code == "SEG004"]


def test_the_flag_is_no_value_of_an_attribute_that_labels_declare(tmp_path: Path) -> None:
    own = f'<polygon label="car" {POINTS} occluded="0"><attribute name="occluded">yes</attribute></polygon>'
    inner = image(own + f'<polygon label="bus" {POINTS} occluded="1"/>')
    declared = META.replace("<name>occluded</name>", "")
    for meta, name in (
        (declared, "occluded"),
        (declared.replace("<name>doors</name>", "<name>occluded</name>"), "is_occluded"),
    ):
        car, bus = loaded(read(save(tmp_path / name, inner, meta=meta))).segments["attributes"].to_pylist()
        assert (car, bus) == ([("occluded", '"yes"')], [(name, "true")])


def test_images_that_two_files_list_are_told_once(tmp_path: Path) -> None:
    shapes = "".join(image(f'<polygon label="car" {POINTS}/>', name) for name in ("a.png", "b.png", "c.png"))
    save(tmp_path, shapes, name="a.xml")
    save(tmp_path, shapes + image("", "d.png"), name="b.xml")
    opened = read(tmp_path)
    assert opened.image_ids == ["a.png", "b.png", "c.png", "d.png"]
    (repeated,) = [defect for defect in opened.source.defects if defect.code == "SEG008"]
    assert (repeated.file, repeated.message) == (
        "b.xml", "3 images have labels in a.xml, too, which are read: a.png, b.png, c.png",
    )  # fmt: skip


def test_two_files_that_are_the_same_are_read_once(tmp_path: Path) -> None:
    image = f'<image id="0" name="a.png" width="20" height="16"><polygon label="car" {POINTS}/></image>'
    save(tmp_path, image)
    save(tmp_path / "masks", image)
    opened = read(tmp_path)
    assert opened.image_ids == ["a.png"]
    (twice,) = [defect for defect in opened.source.defects if defect.code == "SEG008"]
    assert (twice.file, twice.severity) == ("masks/annotations.xml", "warning")


def test_a_backup_beside_the_labels_is_not_read_with_them(tmp_path: Path) -> None:
    box = '<box label="car" xtl="1" ytl="1" xbr="9" ybr="9" occluded="0"/>'
    save(tmp_path, image(box))
    save(tmp_path / "backup", image(box.replace('"9"', '"8"'), "b.png"))
    opened = read(tmp_path)
    assert list(opened.image_ids) == ["a.png"]
    assert any(told.code == "SEG011" and "backup" in told.message for told in opened.source.defects)
    assert len(read(tmp_path, format="cvat")) == 2
