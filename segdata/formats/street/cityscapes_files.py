"""Cityscapes files: `<type>/<split>/<city>/<city>_<seq>_<frame>_<type>_<what>`, at any depth below a folder.

Polygons of JSON files are drawn as Cityscapes' own scripts draw them: in the order of the list, by Pillow's rule, later
ones over earlier ones. Deleted objects and licence plates are not drawn. Instances are counted by label, from 0, those
that are covered later too.

Source: mcordts/cityscapesScripts README.md, "Dataset Structure"; cityscapesscripts/preparation/json2instanceImg.py.
"""

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
from segdata.core.config import Option
from segdata.core.errors import SegdataError, UnreadableError, check_choice, count_noun, list_names
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import check_path_name, dataset_folder
from segdata.core.profile import Profile, RasterRule
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shapes.geometry import Polygon, Ring, check_ring, rasterise
from segdata.formats.shared.file_names import IMAGE_SUFFIXES
from segdata.formats.shared.image_index import has_index
from segdata.formats.shared.image_names import images_folder
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.json_files import BOM, parse_json, repeated_key_defects
from segdata.formats.shared.mask_files import ValueRuns, decode_mask, undecodable_mask
from segdata.formats.shared.pairing import Pairing
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.street import scenes
from segdata.formats.street.cityscapes_labels import (
    IGNORED,
    IGNORED_NAME,
    LABELS,
    LICENSE_PLATE,
    TRAIN_ID,
    TRAINED,
    UNLABELLED,
    UNLABELLED_NAME,
    load_labels,
)

KINDS = ("instanceIds", "labelIds", "trainIds", "polygons")  # readable, in order of preference
_FINE, _COARSE = "gtFine", "gtCoarse"
_LABEL_FILE = re.compile(
    r"(?P<base>.+)_(?P<type>gtFine|gtCoarse)_(?P<what>instanceIds|labelIds|labelTrainIds|color|polygons)\.(?:png|json)"
)
SPLITS = frozenset({"train", "val", "test", "train_extra", "demoVideo"})
IMAGES = "leftImg8bit"
_MARK = f"_{IMAGES}"
_FILE_OF = {kind: kind for kind in KINDS} | {"trainIds": "labelTrainIds"}
_KIND = {file: kind for kind, file in _FILE_OF.items()} | {"color": "color"}
# Types of files that are neither labels nor left images.
_OTHER_TYPES = re.compile(r"(rightImg|leftImg16|disparity|camera|timestamp|vehicle|gtBbox)", re.IGNORECASE)
_MAX_PIXELS = 2**27  # of the picture that a JSON file describes; Cityscapes has 2^21
_CENTRE = 0.5  # integer coordinates are centres of pixels
_NUMBERED_KINDS = frozenset({"instanceIds", "polygons"})
_LABEL_IDS = frozenset(category.id for category in LABELS.categories) | {UNLABELLED}
_TRAIN_IDS = frozenset(TRAINED) | {IGNORED}
_OFFICIAL = re.compile(r"(?P<city>[^_]+)_\d{6}_\d{6}")
_TRAIN_ID_OF = np.array([TRAIN_ID.get(label, IGNORED) for label in range(256)], np.uint8)


def cityscapes_files(root: Path, images: Path | None, type_: str | None) -> scenes.SceneFiles:
    """The label files at or below a path, and their images.

    If an image has fine and coarse labels, the fine ones are taken, or those of `type_`. Raises UnreadableError if
    there are only colours.
    """
    labels_by_type: dict[str, dict[str, dict[str, Path]]] = {_COARSE: {}, _FINE: {}}
    defects = []
    for path in _walk(root):
        match = _LABEL_FILE.fullmatch(path.name)
        if match is None or type_ not in (None, match["type"]):
            continue
        check_path_name(path)
        of_key = labels_by_type[match["type"]].setdefault(_key(root, path, match["type"], match["base"]), {})
        first = of_key.setdefault(_KIND[match["what"]], path)
        if first != path:
            message = f"labels of the same image as {relative_path(root, first)}, which is read"
            defects.append(Defect("SEG008", message, relative_path(root, path)))
    labels = labels_by_type[_COARSE] | labels_by_type[_FINE]
    if labels and all(kinds.keys() == {"color"} for kinds in labels.values()):
        raise UnreadableError(
            f"{root}: only *_color.png files: several labels share a colour (pole and polegroup, car and license "
            "plate, labels 0 to 4), so colours cannot be turned back into labels; add *_labelIds.png"
        )
    folder = _find_images(root, images)
    first_of_type = {
        type_: next(iter(labels_by_type[type_].values())) for type_ in (_FINE, _COARSE) if labels_by_type[type_]
    }
    places = {"labels": ", ".join(_folder_of_type(type_, kinds) for type_, kinds in first_of_type.items())}
    if folder.root is not None:
        places["images"] = Path(folder.root if root.is_absolute() else os.path.relpath(folder.root)).as_posix()

    def image_name(key: str) -> str:
        return key.removeprefix(f"{scenes.NO_SPLIT}/") + f"{_MARK}.png"

    return scenes.SceneFiles(labels, _match_images(folder, labels), image_name, places, tuple(defects))


