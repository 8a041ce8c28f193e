"""nnU-Net source: the cases of a dataset as images, slices of volumes or pictures of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import local_file, slice_uri
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.nifti.drawn import Draw, draw_categories, draw_regions
from segdata.formats.medical.nifti.files import LabelFile
from segdata.formats.medical.nifti.head import is_volume
from segdata.formats.medical.nifti.meanings import Meanings
from segdata.formats.medical.nifti.opened import OpenVolumes
from segdata.formats.medical.nifti.reel import Frame, Reel
from segdata.formats.medical.nifti.source import volume_source
from segdata.formats.medical.nifti.voxels import decode
from segdata.formats.medical.nnunet.cases import Case
from segdata.formats.medical.nnunet.datasetjson import IGNORE, DatasetJson
from segdata.formats.medical.shelf import Shelf
from segdata.formats.shared.mask_files import ValueRuns, decode_entry_mask
from segdata.formats.shared.mask_values import UNLABELLED, Legend
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import resolve_names

METADATA = "nnunet"  # in the profile's metadata: dataset.json


def nnunet_source(request: ReadRequest, said: DatasetJson, reels: list[Reel], opened: OpenVolumes) -> PerImageSource:
    """The images of these cases."""
    labels = [label for reel in reels for label in reel.labels]
    meaning = _meaning(request.taxonomy, said, labels)
    if is_volume(f"x{said.ending}"):
        source = volume_source(request, opened, meaning, Shelf(decode))
    else:
        entries = [_entry(reel, frame) for reel in reels for frame in reel.frames]
        entries.sort(key=lambda entry: entry.image_id)
        look = partial(_look, opened.root, meaning.draws)
        source = PerImageSource(request.root, _profile(request, meaning), entries, (), look, request.annotator)
    profile = replace(
        source.profile,
        format="nnunet",
        name=request.root.name,
        overlap=Policy("allow" if said.has_regions else "forbid"),
        metadata={**meaning.metadata, METADATA: said.text},
    )
    return replace(source, profile=profile, defects=(*said.defects, *opened.defects))


def case_reel(root: Path, case: Case, said: DatasetJson, n_slices: int | None, size: tuple[int, int]) -> Reel:
    """The reel of a case: slices of a volume, or one picture where `n_slices` is None."""
    label = () if case.label is None else (LabelFile(case.label, relative_path(root, case.label)),)
    if n_slices is None:
        uri = None if case.image is None else case.image.as_posix()
        frame = Frame(case.name, uri=uri, annotated=bool(label), size=size, channels=_channels(case, said, None))
        return Reel(case.name, [frame], label, split=case.split)
    frames = [
        Frame(
            f"{case.name}/{k:04d}" if n_slices > 1 else case.name,
            k,
            k,
            None if case.image is None else slice_uri(case.image, k),
            bool(label),
            size,
            _channels(case, said, k),
        )
        for k in range(n_slices)
    ]
    return Reel(case.name, frames, label, case.name, split=case.split)


def _channels(case: Case, said: DatasetJson, k: int | None) -> tuple[Mapping[str, str | None], ...] | None:
    """The files of an image that has several."""
    if len(case.images) < 2:
        return None
    names = [*said.channels, *(f"{number:04d}" for number in range(len(said.channels), len(case.images)))]
    return tuple(
        {"uri": None if path is None else path.as_posix() if k is None else slice_uri(path, k), "name": name}
        for path, name in zip(case.images, names, strict=False)
    )


def _meaning(given: Taxonomy | None, said: DatasetJson, labels: Sequence[LabelFile]) -> Meanings:
    """Categories are labels or regions; their ids are the taxonomy's, else the values, of regions their numbers."""
    numbers = {name: said.ids.get(name, row if said.has_regions else said.labels[name][0]) for row, name in _rows(said)}
    own = Taxonomy(
        categories=tuple(
            Category(id=id_, name=name, kind="void" if name == IGNORE else "stuff") for name, id_ in numbers.items()
        ),
        unlabelled=0,
    )
    named = resolve_names(said.labels, given, own)
    known = given.by_id() if given is not None else {}
    ids = {name: said.ids[name] if said.ids.get(name) in known else named.to[name] for name in said.labels}
    draw: Draw
    if said.has_regions:
        allowed = Legend.of({0: UNLABELLED, **dict.fromkeys(said.values, 0)})
        draw = partial(draw_regions, {ids[name]: values for name, values in said.labels.items()}, allowed)
    else:
        legend = {value: ids[name] for name, values in said.labels.items() for value in values}
        draw = partial(draw_categories, Legend.of({0: UNLABELLED, **legend}))
    draws = {label.name: draw for label in labels}
    return Meanings(named.taxonomy, named.declared, "semantic", draws, metadata=named.metadata)


def _rows(said: DatasetJson) -> list[tuple[int, str]]:
    return list(enumerate(said.labels, 1))


def _profile(request: ReadRequest, meaning: Meanings) -> Profile:
    return Profile(
        name=request.root.name,
        format="nnunet",
        task="semantic",
        taxonomy=meaning.taxonomy,
        taxonomy_declared=meaning.declared,
        coverage=Policy("sparse"),
        overlap=Policy("forbid"),
        files=str(request.root),
    )


def _entry(reel: Reel, frame: Frame) -> ImageEntry:
    """A picture of its own."""
    path = local_file(frame.uri)
    worked_on = frame.annotated and bool(reel.labels)
    return ImageEntry(
        frame.image_id,
        path if path is not None and path.is_file() else None,
        tuple(label.path for label in reel.labels) if worked_on else (),
        record=reel.labels[0] if worked_on else None,
        size=(0, 0) if worked_on else frame.size,
        uri=frame.uri,
        sequence=reel.sequence,
        frame=frame.frame,
        split=reel.split,
        channels=frame.channels,
    )


def _look(root: Path, draws: Mapping[str, Draw], entry: ImageEntry) -> list[ImageAnnotation]:
    """What the labels of a picture hold."""
    mask = decode_entry_mask(root, entry)
    label: LabelFile = entry.record
    if mask.coloured:
        raise BrokenLabelsError(Defect("SEG004", f"labels are {mask.encoding}; one channel is needed", label.name))
    values = ValueRuns.of(mask.values)
    drawn = draws[label.name](values, entry.image_id)
    lossy = [Defect("SEG010", f"{mask.lossy} changes values; save labels as PNG")] if mask.lossy else []
    found = ImageAnnotation(
        (values.height, values.width),
        drawn.segment_id,
        drawn.category_id,
        drawn.runs,
        {
            "file": [label.name] * len(drawn.places),
            "place": drawn.places,
            "iscrowd": np.asarray(drawn.iscrowd).tolist(),
        },
        mask.encoding,
        defects=[*lossy, *drawn.defects],
    )
    return [found]
