"""Labels beside the edges of their pictures: each change is named, and labels that lie well are left alone."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import segdata
from segdata.core.finding import Finding
from tests.rules.test_by_part import check_all

Points = Any
N, SIDE = 6, 120


def make(root: Path, change: Callable[[Points, int], Points] = lambda xy, image: xy, seed: int = 0) -> Path:
    """COCO with pictures of dark quadrilaterals; `change` moves the outlines (n, 2) of the labels of each image."""
    rng = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(N):
        picture = Image.fromarray(rng.integers(120, 160, (SIDE, SIDE, 3)).astype(np.uint8))
        for _ in range(6):
            centre = rng.uniform(20, SIDE - 20, 2)
            angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
            ring = centre + rng.uniform(6, 18, (7, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
            ImageDraw.Draw(picture).polygon([*map(tuple, ring.tolist())], fill=tuple(rng.integers(0, 90, 3).tolist()))
            drawn = np.clip(change(ring, number), 0, SIDE)
            annotations.append({"image_id": number, "segmentation": [drawn.reshape(-1).tolist()]})
        picture.save(root / f"images/{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
    for id_, annotation in enumerate(annotations, 1):
        corners = np.array(annotation["segmentation"][0]).reshape(-1, 2)
        low, high = corners.min(0), corners.max(0)
        annotation |= {"id": id_, "category_id": 1, "iscrowd": 0, "bbox": [*low.tolist(), *(high - low).tolist()]}
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "stone"}]}
    (root / "instances.json").write_text(json.dumps(content))
    return root


def found(root: Path) -> list[Finding]:
    return list(segdata.validate(root, select="SEG314").findings)


def test_labels_that_lie_well_are_left_alone(tmp_path: Path) -> None:
    """Also loose ones: each outline is off by pixels of its own."""
    assert found(make(tmp_path / "exact")) == []
    rng = np.random.default_rng(1)
    assert found(make(tmp_path / "loose", lambda xy, image: xy + rng.normal(0, 1.5, xy.shape))) == []


def grown(ring: Points, pixels: float) -> Points:
    """The ring with its points moved away from its middle."""
    away = ring - ring.mean(0)
    return ring + pixels * away / np.hypot(*away.T)[:, None]


def test_outlines_that_some_images_have_outside_of_the_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.rules.test_displaced_labels.N", 12)
    (finding,) = found(make(tmp_path / "half", lambda xy, image: grown(xy, 3) if image % 2 else xy))
    assert finding.severity == "info"
    assert re.match(r"the outlines of 6 of 12 images \(1\.png, .*\) lie [2-4] px outside of the edges", finding.message)
    (finding,) = found(make(tmp_path / "all", lambda xy, image: grown(xy, 3.4)))
    assert re.match(r"the outlines of 12 images lie 2 px outside of the edges", finding.message)
    assert found(make(tmp_path / "little", lambda xy, image: grown(xy, 1) if image % 2 else xy)) == []
    assert found(make(tmp_path / "few", lambda xy, image: grown(xy, 3) if image < 4 else xy)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda xy: [SIDE, 0] + xy * [-1, 1], "mirrored left to right"),
        (lambda xy: [0, SIDE] + xy * [1, -1], "mirrored top to bottom"),
        (lambda xy: SIDE - xy, "turned by 180 degrees"),
        (lambda xy: xy[:, ::-1], "with x and y exchanged"),
        (lambda xy: np.stack([xy[:, 1], SIDE - xy[:, 0]], 1), "turned by 270 degrees"),
        (lambda xy: np.stack([SIDE - xy[:, 1], xy[:, 0]], 1), "turned by 90 degrees"),
        (lambda xy: xy + np.array([6, -4]), "shifted by -6 px across and +4 px down"),
        (lambda xy: xy * 0.8, "scaled by 1.25 across and 1.25 down"),
        (lambda xy: xy * [1, 0.9], "scaled by 1 across and 1.11 down"),
    ],
)
def test_one_change_of_all_is_one_finding(tmp_path: Path, change: Callable[[Points], Points], words: str) -> None:
    (finding,) = found(make(tmp_path / "a", lambda xy, image: change(xy)))
    assert finding.image is None
    assert words in finding.message
    assert finding.message.startswith(f"the labels of {N} of {N} images")


def test_single_images_are_named(tmp_path: Path) -> None:
    (finding,) = found(make(tmp_path / "a", lambda xy, image: [SIDE, 0] + xy * [-1, 1] if image == 3 else xy))
    assert finding.image == "3.png"
    assert "mirrored left to right" in finding.message


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    root = make(tmp_path, lambda xy, image: [SIDE, 0] + xy * [-1, 1] if image == 3 else xy)
    try:
        segdata.set_max_pixels(1000)
        assert found(root) == []
    finally:
        segdata.set_max_pixels()
    assert len(found(root)) == 1


@pytest.mark.parametrize(("rim", "words"), [(6.0, "[56] px narrower all around"), (-4.0, "[34] px wider all around")])
def test_labels_that_were_grown_are_not_called_shifted(tmp_path: Path, rim: float, words: str) -> None:
    def change(ring: Points, image: int) -> Points:
        apart = ring - ring.mean(0)
        return ring + (image == 3) * rim * apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1)

    (finding,) = found(make(tmp_path / "a", change))
    assert finding.image == "3.png"
    assert re.search(words, finding.message), finding.message


def test_labels_of_a_picture_twice_as_large_are_named(tmp_path: Path) -> None:
    (finding,) = found(make(tmp_path / "a", lambda xy, image: xy / 2 if image == 3 else xy))
    assert finding.image == "3.png"
    assert "scaled by 2 across and 2 down" in finding.message


def test_exchanged_labels_name_each_other(tmp_path: Path) -> None:
    root = make(tmp_path / "a")
    content = json.loads((root / "instances.json").read_text())
    for one in content["annotations"]:
        one["image_id"] = {2: 5, 5: 2}.get(one["image_id"], one["image_id"])
    (root / "instances.json").write_text(json.dumps(content))
    assert {(one.image, one.message.partition(":")[0].rpartition(" ")[2]) for one in found(root)} == {
        ("2.png", "5.png"),
        ("5.png", "2.png"),
    }


def test_a_faint_picture_of_what_another_shows_is_left_alone(tmp_path: Path) -> None:
    """As of a line on a floor in the next frame: labels that are the same lie on the edges of both pictures."""
    root = make(tmp_path / "a")
    content = json.loads((root / "instances.json").read_text())
    shapes = {one["id"] % 6: one for one in content["annotations"] if one["image_id"] == 2}
    for one in content["annotations"]:
        if one["image_id"] == 5:
            one |= {"segmentation": shapes[one["id"] % 6]["segmentation"], "bbox": shapes[one["id"] % 6]["bbox"]}
    (root / "instances.json").write_text(json.dumps(content))
    noise = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE, 3))
    with Image.open(root / "images/2.png") as picture:
        faint = (0.9 * noise + 0.1 * np.asarray(picture)).astype(np.uint8)
    Image.fromarray(faint).save(root / "images/5.png")
    assert found(root) == []


def test_names_that_are_off_by_one(tmp_path: Path) -> None:
    root = make(tmp_path / "a")
    content = json.loads((root / "instances.json").read_text())
    for one in content["annotations"]:
        one["image_id"] = (one["image_id"] + 1) % N
    (root / "instances.json").write_text(json.dumps(content))
    findings = found(root)
    assert sum(one.count for one in findings) == N
    assert all("another picture" in one.message for one in findings)


def test_without_pictures_nothing_is_said(tmp_path: Path) -> None:
    root = make(tmp_path / "a", lambda xy, image: SIDE - xy)
    for path in (root / "images").iterdir():
        path.unlink()
    assert found(root) == []
    make(tmp_path / "b", lambda xy, image: SIDE - xy)
    (tmp_path / "b/images/0.png").write_bytes(b"no picture")
    (finding,) = found(tmp_path / "b")
    assert f"{N - 1} of {N - 1} images" in finding.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda xy: xy * 0.85, "scaled by 1.1[678]* across and 1.1[678]* down"),
        (lambda xy: xy / 0.85, "scaled by 0.8[456]* across and 0.8[456]* down"),
        (lambda xy: xy + np.array([6, -4]), r"shifted by -6 px across and \+4 px down"),
    ],
)
def test_a_part_of_a_file_is_one_finding(
    tmp_path: Path, change: Callable[[Points], Points], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known of which images the part has: they are neither in a row nor in a file of their own."""
    monkeypatch.setitem(globals(), "N", 16)
    odd = {1, 3, 4, 8, 11, 14, 15}
    findings = found(make(tmp_path / "a", lambda xy, image: change(xy) if image in odd else xy))
    (finding,) = (one for one in findings if one.image is None)
    assert re.search(words, finding.message), finding.message
    assert re.match("the labels of [567] of 16 images", finding.message)
    assert not {one.image for one in findings} - {None, *(f"{number}.png" for number in odd)}