def _folder_of_type(type_: str, kinds: dict[str, Path]) -> str:
    """The folder `gtFine` or `gtCoarse` of an image's labels, or else the folder that they are in."""
    path = next(iter(kinds.values()))
    return next((folder for folder in path.parents if folder.name == type_), path.parent).as_posix()


def _label_kind(path: Path) -> str:
    """The kind of a label file; files with other names count as the first kind."""
    match = _LABEL_FILE.fullmatch(path.name)
    return KINDS[0] if match is None else _KIND[match["what"]]


def _with_label_kind(kind: str, path: Path) -> Path:
    return path.with_name(path.name.replace(f"_{_FILE_OF[_label_kind(path)]}.", f"_{_FILE_OF[kind]}."))


def _walk(root: Path) -> Iterator[Path]:
    """The files at or below a path, sorted, without files of the dataset's other types."""
    if root.is_file():
        yield root
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not _OTHER_TYPES.match(name) and name != IMAGES)
        yield from (Path(folder, name) for name in sorted(names))


def _key(root: Path, path: Path, type_: str, base: str) -> str:
    """The key of a file: its folders below that of the type, or below the root, and its base name."""
    parts = path.absolute().parent.parts
    if type_ in parts:
        folders = parts[len(parts) - parts[::-1].index(type_) :]
    else:
        folders = path.parent.relative_to(dataset_folder(root)).parts
    return _with_split(PurePosixPath(*folders, base), type_ in parts)


def _with_split(name: PurePosixPath, below_type: bool) -> str:
    """A key from a name below the folder of a type, whose first folder is a split, or from a name below any folder."""
    has_split = len(name.parts) > (1 if below_type else 2) or (len(name.parts) == 2 and name.parts[0] in SPLITS)
    return name.as_posix() if has_split else f"{scenes.NO_SPLIT}/{name.as_posix()}"


def _find_images(root: Path, images: Path | None) -> ImageFolder:
    """Find the images: in the user's folder, else in `leftImg8bit` or `images`, or beside the labels.

    Below the folder of a type, the images are in the folder beside that one, in the part with the same name.
    """
    start = dataset_folder(root).absolute()
    for place in [images] if images is not None else [start / IMAGES, start / "imgsFine" / IMAGES, start / "images"]:
        pictures = ImageFolder.below(place)
        if pictures.paths or images is not None:
            return pictures
    within = next((i for i, part in enumerate(start.parts) if part in (_FINE, _COARSE)), None)
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
    """Key -> image: by folders and base, else by the base alone if only one image has it."""
    pictures: dict[str, tuple[str, Path]] = {}
    of_base: dict[str, list[str]] = {}
    for name, path in folder.paths.items():
        plain = PurePosixPath(name).with_suffix("")
        base = plain.name.removesuffix(_MARK)
        key = _with_split(plain.parent / base, folder.root is not None and folder.root.name == IMAGES)
        key = scenes.unique_key(key, name, pictures)
        pictures[key] = name, path
        of_base.setdefault(base, []).append(key)
    for key in labels:
        candidates = of_base.get(key.rpartition("/")[2], ())
        if key not in pictures and len(candidates) == 1 and candidates[0] not in labels and candidates[0] in pictures:
            pictures[key] = pictures.pop(candidates[0])
    return pictures


