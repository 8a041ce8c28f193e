"""Colour and index masks: every pixel belongs to the category that its value names, or to a finding."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from segdata.core.batch import Batch, concatenate_batches
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import FileProbe, ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.taxonomy import Category, Taxonomy, load_taxonomy
from segdata.formats.masks.colour_mask_files import MaskReading
from segdata.formats.masks.colour_masks import detect, read, write
from segdata.formats.shared.mask_files import MaskFile, colour_legend
from segdata.formats.shared.per_image import PerImageSource
from segdata.formats.shared.writing import mask_palette, voc_color
from segdata.testing.pictures import masks_of_runs

ROAD = Category(id=1, name="road", kind="stuff", color=(128, 64, 128))
CAR = Category(id=2, name="car", color=(0, 0, 142))
VOID = Category(id=7, name="void", kind="void", color=(255, 255, 255))
STREET = Taxonomy(categories=(ROAD, CAR, VOID), unlabelled=(0, 0, 0))
INDEX = Taxonomy(categories=(ROAD, CAR, VOID), unlabelled=0)


def save(path: Path, values: object, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path, **options)


def loaded(source: PerImageSource) -> Batch:
    batch = concatenate_batches([source.load(rows) for rows in source.chunks()])
    batch.runs.checked(*batch.segment_size)
    return batch


def ids_of(batch: Batch, image: int = 0) -> np.ndarray:
    """The category id of each pixel of an image, -1 where unlabelled."""
    height, width = (int(side[image]) for side in batch.image_size)
    picture = np.full((height, width), -1)
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    for row in np.flatnonzero(batch.segment_image == image):
        picture[masks[row]] = batch.segments["category_id"][int(row)].as_py()
    return picture


def test_colours_are_categories_and_unlabelled_is_nobody(tmp_path: Path) -> None:
    colors = [[(128, 64, 128), (0, 0, 142), (0, 0, 0)], [(128, 64, 128), (255, 255, 255), (0, 0, 142)]]
    save(tmp_path / "masks/a.png", colors)
    source = read(ReadRequest(tmp_path, taxonomy=STREET, annotator="ann"))
    batch = loaded(source)
    assert ids_of(batch).tolist() == [[1, 2, -1], [1, 7, 2]]
    assert batch.segments["segment_id"].to_pylist() == [1, 2, 7]
    assert batch.segments["place"].to_pylist() == ["colour #804080", "colour #00008e", "colour #ffffff"]
    assert batch.annotations.to_pylist()[0]["annotator"] == "ann"
    assert (source.profile.task, source.profile.coverage.value, source.profile.overlap.value) == (
        "semantic",
        "exhaustive",
        "forbid",
    )
    assert batch.defects == ()


def test_an_image_without_segments_is_annotated_and_one_without_mask_is_not(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", np.zeros((2, 2, 3)))
    save(tmp_path / "images/a.png", np.zeros((2, 2, 3)))
    save(tmp_path / "images/b.png", np.zeros((4, 5, 3)))
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=STREET)))
    assert batch.images["image_id"].to_pylist() == ["a.png", "b.png"]
    assert batch.images["width"].to_pylist() == [2, 5]
    assert batch.annotation_image.tolist() == [0]
    assert batch.n_segments == 0


def test_unknown_colour_is_one_finding_with_count_place_and_nearest(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[(128, 64, 128), (128, 65, 128)], [(142, 0, 0), (128, 65, 128)]])
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=STREET)))
    assert ids_of(batch).tolist() == [[1, -1], [-1, -1]]
    swapped, near = sorted(batch.defects, key=lambda each: each.pixels or 0)
    assert (near.code, near.pixels, near.place, near.file, near.image) == (
        "SEG009",
        2,
        "x=1, y=0",
        "masks/a.png",
        "a.png",
    )
    assert "colour (128, 65, 128)" in near.message
    assert "'road' (128, 64, 128)" in near.message
    assert "with red and blue swapped it is 'car'" in swapped.message


def test_smoothed_colours_are_one_lossy_mask(tmp_path: Path) -> None:
    ramp = [[(128, 64, 128 - step) for step in range(40)]]
    save(tmp_path / "masks/a.png", ramp)
    (defect,) = loaded(read(ReadRequest(tmp_path, taxonomy=STREET))).defects
    assert (defect.code, defect.pixels) == ("SEG010", 39)


def test_jpeg_masks_are_lossy_once(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.jpg", np.random.default_rng(0).integers(0, 255, (16, 16, 3)))
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=STREET)))
    assert [each.code for each in batch.defects] == ["SEG010"]


def palette_mask(path: Path, values: object, colors: list[tuple[int, int, int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.array(values, np.uint8))
    picture.putpalette([channel for color in colors for channel in color])
    picture.save(path)


def test_palette_index_is_the_id_whatever_its_colour(tmp_path: Path) -> None:
    palette_mask(tmp_path / "masks/a.png", [[0, 1, 2]], [(0, 0, 0), (9, 9, 9), (8, 8, 8)])
    source = read(ReadRequest(tmp_path, taxonomy=INDEX))
    assert ids_of(loaded(source)).tolist() == [[-1, 1, 2]]
    assert source.defects[0].code == "SEG002"  # no images, and nothing else
    assert len(source.defects) == 1


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 1, 3)])
@pytest.mark.parametrize("declared", [False, True])
def test_palettes_of_one_list_of_colours_in_two_orders_are_told(
    tmp_path: Path, order: tuple[int, ...], declared: bool
) -> None:
    """As files of their own that a quantiser wrote: each colour is the same class, under another index."""
    colors = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (0, 0, 128)]
    for k in range(6):
        own = order if k % 2 else (0, 1, 2, 3)
        values = np.random.default_rng(k).integers(0, 4, (8, 8))  # the classes, whose colours are as in `colors`
        shown = [colors[index] for index in own] + [(7, 7, 7)] * (k % 3)  # what no mask uses may differ
        palette_mask(tmp_path / f"masks/{k}.png", np.argsort(own)[values], shown)
        save(tmp_path / f"images/{k}.png", np.random.default_rng(k).integers(0, 255, (8, 8, 3)).astype(np.uint8))
    taxonomy = Taxonomy(categories=tuple(Category(id=id_, name=f"class {id_}") for id_ in range(4)))
    source = read(ReadRequest(tmp_path, taxonomy=taxonomy if declared else None))
    told = [defect for defect in source.defects if defect.code == "SEG202"]
    assert [defect.file for defect in told] == (["masks/1.png"] if order != (0, 1, 2, 3) else [])
    assert all("in another order: (128, 0, 0) is index" in defect.message for defect in told)


def test_palette_that_exchanges_categories_is_said_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        palette_mask(tmp_path / f"masks/{name}.png", [[0, 1, 2]], [(0, 0, 0), (0, 0, 142), (128, 64, 128)])
    found = [each for each in read(ReadRequest(tmp_path, taxonomy=INDEX)).defects if each.code == "SEG202"]
    assert [each.file for each in found] == ["masks/a.png"]
    assert "1 is 'road', its colour that of 'car'" in found[0].message


def test_unlabelled_colour_in_index_masks(tmp_path: Path) -> None:
    palette_mask(tmp_path / "masks/a.png", [[0, 1, 3]], [(5, 5, 5), (9, 9, 9), (8, 8, 8), (0, 0, 0)])
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=STREET)))
    assert ids_of(batch).tolist() == [[-1, 1, -1]]
    assert [each.message.split(" is")[0] for each in batch.defects] == ["value 0"]


def test_palettes_name_their_categories_where_nobody_else_does(tmp_path: Path) -> None:
    palette_mask(tmp_path / "masks/a.png", [[0, 2, 255, 4]] * 4, [voc_color(index) for index in range(256)])
    source = read(ReadRequest(tmp_path))
    assert not source.profile.taxonomy_declared
    (doubt,) = (each for each in source.defects if each.code == "SEG219")
    assert (doubt.severity, "for ids of instances: --from instance-ids" in doubt.message) == ("info", True)
    assert [(each.id, each.kind) for each in source.profile.taxonomy.categories] == [
        (0, "stuff"),
        (2, "stuff"),
        (4, "stuff"),
        (255, "void"),
    ]
    assert ids_of(loaded(source)).tolist() == [[0, 2, 255, 4]] * 4


def test_colours_need_a_taxonomy_that_has_colours(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", np.zeros((2, 2, 3)))
    with pytest.raises(UnreadableError, match="no category of the taxonomy has a color"):
        read(ReadRequest(tmp_path, taxonomy=Taxonomy(categories=(Category(id=1, name="a"),))))


def test_grey_values_that_are_no_ids_stop(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[0, 127, 255]])
    with pytest.raises(UnreadableError, match=r"127, 255.*--from"):
        read(ReadRequest(tmp_path, taxonomy=INDEX))


@pytest.mark.parametrize(("values", "read_as", "n_unknown"), [([0, 2, 1], [-1, 2, 1], 0), ([0, 2, 9], [-1, -1, -1], 3)])
def test_greys_in_three_channels_are_ids(tmp_path: Path, values: list[int], read_as: list[int], n_unknown: int) -> None:
    """As OpenCV writes a grey mask that was read with its defaults."""
    save(tmp_path / "masks/a.png", [[1, 2]])
    save(tmp_path / "masks/b.png", [[(value, value, value) for value in values]])
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=INDEX)))
    assert ids_of(batch, 1).tolist() == [read_as]
    assert [each.code for each in batch.defects] == ["SEG009"] * n_unknown


def test_one_bad_grey_value_is_a_finding(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[0, 1, 2, 9]])
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=INDEX)))
    assert [(each.code, each.place) for each in batch.defects] == [("SEG009", "x=3, y=0")]


def test_colour_table_gives_colours_to_a_taxonomy_without(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[(1, 2, 3)]])
    (tmp_path / "label_colors.txt").write_text("1 2 3 auto\n")
    named = Taxonomy(categories=(Category(id=5, name="car", aliases=("auto",)),))
    assert ids_of(loaded(read(ReadRequest(tmp_path, taxonomy=named)))).tolist() == [[5]]
    assert ids_of(loaded(read(ReadRequest(tmp_path)))).tolist() == [[0]]


def test_broken_files_are_findings_and_the_rest_is_read(tmp_path: Path) -> None:
    save(tmp_path / "masks/a.png", [[1, 2]])
    save(tmp_path / "masks/b.png", np.random.default_rng(0).integers(1, 3, (90, 90)))
    data = (tmp_path / "masks/b.png").read_bytes()
    (tmp_path / "masks/b.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "masks/c.png").write_bytes(b"")
    save(tmp_path / "images/a.png", [[1, 2, 3]])
    for name in ("b", "c"):
        (tmp_path / f"images/{name}.png").write_bytes(b"junk")
    batch = loaded(read(ReadRequest(tmp_path, taxonomy=INDEX)))
    assert ids_of(batch).tolist() == [[1, 2]]
    assert batch.annotation_image.tolist() == [0]
    assert sorted((each.code, each.file, each.image) for each in batch.defects) == [
        ("SEG001", "images/b.png", "b.png"),
        ("SEG001", "images/c.png", "c.png"),
        ("SEG001", "masks/b.png", "b.png"),
        ("SEG001", "masks/c.png", "c.png"),
        ("SEG003", "masks/a.png", "a.png"),
    ]


def test_detects_masks_by_names_and_headers(tmp_path: Path) -> None:
    assert detect(FileProbe(tmp_path)) is None
    save(tmp_path / "masks/a.png", [[1, 2]])
    clue = detect(FileProbe(tmp_path))
    assert clue is not None
    assert "grey 8 bit" in clue.evidence
    (tmp_path / "segdata.yaml").write_text("instance_ids: {category: nucleus}\n")
    assert detect(FileProbe(tmp_path)) is None


def test_photographs_are_no_masks(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (40, 40, 3)))
    assert detect(FileProbe(tmp_path)) is None


PIXELS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.sampled_from([0, 1, 2, 7])
)
MANY = Taxonomy(categories=(ROAD, CAR, VOID, Category(id=300, name="far", color=(9, 9, 9))), unlabelled=(0, 0, 0))


@pytest.mark.parametrize("taxonomy", [STREET, INDEX, MANY, Taxonomy(categories=STREET.categories)])
@settings(max_examples=15)
@given(images=st.lists(PIXELS, min_size=1, max_size=3))
def test_written_masks_read_back_pixel_by_pixel(
    tmp_path_factory: pytest.TempPathFactory, taxonomy: Taxonomy, images: list[np.ndarray]
) -> None:
    """As palette PNGs where ids fit, as RGB where they do not; sizes differ; annotations may be empty."""
    root = tmp_path_factory.mktemp("masks")
    for number, image in enumerate(images):
        save(root / f"in/masks/{number}.png", image)
    source = read(ReadRequest(root / "in", taxonomy=INDEX))
    before = loaded(source)
    profile = replace(source.profile, taxonomy=taxonomy)
    losses = LossCounter()
    write(profile, [before.take_images(np.array([row])) for row in range(len(images))], root / "out", losses)
    assert losses.listed() == []
    again = read(ReadRequest(root / "out", taxonomy=load_taxonomy(root / "out/taxonomy.yaml")))
    after = loaded(again)
    assert after.defects == ()
    assert after.images["image_id"].to_pylist() == before.images["image_id"].to_pylist()
    assert again.profile.taxonomy.categories == taxonomy.categories
    for number in range(len(images)):
        np.testing.assert_array_equal(ids_of(after, number), ids_of(before, number))


def test_ids_that_do_not_fit_are_refused_with_the_number() -> None:
    with pytest.raises(SegdataError, match="category id 300"):
        mask_palette(Taxonomy(categories=(Category(id=300, name="far"),)))


def test_every_id_taken_leaves_no_value_for_unlabelled() -> None:
    full = Taxonomy(categories=tuple(Category(id=each, name=str(each)) for each in range(256)))
    assert mask_palette(full).blank is None


def test_camvid11(real_data: Path) -> None:
    """The measured facts of the data's README: pixels per value, void in all 40, class 7 absent in 15 images."""
    categories = tuple(Category(id=each, name=f"c{each}", kind="stuff") for each in range(11))
    taxonomy = Taxonomy(categories=(*categories, Category(id=11, name="void", kind="void")))
    source = read(ReadRequest(real_data / "camvid11", taxonomy=taxonomy))
    batch = loaded(source)
    assert (len(source.image_ids), source.defects, batch.defects) == (40, (), ())
    assert batch.images["split"].value_counts().to_pylist() == [
        {"values": "test", "counts": 8},
        {"values": "train", "counts": 24},
        {"values": "val", "counts": 8},
    ]
    ids, areas = batch.segments["category_id"].to_numpy(), batch.runs.areas(batch.n_segments)
    pixels = np.bincount(ids, weights=areas).astype(int).tolist()
    assert pixels == [
        *(1021203, 1694468, 67054, 2060840, 415890, 817028),
        *(86081, 121379, 317781, 35610, 52119, 222547),
    ]
    assert (40 - np.bincount(ids)).tolist() == [0, 0, 0, 0, 1, 3, 1, 15, 1, 3, 14, 0]


