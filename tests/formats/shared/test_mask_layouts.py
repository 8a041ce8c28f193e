"""Which folders hold masks and which images, laid out as public datasets are."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

import segdata
from segdata.core.errors import SegdataError, UnreadableError
from segdata.formats.shared.mask_layouts import UnclearMasksError, find_layouts, list_unread_masks

MASK = np.zeros((40, 50), np.uint8)
MASK[10:30, 5:25] = 1
MASK[20:35, 30:45] = 2
PHOTOGRAPH = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)


def lay_out(root: Path, *, masks: tuple[str, ...] = (), photographs: tuple[str, ...] = ()) -> None:
    """Image files at these paths."""
    for names, pixels in ((masks, MASK), (photographs, PHOTOGRAPH)):
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def twins(masks: str, images: str) -> tuple[list[str], list[str]]:
    """Three files of each pattern, in which ``?`` is a number."""
    return [masks.replace("?", f"{k}") for k in range(3)], [images.replace("?", f"{k}") for k in range(3)]


@pytest.mark.parametrize(
    "pair",
    [
        twins("ISIC2018_Task1_GroundTruth/ISIC_?_segmentation.png", "ISIC2018_Task1-2_Input/ISIC_?.jpg"),
        twins("5_Labels_all/top_2_?_label.tif", "2_Ortho_RGB/top_2_?_RGB.tif"),
        twins("annotated/?.png", "photos/?.png"),
        twins("y_test/?.png", "x_test/?.png"),
        twins("masks_png/?.png", "images_png/?.png"),
        twins("masks/?.png", "frames/?.jpg"),
        twins("gt/?_gt.png", "original/?.png"),
        twins("annotations/trimaps/Cat_?.png", "images/Cat_?.jpg"),
        twins("masks/?.png", "images/jpg/?.jpg"),
        twins("AerialDataset/train/gt/city?.tif", "AerialDataset/train/images/city?.tif"),
        twins("train_val/masks/d_?.bmp", "train_val/images/d_?.jpg"),
    ],
)
def test_images_are_found_to_their_masks(tmp_path: Path, pair: tuple[list[str], list[str]]) -> None:
    lay_out(tmp_path, masks=tuple(pair[0]), photographs=tuple(pair[1]))
    data = segdata.read(tmp_path)
    assert len(data.images) == 3
    assert sorted(data.images["uri"].map(lambda uri: Path(uri).name)) == sorted(Path(name).name for name in pair[1])
    assert set(data.segments["area"]) == {1375, 400, 225}
    assert not [each.code for each in data.validate().findings if each.code in ("SEG002", "SEG009", "SEG011")]


def test_parts_of_splits_are_one_dataset(tmp_path: Path) -> None:
    """LoveDA."""
    for split in ("Train", "Val"):
        for part, number in (("Urban", 1), ("Rural", 2)):
            lay_out(
                tmp_path / split / part, masks=(f"masks_png/{number}.png",), photographs=(f"images_png/{number}.png",)
            )
    images = segdata.read(tmp_path).images
    assert sorted(zip(images["split"], images["image_id"], strict=True)) == [
        ("train", "Train/Rural/2.png"),
        ("train", "Train/Urban/1.png"),
        ("val", "Val/Rural/2.png"),
        ("val", "Val/Urban/1.png"),
    ]


def test_datasets_side_by_side_are_not_one(tmp_path: Path) -> None:
    for name in ("cells", "roads"):
        lay_out(tmp_path / name, masks=("masks/a.png",), photographs=("images/a.jpg",))
    with pytest.raises(SegdataError, match=r"cells \(colour-masks\), roads \(colour-masks\)"):
        segdata.read(tmp_path)


def test_photographs_in_a_folder_for_each_class_have_no_masks(tmp_path: Path) -> None:
    lay_out(tmp_path, photographs=("cat/1.png", "dog/1.png"))
    assert [layout.images for layout in find_layouts(tmp_path)] == [None]
    with pytest.raises(UnreadableError):
        segdata.read(tmp_path)


def test_folders_whose_names_end_in_splits_are_one_dataset(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        masks=("annotations_prepped_train/a.png", "annotations_prepped_train/b.png", "annotations_prepped_test/a.png"),
        photographs=("images_prepped_train/a.png", "images_prepped_train/b.png", "images_prepped_test/a.png"),
    )
    dataset = segdata.read(tmp_path)
    (batch,) = dataset
    assert batch.images["image_id"].to_pylist() == ["test/a.png", "train/a.png", "train/b.png"]
    assert batch.images["split"].to_pylist() == ["test", "train", "train"]
    assert batch.annotations.num_rows == 3


def test_two_folders_of_masks_are_rivals(tmp_path: Path) -> None:
    names = ("1.png", "2.png")
    lay_out(
        tmp_path,
        masks=tuple(f"{folder}/{name}" for folder in ("anna", "ben") for name in names),
        photographs=tuple(f"pictures/{name}" for name in names),
    )
    with pytest.raises(UnclearMasksError, match="each of anna/, ben/ may be the masks"):
        find_layouts(tmp_path)


def test_photographs_are_no_rivals_of_masks(tmp_path: Path) -> None:
    names = ("1.png", "2.png")
    lay_out(
        tmp_path,
        masks=tuple(f"masks/{name}" for name in names),
        photographs=tuple(f"{folder}/{name}" for folder in ("images", "random") for name in names),
    )
    (layout,) = find_layouts(tmp_path)
    assert (layout.masks.name, layout.images and layout.images.name) == ("masks", "images")


@pytest.mark.parametrize("second", ["depth", "warped_images"])
def test_of_two_folders_of_photographs_the_one_called_images_counts(tmp_path: Path, second: str) -> None:
    """The images of 50 masks were not found in `original_images/`, since `depth/` has their names, too."""
    lay_out(
        tmp_path,
        masks=("mask/1.png", "mask/2.png"),
        photographs=tuple(f"{folder}/{k}.png" for folder in ("original_images", second) for k in (1, 2)),
    )
    (layout,) = find_layouts(tmp_path)
    images = layout.images and layout.images.name
    assert (layout.masks.name, images) == ("mask", "original_images" if second == "depth" else None)


@pytest.mark.parametrize(
    ("masks", "photographs"),
    [
        (("Set_segmentations/#_segmentation.png",) * 2, ("Set_part_1/#.jpg", "Set_part_2/#.jpg")),
        (("masks/#.png", "masks2/#.png"), ("imgs/#.png", "imgs2/#.png")),
    ],
)
def test_images_in_several_folders(tmp_path: Path, masks: tuple[str, str], photographs: tuple[str, str]) -> None:
    """As HAM10000 (one folder of masks, two of images) and comma10k (a second, numbered folder of each)."""
    lay_out(
        tmp_path,
        masks=tuple(name.replace("#", str(10 * k + j)) for k, name in enumerate(masks) for j in (1, 2, 3)),
        photographs=tuple(name.replace("#", str(10 * k + j)) for k, name in enumerate(photographs) for j in (1, 2, 3)),
    )
    data = segdata.read(tmp_path)
    assert (len(data.images), len(data.annotations)) == (6, 6)
    folders = {Path(uri).parent.name for uri in data.images["uri"]}
    assert folders == {Path(name).parent.name for name in photographs}


def test_numbered_folders_whose_files_are_called_alike(tmp_path: Path) -> None:
    """`imgs2/` and `masks2/` begin again with 1; pictures elsewhere are of nothing."""
    lay_out(
        tmp_path,
        masks=("data/masks/1.png", "data/masks/2.png", "data/masks2/1.png", "data/1.png"),
        photographs=("data/imgs/1.png", "data/imgs/2.png", "data/imgs2/1.png", "demo/1.png", "demo/2.png"),
    )
    data = segdata.read(tmp_path)
    assert sorted(data.image_ids) == ["imgs/1.png", "imgs/2.png", "imgs2/1.png"]
    assert set(data.segments["area"]) == {1375, 400, 225}
    shutil.rmtree(tmp_path / "data/imgs2")
    with pytest.raises(UnclearMasksError, match="each of masks/, masks2/ may be the masks"):
        find_layouts(tmp_path / "data")


def test_of_two_photographs_the_one_called_rgb_is_read(tmp_path: Path) -> None:
    numbers = range(10, 16)
    lay_out(
        tmp_path,
        masks=tuple(f"Potsdam/5_Labels_all/top_potsdam_2_{k}_label.tif" for k in numbers),
        photographs=tuple(
            f"Potsdam/{folder}_{kind}/top_potsdam_2_{k}_{kind}.tif"
            for k in numbers
            for folder, kind in (("2_Ortho", "RGB"), ("3_Ortho", "IRRG"))
        ),
    )
    striped = MASK + (np.arange(40) % 12 == 0)[:, None].astype(np.uint8)  # too many edges to tell by folders alone
    Image.fromarray(striped).save(tmp_path / "Potsdam/5_Labels_all/top_potsdam_2_10_label.tif")
    assert {Path(uri).parent.name for uri in segdata.read(tmp_path).images["uri"]} == {"2_Ortho_RGB"}


def test_pictures_without_masks_hide_no_several_masks(tmp_path: Path) -> None:
    """As ACDC: the words of masks do not tell the references of two splits apart, which have no masks."""
    stems = [(split, f"run/run_{k:03d}") for split in ("train", "val") for k in range(3)]
    lay_out(
        tmp_path,
        masks=tuple(f"gt/{split}/{stem}_gt_{kind}.png" for split, stem in stems for kind in ("labelIds", "invIds")),
        photographs=tuple(f"rgb/{split}{end}/{stem}_rgb{end}.png" for split, stem in stems for end in ("", "_ref")),
    )
    with pytest.raises(UnreadableError, match=r"each image has several masks.*--read-option masks=") as refused:
        segdata.read(tmp_path)
    word = re.search(r"masks=(\w+)", str(refused.value))
    assert word
    assert len(segdata.read(tmp_path, options={"masks": word[1]}).annotations) == 6


@pytest.mark.parametrize("sigma", [0.0, 1.5])
def test_smoothed_masks_of_each_category_are_layers(tmp_path: Path, sigma: float) -> None:
    """The greys at their outlines are SEG010."""
    for k in range(4):
        path = tmp_path / f"images/{k:03d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (200, 250, 3)).astype(np.uint8)).save(path)
        for n, name in enumerate(("crab", "kelp", "shell")):
            mask = np.zeros((200, 250))
            mask[25 : 150 + k, 10 + 80 * n : 80 + 80 * n] = 255
            path = tmp_path / "masks" / name / f"{k:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(ndimage.gaussian_filter(mask, sigma).astype(np.uint8)).save(path)
    findings = segdata.validate(tmp_path, select=["SEG010"], jobs=1).findings
    assert {one.code for one in findings} == ({"SEG010"} if sigma else set())
    assert {one.name for one in segdata.read(tmp_path).taxonomy.categories} == {"crab", "kelp", "shell"}


def test_folders_of_which_one_has_no_split_in_its_name_are_one_dataset(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        masks=("Masks/1.png", "Masks/2.png", "MasksValidation/1.png"),
        photographs=("images/1.png", "images/2.png", "imagesValidation/1.png"),
    )
    (batch,) = segdata.read(tmp_path)
    assert batch.images["image_id"].to_pylist() == ["train/1.png", "train/2.png", "val/1.png"]
    assert batch.images["split"].to_pylist() == ["train", "train", "val"]


def test_pictures_beside_the_only_named_dataset_are_left_out_and_told(tmp_path: Path) -> None:
    names = ("1.png", "2.png", "3.png")
    lay_out(
        tmp_path,
        masks=(*(f"data/masks/{name}" for name in names), *(f"results/{name}" for name in names)),
        photographs=tuple(f"data/images/{name}" for name in names),
    )
    dataset = segdata.read(tmp_path)
    assert dataset.image_ids == segdata.read(tmp_path / "data").image_ids
    (left_out,) = [found for found in dataset.validate().findings if found.code == "SEG011"]
    assert "pictures elsewhere, such as results/1.png, are not read" in left_out.message
    assert left_out.severity == "info"


def test_of_two_folders_of_images_masks_have_the_one_of_their_names(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        masks=(*(f"label/{number}.png" for number in range(6)), *(f"mask/{number}.png" for number in range(3))),
        photographs=(*(f"img/{number}.png" for number in range(6)), *(f"image/{number}.png" for number in range(3))),
    )
    with pytest.raises(SegdataError, match=r"each of label/, mask/ may be the masks; .*/label --images \S+/img;"):
        segdata.read(tmp_path)
    shutil.rmtree(tmp_path / "label")
    (layout,) = find_layouts(tmp_path)
    assert (layout.masks.name, layout.images and layout.images.name) == ("mask", "image")


def test_a_dataset_below_another_one_is_told(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        masks=("gt/7.png", *(f"data/train/masks/{name}.png" for name in range(3))),
        photographs=("pictures/7.png", *(f"data/train/imgs/{name}.png" for name in range(3))),
    )
    dataset = segdata.read(tmp_path)
    assert len(dataset.image_ids) == 1
    messages = [found.message for found in dataset.validate().findings if found.code == "SEG011"]
    command = f"segdata validate {tmp_path / 'data' / 'train'}"
    assert messages == [f"3 masks in data/train/masks/ are not read: `{command}` reads them"]


@pytest.mark.parametrize("other", [("test/7_mask.png", "test/7.png"), ("results/gt_7.png", "results/7.png")])
def test_masks_elsewhere_are_not_taken_for_the_dataset(tmp_path: Path, other: tuple[str, str]) -> None:
    names = ("1.png", "2.png", "3.png")
    lay_out(
        tmp_path,
        masks=(*(f"data/train/masks/{name}" for name in names), other[0]),
        photographs=(*(f"data/train/imgs/{name}" for name in names), other[1]),
    )
    with pytest.raises(
        SegdataError, match=r"images and masks lie in folders of their own in data/.*as DATA: "
    ) as refused:
        segdata.read(tmp_path)
    given = re.search(r"as DATA: (\S+?)(;|$)", str(refused.value))
    assert given is not None
    assert len(segdata.read(given[1]).image_ids) == 3


def test_of_several_folders_the_one_with_most_masks_is_offered(tmp_path: Path) -> None:
    """The tests of a library, which lies beside the data, are not what anybody means."""
    names = ("1.png", "2.png", "3.png")
    lay_out(
        tmp_path,
        masks=(*(f"work/train/masks/{name}" for name in names), "library/tests/data/masks/1.png"),
        photographs=(
            *(f"work/train/images/{name}" for name in names),
            "library/tests/data/images/1.png",
            "library/logo.png",
        ),
    )
    with pytest.raises(SegdataError) as refused:
        segdata.read(tmp_path)
    assert f"as DATA: {tmp_path}/work" in str(refused.value)
    assert "you can read these folders" not in str(refused.value)


def test_what_macos_keeps_beside_files_is_no_image(tmp_path: Path) -> None:
    lay_out(tmp_path, masks=("masks/a.png",), photographs=("images/a.jpg",))
    for name in ("masks/._a.png", "images/._a.jpg"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    data = segdata.read(tmp_path)
    assert list(data.images["image_id"]) == ["a.jpg"]
    assert not [each for each in data.validate().findings if each.severity == "error"]


@pytest.mark.parametrize(("masks", "depth", "images"), [("SemSeg", "Depth", "RGB"), ("GTLeft", "DepthLeft", "RGBLeft")])
def test_depth_is_no_rival_of_labels(tmp_path: Path, masks: str, depth: str, images: str) -> None:
    """SYNTHIA, whose depth is stored as its labels are."""
    lay_out(tmp_path, masks=(f"{masks}/0.png", f"{depth}/0.png"), photographs=(f"{images}/0.png",))
    (layout,) = find_layouts(tmp_path)
    assert (layout.masks, layout.images) == (tmp_path / masks, tmp_path / images)


@pytest.mark.parametrize("depth", ["", "Fluo-N2DL-HeLa/"])
def test_images_and_markers_of_the_cell_tracking_challenge_are_no_masks(tmp_path: Path, depth: str) -> None:
    for number in range(3):
        for name in (f"01/t{number:03}", f"01_GT/SEG/man_seg{number:03}", f"01_GT/TRA/man_track{number:03}"):
            path = tmp_path / f"{depth}{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((20, 20), number + 1, np.uint16)).save(path)
    Image.fromarray(np.full((20, 20), 9, np.uint16)).save(tmp_path / f"{depth}01/t003.tif")  # not every frame has one
    data = segdata.read(tmp_path)
    assert data.images["image_id"].tolist() == [f"{depth}01/t00{number}.tif" for number in range(3)]
    assert data.segments["area"].tolist() == [400, 400, 400]
    assert len(segdata.read(tmp_path / f"{depth}01_GT/SEG").images) == 3


@pytest.mark.parametrize(
    ("masks", "photographs", "command"),
    [
        ("data/noise/masks/?.png", "data/noise/images/?.png", "data/noise"),
        ("data/noise/masks/?.png", "data/noise/pictures/?.png", "data/noise"),
        ("other/labels_v2/?.png", "other/?.jpg", "other/labels_v2"),
    ],
)
def test_masks_beside_those_that_are_read_are_told(tmp_path: Path, masks: str, photographs: str, command: str) -> None:
    read = twins("data/masks/?.png", "data/images/?.png")
    further = twins(masks, photographs)
    lay_out(tmp_path, masks=(*read[0], *further[0]), photographs=(*read[1], *further[1]))
    assert [unread.n_files for unread in list_unread_masks(tmp_path, find_layouts(tmp_path / "data"))] == [3]
    (told,) = [unread.data for unread in list_unread_masks(tmp_path, find_layouts(tmp_path / "data"))]
    assert told == tmp_path / command
    assert len(segdata.read(told).image_ids) == 3


@pytest.mark.parametrize("folder", ["masks_preview", "mask_edges", "results/masks", "masks_predicted", "photos"])
def test_pictures_that_are_no_labels_are_not_told_as_masks(tmp_path: Path, folder: str) -> None:
    masks, photographs = twins("data/masks/?.png", "data/images/?.png")
    lay_out(tmp_path, masks=(*masks, *twins(f"more/{folder}/?.png", "")[0]), photographs=tuple(photographs))
    assert list_unread_masks(tmp_path, find_layouts(tmp_path / "data")) == []


def test_predictions_beside_masks_are_no_labels(tmp_path: Path) -> None:
    """As networks leave them: the pictures of a test, and in another folder what was predicted for them."""
    masks, photographs = twins("data/train/mask/a?.png", "data/train/image/a?.png")
    predicted, tested = twins("data/result/b?.png", "data/test/b?.png")
    lay_out(tmp_path, masks=(*masks, *predicted), photographs=(*photographs, *tested))
    dataset = segdata.read(tmp_path)
    assert list(dataset.image_ids) == ["a0.png", "a1.png", "a2.png"]
    (told,) = [defect for defect in dataset.source.defects if defect.code == "SEG011"]
    assert told.message.startswith("pictures elsewhere, such as data/result/b0.png, are not read")
    for path in (tmp_path / "data/train").iterdir():
        shutil.rmtree(path)  # without labels beside them, they are what can be read
    assert len(segdata.read(tmp_path).image_ids) == 3


def test_of_two_folders_of_photographs_the_processed_one_is_left_out(tmp_path: Path) -> None:
    masks, photographs = twins("mask/?.png", "rust_pictures/?.png")
    lay_out(tmp_path, masks=tuple(masks), photographs=(*photographs, *twins("", "processed_pictures/?.png")[1]))
    assert [layout.images for layout in find_layouts(tmp_path)] == [tmp_path / "rust_pictures"]


def test_pictures_whose_values_no_mask_has_are_photographs(tmp_path: Path) -> None:
    lay_out(tmp_path, masks=tuple(twins("label/?.png", "")[0]))
    (tmp_path / "src").mkdir()
    for number in range(3):
        tifffile.imwrite(tmp_path / f"src/{number}.tif", np.ones((40, 50, 3)), photometric="rgb")
    assert [layout.images for layout in find_layouts(tmp_path)] == [tmp_path / "src"]


def test_datasets_side_by_side_with_other_pictures_are_not_one_folder_of_masks(tmp_path: Path) -> None:
    names = [twins(f"data/{name}/labels/?.png", f"data/{name}/images/?.png") for name in ("iron", "steel")]
    lay_out(
        tmp_path,
        masks=(*names[0][0], *names[1][0], "data/noise/iron_label.png"),
        photographs=(*names[0][1], *names[1][1], "data/noise/iron_origin.png"),
    )
    with pytest.raises(SegdataError, match=r"own in data/iron/, data/steel/, .* such as data/noise/iron_label.png; "):
        segdata.read(tmp_path)


def test_a_refusal_offers_folders_that_open_and_says_why_others_do_not(tmp_path: Path) -> None:
    names = [twins(f"{name}/labels/?.png", f"{name}/images/?.png") for name in ("cells", "brains")]
    lay_out(
        tmp_path,
        masks=(*names[0][0], *names[1][0], "brains/labels/9.png", "tests/7_mask.png"),
        photographs=(*names[0][1], *names[1][1], "brains/images/9.png", "tests/7.png"),
    )
    for path in (tmp_path / "brains/labels").iterdir():
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(SegdataError, match=r"brains/ cannot be read: a mask is a pointer of Git LFS, .*") as refused:
        segdata.read(tmp_path)
    assert str(refused.value).endswith(f"give the folder that you mean as DATA: {tmp_path / 'cells'}")


def test_masks_of_other_images_are_no_rivals_and_are_told(tmp_path: Path) -> None:
    """Two series that are numbered alike, `input/` with `mask/` and `rev_input/` with `rev_mask/`."""
    names = [f"{number}.png" for number in range(5)]
    lay_out(
        tmp_path,
        masks=(*(f"mask/{name}" for name in names[:3]), *(f"rev_mask/{name}" for name in names)),
        photographs=(*(f"input/{name}" for name in names[:3]), *(f"rev_input/{name}" for name in names)),
    )
    (layout,) = find_layouts(tmp_path)
    assert (layout.masks, layout.images) == (tmp_path / "mask", tmp_path / "input")
    assert [(unread.folder, unread.n_files) for unread in list_unread_masks(tmp_path, [layout])] == [
        (tmp_path / "rev_mask", 5)
    ]


@pytest.mark.parametrize(("size", "taken"), [((100, 40), False), ((100, 80), True), ((40, 50), True)])
def test_photographs_of_other_proportions_in_a_folder_of_any_name_are_told_not_taken(
    tmp_path: Path, size: tuple[int, int], taken: bool
) -> None:
    """Roads from above are not the labels of a film of the same numbers; half the size, or turned, they may be."""
    masks, photographs = twins("masks/?.png", "film/?.png")
    lay_out(tmp_path, masks=tuple(masks), photographs=tuple(photographs))
    for name in photographs:
        with Image.open(tmp_path / name) as picture:
            picture.resize(size).save(tmp_path / name)
    data = segdata.read(tmp_path)
    assert data.images["uri"].notna().all() == taken
    told = [each.message for each in data.validate().findings if each.code == "SEG011" and "film/" in each.message]
    remedy = "give a folder as DATA, or with --images if the masks are of them"
    assert told == ([] if taken else [f"pictures elsewhere, such as film/, are not read; {remedy}"])
    assert segdata.read(tmp_path, images=tmp_path / "film").images["uri"].notna().all()
