"""Layer files: one file for each category or object of an image, found by the pattern of their names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from posixpath import commonpath
from typing import NamedTuple

import msgspec
import numpy as np

from segdata.core import kernels
from segdata.core.config import Layers, encode_coverage
from segdata.core.errors import SettingError, UnreadableError, count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.format import ReadRequest
from segdata.core.profile import Task
from segdata.core.runs import Ints, Runs
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Category, CategoryKind, Taxonomy
from segdata.formats.masks.layers import implied_layers, layers_of_contents
from segdata.formats.shared.file_names import IMAGE_FOLDERS, images_by_name
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import MaskFile, ValueRuns, decode_mask, undecodable_mask
from segdata.formats.shared.pairing import unsupported_files
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import resolve_names

_MAX_LAYER_COLORS = 32  # in the visible part of a layer; more are those of a picture
_FIELDS = ("{stem}", "{category}", "{instance}", "{annotator}")
_MAX_GREY_SHARE = 0.1  # of the border pixels; more come from smoothing


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A layer file and the fields in its name."""

    path: Path
    stem: str  # of its image, from the file name
    category: str  # a name
    instance: str | None  # from the file name; None if the pattern has no `{instance}`
    image: str | None = None  # the known image with this stem; None if there is none
    annotator: str | None = None  # from the file name; None if the pattern has no `{annotator}`


@dataclass(frozen=True, slots=True)
class LayerNames:
    """The parsed `layers.pattern`: alternating literal texts and fields."""

    tokens: tuple[str, ...]  # literals, ``{stem}``, ``{category}`` …, and ``*`` for any text
    expression: re.Pattern[str]
    category: str | None
    has_instances: bool

    @staticmethod
    def from_config(config: Layers) -> "LayerNames":
        """Parse the pattern of a configuration; raises SettingError if it is invalid."""
        pattern = config.pattern
        unknown = [field for field in re.findall(r"\{[^}]*\}", pattern) if field not in _FIELDS]
        if unknown:
            raise SettingError(f"layers.pattern: {unknown[0]} is none of {', '.join(_FIELDS)}", "layers", "pattern")
        repeated = [field for field in _FIELDS if pattern.count(field) > 1]
        wrong = None
        if repeated or "{stem}" not in pattern:
            wrong = f"layers.pattern {pattern!r}: {{stem}} is needed, and each field once at most"
        elif "{category}" not in pattern and config.category is None:
            wrong = f"layers.pattern {pattern!r} has no {{category}}; name it: `category: vessel`"
        if wrong:
            raise SettingError(wrong, "layers", "pattern")
        tokens = tuple(filter(None, re.split(r"(\{[^}]*\}|\*)", pattern)))
        return LayerNames(tokens, re.compile(_expression(tokens)), config.category, "{instance}" in pattern)

    def fits(self, name: str) -> bool:
        """Whether a path below the root matches the pattern."""
        return self.expression.fullmatch(name) is not None

    def find(self, files: Mapping[str, Path], images: Mapping[str, Path], taxonomy: Taxonomy | None) -> list[LayerFile]:
        """The layers among `files`, each with its image among `images`.

        If a name can be split in several ways, as `a_side_walk.png` can by `{stem}_{category}.png`, the split counts
        that has an image's name and a category of the taxonomy; else one of the two; else the longest stem.
        """
        images_of_name = images_by_name(images)
        names = taxonomy.by_name() if taxonomy else {}
        layers = []
        for name, path in files.items():
            if not self.fits(name):
                continue
            best: tuple[tuple[bool, bool, int, bool, int], LayerFile] | None = None
            for fields in _splits(self.tokens, name):
                stem, category = fields["{stem}"], fields.get("{category}") or str(self.category)
                image = _nearest_image(images_of_name, stem, name)
                instance = fields.get("{instance}")
                is_number = instance is not None and instance.isdigit()
                rank = (image is not None, category in names, len(stem), is_number, len(category))
                if best is None or rank > best[0]:
                    best = rank, LayerFile(path, stem, category, instance, image, fields.get("{annotator}"))
            if best is not None:
                layers.append(best[1])
        return layers


def _expression(tokens: tuple[str, ...]) -> str:
    """The pattern as a regular expression; a stem includes folders."""
    return "".join(
        {"{stem}": ".+", "*": "[^/]*"}.get(token, "[^/]+") if token == "*" or token in _FIELDS else re.escape(token)
        for token in tokens
    )


