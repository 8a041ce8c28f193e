"""Cityscapes files: `<type>/<split>/<city>/<city>_<seq>_<frame>_<type>_<what>`, found wherever below a folder they lie.

Polygons of JSON files are drawn as Cityscapes' own scripts draw them: in the order of the list, by Pillow's rule, later
ones over earlier ones. Deleted objects and licence plates are not drawn. Instances are counted by label, from 0, those
that are covered later too.

Source: mcordts/cityscapesScripts README.md, "Dataset Structure"; cityscapesscripts/preparation/json2instanceImg.py.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import LossCounter, ReadRequest
from segdata.core.paths import check_path_name
from segdata.core.profile import Profile, RasterRule
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shapes.geometry import Polygon, Ring, check_ring
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shared.file_names import IMAGE_SUFFIXES
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import ValueRuns, undecodable_mask
from segdata.formats.shared.pairing import Pairing, has_index, images_folder
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.street import cityscapes_labels as table
from segdata.formats.street.cityscapes_labels import LICENSE_PLATE, load_labels
from segdata.formats.street.instance_masks import (
    CITYSCAPES,
    LabelMapping,
    LabelMaskReader,
    label_ids,
    label_mapping,
    open_scenes,
)
from segdata.formats.street.layout import NO_SPLIT, SceneFiles, chosen_option, pair_by_index, pair_files, unique_key
from segdata.formats.street.writer import MaskStyle, Pixels, write_scenes

KINDS = ("instanceIds", "labelIds", "trainIds", "polygons")  # that are read, the best first
FINE, COARSE = "gtFine", "gtCoarse"
LABEL_FILE = re.compile(
    r"(?P<base>.+)_(?P<type>gtFine|gtCoarse)_(?P<what>instanceIds|labelIds|labelTrainIds|color|polygons)\.(?:png|json)"
)
SPLITS = frozenset({"train", "val", "test", "train_extra", "demoVideo"})
IMAGES = "leftImg8bit"
_MARK = f"_{IMAGES}"
_FILE_OF = {kind: kind for kind in KINDS} | {"trainIds": "labelTrainIds"}
_KIND = {file: kind for kind, file in _FILE_OF.items()} | {"color": "color"}
# Types of the dataset that are neither labels nor left images; some have as many files.
_OTHERS = re.compile(r"(rightImg|leftImg16|disparity|camera|timestamp|vehicle|gtBbox)", re.IGNORECASE)


def cityscapes_files(root: Path, images: Path | None, type_: str | None) -> SceneFiles:
    """The label files below a folder, or one label file, and their images.

    Of fine and coarse labels of one image the fine ones are taken, or those of the `type_` asked for. Raises
    UnreadableError where there are only colours.
    """
    labels_by_type: dict[str, dict[str, dict[str, Path]]] = {COARSE: {}, FINE: {}}
    defects = []
    for path in _walk(root):
        match = LABEL_FILE.fullmatch(path.name)
        if match is None or type_ not in (None, match["type"]):
            continue
        check_path_name(path)
        of_key = labels_by_type[match["type"]].setdefault(_key(root, path, match["type"], match["base"]), {})
        first = of_key.setdefault(_KIND[match["what"]], path)
        if first != path:
            message = f"labels of the same image as {relative_path(root, first)}, which is read"
            defects.append(Defect("SEG008", message, relative_path(root, path)))
    labels = labels_by_type[COARSE] | labels_by_type[FINE]
    if labels and all(kinds.keys() == {"color"} for kinds in labels.values()):
        raise UnreadableError(
            f"{root}: only *_color.png files: several labels share a colour (pole and polegroup, car and license "
            "plate, labels 0 to 4), so colours cannot be turned back into labels; add *_labelIds.png"
        )
    folder = _find_images(root, images)
    places = {"labels": ", ".join(type_name for type_name in (FINE, COARSE) if labels_by_type[type_name])}
    if folder.root is not None:
        places["images"] = folder.root.as_posix()
    return SceneFiles(labels, _match_images(folder, labels), _image_name, places, tuple(defects))


def label_kind(path: Path) -> str:
    """The kind of a label file; of one with another name the first that is read."""
    match = LABEL_FILE.fullmatch(path.name)
    return KINDS[0] if match is None else _KIND[match["what"]]


def with_label_kind(kind: str, path: Path) -> Path:
    """The file of a kind of labels beside that of another kind."""
    return path.with_name(path.name.replace(f"_{_FILE_OF[label_kind(path)]}.", f"_{_FILE_OF[kind]}."))


def _walk(root: Path) -> Iterator[Path]:
    """The files below a folder, sorted, without those of other types; of a file itself."""
    if root.is_file():
        yield root
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not _OTHERS.match(name) and name != IMAGES)
        yield from (Path(folder, name) for name in sorted(names))


def _key(root: Path, path: Path, type_: str, base: str) -> str:
    """The folders below that of the type, or below the root, and the base."""
    parts = path.absolute().parent.parts
    if type_ in parts:
        folders = parts[len(parts) - parts[::-1].index(type_) :]
    else:
        folders = path.parent.relative_to(root if root.is_dir() else root.parent).parts
    return _with_split(PurePosixPath(*folders, base), type_ in parts)


def _with_split(name: PurePosixPath, below_type: bool) -> str:
    """A key from a name below the folder of a type, where the first folder is a split, or below any folder."""
    has_split = len(name.parts) > (1 if below_type else 2) or (len(name.parts) == 2 and name.parts[0] in SPLITS)
    return name.as_posix() if has_split else f"{NO_SPLIT}/{name.as_posix()}"


def _image_name(key: str) -> str:
    return key.removeprefix(f"{NO_SPLIT}/") + f"{_MARK}.png"


def _find_images(root: Path, images: Path | None) -> ImageFolder:
    """The images: where the user says, else in `leftImg8bit` or `images`, or beside the labels.

    Below the folder of a type it is the folder beside that one, of which only the part of the same name counts.
    """
    start = (root if root.is_dir() else root.parent).absolute()
    for place in [images] if images is not None else [start / IMAGES, start / "imgsFine" / IMAGES, start / "images"]:
        pictures = ImageFolder.below(place)
        if pictures.paths or images is not None:
            return pictures
    within = next((i for i, part in enumerate(start.parts) if part in (FINE, COARSE)), None)
    if within is not None:
        folder = Path(*start.parts[:within], IMAGES)
        part = PurePosixPath(*start.parts[within + 1 :])
        pictures = ImageFolder.below(folder)
        inside = {name: path for name, path in pictures.paths.items() if PurePosixPath(name).is_relative_to(part)}
        if inside:
            return ImageFolder(folder, inside)
    beside = sorted(path for path in start.rglob(f"*{_MARK}.*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return ImageFolder(start if beside else None, {path.relative_to(start).as_posix(): path for path in beside})


def _match_images(folder: ImageFolder, labels: dict[str, dict[str, Path]]) -> dict[str, tuple[str, Path]]:
    """Key -> image: by folders and base, else by the base alone where only one image has it."""
    pictures: dict[str, tuple[str, Path]] = {}
    of_base: dict[str, list[str]] = {}
    for name, path in folder.paths.items():
        plain = PurePosixPath(name).with_suffix("")
        base = plain.name.removesuffix(_MARK)
        key = _with_split(plain.parent / base, folder.root is not None and folder.root.name == IMAGES)
        key = unique_key(key, name, pictures)
        pictures[key] = name, path
        of_base.setdefault(base, []).append(key)
    for key in labels:
        candidates = of_base.get(key.rpartition("/")[2], ())
        if key not in pictures and len(candidates) == 1 and candidates[0] not in labels and candidates[0] in pictures:
            pictures[key] = pictures.pop(candidates[0])
    return pictures


_MOST_PIXELS = 2**27  # of the picture that a JSON file asks for; Cityscapes has 2^21
_CENTRE = 0.5  # vertices are the centres of pixels
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class _PolygonList:
    """What is to be drawn.

    Attributes
    ----------
    value : of each object, as in masks of instance ids
    ring : of each object, as in the file
    place : of each object in the file
    defects : why others are left out
    """

    value: list[int] = field(default_factory=list)
    ring: list[Ring] = field(default_factory=list)
    place: list[str] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)


def read_polygons(look: LabelMaskReader, entry: ImageEntry) -> ImageAnnotation:
    """What the polygons of an entry show; raises BrokenLabelsError where its file is no such JSON.

    A segment has the rings of its objects where all that was drawn of them can be seen.
    """
    path = entry.files[0]
    file = relative_path(look.root, path)
    document = _read_json(look.root, path)
    height, width = _image_size(document, file)
    drawing = _read_objects(document, look)
    runs = ValueRuns.of(_paint(drawing, height, width))
    annotation = look.found(runs, file)
    rings, places = _rings_and_places(drawing, annotation, runs)
    columns = {**annotation.columns, "rings": rings, "place": places}
    return replace(annotation, columns=columns, defects=[*drawing.defects, *annotation.defects])


def _paint(drawing: _PolygonList, height: int, width: int) -> NDArray[np.uint16 | np.int32]:
    """The mask of instance ids (height, width)."""
    image = Image.new("I", (width, height))
    draw = ImageDraw.Draw(image)
    for value, ring in zip(drawing.value, drawing.ring, strict=True):
        draw.polygon(ring.ravel().tolist(), fill=value)
    pixels = np.asarray(image)
    return pixels.astype(np.uint16) if max(drawing.value, default=0) < 2**16 else pixels


def _rings_and_places(
    drawing: _PolygonList, annotation: ImageAnnotation, runs: ValueRuns
) -> tuple[list[list[list[float]] | None], list[str]]:
    """The rings of each segment, and the place of its first object."""
    rows_of: dict[int, list[int]] = {}
    for row, value in enumerate(drawing.value):
        rows_of.setdefault(value, []).append(row)
    rows = [rows_of[value] for value in annotation.segment_id.tolist()]
    shapes = [[Polygon(drawing.ring[row]) for row in objects] for objects in rows]
    full = rasterise(shapes, "pil", runs.height, runs.width).areas(len(rows))
    # Others are covered in part, or have the pixels of several labels, which are one category.
    visible = runs.area[np.searchsorted(runs.value, annotation.segment_id)]
    is_complete = (full == visible) & (visible == annotation.runs.areas(len(rows)))
    rings: list[list[list[float]] | None] = [
        [(drawing.ring[row] + _CENTRE).ravel().tolist() for row in objects] if is_whole else None
        for objects, is_whole in zip(rows, is_complete.tolist(), strict=True)
    ]
    return rings, [drawing.place[objects[0]] for objects in rows]


def _read_json(root: Path, path: Path) -> dict[str, Any]:  # Any: JSON
    try:
        text = path.read_bytes().removeprefix(_BOM)
    except OSError as error:
        raise BrokenLabelsError(undecodable_mask(root, path, error)) from error
    try:
        document = _parse_json(text)
    except (ValueError, RecursionError) as error:
        raise BrokenLabelsError(Defect("SEG001", f"is not JSON: {error}", relative_path(root, path))) from error
    if not isinstance(document, dict) or not isinstance(document.get("objects"), list):
        message = "no list of objects; a file of polygons has imgHeight, imgWidth and objects"
        raise BrokenLabelsError(Defect("SEG004", message, relative_path(root, path), "/objects"))
    return document


def _parse_json(text: bytes) -> Any:  # Any: JSON
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(text)  # takes NaN, and says more precisely what is wrong


def _image_size(document: dict[str, Any], file: str) -> tuple[int, int]:
    """Height and width in pixels; raises BrokenLabelsError for what no picture has."""
    size = []
    for key in ("imgHeight", "imgWidth"):
        side = document.get(key)
        if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= _MOST_PIXELS:
            shown = "missing" if key not in document else f"{side!r:.40}, a whole number of pixels is expected"
            raise BrokenLabelsError(Defect("SEG004", f"{key} is {shown}", file, f"/{key}"))
        size.append(side)
    if size[0] * size[1] > _MOST_PIXELS:
        message = f"the picture is {size[1]:,} x {size[0]:,}: more than {_MOST_PIXELS:,} pixels are not drawn"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/imgHeight"))
    return size[0], size[1]


def _read_objects(document: dict[str, Any], look: LabelMaskReader) -> _PolygonList:
    """The objects that are drawn; those that cannot be are left out, with a defect each."""
    drawing = _PolygonList()
    labels = {category.name: category for category in look.book.labels.categories}
    count: Counter[str] = Counter()
    for i, item in enumerate(document["objects"]):
        place = f"/objects/{i}"
        if not isinstance(item, dict) or not isinstance(item.get("label"), str):
            drawing.defects.append(Defect("SEG004", "an object without a label", place=place))
            continue
        name: str = item["label"]
        if item.get("deleted") or name == LICENSE_PLATE:
            continue
        group = name not in labels and name.endswith("group")
        label = labels.get(name.removesuffix("group") if group else name)
        wrong = check_ring(item.get("polygon"))
        if label is None:
            drawing.defects.append(Defect("SEG009", f"{name!r:.80} is not one of the labels", place=f"{place}/label"))
        elif wrong is not None:
            drawing.defects.append(Defect("SEG006", f"the polygon of {name!r} {wrong}", place=f"{place}/polygon"))
        elif label.kind == "thing" and not group and count[name] >= CITYSCAPES.divisor:
            message = f"the instance {count[name] + 1:,} of {name!r}: only {CITYSCAPES.divisor:,} can be numbered"
            drawing.defects.append(Defect("SEG004", message, place=place))
        else:
            numbered = label.kind == "thing" and not group
            drawing.value.append(label.id * CITYSCAPES.divisor + count[name] if numbered else label.id)
            drawing.ring.append(np.asarray(item["polygon"], np.float64).reshape(-1, 2))
            drawing.place.append(place)
            count[name] += numbered
    return drawing


_WITH_NUMBERS = frozenset({"instanceIds", "polygons"})
_LABELS = frozenset(each.id for each in table.LABELS.categories) | {table.UNLABELLED}
_TRAINED = frozenset(table.TRAINED) | {table.IGNORED}


def open_cityscapes(request: ReadRequest) -> PerImageSource:
    """Open a dataset in the layout of Cityscapes; raises SegdataError for options that do not fit it."""
    kind = chosen_option(request.options, "labels", KINDS)
    type_ = chosen_option(request.options, "gt", (FINE, COARSE))
    pairing = _pair_files(request, kind, type_)
    labels, official = _labels(request)
    kinds = {str(entry.record) for entry in pairing.entries if entry.is_annotated}
    numbered = bool(kinds & _WITH_NUMBERS)
    books = _label_mappings(labels, request.taxonomy, "trainIds" in kinds)
    looks = {
        kind: partial(
            _read_image,
            LabelMaskReader(request.root, book, CITYSCAPES if kind in _WITH_NUMBERS else None, numbered),
            official,
        )
        for kind, book in books.items()
    }
    rule: RasterRule = "pil" if "polygons" in kinds else "mask-native"
    return open_scenes(request, "cityscapes", pairing, books["instanceIds"].naming, looks, numbered, rule)


def _pair_files(request: ReadRequest, kind: str | None, type_: str | None) -> Pairing:
    root, images = request.root, images_folder(request)
    if has_index(root):
        return pair_by_index(root, images, kind, label_kind, with_label_kind)
    return pair_files(root, cityscapes_files(root, images, type_), KINDS, kind, images)


def _labels(request: ReadRequest) -> tuple[Taxonomy, bool]:
    """The labels that ids in the files stand for, and whether they are Cityscapes' own."""
    if chosen_option(request.options, "ids", ("official", "taxonomy")) == "taxonomy":
        if request.taxonomy is None:
            raise UnreadableError(f"{request.root}: ids=taxonomy needs a taxonomy; give --taxonomy")
        return request.taxonomy, False
    labels = load_labels(request.root)
    return labels, labels is table.LABELS


