"""Instances reader: annotations and results, joined to images and categories, decoded when a batch is loaded."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.core.format import Detached, FileProbe, ReadRequest
from segdata.core.runs import Ints, Runs, expand_ranges, unique_inverse
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_SEGMENTS, make_table
from segdata.core.storage import original_url
from segdata.formats.coco import CocoSort, choose_document
from segdata.formats.coco.columns import ItemBlock, ListKeys
from segdata.formats.coco.document import (
    Document,
    DocumentKind,
    Id,
    ItemFault,
    Items,
    ItemsExcerpt,
    decode_boxes,
    decode_items,
    read_document,
)
from segdata.formats.coco.images import (
    IMAGE_COLUMNS,
    SKIPPED_IMAGE,
    AnyImageItem,
    Categories,
    CocoSource,
    ImageList,
    document_profile,
    find_document_images,
    find_truth,
    read_categories,
    read_image_list,
    report_odd_ids,
    truth_categories,
)
from segdata.formats.coco.results import result_lists
from segdata.formats.coco.segments import (
    SEGMENT_KEYS,
    AnnotationItem,
    Column,
    Segmentations,
    StrictAnnotationItem,
    drop_row_major,
    read_segmentations,
    segment_columns,
)
from segdata.formats.shared.derived_sources import AlteredSource, with_origin
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.per_image import chunk_segments, segments_per_chunk

_KNOWN_KEYS = SEGMENT_KEYS | {"image_id", "segmentation", "segdata_keyhole"}
_NUMBERS = ("id", "image_id", "category_id")
_COLUMNS = ListKeys(_NUMBERS, (), tuple(sorted(_KNOWN_KEYS - {*_NUMBERS})))
_UNKNOWN = -1
_MAX_SPARSITY = 16  # range of ids over their number, up to which a lookup table is used
_MIN_EVALUATED = 20  # annotations; fewer are an excerpt that is not evaluated
_N_SAMPLED = 4096  # annotations checked for missing keys


@dataclass(frozen=True, slots=True)
class InstancesSource(CocoSource):
    """An opened document in which each annotation is a segment."""

    items: Items[AnnotationItem]  # the annotations, with undecoded segmentations
    # the annotations of image row i are ``positions[offset[i]:offset[i + 1]]``, positions in `items`
    positions: Ints
    offset: Ints

    def chunks(self) -> list[Ints]:
        """Rows of images in chunks of some thousand annotations."""
        n_items = int(self.offset[-1]) + len(self.offset) - 1
        return chunk_segments(self.offset, segments_per_chunk(n_items, self.listing.height))

    def load(self, rows: Ints) -> Batch:
        """Load the images at these rows, and decode their annotations."""
        with self.items.refuse_changes():
            return self._decode(rows)

    def detached(self) -> Detached | None:
        """A reader for other processes, with byte ranges of the file, or the items if they were decoded one by one.

        None if the image files are temporary copies on this machine.
        """
        root = self.folder.root
        if root is not None and original_url(str(root)) != str(root):
            return None
        document = Document(self.document.path, self.document.name, None)
        listing = ImageList(
            document=document, items=Items(), image_ids=[], width=_NO_ROWS, height=_NO_ROWS, row_of={}, positions=()
        )
        bare = replace(self, document=document, listing=listing, items=Items(), positions=_NO_ROWS, offset=_NO_ROWS)
        return Detached(_InstancesReader(bare), self._cut)

    def _cut(self, rows: Ints) -> "_InstancesPortion":
        listing, count = self.listing, np.diff(self.offset)[rows]
        return _InstancesPortion(
            images=listing.items.excerpt(np.array([listing.positions[row] for row in rows.tolist()], np.int64)),
            image_ids=[listing.image_ids[row] for row in rows.tolist()],
            width=listing.width[rows],
            height=listing.height[rows],
            items=self.items.excerpt(self.positions[expand_ranges(self.offset[rows], count)]),
            count=count,
        )

    def _decode(self, rows: Ints) -> Batch:
        images, defects = self.listing.table(rows, self.folder)
        height, width = integer_column(images["height"]), integer_column(images["width"])
        # The missing size of the image has been reported; without it nothing can be drawn.
        count = np.where(height > 0, np.diff(self.offset)[rows], 0)
        positions = self.positions[expand_ranges(self.offset[rows], count)]
        image = np.repeat(np.arange(len(rows), dtype=np.int32), count)
        items = self.items.block(positions)
        raws, size = items.column("segmentation"), (height[image], width[image])
        columns, faults = segment_columns(items, self.items.extras(positions.tolist(), _KNOWN_KEYS), self.categories.to)
        shapes = drop_row_major(read_segmentations(raws, *size), raws, columns["declared_bbox"], *size)
        faults += [*shapes.faults, *_crowd_polygons(columns["iscrowd"], shapes)]
        defects += self._defects(faults, items, positions, rows[image])
        segments = make_table(
            BATCH_SEGMENTS,
            len(items),
            annotation=image,
            category_id=_map_ids(items.category_ids, self.categories.to),
            rings=shapes.rings,
            file=pa.repeat(self.document.name, len(items)),
            place=self.items.places(positions),
            **columns,
        )
        runs = shapes.runs
        if not shapes.sound.all():
            number = (np.cumsum(shapes.sound) - 1).astype(np.int32)
            runs = Runs(runs.start, runs.length, number[runs.owner])
            segments = segments.filter(pa.array(shapes.sound))
        annotations = make_table(
            BATCH_ANNOTATIONS,
            len(rows),
            image=np.arange(len(rows), dtype=np.int32),
            annotator=[self.annotator] * len(rows),
            file=pa.repeat(self.document.name, len(rows)),
        )
        self.items.release(positions)
        return Batch(images, annotations, segments, runs, tuple(defects))

    def _defects(self, faults: list[ItemFault], items: ItemBlock, positions: Ints, image: Ints) -> list[Defect]:
        """The faults of loaded items as defects, in the order of the document."""
        names = {id_: category.name for id_, category in self.categories.taxonomy.by_id().items()}
        names |= self.categories.unknown
        return [
            Defect(
                fault.code,
                fault.message,
                self.document.name,
                self.items.place(int(positions[fault.row]), fault.place),
                image=self.image_ids[image[fault.row]],
                segments=(items.id(fault.row),),
                category=names.get(self.categories.to[int(items.category_ids[fault.row])]),
                severity="info"
                if fault.code == "SEG121"
                else None,  # no reader fails on it; the rule raises the severity
                lost=fault.lost,
            )
            for fault in sorted(faults, key=lambda fault: (self.items.rows[positions[fault.row]], fault.place))
        ]


_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _InstancesPortion:
    """Images, their numbers of annotations, and the positions of both in their documents."""

    images: Items[AnyImageItem] | ItemsExcerpt[AnyImageItem]
    image_ids: list[str]
    width: Ints
    height: Ints
    items: Items[AnnotationItem] | ItemsExcerpt[AnnotationItem]
    count: Ints


@dataclass(frozen=True, slots=True)
class _InstancesReader:
    """Decodes portions of an `InstancesSource` without holding its images and annotations."""

    source: InstancesSource

    def load(self, portion: _InstancesPortion) -> Batch:
        """The images of a portion."""
        rows, items = np.arange(len(portion.count)), portion.items.read()
        listing = replace(
            self.source.listing,
            items=portion.images.read(),
            image_ids=portion.image_ids,
            width=portion.width,
            height=portion.height,
            positions=range(len(rows)),
        )
        offset, positions = np.r_[0, np.cumsum(portion.count)], np.arange(portion.count.sum())
        source = replace(self.source, listing=listing, items=items, positions=positions, offset=offset)
        return source.load(rows)


def _map_ids(ids: Ints | Sequence[int], to: Mapping[int, int]) -> Ints | list[int]:
    """(n,) the mapped value of each id."""
    if not isinstance(ids, np.ndarray):
        return list(map(to.__getitem__, ids))
    different, place = unique_inverse(ids)
    return np.array(list(map(to.__getitem__, different.tolist())), np.int64)[place]


def _crowd_polygons(crowd: Column, shapes: Segmentations) -> list[ItemFault]:
    """SEG121 for crowds that are polygons."""
    is_crowd = np.asarray(crowd, bool)
    if not is_crowd.any():
        return []
    polygons = is_crowd & shapes.sound & shapes.rings.is_valid().to_numpy(zero_copy_only=False)
    message = "iscrowd is 1 on a polygon; COCO's crowds are RLE, and a polygon is one object"
    return [ItemFault(row, "SEG121", message, "/iscrowd", False) for row in np.flatnonzero(polygons).tolist()]


def open_instances(request: ReadRequest, sort: CocoSort = "instances") -> InstancesSource:
    """Open a document, without decoding a segmentation; raises UnreadableError if there is none, or several."""
    path, name = choose_document(request.root, sort)
    document = read_document(path, name, keys={"images": IMAGE_COLUMNS, "annotations": _COLUMNS})
    listing = read_image_list(document)
    categories = read_categories(document, request.taxonomy)
    items = decode_items(document, "annotations", StrictAnnotationItem, AnnotationItem)
    folder = find_document_images(request, document, listing)
    source = join_annotations(
        request, document, items, listing, categories, folder, "lvis" if sort == "lvis" else "coco-instances"
    )
    _report_duplicates(document, items, listing)
    _report_unevaluable(document, items, sort)
    if _are_boxes(items):
        source = replace(source, positions=_NO_ROWS, offset=np.zeros_like(source.offset))
        document.report("SEG004", _BOXES_ONLY.format(count_noun(len(items.ids("id")), "annotation")), lost=True)
    report_odd_ids(document, "annotations", items.ids("id"))
    images = (document.parts or {}).get("images")
    if len(items.ids("id")) == 0 and images is not None and b'"annotations"' in bytes(images):
        message = (
            "the annotations stand within their images, and COCO has them in the list 'annotations' beside 'images', "
            "each with its image_id; left out"
        )
        document.report("SEG004", message, document.pointer("images"), lost=True)
    return source


def join_annotations(
    request: ReadRequest,
    document: Document,
    items: Items[AnnotationItem],
    listing: ImageList,
    categories: Categories,
    folder: ImageFolder,
    format: str,
) -> InstancesSource:
    """Join annotations to their images and categories; annotations of unlisted ones are left out, with a defect.

    `document` holds the annotations; the images may be listed in another document.
    """
    image = _image_rows(items.ids("image_id"), listing.row_of)
    _report_dangling_images(document, items, image, listing)
    has_category = _known_categories(document, items, image, listing, categories)
    is_sorted = bool((image[1:] >= image[:-1]).all())
    order = np.arange(len(image)) if is_sorted else np.argsort(image, kind="stable")
    order = order[(has_category & (image >= 0))[order]]
    return InstancesSource(
        profile=document_profile(request, document, categories, format),
        document=document,
        listing=listing,
        categories=categories,
        folder=folder,
        annotator=request.annotator,
        items=items,
        positions=order,
        offset=np.r_[0, np.cumsum(np.bincount(image[order], minlength=len(listing.image_ids)))],
    )


def _image_rows(image_ids: Ints | Sequence[Id], row_of: Mapping[Id, int]) -> Ints:
    """(n,) the row of each annotation's image; `_UNKNOWN` if no image has the id."""
    ids = _as_numbers(row_of)
    if not isinstance(image_ids, np.ndarray) or ids is None:
        return np.array([row_of.get(id_, _UNKNOWN) for id_ in np.asarray(image_ids, object).tolist()], np.int64)
    rows = np.fromiter(row_of.values(), np.int64, len(row_of))
    if len(ids) == 0:
        return np.full(len(image_ids), _UNKNOWN)
    low, high = int(ids.min()), int(ids.max())
    if high - low < _MAX_SPARSITY * len(ids):
        row_by_id = np.full(high - low + 2, _UNKNOWN)  # the last entry is for all other ids
        row_by_id[ids - low] = rows
        return row_by_id[np.where((image_ids >= low) & (image_ids <= high), image_ids - low, -1)]
    order = np.argsort(ids)
    place = np.minimum(np.searchsorted(ids[order], image_ids), len(ids) - 1)
    return np.where(ids[order][place] == image_ids, rows[order][place], _UNKNOWN)