def test_labels_where_the_picture_is_blank(tmp_path: Path) -> None:
    path = make(tmp_path) / "images/2.png"
    with Image.open(path) as picture:
        pixels = np.array(picture)
    pixels[:, : SIDE * 2 // 3] = 0
    Image.fromarray(pixels).save(path)
    (finding,) = found(tmp_path)
    assert finding.image == "2.png"
    assert re.fullmatch("[3-9][0-9]% of the outlines lie where the picture is blank", finding.message)


@pytest.mark.parametrize(("n_blank", "shade"), [(1, 0), (2, 255), (N, 90)])
def test_labels_of_pictures_of_one_shade(tmp_path: Path, n_blank: int, shade: int) -> None:
    """A black picture has nothing to label; where all are placeholders, nothing is said."""
    make(tmp_path)
    for number in range(n_blank):
        Image.new("RGB", (SIDE, SIDE), (shade, shade, shade)).save(tmp_path / f"images/{number}.png")
    findings = found(tmp_path)
    assert [one.image for one in findings] == [f"{number}.png" for number in range(n_blank if n_blank < N else 0)]
    assert all(one.message.startswith("the picture is of one shade around all outlines") for one in findings)
    assert all(one.severity == "warning" for one in findings)


@pytest.mark.parametrize(("category", "n_padded", "flagged"), [("sky", 2, 2), ("background", 2, 0), ("sky", 6, 0)])
def test_labels_on_the_padding_of_a_picture(tmp_path: Path, category: str, n_padded: int, flagged: int) -> None:
    """If all pictures are padded and labelled like that, it is meant."""
    content = json.loads((make(tmp_path) / "instances.json").read_text())
    content["categories"].append({"id": 2, "name": category})
    for number in range(n_padded):
        with Image.open(tmp_path / f"images/{number}.png") as picture:
            pixels = np.array(picture)
        pixels[:14], pixels[-14:] = 0, 0
        Image.fromarray(pixels).save(tmp_path / f"images/{number}.png")
        for y in (0, SIDE - 14):
            ring = [0, y, SIDE, y, SIDE, y + 14, 0, y + 14]
            annotation = {"id": 100 + len(content["annotations"]), "image_id": number, "category_id": 2, "iscrowd": 0}
            content["annotations"].append(annotation | {"segmentation": [ring], "bbox": [0, y, SIDE, 14]})
    (tmp_path / "instances.json").write_text(json.dumps(content))
    findings = found(tmp_path)
    assert [one.image for one in findings] == [f"{number}.png" for number in range(flagged)]
    assert all(one.message.endswith("all of one shade, is labelled to 100%") for one in findings)


def test_a_picture_that_is_its_mask(tmp_path: Path) -> None:
    """Where all pictures are drawn like that, nothing is said."""
    content = json.loads((make(tmp_path) / "instances.json").read_text())
    for number in range(N - 1, -1, -1):
        mask = Image.new("L", (SIDE, SIDE))
        for annotation in content["annotations"]:
            if annotation["image_id"] == number:
                ImageDraw.Draw(mask).polygon(annotation["segmentation"][0], fill=200)
        mask.save(tmp_path / f"images/{number}.png")
        message = "the picture shows nothing but the outlines of the labels: is it their mask?"
        told = {finding.image: finding.message for finding in found(tmp_path)}
        if number in (N - 1, 0):
            assert told == ({f"{number}.png": message} if number else {})


def make_volumes(root: Path, swapped: tuple[int, int] | None = None) -> Path:
    """Six NIfTI volumes of dark stones, and their labels, those of two cases exchanged."""
    nib = pytest.importorskip("nibabel")
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    y, x = np.mgrid[:SIDE, :SIDE]
    rng = np.random.default_rng(3)
    for number in range(N):
        labels = np.zeros((SIDE, SIDE, 3), np.uint8)
        for _ in range(6):
            (down, right), radius = rng.uniform(20, SIDE - 20, 2), rng.uniform(8, 18)
            labels[np.hypot(y - down, x - right) < radius] = 1
        grey = rng.integers(120, 160, labels.shape) - 80 * labels.astype(int)
        nib.save(nib.Nifti1Image(grey.astype(np.int16), np.eye(4)), root / f"imagesTr/case_{number}_0000.nii.gz")
        name = dict(zip(swapped, swapped[::-1], strict=True)).get(number, number) if swapped else number
        nib.save(nib.Nifti1Image(labels, np.eye(4)), root / f"labelsTr/case_{name}.nii.gz")
    names = {"background": 0, "stone": 1}
    content = {"channel_names": {"0": "CT"}, "labels": names, "numTraining": N, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def test_exchanged_labels_of_volumes_name_each_other(tmp_path: Path) -> None:
    assert found(make_volumes(tmp_path / "sound")) == []
    findings = found(make_volumes(tmp_path / "swapped", (1, 4)))
    assert [one.image for one in findings] == ["case_1.nii.gz/0001", "case_4.nii.gz/0001"]
    assert "on the edges of another picture, case_4.nii.gz/0001" in findings[0].message


def test_coordinates_of_the_picture_that_tiles_were_cut_from(tmp_path: Path) -> None:
    """Those of the second picture lie on the first, but some far beyond their own."""
    path = make(tmp_path) / "instances.json"
    content = json.loads(path.read_text())
    first = [one for one in content["annotations"] if one["image_id"] == 0]
    others = [one for one in content["annotations"] if one["image_id"] > 1]
    far = [first[0] | {"segmentation": [[value + SIDE for value in one["segmentation"][0]]]} for one in first]
    tile = [one | {"image_id": 1, "id": 100 + k} for k, one in enumerate([*first, *far[:4]])]
    path.write_text(json.dumps(content | {"annotations": [*first, *others, *tile]}))
    (finding,) = found(tmp_path)
    assert finding.image == "1.png"
    assert (
        "px beyond the picture: it may be a tile of a larger one, whose coordinates the labels have" in finding.message
    )
    assert check_all(segdata.read(tmp_path), (1,), frozenset({"SEG314"})) == {"SEG314"}


def test_copies_of_the_labels_of_a_third_of_the_pictures(tmp_path: Path) -> None:
    """Two pictures of each scene may share labels; copies that lie on another scene are a mistake however many."""
    path = make(tmp_path) / "instances.json"
    content = json.loads(path.read_text())
    kept = [one for one in content["annotations"] if one["image_id"] < 4]
    copied = [one | {"id": 100 + one["id"], "image_id": one["image_id"] + 4} for one in kept if one["image_id"] < 2]
    path.write_text(json.dumps(content | {"annotations": [*kept, *copied]}))
    findings = segdata.validate(tmp_path, select="SEG315").findings
    assert [one.image for one in findings] == ["4.png", "5.png"]
    assert findings[0].message == "these labels are a copy of those of 0.png, to the pixel, and the two pictures differ"
    for number in (4, 5):  # the same scenes, at night
        with Image.open(tmp_path / f"images/{number - 4}.png") as picture:
            Image.fromarray(255 - np.asarray(picture)).save(tmp_path / f"images/{number}.png")
    assert segdata.validate(tmp_path, select="SEG315").findings == ()


@pytest.mark.parametrize(("reach", "n"), [(0, 0), (4, 1)])
def test_dots_say_where_things_are_and_not_where_their_edges_are(tmp_path: Path, reach: int, n: int) -> None:
    """Shifted by the radius of the round cells that they mark, dots in their middles lie on edges."""
    rng = np.random.default_rng(2)
    side = 2 * SIDE
    y, x = np.mgrid[:side, :side]
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(N):
        picture, mask = np.zeros((side, side)), np.zeros((side, side), np.uint8)
        for down, right in rng.integers(12, side - 12, (100, 2)).tolist():
            picture += 200 / (1 + np.exp(2 * (np.hypot(y - down, x - right) - 4)))
            beside = 3 if reach else 0  # larger ones lie beside their cells
            mask[np.hypot(y - down, x - right - beside) <= reach] = 1
        Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(tmp_path / f"images/{number}.png")
        Image.fromarray(mask).save(tmp_path / f"masks/{number}.png")
    (tmp_path / "taxonomy.yaml").write_text("categories: [{id: 0, name: background}, {id: 1, name: cell}]\n")
    assert len(found(tmp_path)) == n


def test_a_split_of_half_blank_pictures_differs_from_the_others(tmp_path: Path) -> None:
    root = make(tmp_path)
    content = json.loads((root / "instances.json").read_text())
    for image in content["images"][:2]:
        path = root / "images" / image["file_name"]
        with Image.open(path) as picture:
            pixels = np.array(picture)
        pixels[:, : SIDE * 2 // 3] = 0
        path.unlink()
        image["file_name"] = f"val/{path.name}"
        (root / "images/val").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / "images/val" / path.name)
    (root / "instances.json").write_text(json.dumps(content))
    assert {one.image for one in found(root)} == {"val/0.png", "val/1.png"}
