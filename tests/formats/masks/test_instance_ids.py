"""Instance-ID images: every value is the segment that divisor, category or table say it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import segdata
from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config, InstanceIds, load_config
from segdata.core.errors import UnreadableError
from segdata.core.format import FileProbe, ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.taxonomy import Category, Taxonomy, load_taxonomy
from segdata.formats.masks.instance_ids import detect, read, write
from segdata.formats.shared.per_image import PerImageSource
from segdata.formats.shared.writing import pixel_values
from segdata.testing.pictures import masks_of_runs

TAXONOMY = Taxonomy(
    categories=(
        Category(id=7, name="road", kind="stuff"),
        Category(id=26, name="car"),
        Category(id=255, name="void", kind="void"),
    )
)


def save(path: Path, values: object, dtype: type = np.uint16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype)).save(path)


def loaded(source: PerImageSource) -> Batch:
    batch = concatenate_batches([source.load(rows) for rows in source.chunks()])
    batch.runs.checked(*batch.segment_size)
    return batch


def told(batch: Batch) -> list[tuple[int, int, bool]]:
    columns = [batch.segments[name].to_pylist() for name in ("segment_id", "category_id", "iscrowd")]
    return list(zip(*columns, strict=True))


def with_ids(**settings: object) -> Config:
    return Config(instance_ids=InstanceIds(**settings))  # type: ignore[arg-type]  # as the test gives them


def test_divisor_as_cityscapes(tmp_path: Path) -> None:
    """Below the divisor a value is a category: stuff is plain, a thing a group; 26000 is the first car."""
    save(tmp_path / "masks/a.png", [[0, 7, 26, 26000, 26001, 255]])
    source = read(ReadRequest(tmp_path, taxonomy=TAXONOMY, config=with_ids(divisor=1000, void=255)))
    assert source.profile.task == "panoptic"
    assert told(loaded(source)) == [
        (7, 7, False),
        (26, 26, True),
        (255, 255, False),
        (26000, 26, False),
        (26001, 26, False),
    ]


def test_divisor_as_kitti(tmp_path: Path) -> None:
    """With 256 the number 0 means that there is no instance."""
    save(tmp_path / "masks/a.png", [[0, 7 * 256, 26 * 256, 26 * 256 + 1]])
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=TAXONOMY, config=with_ids(divisor=256))))
    assert told(batch) == [(1792, 7, False), (6656, 26, True), (6657, 26, False)]


def test_values_of_unknown_categories_are_one_finding_each_category(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[31001, 31002, 26001], [31001, 9, 0]])
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=TAXONOMY, config=with_ids(divisor=1000))))
    assert told(batch) == [(26001, 26, False)]
    assert [(each.code, each.pixels, each.place) for each in batch.defects] == [
        ("SEG009", 1, "x=1, y=1"),
        ("SEG009", 3, "x=0, y=0"),
    ]
    assert "category 31 is not in the taxonomy: value 31001, 31002" in batch.defects[1].message


@pytest.mark.parametrize("named", ["nucleus", 1])
def test_one_category(tmp_path: Path, named: str | int) -> None:
    save(tmp_path / "m.tif", [[0, 5], [183, 5]])
    taxonomy = None if named == "nucleus" else Taxonomy(categories=(Category(id=1, name="x"),))
    source = read(ReadRequest(tmp_path, taxonomy=taxonomy, config=with_ids(category=named)))
    assert (source.profile.task, source.profile.taxonomy_declared) == ("instance", taxonomy is not None)
    assert told(loaded(source)) == [(5, 1, False), (183, 1, False)]


def test_background_and_void_may_be_any_value(tmp_path: Path) -> None:
    save(tmp_path / "m.png", [[0, 9, 65535]])
    config = with_ids(category="cell", background=9, void=65535)
    batch = loaded(read(ReadRequest(tmp_path, config=config)))
    assert told(batch) == [(0, 1, False), (65535, 65535, False)]
    config = with_ids(category="cell", background=None)
    assert [each[0] for each in told(loaded(read(ReadRequest(tmp_path, config=config))))] == [0, 9, 65535]


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_side_table(tmp_path: Path, name: str) -> None:
    rows = {
        "t.csv": "image,value,category,iscrowd\n,1,car,0\na.png,1,road,1\n,3,26,0\n",
        "t.json": '[{"value": 1, "category": "car"}, {"image": "a", "value": 1, "category": "road", "iscrowd": true},'
        '{"value": 3, "category": 26}]',
    }
    (tmp_path / name).write_text(rows[name])
    for image in ("a", "b"):
        save(tmp_path / f"masks/{image}.png", [[0, 1, 3, 4]])
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=TAXONOMY, config=with_ids(table=name))))
    assert told(batch) == [(1, 7, True), (3, 26, False), (1, 26, False), (3, 26, False)]
    assert [(each.code, each.image) for each in batch.defects] == [("SEG009", "a.png"), ("SEG009", "b.png")]


@pytest.mark.parametrize(
    ("text", "message"),
    [("value,category\nx,car\n", "t.csv:2"), ("value\n1\n", "t.csv:2"), ("value,category\n1,a\n1,b\n", "t.csv:3")],
)
def test_broken_side_table_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    save(tmp_path / "masks/a.png", [[1]])
    with pytest.raises(UnreadableError, match=message):
        read(ReadRequest(tmp_path, config=with_ids(table="t.csv")))


@pytest.mark.parametrize("values", [[7, 26001], [7 * 256, 26 * 256 + 3], [7, 26 * 65536 + 9]])
def test_divisor_is_detected_where_only_one_fits(tmp_path: Path, values: list[int]) -> None:
    save(tmp_path / "masks/a.tif", [[0, *values]], np.int32)
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=TAXONOMY)))
    assert told(batch) == [(values[0], 7, False), (values[1], 26, False)]


def test_what_cannot_be_known_is_asked_for(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[0, 1, 2]])
    with pytest.raises(UnreadableError, match="no usual divisor fits"):
        read(ReadRequest(tmp_path, taxonomy=TAXONOMY))
    guessed = read(ReadRequest(tmp_path, config=with_ids(divisor=1000))).profile  # provisional, as of masks alone
    assert [category.id for category in guessed.taxonomy.categories] == [1, 2]
    with pytest.raises(UnreadableError, match="given: divisor, category"):
        read(ReadRequest(tmp_path, config=with_ids(divisor=1000, category="a")))
    with pytest.raises(UnreadableError, match="'bus' is not in the taxonomy"):
        read(ReadRequest(tmp_path, taxonomy=TAXONOMY, config=with_ids(category="bus")))
    only = Taxonomy(categories=TAXONOMY.categories[:2])
    with pytest.raises(UnreadableError, match="no category of kind void"):
        read(ReadRequest(tmp_path, taxonomy=only, config=with_ids(divisor=1000, void=255)))


def test_slices_of_a_volume_share_their_tracks(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.array([[0, 5]], np.uint16)), Image.fromarray(np.array([[5, 9]], np.uint16))]
    pages[0].save(tmp_path / "v.tif", save_all=True, append_images=pages[1:])
    batch = loaded(read(ReadRequest(tmp_path, config=with_ids(category="cell"))))
    assert batch.images["frame"].to_pylist() == [0, 1]
    assert batch.images["sequence"].to_pylist() == ["v.tif", "v.tif"]
    assert batch.segments["track_id"].to_pylist() == [5, 5, 9]


@pytest.mark.parametrize(("scale", "reason"), [(255, "multiples of 1/255"), (7, "not whole numbers")])
def test_fractions_are_refused_with_their_cause(tmp_path: Path, scale: float, reason: str) -> None:
    save(tmp_path / "masks/a.tif", np.array([[0, 1, 2]], np.float32) / np.float32(scale), np.float32)
    with pytest.raises(UnreadableError, match=f"the mask cannot be read; masks/a.tif: damaged: .*{reason}"):
        read(ReadRequest(tmp_path, taxonomy=TAXONOMY))


@pytest.mark.parametrize(("n_images", "severities"), [(1, ["warning"]), (2, [None]), (3, [])])
def test_pages_of_a_mask_that_its_image_lacks_are_told(
    tmp_path: Path, n_images: int, severities: list[str | None]
) -> None:
    """A page for each class, say, which is no volume; or a single picture of it."""
    for folder, n_pages in (("masks", 3), ("images", n_images)):
        (tmp_path / folder).mkdir()
        first, *others = [Image.fromarray(np.array([[0, 5 + k]], np.uint16)) for k in range(n_pages)]
        first.save(tmp_path / folder / "v.tif", save_all=True, append_images=others)
    source = read(ReadRequest(tmp_path, config=with_ids(category="cell")))
    told = [each for each in source.defects if each.code == "SEG003"]
    assert [each.severity for each in told] == severities
    assert all(each.message.startswith("the mask has 3 pages, the image file ") for each in told)
    assert loaded(source).images["width"].to_pylist() == [2, 2, 2]


def test_preview_beside_a_volume_is_no_image_of_it(tmp_path: Path) -> None:
    """A picture of another size is told once, and no slice is compared with it."""
    first, *others = [Image.fromarray(np.array([[0, 5 + k]], np.uint16)) for k in range(3)]
    save(tmp_path / "images/v.png", np.zeros((8, 9)), np.uint8)
    (tmp_path / "masks").mkdir()
    first.save(tmp_path / "masks/v.tif", save_all=True, append_images=others)
    told = segdata.validate(tmp_path, select=["SEG002", "SEG003", "SEG011"]).findings
    (preview,) = (each for each in told if each.code == "SEG003")
    assert (preview.severity, preview.file) == ("warning", "images/v.png")
    assert preview.message.startswith("one picture of 9x8 beside a volume of 3 slices of 2x1: a preview, and no image")
    assert {each.severity for each in told} <= {"warning", "info"}


def test_detects_wide_masks_and_settings(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[0, 1]], np.uint8)
    assert detect(FileProbe(tmp_path)) is None
    (tmp_path / "segdata.yaml").write_text("instance_ids: {divisor: 1000}\n")
    clue = detect(FileProbe(tmp_path))
    assert clue is not None
    assert clue.score > 0.8
    (tmp_path / "segdata.yaml").unlink()
    save(tmp_path / "masks/a.png", [[0, 1]])
    clue = detect(FileProbe(tmp_path))
    assert clue is not None
    assert "16 bit" in clue.evidence


IMAGES = st.lists(
    hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(0, 5)),
    min_size=1,
    max_size=3,
)
IDS = st.lists(st.sampled_from([-3, 0, 1, 2, 65535, 65536, 2**40]), min_size=6, max_size=6)


@settings(max_examples=40)
@given(images=IMAGES, ids=IDS)
def test_written_images_read_back(
    tmp_path_factory: pytest.TempPathFactory, images: list[np.ndarray], ids: list[int]
) -> None:
    """Whatever the segment ids: negative, twice the same, or beyond 16 bits."""
    root = tmp_path_factory.mktemp("ids")
    for number, image in enumerate(images):
        save(root / f"in/{number}.png", image)
    source = read(ReadRequest(root / "in", config=with_ids(category="cell")))
    before = loaded(source)
    renamed = [ids[value] for value in before.segments["segment_id"].to_pylist()]
    before = replace(before, segments=replace_column(before.segments, "segment_id", renamed))
    losses = LossCounter()
    write(source.profile, [before], root / "out", losses)
    assert losses.listed() == []
    config = load_config(root / "out/segdata.yaml")
    taxonomy = load_taxonomy(root / "out/taxonomy.yaml")
    after = loaded(read(ReadRequest(root / "out", taxonomy=taxonomy, config=config)))
    assert after.defects == ()
    assert after.images.to_pylist() == before.images.to_pylist()
    assert after.annotation_image.tolist() == before.annotation_image.tolist()
    assert _pixels(after) == _pixels(before)


def _pixels(batch: Batch) -> list[tuple[int, int, int, list[list[bool]]]]:
    """Every segment with its image and pixels, in an order of its own."""
    masks = [mask.tolist() for mask in masks_of_runs(batch.runs, *batch.segment_size)]
    ids, categories = (batch.segments[name].to_pylist() for name in ("segment_id", "category_id"))
    return sorted(zip(batch.segment_image.tolist(), ids, categories, masks, strict=True))


def test_values_are_ids_where_they_can_be() -> None:
    assert pixel_values(np.array([9, 3], np.int64)).tolist() == [9, 3]
    assert pixel_values(np.array([2, 2, 1, 0], np.int64)).tolist() == [2, 3, 1, 4]
    many = pixel_values(np.arange(70_000, dtype=np.int64))
    assert len(np.unique(many)) == 70_000
    assert many.min() == 1


def test_more_than_65535_segments_are_a_32_bit_tiff(tmp_path: Path) -> None:
    save(tmp_path / "in/a.tif", np.arange(1, 65_537 + 1).reshape(65_537, 1), np.int32)
    source = read(ReadRequest(tmp_path / "in", config=with_ids(category="cell")))
    write(source.profile, [loaded(source)], tmp_path / "out", LossCounter())
    assert (tmp_path / "out/masks/a.tif").is_file()
    config = load_config(tmp_path / "out/segdata.yaml")
    after = loaded(read(ReadRequest(tmp_path / "out", config=config)))
    assert after.segments["segment_id"].to_pylist() == list(range(1, 65_538))


def test_overlaps_are_counted_and_the_later_segment_wins(tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", [[1, 2, 0]])
    source = read(ReadRequest(tmp_path / "in", config=with_ids(category="cell")))
    batch = loaded(source)
    grown = replace(batch, runs=replace(batch.runs, start=np.array([0, 0]), length=np.array([1, 1])))
    losses = LossCounter()
    write(source.profile, [grown], tmp_path / "out", losses)
    assert [(each.kind, each.count, each.pixels, each.examples) for each in losses.listed()] == [
        ("empty-segment", 1, 0, ["a.png: 1"]),
        ("overlap", 1, 1, ["a.png: 1"]),
    ]
    config = load_config(tmp_path / "out/segdata.yaml")
    after = loaded(read(ReadRequest(tmp_path / "out", config=config)))
    assert told(after) == [(2, 1, False)]


def test_stardist(real_data: Path) -> None:
    """The README's facts: 125 ids up to 183 in 2-D; 51 up to 162 in the volume of 31 slices."""
    source = read(ReadRequest(real_data / "stardist_nuclei", config=with_ids(category="nucleus")))
    assert (len(source.image_ids), source.defects) == (32, ())
    flat = source.load(np.array([0]))
    ids = flat.segments["segment_id"].to_numpy()
    assert (source.image_ids[0], len(ids), ids.max()) == ("img2d.tif", 125, 183)
    assert flat.runs.areas(125).min() >= 10
    volume = source.load(np.arange(1, 32))
    tracks = np.unique(volume.segments["track_id"].to_numpy())
    assert (len(tracks), tracks.max()) == (51, 162)