def _as_numbers(ids: Collection[Id]) -> Ints | None:
    """(n,) ids as numbers; None if one is a text, or too large."""
    try:
        return np.fromiter(ids, np.int64, len(ids)) if set(map(type, ids)) <= {int} else None
    except OverflowError:
        return None


def _position_hint(used: Ints | Sequence[Id], listed: Collection[Id], what: str) -> str:
    """Ask whether ids that annotations use are positions in a list, half of which they name, and whose ids go on.

    >>> _position_hint([0, 1, 2, 2], [7, 9, 2], "images"), _position_hint([1, 2, 9], [7, 1, 2], "images")
    (': are image ids positions in the list of images, from 0?', '')
    """
    ids = _as_numbers(set(np.asarray(used, object).tolist()))
    known = _as_numbers(listed)
    if ids is None or known is None or 2 * len(ids) < len(known):
        return ""
    first = min(int(ids.min()), 1)
    if first < 0 or ids.max() >= len(known) + first or known.max() < len(known) + first:
        return ""
    return f": are {'image' if what == 'images' else 'category'} ids positions in the list of {what}, from {first}?"


def _report_dangling_images(document: Document, items: Items[AnnotationItem], image: Ints, listing: ImageList) -> None:
    """SEG007 for every annotation of an unlisted image; a hint names an id with the same digits as another type."""
    if "images" not in (listing.document.parts or {}):
        return  # one defect says that the whole list is missing
    skipped = np.flatnonzero(image == SKIPPED_IMAGE).tolist()
    if skipped:
        ids = tuple(items.items[i].id for i in skipped)
        message = f"{count_noun(len(ids), 'annotation')} of images that are left out; left out, too"
        place = items.place(skipped[0], "/image_id")
        document.report("SEG007", message, place, segments=ids, lost=True)
    rows = np.flatnonzero(image == _UNKNOWN).tolist()
    if rows and not listing.row_of and document.defects:  # they say why no image has an id
        message = f"{count_noun(len(rows), 'annotation')} of images without a readable id; left out, too"
        ids = tuple(items.items[i].id for i in rows)
        document.report("SEG007", message, items.place(rows[0], "/image_id"), segments=ids, lost=True)
        return
    alike = {str(id_): id_ for id_ in listing.row_of} if rows else {}
    file_names = set(listing.image_ids) if rows else set()
    positions = _position_hint(items.ids("image_id"), listing.row_of, "images") if rows else ""
    for i in rows:
        item = items.items[i]
        other = alike.get(str(item.image_id))
        hint = positions if other is None else f"; there is {other!r}, but a text is no number"
        if item.image_id in file_names:
            hint = ": it is the file name of an image, not its id"
        message = f"image_id {item.image_id!r} is not among the images{hint}; left out"
        place = items.place(i, "/image_id")
        document.report("SEG007", message, place, segments=(item.id,))


