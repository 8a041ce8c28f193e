"""NIfTI labels: the slices of label volumes, segdata's index of volumes, and the meaning of values.

Names of values are read from BIDS `dseg.tsv` (columns `index`, `name`, `color`; of the volume's own name, or in a
folder above it), label descriptions of ITK-SNAP (`.txt`), and `labels` in a `dataset.json` of nnU-Net (name -> value)
or the Medical Segmentation Decathlon (value -> name).
Source: bids-standard/bids-specification src/derivatives/imaging.md; pyushkevich/itksnap Logic/Common/
ColorLabelTable.cxx; MIC-DKFZ/nnUNet documentation/dataset_format.md.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from segdata.core.config import InstanceIds, Option, encode_coverage
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.medical_files import DecodedFiles, is_text_volume, read_text_header
from segdata.core.paths import absolute_channels, absolute_uri, dataset_folder, is_unsafe_path, slice_uri
from segdata.core.profile import Profile, Task
from segdata.core.runs import Flags, Ints, Runs
from segdata.core.safe_text import whole_number
from segdata.core.taxonomy import Category, Color, Taxonomy, as_rgb
from segdata.core.yaml_files import read_utf8
from segdata.formats.medical.nifti_files import LabelVolume, VolumePlace, nifti_stem
from segdata.formats.medical.nifti_scans import LabelFile
from segdata.formats.shared.images import index_entry_defect, unsafe_path_defect
from segdata.formats.shared.instance_id_rules import IdRule, id_rule
from segdata.formats.shared.json_files import read_sidecar
from segdata.formats.shared.mask_files import UNKNOWN, UNLABELLED, Legend, ValueRuns, value_defects
from segdata.formats.shared.per_image import relative_path
from segdata.formats.shared.taxonomies import CategoryNames, kind_from_name, resolve_names


class VolumeSlice(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image that is a slice; also an entry of `volumes.json`."""

    image: str  # its id
    slice: int = 0  # its number in the label files, from 0
    frame: int | None = None  # its number in the sequence
    uri: str | None = None  # of the image
    annotated: bool = True
    width: int = 0  # in pixels; 0 if the label files state it
    height: int = 0  # in pixels; 0 if the label files state it
    # the image's files as rows of `schema.IMAGES`, if it has several
    channels: tuple[dict[str, str | None], ...] | None = None
    coverage: str | None = None  # of the annotation; None: all categories, or those of the layers


@dataclass(frozen=True, slots=True)
class LabelledVolume:
    """A volume, a video, or an image by itself."""

    name: str  # of the sequence, or the id of a single image
    frames: Sequence[VolumeSlice]  # its images
    labels: Sequence[LabelFile] = ()  # the files
    sequence: str | None = None  # as in the column of images; None: a single image
    kind: Literal["video", "volume"] = "volume"  # of the sequence
    split: str | None = None  # train, val or test
    place: VolumePlace | None = None  # its exact place; None: as in its headers


def slices_of_volume(
    name: str,
    image: Path | None,
    n_slices: int,
    size: tuple[int, int],
    annotated: bool,
    channels: Callable[[int], tuple[dict[str, str | None], ...] | None] = lambda k: None,
) -> list[VolumeSlice]:
    """The slices of a volume, `<name>/0000` and so on; a single slice has the name itself. `size` is height, width."""
    height, width = size
    return [
        VolumeSlice(
            image=f"{name}/{k:04d}" if n_slices > 1 else name,
            slice=k,
            frame=k,
            uri=None if image is None else slice_uri(image, k),
            annotated=annotated,
            width=width,
            height=height,
            channels=channels(k),
        )
        for k in range(n_slices)
    ]


VOLUME_INDEX = "volumes.json"


class VolumeIndexLabel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A label file below the root; `name` is the name in the source, `layer` its content if an image has several."""

    file: str
    name: str = ""
    layer: str = ""


class VolumeIndexEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sequence, or an image by itself, with its label files.

    `place` is set if headers cannot hold it exactly.
    """

    images: tuple[VolumeSlice, ...]
    labels: tuple[VolumeIndexLabel, ...] = ()
    sequence: str | None = None
    kind: Literal["video", "volume"] = "volume"
    split: str | None = None
    place: VolumePlace | None = None


