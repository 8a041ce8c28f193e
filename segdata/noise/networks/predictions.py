"""Predictions: the out-of-fold predictions of networks, in the files of a folder.

A file has the two most probable categories of each pixel, edges and instances, in 2 bytes a pixel at most. The outputs
of a network are encoded on its device: the best category, the second one, the share of the second and of all others
together, and the probability of an edge. Shares are stored as their square roots, so that small ones keep their digits:
0.001 differs from 0.002, and 0.5 is off by 0.002 at most.
"""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.atomic_files import write_whole
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.runs import Flags, Ints, Runs
from segdata.noise.networks.plan import TrainingPlan

VERSION = 2
BYTES_PER_PIXEL = 2  # at most, in a file
_LEVELS = (255, 63, 15, 3)  # of shares; the first at which a file is small enough
_FULL = 255  # levels in which shares come from the device
_MIN_LEAD = 0.001  # of the best over the second, so that rounding makes no other one the best
_MANY = 256  # categories whose numbers do not fit into a byte
_FEW_PIXELS = 4096  # a smaller file is not worth a coarser share
Codes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PlaneLayout:
    """The layout of a pixel's bytes: numbers of categories (two bytes if there are many), shares, and the edge."""

    n_categories: int
    edges: bool

    @property
    def bytes_per_number(self) -> int:
        """The bytes in which a category's number is stored."""
        return 1 if self.n_categories <= _MANY else 2

    @property
    def n_numbers(self) -> int:
        """The bytes of a pixel for numbers of categories; of two categories the second one is implied."""
        return self.bytes_per_number * (2 if self.n_categories > 2 else 1)

    @property
    def n_shares(self) -> int:
        """The bytes of a pixel for shares: of the second category, and of the others."""
        return 2 if self.n_categories > 2 else min(self.n_categories - 1, 1)

    @property
    def n_planes(self) -> int:
        """The bytes of a pixel."""
        return self.n_numbers + self.n_shares + self.edges


