"""Vistas reader: masks of instances, or of labels alone, of one version."""

from collections.abc import Sequence
from pathlib import Path

from segdata.core.errors import UnreadableError
from segdata.core.format import ReadRequest
from segdata.core.taxonomy import Taxonomy
from segdata.formats.shared.pairing import has_index, images_folder
from segdata.formats.shared.per_image import PerImageSource
from segdata.formats.street.codebook import codebook
from segdata.formats.street.look import Look
from segdata.formats.street.numbering import VISTAS
from segdata.formats.street.opened import opened
from segdata.formats.street.pairs import Files, chosen, paired_by_index, paired_files
from segdata.formats.street.split_folders import kind_of, relabelled, split_files
from segdata.formats.street.vistas_config import (
    load_vistas_config,
)

_KINDS = ("instances", "labels")
_VERSIONS = ("v2.0", "v1.2", "")  # the folder's name; version 1.1 has none
_WRITTEN = "v1.2"
_PICTURES = "images"


def open_vistas(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError where there are no labels, or nothing says what they are."""
    kind = chosen(request.options, "labels", _KINDS)
    asked = chosen(request.options, "version", _VERSIONS[:2])
    root, images = request.root, images_folder(request)
    if has_index(root):
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