class VolumeIndex(msgspec.Struct, frozen=True):
    """The index file; `layers` maps layer -> value -> category id, if values are not the ids."""

    volumes: tuple[VolumeIndexEntry, ...]
    version: Literal[1] = 1
    layers: dict[str, dict[int, int]] = {}


def write_volume_index(
    target: Path, volumes: Iterable[VolumeIndexEntry], layers: Mapping[str, Mapping[int, int]]
) -> None:
    """Write `volumes.json` below `target`, one volume a line."""
    lines = ",\n".join(msgspec.json.encode(volume).decode() for volume in volumes)
    layers_json = msgspec.json.encode(layers).decode()
    text = f'{{"version": 1, "layers": {layers_json}, "volumes": [\n{lines}\n]}}\n'
    (target / VOLUME_INDEX).write_text(text, encoding="utf-8")


def read_volume_index(root: Path, defects: list[Defect]) -> tuple[list[LabelledVolume], dict[str, dict[int, int]]]:
    """The volumes and layers in `volumes.json`; raises UnreadableError if it is not an index.

    Leaves out entries that leave the root or occur twice, with a defect.
    """
    index = read_sidecar(root / VOLUME_INDEX, VolumeIndex)
    names_seen: set[str] = set()
    labelled = []
    for row, volume in enumerate(index.volumes):
        place = f"/volumes/{row}"
        unsafe = next((label.file for label in volume.labels if not label.file or is_unsafe_path(label.file)), None)
        if unsafe is not None:
            defects.append(unsafe_path_defect(unsafe, VOLUME_INDEX, place))
            continue
        images = []
        for image in volume.images:
            invalid = "a negative slice or size" if min(image.slice, image.width, image.height) < 0 else None
            defect = index_entry_defect(VOLUME_INDEX, place, image.image, names_seen, (image.image,), invalid)
            if defect is not None:
                defects.append(defect)
            else:
                images.append(image)
                names_seen.add(image.image)
        if images:
            labelled.append(_indexed_volume(root, volume, images))
    return labelled, index.layers


def _indexed_volume(root: Path, volume: VolumeIndexEntry, images: list[VolumeSlice]) -> LabelledVolume:
    frames = [
        msgspec.structs.replace(
            image, uri=absolute_uri(image.uri, root), channels=absolute_channels(image.channels, root)
        )
        for image in images
    ]
    labels = tuple(LabelFile(root / label.file, label.name or label.file, label.layer) for label in volume.labels)
    return LabelledVolume(
        name=volume.sequence or images[0].image,
        frames=frames,
        labels=labels,
        sequence=volume.sequence,
        kind=volume.kind,
        split=volume.split,
        place=volume.place,
    )


@dataclass(frozen=True, slots=True)
class SliceSegments:
    """The n segments of a slice."""

    segment_id: Ints  # (n,) int64
    category_id: Ints  # (n,) int64
    iscrowd: Flags  # (n,) bool
    runs: Runs  # `runs.owner` is the segment
    places: list[str]  # (n,) their values, for messages
    defects: Sequence[Defect] = ()  # about values without a meaning


SegmentDecoder = Callable[[ValueRuns, str], SliceSegments]  # the values of a slice, and the name of its volume


def _segments_by_id(rule: IdRule, values: ValueRuns, name: str) -> SliceSegments:
    """One segment for each value that is an instance."""
    meaning = rule(values, name)
    kept = np.flatnonzero(meaning.kept)
    segment, category, crowd = meaning.segment_id[kept], meaning.category_id[kept], meaning.iscrowd[kept]
    places = [f"value {value}" for value in values.value[kept].tolist()]
    return SliceSegments(segment, category, crowd, values.select(kept), places, meaning.defects)