def test_camseq32(real_data: Path) -> None:
    """32 palette entries, no pixel off the palette, 23 categories occur; rare ones in as many images as measured."""
    source = read(ReadRequest(real_data / "camseq32"))
    batch = loaded(source)
    assert (source.defects, batch.defects, source.profile.taxonomy_declared) == ((), (), True)
    assert len(source.profile.taxonomy.categories) == 32
    assert int(batch.runs.length.sum()) == 16 * 960 * 720
    ids = batch.segments["category_id"].to_numpy()
    named = source.profile.taxonomy.by_name()
    assert len(np.unique(ids)) == 23
    counts = [int((ids == named[name].id).sum()) for name in ("LaneMkgsNonDriv", "VegetationMisc", "CartLuggagePram")]
    assert counts == [1, 5, 6]
    void = batch.runs.areas(batch.n_segments)[ids == named["Void"].id] / (960 * 720)
    assert (len(void), round(100 * void.min(), 2), round(100 * void.max(), 2)) == (16, 0.18, 2.58)


def test_davis_palettes(real_data: Path) -> None:
    """Index 255 is void by its rarity; blackswan has masks and no images."""
    source = read(ReadRequest(real_data / "davis_interactive"))
    taxonomy = source.profile.taxonomy
    assert {each.id: each.kind for each in taxonomy.categories} == {0: "stuff", 1: "stuff", 2: "stuff", 255: "void"}
    assert [each.code for each in source.defects] == [*["SEG011"] * 6, "SEG219"]
    tennis = [row for row, name in enumerate(source.image_ids) if "tennis" in name]
    assert sorted(set(source.load(np.array(tennis)).segments["category_id"].to_pylist())) == [0, 1, 2, 255]


def test_few_pixels_of_values_that_no_counted_mask_has_are_read_as_the_nearest_level() -> None:
    """Of masks with very many smoothed colours not all are counted."""
    taxonomy = Taxonomy(
        categories=(
            Category(id=1, name="background", kind="stuff", color=(0, 0, 0)),
            Category(id=2, name="car", kind="stuff", color=(255, 255, 255)),
        )
    )
    colours = colour_legend(taxonomy)
    reading = MaskReading(taxonomy, colours, legend=colours, guess="colours")
    pixels = np.zeros((20, 20), np.uint32)
    pixels[:, 10:], pixels[0, 0], pixels[1, 11] = 0xFFFFFF, 0xA0A8B4, 0x302010
    annotation = reading.read(MaskFile(pixels, True, "RGB 8 bit"), "a.png")
    assert annotation.defects == []
    areas = annotation.runs.areas(2).tolist()
    assert sorted(zip(annotation.category_id.tolist(), areas, strict=True)) == [(1, 200), (2, 200)]
    pixels[:5, :5] = 0x804020
    odd = reading.read(MaskFile(pixels, True, "RGB 8 bit"), "a.png")
    assert {defect.code for defect in odd.defects} == {"SEG009", "SEG010"}