def _splits(tokens: tuple[str, ...], name: str) -> Iterator[dict[str, str]]:
    """All ways to match the tokens with a name, as texts of the fields."""
    if not tokens:
        if not name:
            yield {}
        return
    token, rest = tokens[0], tokens[1:]
    if token != "*" and token not in _FIELDS:
        if name.startswith(token):
            yield from _splits(rest, name[len(token) :])
        return
    for end in range(token != "*", len(name) + 1):
        text = name[:end]
        if token != "{stem}" and text.endswith("/"):
            return
        # The literal after a field must follow, which excludes most ends.
        if not rest:
            if end == len(name):
                yield {token: text}
        elif rest[0] == "*" or rest[0] in _FIELDS or name.startswith(rest[0], end):
            yield from ({**fields, token: text} for fields in _splits(rest, name[end:]))


def _nearest_image(images_of_name: Mapping[str, list[str]], stem: str, layer: str) -> str | None:
    """The image with a layer's stem that shares the most folders with it; None if two share equally many.

    If no image has the stem with its folders (`masks/a`), tries its last part, then that without leading zeros.
    """
    bare = PurePosixPath(stem).name
    images = images_of_name.get(stem) or images_of_name.get(bare) or images_of_name.get(bare.lstrip("0") or "0", [])
    if len(images) < 2:
        return images[0] if images else None
    folders = set(PurePosixPath(layer).parent.parts)
    n_common = [
        (len(PurePosixPath(commonpath([layer, image])).parts), len(folders.intersection(PurePosixPath(image).parts)))
        for image in images
    ]
    shared = sorted(zip(n_common, images, strict=True), reverse=True)
    return shared[0][1] if shared[0][0] > shared[1][0] else None


def open_layers(request: ReadRequest) -> PerImageSource:
    """Open the dataset; raises UnreadableError without a pattern, or if no file fits it."""
    implied = request.config.layers or implied_layers(ImageFolder.below(request.root).paths)
    config = implied or layers_of_contents(request.root)
    if config is None:
        raise UnreadableError(
            f"{request.root}: give the names of layer files in segdata.yaml: "
            '`layers: {pattern: "{stem}_{category}.png"}`'
        )
    names = LayerNames.from_config(config)
    pictures, files = _images_and_layers(request, names)
    layers = names.find(files, pictures, request.taxonomy)
    if not layers:
        raise UnreadableError(f"{request.root}: no file fits layers.pattern {config.pattern!r}")
    entries, by_file, defects = _entries(request, layers, pictures)
    kind: CategoryKind = "thing" if names.has_instances else "stuff"
    listed = sorted({layer.category for layer in by_file.values()})
    own = Taxonomy(categories=tuple(Category(id=k, name=name, kind=kind) for k, name in enumerate(listed, 1)))
    categories = msgspec.structs.replace(resolve_names(listed, request.taxonomy, own), aliases={})
    task: Task = "instance" if names.has_instances else "semantic"
    profile = replace(categories.profile("layers", request.root, task, "sparse", "allow"), named_by_files=True)
    read_layers = partial(
        _read_image, request.root, config.threshold, by_file, categories.to, categories.taxonomy.by_id()
    )
    return PerImageSource(request.root, profile, tuple(entries), tuple(defects), read_layers, request.annotator)


def _images_and_layers(request: ReadRequest, names: LayerNames) -> tuple[dict[str, Path], dict[str, Path]]:
    """The images, and the files that may be layers.

    Images are in the user's folder, else in a folder named images (raw, …), else all files that the pattern excludes.
    """
    files = ImageFolder.below(request.root).paths
    folder = images_folder(request)
    if folder is None:
        folders = {path.name.lower(): path for path in sorted(request.root.iterdir()) if path.is_dir()}
        folder = next((folders[name] for name in IMAGE_FOLDERS if name in folders), None)
    if folder is None:
        return {name: path for name, path in files.items() if not names.fits(name)}, files
    pictures = ImageFolder.below(folder).paths
    taken = set(pictures.values())
    return pictures, {name: path for name, path in files.items() if path not in taken}


