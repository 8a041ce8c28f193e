"""Parts of famous layouts: a dataset that is being laid out, pairs of images and masks, Kaggle tables, COCO files."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.first_contact.layouts import HEIGHT, PALETTE, WIDTH, Archive, Pixels


class Replica(Archive):
    """A dataset that is being laid out, and what has to be found in it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.splits: dict[str, str] = {}  # image path -> split
        self.n_categories = 0  # that have segments; 0: not judged
        self.volume = 0  # voxels of all labels, where images are slices

    def flat(self, name: str, alpha: bool = False) -> None:
        """Write a small photograph without much work: where there are hundreds of folders."""
        ramp = np.linspace(40, 200, 64)[None, :, None] + self.rng.normal(0, 9, (48, 64, 3))
        pixels = ramp.clip(0, 255).astype(np.uint8)
        self.save(name, np.dstack([pixels, np.full((48, 64), 255, np.uint8)]) if alpha else pixels)

    def palette(self, name: str, values: Pixels) -> None:
        """Write a mask with a palette."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(values, mode="P")
        image.putpalette(PALETTE.ravel().tolist())
        image.save(path)

    def indices(self, name: str, image: str, values: Pixels) -> None:
        """Write a mask with a palette, whose labels are part of the truth."""
        self.palette(name, values)
        wide = values.astype(np.int64)
        value, area = np.unique(wide, return_counts=True)
        self.areas[image].update(area[value > 0].tolist())
        self.grounds[image].update(area[value == 0].tolist())

    def volume_of(self, name: str, values: Pixels | None = None) -> None:
        """Write a NIfTI file: a scan, or labels (16 slices of 20 by 24)."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = self.rng.normal(100, 30, (24, 20, 16)).astype(np.int16) if values is None else values
        scan: Any = nibabel  # it has no types
        scan.save(scan.Nifti1Image(drawn, np.diag([1, 1, 2, 1])), path)

    def organs(self, n: int) -> Pixels:
        """Labels of a volume: boxes of 1 to n."""
        values = np.zeros((24, 20, 16), np.uint8)
        for k in range(n):
            values[4 * k : 4 * k + 3, 5:9, 4:9] = k + 1
        self.volume += int((values > 0).sum())
        return values

    def rows(self, name: str, head: str, rows: Sequence[str]) -> None:
        """Write a table."""
        self.text(name, "\n".join([head, *rows]) + "\n")


Painter = Callable[[Replica], Pixels]


def white(r: Replica) -> Pixels:
    """Black and white."""
    return r.blobs().astype(np.uint8) * 255


def white_rgb(r: Replica) -> Pixels:
    """Black and white in three channels."""
    return np.dstack([r.blobs().astype(np.uint8) * 255] * 3).astype(np.uint8)


def white_16(r: Replica) -> Pixels:
    """Black and white in 16 bits."""
    return r.blobs().astype(np.uint16) * 65535


def classes(r: Replica) -> Pixels:
    """Values 0 to 3."""
    return r.classes()


def colours(r: Replica) -> Pixels:
    """Colours of four classes."""
    return PALETTE[r.classes()]


def numbers(r: Replica) -> Pixels:
    """A number for each object."""
    return r.numbered()


def pairs(images: str, masks: str, drawn: Painter, *splits: tuple[str, str, range], n: int = 0) -> "Layout":
    """Images and their masks: patterns of `k`, `s` (what the split is called in paths), `i` (a name by number).

    `splits`: what the split is called in paths, what it is, and the numbers; `n`: categories.
    """

    def lay(r: Replica) -> None:
        r.n_categories = n
        for s, split, numbers_of in splits:
            for k in numbers_of:
                image = images.format(k=k, s=s, d=k % 3, x=hex(977 * k)[2:])
                r.photo(image)
                r.mask(masks.format(k=k, s=s, d=k % 3, x=hex(977 * k)[2:]), image, drawn(r))
                if split:
                    r.splits[image] = split

    return lay


Layout = Callable[[Replica], None]


