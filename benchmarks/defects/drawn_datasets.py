"""Small drawn datasets in the formats of many tools, and the list of cases that people reported."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, TiffImagePlugin
from scipy import ndimage

Json = dict[str, Any]  # Any: JSON
Array = NDArray[Any]
WIDTH, HEIGHT, IMAGES = 320, 240, 12
NAMES = ("crab", "shell", "kelp")
COLOURS = ((190, 60, 50), (225, 205, 160), (60, 110, 50))


@dataclass(frozen=True)
class Thing:
    """A drawn object: its category (0, 1, 2), its outline (n, 2) and its pixels."""

    category: int
    ring: Array
    pixels: NDArray[np.bool_]

    @property
    def box(self) -> list[float]:
        """x, y, width, height of the outline."""
        low, high = self.ring.min(0), self.ring.max(0)
        return [*low.tolist(), *(high - low).tolist()]

    @property
    def area(self) -> float:
        """The area within the outline."""
        x, y = self.ring.T
        return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it."""

    picture: Array
    things: list[Thing]

    @property
    def classes(self) -> Array:
        """Category + 1 at each pixel, 0 elsewhere."""
        values = np.zeros(self.picture.shape[:2], np.uint8)
        for one in self.things:
            values[one.pixels] = one.category + 1
        return values

    @property
    def numbers(self) -> Array:
        """The number of the object at each pixel."""
        values = np.zeros(self.picture.shape[:2], np.uint16)
        for k, one in enumerate(self.things):
            values[one.pixels] = k + 1
        return values


def draw(rng: np.random.Generator, width: int = WIDTH, height: int = HEIGHT) -> Scene:
    """A beach: six to nine objects with wavy outlines on sand."""
    sand = ndimage.gaussian_filter(rng.normal(size=(height, width, 3)), (5, 5, 0))
    picture = np.array([170, 150, 120]) + 60 * sand / np.abs(sand).max()
    things = []
    cells = rng.permutation(12)[: rng.integers(6, 10)]
    for cell in cells.tolist():
        reach = min(width / 4, height / 3) * rng.uniform(0.26, 0.4)
        middle = np.array([(cell % 4 + 0.5) * width / 4, (cell // 4 + 0.5) * height / 3]) + rng.uniform(-5, 5, 2)
        angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        wave = 1 + 0.18 * np.sin(rng.integers(2, 5) * angle + rng.uniform(0, 6)) + rng.normal(0, 0.03, 28)
        ring = np.round(middle + reach * wave[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), 2)
        canvas = Image.new("1", (width, height))
        ImageDraw.Draw(canvas).polygon([tuple(p) for p in ring.tolist()], fill=1)
        category = int(rng.integers(3))
        pixels = np.array(canvas)
        picture[pixels] = np.array(COLOURS[category]) + rng.normal(0, 12, (int(pixels.sum()), 3))
        things.append(Thing(category, ring, pixels))
    return Scene(np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8), things)


class Made:
    """A dataset that is being built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rng = np.random.default_rng(len(root.name))

    def scenes(self, n: int = IMAGES) -> Iterator[tuple[int, Scene]]:
        """Numbered scenes, from 1."""
        for k in range(1, n + 1):
            yield k, draw(self.rng)

    def image(self, name: str, pixels: Array, **options: Any) -> None:  # Any: Pillow's options
        """Write an image file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **options)

    def text(self, name: str, content: str | Json | list[Any]) -> None:
        """Write text, or JSON."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    def coco(self, folder: str = "images", n: int = IMAGES) -> tuple[Json, list[Scene]]:
        """Write pictures, and give the COCO document of them."""
        images, annotations, scenes = [], [], []
        for k, scene in self.scenes(n):
            name = f"dive_{k}.jpg"
            self.image(f"{folder}/{name}", scene.picture, quality=92)
            images.append({"id": k, "file_name": name, "width": WIDTH, "height": HEIGHT})
            annotations += [annotation(one, k) for one in scene.things]
            scenes.append(scene)
        return document(images, annotations), scenes

    def yolo(self, line: Callable[[Thing, int], str], names: tuple[str, ...] = NAMES) -> None:
        """A YOLO dataset with a line for each object."""
        for k, scene in self.scenes():
            split = "val" if k % 4 == 0 else "train"
            self.image(f"images/{split}/{k:04d}.jpg", scene.picture, quality=92)
            self.text(f"labels/{split}/{k:04d}.txt", "".join(line(one, k) + "\n" for one in scene.things))
        listed = "".join(f"  {k}: {name}\n" for k, name in enumerate(names))
        self.text("data.yaml", f"path: .\ntrain: images/train\nval: images/val\nnames:\n{listed}")

    def nnunet(self, change: Callable[[int, Array, Array], tuple[Array, Array]], labels: Json) -> None:
        """An nnU-Net dataset of volumes; `change` takes number, label and affine, and gives what is written."""
        affine = np.diag([0.8, 0.8, 3.0, 1.0])
        for k in range(1, 7):
            scene = draw(self.rng, 96, 80)
            classes = np.stack(
                [
                    np.where(ndimage.binary_erosion(scene.classes > 0, iterations=s + 1), scene.classes, 0)
                    for s in (4, 2, 0, 1, 3, 5)
                ],
                2,
            )
            grey = scene.picture.mean(2)[:, :, None] + self.rng.normal(0, 5, (80, 96, 6))
            self.nifti(f"imagesTr/case_{k:03d}_0000.nii.gz", grey.astype(np.int16) * 4 - 600, affine)
            self.nifti(f"labelsTr/case_{k:03d}.nii.gz", *change(k, classes, affine))
        self.text(
            "dataset.json", {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 6, "file_ending": ".nii.gz"}
        )

    def nifti(self, name: str, values: Array, affine: Array) -> None:
        """Write a NIfTI file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(values, affine), path)  # type: ignore[no-untyped-call]


