"""Layers: names tell image, category and instance; pixels may belong to several; grey is said and cut."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import segdata
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.config import Config, Layers
from segdata.core.errors import UnreadableError
from segdata.core.format import FileProbe, ReadRequest
from segdata.core.overlay import SweepRuns, find_overlaps_within
from segdata.core.runs import NumberLine
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.masks.layer_files import LayerNames
from segdata.formats.masks.layers import detect, implied_layers, read
from segdata.formats.shared.per_image import PerImageSource
from segdata.testing.pictures import masks_of_runs


def save(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)


def opened(root: Path, pattern: str, *, taxonomy: Taxonomy | None = None, **settings: object) -> PerImageSource:
    config = Config(layers=Layers(pattern, **settings))  # type: ignore[arg-type]  # as the test gives them
    return read(ReadRequest(root, taxonomy=taxonomy, config=config))


def loaded(source: PerImageSource) -> Batch:
    batch = concatenate_batches([source.load(rows) for rows in source.chunks()])
    batch.runs.checked(*batch.segment_size)
    return batch


def test_layers_of_one_image_overlap(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", [[9, 9, 9]])
    save(tmp_path / "axon/a.png", [[0, 255, 255]])
    save(tmp_path / "myelin/a.png", [[255, 255, 0]])
    source = opened(tmp_path, "{category}/{stem}.png")
    batch = loaded(source)
    assert [mask.tolist() for mask in masks_of_runs(batch.runs, *batch.segment_size)] == [
        [[False, True, True]],
        [[True, True, False]],
    ]
    categories = [(each.name, each.kind) for each in source.profile.taxonomy.categories]
    assert categories == [("axon", "stuff"), ("myelin", "stuff")]
    assert (source.profile.task, source.profile.overlap.value, source.profile.coverage.value) == (
        "semantic",
        "allow",
        "sparse",
    )
    assert batch.segments["file"].to_pylist() == ["axon/a.png", "myelin/a.png"]
    assert (source.defects, batch.defects) == ((), ())


def test_layers_in_a_folder_beside_the_images(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", [[9, 9]])
    save(tmp_path / "masks/a_axon.png", [[0, 255]])
    source = opened(tmp_path, "{stem}_{category}.png")
    assert list(source.image_ids) == ["a.png"]
    assert loaded(source).segments["file"].to_pylist() == ["masks/a_axon.png"]
    assert not source.defects


def test_instances_of_one_category(tmp_path: Path) -> None:
    save(tmp_path / "photos/7.png", [[9, 9]])
    for number, row in enumerate([[1, 0], [0, 1], [0, 0]]):
        save(tmp_path / f"annotations/7_traffic_light_{number}.png", [row])
    taxonomy = Taxonomy(categories=(Category(id=4, name="traffic_light"),))
    source = opened(tmp_path, "annotations/{stem}_{category}_{instance}.png", taxonomy=taxonomy)
    batch = loaded(source)
    assert source.profile.task == "instance"
    assert batch.segments["segment_id"].to_pylist() == [0, 1, 2]
    assert batch.segments["category_id"].to_pylist() == [4, 4, 4]
    assert batch.runs.areas(3).tolist() == [1, 1, 0]  # an instance without pixels is a segment, to be reported
    assert batch.images["image_id"].to_pylist() == ["photos/7.png"]


def test_an_empty_category_layer_means_none_of_it(tmp_path: Path) -> None:
    save(tmp_path / "a_crack.png", [[0, 0]])
    batch = loaded(opened(tmp_path, "{stem}_{category}.png"))
    assert (batch.n_segments, batch.annotations.num_rows) == (0, 1)
    assert batch.images["image_id"].to_pylist() == ["a"]


@pytest.mark.parametrize(("n_grey", "severity"), [(1, "warning"), (40, None)])
def test_one_grey_pixel_is_a_slip_and_a_grey_border_an_error(tmp_path: Path, n_grey: int, severity: str | None) -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[10:50, 10:50] = 255
    mask[10, 10 : 10 + n_grey] = 90
    save(tmp_path / "a_x.png", mask.tolist())
    (defect,) = loaded(opened(tmp_path, "{stem}_{category}.png")).defects
    assert (defect.code, defect.severity, defect.pixels) == ("SEG010", severity, n_grey)


@pytest.mark.parametrize(
    ("values", "expected", "flagged"),
    [
        ([0, 1, 1], [0, 1, 1], False),
        ([0, 255, 255], [0, 1, 1], False),
        ([0, 127, 128, 255], [0, 0, 1, 1], True),
        ([0, 3, 10], [0, 0, 1], True),
        ([5, 255], [0, 1], True),
    ],
)
def test_grey_between_is_said_and_cut_at_half(
    tmp_path: Path, values: list[int], expected: list[int], flagged: bool
) -> None:
    save(tmp_path / "a_x.png", [values])
    batch = loaded(opened(tmp_path, "{stem}_{category}.png"))
    (mask,) = masks_of_runs(batch.runs, *batch.segment_size)
    assert mask.astype(int).tolist() == [expected]
    assert [each.code for each in batch.defects] == ["SEG010"] * flagged
    batch = loaded(opened(tmp_path, "{stem}_{category}.png", threshold=3))
    (mask,) = masks_of_runs(batch.runs, *batch.segment_size) or [np.zeros((1, len(values)), bool)]
    assert mask[0].tolist() == [value >= 3 for value in values]
    assert batch.defects == ()


def test_layers_of_another_size_or_broken_are_left_out(tmp_path: Path) -> None:
    save(tmp_path / "a_x.png", [[0, 1]])
    save(tmp_path / "a_y.png", [[0, 1, 1]])
    (tmp_path / "a_z.png").write_bytes(b"")
    (tmp_path / "b_z.png").write_bytes(b"")
    batch = loaded(opened(tmp_path, "{stem}_{category}.png"))
    assert batch.segments["file"].to_pylist() == ["a_x.png"]
    assert [(each.code, each.file, each.image) for each in batch.defects] == [
        ("SEG003", "a_y.png", "a"),
        ("SEG001", "a_z.png", "a"),
        ("SEG001", "b_z.png", "b"),
    ]
    assert batch.annotation_image.tolist() == [0]


def test_what_stays_alone(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", [[9]])
    save(tmp_path / "images/b.png", [[9]])
    save(tmp_path / "x/a.png", [[1]])
    save(tmp_path / "x/c.png", [[1]])
    source = opened(tmp_path, "{category}/{stem}.png")
    assert list(source.image_ids) == ["a.png", "b.png"]
    assert [(each.code, each.file) for each in source.defects] == [("SEG011", "x/c.png"), ("SEG011", "images/b.png")]
    assert loaded(source).annotation_image.tolist() == [0]


def test_names_that_the_taxonomy_lacks_keep_a_free_id(tmp_path: Path) -> None:
    save(tmp_path / "a_x.png", [[1]])
    save(tmp_path / "a_y.png", [[1]])
    source = opened(tmp_path, "{stem}_{category}.png", taxonomy=Taxonomy(categories=(Category(id=5, name="y"),)))
    assert loaded(source).segments["category_id"].to_pylist() == [6, 5]
    assert source.profile.metadata == {"unknown_categories": '{"6": "x"}'}


def test_an_image_decides_between_two_readings() -> None:
    names = LayerNames.from_config(Layers("{stem}_{category}_{instance}.png"))
    (layer,) = names.find({"a_light_pole_1.png": Path("p")}, {"a.jpg": Path("q")}, None)
    assert (layer.stem, layer.category, layer.instance, layer.image) == ("a", "light_pole", "1", "a.jpg")
    (layer,) = names.find({"a_light_pole_1.png": Path("p")}, {"a_light.jpg": Path("q")}, None)
    assert (layer.stem, layer.category) == ("a_light", "pole")


def test_the_taxonomy_decides_where_no_image_does() -> None:
    names = LayerNames.from_config(Layers("{stem}_{category}.png"))
    taxonomy = Taxonomy(categories=(Category(id=1, name="side_walk"), Category(id=2, name="car")))
    layers = names.find({"a_b_side_walk.png": Path("p"), "a_b_car.png": Path("q")}, {}, taxonomy)
    assert [(layer.stem, layer.category) for layer in layers] == [("a_b", "side_walk"), ("a_b", "car")]


WORDS = st.lists(st.sampled_from(["a", "b", "1", "side", "walk", "light", "pole"]), min_size=1, max_size=3)


@given(stem=WORDS, category=WORDS, instance=st.integers(0, 99), other=WORDS)
def test_a_name_with_underscores_is_split_as_image_and_taxonomy_have_it(
    stem: list[str], category: list[str], instance: int, other: list[str]
) -> None:
    """Whatever the words: the split that fits an image and a category of the taxonomy is taken if there is only one."""
    image, name, spare = "_".join(stem), "_".join(category), "zz" + "_".join(other)
    names = LayerNames.from_config(Layers("{stem}_{category}_{instance}.png"))
    taxonomy = Taxonomy(categories=(Category(id=1, name=name), Category(id=2, name=spare)))
    (layer,) = names.find({f"{image}_{name}_{instance}.png": Path("p")}, {f"{image}.jpg": Path("q")}, taxonomy)
    assert (layer.stem, layer.category, layer.instance) == (image, name, str(instance))


def test_a_layer_is_read_from_the_channel_that_varies(tmp_path: Path) -> None:
    """A colour that is the same everywhere says nothing: the shape is in alpha, and the reverse."""
    shape = np.zeros((14, 16), np.uint8)
    shape[1:10, 2:12] = 255
    flat, black = np.full_like(shape, 255), np.zeros_like(shape)
    picture = np.random.default_rng(0).integers(1, 255, shape.shape, np.uint8)
    cases = {
        "alpha": ([flat, black, flat, shape], shape > 0),  # magenta, cut out by alpha
        "black": ([black, black, black, shape], shape > 0),
        "colour": ([shape, shape, shape, flat], shape > 0),
        "clear": ([shape, shape, shape, black], shape > 0),  # nothing is visible, but the colour has the shape
        "both": ([shape, shape, shape, shape], shape > 0),
        "full": ([flat, flat, flat, flat], flat > 0),
        "none": ([flat, flat, flat, black], black > 0),
        "hidden": ([np.where(shape, 255, 90), black, black, shape], shape > 0),  # another colour where transparent
        "object": ([np.where(shape, picture, 0), picture, picture, shape], shape > 0),
    }
    for name, (channels, _) in cases.items():
        (tmp_path / name).mkdir()
        Image.fromarray(np.stack(channels, axis=2).astype(np.uint8)).save(tmp_path / name / "a.png")
    batch = loaded(opened(tmp_path, "{category}/{stem}.png"))
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    files = [file.split("/")[0] for file in batch.segments["file"].to_pylist()]
    assert dict(zip(files, (mask.tolist() for mask in masks), strict=True)) == {
        name: expected.tolist() for name, (_, expected) in cases.items() if expected.any()
    }
    assert batch.defects == ()


def test_grey_layers_with_alpha(tmp_path: Path) -> None:
    shape = np.array([[0, 255], [255, 255]], np.uint8)
    for name, channels in (("x", (np.full_like(shape, 7), shape)), ("y", (shape, np.full_like(shape, 255)))):
        (tmp_path / name).mkdir()
        Image.fromarray(np.stack(channels, axis=2), "LA").save(tmp_path / name / "a.png")
    batch = loaded(opened(tmp_path, "{category}/{stem}.png"))
    assert [mask.tolist() for mask in masks_of_runs(batch.runs, *batch.segment_size)] == [(shape > 0).tolist()] * 2


def test_of_two_images_with_one_name_the_nearest_folder_counts() -> None:
    names = LayerNames.from_config(Layers("{category}/Imgs/{stem}.png"))
    images = {"Crack/Imgs/1.jpg": Path("p"), "Fray/Imgs/1.jpg": Path("q")}
    (layer,) = names.find({"Fray/Imgs/1.png": Path("r")}, images, None)
    assert layer.image == "Fray/Imgs/1.jpg"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{category}.png", "{stem} is needed"),
        ("{stem}.png", "has no {category}"),
        ("{stem}_{label}.png", "{label} is none of"),
        ("{stem}_{stem}_{category}.png", "once at most"),
        ("nothing/{stem}_{category}.png", "no file fits"),
    ],
)
def test_patterns_that_cannot_work(tmp_path: Path, pattern: str, message: str) -> None:
    save(tmp_path / "a_x.png", [[1]])
    with pytest.raises(UnreadableError, match=message.replace("{", r"\{").replace("}", r"\}")):
        opened(tmp_path, pattern)


def test_only_settings_make_layers(tmp_path: Path) -> None:
    save(tmp_path / "a_x.png", [[1]])
    assert detect(FileProbe(tmp_path)) is None
    with pytest.raises(UnreadableError, match=r"layers: \{pattern"):
        read(ReadRequest(tmp_path))
    (tmp_path / "segdata.yaml").write_text('layers: {pattern: "{stem}_{category}.png"}\n')
    clue = detect(FileProbe(tmp_path))
    assert clue is not None
    assert clue.score > 0.9


def shared(batch: Batch, first: int, second: int) -> list[int]:
    """Pixels that two categories share, for each image."""
    category = batch.segments["category_id"].to_numpy()
    line = NumberLine.from_sizes(*(side[batch.annotation_image] for side in batch.image_size))
    met = find_overlaps_within(SweepRuns.from_runs(batch.runs, line, batch.segment_annotation))
    pairs = {
        int(batch.segment_image[a]): int(pixels)
        for a, b, pixels in zip(met.a, met.b, met.pixels, strict=True)
        if {category[a], category[b]} == {first, second}
    }
    return [pairs.get(image, 0) for image in range(batch.images.num_rows)]


def test_vnc(real_data: Path) -> None:
    """The overlaps that the README lists; the merged labels are no layers of any image."""
    source = opened(real_data / "vnc_sstem", "{category}/{stem}.png")
    batch = loaded(source)
    ids = {each.name: each.id for each in source.profile.taxonomy.categories}
    assert sorted(ids) == ["membranes", "mitochondria", "synapses"]
    assert shared(batch, ids["membranes"], ids["mitochondria"]) == [44, 21, 288, 2, 8, 20, 11]
    assert shared(batch, ids["membranes"], ids["synapses"]) == [1206, 3261, 6477, 6606, 6232, 5959, 5268]
    assert shared(batch, ids["mitochondria"], ids["synapses"]) == [0] * 7
    assert [each.file for each in source.defects] == [f"labels/labels{number:08d}.png" for number in range(7)]
    assert {(each.code, each.category) for each in batch.defects} == {
        ("SEG010", "mitochondria"),
        ("SEG010", "synapses"),
    }


def test_drive_observers(real_data: Path) -> None:
    """Dice of the two observers on the whole image, as the README lists it; GIFs, and images called 01_test.tif."""
    batches = [
        loaded(opened(real_data / "drive", f"{name}_manual/{{stem}}_manual{name[0]}.gif", category="vessel"))
        for name in ("1st", "2nd")
    ]
    masks = [masks_of_runs(batch.runs, *batch.segment_size) for batch in batches]
    dice = [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in zip(*masks, strict=True)]
    listed = [0.8039, 0.8290, 0.7845, 0.8022, 0.7897, 0.7699, 0.7684, 0.7423, 0.7700, 0.7661]
    assert [round(float(each), 4) for each in dice] == listed


def test_magnetic_tile(real_data: Path) -> None:
    """Anti-aliased masks, one category a folder: pixels above 127 as the README says, a finding for each grey file."""
    source = opened(real_data / "magnetic_tile", "{category}/Imgs/{stem}.png")
    batch = loaded(source)
    names = [each.name for each in source.profile.taxonomy.categories]
    assert names == ["MT_Blowhole", "MT_Break", "MT_Crack", "MT_Fray", "MT_Free", "MT_Uneven"]
    weights = batch.runs.areas(batch.n_segments)
    pixels = np.bincount(batch.segments["category_id"].to_numpy(), weights=weights, minlength=7)
    assert pixels[1:].astype(int).tolist() == [14311, 291489, 24742, 701215, 0, 2508124]
    assert (len(source.image_ids), source.defects) == (472, ())
    assert {each.code for each in batch.defects} == {"SEG010"}


def test_axon_corrections(real_data: Path) -> None:
    """Wrong greys are said: two values of rat3_data10 (original only), and of rat2_data5 (never corrected)."""
    taxonomy = Taxonomy(categories=(Category(id=1, name="axon"), Category(id=2, name="myelin")))
    found = {}
    for version in ("original", "corrected"):
        pattern = f"labels_{version}/{{stem}}_seg-{{category}}-manual.png"
        batch = loaded(opened(real_data / "axon_sem_corrections", pattern, taxonomy=taxonomy))
        wrong = [each for each in batch.defects if each.category in ("axon", "myelin")]
        found[version] = [(each.code, str(each.image), each.category) for each in wrong]
    rat2 = [("SEG010", "sub-rat2_sample-data5_SEM.png", name) for name in ("axon", "myelin")]
    rat3 = [("SEG010", "sub-rat3_sample-data10_SEM.png", name) for name in ("axon", "myelin")]
    assert found == {"original": rat2 + rat3, "corrected": rat2}


def test_pycococreator(real_data: Path) -> None:
    source = opened(real_data / "peer_fixtures/pycococreator_shapes", "annotations/{stem}_{category}_{instance}.png")
    batch = loaded(source)
    assert batch.segment_image.tolist() == [0, 1, 1, 1, 1]
    assert batch.segments["segment_id"].to_pylist() == [0, 0, 3, 1, 2]
    assert [each.name for each in source.profile.taxonomy.categories] == ["circle", "square"]
    assert (source.defects, batch.defects) == ((), ())
    implied = segdata.read(real_data / "peer_fixtures/pycococreator_shapes")
    assert (implied.profile.format, len(implied.images), set(implied.segments["category"])) == (
        "layers",
        2,
        {"circle", "square"},
    )


def test_brush_labels_of_label_studio_need_no_pattern(tmp_path: Path) -> None:
    """Names as label_studio_sdk/converter/brush.py gives them."""
    layer = np.zeros((20, 30), np.uint8)
    layer[5:15, 5:20] = 255
    for task, tag in ((1, "Car"), (1, "Tree"), (2, "Car")):
        Image.fromarray(layer).save(tmp_path / f"task-{task}-annotation-{task + 4}-by-1-tag-{tag}-0.png")
    data = segdata.read(tmp_path)
    assert sorted(zip(data.segments["image_id"], data.segments["category"], strict=True)) == [
        ("1", "Car"),
        ("1", "Tree"),
        ("2", "Car"),
    ]


def test_a_folder_for_each_image_needs_no_pattern(tmp_path: Path) -> None:
    """Data Science Bowl 2018: stage1_train/<id>/images/<id>.png and masks/<id of the object>.png."""
    photograph = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    for image, n_objects in (("a1", 2), ("b2", 1)):
        for folder in ("images", "masks"):
            (tmp_path / "stage1_train" / image / folder).mkdir(parents=True)
        Image.fromarray(photograph).save(tmp_path / "stage1_train" / image / "images" / f"{image}.png")
        for number in range(n_objects):
            layer = np.zeros((20, 30), np.uint8)
            layer[5:15, 10 * number : 10 * number + 8] = 255
            Image.fromarray(layer).save(tmp_path / "stage1_train" / image / "masks" / f"{number}f.png")
    data = segdata.read(tmp_path)
    assert sorted(data.segments["area"]) == [80, 80, 80]
    assert set(data.segments["category"]) == {"object"}
    assert len(data.images) == 2
    assert not [each for each in data.validate().findings if each.code in ("SEG002", "SEG011")]


@pytest.mark.parametrize(("names", "categories"), [(("0", "1"), {"object"}), (("hair", "skin"), {"hair", "skin"})])
def test_masks_in_a_folder_of_the_image_s_name_need_no_pattern(
    names: tuple[str, ...], categories: set[str], tmp_path: Path
) -> None:
    photograph = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    (tmp_path / "images").mkdir()
    for image in ("leaf 0", "moss 1", "brick"):
        Image.fromarray(photograph).save(tmp_path / f"images/{image}.jpg")
        (tmp_path / "masks" / image).mkdir(parents=True)
        for number, name in enumerate(names):
            layer = np.zeros((20, 30), np.uint8)
            layer[5:15, 10 * number : 10 * number + 8] = 255
            Image.fromarray(layer).save(tmp_path / f"masks/{image}/{name}.png")
    data = segdata.read(tmp_path)
    assert (sorted(data.image_ids), set(data.segments["category"])) == (
        ["brick.jpg", "leaf 0.jpg", "moss 1.jpg"],
        categories,
    )
    assert data.segments["area"].tolist() == [80] * 6
    assert not [each for each in data.validate().findings if each.code in ("SEG002", "SEG011")]


def test_videos_are_no_masks_in_folders_of_images(tmp_path: Path) -> None:
    """Their folders have no name of an image."""
    names = [f"{kind}/film{film}/{frame}.png" for kind in ("images", "masks") for film in "ab" for frame in "01"]
    assert implied_layers(names) is None


@pytest.mark.parametrize("homes", [("",), ("bottle/", "cable/")])
def test_the_layout_of_mvtec_needs_no_pattern(tmp_path: Path, homes: tuple[str, ...]) -> None:
    """Its folder is the category, and images of several folders have one name; images that are good have no mask."""
    photograph = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    for home in homes:
        for row, label in enumerate(("crack", "good", "hole")):
            save(tmp_path / f"{home}test/{label}/000.png", photograph)
            if label != "good":
                mask = np.zeros((16, 16), np.uint8)
                mask[: 4 + row] = 255
                save(tmp_path / f"{home}ground_truth/{label}/000_mask.png", mask)
        save(tmp_path / f"{home}train/good/000.png", photograph)
    data = segdata.read(tmp_path)
    told = sorted(zip(data.segments["image_id"], data.segments["category"], data.segments["area"], strict=True))
    places = [(f"{home}test/{label}/000.png", label) for home in homes for label in ("crack", "hole")]
    assert told == [(*place, area) for place, area in zip(sorted(places), [64, 96] * len(homes), strict=True)]
    assert not [each for each in data.validate().findings if each.code in ("SEG002", "SEG008", "SEG011")]


def test_the_pixels_of_many_layers_are_not_in_memory_at_once(tmp_path: Path) -> None:
    side, n_layers = 512, 60
    for number in range(n_layers):
        mask = np.zeros((side, side), np.uint8)
        mask[number : number + 9, :9] = 255
        Image.fromarray(mask).save(tmp_path / f"a_{number}.png")
    layers = Layers(pattern="{stem}_{instance}.png", category="cell")
    dataset = segdata.read(tmp_path, config=Config(layers=layers))
    tracemalloc.start()
    try:
        (batch,) = dataset
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert batch.segments.num_rows == n_layers
    assert peak < n_layers * side**2 / 2
