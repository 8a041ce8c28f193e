"""Mapillary Vistas files: masks of instances and of labels, and the config that lists the labels.

A label's id is its place in the config. Source: the release's own demo.py and mapillary/mapillary_vistas README.md
("pixel values are treated as indices for the label list in the config file").
"""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import LossCounter, ReadRequest
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.formats.shared.mask_values import voc_color
from segdata.formats.shared.pairing import has_index, images_folder
from segdata.formats.shared.per_image import PerImageSource
from segdata.formats.street.cityscapes_labels import drop_similar_colors
from segdata.formats.street.instance_masks import VISTAS, LabelMaskReader, label_ids, label_mapping, open_scenes
from segdata.formats.street.layout import (
    SceneFiles,
    chosen_option,
    folder_kind,
    pair_by_index,
    pair_files,
    split_files,
    stem_of,
    with_folder_kind,
)
from segdata.formats.street.writer import MaskStyle, Pixels, write_scenes

UNLABELLED_NAME = "void--unlabeled"
MOST_LABELS = 256  # labels: ids have 8 bits


class VistasLabel(msgspec.Struct):
    """An entry of the list; other keys are left alone."""

    name: str
    color: Annotated[list[int], msgspec.Meta(min_length=3, max_length=3)] | None = None
    readable: str | None = None
    instances: bool = False
    evaluate: bool = True


class VistasConfig(msgspec.Struct):
    """The file."""

    labels: list[VistasLabel]
    version: str | float | None = None


def load_vistas_config(path: Path) -> Taxonomy:
    """The labels as a taxonomy, ids their places; raises UnreadableError with the place in the file.

    Labels with instances are things, those that the evaluation leaves out void, the others stuff. `void--unlabeled` is
    no category: it is what nobody labelled.
    """
    try:
        config = msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=VistasConfig)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{path}: is not a config of Mapillary Vistas: {error}") from error
    labels = config.labels
    if not 1 <= len(labels) <= MOST_LABELS:
        raise UnreadableError(f"{path}: {len(labels)} labels; 1 to {MOST_LABELS} are expected")
    nobody = next((id_ for id_, label in enumerate(labels) if label.name == UNLABELLED_NAME), None)
    names = [label.name for label in labels]
    readable = [label.readable for label in labels]
    categories = [
        Category(
            id=id_,
            name=label.name,
            kind="void" if not label.evaluate else "thing" if label.instances else "stuff",
            color=_color(path, id_, label),
            parent=label.name.rpartition("--")[0] or None,
            aliases=_alias(label, names, readable),
        )
        for id_, label in enumerate(labels)
        if id_ != nobody
    ]
    return Taxonomy(categories=drop_similar_colors(categories), unlabelled=nobody)


def _color(path: Path, id_: int, label: VistasLabel) -> Color | None:
    if label.color is None:
        return None
    if any(not 0 <= value <= 255 for value in label.color):
        raise UnreadableError(f"{path}: /labels/{id_}/color {label.color} is not three values from 0 to 255")
    return label.color[0], label.color[1], label.color[2]


def _alias(label: VistasLabel, names: Sequence[str], readable: Sequence[str | None]) -> tuple[str, ...]:
    """What people call the label, where they call no other so."""
    if label.readable is None or label.readable in names or readable.count(label.readable) > 1:
        return ()
    return (label.readable,)


def vistas_labels(taxonomy: Taxonomy) -> list[Category]:
    """The labels, in the order of their ids, that a taxonomy is written as; the last one is what nobody labelled.

    Raises SegdataError where there are more than ids.
    """
    first = taxonomy.by_id()
    named = [
        category
        for category in taxonomy.categories
        if category is first[category.id] and category.name != UNLABELLED_NAME
    ]
    if len(named) >= MOST_LABELS:
        raise SegdataError(f"{len(named)} categories; Mapillary Vistas has ids for {MOST_LABELS - 1} of them")
    return [*named, Category(id=-1, name=UNLABELLED_NAME, kind="void", color=(0, 0, 0))]


