"""Datasets with seeded defects: how each is written, what is still untouched in it, and which functions change it."""

import importlib
import json
import pkgutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from tests.generators.sample import writers
from tests.generators.sample.scene import Picture, nearest_label, remove_small_parts
from tests.generators.sample.taxonomy import BY_ID, write_taxonomy
from tests.generators.sample.writers import Json, NamedPicture

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SeededDefect:
    """One seeded defect.

    `bbox` is [x, y, width, height] and `pixels` a count, both of the files as written; None where neither applies.
    """

    code: str
    dataset: str
    what: str
    file: str | None = None
    image: str | None = None
    segments: list[int] | None = None
    category: str | None = None
    bbox: list[int] | None = None
    pixels: int | None = None

    def entry(self) -> Json:
        """The defect as an object of truth.json."""
        return asdict(self)


@dataclass
class SeededDataset:
    """A dataset in `folder`; each defect takes its own image or annotation, so that defects do not interfere."""

    folder: Path
    shots: list[NamedPicture]
    document: Json = field(default_factory=dict)
    taken: set[object] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The dataset's name in the truth."""
        return self.folder.name

    def defect(self, code: str, what: str, **where: Any) -> SeededDefect:  # Any: the fields of Defect
        """A defect of this dataset."""
        return SeededDefect(code, self.name, what, **where)

    def covering(self, code: str, what: str, mask: Mask, **where: Any) -> SeededDefect:  # Any: the fields of Defect
        """A defect whose pixels are those of a mask."""
        return self.defect(code, what, bbox=writers.box_of(mask), pixels=int(mask.sum()), **where)

    def take(self, fits: Callable[[NamedPicture], bool] = lambda shot: True) -> NamedPicture:
        """The next untouched picture that fits."""
        shot = next(shot for shot in self.shots if shot.name not in self.taken and fits(shot))
        self.taken.add(shot.name)
        return shot

    def path(self, kind: str, shot: NamedPicture) -> Path:
        """The file of a picture in the images, masks or panoptic folder."""
        return self.folder / kind / f"{shot.name}{'.jpg' if kind == 'images' else '.png'}"

    def pixels(self, kind: str, shot: NamedPicture) -> NDArray[Any]:  # Any: as deep as the file is
        """A mask file as an array."""
        with Image.open(self.path(kind, shot)) as image:
            return np.array(image)

    def annotations(self, fits: Callable[[Json], bool] = lambda annotation: True) -> Iterator[Json]:
        """The untouched annotations of a COCO file that fit and are no crowds; each is taken when it is yielded."""
        for annotation in list(self.document["annotations"]):
            if annotation["id"] in self.taken or annotation["iscrowd"]:
                continue
            if self.image_of(annotation)["file_name"].rpartition(".")[0] not in self.taken and fits(annotation):
                self.taken.add(annotation["id"])
                yield annotation

    def image_of(self, annotation: Json) -> Json:
        """The entry of an annotation's image in a COCO file."""
        entry: Json = next(image for image in self.document["images"] if image["id"] == annotation["image_id"])
        return entry

    def about(self, annotation: Json) -> Json:
        """Where a defect of an annotation is: file, image, segments, category."""
        category = BY_ID.get(annotation["category_id"])
        return {
            "file": "instances.json", "image": self.image_of(annotation)["file_name"], "segments": [annotation["id"]],
            "category": category.name if category else None,
        }  # fmt: skip

    def mask_of(self, annotation: Json) -> Mask:
        """The pixels of a COCO annotation."""
        image = self.image_of(annotation)
        return decode_segmentation(annotation["segmentation"], image["height"], image["width"])

    def redraw(self, annotation: Json, shape: Any) -> Mask:  # Any: a COCO segmentation
        """Give an annotation another segmentation, with the area and box that belong to it; returns its pixels."""
        annotation["segmentation"] = shape
        mask = self.mask_of(annotation)
        annotation["area"] = int(mask.sum())
        annotation["bbox"] = writers.box_of(mask) if mask.any() else [0, 0, 0, 0]
        return mask

    def add(self, annotation: Json, **changed: Any) -> Json:  # Any: fields of a COCO annotation
        """A changed copy of an annotation, with a new id, added to the file."""
        number = 1 + max(entry["id"] for entry in self.document["annotations"])
        copy: Json = deepcopy(annotation) | {"id": number} | changed
        self.document["annotations"].append(copy)
        self.taken.add(copy["id"])
        return copy