def segments_by_category(legend: Legend, values: ValueRuns, name: str) -> SliceSegments:
    """One segment for each category, with the category's id."""
    category = legend.read(values.value)
    ids, owner = values.group(category, (category != UNLABELLED) & (category != UNKNOWN))
    runs = values.assign_owners(owner, len(ids))
    places = [_list_values(values.value[owner == row]) for row in range(len(ids))]
    defects = _unknown_values(category == UNKNOWN, values)
    return SliceSegments(ids, ids, np.zeros(len(ids), bool), runs, places, defects)


def segments_by_region(
    regions: Mapping[int, Sequence[int]], legend: Legend, values: ValueRuns, name: str
) -> SliceSegments:
    """One segment for each region: a category of several values, which regions may share.

    `legend` holds the valid values.
    """
    pieces, ids, places = [], [], []
    for id_, members in regions.items():
        inside = np.isin(values.value, np.array(members, np.int64))
        if inside.any():
            pieces.append(values.assign_owners(np.where(inside, 0, -1).astype(np.int32), 1))
            ids.append(id_)
            places.append(_list_values(values.value[inside]))
    number = np.array(ids, np.int64)
    defects = _unknown_values(legend.read(values.value) == UNKNOWN, values)
    runs = Runs.concatenate(pieces, [1] * len(pieces))
    return SliceSegments(number, number, np.zeros(len(ids), bool), runs, places, defects)


_MAX_UNKNOWN_VALUES = 32  # in one slice, as in `mask_files`


def _unknown_values(is_unknown: Flags, values: ValueRuns) -> list[Defect]:
    """SEG009 for each value without a meaning, or one SEG010 for so many that they come from interpolation."""
    rows = np.flatnonzero(is_unknown).tolist()
    if len(rows) > _MAX_UNKNOWN_VALUES:
        x, y = values.first_pixel(rows[0])
        area, low, high = int(values.area[rows].sum()), int(values.value[rows[0]]), int(values.value[rows[-1]])
        message = (
            f"{len(rows):,} values from {low} to {high} are not in the taxonomy ({area:,} px); the labels were "
            "smoothed or resized with interpolation, or are a picture: save one value for each category"
        )
        return [Defect("SEG010", message, place=f"x={x}, y={y}", pixels=area)]
    return value_defects(values, rows, "is not in the taxonomy")


def _list_values(values: Ints) -> str:
    return f"value{'s' if len(values) > 1 else ''} {', '.join(map(str, values.tolist()))}"


_ITK_SNAP_HEADER = re.compile(r"^#\s*ITK-SnAP Label Description File", re.IGNORECASE | re.MULTILINE)
_ITK_SNAP_LINE = re.compile(r'^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.eE+-]+\s+\d+\s+\d+\s+"(.*)"\s*$')
_MAX_NAMED_VALUE = 2**62  # no larger number is the id of a category, or the value of a voxel
_MAX_TABLE_BYTES = 1 << 24  # other .txt files may be large


@dataclass(frozen=True, slots=True)
class _ValueName:
    """The name of a value, and its colour if the table has one."""

    name: str
    color: Color | None = None


@dataclass
class LabelNames:
    """The tables of a dataset, each read once."""

    root: Path  # of the dataset
    defects: list[Defect] = field(default_factory=list)  # of the tables
    _read: dict[Path, dict[int, _ValueName]] = field(default_factory=dict, repr=False)

    def names_of(self, label: LabelFile) -> dict[int, _ValueName]:
        """The names of the values in a volume, from its header or the nearest table; empty if there is none."""
        if is_text_volume(label.path.name) and (header_names := dict(_slicer_names(label.path, label.plane))):
            return header_names
        for path in self._tables(label.path):
            names = self._table(path)
            if names:
                return names
        return {}

    def _tables(self, volume: Path) -> Iterator[Path]:
        """The files that may name the values, the nearest first."""
        folder = dataset_folder(self.root)
        bare = nifti_stem(volume.name)
        yield volume.with_name(f"{bare}.tsv")
        for parent in (volume.parent, *volume.parent.parents):
            yield from (parent / "dseg.tsv", parent / "dataset.json")
            yield from sorted(
                path for path in parent.glob("*.txt") if path.is_file() and path.stat().st_size < _MAX_TABLE_BYTES
            )
            if parent == folder or not parent.is_relative_to(folder):
                break

    def _table(self, path: Path) -> dict[int, _ValueName]:
        if path not in self._read:
            self._read[path] = self._parse(path) if path.is_file() else {}
        return self._read[path]

    def _parse(self, path: Path) -> dict[int, _ValueName]:
        parsers = {".tsv": _parse_tsv, ".json": _parse_json, ".txt": _parse_snap}
        try:
            pairs = parsers[path.suffix.lower()](read_utf8(path))
        except (SegdataError, ValueError, TypeError, RecursionError, csv.Error) as error:
            if path.suffix.lower() != ".txt":  # it may be an unrelated text file
                message = f"label names cannot be read: {error}"
                self.defects.append(Defect("SEG004", message, relative_path(self.root, path)))
            return {}
        return {
            value: value_name
            for value, value_name in pairs
            if value_name.name.strip() and abs(value) <= _MAX_NAMED_VALUE
        }


