"""supervision: what is written it reads, what it writes is read, pixel for pixel by the rules of either."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

import segdata
from segdata.testing.pictures import Mask, masks_of_runs
from tests.generators.coco_documents import annotation, document, write_document
from tests.generators.traps.coco_instances import image
from tests.generators.traps.coco_rle import rle

PEERS = Path(__file__).parents[2] / "build" / "peers"
# Reads datasets, tells [image, category, crowd, box, size, counts] of each segment, and writes some again.
PROGRAM = """
import json, sys
import supervision as sv
told = {}
for name, (kind, words, target) in json.loads(sys.argv[1]).items():
    data = getattr(sv.DetectionDataset, "from_" + kind)(*words, force_masks=True)
    told[name] = [
        [path.rsplit("/", 1)[1], data.classes[each.class_id[k]], int(each.data.get("iscrowd", [0] * len(each))[k]),
         each.xyxy[k].tolist(), list(mask.shape), sv.mask_to_rle(mask)]
        for path, each in data.annotations.items() for k, mask in enumerate(each.mask if len(each) else [])
    ]
    if target:
        data.as_coco(annotations_path=target + "/coco.json", approximation_percentage=0)
        data.as_yolo(target + "/yolo/images", target + "/yolo/labels", target + "/yolo/data.yaml")
        data.as_labelme(annotations_directory_path=target + "/labelme")
print(json.dumps(told))
"""
HEIGHT, WIDTH = 80, 125  # of which shares have few decimals: supervision writes five
WAYS = ("source", "exact", "never")


@dataclass(frozen=True, slots=True)
class Seen:
    """A segment as supervision has it: the name of its image's file, and its box as corners."""

    image: str
    category: str
    iscrowd: int
    box: list[float]
    mask: Mask


def supervision(asked: dict[str, tuple[str, list[str], str]]) -> dict[str, list[Seen]]:
    """What supervision reads, by names: of each dataset its kind, the words of the reader, and where to write it."""
    if not list(PEERS.glob("lib/*/site-packages/supervision")):
        pytest.skip("supervision is not here: make build/peers/.installed")
    words = [PEERS / "bin" / "python", "-c", PROGRAM, json.dumps(asked)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: [_seen(*each) for each in told] for name, told in json.loads(done.stdout).items()}


def _seen(name: str, category: str, iscrowd: int, box: list[float], size: list[int], counts: list[int]) -> Seen:
    return Seen(name, category, iscrowd, box, decoded({"size": size, "counts": counts}))


def decoded(segmentation: Any) -> Mask:
    """What pycocotools makes of COCO's segmentation; rings are of an image of the scene's size, none are no pixel."""
    if segmentation == []:
        return np.zeros((HEIGHT, WIDTH), bool)
    if isinstance(segmentation, dict):
        return np.asarray(coco_mask.decode(coco_mask.frPyObjects(segmentation, *segmentation["size"])), bool)
    return np.asarray(coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(segmentation, HEIGHT, WIDTH))), bool)


def opencv(rings: Sequence[Any], height: int = HEIGHT, width: int = WIDTH) -> Mask:
    """The pixels that supervision draws of rings in pixels: rounded, with their edges, united."""
    mask = np.zeros((height, width), np.uint8)
    for ring in rings:
        cv2.fillPoly(mask, [np.round(np.reshape(ring, (-1, 2))).astype(np.int32)], 1)
    return mask > 0


def masks(data: segdata.Dataset) -> list[Mask]:
    return [mask for batch in data for mask in masks_of_runs(batch.runs, *batch.segment_size)]


def box(left: int, top: int, right: int, bottom: int) -> Mask:
    """A mask that is True from (left, top) up to but without (right, bottom)."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def scene() -> list[Mask]:
    """A square with a hole, two parts, a blob with ragged edges and holes, a line, a pixel, a crowd."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(3).random((HEIGHT, WIDTH))
    return [
        box(1, 1, 51, 51) & ~box(16, 16, 36, 36),
        box(1, 60, 9, 70) | box(20, 62, 30, 66),
        (np.hypot(x - 88, y - 30) < 25 + 6 * np.sin(x / 3)) & (noise < 0.9),
        box(60, 70, 90, 71),
        box(97, 75, 98, 76),
        box(100, 60, 120, 78),
    ]