def decode_segmentation(segmentation: Any, height: int, width: int) -> Mask:  # Any: a COCO segmentation
    """The pixels of a COCO segmentation: (height, width)."""
    shapes = coco.frPyObjects(segmentation, height, width) if not _is_packed(segmentation) else segmentation
    with warnings.catch_warnings():
        # pycocotools has no __array__ of numpy 2's kind yet, and numpy says so at every call.
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.asarray(coco.decode(coco.merge(shapes) if isinstance(shapes, list) else shapes), dtype=bool)


def _is_packed(segmentation: Any) -> bool:  # Any: a COCO segmentation
    return isinstance(segmentation, dict) and isinstance(segmentation["counts"], str)


Seeding = Callable[[SeededDataset], Iterator[SeededDefect]]
SEEDINGS: dict[str, dict[str, Seeding]] = {}  # by dataset and name: pytest imports these modules under two names


def seeds_defect(dataset: str) -> Callable[[Seeding], Seeding]:
    """Register a function that seeds defects into a dataset and yields them."""

    def register(seeding: Seeding) -> Seeding:
        SEEDINGS.setdefault(dataset, {})[seeding.__name__] = seeding
        return seeding

    return register


def find_seedings() -> dict[str, dict[str, Seeding]]:
    """All seeding functions by dataset, found in the modules of this folder."""
    package = importlib.import_module("tests.generators.sample.defects")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"tests.generators.sample.defects.{module.name}")
    return SEEDINGS


Writer = Callable[[Path, Sequence[NamedPicture]], None]


def _coco(overlap: str) -> Writer:
    def write_coco(folder: Path, shots: Sequence[NamedPicture]) -> None:
        writers.write_instances(folder, shots)
        writers.write_config(folder, coverage="sparse", overlap=overlap)

    return write_coco


def _coco_in_splits(folder: Path, shots: Sequence[NamedPicture]) -> None:
    """COCO instances whose images lie in images/train (two thirds) and images/val."""
    train = len(shots) * 2 // 3
    in_splits = [
        NamedPicture(f"{'train' if n < train else 'val'}/{shot.name}", shot.picture) for n, shot in enumerate(shots)
    ]
    _coco("allow")(folder, in_splits)


def _coco_mirrored(folder: Path, shots: Sequence[NamedPicture]) -> None:
    """COCO instances of the pictures and their three mirror images, enough to see which categories always occur."""
    directions = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    mirrored = [
        NamedPicture(f"{name}-{number}", Picture(view.image[::up, ::left], view.labels[::up, ::left], view.segments))
        for number, (up, left) in enumerate(directions)
        for name, view in shots
    ]
    _coco("allow")(folder, mirrored)


def _write_nothing(folder: Path, shots: Sequence[NamedPicture]) -> None:
    """Write nothing: the seeding functions of sequences and annotators write copies of their own."""


def _index_masks(folder: Path, shots: Sequence[NamedPicture]) -> None:
    writers.write_semantic(folder, shots)
    write_taxonomy(folder / "taxonomy.yaml", unlabelled=0)


