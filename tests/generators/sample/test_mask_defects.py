"""Seeded defects of mask files and sequences, verified against the files as written."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from tests.generators.sample.dataset import Truth
from tests.generators.sample.test_coco_defects import box, document, holds, of


def mask_of(seeded_data: Truth, dataset: str, file: str | None) -> np.ndarray:
    with Image.open(seeded_data.folder / "defects" / dataset / str(file)) as image:
        return np.array(image)


def colours_of(folder: Path) -> dict[str, tuple[int, ...]]:
    return {
        entry["name"]: tuple(entry["color"])
        for entry in yaml.safe_load((folder / "taxonomy.yaml").read_text())["categories"]
    }


def unknown(mask: np.ndarray, folder: Path) -> np.ndarray:
    """Which pixels have no colour of the taxonomy and are not black."""
    known = {(0, 0, 0), *colours_of(folder).values()}
    return np.array([tuple(pixel) not in known for pixel in mask.reshape(-1, 3).tolist()]).reshape(mask.shape[:2])


def test_truth_covers_the_catalogue(seeded_data: Truth) -> None:
    """Every code but 017, of volumes in files, and 103, which only canonical tables can hold."""
    codes = {
        f"SEG{n:03d}"
        for n in [*range(1, 17), 18, 19, *range(101, 121), *range(201, 215), *range(301, 313), *range(351, 359)]
    }
    assert {defect.code for defect in seeded_data.defects} == codes - {"SEG103"}
    entries = json.loads((seeded_data.folder / "defects" / "truth.json").read_text())
    assert entries == [defect.entry() for defect in seeded_data.defects]


def test_reading(seeded_data: Truth) -> None:
    folder = seeded_data.folder / "defects" / "mask_reading"
    broken = {d.file for d in of(seeded_data, "SEG001", "mask_reading")}
    for file in broken:
        with pytest.raises((UnidentifiedImageError, OSError)):
            mask_of(seeded_data, "mask_reading", file)
    (small,) = of(seeded_data, "SEG003", "mask_reading")
    odd = {d.file: d for code in ("SEG009", "SEG010") for d in of(seeded_data, code, "mask_reading")}
    (mixed,) = of(seeded_data, "SEG016", "mask_reading")
    for path in sorted((folder / "masks").iterdir()):
        file = f"masks/{path.name}"
        if file in broken:
            continue
        with Image.open(path) as image:
            assert (image.mode == "P") == (file == mixed.file)
            assert (image.size != (240, 180)) == (file == small.file)
            mask = np.array(image.convert("RGB"))
        strange = unknown(mask, folder)
        assert strange.any() == (file in odd)
        if file in odd:
            holds(odd[file], strange)
    images, masks = ({path.stem for path in (folder / kind).iterdir()} for kind in ("images", "masks"))
    without_mask, without_image = of(seeded_data, "SEG011", "mask_reading")
    assert images - masks == {Path(str(without_mask.file)).stem}
    assert masks - images == {Path(str(without_image.file)).stem}


def test_gaps(seeded_data: Truth) -> None:
    """What is black is exactly what the truth says, in all files of the set."""
    gaps = {defect.file: defect for defect in of(seeded_data, "SEG101", "mask_shapes")}
    for path in (seeded_data.folder / "defects" / "mask_shapes" / "masks").iterdir():
        black = (mask_of(seeded_data, "mask_shapes", f"masks/{path.name}") == 0).all(axis=-1)
        assert black.any() == (f"masks/{path.name}" in gaps)
        if black.any():
            holds(gaps[f"masks/{path.name}"], black)


def test_shapes(seeded_data: Truth) -> None:
    colours = colours_of(seeded_data.folder / "defects" / "mask_shapes")

    def inside(code: str) -> np.ndarray:
        (defect,) = of(seeded_data, code, "mask_shapes")
        x, y, width, height = defect.bbox or []
        return mask_of(seeded_data, "mask_shapes", defect.file)[y : y + height, x : x + width]

    assert (inside("SEG106") == colours["pole"]).all()
    (speck,) = of(seeded_data, "SEG106", "mask_shapes")
    parts, _ = ndimage.label((mask_of(seeded_data, "mask_shapes", speck.file) == colours["pole"]).all(axis=-1))
    sizes = np.bincount(parts.ravel())[1:]
    assert sizes.min() == speck.pixels == 4
    assert (inside("SEG107") == 0).all()
    (blocky,) = of(seeded_data, "SEG118", "mask_shapes")
    mask = mask_of(seeded_data, "mask_shapes", blocky.file)
    np.testing.assert_array_equal(mask, mask[::6, ::6].repeat(6, axis=0).repeat(6, axis=1))
    (void,) = of(seeded_data, "SEG210", "mask_shapes")
    holds(void, (mask_of(seeded_data, "mask_shapes", void.file) == colours["void"]).all(axis=-1))
    (line,) = of(seeded_data, "SEG111", "mask_shapes")
    black = (mask_of(seeded_data, "mask_shapes", line.file) == 0).all(axis=-1)
    assert not ndimage.binary_erosion(black, np.ones((3, 3))).any(), "one or two pixels wide everywhere"


def test_a_row_of_signs_is_cut_along_a_line(seeded_data: Truth) -> None:
    (seam,) = of(seeded_data, "SEG116", "instance_shapes")
    ids = mask_of(seeded_data, "instance_shapes", seam.file)
    line, signs = (seam.bbox or [0, 0])[1], seam.segments or []
    assert len(signs) == 20
    for above, below in zip(signs[:10], signs[10:], strict=True):
        assert min((ids[line - 1] == above).sum(), (ids[line] == below).sum()) >= 8
        assert (ids == above)[line:].sum() == (ids == below)[:line].sum() == 0


def test_posts_are_dashed_where_they_are_thin(seeded_data: Truth) -> None:
    (broken,) = of(seeded_data, "SEG119", "thin_lines")
    assert "thin: true" in (seeded_data.folder / "defects" / "thin_lines" / "taxonomy.yaml").read_text()
    pole = colours_of(seeded_data.folder / "defects" / "thin_lines")["pole"]
    left = (mask_of(seeded_data, "thin_lines", broken.file) == pole).all(axis=-1)
    assert ndimage.label(left, np.ones((3, 3)))[1] >= 3


def test_panoptic(seeded_data: Truth) -> None:
    data = document(seeded_data, "panoptic_reading", "panoptic.json")
    skipped = {d.image for code in ("SEG001", "SEG002") for d in of(seeded_data, code, "panoptic_reading")}
    mismatches = {(d.image, (d.segments or [0])[0]): d for d in of(seeded_data, "SEG014", "panoptic_reading")}
    (gap,) = of(seeded_data, "SEG101", "panoptic_reading")
    (stale,) = of(seeded_data, "SEG013", "panoptic_reading")
    found = set()
    for entry in data["annotations"]:
        image = entry["file_name"].replace(".png", ".jpg")
        if image in skipped:
            continue
        rgb = mask_of(seeded_data, "panoptic_reading", f"panoptic/{entry['file_name']}").astype(int)
        ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
        found |= {
            (image, number)
            for number in {i["id"] for i in entry["segments_info"]} ^ (set(np.unique(ids).tolist()) - {0})
        }
        assert (ids == 0).any() == (image == gap.image)
        if image == gap.image:
            holds(gap, ids == 0)
        for info in entry["segments_info"]:
            wrong = (image, info["id"]) == (stale.image, (stale.segments or [0])[0])
            if (image, info["id"]) not in mismatches:
                assert (info["area"] != (ids == info["id"]).sum()) == wrong
    assert found == set(mismatches)
    ids = [info["id"] for entry in data["annotations"] for info in entry["segments_info"] if info["category_id"] == 77]
    assert ids == of(seeded_data, "SEG007", "panoptic_reading")[0].segments


def test_instances(seeded_data: Truth) -> None:
    (shared,) = of(seeded_data, "SEG108", "instance_shapes")
    ids = mask_of(seeded_data, "instance_shapes", shared.file)
    parts, n = ndimage.label(ids == (shared.segments or [0])[0])
    assert n == 2
    assert shared.pixels in np.bincount(parts.ravel())[1:]
    (cut,) = of(seeded_data, "SEG109", "instance_shapes")
    left, right = (mask_of(seeded_data, "instance_shapes", cut.file) == number for number in cut.segments or [])
    assert (left & ~right).any()
    assert (ndimage.binary_dilation(left) & right).sum() >= 5
    holds(cut, right)
    (one,) = of(seeded_data, "SEG120", "instance_shapes")
    holds(one, mask_of(seeded_data, "instance_shapes", one.file) == (one.segments or [0])[0])
    (stuff,) = of(seeded_data, "SEG206", "instance_shapes")
    halves = mask_of(seeded_data, "instance_shapes", stuff.file)
    assert all((halves == number).any() for number in stuff.segments or [0])
    holds(stuff, np.isin(halves, stuff.segments or []))
    for wrapped in of(seeded_data, "SEG010", "wrapped_ids"):
        assert mask_of(seeded_data, "wrapped_ids", wrapped.file).dtype == np.uint8


def test_taxonomies(seeded_data: Truth) -> None:
    root = seeded_data.folder / "defects"
    entries = yaml.safe_load((root / "taxonomy_broken" / "taxonomy.yaml").read_text())["categories"]
    for key in ("id", "name"):
        values = [entry[key] for entry in entries]
        assert len(values) == len(set(values)) + 1
    colours = [tuple(entry["color"]) for entry in entries]
    assert len(colours) == len(set(colours)) + 1
    data, names = document(seeded_data, "taxonomy_use"), colours_of(root / "taxonomy_use")
    used = {one["category_id"] for one in data["annotations"]}
    in_file = {entry["name"]: entry["id"] for entry in data["categories"]}
    assert set(in_file) - set(names) == {"lorry", "pedestrian"}
    assert {name for name, number in in_file.items() if number not in used} == {"tram"}
    assert in_file["vehicle"] in used
    mapped = {entry["name"]: entry["id"] for entry in document(seeded_data, "taxonomy_mapping")["categories"]}
    declared = yaml.safe_load((root / "taxonomy_mapping" / "taxonomy.yaml").read_text())["categories"]
    wrong = {entry["name"] for entry in declared if mapped[entry["name"]] != entry["id"]}
    assert wrong == {defect.category for defect in of(seeded_data, "SEG202", "taxonomy_mapping")}
    palettes = []
    for path in sorted((root / "palette_masks" / "masks").iterdir()):
        with Image.open(path) as image:
            palettes.append(image.getpalette())
    assert palettes.count(palettes[0]) == len(palettes) - 1
    assert palettes[1] != palettes[0]


def test_video(seeded_data: Truth) -> None:
    jump, clean = of(seeded_data, "SEG354", "video")[0], of(seeded_data, "SEG353", "video")[0]
    sign = (jump.segments or [0])[0]
    holds(jump, mask_of(seeded_data, "video", jump.file) == sign)
    assert (jump.bbox or [0])[0] + 60 == (clean.bbox or [0])[0]
    for gone in of(seeded_data, "SEG353", "video"):
        assert not (mask_of(seeded_data, "video", gone.file) == sign).any()
    (twice,) = of(seeded_data, "SEG352", "video")
    parts, n = ndimage.label(mask_of(seeded_data, "video", twice.file) == sign)
    assert n == 2
    assert twice.bbox in [box(parts == 1), box(parts == 2)]
    missing, repeated = of(seeded_data, "SEG356", "video")
    folder = seeded_data.folder / "defects" / "video"
    assert not (folder / str(missing.file)).exists()
    frame = folder / str(repeated.file)
    assert frame.read_bytes() == frame.with_name("000004.png").read_bytes()
    for change in of(seeded_data, "SEG351", "video"):
        holds(change, mask_of(seeded_data, "video", change.file) == (change.segments or [0])[0])


@pytest.mark.parametrize("dataset", ["mask_shapes", "boundary_treatment", "instance_shapes", "video"])
def test_no_crumbs_are_left_that_the_truth_does_not_list(seeded_data: Truth, dataset: str) -> None:
    """A seeded defect leaves no speck behind, but for those that are the defect."""
    crumbs = {
        defect.file
        for code in ("SEG101", "SEG106")
        for defect in seeded_data.defects
        if (defect.code, defect.dataset) == (code, dataset)
    }
    folder = seeded_data.folder / "defects" / dataset
    for path in sorted((folder / "masks").rglob("*.png")):
        if path.relative_to(folder).as_posix() in crumbs:
            continue
        with Image.open(path) as image:
            pixels = np.array(image).astype(np.int64)
        values = pixels @ np.array([1, 256, 65536]) if pixels.ndim == 3 else pixels
        for value in np.unique(values):
            parts, _ = ndimage.label(values == value)
            assert np.bincount(parts.ravel())[1:].min() >= 16, f"{path} {value}"
