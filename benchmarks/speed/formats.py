"""Reading every format: masks against decoding their files alone, documents by the polygon, in one process.

python -m benchmarks.speed.formats [FORMAT …]
"""

import csv
import io
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cv2
import msgspec
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

import segdata
from benchmarks.shared.coco_file import HEIGHT, WIDTH, generate
from benchmarks.speed.drawn_polygons import rings_of, write_drawn
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.taxonomy import Category, Taxonomy

N_DOCUMENT_IMAGES, N_MASK_IMAGES, ROUNDS, MASK_ROUNDS = (500, 2000), 24, 7, 9
MASK_FILES = frozenset({".png", ".tif", ".tiff"})
DOCUMENTS = (
    "coco-instances", "lvis", "datumaro", "labelme", "via", "cvat", "label-studio", "supervisely", "yolo-seg",
    "youtube-vis", "kaggle-rle", "canonical",
)  # fmt: skip
DRAWN = ("labelme", "label-studio", "supervisely", "yolo-seg")  # whose writers make more points of polygons
PARSERS: dict[str, Callable[[bytes], object]] = {
    ".json": msgspec.json.decode,
    ".xml": ElementTree.fromstring,
    ".csv": lambda data: list(csv.reader(io.StringIO(data.decode()))),
    ".txt": lambda data: [list(map(float, line.split())) for line in data.splitlines() if line[:1].isdigit()],
    ".parquet": lambda data: pq.read_table(io.BytesIO(data)),
}
MASKS = (
    "instance-ids", "colour-masks", "coco-panoptic", "cityscapes", "kitti", "kitti-step", "mots", "davis",
    "pascal-voc", "ade20k", "mapillary-vistas", "geotiff",
)  # fmt: skip
STREET = {"road": 7, "sidewalk": 8, "building": 11, "vegetation": 21, "sky": 23, "person": 24, "car": 26}
THINGS = ("person", "car")
fixed_seconds: list[float] = []  # of the fixed work beside each measurement
watches: list[set[str]] = []  # who wants to know what files are opened


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


def street(folder: Path) -> OpenDataset:
    """The scenes as frames of one drive."""
    kinds = {name: "thing" if name in THINGS else "stuff" for name in STREET}
    taxonomy = Taxonomy(
        categories=tuple(Category(id=id_, name=name, kind=kinds[name]) for name, id_ in STREET.items())  # type: ignore[arg-type]
    )
    rng = np.random.default_rng(0)
    labels = {f"drive/{number:06d}.png": street_scene(rng) for number in range(N_MASK_IMAGES)}
    segdata.convert(segdata.from_arrays(labels, taxonomy), folder)
    return segdata.read(folder)


@dataclass(frozen=True, slots=True)
class Took:
    """The least processor time of some rounds, in seconds, for a document of so many segments and so many MB."""

    n_segments: int
    size: float
    parsing: float
    opening: float
    decoding: float

    @property
    def over(self) -> float:
        """What reading takes beyond parsing."""
        return self.opening + self.decoding - self.parsing


def documents(folder: Path, n_images: int) -> OpenDataset:
    """Synthetic COCO polygons with blank images."""
    folder.mkdir()
    generate(n_images, folder / "coco.json")
    dataset = segdata.read(folder / "coco.json")
    (folder / "images").mkdir()
    for name in dataset.image_ids:
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (WIDTH, HEIGHT)).save(path)
    return segdata.read(folder / "coco.json")


def load(dataset: OpenDataset) -> int:
    """Decode everything on one thread; how many segments there are."""
    return sum(dataset.source.load(chunk).n_segments for chunk in dataset.chunks())


def decode(files: list[Path]) -> None:
    """Decode mask files and nothing else."""
    for path in files:
        with Image.open(path) as image:
            np.asarray(image)


def written(dataset: OpenDataset, name: str, folder: Path) -> Path | None:
    """The dataset in a format; None, with the reason printed, where that refuses it."""
    target = folder / name
    try:
        segdata.convert(dataset, target, to=name, copy_images=name in ("yolo-seg", "via"))
    except SegdataError as error:
        print(f"| {name} | refused: {error} |")
        return None
    return target


def print_documents(folders: list[Path], sources: list[OpenDataset]) -> None:
    """A row for each format: as our writer writes it, and as drawn where our writer makes more points of polygons."""
    for name in DOCUMENTS:
        if name not in wanted():
            continue
        targets = [written(source, name, folder) for source, folder in zip(sources, folders, strict=True)]
        if None not in targets:
            print_document(name, [took(name, target, None) for target in targets if target is not None])
    for name in DRAWN:
        if name in wanted():
            drawn = [folder / "drawn" / name for folder in folders]
            for folder, target in zip(folders, drawn, strict=True):
                write_drawn(name, rings_of(folder / "coco.json"), (WIDTH, HEIGHT), target)
            rows = [took(name, target, target.parents[1] / "images") for target in drawn]
            print_document(f"{name}, as drawn", rows)


def print_document(row: str, found: list[Took]) -> None:
    """A row of the table, in microseconds a segment: of the smaller document, and what each further one takes."""
    small, large = found
    parsing, opening, decoding, over = (
        each / small.n_segments * 1e6 for each in (small.parsing, small.opening, small.decoding, small.over)
    )
    further = (large.over - small.over) / (large.n_segments - small.n_segments) * 1e6
    figures = f"{parsing:.1f} | {opening:.1f} | {decoding:.1f} | {over:.1f} | {further:.1f}"
    print(f"| {row} | {small.n_segments} | {small.size:.1f} | {figures} |", flush=True)