def _slicer_names(volume: Path, plane: int) -> Iterator[tuple[int, _ValueName]]:
    """The segments of 3D Slicer in the header of a .seg.nrrd file, those of one layer.

    Source: Slicer/Slicer Libs/MRML/Core/vtkMRMLSegmentationStorageNode.h.
    """
    with suppress(OSError, ValueError):
        fields = read_text_header(volume).fields
        for key in fields:
            if (match := re.fullmatch(r"segment(\d+)_labelvalue", key)) is not None:
                value = whole_number(fields[key])
                if value is None or whole_number(fields.get(f"segment{match[1]}_layer", "0")) != plane:
                    continue
                name, shade = fields.get(f"segment{match[1]}_name", ""), fields.get(f"segment{match[1]}_color", "")
                levels = [round(255 * min(max(float(part), 0.0), 1.0)) for part in shade.split()]
                color = (levels[0], levels[1], levels[2]) if len(levels) == 3 else None
                yield value, _ValueName(name or f"segment_{match[1]}", color)


def _parse_tsv(text: str) -> list[tuple[int, _ValueName]]:
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t"))
    if rows and not {"index", "name"} <= rows[0].keys():
        raise ValueError("expected the columns 'index' and 'name'")
    colors = [row.get("color") for row in rows]
    return [
        (int(row["index"]), _ValueName(row["name"] or "", as_rgb(color) if color and color != "n/a" else None))
        for row, color in zip(rows, colors, strict=True)
    ]


def _parse_snap(text: str) -> list[tuple[int, _ValueName]]:
    """The lines of a label description of ITK-SNAP; 0 is its "Clear Label"."""
    if not _ITK_SNAP_HEADER.search(text):
        return []
    lines = [match.groups() for line in text.splitlines() if (match := _ITK_SNAP_LINE.match(line))]
    return [
        (int(value), _ValueName(name, as_rgb((int(red), int(green), int(blue)))))
        for value, red, green, blue, name in lines
        if int(value)
    ]


def _parse_json(text: str) -> list[tuple[int, _ValueName]]:
    """`labels` of a dataset.json, in either direction; regions, which are lists, have no value of their own."""
    data = json.loads(text)
    labels = data.get("labels") if isinstance(data, dict) else None
    if not isinstance(labels, dict):
        return []
    pairs = [(value, name) if isinstance(value, int) else (name, value) for name, value in labels.items()]
    return [(int(value), _ValueName(str(name))) for value, name in pairs if not isinstance(name, list) and int(value)]