def _label_mappings(labels: Taxonomy, taxonomy: Taxonomy | None, trained: bool) -> Mapping[str, LabelMapping]:
    """What ids mean in each kind of files; the taxonomy is the same in all."""
    if not trained:
        book = label_mapping(labels, taxonomy)
        return dict.fromkeys(KINDS, book)
    ignored = table.IGNORED_NAME
    voids = (
        [category.name for category in taxonomy.categories if category.kind == "void"] if taxonomy is not None else []
    )
    if taxonomy is not None and ignored not in taxonomy.by_name() and voids:
        ignored = voids[0]
    ignore = Category(id=table.IGNORED, name=ignored, kind="void")
    all_labels = msgspec.structs.replace(labels, categories=(*labels.categories, ignore))
    book = label_mapping(all_labels, taxonomy)
    return dict.fromkeys(KINDS, book) | {
        "trainIds": label_mapping(all_labels, taxonomy, table.TRAINED | {table.IGNORED: table.IGNORED})
    }


def _read_image(look: LabelMaskReader, official: bool, entry: ImageEntry) -> ImageAnnotation:
    """What is drawn on one image. Coarse labels leave out what is hard to draw."""
    path = entry.files[0]
    annotation = {"coverage": "sparse"} if f"_{COARSE}_" in path.name else {}
    if entry.record == "polygons":
        annotated = read_polygons(look, entry)
    else:
        mask = look.decoded(entry)
        runs = ValueRuns.of(mask.pixels)
        if official:
            _check_ids(look, str(entry.record), runs, entry)
        annotated = look.found(runs, relative_path(look.root, path), mask)
    return replace(annotated, annotation=annotation)


