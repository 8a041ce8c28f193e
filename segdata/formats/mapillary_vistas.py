"""Mapillary Vistas: `training/v1.2/{instances,labels}/*.png` with a `config_v1.2.json` that lists the labels.

Read, versions 1.1 (folders without a version, `config.json`), 1.2 and 2.0; of both, 2.0, unless the option `version`
says else: `instances` (16 bits, label id * 256 + number, from 0), or where an image has none `labels` (8 bits, palette;
a thing is then a crowd, since nothing tells its instances apart). A label's id is its place in the config;
`void--unlabeled` is unlabelled, other labels that the evaluation leaves out are void. Without a config the ids are
those of the taxonomy given. The `panoptic` folders are COCO panoptic datasets; `polygons` are not read: the masks have
their pixels.

Written: version 1.2, `<split>/v1.2/instances` and `<split>/v1.2/labels`, of a semantic dataset the latter alone;
`config_v1.2.json` with the categories as labels; taxonomy.yaml; and `images.csv`, which tells each mask's image, its
split and its place in a video. What has no split is in `training`. There are no crowds. Several segments of a stuff
category become one. More than 256 instances of a label, and more than 255 categories, are refused.

Specification: demo.py of the release (mirrored in public repositories); mapillary/mapillary_vistas README.md and
mapillary_vistas/evaluation/instance_specific_instance_level.py (number 0 is an instance). Not checked on Vistas' own
files, which are not free to copy.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import UnreadableError
from segdata.core.format import Clue, Request
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.beyond import BESIDE_STREETS
from segdata.formats.masks.maskindex import INDEX
from segdata.formats.masks.pairing import images_of
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.street.codebook import codebook, label_ids
from segdata.formats.street.look import Look
from segdata.formats.street.numbering import VISTAS
from segdata.formats.street.opened import opened
from segdata.formats.street.pairs import Files, chosen, paired_by_index, paired_files
from segdata.formats.street.split_folders import kind_of, relabelled, split_files, stem_of
from segdata.formats.street.vistas_config import (
    dump_vistas_config,
    label_colors,
    load_vistas_config,
    vistas_labels,
)
from segdata.formats.street.writer import Pixels, Style, write_street

LOSSES: frozenset[Kind] = BESIDE_STREETS
CHECKED = ("the formulas of the release's demo.py and of mapillary_vistas' evaluation", "Datumaro 1.13.12's sample")
READ_OPTIONS = {
    "labels": "instances or labels; default: of each image the first of these",
    "version": "v1.2 or v2.0; default: the latest there is",
}
_KINDS = ("instances", "labels")
_VERSIONS = ("v2.0", "v1.2", "")  # the folder's name; version 1.1 has none
_WRITTEN = "v1.2"
_PICTURES = "images"


def detect(seen: Glance) -> Clue | None:
    """A config that lists labels with their readable names, or folders of a version."""
    folders = seen.matching(r"^([^/]+/)?(v[12]\.\d/)?(instances|labels)/[^/]+\.png$")
    configs = seen.heads(r"^config(_v\d\.\d)?\.json$", rb'"readable"\s*:')
    if folders and configs:
        return Clue(1.0, f"{configs[0]} lists labels as in Mapillary Vistas")
    versioned = [name for name in folders if re.search(r"(^|/)v[12]\.\d/", name)]
    return Clue(0.95, f"{versioned[0]}: a folder of Mapillary Vistas") if versioned else None


def read(request: Request) -> PerImageSource:
    """Open a dataset: a folder with splits, or one split, with the config in it or above it.

    Raises UnreadableError where there are no labels, or neither a config nor a taxonomy.
    """
    kind = chosen(request.options, "labels", _KINDS)
    asked = chosen(request.options, "version", _VERSIONS[:2])
    root, images = request.root, images_of(request)
    if (root / INDEX).is_file():
        version = _WRITTEN
        pairing = paired_by_index(root, images, kind, kind_of, relabelled)
    else:
        version, files = _files(root, images, _VERSIONS if asked is None else (asked,))
        pairing = paired_files(root, files, _KINDS, kind, images)
    labels = _labels(request, version)
    book = codebook(labels, request.taxonomy)
    numbered = any(entry.record == "instances" for entry in pairing.entries)
    looks = {"instances": Look(root, book, VISTAS, numbered).at, "labels": Look(root, book, None, numbered).at}
    return opened(request, "mapillary-vistas", pairing, book.naming, looks, numbered)


def _files(root: Path, images: Path | None, versions: Sequence[str]) -> tuple[str, Files]:
    """The first version that there is, and its files."""
    for version in versions:
        folders = {kind: f"{version}/{kind}".removeprefix("/") for kind in _KINDS}
        files = split_files(root, images, _PICTURES, ".jpg", folders)
        if files.labels:
            break
    return version, files


def _labels(request: Request, version: str) -> Taxonomy:
    """The labels of the config in the root or above it, else of the taxonomy given."""
    name = f"config_{version}.json" if version else "config.json"
    start = (request.root if request.root.is_dir() else request.root.parent).absolute()
    for folder in (start, *start.parents[:2]):
        if (folder / name).is_file():
            return load_vistas_config(folder / name)
    if request.taxonomy is None:
        raise UnreadableError(f"{request.root}: no {name} says what the labels are; add it, or give --taxonomy")
    return request.taxonomy


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses) -> None:
    """Write a dataset; raises SegdataError for more categories or instances than there are ids."""
    labels = vistas_labels(profile.taxonomy)
    own = Taxonomy(categories=tuple(Category(id=id_, name=label.name) for id_, label in enumerate(labels[:-1])))
    palette = bytes(value for color in label_colors(labels) for value in color)
    stem, saves = partial(stem_of, _PICTURES), (partial(_save, palette), partial(_save_labels, palette))
    style = Style(VISTAS, label_ids(own, profile.taxonomy), len(labels) - 1, stem, *saves, crowds=False)
    write_street(profile, batches, target, losses, style)
    (target / f"config_{_WRITTEN}.json").write_text(dump_vistas_config(labels, _WRITTEN), encoding="utf-8")


def _save(palette: bytes, target: Path, stem: str, values: Pixels) -> str:
    """Write the masks of an image whose segments are instances and regions."""
    _save_labels(palette, target, stem, values >> np.uint16(8))
    return _written(target, stem, "instances", Image.fromarray(values))


def _save_labels(palette: bytes, target: Path, stem: str, labels: Pixels) -> str:
    """Write the mask of an image whose segments are label ids."""
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(palette)
    return _written(target, stem, "labels", picture)


def _written(target: Path, stem: str, kind: str, picture: Image.Image) -> str:
    split, _, name = stem.partition("/")
    path = target / split / _WRITTEN / kind / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return f"{split}/{_WRITTEN}/{kind}/{name}.png"
