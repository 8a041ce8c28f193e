"""Categories and images of a COCO document, or of the ground truth to which predictions refer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.errors import SegdataError, UnreadableError, count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.format import ReadRequest
from segdata.core.paths import is_unsafe_path
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Ints
from segdata.core.safe_text import quote_path, stored_json
from segdata.core.schema import BATCH_IMAGES, make_table
from segdata.core.taxonomy import Category, Taxonomy, as_rgb
from segdata.core.taxonomy import Id as CategoryId
from segdata.formats.coco import IMAGE_INFO_FILES
from segdata.formats.coco.columns import ListKeys
from segdata.formats.coco.document import Document, Id, Items, Raw, ScannedItems, decode_items, read_document
from segdata.formats.shared.image_names import find_images, unlisted_images
from segdata.formats.shared.images import ImageFolder, read_header, size_defects
from segdata.formats.shared.per_image import relative_path
from segdata.formats.shared.taxonomies import aliases_used, name_metadata


class _CategoryItem(msgspec.Struct, gc=False):
    """An entry of `categories`. Further keys (keypoints, synsets) are kept unchanged."""

    id: CategoryId
    name: str | None = None
    supercategory: Any = None  # Any: used only if it is a text
    isthing: Any = None
    color: Any = None
    definition: Any = msgspec.field(default=None, name="def")


class _StrictCategoryItem(_CategoryItem, gc=False, forbid_unknown_fields=True):
    """An entry of `categories` without further keys."""


_KNOWN_KEYS = frozenset(_CategoryItem.__struct_encode_fields__)
CATEGORY_KEYS = "category_keys"  # in the profile's metadata: category id -> further keys


@dataclass(frozen=True, slots=True)
class Categories:
    """A document's categories in the dataset's taxonomy."""

    taxonomy: Taxonomy  # the user's, or made from the document
    declared: bool  # whether the taxonomy is the user's
    # id in the document -> id in the taxonomy, or a free id if the taxonomy lacks the category
    to: dict[int, int] = field(default_factory=dict)
    unknown: dict[int, str] = field(default_factory=dict)  # free id -> name in the document
    # name in the document that is an alias -> id in the taxonomy
    aliases: dict[str, int] = field(default_factory=dict)
    listed: bool = True  # whether the document lists at least one category
    # id in the taxonomy -> further key -> JSON text
    keys: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata for the profile, as JSON: names that the taxonomy lacks, aliases, and further keys of entries."""
        metadata = name_metadata(self.unknown, self.aliases)
        if self.keys:
            raws = {str(id_): {key: Raw(text) for key, text in keys.items()} for id_, keys in self.keys.items()}
            metadata[CATEGORY_KEYS] = msgspec.json.encode(raws).decode()
        return metadata


def read_categories(document: Document, user_taxonomy: Taxonomy | None) -> Categories:
    """The categories of a document, mapped to the user's taxonomy if there is one: by name, alias, then id."""
    read: Items[_CategoryItem] = decode_items(document, "categories", _StrictCategoryItem, _CategoryItem)
    groups = {str(item.supercategory) for item in read.items if item.supercategory != item.name}
    first: dict[int, _CategoryItem] = {}
    new_categories, keys = [], {}
    for i, (item, extra) in enumerate(zip(read.items, read.extras(range(len(read.items)), _KNOWN_KEYS), strict=True)):
        place = read.place(i)
        if item.id in first:
            first_name = _category_name(first[item.id])
            message = (
                f"category id {item.id} occurs twice ({first_name!r} and {_category_name(item)!r}); the first counts"
            )
            document.report("SEG008", message, place, category=first_name)
            continue
        first[item.id] = item
        if extra:
            keys[item.id] = extra
        if user_taxonomy is None:
            new_categories.append(_category(item, place, document, groups))
    listed = "categories" in (document.parts or {}) and (bool(first) or bool(document.defects))
    if user_taxonomy is None:
        headings = _headings(first)
        taxonomy = Taxonomy(categories=tuple(entry for entry in new_categories if entry.id not in headings))
        keys = {id_: extra for id_, extra in keys.items() if id_ not in headings}
        return Categories(taxonomy, False, {id_: headings.get(id_, id_) for id_ in first}, listed=listed, keys=keys)
    _report_swapped_ids(document, first, user_taxonomy)
    mapped = _map_categories(first, user_taxonomy, listed)
    return replace(mapped, keys={mapped.to[id_]: extra for id_, extra in keys.items()})


