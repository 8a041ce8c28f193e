"""Reading every format: masks against decoding their files alone, documents by the polygon, in one process.

python benchmarks/formats.py [FORMAT …]
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from generate import HEIGHT, WIDTH, generate
from numpy.typing import NDArray
from PIL import Image

import segdata
from segdata.core.dataset import Dataset
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy

N_DOCUMENT_IMAGES, N_MASK_IMAGES, ROUNDS = 500, 24, 3
MASK_FILES = frozenset({".png", ".tif", ".tiff"})
DOCUMENTS = (
    "coco-instances", "lvis", "datumaro", "labelme", "via", "cvat", "label-studio", "supervisely", "yolo-seg",
    "youtube-vis", "kaggle-rle", "canonical",
)  # fmt: skip
MASKS = (
    "instance-ids", "colour-masks", "coco-panoptic", "cityscapes", "kitti", "kitti-step", "mots", "davis",
    "pascal-voc", "ade20k", "mapillary-vistas", "geotiff",
)  # fmt: skip
STREET = {"road": 7, "sidewalk": 8, "building": 11, "vegetation": 21, "sky": 23, "person": 24, "car": 26}
THINGS = ("person", "car")


def street_scene(rng: np.random.Generator) -> tuple[NDArray[np.int32], dict[int, str]]:
    """Five wavy regions and thirty blobs, 1024 x 2048: segment ids, and the category of each."""
    picture = np.ones((1024, 2048), np.int32)
    names = {1: "sky"}
    x = np.arange(2048)
    for number, name in enumerate(("vegetation", "building", "sidewalk", "road"), 2):
        edge = 1024 * (number - 1) / 5 + 30 * np.sin(x / rng.uniform(60, 300) + rng.uniform(0, 6))
        picture[np.arange(1024)[:, None] >= edge] = number
        names[number] = name
    for number in range(6, 36):
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        radius = rng.uniform(20, 120) * (1 + 0.2 * np.cos(3 * angle + rng.uniform(0, 6)))
        centre = rng.uniform((0, 0), (2048, 1024))
        ring = (centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.int32)
        cv2.fillPoly(picture, [ring], (number,))
        names[number] = THINGS[number % 2]
    there = set(np.unique(picture).tolist())
    return picture, {number: name for number, name in names.items() if number in there}


def street(folder: Path) -> Dataset:
    """The scenes as frames of one drive."""
    kinds = {name: "thing" if name in THINGS else "stuff" for name in STREET}
    taxonomy = Taxonomy(
        categories=tuple(Category(id=id_, name=name, kind=kinds[name]) for name, id_ in STREET.items())  # type: ignore[arg-type]
    )
    rng = np.random.default_rng(0)
    labels = {f"drive/{number:06d}.png": street_scene(rng) for number in range(N_MASK_IMAGES)}
    segdata.convert(segdata.from_arrays(labels, taxonomy), folder)
    return segdata.read(folder)


def documents(folder: Path) -> Dataset:
    """Synthetic COCO polygons with blank images."""
    generate(N_DOCUMENT_IMAGES, folder / "coco.json")
    dataset = segdata.read(folder / "coco.json")
    (folder / "images").mkdir()
    for name in dataset.image_ids:
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (WIDTH, HEIGHT)).save(path)
    return segdata.read(folder / "coco.json")


def load(dataset: Dataset) -> int:
    """Decode everything on one thread; how many segments there are."""
    return sum(dataset.source.load(chunk).n_segments for chunk in dataset.chunks())


def decode(files: list[Path]) -> None:
    """Decode mask files and nothing else."""
    for path in files:
        with Image.open(path) as image:
            np.asarray(image)


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def written(dataset: Dataset, name: str, folder: Path) -> Path | None:
    """The dataset in a format; None, with the reason printed, where that refuses it."""
    target = folder / name
    try:
        segdata.convert(dataset, target, to=name, copy_images=name in ("yolo-seg", "via"))
    except SegdataError as error:
        print(f"| {name} | refused: {error} |")
        return None
    return target


def document_row(source: Dataset, name: str, folder: Path) -> None:
    """Write the polygons in a format, and print how long reading takes."""
    target = written(source, name, folder)
    if target is None:
        return
    opening = statistics.median(seconds(lambda: segdata.read(target, format=name)) for _ in range(ROUNDS)) * 1e3
    dataset = segdata.read(target, format=name)
    n_segments = load(dataset)
    loaded = statistics.median(seconds(lambda: load(dataset)) for _ in range(ROUNDS)) / max(n_segments, 1) * 1e6
    size = sum(path.stat().st_size for path in target.rglob("*") if path.suffix not in (".png", ".jpg")) / 1e6
    both = loaded + opening / max(n_segments, 1) * 1e3
    print(f"| {name} | {n_segments} | {size:.1f} | {opening:.0f} | {loaded:.1f} | {both:.1f} |")


def mask_row(scenes: Dataset, name: str, folder: Path) -> None:
    """Write the scenes in a format, and print how long decoding and reading take."""
    target = written(scenes, name, folder)
    if target is None:
        return
    dataset = segdata.read(target, format=name)
    files = read_files(dataset, target)
    rounds = [(seconds(lambda: decode(files)), seconds(lambda: load(dataset))) for _ in range(ROUNDS)]
    floor, reading = (statistics.median(each) / N_MASK_IMAGES * 1e3 for each in zip(*rounds, strict=True))
    per_image = len(files) / N_MASK_IMAGES
    print(f"| {name} | {per_image:.0f} | {floor:.1f} | {reading:.1f} | {reading / floor:.2f} x |")


def read_files(dataset: Dataset, target: Path) -> list[Path]:
    """The mask files that are read: those that segments are said to be from, else all."""
    named = {name for batch in dataset for name in batch.segments["file"].to_pylist() if name}
    files = [path for path in target.rglob("*") if path.suffix.lower() in MASK_FILES]
    return sorted(path for path in files if path.relative_to(target).as_posix() in named) or sorted(files)


def main() -> None:
    """Print both tables: medians of some rounds on one thread, files in the page cache."""
    wanted = sys.argv[1:] or [*DOCUMENTS, *MASKS]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = documents(folder)
        print("| document | segments | MB | opening, ms | decoding, us a segment | both |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for name in (name for name in DOCUMENTS if name in wanted):
            document_row(source, name, folder)
        scenes = street(folder / "street")
        print("\n| masks, 1024 x 2048 | files an image | decoding alone, ms an image | read to runs, ms | ratio |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name in (name for name in MASKS if name in wanted):
            mask_row(scenes, name, folder)


if __name__ == "__main__":
    main()
