"""Arrays in memory become datasets, and datasets arrays and tensors, with the same pixels."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import segdata
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy
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
    maps = LabelMaps.of(batches, profile.taxonomy)  # type: ignore[arg-type,attr-defined]
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
