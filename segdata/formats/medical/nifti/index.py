"""volumes.json: which slice of which file each image is, where names alone cannot say it. Our writers leave one."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.paths import absolute_channels, absolute_uri, is_unsafe_path
from segdata.formats.medical.nifti.files import LabelFile
from segdata.formats.medical.nifti.place import Place
from segdata.formats.medical.nifti.reel import Frame, Reel

INDEX = "volumes.json"


class IndexImage(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image: its slice in the files, its frame in the sequence; the rest as in the canonical dataset."""

    image: str
    slice: int = 0
    frame: int | None = None
    uri: str | None = None
    annotated: bool = True
    width: int = 0
    height: int = 0
    channels: tuple[dict[str, str | None], ...] | None = None


class IndexLabel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of labels below the root; `name` is the source's, `layer` what it holds where an image has several."""

    file: str
    name: str = ""
    layer: str = ""


class IndexVolume(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sequence, or an image by itself, with the files of labels drawn on it.

    `place` is said where headers cannot say it as it is known.
    """

    images: tuple[IndexImage, ...]
    labels: tuple[IndexLabel, ...] = ()
    sequence: str | None = None
    kind: Literal["video", "volume"] = "volume"
    split: str | None = None
    place: Place | None = None


class Index(msgspec.Struct, frozen=True):
    """The whole file; `layers` are layer -> value -> category id, where values are not the ids."""

    volumes: tuple[IndexVolume, ...]
    version: Literal[1] = 1
    layers: dict[str, dict[int, int]] = {}


def write_index(target: Path, volumes: Iterable[IndexVolume], layers: Mapping[str, Mapping[int, int]]) -> None:
    """Write `volumes.json` below `target`, one volume a line."""
    lines = ",\n".join(msgspec.json.encode(each).decode() for each in volumes)
    said = msgspec.json.encode(layers).decode()
    text = f'{{"version": 1, "layers": {said}, "volumes": [\n{lines}\n]}}\n'
    (target / INDEX).write_text(text, encoding="utf-8")


def read_index(root: Path, defects: list[Defect]) -> tuple[list[Reel], dict[str, dict[int, int]]]:
    """The volumes and layers in `volumes.json`; raises UnreadableError where it is no index.

    What leaves the root, or is there twice, is left out, with a defect.
    """
    try:
        index = msgspec.json.decode((root / INDEX).read_bytes(), type=Index)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{root / INDEX}: cannot be read: {error}") from error
    seen: set[str] = set()
    found = []
    for row, volume in enumerate(index.volumes):
        place = f"/volumes/{row}"
        names = [*(each.image for each in volume.images), *(each.file for each in volume.labels)]
        unsafe = next((name for name in names if not name or is_unsafe_path(name)), None)
        if unsafe is not None:
            message = f"path {unsafe!r} leaves the dataset's root; name files below it"
            defects.append(Defect("SEG015", message, INDEX, place))
            continue
        wrong = [each.image for each in volume.images if each.slice < 0 or min(each.width, each.height) < 0]
        twice = [each.image for each in volume.images if each.image in seen]
        defects += [Defect("SEG004", "a negative slice or size", INDEX, place, image=name) for name in wrong]
        defects += [Defect("SEG008", "the same image twice", INDEX, place, image=name) for name in twice]
        images = [each for each in volume.images if each.image not in {*wrong, *twice}]
        seen.update(each.image for each in images)
        if images:
            found.append(_reel(root, volume, images))
    return found, index.layers


def _reel(root: Path, volume: IndexVolume, images: list[IndexImage]) -> Reel:
    frames = [
        Frame(
            each.image,
            each.slice,
            each.frame,
            absolute_uri(each.uri, root),
            each.annotated,
            (each.height, each.width),
            absolute_channels(each.channels, root),
        )
        for each in images
    ]
    labels = tuple(LabelFile(root / each.file, each.name or each.file, each.layer) for each in volume.labels)
    return Reel(
        volume.sequence or images[0].image, frames, labels, volume.sequence, volume.kind, volume.split, volume.place
    )