def _check_ids(look: LabelMaskReader, kind: str, runs: ValueRuns, entry: ImageEntry) -> None:
    """Raise BrokenLabelsError where a file can only hold train ids and should hold label ids, or the reverse."""
    labels, _ = look.split(runs.value)
    label_ids = set(labels.tolist())
    if kind == "trainIds":
        strange, meant = label_ids & _LABELS - _TRAINED, "label ids"
        swapped = bool(strange) and table.IGNORED not in label_ids and label_ids <= _LABELS
    else:
        strange, meant = label_ids & {table.IGNORED}, "train ids"
        swapped = bool(strange) and label_ids <= _TRAINED
    if swapped:
        row = int(np.flatnonzero(np.isin(labels, list(strange)))[0])
        x, y = runs.first_pixel(row)
        message = (
            f"its values are {meant} ({int(runs.value[row])} at x={x}, y={y}), its name says {kind}: every label would "
            "be wrong, so the file is not read"
        )
        file, pixels = relative_path(look.root, entry.files[0]), runs.height * runs.width
        raise BrokenLabelsError(Defect("SEG009", message, file, f"x={x}, y={y}", pixels=pixels))


_OFFICIAL = re.compile(r"(?P<city>[^_]+)_\d{6}_\d{6}")


def write_cityscapes(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, trained: bool
) -> None:
    """Write a dataset; `trained`: masks of train ids too."""
    labels = official_labels(profile.taxonomy)
    saves = partial(_save, trained), partial(_save_labels, trained)
    style = MaskStyle(CITYSCAPES, labels, table.UNLABELLED, _stem, *saves, crowds=True)
    write_scenes(profile, batches, target, losses, style)


