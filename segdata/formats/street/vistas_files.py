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

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import dataset_folder
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.formats.shared.image_index import has_index
from segdata.formats.shared.image_names import images_folder
from segdata.formats.shared.per_image import PerImageSource
from segdata.formats.shared.writing import voc_color
from segdata.formats.street import scenes
from segdata.formats.street.cityscapes_labels import drop_similar_colors

UNLABELLED_NAME = "void--unlabeled"
_MAX_LABELS = 256  # ids have 8 bits
_KINDS = ("instances", "labels")
_VERSIONS = ("v2.0", "v1.2", "")  # the folder's name; version 1.1 has none
_OUR_VERSION = "v1.2"
_IMAGES = "images"


class _VistasLabel(msgspec.Struct):
    """An entry of the list; other keys are left alone."""

    name: str
    color: Annotated[list[int], msgspec.Meta(min_length=3, max_length=3)] | None = None
    readable: str | None = None
    instances: bool = False
    evaluate: bool = True


class _VistasConfig(msgspec.Struct):
    """The config file."""

    labels: list[_VistasLabel]
    version: str | float | None = None


def _load_vistas_config(path: Path) -> Taxonomy:
    """The labels as a taxonomy, ids are their positions; raises UnreadableError with the place in the file.

    Labels with instances are things, those that the evaluation leaves out void, the others stuff. `void--unlabeled` is
    not a category: it means unlabelled.
    """
    try:
        config = msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=_VistasConfig)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f"{path}: is not a config of Mapillary Vistas: {error}") from error
    labels = config.labels
    if not 1 <= len(labels) <= _MAX_LABELS:
        raise UnreadableError(f"{path}: {len(labels)} labels; 1 to {_MAX_LABELS} are expected")
    unlabelled = next((id_ for id_, label in enumerate(labels) if label.name == UNLABELLED_NAME), None)
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
        if id_ != unlabelled
    ]
    return Taxonomy(categories=drop_similar_colors(categories), unlabelled=unlabelled)


def _color(path: Path, id_: int, label: _VistasLabel) -> Color | None:
    if label.color is None:
        return None
    if any(not 0 <= value <= 255 for value in label.color):
        raise UnreadableError(f"{path}: /labels/{id_}/color {label.color} is not three values from 0 to 255")
    return label.color[0], label.color[1], label.color[2]


def _alias(label: _VistasLabel, names: Sequence[str], readable: Sequence[str | None]) -> tuple[str, ...]:
    """The label's readable name, if it is unique."""
    if label.readable is None or label.readable in names or readable.count(label.readable) > 1:
        return ()
    return (label.readable,)


def _vistas_labels(taxonomy: Taxonomy) -> list[Category]:
    """The labels to write for a taxonomy, in the order of their ids; the last one means unlabelled.

    Raises SegdataError for more labels than ids.
    """
    first = taxonomy.by_id()
    named = [
        category
        for category in taxonomy.categories
        if category is first[category.id] and category.name != UNLABELLED_NAME
    ]
    if len(named) >= _MAX_LABELS:
        raise SegdataError(f"{len(named)} categories; Mapillary Vistas has ids for {_MAX_LABELS - 1} of them")
    return [*named, Category(id=-1, name=UNLABELLED_NAME, kind="void", color=(0, 0, 0))]


def _dump_vistas_config(labels: Sequence[Category], version: str) -> str:
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
    """A colour for each label: its own, else the next free colour of VOC's palette."""
    taken = {label.rgb for label in labels}
    spare = (color for color in map(voc_color, count(1)) if color not in taken)
    return [label.rgb if label.rgb is not None else next(spare) for label in labels]


def open_vistas(request: ReadRequest) -> PerImageSource:
    """Open the dataset; raises UnreadableError if there are no masks, or no labels for them."""
    kind = scenes.chosen_option(request.options, "labels", _KINDS)
    wanted_version = scenes.chosen_option(request.options, "version", _VERSIONS[:2])
    root, images = request.root, images_folder(request)
    if has_index(root):
        version = _OUR_VERSION
        pairing = scenes.pair_by_index(root, images, kind, scenes.folder_kind, scenes.with_folder_kind)
    else:
        version, files = _files(root, images, _VERSIONS if wanted_version is None else (wanted_version,))
        pairing = scenes.pair_files(root, files, _KINDS, kind, images)
    labels = _labels(request, version)
    mapping = scenes.label_mapping(labels, request.taxonomy)
    numbered = any(entry.record == "instances" for entry in pairing.entries)
    readers = {
        "instances": scenes.LabelMaskReader(root, mapping, scenes.VISTAS, numbered).read,
        "labels": scenes.LabelMaskReader(root, mapping, None, numbered).read,
    }
    return scenes.open_scenes(request, "mapillary-vistas", pairing, mapping.naming, readers, numbered)


def _files(root: Path, images: Path | None, versions: Sequence[str]) -> tuple[str, scenes.SceneFiles]:
    """The first version that has files, and its files."""
    for version in versions:
        folders = {kind: f"{version}/{kind}".removeprefix("/") for kind in _KINDS}
        files = scenes.split_files(root, images, _IMAGES, ".jpg", folders)
        if files.labels:
            break
    return version, files


def _labels(request: ReadRequest, version: str) -> Taxonomy:
    """The labels of the config in the root or above it, else those of the user's taxonomy."""
    name = f"config_{version}.json" if version else "config.json"
    start = dataset_folder(request.root).absolute()
    for folder in (start, *start.parents[:2]):
        if (folder / name).is_file():
            return _load_vistas_config(folder / name)
    if request.taxonomy is None:
        raise UnreadableError(f"{request.root}: no {name} says what the labels are; add it, or give --taxonomy")
    return request.taxonomy


def write_vistas(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write the masks of all images, and the config."""
    labels = _vistas_labels(profile.taxonomy)
    own = Taxonomy(categories=tuple(Category(id=id_, name=label.name) for id_, label in enumerate(labels[:-1])))
    palette = bytes(value for color in label_colors(labels) for value in color)
    stem, path = partial(scenes.stem_of, _IMAGES), partial(scenes.mask_path, f"{_OUR_VERSION}/")
    label_of, kinds = scenes.label_ids(own, profile.taxonomy), {"labels": scenes.LABEL_IDS}
    style = scenes.MaskStyle(
        numbering=scenes.VISTAS,
        label_of=label_of,
        blank=len(labels) - 1,
        stem=stem,
        path=path,
        instances="instances",
        labels=kinds,
        palette=palette,
        crowds=False,
    )
    scenes.write_scenes(profile, batches, target, losses, style)
    (target / f"config_{_OUR_VERSION}.json").write_text(_dump_vistas_config(labels, _OUR_VERSION), encoding="utf-8")