def dump_vistas_config(labels: Sequence[Category], version: str) -> str:
    """The config of these labels, as JSON text."""
    colors = label_colors(labels)
    entries: list[dict[str, Any]] = [  # Any: JSON
        {
            "color": list(color),
            "instances": label.kind == "thing",
            "readable": label.aliases[0] if label.aliases else label.name,
            "name": label.name,
            "evaluate": label.kind != "void",
        }
        for label, color in zip(labels, colors, strict=True)
    ]
    config = {"labels": entries, "version": version.removeprefix("v"), "mapping": "public", "folder_structure": ""}
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def label_colors(labels: Sequence[Category]) -> list[Color]:
    """A colour for each label: its own, else the next of VOC's scheme that no other has."""
    taken = {label.rgb for label in labels}
    spare = (color for color in map(voc_color, count(1)) if color not in taken)
    return [label.rgb if label.rgb is not None else next(spare) for label in labels]


_KINDS = ("instances", "labels")
_VERSIONS = ("v2.0", "v1.2", "")  # the folder's name; version 1.1 has none
_OUR_VERSION = "v1.2"
_IMAGES = "images"


def open_vistas(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError where there are no labels, or nothing says what they are."""
    kind = chosen_option(request.options, "labels", _KINDS)
    wanted_version = chosen_option(request.options, "version", _VERSIONS[:2])
    root, images = request.root, images_folder(request)
    if has_index(root):
        version = _OUR_VERSION
        pairing = pair_by_index(root, images, kind, folder_kind, with_folder_kind)
    else:
        version, files = _files(root, images, _VERSIONS if wanted_version is None else (wanted_version,))
        pairing = pair_files(root, files, _KINDS, kind, images)
    labels = _labels(request, version)
    book = label_mapping(labels, request.taxonomy)
    numbered = any(entry.record == "instances" for entry in pairing.entries)
    looks = {
        "instances": LabelMaskReader(root, book, VISTAS, numbered).at,
        "labels": LabelMaskReader(root, book, None, numbered).at,
    }
    return open_scenes(request, "mapillary-vistas", pairing, book.naming, looks, numbered)


def _files(root: Path, images: Path | None, versions: Sequence[str]) -> tuple[str, SceneFiles]:
    """The first version that there is, and its files."""
    for version in versions:
        folders = {kind: f"{version}/{kind}".removeprefix("/") for kind in _KINDS}
        files = split_files(root, images, _IMAGES, ".jpg", folders)
        if files.labels:
            break
    return version, files


def _labels(request: ReadRequest, version: str) -> Taxonomy:
    """The labels of the config in the root or above it, else of the taxonomy given."""
    name = f"config_{version}.json" if version else "config.json"
    start = (request.root if request.root.is_dir() else request.root.parent).absolute()
    for folder in (start, *start.parents[:2]):
        if (folder / name).is_file():
            return load_vistas_config(folder / name)
    if request.taxonomy is None:
        raise UnreadableError(f"{request.root}: no {name} says what the labels are; add it, or give --taxonomy")
    return request.taxonomy


def write_vistas(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write the masks of all images, and the config."""
    labels = vistas_labels(profile.taxonomy)
    own = Taxonomy(categories=tuple(Category(id=id_, name=label.name) for id_, label in enumerate(labels[:-1])))
    palette = bytes(value for color in label_colors(labels) for value in color)
    stem, saves = partial(stem_of, _IMAGES), (partial(_save, palette), partial(_save_labels, palette))
    style = MaskStyle(VISTAS, label_ids(own, profile.taxonomy), len(labels) - 1, stem, *saves, crowds=False)
    write_scenes(profile, batches, target, losses, style)
    (target / f"config_{_OUR_VERSION}.json").write_text(dump_vistas_config(labels, _OUR_VERSION), encoding="utf-8")


def _save(palette: bytes, target: Path, stem: str, values: Pixels) -> str:
    """Write the masks of an image whose segments are instances and regions."""
    _save_labels(palette, target, stem, values >> np.uint16(8))
    return _save_png(target, stem, "instances", Image.fromarray(values))


def _save_labels(palette: bytes, target: Path, stem: str, labels: Pixels) -> str:
    """Write the mask of an image whose segments are label ids."""
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(palette)
    return _save_png(target, stem, "labels", picture)


def _save_png(target: Path, stem: str, kind: str, picture: Image.Image) -> str:
    split, _, name = stem.partition("/")
    path = target / split / _OUR_VERSION / kind / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return f"{split}/{_OUR_VERSION}/{kind}/{name}.png"
