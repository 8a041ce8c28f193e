"""Vistas writer: masks of instances and of labels, and the config that lists these."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.format import LossCounter
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.street.codebook import label_ids
from segdata.formats.street.numbering import VISTAS
from segdata.formats.street.split_folders import stem_of
from segdata.formats.street.vistas_config import (
    dump_vistas_config,
    label_colors,
    vistas_labels,
)
from segdata.formats.street.writer import Pixels, Style, write_street

_WRITTEN = "v1.2"
_PICTURES = "images"


def write_vistas(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write the masks of all images, and the config."""
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
