"""Arrays in memory become datasets, and datasets arrays and tensors, with the same pixels."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as coco_mask

import segdata
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.round_trip import content
from segdata.testing.strategies import Details, datasets

TAXONOMY = Taxonomy(
    categories=(
        Category(id=3, name="road", kind="stuff"),
        Category(id=7, name="car"),
        Category(id=9, name="ego", kind="void"),
    )
)


@given(arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.sampled_from([0, 3, 7, 9])))
def test_classes_come_back(ids: np.ndarray) -> None:
    dataset = segdata.from_arrays({"a.png": ids}, TAXONOMY)
    maps = dataset.maps()
    assert maps.names == ("road", "car")
    expected = np.select([ids == 3, ids == 7], [0, 1], 255)
    assert maps.semantic(0).tolist() == expected.tolist()
    assert (
        maps.semantic(0, unlabelled=100, void=200).tolist()
        == np.select([ids == 3, ids == 7, ids == 9], [0, 1, 200], 100).tolist()
    )


def test_an_array_of_segment_ids_and_what_has_no_category() -> None:
    ids = np.array([[0, 70000, 70000], [5, 5, 8]])
    dataset = segdata.from_arrays({"a.png": (ids, {70000: "car", 5: 3})}, TAXONOMY, source="model", annotator="net")
    found = dataset.maps().instances(0)
    assert found.map.tolist() == [[0, 2, 2], [1, 1, 0]]
    assert found.ids.tolist() == [5, 70000]
    assert found.classes.tolist() == [0, 1]
    assert dataset.profile.task == "panoptic"
    assert dataset.annotations["source"].tolist() == ["model"]
    finding = next(each for each in segdata.validate(dataset).findings if each.code == "SEG009")
    assert finding.place == "x=2, y=1"


def test_masks_that_overlap_keep_all_their_pixels() -> None:
    below, above = np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool)
    found = segdata.from_arrays({"a.png": [(below, "car"), (above, "car")]}, ["car"]).maps().instances(0)
    assert found.map.tolist() == [[1, 2, 2]]
    assert found.masks().tolist() == [below.tolist(), above.tolist()]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((2, 3, 4), np.uint8), "list of (mask, category)"),
        (np.zeros((2, 3)), "float64"),
        (np.full((1, 1), 2**40), "32 bits"),
        ([(np.ones((2, 2)), "cat")], "'cat' is not in the taxonomy; it has car"),
        ([(np.ones((2, 2)), 7), (np.ones((2, 3)), 7)], "(2, 3), not (2, 2)"),
    ],
)
def test_what_is_no_label_is_refused(labels: object, words: str) -> None:
    with pytest.raises(SegdataError) as raised:
        list(segdata.from_arrays({"a.png": labels}, TAXONOMY))  # type: ignore[dict-item]
    assert words in str(raised.value)
    assert "a.png" in str(raised.value)


@given(datasets(Details(several=False)))
def test_maps_are_the_masks(made: tuple[object, list[object]]) -> None:
    from segdata.core.label_maps import LabelMaps
    from segdata.testing.pictures import masks_of_runs

    profile, batches = made
    maps = LabelMaps.from_batches(batches, profile.taxonomy)  # type: ignore[arg-type,attr-defined]
    row = 0
    for batch in batches:
        masks = masks_of_runs(batch.runs, *batch.segment_size)  # type: ignore[attr-defined]
        category = batch.segments["category_id"].to_pylist()  # type: ignore[attr-defined]
        for image in range(batch.images.num_rows):  # type: ignore[attr-defined]
            mine = np.flatnonzero(batch.segment_image == image)  # type: ignore[attr-defined]
            expected = np.full((maps.height[row], maps.width[row]), 255)
            for k in mine:
                known = category[k] in maps.classes
                expected[masks[k]] = maps.classes.index(category[k]) if known else 255
            assert maps.semantic(row).tolist() == expected.tolist()
            things = [masks[k].tolist() for k in mine if category[k] in maps.classes]
            assert maps.instances(row).masks().tolist() == things
            row += 1


def street(folder: Path) -> segdata.Dataset:
    """Two images with labels."""
    for name, size in (("a.png", (4, 3)), ("b.png", (2, 2))):
        Image.new("RGB", size, (1, 2, 3)).save(folder / name)
    labels = {"a.png": np.array([[3, 3, 7, 0]] * 3), "b.png": np.array([[9, 9], [7, 7]])}
    return segdata.from_arrays(labels, TAXONOMY, images=folder)


def test_torch_gives_images_with_their_labels(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    data = street(tmp_path).torch(masks=True)
    assert data.categories == ("road", "car")
    first = data[0]
    assert first["image"].shape == (3, 3, 4)
    assert first["image"][:, 0, 0].tolist() == [1, 2, 3]
    assert first["semantic"].tolist() == [[0, 0, 1, 255]] * 3
    assert first["masks"].sum(dim=(1, 2)).tolist() == [6, 3]
    assert first["classes"].tolist() == [0, 1]
    assert data[-1]["semantic"].tolist() == [[255, 255], [1, 1]]
    with pytest.raises(IndexError):
        data[2]
    assert pickle.loads(pickle.dumps(data))[1]["image_id"] == "b.png"
    loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=1)
    assert [each["image_id"] for each in loader] == ["a.png", "b.png"]


def test_torch_says_what_is_wrong_with_an_image(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    dataset = street(tmp_path)
    Image.new("L", (9, 9)).save(tmp_path / "b.png")
    with pytest.raises(SegdataError, match=r"b\.png.*9x9, but its labels are 2x2"):
        dataset.torch()[1]
    (tmp_path / "a.png").unlink()
    with pytest.raises(SegdataError, match=r"a\.png.*cannot be read"):
        dataset.torch()[0]
    with pytest.raises(SegdataError, match="choose another number"):
        dataset.torch(ignore=1)
    labels = {"a.png": np.zeros((3, 4), np.uint8)}
    with pytest.raises(SegdataError, match="images=FOLDER"):
        segdata.from_arrays(labels, TAXONOMY).torch()[0]


def test_a_turned_image_meets_its_labels(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    image = Image.new("L", (4, 2))
    image.putpixel((0, 0), 200)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    image.save(tmp_path / "a.png", exif=exif)
    turned = segdata.from_arrays({"a.png": np.zeros((4, 2), np.uint8)}, TAXONOMY, images=tmp_path).torch()[0]["image"]
    assert turned[0, 0].tolist() == [0, 200]
    stored = segdata.from_arrays({"a.png": np.zeros((2, 4), np.uint8)}, TAXONOMY, images=tmp_path).torch()[0]["image"]
    assert stored[0, 0].tolist() == [200, 0, 0, 0]


IMAGES = pd.DataFrame({"image_id": ["b.png", "a.png"], "height": [4, 3], "width": [6, 5]})
FRAME_COLUMNS = ["image_id", "category", "mask"]


class Held:
    """Batches in memory as a source."""

    def __init__(self, profile: Profile, batch: Batch) -> None:
        self.profile, self.defects, self._batch = profile, (), batch
        self.image_ids = batch.images["image_id"].to_pylist()

    def chunks(self) -> list[Ints]:
        return [np.arange(len(self.image_ids))]

    def load(self, rows: Ints) -> Batch:
        return self._batch.take_images(rows)


@given(datasets())
def test_the_tables_of_a_dataset_are_the_dataset(made: tuple[Profile, list[Batch]]) -> None:
    profile, batches = made
    given_ = OpenDataset(Held(profile, concatenate_batches(batches)), profile, Config())
    again = segdata.from_frames(given_.images, given_.segments, given_.annotations, taxonomy=given_.taxonomy)
    assert not list(again.source.defects)
    lost = frozenset[str]()
    assert content(concatenate_batches(list(again)), profile, lost) == content(
        concatenate_batches(list(given_)), profile, lost
    )  # type: ignore[arg-type]


def scene() -> pd.DataFrame:
    """A box and a hollow box on one image, a line on the other."""
    box, ring, line = np.zeros((4, 6), bool), np.zeros((4, 6), bool), np.zeros((3, 5), np.uint8)
    box[1:3, 1:4] = ring[:, 2:] = line[1] = True
    ring[1:3, 3:5] = False
    rows = [("b.png", "car", box), ("b.png", "road", ring), ("a.png", "car", line)]
    return pd.DataFrame(rows, columns=FRAME_COLUMNS)


def pixels(dataset: OpenDataset) -> dict[str, list[list[list[bool]]]]:
    """Of each image the masks of its segments."""
    maps = dataset.maps()
    return {name: maps.instances(row).masks().tolist() for row, name in enumerate(maps.image_ids)}


def test_masks_counts_and_cocos_segmentations_are_the_same_pixels() -> None:
    frame = scene()
    masks = segdata.from_frames(IMAGES, frame, taxonomy=["car", "road"])
    assert masks.image_ids == ["a.png", "b.png"]
    assert pixels(masks)["b.png"] == [frame["mask"][0].tolist(), frame["mask"][1].tolist()]
    rles = [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in frame["mask"]]
    forms = {
        "counts": [rle["counts"] for rle in rles],
        "segmentation": [rles[0], {**rles[1], "counts": rles[1]["counts"].decode()}, [[0, 1, 5, 1, 5, 2, 0, 2]]],
    }
    for name, values in forms.items():
        other = segdata.from_frames(
            IMAGES, frame.drop(columns="mask").assign(**{name: values}), taxonomy=["car", "road"]
        )
        assert segdata.diff(masks, other).same, name
    assert other.segments["rings"].isna().tolist() == [False, True, True]


def test_categories_are_those_that_the_segments_name() -> None:
    named = segdata.from_frames(IMAGES, scene())
    assert [(each.id, each.name) for each in named.taxonomy.categories] == [(1, "car"), (2, "road")]
    numbered = segdata.from_frames(IMAGES, scene().assign(category_id=[7, 3, 7]))
    assert [(each.id, each.name) for each in numbered.taxonomy.categories] == [(3, "road"), (7, "car")]
    only_ids = segdata.from_frames(IMAGES, scene().drop(columns="category").assign(category_id=[7, 3, 7]))
    assert only_ids.taxonomy.name_of(7) == "7"


def test_who_annotated_what() -> None:
    """Without a table of annotations the segments tell it, as far as they can."""
    images = pd.concat([IMAGES, pd.DataFrame({"image_id": ["c.png"], "height": [1], "width": [1]})])
    one = segdata.from_frames(images, scene().assign(annotator="ann"))
    assert one.annotations[["image_id", "annotator"]].to_numpy().tolist() == [[f"{k}.png", "ann"] for k in "abc"]
    several = segdata.from_frames(images, scene().assign(annotator=["ann", "bob", "bob"]))
    assert several.annotations[["image_id", "annotator"]].to_numpy().tolist() == [
        ["a.png", "bob"],
        ["b.png", "ann"],
        ["b.png", "bob"],
    ]


def test_coco_s_own_tables_go_in() -> None:
    """Pandas makes numbers of ids, and floats of columns with gaps."""
    images = pd.DataFrame({"image_id": [1, 2], "width": [5.0, 5.0], "height": [3, 3], "file_name": ["a", "b"]})
    boxes = [[[1, 0, 4, 0, 4, 2, 1, 2]], [np.array([0, 0, 2, 0, 2, 1, 0, 1])]]
    segments = pd.DataFrame(
        {"image_id": [2, 2], "category_id": [1, 2], "segmentation": boxes, "track_id": [5, None], "area": [6.5, 2.0]}
    )
    made = segdata.from_frames(images, segments)
    assert made.image_ids == ["1", "2"]
    assert made.segments["area"].tolist() == [6, 2]
    assert made.segments["segment_id"].tolist() == [1, 2]
    assert made.segments["track_id"].fillna(-1).tolist() == [5, -1]


def test_what_is_wrong_in_the_tables_is_found() -> None:
    """One bad row is a finding, the others are read."""
    rows = pd.DataFrame(
        {
            "image_id": ["a.png", "a.png", "a.png", "lost.png"],
            "segment_id": [4, 5, 6, 7],
            "category": "car",
            "segmentation": [[[0, 0, 1]], None, [[0, 0, 2, 0, 2, 2]], [[0, 0, 2, 0, 2, 2]]],
        }
    )
    result = segdata.validate(segdata.from_frames(pd.concat([IMAGES, IMAGES[:1]]), rows), select=["SEG0"])
    assert [
        (each.code, each.image, each.segments, each.place) for each in result.findings if each.code != "SEG016"
    ] == [
        ("SEG004", "a.png", (5,), "row 1"),
        ("SEG006", "a.png", (4,), "row 0/segmentation/0"),
        ("SEG007", "lost.png", (), None),
        ("SEG008", "b.png", (), None),
    ]
    counts = rows.assign(segmentation=None, counts=[b"~", b"", b"3300000000", b"\xff"]).drop(columns="segmentation")
    found = segdata.validate(segdata.from_frames(IMAGES, counts), select=["SEG005"]).findings
    assert {each.segments for each in found} == {(4,), (5,), (6,)}


def test_image_files_are_looked_at(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (6, 4)).save(tmp_path / "b.png")
    images = IMAGES.assign(uri=[str(tmp_path / "b.png"), str(tmp_path / "a.png")])
    found = segdata.validate(segdata.from_frames(images, scene()), select=["SEG002"]).findings
    assert [each.image for each in found] == ["a.png"]


def test_a_task_and_kinds() -> None:
    taxonomy = Taxonomy(categories=(Category(id=1, name="car"), Category(id=2, name="road", kind="stuff")))
    assert segdata.from_frames(IMAGES, scene(), taxonomy=taxonomy).profile.task == "panoptic"
    assert segdata.from_frames(IMAGES, scene(), taxonomy=taxonomy, task="semantic").profile.task == "semantic"


def test_no_rows_are_a_dataset_without_segments() -> None:
    empty = segdata.from_frames(IMAGES, scene()[:0], taxonomy=["car"])
    assert len(empty.segments) == 0
    assert len(empty.annotations) == 2


@pytest.mark.parametrize(
    ("images", "segments", "words"),
    [
        (IMAGES.drop(columns="width"), scene(), "images: there is no column 'width', only image_id, height"),
        (IMAGES, scene().drop(columns="mask"), "no column has the pixels: counts, mask, segmentation, rings"),
        (IMAGES, scene().drop(columns="category"), "no column 'category_id' and none 'category'"),
        (IMAGES, scene().assign(category="cra"), "'cra' is not in the taxonomy; it has car"),
        (IMAGES, scene().assign(category_id="car"), "column 'category_id' is not int64"),
        (IMAGES, scene().assign(track_id="x"), "segments: the column 'track_id' is not int64"),
        (IMAGES.assign(width="wide"), scene(), "images: the column 'width' is not int32"),
        (
            IMAGES,
            scene().assign(mask=pd.Series([np.ones((9, 9))] * 3)),
            "image 'b.png': a mask has the shape (9, 9), the image (4",
        ),
    ],
)
def test_tables_of_another_kind_are_refused(images: pd.DataFrame, segments: pd.DataFrame, words: str) -> None:
    with pytest.raises(SegdataError) as raised:
        segdata.from_frames(images, segments, taxonomy=["car", "road"])
    assert words in str(raised.value)


def test_a_category_of_two_names_is_refused() -> None:
    with pytest.raises(SegdataError, match="category 7 has several names"):
        segdata.from_frames(IMAGES, scene().assign(category_id=7))


def test_an_image_without_segments_has_the_size_of_its_file(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(tmp_path / "a.png")
    mask = np.zeros((7, 9), bool)
    mask[2:4, 3:6] = True
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(tmp_path / "b.png")
    data = segdata.from_arrays({"a.png": [], "b.png": [(mask, "a")], "c.png": []}, ["a"], images=tmp_path)
    maps = data.maps()
    sizes = dict(zip(maps.image_ids, zip(maps.height.tolist(), maps.width.tolist(), strict=True), strict=True))
    assert sizes == {"a.png": (7, 9), "b.png": (7, 9), "c.png": (0, 0)}
    assert not [finding for finding in segdata.validate(data).findings if finding.code == "SEG003"]