def then(*layouts: Layout, photos: Sequence[str] = (), files: dict[str, str] | None = None) -> Layout:
    """Several layouts in one folder, with photographs without labels and other files."""

    def lay(r: Replica) -> None:
        n = 0
        for layout in layouts:
            layout(r)
            n = max(n, r.n_categories)
        r.n_categories = n
        r.photo(*photos)
        for name, content in (files or {}).items():
            r.text(name, content)

    return lay


def run_lengths(blobs: NDArray[Any]) -> str:
    """Kaggle's run lengths: from 1, down the columns."""
    flat = np.concatenate([[0], (blobs > 0).T.ravel().astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(flat)) + 1
    return " ".join(f"{start} {end - start}" for start, end in zip(edges[::2], edges[1::2], strict=True))


def table(name: str, head: str, row: str, images: str, n_rows: int, categories: int, empty: int = 0) -> Layout:
    """A Kaggle table: `row` is a pattern of `k`, the class `c` and `rle`; each `empty`-th image has no run."""

    def lay(r: Replica) -> None:
        r.n_categories = categories
        rows = []
        for k in range(1, 9):
            image = images.format(k=k)
            r.photo(image)
            r.areas[image] = set()
            for c in range(1, n_rows + 1):
                blobs = r.blobs(0.1)
                drawn = not empty or (k + c) % empty
                if drawn:
                    r.areas[image].add(int(blobs.sum()))
                size = f"{WIDTH},{HEIGHT}"
                rows.append(row.format(k=k, c=c, rle=run_lengths(blobs) if drawn else "", size=size))
        r.rows(name, head, rows)

    return lay


def coco(name: str, images: str, numbers_of: range, split: str, lvis: bool = False, panoptic: bool = False) -> Layout:
    """A COCO document with boxes of two categories; `panoptic`: with segments in PNG files beside it."""

    def lay(r: Replica) -> None:
        r.n_categories = 2
        listed: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for k in numbers_of:
            image = images.format(k=k)
            r.photo(image)
            r.splits[image] = split
            file = Path(image).name
            one: dict[str, Any] = {"id": k, "width": WIDTH, "height": HEIGHT, "license": 1}
            url = f"http://images.cocodataset.org/{Path(image).parent.name}/{file}"
            listed.append(one | ({"coco_url": url, "not_exhaustive_category_ids": [], "neg_category_ids": []}
                                 if lvis else {"file_name": file, "coco_url": url}))  # fmt: skip
            drawn = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            segments = []
            for c, (x, y, w, h) in enumerate(((5, 8, 30 + k % 9, 20), (60, 40, 25, 12 + k % 7)), 1):
                r.areas[image].add(w * h)
                ring = [x, y, x + w, y, x + w, y + h, x, y + h]
                identity = 10 * k + c
                box: dict[str, Any] = {
                    "id": identity,
                    "category_id": c,
                    "iscrowd": 0,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                }
                drawn[y : y + h, x : x + w] = identity % 256, identity // 256 % 256, identity // 65536
                segments.append(box)
                crowd = {} if lvis else {"iscrowd": 0}
                kept = {key: value for key, value in box.items() if key != "iscrowd"} | crowd
                annotations.append(kept | {"image_id": k, "segmentation": [ring]})
            if panoptic:
                annotations[-2:] = [{"image_id": k, "file_name": f"{k:012d}.png", "segments_info": segments}]
                r.save(f"{name.removesuffix('.json')}/{k:012d}.png", drawn)
        extra: dict[str, Any] = (
            {"frequency": "f", "synset": "cat.n.01", "def": "a cat", "synonyms": ["cat"]} if lvis else {}
        )
        extra |= {"isthing": 1} if panoptic else {}
        categories = [{"id": c, "name": word, "supercategory": "any"} | extra for c, word in ((1, "cat"), (2, "sofa"))]
        document = {"info": {}, "licenses": [{"id": 1, "name": "CC", "url": ""}], "images": listed}
        r.text(name, json.dumps(document | {"annotations": annotations, "categories": categories}))

    return lay
