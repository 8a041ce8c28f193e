"""DICOM groups: images on their way into DICOM objects: those of one series, with what each annotator drew on them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter, LossKind
from segdata.core.paths import local_file
from segdata.core.runs import Runs
from segdata.formats.medical.dicom.files import DicomImage, image_of
from segdata.formats.medical.dicom.index import IndexImage
from segdata.formats.shared.count_losses import count_losses

_HELD = frozenset({"images.sequence", "images.frame", "images.group"})  # by the index
_SEGMENT = ("segment_id", "source_id", "category_id", "track_id", "source", "attributes", "rings")


@dataclass
class Layer:
    """What one annotator drew on one image.

    Attributes
    ----------
    segments : rows of the columns that objects can hold, and `pixels`, how many there are
    runs : `runs.owner` is the segment
    """

    segments: list[dict[str, Any]]  # Any: cells of all types
    runs: Runs


@dataclass
class Group:
    """Images of one series, in order, and what was drawn on them.

    Attributes
    ----------
    images : with their ids
    layers : annotator and source -> image id -> what was drawn
    """

    images: list[tuple[str, DicomImage]] = field(default_factory=list)
    layers: dict[tuple[str | None, str | None], dict[str, Layer]] = field(default_factory=dict)


class Groups:
    """Sorts the images of batches into groups.

    Attributes
    ----------
    index : every image that went by
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.index: list[IndexImage] = []

    def of(self, batches: Iterable[Batch]) -> Iterator[Group]:
        """The groups; those of a sequence when its last image has come. Raises SegdataError without DICOM images."""
        sequence: str | None = None
        groups: dict[tuple[str, tuple[int, int]], Group] = {}
        for batch in batches:
            rows = batch.images.select(["image_id", "uri", "width", "height", "sequence", "frame", "group"]).to_pylist()
            layers = _layers(batch)
            for row, drawn in zip(rows, layers, strict=True):
                if row["sequence"] is None or row["sequence"] != sequence:
                    yield from groups.values()
                    groups, sequence = {}, row["sequence"]
                image = self._image(row, needed=bool(drawn))
                self.index.append(
                    IndexImage(
                        row["image_id"],
                        image.uid if image else "",
                        row["uri"] or "",
                        row["width"] or 0,
                        row["height"] or 0,
                        row["sequence"],
                        row["frame"],
                        row["group"],
                    )
                )
                if image is not None:
                    group = groups.setdefault((image.series, image.size), Group())
                    group.images.append((row["image_id"], image))
                    for who, layer in drawn:
                        group.layers.setdefault(who, {})[row["image_id"]] = layer
        yield from groups.values()

    def _image(self, row: dict[str, Any], needed: bool) -> DicomImage | None:  # Any: cells of all types
        """The DICOM image behind an image; None where there is none, and nobody drew on it."""
        path = local_file(row["uri"])
        reason = "no file is known" if path is None else f"{path} is none"
        try:
            found = None if path is None else image_of(path, path.parent)
        except OSError as error:
            found, reason = None, f"{path}: {error.strerror or error}"
        if found is None:
            if needed:
                raise SegdataError(
                    f"image {row['image_id']!r}: {self._what} needs the DICOM file that it was drawn on, {reason}"
                )
            return None
        if found.size != (row["height"], row["width"]):
            said = f"{row['width']}x{row['height']}, its DICOM file is {found.size[1]}x{found.size[0]}"
            raise SegdataError(f"image {row['image_id']!r} is {said}; {self._what} needs the image that was drawn on")
        return found


def _layers(batch: Batch) -> list[list[tuple[tuple[str | None, str | None], Layer]]]:
    """(n_images,) what each annotator drew on each image."""
    found: list[list[tuple[tuple[str | None, str | None], Layer]]] = [[] for _ in range(batch.images.num_rows)]
    segments = batch.segments.select(list(_SEGMENT)).to_pylist()
    bounds = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1))
    for row, annotation in enumerate(batch.annotations.select(["annotator", "source"]).to_pylist()):
        mine = np.arange(bounds[row], bounds[row + 1], dtype=np.int64)
        runs = batch.runs.take(mine, batch.n_segments)
        areas = runs.areas(len(mine)).tolist()
        said = [{**segments[at], "pixels": area} for at, area in zip(mine.tolist(), areas, strict=True)]
        who = annotation["annotator"], annotation["source"]
        found[int(batch.annotation_image[row])].append((who, Layer(said, runs)))
    return found


def count_beside(batch: Batch, lost: frozenset[LossKind], losses: LossCounter) -> Batch:
    """The batch; what its columns say that DICOM objects have no place for, kinds in `lost`, is counted."""
    count_losses(batch, losses, lost, _HELD)
    said = batch.annotations["source"].to_pylist()
    losses.add("source", "annotations", sum(each == "consensus" for each in said))
    return batch