TRIANGLE = [60.3, 55.6, 66.7, 55.6, 63.5, 64.9]
NAMES = ["cat", "cat", "dog", "dog", "cat", "dog", "cat"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One scene written by segdata, as supervision sees it; and what supervision wrote of that."""

    folder: Path
    seen: dict[str, list[Seen]]
    losses: tuple[Any, ...]

    def ours(self, name: str) -> segdata.Dataset:
        return segdata.read(self.folder / name)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Exchange:
    folder = tmp_path_factory.mktemp("supervision")
    drawn: list[Any] = [*map(rle, scene()), [TRIANGLE]]
    segments = [
        annotation(id=k + 1, segmentation=each, category_id=1 + (NAMES[k] == "dog"), iscrowd=int(k == 5))
        for k, each in enumerate(drawn)
    ]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    content = document(images=[image(WIDTH, HEIGHT)], annotations=segments, categories=categories)
    source, images = write_document(folder / "source", content), str(folder / "source" / "images")
    Path(images).mkdir()
    Image.new("RGB", (WIDTH, HEIGHT)).save(Path(images) / "a.png")
    asked = {}
    for how in WAYS:
        path = folder / f"{how}.json"
        segdata.convert(source, path, to="coco-instances", write_options={"polygons": how})
        asked[how] = ("coco", [images, str(path)], str(folder / "back") if how == "never" else "")
    made = segdata.convert(source, folder / "yolo", to="yolo-seg", copy_images=True)
    segdata.convert(source, folder / "voc", to="pascal-voc", copy_images=True)
    yolo, voc = folder / "yolo", folder / "voc"
    asked["yolo"] = ("yolo", [str(yolo / "images"), str(yolo / "labels"), str(yolo / "data.yaml")], "")
    asked["voc"] = ("pascal_voc", [str(voc / "JPEGImages"), str(voc / "Annotations")], "")
    return Exchange(folder, supervision(asked), made.losses)


@pytest.mark.parametrize("how", WAYS)
def test_it_reads_rle_as_the_same_pixels_and_draws_polygons_by_opencv(exchange: Exchange, how: str) -> None:
    """Crowds and holes too; an outline along the edges of pixels gets a row and a column more, and no pixel less."""
    items = json.loads((exchange.folder / f"{how}.json").read_bytes())["annotations"]
    seen, ours = exchange.seen[how], masks(exchange.ours(f"{how}.json"))
    assert [(each.category, each.iscrowd) for each in seen] == [(name, k == 5) for k, name in enumerate(NAMES)]
    for each, item, mask in zip(seen, items, ours, strict=True):
        rings = item["segmentation"]
        exact = isinstance(rings, dict)
        assert (each.mask == (mask if exact else opencv(rings))).all()
        assert exact or rings == [TRIANGLE] or not (mask & ~each.mask).any()
    assert sum(isinstance(item["segmentation"], dict) for item in items) == {"source": 6, "exact": 1, "never": 7}[how]


def test_it_reads_yolo_as_the_same_pixels_but_for_the_bridges_that_were_counted(exchange: Exchange) -> None:
    seen, ours = exchange.seen["yolo"], masks(exchange.ours("yolo"))
    assert [each.category for each in seen] == NAMES
    differing = [int((each.mask != mask).sum()) for each, mask in zip(seen, ours, strict=True)]
    counted = [loss for loss in exchange.losses if loss.kind == "part"]
    assert (sum(differing), sum(count > 0 for count in differing)) == (counted[0].pixels, counted[0].count)
    assert differing[0] == 0 < differing[1], "a hole costs nothing, a second part a bridge"


def test_it_reads_the_boxes_of_pascal_voc(exchange: Exchange) -> None:
    """Its reader takes no notice of the masks."""
    seen = exchange.seen["voc"]
    ours = exchange.ours("voc").segments
    assert sorted(each.category for each in seen) == sorted(ours["category"])
    corners = [[x, y, x + width, y + height] for x, y, width, height in boxes(masks(exchange.ours("voc")))]
    assert sorted(each.box for each in seen) == sorted(corners)
    assert not any(each.mask.any() for each in seen)


def boxes(drawn: Sequence[Mask]) -> Iterator[list[int]]:
    """Their boxes, as x, y, width and height."""
    for mask in drawn:
        y, x = np.nonzero(mask)
        yield [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]


def test_coco_that_it_writes_is_read_as_pycocotools_reads_it(exchange: Exchange) -> None:
    """Holes are rings that COCO unites, a row and a column are gone, lines and pixels are empty; its RLE is exact."""
    items = json.loads((exchange.folder / "back/coco.json").read_bytes())["annotations"]
    data = exchange.ours("back/coco.json")
    for mask, item in zip(masks(data), items, strict=True):
        assert (mask == decoded(item["segmentation"])).all()
    assert data.segments["iscrowd"].tolist() == [False] * 5 + [True, False]
    assert data.segments["category"].tolist() == NAMES
    areas = data.segments["area"].tolist()
    assert (areas[:2], areas[3:6]) == ([49 * 49, 7 * 9 + 9 * 3], [0, 0, 20 * 18])
    assert (masks(data)[5] == scene()[5]).all()


def test_yolo_that_it_writes_is_read_with_its_holes(exchange: Exchange) -> None:
    """Each part is a segment there; what is too small for a contour is a box, which is told and left out."""
    data = exchange.ours("back/yolo")
    expected = [
        (name, np.flatnonzero(part).tolist())
        for name, seen in zip(NAMES, exchange.seen["never"], strict=True)
        for part in parts(seen.mask)
        if contour_points(part) > 2
    ]
    ours = zip(data.segments["category"], masks(data), strict=True)
    assert sorted((name, np.flatnonzero(mask).tolist()) for name, mask in ours) == sorted(expected)
    assert [each.code for batch in data for each in batch.defects] == ["SEG004"] * 2


def test_labelme_that_it_writes_is_read_with_its_holes_and_parts(exchange: Exchange) -> None:
    """What is too small for a contour is a rectangle, to which its edges belong."""
    data = exchange.ours("back/labelme")
    assert data.segments["category"].tolist() == NAMES
    for k, (mask, seen) in enumerate(zip(masks(data), exchange.seen["never"], strict=True)):
        assert k in (3, 4) or (mask == seen.mask).all()
    assert data.segments["area"].tolist()[3:5] == [31 * 2, 2 * 2]


def parts(mask: Mask) -> list[Mask]:
    """The parts of a mask; pixels that touch at corners are of one."""
    n_parts, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return [labels == part for part in range(1, n_parts)]


def contour_points(part: Mask) -> int:
    """How many points the outline of a part has."""
    contours, _ = cv2.findContours(part.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return len(contours[0])


def test_real_segments_are_the_same_to_it(real_data: Path, tmp_path: Path) -> None:
    """As COCO's RLE each pixel, as YOLO all but those that were counted."""
    source, images = real_data / "coco_tiny/annotations/instances_train2017.json", real_data / "coco_tiny/train2017"
    path, yolo = tmp_path / "rle.json", tmp_path / "yolo"
    segdata.convert(source, path, to="coco-instances", write_options={"polygons": "never"})
    made = segdata.convert(source, yolo, to="yolo-seg", images=images, copy_images=True)
    as_yolo = [str(yolo / "images"), str(yolo / "labels"), str(yolo / "data.yaml")]
    seen = supervision({"coco": ("coco", [str(images), str(path)], ""), "yolo": ("yolo", as_yolo, "")})
    differing = {
        name: [int((mask != each).sum()) for mask, each in paired(segdata.read(written), seen[name])]
        for name, written in (("coco", path), ("yolo", yolo))
    }
    assert {name: len(each) for name, each in differing.items()} == {"coco": 470, "yolo": 470}
    assert not any(differing["coco"])
    bridges = next(loss for loss in made.losses if loss.kind == "part")
    assert (sum(differing["yolo"]), sum(each > 0 for each in differing["yolo"])) == (bridges.pixels, bridges.count)


def test_real_yolo_polygons_it_rounds(real_data: Path) -> None:
    """The same polygons, but truncated by Ultralytics' rule, and rounded by its own."""
    folder = real_data / "yolo_seg_crop"
    asked = {
        split: ("yolo", [str(folder / split / "images"), str(folder / split / "labels"), str(folder / "data.yaml")], "")
        for split in ("train", "valid", "test")
    }
    seen = [each for told in supervision(asked).values() for each in told]
    data = segdata.read(folder)
    rings = [np.reshape(ring, (-1, 2)) for (ring,) in data.segments["rings"]]
    by_image = sorted(zip(map(file_name, data.segments["image_id"]), range(len(rings)), strict=True))
    told = sorted(seen, key=lambda each: each.image)
    assert len(told) == len(by_image) == 208
    for each, (name, row) in zip(told, by_image, strict=True):
        assert each.image == name
        assert (each.mask == opencv([np.float32(rings[row])], *each.mask.shape)).all()


def paired(data: segdata.Dataset, seen: Sequence[Seen]) -> list[tuple[Mask, Mask]]:
    """Our mask and supervision's of each segment: both keep the order within an image."""
    names = [file_name(each) for each in data.segments["image_id"]]
    ours = sorted(zip(names, range(len(names)), masks(data), strict=True), key=lambda each: each[:2])
    theirs = sorted(seen, key=lambda each: each.image)
    assert [name for name, *_ in ours] == [each.image for each in theirs]
    return [(mask, each.mask) for (*_, mask), each in zip(ours, theirs, strict=True)]


def file_name(image_id: str) -> str:
    return Path(image_id).name