def annotation(one: Thing, image: int) -> Json:
    """A COCO annotation, without an id."""
    ring = one.ring.reshape(-1).tolist()
    return {
        "image_id": image,
        "category_id": one.category + 1,
        "segmentation": [ring],
        "bbox": one.box,
        "area": one.area,
        "iscrowd": 0,
    }


def document(images: list[Json], annotations: list[Json]) -> Json:
    """A COCO document, with ids."""
    categories = [{"id": k + 1, "name": name, "supercategory": "beach"} for k, name in enumerate(NAMES)]
    return {
        "images": images,
        "categories": categories,
        "annotations": [{"id": k + 1} | one for k, one in enumerate(annotations)],
    }


def line(category: object, points: Array) -> str:
    """A line of YOLO's polygons, from pixels."""
    return f"{category} " + " ".join(f"{v:.6f}" for v in (points / [WIDTH, HEIGHT]).reshape(-1).tolist())


@dataclass(frozen=True)
class Reported:
    """A case: who met it where, and what a user has to be told."""

    thread: str
    told: str
    build: Callable[[Made], None]
    convert: str | None = None
    layout: bool = False


REPORTED: list[Reported] = []


def reported(thread: str, told: str, **more: Any) -> Callable[[Callable[[Made], None]], Callable[[Made], None]]:
    """Register what builds a case; a thread `owner/name#1` is on GitHub."""

    def register(build: Callable[[Made], None]) -> Callable[[Made], None]:
        REPORTED.append(Reported(thread, told, build, **more))
        return build

    return register


def picture_bytes(pixels: Array) -> str:
    """A picture as LabelMe keeps it in its file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def write_raster(path: Path, values: Array, number: float, nodata: str | None = None, north_up: bool = True) -> None:
    """A GeoTIFF of half a metre a pixel, in UTM zone 33, each tile east of the one before."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    west, north = 400000.0 + number * WIDTH / 2, 5800000.0
    if north_up:
        _put(tags, 33550, 12, (0.5, 0.5, 0.0))
        _put(tags, 33922, 12, (0.0, 0.0, 0.0, west, north, 0.0))
    else:
        south = north - HEIGHT / 2
        _put(tags, 34264, 12, (0.5, 0, 0, west, 0, 0.5, 0, south, 0, 0, 0, 0, 0, 0, 0, 1))
    _put(tags, 34735, 3, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633))
    if nodata is not None:
        _put(tags, 42113, 2, nodata)
    Image.fromarray(values).save(path, tiffinfo=tags, compression="tiff_deflate")


def _put(tags: Any, tag: int, kind: int, value: Any) -> None:  # Any: Pillow's directories, and what they hold
    tags.tagtype[tag] = kind
    tags[tag] = value
