"""Derived sources: joined ones, and those with regions of interest."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata import read
from segdata.core.config import Config, Layers
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.formats.coco import instances
from segdata.formats.shared.derived_sources import ChainedSource, _told_once
from tests.generators.coco_documents import annotation, document, write_document


@pytest.fixture
def chained(tmp_path: Path) -> ChainedSource:
    """Two documents of two images each, one segment an image."""
    sources = []
    for name in "ab":
        images = [{"id": k, "file_name": f"{name}{k}.png", "width": 6, "height": 5} for k in (1, 2)]
        drawn = [annotation(id=k, image_id=k) for k in (1, 2)] + [annotation(id=3, image_id=9)]
        path = write_document(tmp_path / name, document(images=images, annotations=drawn))
        sources.append(instances.read(ReadRequest(path)))
    return ChainedSource(sources[0].profile, tuple(sources))


def test_all_images_and_defects(chained: ChainedSource) -> None:
    assert list(chained.image_ids) == ["a1.png", "a2.png", "b1.png", "b2.png"]
    assert chained.image_ids is chained.image_ids, "a list for each image is quadratic"
    assert [each.code for each in chained.defects if each.severity != "info"] == ["SEG007", "SEG007"]
    assert np.concatenate(chained.chunks()).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ("ab", ["odd; so it is in b"]),
        ("abcde", ["odd; so it is in b, c, d and 1 more"]),
        ("a", ["odd"]),
        ("aab", ["odd"] * 3),  # each at its place
    ],
)
def test_a_warning_of_each_file_is_told_once(files: str, told: list[str]) -> None:
    defects = [Defect("SEG004", "odd", file, f"/{k}", severity="warning") for k, file in enumerate(files)]
    assert [defect.message for defect in _told_once(defects)] == told


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [3, 0, 2, 1], [2], [], [1, 1]])
def test_images_come_in_the_order_that_is_asked_for(chained: ChainedSource, rows: list[int]) -> None:
    batch = chained.load(np.array(rows, np.int64))
    assert batch.images["image_id"].to_pylist() == [chained.image_ids[row] for row in rows]
    assert batch.segment_image.tolist() == list(range(len(rows)))
    assert batch.runs.areas(batch.n_segments).tolist() == [4] * len(rows)


def test_a_dataset_of_several_documents_is_read_in_order(tmp_path: Path) -> None:
    """`batches(in_order=True)` mixes the documents."""
    items = {"x": ["b", "d"], "y": ["a", "c"]}
    for subset, names in items.items():
        content = {
            "dm_format_version": "1.0",
            "categories": {"label": {"labels": []}},
            "items": [{"id": name, "image": {"path": f"{name}.png", "size": [5, 6]}} for name in names],
        }
        write_document(tmp_path, content, f"annotations/{subset}.json")
    batches = read(tmp_path).batches(in_order=True)
    assert [name for batch in batches for name in batch.images["image_id"].to_pylist()] == [
        "a.png",
        "b.png",
        "c.png",
        "d.png",
    ]


def save(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)


@pytest.fixture
def vessels(tmp_path: Path) -> Path:
    """Two images with a vessel each, and the fields of view of both."""
    inside = np.zeros((6, 8), np.uint8)
    inside[:, :4] = 255
    for name in ("a", "b"):
        save(tmp_path / "d/images" / f"{name}.png", np.zeros((6, 8)))
        vessel = np.zeros((6, 8), np.uint8)
        vessel[2, 1:7] = 255
        save(tmp_path / "d/vessel" / f"{name}.png", vessel)
        save(tmp_path / "fov" / f"{name}_mask.png", inside)
    return tmp_path


def opened(folder: Path) -> segdata.Dataset:
    config = Config(layers=Layers("vessel/{stem}.png", category="vessel"), coverage="exhaustive")
    return segdata.read(folder / "d", config=config, format="layers", roi=folder / "fov")


def test_only_what_lies_inside_is_judged(vessels: Path) -> None:
    findings = segdata.validate(opened(vessels), select=["SEG101"]).findings
    assert [finding.pixels for finding in findings] == [6 * 4 - 3] * 2


def test_regions_survive_in_the_canonical_dataset(vessels: Path) -> None:
    segdata.convert(opened(vessels), vessels / "c")
    assert segdata.read(vessels / "c").images["roi"].notna().all()
    findings = segdata.validate(vessels / "c", select=["SEG101"]).findings
    assert [finding.pixels for finding in findings] == [6 * 4 - 3] * 2


def test_regions_that_do_not_serve_are_findings(vessels: Path) -> None:
    save(vessels / "fov/a_mask.png", np.ones((3, 3)))
    path = vessels / "fov/b_mask.png"
    path.write_bytes(path.read_bytes()[:30])
    findings = segdata.validate(opened(vessels), select=["SEG0"]).findings
    assert [(each.code, each.file, each.image) for each in findings] == [
        ("SEG001", "b_mask.png", "b.png"),
        ("SEG003", "a_mask.png", "a.png"),
    ]


def test_a_folder_without_any_is_misuse(vessels: Path) -> None:
    (vessels / "fov/a_mask.png").rename(vessels / "fov/x.png")
    (vessels / "fov/b_mask.png").rename(vessels / "fov/y.png")
    with pytest.raises(SegdataError, match="no mask has the name of an image"):
        opened(vessels)