@dataclass(frozen=True, slots=True)
class _PolygonList:
    """The polygons of a file, in painting order."""

    value: list[int] = field(default_factory=list)  # of each object, as in instance id masks
    ring: list[Ring] = field(default_factory=list)  # of each object, as in the file
    place: list[str] = field(default_factory=list)  # of each object
    defects: list[Defect] = field(default_factory=list)  # of the objects left out


def read_polygons(reader: scenes.LabelMaskReader, entry: ImageEntry) -> ImageAnnotation:
    """The segments of an entry's polygons; raises BrokenLabelsError if its file is not such a JSON file.

    A segment keeps the rings of its objects if all their pixels are visible.
    """
    path = entry.files[0]
    file = relative_path(reader.root, path)
    repeated: list[Defect] = []
    document = _read_json(reader.root, path, repeated)
    height, width = _image_size(document, file)
    drawing = _read_objects(document, reader)
    runs = ValueRuns.of(_paint(drawing, height, width))
    annotation = reader.segments(runs, file)
    rings, places = _rings_and_places(drawing, annotation, runs)
    columns = {**annotation.columns, "rings": rings, "place": places}
    return replace(annotation, columns=columns, defects=[*repeated, *drawing.defects, *annotation.defects])


def _paint(drawing: _PolygonList, height: int, width: int) -> NDArray[np.uint16 | np.int32]:
    image = Image.new("I", (width, height))
    draw = ImageDraw.Draw(image)
    for value, ring in zip(drawing.value, drawing.ring, strict=True):
        draw.polygon(ring.ravel().tolist(), fill=value)
    pixels = np.asarray(image)
    return pixels.astype(np.uint16) if max(drawing.value, default=0) < 2**16 else pixels


def _rings_and_places(
    drawing: _PolygonList, annotation: ImageAnnotation, runs: ValueRuns
) -> tuple[list[list[list[float]] | None], list[str]]:
    rows_of: dict[int, list[int]] = {}
    for row, value in enumerate(drawing.value):
        rows_of.setdefault(value, []).append(row)
    rows = [rows_of[value] for value in annotation.segment_id.tolist()]
    shapes = [[Polygon(drawing.ring[row]) for row in objects] for objects in rows]
    full = rasterise(shapes, "pil", runs.height, runs.width).areas(len(rows))
    # Other segments are partly covered, or join several labels of one category.
    visible = runs.area[np.searchsorted(runs.value, annotation.segment_id)]
    is_complete = (full == visible) & (visible == annotation.runs.areas(len(rows)))
    rings: list[list[list[float]] | None] = [
        [(drawing.ring[row] + _CENTRE).ravel().tolist() for row in objects] if is_whole else None
        for objects, is_whole in zip(rows, is_complete.tolist(), strict=True)
    ]
    return rings, [drawing.place[objects[0]] for objects in rows]


def _read_json(root: Path, path: Path, defects: list[Defect]) -> dict[str, Any]:  # Any: JSON
    try:
        text = path.read_bytes().removeprefix(BOM)
    except OSError as error:
        raise BrokenLabelsError(undecodable_mask(root, path, error)) from error
    try:
        document = parse_json(text)
        defects += repeated_key_defects(text, relative_path(root, path))
    except (ValueError, RecursionError) as error:
        raise BrokenLabelsError(Defect("SEG001", f"is not JSON: {error}", relative_path(root, path))) from error
    if not isinstance(document, dict) or not isinstance(document.get("objects"), list):
        message = "no list of objects; a file of polygons has imgHeight, imgWidth and objects"
        raise BrokenLabelsError(Defect("SEG004", message, relative_path(root, path), "/objects"))
    return document


def _image_size(document: dict[str, Any], file: str) -> tuple[int, int]:
    """Height and width in pixels; raises BrokenLabelsError for impossible sizes."""
    size = []
    for key in ("imgHeight", "imgWidth"):
        side = document.get(key)
        if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= _MAX_PIXELS:
            shown = "missing" if key not in document else f"{side!r:.40}, a whole number of pixels is expected"
            raise BrokenLabelsError(Defect("SEG004", f"{key} is {shown}", file, f"/{key}"))
        size.append(side)
    if size[0] * size[1] > _MAX_PIXELS:
        message = f"the picture is {size[1]:,} x {size[0]:,}: more than {_MAX_PIXELS:,} pixels are not drawn"
        raise BrokenLabelsError(Defect("SEG004", message, file, "/imgHeight"))
    return size[0], size[1]


