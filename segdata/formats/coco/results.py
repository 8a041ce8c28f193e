"""Results: a list of what a model found, each item an image, a category, a segmentation and a score."""

from pathlib import Path

import msgspec

from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError
from segdata.core.format import Request
from segdata.formats.coco.annotations import AnnotationItem
from segdata.formats.coco.document import Document, Kind, read_document
from segdata.formats.coco.instances import InstancesSource, joined
from segdata.formats.coco.items import Id, Items, decode_items
from segdata.formats.coco.listing import read_listing
from segdata.formats.coco.opened import images_of_document
from segdata.formats.coco.truth import known_categories, truth_of

RESULTS = Kind(
    "a list of COCO results", "a list of objects with image_id, category_id, segmentation and score", "results"
)


class ResultItem(AnnotationItem, gc=False, kw_only=True):
    """An item of the list. It has no id: pycocotools numbers them from 1."""

    id: Id = 0


class StrictResultItem(ResultItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An item of the list without further keys."""


def open_results(request: Request, path: Path, name: str) -> InstancesSource:
    """Open the list at `path`; no segmentation is decoded yet. `name` is how defects call it.

    Raises UnreadableError where nothing tells the images and categories, and where no item has a segmentation.
    """
    document = read_document(path, name, RESULTS)
    results: Items[ResultItem] = decode_items(document, "results", StrictResultItem, ResultItem)
    if results.items and not any(len(item.segmentation) for item in results.items):
        raise UnreadableError(f"{path}: none of the {len(results.items):,} results has a segmentation; boxes alone?")
    truth = truth_of(request, path, [item.image_id for item in results.items])
    if truth is None:
        raise UnreadableError(
            f"{path}: results name images and categories by id alone; say which those are: --read-option "
            "truth=FILE.json (the ground truth), or --images DIR (named by id) and --taxonomy FILE"
        )
    if "categories" not in (truth.parts or {}) and request.taxonomy is None:
        raise UnreadableError(f"{truth.path}: lists no categories; give --taxonomy FILE")
    listing = read_listing(truth)
    categories = known_categories(truth, request.taxonomy)
    folder = images_of_document(request, truth, listing)
    document.defects.extend(truth.defects)
    for item, row in zip(results.items, results.rows, strict=True):
        item.id = row + 1
    _report_scoreless(document, results)
    return joined(request, document, results, listing, categories, folder, "coco-results")


def _report_scoreless(document: Document, results: Items[ResultItem]) -> None:
    """SEG004, once for the list: without scores nothing can be ranked."""
    items = results.items
    without = [i for i, item in enumerate(items) if len(item.score) == 0 or item.score == msgspec.Raw(b"null")]
    if without:
        first = results.place(without[0])
        message = f"{len(without):,} of {len(items):,} results have no score, the first at {first}"
        document.defects.append(Defect("SEG004", message, document.name, f"{first}/score"))