class _StoredImage(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file. Planes are (n_planes, width, height): column by column, as runs count pixels."""

    version: int
    size: tuple[int, int]  # (height, width) of the image
    seen: tuple[int, int]  # (height, width) of what networks saw, and what the planes have
    n_categories: int
    edges: bool
    levels: int  # of shares
    second: bool  # whether the second category is there
    planes: bytes
    n_runs: int = -1  # -1: no instances
    n_instances: int = 0
    instances: bytes = b""


@dataclass(frozen=True, slots=True)
class StoredInstances:
    """Runs, category id and score of the instances of an image."""

    runs: Runs
    category: Ints
    score: NDArray[np.float32]


def encode_prediction(
    planes: Codes, layout: PlaneLayout, size: tuple[int, int], instances: StoredInstances | None = None
) -> bytes:
    """A file's content: `planes` (n_planes, height, width) as the device made them, of an image of `size`.

    Shares keep as many digits as fit into 2 bytes a pixel.
    """
    columns = np.ascontiguousarray(planes.transpose(0, 2, 1))
    packed_instances = b"" if instances is None else _pack(_instance_bytes(instances))
    room = max(BYTES_PER_PIXEL * size[0] * size[1], _FEW_PIXELS) - len(packed_instances) - 128
    numbers, shares = columns[: layout.n_numbers], columns[layout.n_numbers :]
    packed, levels, has_second = b"", _FULL, True
    for levels in _LEVELS:
        coarse = shares if levels == _FULL else np.rint(shares * (levels / _FULL)).astype(np.uint8)
        packed = _pack(numbers.tobytes() + coarse.tobytes())
        if len(packed) <= room:
            break
    else:  # next to noise: the best category alone
        packed, has_second = _pack(columns[: layout.bytes_per_number].tobytes()), False
    return msgspec.msgpack.encode(
        _StoredImage(
            version=VERSION,
            size=size,
            seen=(planes.shape[1], planes.shape[2]),
            n_categories=layout.n_categories,
            edges=layout.edges,
            levels=levels,
            second=has_second,
            planes=packed,
            n_runs=-1 if instances is None else len(instances.runs),
            n_instances=0 if instances is None else len(instances.category),
            instances=packed_instances,
        )
    )


@dataclass(frozen=True)
class StoredPrediction:
    """The content of a file."""

    _image: _StoredImage

    @staticmethod
    def decode(content: bytes) -> "StoredPrediction":
        """Decode a file's content; raises msgspec.MsgspecError for other content."""
        return StoredPrediction(msgspec.msgpack.decode(content, type=_StoredImage))

    def probabilities(self) -> NDArray[np.float32]:
        """(K, width, height) of the image; all categories but the two best share the rest equally."""
        image, layout = self._image, self._layout
        return enlarge(shares_of(self._planes, layout, image.levels, second=image.second), image.size[::-1])

    def edges(self) -> NDArray[np.float32] | None:
        """(width, height) the probability that an instance ends in a pixel; None if networks do not predict it."""
        image = self._image
        if not image.edges:
            return None
        if not image.second:
            return np.zeros(image.size[::-1], np.float32)
        edge = self._planes[-1:].astype(np.float32)
        whole: NDArray[np.float32] = enlarge(edge / np.float32(image.levels), image.size[::-1])[0]
        return whole

    def instances(self) -> StoredInstances | None:
        """The instances; None if the dataset has no instances."""
        image = self._image
        if image.n_runs < 0:
            return None
        whole, n, m = 4, image.n_runs, image.n_instances
        content = np.frombuffer(_unpack(image.instances, whole * (3 * n + 2 * m)), np.int32)
        start, length, owner = content[: 3 * n].reshape(3, n)
        category, score = content[3 * n :].reshape(2, m)
        runs = Runs(start.astype(np.int64), length.astype(np.int64), owner)
        return StoredInstances(runs, category.astype(np.int64), score.view(np.float32))

    @property
    def _layout(self) -> PlaneLayout:
        return PlaneLayout(self._image.n_categories, self._image.edges)

    @cached_property
    def _planes(self) -> Codes:
        image, layout = self._image, self._layout
        n = layout.n_planes if image.second else layout.bytes_per_number
        height, width = image.seen
        return np.frombuffer(_unpack(image.planes, n * height * width), np.uint8).reshape(n, width, height)


def shares_of(planes: Codes, layout: PlaneLayout, levels: int = _FULL, *, second: bool = True) -> NDArray[np.float32]:
    """(K, a, b) the probabilities that bytes (n_planes, a, b) encode; without `second` the best category has all."""
    n, sides = layout.n_categories, planes.shape[1:]
    shares = np.zeros((n, int(np.prod(sides))), np.float32)
    flat = planes.reshape(len(planes), -1)
    pixel = np.arange(flat.shape[1])
    best = _numbers(flat, 0, layout)
    if not second or n == 1:
        shares[best, pixel] = 1
        return shares.reshape(n, *sides)
    if n == 2:  # looked up, by the number of the best category and the byte of the other one's share
        every_share = (np.arange(_FULL + 1, dtype=np.float32) / np.float32(levels)) ** 2 / 2
        second_share = np.minimum(every_share, (1 - _MIN_LEAD) / 2)
        table = np.concatenate([1 - second_share, second_share, 1 - second_share]).astype(np.float32)
        index = flat[1] + (_FULL + 1) * flat[0].astype(np.uint16)
        for channel in range(n):
            table[channel * len(second_share) :].take(index, out=shares[channel], mode="clip")
        return shares.reshape(n, *sides)
    scaled = flat[layout.n_numbers :].astype(np.float32) / np.float32(levels)
    second_share = scaled[0] ** 2 / 2
    rest = np.minimum(scaled[1] ** 2, (n - 2) * second_share)
    shrink = np.maximum((2 * second_share + rest) / (1 - _MIN_LEAD), 1)
    second_share, rest = second_share / shrink, rest / shrink
    shares[:] = rest / (n - 2)
    shares[best, pixel] = 1 - second_share - rest
    shares[_numbers(flat, layout.bytes_per_number, layout), pixel] = second_share
    return shares.reshape(n, *sides)


def _numbers(flat: Codes, first: int, layout: PlaneLayout) -> Ints:
    number: Ints = flat[first].astype(np.int64)
    return number if layout.bytes_per_number == 1 else number + _MANY * flat[first + 1].astype(np.int64)


def enlarge(values: NDArray[np.float32], sides: tuple[int, int]) -> NDArray[np.float32]:
    """Interpolate (n, a, b) values of a reduced image at the centres of the pixels of the full one."""
    for axis, side in enumerate(sides, 1):
        length = values.shape[axis]
        if length != side:
            place = ((np.arange(side) + 0.5) * length / side - 0.5).clip(0, length - 1)
            low = np.floor(place).astype(np.int64)
            share = (place - low).astype(np.float32).reshape((-1, 1) if axis == 1 else (1, -1))
            above = values.take(np.minimum(low + 1, length - 1), axis)
            values = values.take(low, axis)
            values = values + share * (above - values)
    return values


def _instance_bytes(instances: StoredInstances) -> bytes:
    runs = instances.runs
    columns = (runs.start, runs.length, runs.owner, instances.category)
    return (
        b"".join(np.ascontiguousarray(column, np.int32).tobytes() for column in columns)
        + np.ascontiguousarray(instances.score, np.float32).tobytes()
    )


def _pack(content: bytes) -> bytes:
    return pa.Codec("zstd", compression_level=1).compress(content, asbytes=True)  # type: ignore[no-any-return]


def _unpack(content: bytes, length: int) -> bytes:
    return pa.Codec("zstd").decompress(content, decompressed_size=length, asbytes=True) if length else b""


EDGE = 2  # of contours: neither, inside, edge
Probabilities = NDArray[np.float32]
_FIRST_VERSION = 1  # an array of float16 for each kind and image
_OLDEST_LOSSES = {"cross-entropy": "ce+dice", "focal": "focal+dice"}  # of plans without augmentations


@dataclass(frozen=True, slots=True)
class PredictedInstances:
    """The predicted instances of an image."""

    runs: Runs  # the pixels of each; they do not overlap
    category: Ints  # (n,) the category id of each
    score: NDArray[np.float32]  # (n,) float32, how probable its pixels are, 0 to 1

    def __len__(self) -> int:
        return len(self.category)


@dataclass(frozen=True)
class Predictions:
    """The predictions for each image by networks that were not trained on it."""

    folder: Path  # where the files are
    image_ids: tuple[str, ...]  # (n_images,) in the order of the dataset
    categories: tuple[int, ...]  # (K - 1,) the category ids that channels 1, 2, … stand for; channel 0: unlabelled
    fold: Ints = field(repr=False)  # (n_images,) the fold that an image was left out with
    usable: Flags = field(repr=False)  # (n_images,) whether there is a prediction
    plan: TrainingPlan  # how it was trained
    notes: tuple[str, ...] = ()  # for readers of the results
    defects: tuple[Defect, ...] = ()  # images that could not be read
    version: int = VERSION  # of the files

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def channels(self) -> dict[int, int]:
        """Category id -> the channel of its probability."""
        return {id_: number for number, id_ in enumerate(self.categories, start=1)}

    def row(self, image_id: str) -> int:
        """The row of an image; raises SegdataError for an unknown image."""
        try:
            return self.image_ids.index(image_id)
        except ValueError:
            raise SegdataError(f"no image {image_id!r} in the predictions") from None

    def probabilities(self, row: int, stored: StoredPrediction | None = None) -> Probabilities:
        """(K, height, width) float32 of an image; they sum to 1. `stored`: what `load` returns, to open the file once.

        The two most probable categories of a pixel have their own, to about 0.002; all others share what is left.
        """
        if self.version == _FIRST_VERSION:
            return self._array("probabilities", row).astype(np.float32)
        return (stored or self._load(row)).probabilities().transpose(0, 2, 1)

    def edges(self, row: int, stored: StoredPrediction | None = None) -> Probabilities | None:
        """(height, width) float32 the probability that an instance ends here; None if it is not predicted."""
        if not self.plan.instances:
            return None
        if self.version == _FIRST_VERSION:
            contours = self._array("contours", row)
            edge = contours[EDGE].astype(np.float32) if contours.any() else None
        else:
            found = (stored or self._load(row)).edges()
            edge = None if found is None else found.T
        return edge if edge is not None and edge.any() else None

    def instances(self, row: int, stored: StoredPrediction | None = None) -> PredictedInstances | None:
        """The instances of an image; None if the dataset has no instances."""
        if not self.plan.instances:
            return None
        if self.version == _FIRST_VERSION:
            self._check(row)
            with np.load(self.folder / "instances" / f"{row:06d}.npz") as file:
                runs = Runs(file["start"], file["length"], file["owner"])
                return PredictedInstances(runs, file["category"], file["score"])
        found = (stored or self._load(row)).instances()
        return None if found is None else PredictedInstances(found.runs, found.category, found.score)

    def load(self, row: int) -> StoredPrediction | None:
        """What is stored of an image; None where each kind has a file of its own, as first versions do."""
        return None if self.version == _FIRST_VERSION else self._load(row)

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
        """Write the file that `open_predictions` reads; the last step."""
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
    """Open the predictions in a folder; raises SegdataError if they are missing or incomplete."""
    path = Path(folder) / "predictions.json"
    try:
        content: dict[str, Any] = msgspec.json.decode(path.read_bytes())  # Any: JSON
    except (OSError, ValueError, RecursionError) as error:
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
    """Translate a plan to today's names.

    Plans without augmentations are older than the choice of losses: both of their losses included Dice, and an
    EfficientNet was always pretrained. ``focal`` had another meaning in them.
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
    """Whether the file of an image exists."""
    return prediction_path(folder, row).is_file()