def _read_objects(document: dict[str, Any], reader: scenes.LabelMaskReader) -> _PolygonList:
    """The objects to paint; broken ones are left out, with a defect each."""
    drawing = _PolygonList()
    labels = {category.name: category for category in reader.mapping.labels.categories}
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
        problem = check_ring(item.get("polygon"))
        if label is None:
            drawing.defects.append(Defect("SEG009", f"{name!r:.80} is not one of the labels", place=f"{place}/label"))
        elif problem is not None:
            drawing.defects.append(Defect("SEG006", f"the polygon of {name!r} {problem}", place=f"{place}/polygon"))
        elif label.kind == "thing" and not group and count[name] >= scenes.CITYSCAPES.divisor:
            message = (
                f"the instance {count[name] + 1:,} of {name!r}: only {scenes.CITYSCAPES.divisor:,} can be numbered"
            )
            drawing.defects.append(Defect("SEG004", message, place=place))
        else:
            numbered = label.kind == "thing" and not group
            drawing.value.append(label.id * scenes.CITYSCAPES.divisor + count[name] if numbered else label.id)
            drawing.ring.append(np.asarray(item["polygon"], np.float64).reshape(-1, 2))
            drawing.place.append(place)
            count[name] += numbered
    return drawing


def open_cityscapes(request: ReadRequest) -> PerImageSource:
    """Open a dataset in the layout of Cityscapes; raises SegdataError for options that do not fit it."""
    kind = scenes.chosen_option(request.options, "labels", KINDS)
    type_ = scenes.chosen_option(request.options, "gt", (_FINE, _COARSE))
    pairing = _pair_files(request, kind, type_)
    labels, official = _labels(request)
    kinds = {str(entry.record) for entry in pairing.entries if entry.is_annotated}
    numbered = bool(kinds & _NUMBERED_KINDS)
    mappings = _label_mappings(labels, request.taxonomy, "trainIds" in kinds)
    readers = {
        kind: partial(
            _read_image,
            scenes.LabelMaskReader(
                request.root, mapping, scenes.CITYSCAPES if kind in _NUMBERED_KINDS else None, numbered
            ),
            official,
        )
        for kind, mapping in mappings.items()
    }
    rule: RasterRule = "pil" if "polygons" in kinds else "mask-native"
    return scenes.open_scenes(request, "cityscapes", pairing, mappings["instanceIds"].naming, readers, numbered, rule)


def _pair_files(request: ReadRequest, kind: str | None, type_: str | None) -> Pairing:
    root, images = request.root, images_folder(request)
    if has_index(root):
        return scenes.pair_by_index(root, images, kind, _label_kind, _with_label_kind)
    return scenes.pair_files(root, cityscapes_files(root, images, type_), KINDS, kind, images)


def _labels(request: ReadRequest) -> tuple[Taxonomy, bool]:
    """The labels of the ids in the files, and whether they are Cityscapes' own."""
    if scenes.chosen_option(request.options, "ids", ("official", "taxonomy")) == "taxonomy":
        if request.taxonomy is None:
            raise UnreadableError(f"{request.root}: ids=taxonomy needs a taxonomy; give --taxonomy")
        return request.taxonomy, False
    labels = load_labels(request.root)
    return labels, labels is LABELS


def _label_mappings(labels: Taxonomy, taxonomy: Taxonomy | None, trained: bool) -> Mapping[str, scenes.LabelMapping]:
    """Kind of file -> mapping of its ids; all have the same taxonomy."""
    if not trained:
        mapping = scenes.label_mapping(labels, taxonomy)
        return dict.fromkeys(KINDS, mapping)
    ignored = IGNORED_NAME
    voids = (
        [category.name for category in taxonomy.categories if category.kind == "void"] if taxonomy is not None else []
    )
    if taxonomy is not None and ignored not in taxonomy.by_name() and voids:
        ignored = voids[0]
    ignore = Category(id=IGNORED, name=ignored, kind="void")
    all_labels = msgspec.structs.replace(labels, categories=(*labels.categories, ignore))
    mapping = scenes.label_mapping(all_labels, taxonomy)
    return dict.fromkeys(KINDS, mapping) | {
        "trainIds": scenes.label_mapping(all_labels, taxonomy, TRAINED | {IGNORED: IGNORED})
    }