def _headings(first: Mapping[int, _CategoryItem]) -> dict[int, int]:
    """Entries that only name a group, with the category of the same name: `vein` of none, above `vein` of `vein`.

    Roboflow's first entry is the project, with supercategory none; a class may have the same name.
    """
    members = {
        item.name: id_ for id_, item in first.items() if item.name is not None and item.supercategory == item.name
    }
    return {
        id_: members[item.name]
        for id_, item in first.items()
        if item.name in members and item.supercategory in (None, "", "none")
    }


def _report_swapped_ids(document: Document, first: dict[int, _CategoryItem], user_taxonomy: Taxonomy) -> None:
    """SEG202 if the taxonomy assigns an id of the document to another of the document's categories."""
    by_id, names = user_taxonomy.by_id(), {item.name for item in first.values()}
    swapped = [
        f"{id_} is {_category_name(item)!r} here and {by_id[id_].name!r} in the taxonomy"
        for id_, item in first.items()
        if id_ in by_id
        and by_id[id_].name != item.name
        and by_id[id_].name in names
        and item.name in user_taxonomy.by_name()
    ]
    if swapped:
        more = f" (and {len(swapped) - 3} more)" if len(swapped) > 3 else ""
        message = f"category ids are swapped: {', '.join(swapped[:3])}{more}; segdata goes by name"
        document.report("SEG202", message, "/categories", severity="warning")


def _map_categories(first: dict[int, _CategoryItem], user_taxonomy: Taxonomy, listed: bool) -> Categories:
    by_name, by_id = user_taxonomy.by_name(), user_taxonomy.by_id()
    if not listed:
        return Categories(user_taxonomy, True, {id_: id_ for id_ in by_id})
    to, unknown = {}, {}
    for id_, item in first.items():
        category = by_id.get(id_) if item.name is None else by_name.get(item.name)
        if category is not None:
            to[id_] = category.id
    taken_ids = set(by_id)
    for id_, item in first.items():
        if id_ not in to:
            free = id_ if id_ not in taken_ids else max(taken_ids | set(first), default=0) + 1
            taken_ids.add(free)
            to[id_] = free
            unknown[free] = _category_name(item)
    aliases = aliases_used((item.name for item in first.values() if item.name is not None), user_taxonomy)
    return Categories(user_taxonomy, True, to, unknown, aliases)


def _category_name(item: _CategoryItem) -> str:
    return str(item.id) if item.name is None else item.name


def _category(item: _CategoryItem, place: str, document: Document, groups: set[str]) -> Category:
    if item.name is None:
        message = f"category {item.id} has no name; its name becomes {_category_name(item)!r}"
        document.report("SEG004", message, f"{place}/name")
    color = None
    if item.color is not None:
        try:
            color = as_rgb(tuple(item.color) if isinstance(item.color, list) else str(item.color))
        except (SegdataError, TypeError):
            message = f"colour {item.color!r} is not [r, g, b] from 0 to 255; ignored"
            document.report("SEG004", message, f"{place}/color", category=_category_name(item))
    if item.isthing not in (None, 0, 1):
        message = f"isthing is {item.isthing!r:.40}, not 0 or 1; the category counts as a thing"
        place = f"{place}/isthing"
        document.report("SEG004", message, place, category=_category_name(item), lost=False)
    parent = item.supercategory if isinstance(item.supercategory, str) else None
    return Category(
        id=item.id,
        name=_category_name(item),
        kind="stuff" if item.isthing in (0, False) else "thing",
        color=color,
        # COCO repeats the name if a category has no group; a category may also have its group's name.
        parent=parent if parent and (parent != _category_name(item) or parent in groups) else None,
        definition=item.definition if isinstance(item.definition, str) else None,
    )


def category_items(taxonomy: Taxonomy, metadata: Mapping[str, str]) -> list[dict[str, object]]:
    """The entries of `categories`, without void categories, which COCO does not have.

    `isthing` and `color` are COCO panoptic's keys, `def` is LVIS'; all files have them, so that stuff stays stuff.
    `metadata` is the profile's, with the further keys that a document had.
    """
    items = []
    further = category_keys(metadata)
    for category in taxonomy.categories:
        if category.kind != "void":
            item: dict[str, object] = {"id": category.id, "name": category.name}
            item["supercategory"] = category.parent or category.name
            item["isthing"] = int(category.kind == "thing")
            if category.rgb is not None:
                item["color"] = category.rgb
            if category.definition is not None:
                item["def"] = category.definition
            items.append(further.get(str(category.id), {}) | item)
    return items