def took(name: str, target: Path, images: Path | None) -> Took:
    """How long reading takes, and parsing alone, in alternating rounds."""
    dataset = segdata.read(target, format=name, images=images)
    n_segments = max(load(dataset), 1)
    pictures = [
        Path(uri) for batch in dataset for uri in batch.images["uri"].to_pylist() if uri and Path(uri).is_file()
    ]
    texts = [path for path in target.rglob("*") if path.suffix in PARSERS and path.name != "losses.json"]
    size = sum(path.stat().st_size for path in texts) / 1e6
    rounds = []
    for _ in range(ROUNDS):
        measure_fixed()
        rounds.append(
            (
                cpu_seconds(lambda: parse(texts, pictures)),
                cpu_seconds(lambda: segdata.read(target, format=name, images=images)),
                cpu_seconds(lambda: load(dataset)),
            )
        )
    return Took(n_segments, size, *(min(each) for each in zip(*rounds, strict=True)))


def measure_fixed() -> None:
    """Note the time of the same work whatever is measured: where it takes longer, others keep the machine busy."""
    fixed_seconds.append(cpu_seconds(fixed_work))


def wanted() -> list[str]:
    """The formats that are asked for."""
    return sys.argv[1:] or [*DOCUMENTS, *MASKS]


def fixed_work() -> None:
    """Numbers counted by Python, and numbers sorted and summed by numpy."""
    counts: dict[int, int] = {}
    for number in range(60_000):
        counts[number % 97] = counts.get(number % 97, 0) + number
    values = np.arange(200_000.0)
    for _ in range(6):
        values = np.cumsum(np.sort(values[::-1]) + 1)


def parse(texts: list[Path], pictures: list[Path]) -> None:
    """Read and parse documents with the parser that is the fastest there is, open image files, and nothing else."""
    for path in texts:
        PARSERS[path.suffix](path.read_bytes())
    for path in pictures:
        with Image.open(path):
            pass


def mask_row(scenes: OpenDataset, name: str, folder: Path) -> None:
    """Write the scenes in a format, and print how much processor time decoding and reading take."""
    target = written(scenes, name, folder)
    if target is None:
        return
    print_masks(name, name, target)
    if name == "pascal-voc":
        shutil.rmtree(target / "Annotations")
        print_masks("pascal-voc without its XML files", name, target)


def print_masks(row: str, name: str, target: Path) -> None:
    """A row of the table: the least of alternating rounds, and the median of their ratios."""
    dataset = segdata.read(target, format=name)
    files, texts = read_files(dataset, target), sorted(target.rglob("*.xml"))
    rounds = [
        (cpu_seconds(lambda: decode(files)) + cpu_seconds(lambda: parse(texts, [])), cpu_seconds(lambda: load(dataset)))
        for _ in range(MASK_ROUNDS)
    ]
    floor, reading = (min(each) / N_MASK_IMAGES * 1e3 for each in zip(*rounds, strict=True))
    ratio = statistics.median(read / alone for alone, read in rounds)
    per_image = len(files) / N_MASK_IMAGES
    print(f"| {row} | {per_image:.0f} | {floor:.1f} | {reading:.1f} | {ratio:.2f} x |", flush=True)


def cpu_seconds(work: Callable[[], object]) -> float:
    """How much processor time one call takes: other programs disturb that less than the time on the clock."""
    began = time.process_time()
    work()
    return time.process_time() - began


def read_files(dataset: OpenDataset, target: Path) -> list[Path]:
    """The mask files that Python opens when the dataset is read; where a library of C opens them all that there are."""
    opened: set[str] = set()
    watches.append(opened)
    load(dataset)
    watches.clear()
    files = [path for path in target.rglob("*") if path.suffix.lower() in MASK_FILES]
    return sorted(path for path in files if str(path) in opened) or sorted(files)


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Note what is opened, for whoever wants to know."""
    if event == "open":
        for opened in watches:
            opened.add(str(arguments[0]))


def main() -> None:
    """Print both tables, of rounds on one thread, files in the page cache."""
    sys.addaudithook(watch)
    with tempfile.TemporaryDirectory() as scratch:
        if any(name in wanted() for name in DOCUMENTS):
            folders = [Path(scratch) / str(n_images) for n_images in N_DOCUMENT_IMAGES]
            sources = [documents(folder, n) for folder, n in zip(folders, N_DOCUMENT_IMAGES, strict=True)]
            print(
                "| document | segments | MB | parsing alone, CPU us a segment | opening | decoding | over parsing | "
                "each further segment |"
            )
            print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
            print_documents(folders, sources)
            shown = f"{min(fixed_seconds) * 1e3:.0f} ms, median {statistics.median(fixed_seconds) * 1e3:.0f}"
            print(f"\nfixed work: at its fastest {shown}")
        if any(name in wanted() for name in MASKS):
            scenes = street(Path(scratch) / "street")
            print("\n| masks, 1024 x 2048 | files an image | decoding alone, CPU ms an image | read, ms | ratio |")
            print("| --- | ---: | ---: | ---: | ---: |")
            for name in (name for name in MASKS if name in wanted()):
                mask_row(scenes, name, Path(scratch))


if __name__ == "__main__":
    main()