def _read_image(reader: scenes.LabelMaskReader, official: bool, entry: ImageEntry) -> ImageAnnotation:
    """Read the segments of one image. Coarse labels are sparse."""
    path = entry.files[0]
    annotation = {"coverage": "sparse"} if f"_{_COARSE}_" in path.name else {}
    if entry.record == "polygons":
        annotated = read_polygons(reader, entry)
    else:
        mask = reader.decode(entry)
        runs = ValueRuns.of(mask.pixels)
        if official:
            _check_ids(reader, str(entry.record), runs, entry)
        annotated = reader.segments(runs, relative_path(reader.root, path), mask)
        if entry.record == "instanceIds":
            defects = [*annotated.defects, *_compare_label_ids(reader, path, mask.values)]
            annotated = replace(annotated, defects=defects)
    return replace(annotated, annotation=annotation)


def _compare_label_ids(reader: scenes.LabelMaskReader, path: Path, values: NDArray[Any]) -> Iterator[Defect]:
    """SEG014 if the label id mask differs from the instance id mask, as training code reads the former."""
    beside = _with_label_kind("labelIds", path)
    if beside == path or not beside.is_file():
        return
    file = relative_path(reader.root, beside)
    try:
        other = decode_mask(beside)
    except OSError as error:
        yield undecodable_mask(reader.root, beside, error)
        return
    if other.coloured or other.values.shape != values.shape:
        yield Defect("SEG014", f"the label ids do not fit {path.name}, which is read: {other.encoding}", file)
        return
    label_of_value = reader.split(np.arange(int(values.max(initial=0)) + 1))[0]  # ids have 16 bits
    labels = label_of_value.astype(np.uint16)[values]
    y, x = np.nonzero(labels != other.values)
    if len(x):
        message = (
            f"{count_noun(len(x), 'pixel')} with another label than in {path.name}, which is read: "
            f"{other.values[y[0], x[0]]} for {labels[y[0], x[0]]}"
        )
        yield Defect("SEG014", message, file, f"x={x[0]}, y={y[0]}", pixels=len(x), lost=False)


def _check_ids(reader: scenes.LabelMaskReader, kind: str, runs: ValueRuns, entry: ImageEntry) -> None:
    """Raise BrokenLabelsError if a file named as label ids must hold train ids, or vice versa."""
    labels, _ = reader.split(runs.value)
    ids = set(labels.tolist())
    if kind == "trainIds":
        impossible, meant = ids & _LABEL_IDS - _TRAIN_IDS, "label ids"
        swapped = bool(impossible) and IGNORED not in ids and ids <= _LABEL_IDS
    else:
        impossible, meant = ids & {IGNORED}, "train ids"
        swapped = bool(impossible) and ids <= _TRAIN_IDS
    if swapped:
        row = int(np.flatnonzero(np.isin(labels, list(impossible)))[0])
        x, y = runs.first_pixel(row)
        message = (
            f"its values are {meant} ({int(runs.value[row])} at x={x}, y={y}), its name says {kind}: every label would "
            "be wrong, so the file is not read"
        )
        file, pixels = relative_path(reader.root, entry.files[0]), runs.height * runs.width
        raise BrokenLabelsError(Defect("SEG009", message, file, f"x={x}, y={y}", pixels=pixels))


def write_cityscapes(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    *,
    trainids: Option = "no",
    unknown: Option = "refuse",
) -> None:
    """Write a dataset; raises SegdataError for categories that Cityscapes lacks, and for too many instances."""
    check_choice("trainids", str(trainids), ("yes", "no", "True", "False"))
    check_choice("unknown", unknown, ("refuse", "drop"))
    writable = batches if unknown == "drop" else require_known_categories(profile, batches, "Cityscapes")
    trained = str(trainids) in ("yes", "True")
    labels = official_labels(profile.taxonomy)
    kinds = {"labelIds": scenes.LABEL_IDS} | ({"labelTrainIds": _TRAIN_ID_OF} if trained else {})
    style = scenes.MaskStyle(
        numbering=scenes.CITYSCAPES,
        label_of=labels,
        blank=UNLABELLED,
        stem=_stem,
        path=_mask_path,
        instances="instanceIds",
        labels=kinds,
    )
    scenes.write_scenes(profile, writable, target, losses, style)


