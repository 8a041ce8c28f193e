"""A dataset under way to be spoiled: its files, what is still untouched in it, and what was done."""

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from segdata.sample import write
from segdata.sample.taxonomy import BY_ID
from segdata.sample.write import Json, Shot

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Defect:
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
class Site:
    """A dataset in `folder`; each defect takes its own image or annotation, so that none disturbs another."""

    folder: Path
    shots: list[Shot]
    document: Json = field(default_factory=dict)
    taken: set[object] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The dataset's name in the truth."""
        return self.folder.name

    def defect(self, code: str, what: str, **where: Any) -> Defect:  # Any: the fields of Defect
        """A defect of this dataset."""
        return Defect(code, self.name, what, **where)

    def covering(self, code: str, what: str, mask: Mask, **where: Any) -> Defect:  # Any: the fields of Defect
        """A defect whose pixels are those of a mask."""
        return self.defect(code, what, bbox=write.box_of(mask), pixels=int(mask.sum()), **where)

    def take(self, fits: Callable[[Shot], bool] = lambda shot: True) -> Shot:
        """The next untouched picture that fits."""
        shot = next(shot for shot in self.shots if shot.name not in self.taken and fits(shot))
        self.taken.add(shot.name)
        return shot

    def path(self, kind: str, shot: Shot) -> Path:
        """The file of a picture in the images, masks or panoptic folder."""
        return self.folder / kind / f"{shot.name}{'.jpg' if kind == 'images' else '.png'}"

    def pixels(self, kind: str, shot: Shot) -> NDArray[Any]:  # Any: as deep as the file is
        """A mask file as an array."""
        with Image.open(self.path(kind, shot)) as image:
            return np.array(image)

    def annotations(self, fits: Callable[[Json], bool] = lambda annotation: True) -> Iterator[Json]:
        """The untouched annotations of a COCO file that fit and are no crowds; each is taken when it is drawn."""
        for annotation in list(self.document["annotations"]):
            if annotation["id"] in self.taken or annotation["iscrowd"]:
                continue
            if self.image_of(annotation)["file_name"].rpartition(".")[0] not in self.taken and fits(annotation):
                self.taken.add(annotation["id"])
                yield annotation

    def image_of(self, annotation: Json) -> Json:
        """The entry of an annotation's image in a COCO file."""
        found: Json = next(image for image in self.document["images"] if image["id"] == annotation["image_id"])
        return found

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
        return decoded(annotation["segmentation"], image["height"], image["width"])

    def redraw(self, annotation: Json, shape: Any) -> Mask:  # Any: a COCO segmentation
        """Give an annotation another segmentation, with the area and box that belong to it; returns its pixels."""
        annotation["segmentation"] = shape
        mask = self.mask_of(annotation)
        annotation["area"] = int(mask.sum())
        annotation["bbox"] = write.box_of(mask) if mask.any() else [0, 0, 0, 0]
        return mask

    def add(self, annotation: Json, **changed: Any) -> Json:  # Any: fields of a COCO annotation
        """A changed copy of an annotation, with a new id, added to the file."""
        number = 1 + max(other["id"] for other in self.document["annotations"])
        copy: Json = deepcopy(annotation) | {"id": number} | changed
        self.document["annotations"].append(copy)
        self.taken.add(copy["id"])
        return copy


def decoded(segmentation: Any, height: int, width: int) -> Mask:  # Any: a COCO segmentation
    """The pixels of a COCO segmentation: (height, width)."""
    shapes = coco.frPyObjects(segmentation, height, width) if not _is_packed(segmentation) else segmentation
    with warnings.catch_warnings():
        # pycocotools has no __array__ of numpy 2's kind yet, and numpy says so at every call.
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.asarray(coco.decode(coco.merge(shapes) if isinstance(shapes, list) else shapes), dtype=bool)


def _is_packed(segmentation: Any) -> bool:  # Any: a COCO segmentation
    return isinstance(segmentation, dict) and isinstance(segmentation["counts"], str)