def official_labels(taxonomy: Taxonomy) -> dict[int, int]:
    """Category id -> label id of Cityscapes, for the categories that Cityscapes has."""
    by_name = taxonomy.by_name()
    unlabelled = by_name.get(table.UNLABELLED_NAME)
    blank = {} if unlabelled is None else {unlabelled.id: table.UNLABELLED}
    return blank | label_ids(table.LABELS, taxonomy)


def require_known_categories(profile: Profile, batches: Iterable[Batch], format: str) -> Iterator[Batch]:
    """The batches; raises SegdataError at a segment of a category that is neither Cityscapes' nor void."""
    taxonomy = profile.taxonomy
    held = official_labels(taxonomy).keys() | set(taxonomy.void_ids)
    for batch in batches:
        categories = batch.segments["category_id"].to_numpy()
        strange = np.setdiff1d(categories, list(held))
        if len(strange):
            names = [category.name for category in taxonomy.categories if category.id not in held]
            names += [profile.name_of(category) for category in strange.tolist() if category not in taxonomy.by_id()]
            listed = ", ".join(map(repr, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            raise SegdataError(
                f"{format} has its own labels, and the taxonomy has others: {listed}; read with a --taxonomy that has "
                "the official names, with these as aliases, or leave them out with the write option unknown=drop"
            )
        yield batch


def _stem(split: str | None, image_id: str) -> str:
    """`gtFine/<split>/<city>/<base>`: the official scripts look two folders deep. What has no split is for training."""
    path = PurePosixPath(image_id)
    base, folders = path.stem.removesuffix(f"_{IMAGES}"), list(path.parent.parts)
    if split is None:
        split = folders[0] if folders and folders[0] in SPLITS else "train"
    if folders and folders[0] == split:
        folders = folders[1:]
    official = _OFFICIAL.fullmatch(base)
    city = "_".join(folders) or (official["city"] if official else NO_SPLIT)
    return f"{FINE}/{split}/{city}/{base}"


def _save(trained: bool, target: Path, stem: str, values: Pixels) -> str:
    """Write the masks of an image whose segments are instances and regions."""
    _save_labels(trained, target, stem, _LABEL_OF[values])
    return _save_png(target, stem, "instanceIds", values)


def _save_labels(trained: bool, target: Path, stem: str, labels: Pixels) -> str:
    """Write the masks of an image whose segments are label ids."""
    (target / stem).parent.mkdir(parents=True, exist_ok=True)
    if trained:
        _save_png(target, stem, "labelTrainIds", _TRAIN_ID_OF[labels])
    return _save_png(target, stem, "labelIds", labels.astype(np.uint8))


def _save_png(target: Path, stem: str, what: str, pixels: NDArray[np.uint8 | np.uint16]) -> str:
    name = f"{stem}_{FINE}_{what}.png"
    Image.fromarray(pixels).save(target / name)
    return name


_LABEL_OF = CITYSCAPES.split(np.arange(2**16, dtype=np.int64))[0].astype(np.uint16)
_TRAIN_ID_OF = np.array([table.TRAIN_ID.get(each, table.IGNORED) for each in range(256)], np.uint8)