def category_keys(metadata: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The further keys of categories in documents: category id -> key -> value."""
    return stored_json(metadata.get(CATEGORY_KEYS), dict[str, dict[str, Any]]) or {}


MAX_SIDE = 2**20  # pixels; more is a typing error or an attack on memory
IMAGE_COLUMNS = ListKeys(("id", "width", "height"), ("file_name",))
IMAGE_KEYS = frozenset({*IMAGE_COLUMNS.numbers, *IMAGE_COLUMNS.texts})
_NORMAL_NAME = re.compile(r"(?:[^\\/:.\0][^\\/:\0]*/)*[^\\/:.\0][^\\/:\0]*")  # matches names that need no normalisation
_DRIVE = re.compile(r"^.:|:$")
_URL_KEYS = ("coco_url", "flickr_url")
_NAME_IN_URL = rb'"%b"\s*:\s*"[^"]*/([^"/]+)"'
SKIPPED_IMAGE = -2  # row of an image entry that was left out and reported


class StrictImageItem(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An entry of `images` without further keys."""

    coco_url: ClassVar[None] = None
    id: Id
    file_name: str
    width: int | float | None = None
    height: int | float | None = None


class ImageItem(msgspec.Struct, gc=False):
    """An entry of `images`. Without a file name, as in LVIS, its name is the last two parts of its URL."""

    id: Id
    file_name: str | None = None
    width: int | float | None = None
    height: int | float | None = None
    coco_url: Any = None  # Any: COCO's own key, used for LVIS alone


AnyImageItem = StrictImageItem | ImageItem


@dataclass(frozen=True, slots=True)
class ImageList:
    """The readable images of a document."""

    document: Document
    items: Items[AnyImageItem]  # their entries
    image_ids: list[str]  # (n,) unique
    width: Ints  # (n,) int64, pixels; 0 if the document states none
    height: Ints  # as `width`
    row_of: dict[Id, int]  # the document's image id -> row here, or `SKIPPED_IMAGE`
    positions: Sequence[int] = ()  # (n,) the position of each image in `items`

    def place(self, row: int, within: str = "") -> str:
        """The JSON pointer of an image's entry."""
        return self.items.place(self.positions[row], within)

    def table(self, rows: Ints, folder: ImageFolder) -> tuple[pa.Table, list[Defect]]:
        """Rows of `schema.BATCH_IMAGES`, and the defects of these images' files.

        The image file's size is used if the document states none.
        """
        defects: list[Defect] = []
        width, height = self.width[rows], self.height[rows]
        uris: list[str | None] = [None] * len(rows)
        for k, row in enumerate(rows.tolist() if folder.root is not None else ()):
            name, document = self.image_ids[row], self.document.name
            path, header, found_defects = folder.find(name, document, self.place(row, "/file_name"))
            defects += found_defects
            declared = int(width[k]), int(height[k])
            defects += size_defects(name, header, *declared, "declared size", document, self.place(row))
            if header is not None and 0 in declared:
                width[k], height[k] = header.width, header.height
            uris[k] = None if path is None else path.as_posix()
        positions = [self.positions[row] for row in rows.tolist()]
        metadata = [list(extra.items()) or None for extra in self.items.extras(positions, IMAGE_KEYS)]
        images = make_table(
            BATCH_IMAGES,
            len(rows),
            image_id=[self.image_ids[row] for row in rows.tolist()],
            source_id=self._source_ids(positions),
            uri=uris,
            width=width,
            height=height,
            metadata=metadata,
        )
        return images, defects

    def _source_ids(self, positions: list[int]) -> list[str]:
        """The document's ids of images, as texts."""
        ids = self.items.ids("id") if isinstance(self.items, ScannedItems) else None
        if isinstance(ids, np.ndarray):
            return list(map(str, ids[positions].tolist()))
        return [str(self.items.items[i].id) for i in positions]


def read_image_list(document: Document) -> ImageList:
    """The images of a document; duplicates, bad sizes and unsafe names become its defects."""
    items: Items[AnyImageItem] = decode_items(document, "images", StrictImageItem, ImageItem)
    listing = list_images(document, items)
    document.defects.extend(_exchanged_names(document, listing))
    return listing


def _exchanged_names(document: Document, listing: ImageList) -> Iterator[Defect]:
    """SEG004 for images whose URL has the file name of another image, where most have their own name in it."""
    own_names = [name.rpartition("/")[2] for name in listing.image_ids]
    known = set(own_names)
    text = memoryview((document.parts or {}).get("images", b""))
    for key in _URL_KEYS:
        pattern = _NAME_IN_URL % key.encode()
        first = re.search(pattern, text)
        if first is None or first[1].decode("utf-8", "replace") not in known:
            continue
        in_urls = [name.decode("utf-8", "replace") for name in re.findall(pattern, text)]
        if len(in_urls) != len(listing.items.items):
            continue
        pairs = [(row, in_urls[position]) for row, position in enumerate(listing.positions)]
        others = [(row, name) for row, name in pairs if name != own_names[row] and name in known]
        if 2 * sum(name == own for (_, name), own in zip(pairs, own_names, strict=True)) < len(pairs):
            continue
        for row, name in others:
            image, place = listing.image_ids[row], listing.place(row, "/file_name")
            message = f"file_name is {image!r}, but {key} has {name!r}, the file of another image: one of them is wrong"
            yield Defect("SEG004", message, document.name, place, image=image, severity="warning", lost=False)


def report_odd_ids(document: Document, key: str, ids: Sequence[Id] | Ints) -> None:
    """One SEG004 for a list with ids beyond 64 bits, and one for ids that are numbers written as texts."""
    if isinstance(ids, np.ndarray):
        return
    kinds = set(map(type, ids))
    if kinds == {int} and max(ids) < 2**63 and min(ids) >= -(2**63):  # type: ignore[operator]  # the usual case
        return
    huge = [id_ for id_ in ids if isinstance(id_, int) and not -(2**63) <= id_ < 2**63]
    texts = [id_ for id_ in ids if isinstance(id_, str) and id_.isascii() and id_.isdecimal()]
    if document.kind.text_ids:
        texts = []
    cases: tuple[tuple[Sequence[Id], str, Severity | None], ...] = (
        (huge, "beyond 64 bits, in which most programs hold ids", None),
        (texts, "a number written as text; COCO's ids are numbers", "warning"),
    )
    for odd, what, severity in cases:
        if odd:
            message = f"{len(odd):,} of {count_noun(len(ids), 'id')} of {key} is {what} (the first is {odd[0]!r:.40})"
            message = message if len(odd) == 1 else message.replace(" is ", " are ", 1).replace("a number", "numbers")
            place = document.pointer(key)
            document.report("SEG004", message, place, severity=severity, lost=False)


def list_images(document: Document, items: Items[AnyImageItem]) -> ImageList:
    """List the images of the entries, and report their defects."""
    if isinstance(items, ScannedItems) and (plain := _list_plain_images(document, items)) is not None:
        return plain
    names: list[str] = []
    sizes: list[tuple[int, int]] = []
    positions: list[int] = []
    row_of: dict[Id, int] = {}
    row_of_name: dict[str, int] = {}
    for i, item in enumerate(items.items):
        name = _name(item, document, items.place(i, "/file_name"))
        if name is None:
            row_of.setdefault(item.id, SKIPPED_IMAGE)
            continue
        size = _side(item.width), _side(item.height)
        if item.id in row_of:
            message = f"image id {item.id!r} occurs twice; the first counts, {name!r} is left out"
            document.report("SEG008", message, items.place(i, "/id"), image=name, lost=True)
        elif name in row_of_name:
            row = row_of_name[name]
            same = sizes[row] == size
            what = (
                "their annotations are joined" if same else "it has another size and is left out with its annotations"
            )
            message = f"file name {name!r} occurs twice, the second time with image id {item.id!r}; {what}"
            document.report("SEG008", message, items.place(i, "/file_name"), image=name, lost=not same)
            row_of[item.id] = row if same else SKIPPED_IMAGE
        else:
            if 0 in size:
                expected = f"sides of 1 to {MAX_SIDE:,} pixels are expected"
                message = f"the image's size is {item.width} x {item.height}; {expected}"
                document.report("SEG004", message, items.place(i), image=name)
                size = (0, 0)
            row_of[item.id] = row_of_name[name] = len(names)
            names.append(name)
            sizes.append(size)
            positions.append(i)
    report_odd_ids(document, "images", list(row_of))
    width, height = np.array(sizes, np.int64).reshape(-1, 2).T
    return ImageList(document, items, names, width, height, row_of, positions)


_ODD_NAME_PARTS = ("\\", ":", "\0", "\n.", "\n/", "/.", "//", "/\n", "\n\n")  # in names joined by line feeds


def _list_plain_images(document: Document, items: ScannedItems[AnyImageItem]) -> ImageList | None:
    """Fast path: the images of entries from columns; None if an entry may have a defect."""
    scanned = items.scanned
    ids, width, height, first, last = scanned.values.T
    text = scanned.text.data
    names = [str(text[begin:end], "utf-8") for begin, end in zip(first.tolist(), last.tolist(), strict=True)]
    together = "\n" + "\n".join(names) + "\n"
    sizes = scanned.values[:, 1:3]
    plain = ((sizes >= 1) & (sizes <= MAX_SIDE)).all() and not any(odd in together for odd in _ODD_NAME_PARTS)
    if not plain or len(set(names)) < len(names):
        return None
    row_of: dict[Id, int] = dict(zip(ids.tolist(), range(len(ids)), strict=True))
    if len(row_of) < len(ids):
        return None
    columns = width.copy(), height.copy()
    return ImageList(document, items, names, *columns, row_of, range(len(names)))


def _name(item: AnyImageItem, document: Document, place: str) -> str | None:
    """The image_id of an entry; None if it has none."""
    if item.file_name is not None:
        return _image_id(item.file_name, document, place)
    if isinstance(item.coco_url, str) and item.coco_url:
        return _image_id("/".join(item.coco_url.split("/")[-2:]), document, place)
    message = "'file_name' is missing; left out"
    document.report("SEG004", message, place.removesuffix("/file_name"))
    return None


def _side(value: float | None) -> int:
    """A side in pixels; 0 for an invalid value."""
    return int(value) if value is not None and 1 <= value <= MAX_SIDE and value == int(value) else 0


def _image_id(name: str, document: Document, place: str) -> str | None:
    """The image_id of a file name: POSIX, below the images root; None if it names no file."""
    if _NORMAL_NAME.fullmatch(name):
        return name
    path, is_unsafe = PurePosixPath(name.replace("\\", "/")), is_unsafe_path(name)
    if is_unsafe:
        kept = [part.replace("\0", "_") for part in path.parts if part not in ("..", "/", "//")]
        path = PurePosixPath(*filter(None, (_DRIVE.sub("", part) for part in kept)))
    if not path.name:
        message = f"file name {name!r} names no file; the image is left out with its annotations"
        document.report("SEG004", message, place)
        return None
    if is_unsafe:
        message = f"path {quote_path(name)} leaves the dataset's root; it is read as {path.as_posix()!r}"
        document.report("SEG015", message, place, image=path.as_posix())
    return path.as_posix()


_CITYSCAPES_FOLDER = "leftImg8bit"
_WRONG, _RIGHT = f"_gtFine_{_CITYSCAPES_FOLDER}.png", f"_{_CITYSCAPES_FOLDER}.png"


def _find_misnamed_images(
    document: Path, file_name: str, names: Sequence[str], images: Path | None
) -> tuple[ImageFolder, list[Defect]] | None:
    """Find the images that Cityscapes' createPanopticImgs.py misnames; None if there are none.

    The script makes the name `x_gtFine_leftImg8bit.png` from `x_gtFine_instanceIds.png`; the image is
    `x_leftImg8bit.png`. It is searched in the folder `images`, or in `leftImg8bit` near the document. `file_name` is
    the document's name in defects.
    Source: mcordts/cityscapesScripts cityscapesscripts/preparation/createPanopticImgs.py.
    """
    right = {name: PurePosixPath(name).name.removesuffix(_WRONG) + _RIGHT for name in names if name.endswith(_WRONG)}
    parent = document.absolute().parent
    for folder in [images] if images is not None else [parent / _CITYSCAPES_FOLDER, parent.parent / _CITYSCAPES_FOLDER]:
        if not right:
            break
        files = {path.name: path for path in ImageFolder.below(folder).paths.values()}
        paths = {name: files[file] for name, file in right.items() if file in files}
        if paths:
            message = (
                f"{count_noun(len(paths), 'image name')} such as {next(iter(paths))!r}, which createPanopticImgs.py "
                f"writes and no file has; the files ending in {_RIGHT!r} are read"
            )
            return ImageFolder(folder, paths), [Defect("SEG002", message, file_name, severity="info")]
    return None


@dataclass(frozen=True, slots=True)
class CocoSource:
    """An opened document with images and categories; base of instances and panoptic sources."""

    profile: Profile  # of the dataset
    document: Document
    listing: ImageList
    categories: Categories
    folder: ImageFolder
    annotator: str | None  # of the annotations

    @property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) file names below the images root."""
        return self.listing.image_ids

    @property
    def defects(self) -> Sequence[Defect]:
        """The defects found while opening."""
        return self.document.defects


def find_document_images(
    request: ReadRequest, document: Document, listing: ImageList, masks: tuple[Path, ...] = ()
) -> ImageFolder:
    """Find the folder of the images, excluding folders of `masks`; reports unlisted image files."""
    named = document.path, document.name, listing.image_ids, request.images
    folder, missing = find_images(*named, masks)
    if folder.root is None:
        folder, missing = _find_misnamed_images(*named) or (folder, missing)
    document.defects.extend([*missing, *unlisted_images(document.path, folder, listing.image_ids)])
    return folder


def document_profile(request: ReadRequest, document: Document, categories: Categories, format: str) -> Profile:
    """The profile of a document; panoptic files label each pixel once, instances files any set of pixels."""
    metadata = {key: text for key in ("info", "licenses") if (text := document.small(key)) is not None}
    panoptic = format == "coco-panoptic"
    return Profile(
        name=request.root.name if request.root.is_dir() else request.root.stem,
        format=format,
        task="panoptic" if panoptic else "instance",
        taxonomy=categories.taxonomy,
        taxonomy_declared=categories.declared,
        coverage=Policy("exhaustive" if panoptic else "sparse"),
        overlap=Policy("forbid" if panoptic else "allow"),
        raster_rule="mask-native" if panoptic else "coco",
        files=document.path.as_posix(),
        metadata=metadata | categories.metadata,
    )


def find_truth(request: ReadRequest, document: Path, used: Sequence[Id] | None = None) -> Document | None:
    """Find the document that lists the images and categories of predictions; None if there is none.

    It is the file of the option `truth`, or COCO's ``image_info….json`` beside the predictions. If the image ids in use
    are given as `used`, it may also be a folder of images, whose ids are their names without extension and leading
    zeros. Raises SegdataError for a file that is no such document.
    """
    named = request.options.get("truth")
    path = Path(str(named)) if named is not None else next(iter(sorted(document.parent.glob(IMAGE_INFO_FILES))), None)
    if path is not None:
        truth = read_document(path, relative_path(request.root, path))
        if truth.parts is None or "images" not in truth.parts:
            raise UnreadableError(f"{path}: lists no images, so it is no ground truth")
        return truth
    if request.images is not None and used is not None:
        return _document_of_folder(request.images, used)
    return None


def _document_of_folder(folder: Path, used: Sequence[Id]) -> Document:
    """A document made of the images in a folder that have one of the ids."""
    used_ids = set(used)
    entries: dict[Id, dict[str, object]] = {}
    for name, path in ImageFolder.below(folder).paths.items():
        stem = path.stem
        number = int(stem) if stem.isascii() and stem.isdecimal() and len(stem) <= 18 else stem
        for id_ in {stem, path.name, name, number} & used_ids:
            if id_ in entries:
                raise SegdataError(f"{folder}: {entries[id_]['file_name']} and {name} both may be image {id_!r}")
            entries[id_] = {"id": id_, "file_name": name}
            with suppress(OSError):
                head = read_header(path)
                entries[id_] |= {"width": head.width, "height": head.height}
    parts = {"images": Raw(msgspec.json.encode(list(entries.values())))}
    return Document(folder, folder.as_posix(), parts)


def truth_categories(truth: Document, user_taxonomy: Taxonomy | None) -> Categories:
    """The categories for the ids in predictions: the truth's, or the user's taxonomy if that lists none."""
    if user_taxonomy is None or "categories" in (truth.parts or {}):
        return read_categories(truth, user_taxonomy)
    return Categories(user_taxonomy, True, {id_: id_ for id_ in user_taxonomy.by_id()})