def _entries(
    request: ReadRequest, layers: list[LayerFile], pictures: dict[str, Path]
) -> tuple[list[ImageEntry], dict[Path, LayerFile], list[Defect]]:
    """The images with their layers, the layers by file, and the defects of files without a partner.

    A layer without image is left out: a pattern easily fits files that are no layers.
    """
    any_image = any(layer.image for layer in layers)
    used = [layer for layer in layers if layer.image or not any_image]
    of_image: dict[str, list[Path]] = {}
    for layer in used:
        of_image.setdefault(layer.image or layer.stem, []).append(layer.path)
    entries = [ImageEntry(name, pictures.get(name), tuple(paths)) for name, paths in of_image.items()]
    defects = [
        Defect("SEG011", f"a layer without image {layer.stem!r}", relative_path(request.root, layer.path))
        for layer in layers
        if any_image and not layer.image
    ]
    defects += unsupported_files(request.root, [request.root])
    if not any_image:
        defects.append(no_images_defect(len(entries), request.root, images_folder(request)))
        return entries, {layer.path: layer for layer in used}, defects
    # Only folders in which some image has layers are folders of images; ignore the others.
    homes = {pictures[name].parent for name in of_image}
    alone = [name for name, path in pictures.items() if name not in of_image and path.parent in homes]
    entries += [ImageEntry(name, pictures[name], ()) for name in alone]
    defects += [
        Defect("SEG011", "an image without layers", relative_path(request.root, pictures[name]), image=name)
        for name in alone
    ]
    return sorted(entries, key=lambda entry: entry.image_id), {layer.path: layer for layer in used}, defects


class _Foreground(NamedTuple):
    """A decoded layer; keeps runs instead of pixels, since an image may have hundreds of layers."""

    layer: LayerFile
    size: tuple[int, int]
    encoding: str
    runs: Runs
    doubtful: Defect | None


def _read_image(
    root: Path,
    threshold: int | None,
    by_file: dict[Path, LayerFile],
    ids: Mapping[str, int],
    named: Mapping[int, Category],
    entry: ImageEntry,
) -> list[ImageAnnotation]:
    """Read the annotations of one image, one per annotator: a segment for each layer with pixels.

    An empty layer means that the category is absent. The coverage of the annotation excludes categories without a
    layer.
    """
    defects: list[Defect] = []
    decoded: dict[str | None, list[_Foreground]] = {}
    for path, mask in _decode_layers(root, entry, defects):
        runs, doubtful = _read_foreground(mask, threshold)
        foreground = _Foreground(by_file[path], mask.pixels.shape[:2], mask.encoding, runs, doubtful)
        decoded.setdefault(by_file[path].annotator, []).append(foreground)
    if not decoded:
        raise BrokenLabelsError(*defects)
    annotations = [_annotation(root, ids, named, annotator, files) for annotator, files in decoded.items()]
    return [replace(annotations[0], defects=[*defects, *annotations[0].defects]), *annotations[1:]]


def _annotation(
    root: Path,
    ids: Mapping[str, int],
    named: Mapping[int, Category],
    annotator: str | None,
    decoded: Sequence[_Foreground],
) -> ImageAnnotation:
    """The segments of the layers of one annotator."""
    layers: list[LayerFile] = []
    pieces: list[Runs] = []
    defects: list[Defect] = []
    for layer, _, _, runs, doubtful in decoded:
        defects += (
            [replace(doubtful, file=relative_path(root, layer.path), category=layer.category)] if doubtful else []
        )
        if len(runs) or layer.instance is not None:
            layers.append(layer)
            pieces.append(runs)
    categories = np.array([ids[layer.category] for layer in layers], np.int64)
    # The colours of a palette have no meaning here.
    encodings = {foreground.encoding.partition(", palette")[0] for foreground in decoded}
    return ImageAnnotation(
        size=decoded[0].size,
        encoding="; ".join(sorted(encodings)),
        segment_id=_segment_ids(layers, categories),
        category_id=categories,
        runs=Runs.concatenate(pieces, [1] * len(pieces)),
        columns={"file": [relative_path(root, layer.path) for layer in layers]},
        annotation={"coverage": _coverage({ids[foreground.layer.category] for foreground in decoded}, named)},
        defects=defects,
        annotator=annotator,
        file=relative_path(root, decoded[0].layer.path),
    )


def _coverage(judged: set[int], named: Mapping[int, Category]) -> str | None:
    """The coverage of the categories with layers in an image; None if these are all except void."""
    if all(id_ in judged or category.kind == "void" for id_, category in named.items()):
        return None
    return encode_coverage({named[id_].name: "exhaustive" for id_ in judged if id_ in named})


