"""Predictions: what networks say about images that they have not seen, in the files of a folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.atomic_files import write_whole
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.runs import Ints, Runs
from segdata.noise.networks.plan import TrainingPlan

VERSION = 1
EDGE = 2  # of contours: neither, inside, edge
HalfFloats = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class PredictedInstances:
    """The instances that were found in an image."""

    runs: Runs  # the pixels of each; they do not overlap
    category: Ints  # (n,) the category id of each
    score: NDArray[np.float32]  # (n,) float32, how probable its pixels are, 0 to 1

    def __len__(self) -> int:
        return len(self.category)


@dataclass(frozen=True)
class Predictions:
    """What was predicted for each image by networks that were not trained on it."""

    folder: Path  # where the files are
    image_ids: tuple[str, ...]  # (n_images,) in the order of the dataset
    categories: tuple[int, ...]  # (K - 1,) the category ids that channels 1, 2, … stand for; channel 0: unlabelled
    fold: Ints = field(repr=False)  # (n_images,) the fold that an image was left out with
    usable: NDArray[np.bool_] = field(repr=False)  # (n_images,) whether there is a prediction
    plan: TrainingPlan  # how it was trained
    notes: tuple[str, ...] = ()  # what a reader of the results must know
    defects: tuple[Defect, ...] = ()  # images that could not be read

    def __len__(self) -> int:
        return len(self.image_ids)

    def row(self, image_id: str) -> int:
        """The row of an image; raises SegdataError where there is none."""
        try:
            return self.image_ids.index(image_id)
        except ValueError:
            raise SegdataError(f"no image {image_id!r} in the predictions") from None

    def probabilities(self, row: int) -> HalfFloats:
        """(K, height, width) float16 of an image, read from its file as far as it is looked at; they sum to 1."""
        return self._array("probabilities", row)

    def contours(self, row: int) -> HalfFloats | None:
        """(3, height, width) float16: neither, inside of an instance, its edge; None where there are no instances."""
        return self._array("contours", row) if self.plan.instances else None

    def instances(self, row: int) -> PredictedInstances | None:
        """The instances of an image; None where segments are not told apart."""
        if not self.plan.instances:
            return None
        self._check(row)
        with np.load(prediction_path(self.folder, "instances", row)) as file:
            runs = Runs(file["start"], file["length"], file["owner"])
            return PredictedInstances(runs, file["category"], file["score"])

    def _array(self, kind: str, row: int) -> HalfFloats:
        self._check(row)
        return np.load(prediction_path(self.folder, kind, row), mmap_mode="r")  # type: ignore[no-any-return]  # as written

    def _check(self, row: int) -> None:
        if not self.usable[row]:
            raise SegdataError(f"image {self.image_ids[row]!r} has no prediction, because it could not be read")

    def save(self) -> None:
        """Write what `open_predictions` reads, last of all."""
        content = {
            "version": VERSION,
            "image_ids": self.image_ids,
            "categories": self.categories,
            "fold": self.fold.tolist(),
            "usable": self.usable.tolist(),
            "plan": asdict(self.plan),
            "notes": self.notes,
            "defects": [asdict(defect) for defect in self.defects],
        }
        write_whole(self.folder / "predictions.json", msgspec.json.encode(content))


def open_predictions(folder: str | Path) -> Predictions:
    """The predictions that were written to a folder; raises SegdataError where they are not there, or not whole."""
    path = Path(folder) / "predictions.json"
    try:
        content: dict[str, Any] = msgspec.json.decode(path.read_bytes())  # Any: JSON
    except (OSError, msgspec.DecodeError) as error:
        raise SegdataError(f"{path}: no finished predictions: {error}") from error
    if content.get("version") != VERSION:
        raise SegdataError(f"{path} has version {content.get('version')}; this segdata reads version {VERSION}")
    return Predictions(
        Path(folder),
        tuple(content["image_ids"]),
        tuple(content["categories"]),
        np.array(content["fold"], np.int64),
        np.array(content["usable"], bool),
        msgspec.convert(content["plan"], TrainingPlan),
        tuple(content["notes"]),
        msgspec.convert(content["defects"], tuple[Defect, ...]),
    )


def prediction_path(folder: Path, kind: str, row: int) -> Path:
    """The file of an image: ``probabilities``, ``contours`` or ``instances``."""
    return folder / kind / f"{row:06d}.{'npz' if kind == 'instances' else 'npy'}"


def unfinished_path(path: Path) -> Path:
    """Where a large file grows until it is whole; the folder is locked, so that no other program has the name."""
    return path.with_name(f".{path.name}.part")


def is_predicted(folder: Path, row: int, whats: Sequence[str]) -> bool:
    """Whether all files of an image are there."""
    return all(prediction_path(folder, kind, row).is_file() for kind in whats)