def test_kitti_and_cityscapes_fixtures(real_data: Path) -> None:
    ids = Taxonomy(categories=tuple(Category(id=each, name=f"c{each}", kind="stuff") for each in range(40)))
    root = real_data / "peer_fixtures/datumaro/kitti_dataset/kitti_segmentation/training"
    source = read(ReadRequest(root / "instance", taxonomy=ids, images=root / "image_2", config=with_ids(divisor=256)))
    assert list(source.image_ids) == ["000030_10.png", "000030_11.png"]
    assert (source.defects, loaded(source).defects) == ((), ())
    root = real_data / "peer_fixtures/datumaro/cityscapes_dataset/dataset/gtFine/test"
    batch = loaded(read(ReadRequest(root, taxonomy=ids, config=with_ids(divisor=1000))))
    assert told(batch) == [
        (3, 3, False),
        (27001, 27, False),
        (27002, 27, False),
        (3, 3, False),
        (12, 12, False),
        (31001, 31, False),
    ]


@pytest.mark.parametrize(("ids", "n_told"), [([1, 2, 3, 4], 1), ([1, 2, 3], 0), ([257, 2, 3, 4], 0)])
def test_ids_whose_bytes_are_exchanged(tmp_path: Path, ids: list[int], n_told: int) -> None:
    values = np.repeat(np.array([[0, *ids]], np.uint16), 4, axis=1)
    for name, pixels in (("a", values.byteswap()), ("b", values % 7), ("c", values % 6)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    setting = Config(instance_ids=InstanceIds(category="cell"))
    findings = segdata.validate(tmp_path, config=setting, select="SEG010").findings
    assert [finding.severity for finding in findings] == ["warning"] * n_told


def _palette_frame(path: Path, *values: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = np.zeros((20, 8 * 6), np.uint8)
    for column, value in enumerate(values):
        frame[4:16, 8 * column : 8 * column + 6] = value
    image = Image.fromarray(frame, "L").convert("P")
    image.putpalette(list(range(256)) * 3)
    image.putdata(frame.ravel().tolist())
    image.save(path)
    picture = path.parents[2] / "images" / path.parent.name / path.with_suffix(".jpg").name
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame).save(picture)


def test_palette_frames_of_videos_number_objects(tmp_path: Path) -> None:
    """As in the demos of two trackers: `masks/judo/00005.png` is of `images/judo/00005.jpg`."""
    for frame, values in {"00000": (1, 2), "00005": (3,)}.items():
        _palette_frame(tmp_path / "masks" / "judo" / f"{frame}.png", *values)
    _palette_frame(tmp_path / "masks" / "bike" / "00000.png", 1, 2)
    data = segdata.read(tmp_path)
    assert (data.profile.format, len(data), len(data.segments)) == ("instance-ids", 3, 5)
    _palette_frame(tmp_path / "masks" / "bike" / "00001.png", 7, 11)  # categories, which leave gaps
    assert segdata.read(tmp_path).profile.format == "colour-masks"