def _decode_layers(root: Path, entry: ImageEntry, defects: list[Defect]) -> Iterator[tuple[Path, MaskFile]]:
    """Decode the layers of an image; broken layers, and those of another size than the first, become defects."""
    size: tuple[int, int] | None = None
    for path in entry.files:
        try:
            mask = decode_mask(path)
        except OSError as error:
            defects.append(undecodable_mask(root, path, error))
            continue
        height, width = mask.pixels.shape[:2]
        size = size or (height, width)
        if (height, width) == size:
            yield path, mask
        else:
            message = f"the layer is {width}x{height}, others are {size[1]}x{size[0]}"
            defects.append(Defect("SEG003", message, relative_path(root, path), lost=True))


def _read_foreground(mask: MaskFile, threshold: int | None) -> tuple[Runs, Defect | None]:
    """The pixels of a layer as runs of one owner, and SEG010 if it has more than foreground and background.

    Without a threshold everything but 0 is foreground; of several values, those from half of the top one on (half of
    255 where a file of 8 bits comes near that). Smoothing greys the whole border of the foreground: a few grey pixels
    beside a long border are slips, and a warning.
    """
    runs = _varying_channel(mask)
    levels = np.flatnonzero(runs.value > 0)
    limit, message, between, place = threshold or 1, None, 0, ""
    if threshold is None and len(levels) > 1:
        top = int(runs.value[-1])
        limit = 128 if 128 <= top <= 255 else top // 2 + 1
        between = int(runs.area[levels[:-1]].sum())
        x, y = runs.first_pixel(int(levels[0]))
        message = (
            f"{count_noun(len(levels) - 1, 'value')} between 0 and {top} in a layer ({between:,} px; "
            f"cut at {limit}): it was smoothed, compressed or merged; set layers.threshold, or clean the file"
        )
        place = f"x={x}, y={y}"
    owner = np.where(runs.value >= limit, 0, -1).astype(np.int32)
    foreground = runs.assign_owners(owner, 1)
    if message is None:
        return foreground, None
    n_ends = 2 * len(foreground)  # vertical runs only, which are fewer than the pixels of the border
    severity: Severity | None = "warning" if between < _MAX_GREY_SHARE * n_ends else None
    return foreground, Defect("SEG010", message, place=place, pixels=between, severity=severity)


def _varying_channel(mask: MaskFile) -> ValueRuns:
    """The runs of the channel that holds a layer: brightness, or alpha where alpha varies and the colour does not.

    If both vary, transparent pixels are outside, as on a black background, unless the visible part is a picture: an
    object cut out in many colours.
    """
    colours = ValueRuns.of(mask.pixels)
    runs = _brightness(colours) if mask.coloured else colours
    if mask.alpha is None or (len(colours.value) > 1 and len(np.unique(mask.alpha)) == 1):
        return runs
    values = mask.values
    visible = np.unique(values[mask.alpha > 0])
    if len(visible) == 0 or len(colours.value) == 1 or len(visible) == 1 or len(visible) > _MAX_LAYER_COLORS:
        opaque = len(colours.value) == 1 and bool((mask.alpha == 255).all())
        return runs if opaque else ValueRuns.of(mask.alpha)
    pixels = mask.pixels[:, :, :3].max(axis=2) if mask.coloured and mask.pixels.ndim == 3 else mask.pixels
    return ValueRuns.of(np.where(mask.alpha > 0, pixels, 0).astype(pixels.dtype))


def _brightness(colours: ValueRuns) -> ValueRuns:
    """The runs of the maximum over channels."""
    brightest = np.maximum.reduce([colours.value >> shift & 255 for shift in (0, 8, 16)])
    value, area, _, level = kernels.distinct(brightest, colours.area)
    first = np.full(len(value), len(colours.start), np.int64)
    np.minimum.at(first, level, colours.first)
    return msgspec.structs.replace(colours, value=value, area=area, first=first, row=level[colours.row])


def _segment_ids(layers: list[LayerFile], categories: Ints) -> Ints:
    """(n,) the instance numbers or category ids if unique in the image, else 1, 2, …."""
    numbers = [number for layer in layers if (number := whole_number(layer.instance)) is not None and number >= 0]
    ids = np.array(numbers, np.int64) if len(numbers) == len(layers) else categories
    return ids if len(np.unique(ids)) == len(ids) else np.arange(1, len(layers) + 1, dtype=np.int64)
