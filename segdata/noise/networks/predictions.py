"""Predictions: what networks say about images that they have not seen, in the files of a folder."""

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
from segdata.noise.networks.stored import VERSION, StoredPrediction

EDGE = 2  # of contours: neither, inside, edge
Probabilities = NDArray[np.float32]
_FIRST_VERSION = 1  # an array of float16 for each kind and image
_OLDEST_LOSSES = {"cross-entropy": "ce+dice", "focal": "focal+dice"}  # of plans without augmentations


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
    version: int = VERSION  # of the files

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def channels(self) -> dict[int, int]:
        """Category id -> the channel of its probability."""
        return {id_: number for number, id_ in enumerate(self.categories, start=1)}

    def row(self, image_id: str) -> int:
        """The row of an image; raises SegdataError where there is none."""
        try:
            return self.image_ids.index(image_id)
        except ValueError:
            raise SegdataError(f"no image {image_id!r} in the predictions") from None

    def probabilities(self, row: int) -> Probabilities:
        """(K, height, width) float32 of an image; they sum to 1.

        The two most probable categories of a pixel have their own, to about 0.002; all others share what is left.
        """
        if self.version == _FIRST_VERSION:
            return self._array("probabilities", row).astype(np.float32)
        return self._load(row).probabilities().transpose(0, 2, 1)

    def edges(self, row: int) -> Probabilities | None:
        """(height, width) float32 how probable it is that an instance ends here; None where that is not known."""
        if not self.plan.instances:
            return None
        if self.version == _FIRST_VERSION:
            contours = self._array("contours", row)
            edge = contours[EDGE].astype(np.float32) if contours.any() else None
        else:
            stored = self._load(row).edges()
            edge = None if stored is None else stored.T
        return edge if edge is not None and edge.any() else None

    def instances(self, row: int) -> PredictedInstances | None:
        """The instances of an image; None where segments are not told apart."""
        if not self.plan.instances:
            return None
        if self.version == _FIRST_VERSION:
            self._check(row)
            with np.load(self.folder / "instances" / f"{row:06d}.npz") as file:
                runs = Runs(file["start"], file["length"], file["owner"])
                return PredictedInstances(runs, file["category"], file["score"])
        stored = self._load(row).instances()
        return None if stored is None else PredictedInstances(stored.runs, stored.category, stored.score)

    def _load(self, row: int) -> StoredPrediction:
        self._check(row)
        path = prediction_path(self.folder, row)
        try:
            return StoredPrediction.decode(path.read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            raise SegdataError(
                f"{path}: cannot be read: {error}; delete the folder, and segdata predicts again"
            ) from error

    def _array(self, kind: str, row: int) -> NDArray[np.float16]:
        self._check(row)
        return np.load(self.folder / kind / f"{row:06d}.npy", mmap_mode="r")  # type: ignore[no-any-return]  # as written

    def _check(self, row: int) -> None:
        if not self.usable[row]:
            raise SegdataError(f"image {self.image_ids[row]!r} has no prediction, because it could not be read")

    def save(self) -> None:
        """Write what `open_predictions` reads, last of all."""
        content = {
            "version": self.version,
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
    version = content.get("version")
    if version not in (_FIRST_VERSION, VERSION):
        raise SegdataError(f"{path} has version {version}; this segdata reads versions {_FIRST_VERSION} and {VERSION}")
    try:
        return Predictions(
            folder=Path(folder),
            image_ids=tuple(content["image_ids"]),
            categories=tuple(content["categories"]),
            fold=np.array(content["fold"], np.int64),
            usable=np.array(content["usable"], bool),
            plan=msgspec.convert(_current_plan(content["plan"]), TrainingPlan),
            notes=tuple(content["notes"]),
            defects=msgspec.convert(content["defects"], tuple[Defect, ...]),
            version=version,
        )
    except (KeyError, TypeError, ValueError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error)
        remedy = "delete the folder, and segdata predicts again"
        raise SegdataError(f"{path}: not as segdata writes it: {why}; {remedy}") from error


def _current_plan(plan: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """A plan in the names of today.

    Plans without augmentations are older than the choice of losses: both of theirs had Dice beside them, and an
    EfficientNet was always pretrained. There, ``focal`` does not mean what it means today.
    """
    if "augment" in plan:
        return plan
    encoder = plan.get("encoder", "convolutions")
    loss = _OLDEST_LOSSES.get(plan["loss"], plan["loss"])
    return {"pretrained": encoder == "efficientnet-lite0"} | plan | {"loss": loss}


def prediction_path(folder: Path, row: int) -> Path:
    """The file of an image."""
    return folder / "images" / f"{row:06d}.bin"


def is_predicted(folder: Path, row: int) -> bool:
    """Whether the file of an image is there."""
    return prediction_path(folder, row).is_file()
