"""Cityscapes reader: which files are read, and what their values mean."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import msgspec
import numpy as np

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.profile import RasterRule
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.pairing import Pairing, has_index, images_folder
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.street import cityscapes_table as table
from segdata.formats.street.cityscapes_files import COARSE, FINE, KINDS, cityscapes_files, kind_of, relabelled
from segdata.formats.street.codebook import Codebook, codebook
from segdata.formats.street.label_colours import labels_beside
from segdata.formats.street.look import Look
from segdata.formats.street.numbering import CITYSCAPES
from segdata.formats.street.opened import opened
from segdata.formats.street.pairs import chosen, paired_by_index, paired_files
from segdata.formats.street.polygons import look_at_polygons

_WITH_NUMBERS = frozenset({"instanceIds", "polygons"})
_LABELS = frozenset(each.id for each in table.LABELS.categories) | {table.UNLABELLED}
_TRAINED = frozenset(table.TRAINED) | {table.IGNORED}


def open_cityscapes(request: ReadRequest) -> PerImageSource:
    """Open a dataset in the layout of Cityscapes; raises SegdataError for options that do not fit it."""
    kind = chosen(request.options, "labels", KINDS)
    type_ = chosen(request.options, "gt", (FINE, COARSE))
    pairing = _paired(request, kind, type_)
    labels, official = _labels(request)
    kinds = {str(entry.record) for entry in pairing.entries if entry.is_annotated}
    numbered = bool(kinds & _WITH_NUMBERS)
    books = _books(labels, request.taxonomy, "trainIds" in kinds)
    looks = {
        kind: partial(
            _look, Look(request.root, book, CITYSCAPES if kind in _WITH_NUMBERS else None, numbered), official
        )
        for kind, book in books.items()
    }
    rule: RasterRule = "pil" if "polygons" in kinds else "mask-native"
    return opened(request, "cityscapes", pairing, books["instanceIds"].naming, looks, numbered, rule)


def _paired(request: ReadRequest, kind: str | None, type_: str | None) -> Pairing:
    root, images = request.root, images_folder(request)
    if has_index(root):
        return paired_by_index(root, images, kind, kind_of, relabelled)
    return paired_files(root, cityscapes_files(root, images, type_), KINDS, kind, images)


def _labels(request: ReadRequest) -> tuple[Taxonomy, bool]:
    """The labels that ids in the files stand for, and whether they are Cityscapes' own."""
    if chosen(request.options, "ids", ("official", "taxonomy")) == "taxonomy":
        if request.taxonomy is None:
            raise UnreadableError(f"{request.root}: with ids=taxonomy a taxonomy is needed; give --taxonomy")
        return request.taxonomy, False
    labels = labels_beside(request.root)
    return labels, labels is table.LABELS


def _books(labels: Taxonomy, given: Taxonomy | None, trained: bool) -> Mapping[str, Codebook]:
    """What ids mean in each kind of files; the taxonomy is the same in all."""
    if not trained:
        book = codebook(labels, given)
        return dict.fromkeys(KINDS, book)
    ignored = table.IGNORED_NAME
    voids = [each.name for each in given.categories if each.kind == "void"] if given is not None else []
    if given is not None and ignored not in given.by_name() and voids:
        ignored = voids[0]
    ignore = Category(id=table.IGNORED, name=ignored, kind="void")
    every = msgspec.structs.replace(labels, categories=(*labels.categories, ignore))
    book = codebook(every, given)
    return dict.fromkeys(KINDS, book) | {
        "trainIds": codebook(every, given, table.TRAINED | {table.IGNORED: table.IGNORED})
    }


def _look(look: Look, official: bool, entry: ImageEntry) -> ImageAnnotation:
    """What is drawn on one image. Coarse labels leave out what is hard to draw."""
    path = entry.files[0]
    annotation = {"coverage": "sparse"} if f"_{COARSE}_" in path.name else {}
    if entry.record == "polygons":
        found = look_at_polygons(look, entry)
    else:
        mask = look.decoded(entry)
        runs = ValueRuns.of(mask.pixels)
        if official:
            _check_ids(look, str(entry.record), runs, entry)
        found = look.found(runs, relative_path(look.root, path), mask)
    return replace(found, annotation=annotation)


def _check_ids(look: Look, kind: str, runs: ValueRuns, entry: ImageEntry) -> None:
    """Raise BrokenLabelsError where a file can only hold train ids and should hold label ids, or the reverse."""
    labels, _ = look.split(runs.value)
    here = set(labels.tolist())
    if kind == "trainIds":
        strange, meant = here & _LABELS - _TRAINED, "label ids"
        swapped = bool(strange) and table.IGNORED not in here and here <= _LABELS
    else:
        strange, meant = here & {table.IGNORED}, "train ids"
        swapped = bool(strange) and here <= _TRAINED
    if swapped:
        row = int(np.flatnonzero(np.isin(labels, list(strange)))[0])
        x, y = runs.first_pixel(row)
        message = (
            f"its values are {meant} ({int(runs.value[row])} at x={x}, y={y}), its name says {kind}: every label would "
            "be another one; nothing of it is read"
        )
        file, pixels = relative_path(look.root, entry.files[0]), runs.height * runs.width
        raise BrokenLabelsError(Defect("SEG009", message, file, f"x={x}, y={y}", pixels=pixels))