def official_labels(taxonomy: Taxonomy) -> dict[int, int]:
    """Category id -> label id of Cityscapes, for the categories that Cityscapes has."""
    by_name = taxonomy.by_name()
    unlabelled = by_name.get(UNLABELLED_NAME)
    blank = {} if unlabelled is None else {unlabelled.id: UNLABELLED}
    return blank | scenes.label_ids(LABELS, taxonomy)


def require_known_categories(profile: Profile, batches: Iterable[Batch], format: str) -> Iterator[Batch]:
    """The batches; raises SegdataError at a segment of a category that is neither Cityscapes' nor void."""
    taxonomy = profile.taxonomy
    held = official_labels(taxonomy).keys() | set(taxonomy.void_ids)
    for batch in batches:
        categories = batch.segment_category
        unknown = np.setdiff1d(categories, list(held))
        if len(unknown):
            names = [category.name for category in taxonomy.categories if category.id not in held]
            names += [profile.name_of(category) for category in unknown.tolist() if category not in taxonomy.by_id()]
            shown = list_names(list(map(repr, names)), 8)
            raise SegdataError(
                f"{format} has its own labels, and the taxonomy has others: {shown}; read with a --taxonomy that has "
                "the official names, with these as aliases, or leave them out with the write option unknown=drop"
            )
        yield batch


def _stem(split: str | None, image_id: str) -> str:
    """`gtFine/<split>/<city>/<base>`: the official scripts look two folders deep. The default split is `train`."""
    path = PurePosixPath(image_id)
    base, folders = path.stem.removesuffix(f"_{IMAGES}"), list(path.parent.parts)
    if split is None:
        split = folders[0] if folders and folders[0] in SPLITS else "train"
    if folders and folders[0] == split:
        folders = folders[1:]
    official = _OFFICIAL.fullmatch(base)
    city = "_".join(folders) or (official["city"] if official else scenes.NO_SPLIT)
    return f"{_FINE}/{split}/{city}/{base}"


def _mask_path(stem: str, kind: str) -> str:
    return f"{stem}_{_FINE}_{kind}.png"


_KINDS = {"instance": "instance", "semantic": "semantic"}  # kind -> folder
_IMAGES = "image_2"


def open_kitti(request: ReadRequest) -> PerImageSource:
    """Open the dataset with the labels of Cityscapes, or its own; raises UnreadableError if there are no masks."""
    kind = scenes.chosen_option(request.options, "labels", tuple(_KINDS))
    joins = scenes.chosen_option(request.options, "stuff", ("joined", "numbered")) != "numbered"
    root, images = request.root, images_folder(request)
    if has_index(root):
        pairing = scenes.pair_by_index(root, images, kind, scenes.folder_kind, scenes.with_folder_kind)
    else:
        pairing = scenes.pair_files(
            root, scenes.split_files(root, images, _IMAGES, ".png", _KINDS), tuple(_KINDS), kind, images
        )
    mapping = scenes.label_mapping(load_labels(root), request.taxonomy)
    numbered = any(entry.record == "instance" for entry in pairing.entries)
    readers = {
        "instance": scenes.LabelMaskReader(root, mapping, scenes.KITTI, numbered, joins).read,
        "semantic": scenes.LabelMaskReader(root, mapping, None, numbered).read,
    }
    return scenes.open_scenes(request, "kitti", pairing, mapping.naming, readers, numbered)


def write_kitti(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, unknown: Option = "refuse"
) -> None:
    """Write the masks of all images."""
    check_choice("unknown", unknown, ("refuse", "drop"))
    writable = batches if unknown == "drop" else require_known_categories(profile, batches, "scenes.KITTI")
    stem = partial(scenes.stem_of, _IMAGES)
    labels = official_labels(profile.taxonomy)
    style = scenes.MaskStyle(
        numbering=scenes.KITTI,
        label_of=labels,
        blank=UNLABELLED,
        stem=stem,
        path=partial(scenes.mask_path, ""),
        instances="instance",
        labels={"semantic": scenes.LABEL_IDS},
    )
    scenes.write_scenes(profile, writable, target, losses, style)