@dataclass(frozen=True, slots=True)
class LabelMeanings:
    """The meaning of the values of a dataset."""

    taxonomy: Taxonomy  # as in the profile
    declared: bool  # as in the profile
    task: Task  # as in the profile
    decoders: Mapping[str, SegmentDecoder]  # name of a label file -> its layer's meaning
    # layer -> value -> category id, if values are not the ids
    layers: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)  # for the profile
    named_by_files: bool = False  # as in the profile

    def profile(self, request: ReadRequest) -> Profile:
        """The profile of a dataset whose segments do not overlap."""
        naming, name = CategoryNames(self.taxonomy, self.declared, {}), request.root.name.partition(".")[0]
        profile = naming.profile("nifti", request.root, self.task, "sparse", "forbid", name=name)
        return replace(profile, metadata=dict(self.metadata), named_by_files=self.named_by_files)

    def coverage(self, layers: Iterable[str]) -> str | None:
        """The coverage of an annotation by these layers of a volume; None: all categories."""
        judged = {id_ for layer in layers for id_ in self.layers.get(layer, {}).values()}
        solid = [category for category in self.taxonomy.categories if category.kind != "void"]
        if not (self.layers and self.named_by_files) or all(category.id in judged for category in solid):
            return None
        return encode_coverage({category.name: "exhaustive" for category in solid if category.id in judged})


def find_meanings(
    request: ReadRequest, labels: Sequence[LabelFile], decoded: DecodedFiles[LabelVolume], names: LabelNames
) -> LabelMeanings:
    """Find the meaning of values: by segdata.yaml, the taxonomy, tables beside the files, or the values alone.

    If files have layers of different names, a category is a layer, or a value of it. Raises UnreadableError if
    values look like intensities.
    """
    if request.config.instance_ids is not None or _are_instances(request.options):
        taxonomy, rule = id_rule(request, request.config.instance_ids or _one_category(request))
        kinds = {category.kind for category in taxonomy.categories}
        task: Task = "panoptic" if kinds >= {"thing", "stuff"} else "instance"
        draw: SegmentDecoder = partial(_segments_by_id, rule)
        return LabelMeanings(taxonomy, request.taxonomy is not None, task, {label.name: draw for label in labels})
    if len({label.layer for label in labels}) > 1:
        return _find_layer_meanings(request, labels, decoded, names)
    table = None if request.taxonomy else _taxonomy_of_tables(labels, names)
    taxonomy = request.taxonomy or table or _taxonomy_of_values(request, labels, decoded)
    draw = partial(segments_by_category, _id_legend(taxonomy))
    layer = labels[0].layer if labels else ""
    return LabelMeanings(
        taxonomy,
        request.taxonomy is not None,
        "semantic",
        {label.name: draw for label in labels},
        # A table beside the files, or the name of their layer, defines the coverage.
        named_by_files=table is not None or [category.name for category in taxonomy.categories] == [layer],
    )


def _id_legend(taxonomy: Taxonomy) -> Legend:
    """The legend if values are category ids; 0 is unlabelled, unless a category has that id."""
    ids = {id_: id_ for id_ in taxonomy.by_id()}
    if taxonomy.unlabelled_id is None:
        return Legend.from_mapping({0: UNLABELLED} | ids)
    return Legend.from_mapping(ids | {taxonomy.unlabelled_id: UNLABELLED})


def _are_instances(options: Mapping[str, Option]) -> bool:
    """Whether the option `instances` is yes; raises SegdataError for anything but yes or no."""
    answer = str(options.get("instances", "no")).lower()
    if answer not in ("yes", "true", "1", "no", "false", "0"):
        raise SegdataError(f"instances is {options['instances']!r}; it must be yes or no")
    return answer in ("yes", "true", "1")


def _one_category(request: ReadRequest) -> InstanceIds:
    """The rule if every value is an instance of the taxonomy's only category, or of "object"."""
    candidates = [category for category in (request.taxonomy or Taxonomy()).categories if category.kind != "void"]
    if len(candidates) > 1:
        raise UnreadableError(
            f"{request.root}: instances of which category? write in segdata.yaml `instance_ids: {{category: "
            f"{candidates[0].name}}}`, or {{divisor: 1000}}"
        )
    return InstanceIds(category=candidates[0].id if candidates else "object")


def _taxonomy_of_tables(labels: Sequence[LabelFile], names: LabelNames) -> Taxonomy | None:
    """The categories in the tables beside the files; None unless each file has one."""
    names_of_values: dict[int, _ValueName] = {}
    for label in labels:
        table = names.names_of(label)
        if not table:
            return None
        names_of_values |= table
    return _taxonomy(names_of_values) if names_of_values else None