def _join_unnamed(document: Document) -> None:
    """Report once, with a remedy, that annotations have no category and the document lists none."""
    missing = "'category_id' is missing"
    others = [defect for defect in document.defects if not defect.message.startswith(missing)]
    n = len(document.defects) - len(others)
    if n < 2:
        return
    message = (
        f"{count_noun(n, 'annotation')} without category_id, and no list of categories; left out: choose a "
        "label for each outline in the program that drew them (makesense.ai exports those without one so), and export "
        "again; or list one category, and write its id into each annotation"
    )
    document.defects[:] = others
    document.report("SEG004", message, document.pointer("annotations"), lost=True)


def _known_categories(
    document: Document, items: Items[AnnotationItem], image: Ints, listing: ImageList, categories: Categories
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(n,) whether each annotation's category is listed; SEG007 for those that are not."""
    used = items.ids("category_id")
    listed = np.array([id_ for id_ in categories.to if abs(id_) < 2**63], np.int64)
    has_category = (
        np.isin(used, listed)
        if isinstance(used, np.ndarray)
        else np.array([id_ in categories.to for id_ in used], bool)
    )
    if not categories.listed:  # the missing or empty list has been reported
        if "categories" in (document.parts or {}) and len(used) > np.count_nonzero(has_category):
            message = "the list of categories is empty: nothing says what category ids mean; give --taxonomy"
            document.report("SEG004", message, document.pointer("categories"), lost=True)
        _join_unnamed(document)
        return has_category
    if not categories.to and len(used):  # what was reported about the list left none of its categories
        message = f"{count_noun(len(used), 'annotation')} of categories that cannot be read; left out, too"
        ids = tuple(items.items[i].id for i in range(len(used)))
        place = items.place(0, "/category_id")
        document.report("SEG007", message, place, segments=ids, lost=True)
        return has_category
    hint = "" if has_category.all() else _position_hint(used, categories.to, "categories")
    for i in np.flatnonzero(~has_category & (image != _UNKNOWN)).tolist():
        item = items.items[i]
        message = f"category_id {item.category_id} is not among the categories{hint}; left out"
        place, image_id = items.place(i, "/category_id"), listing.image_ids[image[i]] if image[i] >= 0 else None
        document.report("SEG007", message, place, image=image_id, segments=(item.id,))
    return has_category


_ROUNDED_HINT = "; ids above 2^53 that are equal were probably rounded, as JavaScript does"


def _report_duplicates(document: Document, items: Items[AnnotationItem], listing: ImageList) -> None:
    """SEG008 for every annotation id that occurs more than once; all annotations are read."""
    every = items.ids("id")
    if isinstance(every, np.ndarray) and ((every[1:] > every[:-1]).all() or len(np.unique(every)) == len(every)):
        return
    ids: list[Id] = every.tolist() if isinstance(every, np.ndarray) else every
    if len(set(ids)) == len(ids):
        return
    duplicates = {id_ for id_, count in Counter(ids).items() if count > 1}
    rounded = (
        _ROUNDED_HINT if all(isinstance(id_, int) and id_ > 2**53 and float(id_) == id_ for id_ in duplicates) else ""
    )
    where: dict[int | str, list[int]] = {}
    for i, id_ in enumerate(ids):
        if id_ in duplicates:
            where.setdefault(id_, []).append(i)
    for id_, positions in where.items():
        places = ", ".join(items.place(i) for i in positions[:4]) + (", …" if len(positions) > 4 else "")
        rows = [listing.row_of.get(items.items[i].image_id, _UNKNOWN) for i in positions]
        n_images = len({row for row in rows if row >= 0})
        location = f"({places}), in {count_noun(n_images, 'image')}"
        message = f"annotation id {id_!r} occurs {len(positions)} times {location}; all are read{rounded}"
        first = listing.image_ids[rows[0]] if rows[0] >= 0 else None
        place = items.place(positions[1], "/id")
        document.report("SEG008", message, place, image=first, segments=(id_,))


def _report_unevaluable(document: Document, items: Items[AnnotationItem], sort: CocoSort) -> None:
    """One SEG004 each for what pycocotools cannot evaluate: annotations with id 0 or words for ids, and absent keys.

    `COCOeval` and `LVISEval` keep the ids of matched annotations in an array in which 0 means "not matched".
    """
    ids = items.ids("id")
    n = len(ids)
    if n < _MIN_EVALUATED:
        return
    zero = np.flatnonzero(ids == 0).tolist() if isinstance(ids, np.ndarray) else [k for k in range(n) if ids[k] == 0]
    if zero:
        message = (
            "the annotation id is 0, which means 'not matched' when pycocotools or lvis-api evaluates: this object "
            "always counts as missed; number annotations from 1 (`segdata convert` does)"
        )
        place = items.place(zero[0], "/id")
        document.report("SEG004", message, place, severity="warning", lost=False)
    words = [] if isinstance(ids, np.ndarray) else [id_ for id_ in ids if isinstance(id_, str) and not id_.isdecimal()]
    if words:
        message = (
            f"{count_noun(len(words), 'annotation id')} {'is a text' if len(words) == 1 else 'are texts'}, as "
            f"{words[0]!r:.40}: pycocotools and lvis-api keep the ids of matched annotations as numbers, and stop when "
            "they evaluate; number annotations (`segdata convert` does)"
        )
        document.report("SEG004", message, severity="warning", lost=False)
    block = items.block(_spread_rows(n))
    absent = {key: int((block.column(key).first < 0).sum()) for key in ("area", "iscrowd")}
    lacking = [key for key, count in absent.items() if count and sort == "instances"]
    if lacking:
        tried, most = len(block), max(absent.values())
        which = (
            "no annotation has"
            if most == tried
            else f"{most:,} of {tried:,} annotations {'does' if most == 1 else 'do'} not have"
        )
        message = (
            f"{which} {' and '.join(lacking)}: pycocotools and what is built on it stop there when they evaluate "
            f"(KeyError: '{lacking[0]}'); `segdata convert` writes both"
        )
        document.report("SEG004", message, severity="warning", lost=False)
    n_boxless, tried = int((block.column("bbox").first < 0).sum()), len(block)
    if 0 < n_boxless < tried and sort == "instances":
        do = "does" if n_boxless == 1 else "do"
        message = (
            f"{n_boxless:,} of {tried:,} annotations {do} not have bbox, which the others have: programs for training "
            "stop there (KeyError: 'bbox'); `segdata convert` writes it"
        )
        document.report("SEG004", message, severity="warning", lost=False)


def _spread_rows(n: int) -> Ints:
    """Some of n rows, spread evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, _N_SAMPLED)).astype(np.int64))


_BOXES_ONLY = (
    "boxes only: {} with a box and without an outline, and segdata reads segments; export polygons or masks, if the "
    "tool that drew them has any"
)
_NO_OUTLINE = (b"", b"[]", b"[[]]", b"null")
_MIN_SHARE_BOXES = 0.9  # of annotations with a box of positive sides; trackers and augmentation leave a few without


def _are_boxes(items: Items[AnnotationItem]) -> bool:
    """Whether no annotation has a segmentation, `[]` being none, and nine in ten have a box with an extent."""
    n = len(items.ids("id"))
    return n > 0 and all(_are_boxes_alone(items.block(rows)) for rows in (_spread_rows(n), np.arange(n)))


def _are_boxes_alone(block: ItemBlock) -> bool:
    outlines, boxes = block.column("segmentation"), decode_boxes(block.column("bbox"))
    if boxes is None or (outlines.last - outlines.first).max() > max(map(len, _NO_OUTLINE)):
        return False
    sides = boxes.flatten().to_numpy().reshape(-1, 4)[:, 2:]
    return bool((sides > 0).all(axis=1).mean() >= _MIN_SHARE_BOXES) and all(
        bytes(outlines[row]) in _NO_OUTLINE for row in range(len(outlines))
    )


_RESULTS_DOCUMENT = DocumentKind(
    "a list of COCO results", "a list of objects with image_id, category_id, segmentation and score", "results"
)


class _ResultItem(AnnotationItem, gc=False, kw_only=True):
    """An item of the list. It has no id: pycocotools numbers them from 1."""

    id: Id = 0


class _StrictResultItem(_ResultItem, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An item of the list without further keys."""


def open_results(request: ReadRequest) -> AlteredSource:
    """Open a list of results, without decoding a segmentation.

    Raises UnreadableError if there is none, or several, if images and categories are unknown, and if no item has a
    segmentation.
    """
    root = request.root
    names = [root.name] if root.is_file() else result_lists(FileProbe(root))
    if len(names) != 1:
        problem = f"{len(names)} lists of COCO results, name one of them: {', '.join(names)}"
        raise UnreadableError(f"{root}: {problem if names else 'no list of COCO results in it'}")
    path, name = root if root.is_file() else root / names[0], names[0]
    document = read_document(path, name, _RESULTS_DOCUMENT)
    results: Items[_ResultItem] = decode_items(document, "results", _StrictResultItem, _ResultItem)
    if results.items and not any(len(item.segmentation) for item in results.items):
        raise UnreadableError(f"{path}: no segmentation in {count_noun(len(results.items), 'result')}; boxes alone?")
    truth = find_truth(request, path, [item.image_id for item in results.items])
    if truth is None:
        raise UnreadableError(
            f"{path}: results name images and categories by id alone; give the list of both: --read-option "
            "truth=FILE.json (the ground truth), or --images DIR (named by id) and --taxonomy FILE"
        )
    if "categories" not in (truth.parts or {}) and request.taxonomy is None:
        raise UnreadableError(f"{truth.path}: lists no categories; give --taxonomy FILE")
    listing = read_image_list(truth)
    categories = truth_categories(truth, request.taxonomy)
    folder = find_document_images(request, truth, listing)
    document.defects.extend(truth.defects)
    for item, row in zip(results.items, results.rows, strict=True):
        item.id = row + 1
    _report_scoreless(document, results)
    source = join_annotations(request, document, results, listing, categories, folder, "coco-results")
    return with_origin(source, "model")


def _report_scoreless(document: Document, results: Items[_ResultItem]) -> None:
    """One SEG004 for the list if results lack scores, as they cannot be ranked."""
    items = results.items
    without = [i for i, item in enumerate(items) if len(item.score) == 0 or item.score == msgspec.Raw(b"null")]
    if without:
        first = results.place(without[0])
        have = "has" if len(without) == 1 else "have"
        message = f"{len(without):,} of {len(items):,} results {have} no score, the first at {first}"
        document.report("SEG004", message, f"{first}/score")