# How each dataset is written before defects are seeded, and from how many pictures.
DATASETS: dict[str, tuple[Writer, int]] = {
    "broken_json": (_coco("allow"), 2),
    "coco_reading": (_coco("allow"), 12),
    "coco_shapes": (_coco("allow"), 12),
    "coco_overlap": (_coco("forbid"), 6),
    "mask_reading": (writers.write_semantic, 12),
    "mask_shapes": (writers.write_semantic, 10),
    "thin_lines": (writers.write_semantic, 6),
    "palette_masks": (_index_masks, 6),
    "panoptic_reading": (writers.write_panoptic, 11),
    "instance_shapes": (writers.write_instance_ids, 8),
    "wrapped_ids": (writers.write_instance_ids, 2),
    "taxonomy_broken": (writers.write_semantic, 6),
    "taxonomy_use": (_coco("allow"), 12),
    "taxonomy_mapping": (_coco("allow"), 8),
    "suppressions": (writers.write_semantic, 6),
    "relations": (_coco("allow"), 12),
    "expectations": (_coco("allow"), 8),
    "splits": (_coco_in_splits, 12),
    "imbalance": (_coco("allow"), 12),
    "outliers": (_coco("allow"), 12),
    "companions": (_coco_mirrored, 12),
    "drift": (_coco_in_splits, 12),
    "boundary_treatment": (writers.write_semantic, 8),
    "occlusion_treatment": (_coco("allow"), 8),
    "annotator_drift": (_write_nothing, 6),
    "video": (_write_nothing, 0),
    "volume": (_write_nothing, 0),
}


def build_defects(folder: Path, shots: Sequence[NamedPicture], frames: Sequence[NamedPicture]) -> list[SeededDefect]:
    """Write every dataset with seeded defects into `folder`, and truth.json.

    `shots` are at least 12 pictures, `frames` a clean sequence of at least 8.
    """
    defects: list[SeededDefect] = []
    seedings = find_seedings()
    for name, (writer, count) in DATASETS.items():
        site = SeededDataset(folder / name, list(shots[:count] or frames))
        writer(site.folder, site.shots)
        document = next(iter(sorted(site.folder.glob("*.json"))), None)
        if document:
            site.document = json.loads(document.read_text(encoding="utf-8"))
        before = json.dumps(site.document)
        defects += [defect for seeding in seedings[name].values() for defect in seeding(site)]
        if document and json.dumps(site.document) != before:
            writers.write_json(document, site.document)
    writers.write_json(folder / "truth.json", [defect.entry() for defect in defects])
    return defects


def remove_specks(mask: np.ndarray, min_pixels: int = 20) -> np.ndarray:
    """A colour mask whose smallest parts are given to their surroundings."""
    labels, old_labels = remove_small_parts(
        (mask.astype(np.int32) @ np.array([1, 256, 65536])).astype(np.int32), min_pixels
    )
    return writers.packed_png(np.array([0, *old_labels])[labels])


def nearest_colour(mask: np.ndarray, erased: Mask, thing: Mask) -> np.ndarray:
    """A colour mask in which some pixels of a thing take the colour of the nearest pixel that is not the thing."""
    packed = (mask.astype(np.int32) @ np.array([1, 256, 65536])).astype(np.int32)
    return writers.packed_png(np.where(erased, nearest_label(packed, ~thing), packed).astype(np.int64))


N_PLATES = 10
_HALF_WIDTH, _HALF_HEIGHT = 6, 9  # pixels


def plate_masks(height: int, width: int, nearer: int = 0) -> list[Mask]:
    """The pixels of each plate, left to right; the fifth hangs `nearer` pixels nearer to the fourth."""
    step = width // (N_PLATES + 1)
    y, x = np.mgrid[:height, :width]
    middles = [step * (number + 1) - (nearer if number == 4 else 0) for number in range(N_PLATES)]
    return [((x - middle) / _HALF_WIDTH) ** 2 + ((y - 14) / _HALF_HEIGHT) ** 2 <= 1 for middle in middles]


def paint_plates(site: SeededDataset, shot: NamedPicture, nearer: int = 0) -> list[Mask]:
    """Paint the plates into a picture's image file; returns their pixels."""
    path = site.path("images", shot)
    with Image.open(path) as image:
        pixels = np.array(image)
    masks = plate_masks(pixels.shape[0], pixels.shape[1], nearer)
    for plate in masks:
        pixels[plate] = (216, 196, 60)
        pixels[plate & ~cv2.erode(plate.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)] = (90, 84, 40)
    Image.fromarray(pixels).save(path, quality=88, subsampling=0)
    return masks