def _taxonomy_of_values(
    request: ReadRequest, labels: Sequence[LabelFile], decoded: DecodedFiles[LabelVolume]
) -> Taxonomy:
    """A category for each occurring value; if the only value is 1, it is named after the layer, if any."""
    values = sorted({value for label in labels for value in _values(label, decoded)})
    _refuse_intensities(request, values)
    layer = labels[0].layer if labels and values in ([], [1]) else ""
    values = [1] if layer else values  # an empty layer says that nothing is there
    return _taxonomy({value: _ValueName(layer or f"category_{value}") for value in values})


def _find_layer_meanings(
    request: ReadRequest, labels: Sequence[LabelFile], decoded: DecodedFiles[LabelVolume], names: LabelNames
) -> LabelMeanings:
    """Categories that are layers, or values of a layer if it has others than 1."""
    values: dict[str, set[int]] = {}
    tables: dict[str, dict[int, _ValueName]] = {}
    for label in labels:
        table = names.names_of(label)
        tables.setdefault(label.layer, {}).update(table)
        values.setdefault(label.layer, set()).update(_values(label, decoded), table)
    layer_names: dict[str, dict[int, _ValueName]] = {}
    for layer, layer_values in values.items():
        _refuse_intensities(request, sorted(layer_values))
        is_mask = layer_values <= {1} and layer != ""
        layer_names[layer] = {
            value: tables[layer].get(value, _ValueName(layer if is_mask else f"{layer or 'labels'} {value}"))
            for value in ([1] if is_mask else sorted(layer_values))  # an empty layer says that nothing is there
        }
    names_found = {name.name: name for layer in sorted(layer_names) for name in layer_names[layer].values()}
    named = resolve_names(names_found, request.taxonomy, _taxonomy(dict(enumerate(names_found.values(), 1))))
    layers = {
        layer: {value: named.to[name.name] for value, name in values.items()} for layer, values in layer_names.items()
    }
    meaning = layer_meanings(named.taxonomy, named.declared, labels, layers, named.metadata)
    return replace(meaning, named_by_files=True)


def layer_meanings(
    taxonomy: Taxonomy,
    declared: bool,
    labels: Sequence[LabelFile],
    layers: Mapping[str, Mapping[int, int]],
    metadata: Mapping[str, str],
) -> LabelMeanings:
    """The meanings if values are categories that depend on their file's layer."""
    decoders: dict[str, SegmentDecoder] = {
        layer: partial(segments_by_category, Legend.from_mapping({0: UNLABELLED, **meaning}))
        for layer, meaning in layers.items()
    }
    nothing: SegmentDecoder = partial(segments_by_category, Legend.from_mapping({0: UNLABELLED}))
    by_file = {label.name: decoders.get(label.layer, nothing) for label in labels}
    return LabelMeanings(taxonomy, declared, "semantic", by_file, layers, metadata)


def _values(label: LabelFile, decoded: DecodedFiles[LabelVolume]) -> list[int]:
    """The values in a file that may be labels, from 1 on; none if it is damaged, which reading its slices reports."""
    try:
        return [value for value in decoded.get(label.path).plane(label.plane).values.tolist() if value > 0]
    except OSError:
        return []


_MAX_CATEGORIES = 500  # distinct values of a dataset; brain atlases have some hundred


def _refuse_intensities(request: ReadRequest, values: Sequence[int]) -> None:
    if len(values) > _MAX_CATEGORIES:
        raise UnreadableError(
            f"{request.root}: {len(values):,} distinct values: are they intensities, or instances? Name label files so "
            "that they differ from images (…_seg.nii.gz), or give --read-option instances=yes"
        )


def _taxonomy(names: Mapping[int, _ValueName]) -> Taxonomy:
    """Stuff categories with these names; void if the name says so."""
    categories = (
        Category(id=id_, name=name.name, kind=kind_from_name(name.name, "stuff"), color=name.color)
        for id_, name in sorted(names.items())
    )
    return Taxonomy(categories=tuple(categories), unlabelled=0)
