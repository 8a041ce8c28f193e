"""Volume source: a dataset of volumes as its slices, and what is drawn on each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.profile import ImageSequence, Policy, Profile
from segdata.core.runs import Runs
from segdata.formats.medical.nifti.drawn import Drawn
from segdata.formats.medical.nifti.files import LabelFile
from segdata.formats.medical.nifti.meanings import Meanings
from segdata.formats.medical.nifti.opened import OpenVolumes
from segdata.formats.medical.nifti.place import volume_sequence
from segdata.formats.medical.nifti.reel import Frame, Reel
from segdata.formats.medical.nifti.voxels import Volume
from segdata.formats.medical.shelf import Shelf
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)

LAYERS = "volume_layers"  # in the profile's metadata: which category is which value of which file


def volume_source(request: ReadRequest, opened: OpenVolumes, meaning: Meanings, shelf: Shelf[Volume]) -> PerImageSource:
    """The slices of the volumes as images."""
    several = any(len(reel.labels) > 1 for reel in opened.reels)
    profile = Profile(
        name=request.root.name.partition(".")[0],
        format="nifti",
        task=meaning.task,
        taxonomy=meaning.taxonomy,
        taxonomy_declared=meaning.declared,
        coverage=Policy("sparse"),
        overlap=Policy("allow" if several else "forbid"),
        files=str(request.root),
        metadata={**meaning.metadata, **_layers(opened, meaning)},
        sequences=tuple(_sequences(opened)),
    )
    look = _Look(opened, meaning, shelf)
    entries = [_entry(reel, frame) for reel in opened.reels for frame in reel.frames]
    entries.sort(key=lambda entry: entry.image_id)
    return PerImageSource(
        request.root, profile, entries, tuple(opened.defects), look.at, request.annotator, per_chunk=64, what="slice"
    )


def _entry(reel: Reel, frame: Frame) -> ImageEntry:
    worked_on = frame.annotated and bool(reel.labels)
    return ImageEntry(
        frame.image_id,
        files=tuple(label.path for label in reel.labels) if worked_on else (),
        record=(reel, frame) if worked_on else None,
        size=(0, 0) if worked_on else frame.size,
        uri=frame.uri,
        sequence=reel.sequence,
        frame=frame.frame,
        split=reel.split,
        channels=frame.channels,
    )


def _sequences(opened: OpenVolumes) -> list[ImageSequence]:
    """The volumes; where several files are drawn on one, these too, each for its header."""
    found = []
    for reel in opened.reels:
        if reel.sequence is None:
            continue
        heads = [opened.heads[label.name] for label in reel.labels]
        head = heads[0] if heads else None
        volume = ImageSequence(reel.sequence) if head is None else volume_sequence(reel.sequence, head)
        volume = replace(volume, kind=reel.kind)
        if reel.place is not None and reel.place.fits(head):
            volume = reel.place.told(volume)
        if len(heads) < 2:
            found.append(volume)
            continue
        found.append(replace(volume, dtype=None, header=None))
        found += [volume_sequence(label.name, head) for label, head in zip(reel.labels, heads, strict=True)]
    return found


def _layers(opened: OpenVolumes, meaning: Meanings) -> dict[str, str]:
    """For the profile: the values of layers, and the files of each volume, so that they can be written again."""
    if not meaning.layers:
        named = {reel.name: reel.labels[0].name for reel in opened.reels if len(reel.labels) == 1}
        own = {name: {"": file} for name, file in named.items() if file != name}
        return {LAYERS: json.dumps({"files": own})} if own else {}
    files = {reel.name: {label.layer: label.name for label in reel.labels} for reel in opened.reels if reel.labels}
    values = {layer: {str(value): id_ for value, id_ in each.items()} for layer, each in meaning.layers.items()}
    return {LAYERS: json.dumps({"layers": values, "files": files})}


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks at one slice."""

    opened: OpenVolumes
    meaning: Meanings
    shelf: Shelf[Volume]

    def at(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """What is drawn on a slice, by each annotator."""
        reel, frame = entry.record
        by_annotator: dict[str | None, list[LabelFile]] = {}
        for label in reel.labels:
            by_annotator.setdefault(label.annotator, []).append(label)
        broken: list[Defect] = []
        found = [self._drawn(reel, frame, labels, who, broken) for who, labels in by_annotator.items()]
        kept = [each for each in found if each is not None]
        if not kept:
            raise BrokenLabelsError(*broken)
        kept[0] = replace(kept[0], defects=[*kept[0].defects, *broken])
        return kept

    def _drawn(
        self, reel: Reel, frame: Frame, labels: list[LabelFile], annotator: str | None, broken: list[Defect]
    ) -> ImageAnnotation | None:
        """What one annotator drew on a slice; None where no file can be decoded, which is said at the first slice."""
        is_first = frame is reel.frames[0]
        drawing = _Drawing()
        for label in labels:
            file = relative_path(self.opened.root, label.path)
            try:
                volume = self.shelf.take(label.path)
            except OSError as error:
                message = f"volume cannot be read: {error.strerror or error}; none of its slices is"
                broken += [Defect("SEG001", message, file)] if is_first else []
                continue
            if frame.slice >= len(volume.slices):
                message = f"slice {frame.slice} of a volume that has {len(volume.slices)}"
                broken.append(Defect("SEG004", message, file))
                continue
            drawn = self.meaning.draws[label.name](volume.slices[frame.slice], reel.name)
            drawing.add(file, volume, frame.slice, drawn)
            drawing.defects += [replace(each, file=file) for each in (*drawn.defects, *_doubts(volume, frame.slice))]
        tracked = reel.sequence is not None and self.meaning.task != "semantic"
        return drawing.found(drawing.size, annotator, tracked) if drawing.size else None


@dataclass
class _Drawing:
    """What files of one annotator have on one slice."""

    size: tuple[int, int] | None = None
    drawn: list[Drawn] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    encodings: list[str] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)

    def add(self, file: str, volume: Volume, k: int, drawn: Drawn) -> None:
        """The segments of one file."""
        self.size = (volume.slices[k].height, volume.slices[k].width)
        self.drawn.append(drawn)
        self.files += [file] * len(drawn.places)
        self.places += [f"{place} in slice {k}" for place in drawn.places]
        self.encodings.append(f"NIfTI {volume.head.dtype.name}")

    def found(self, size: tuple[int, int], annotator: str | None, tracked: bool) -> ImageAnnotation:
        """All segments."""
        segments = np.concatenate([each.segment_id for each in self.drawn])
        crowds = np.concatenate([each.iscrowd for each in self.drawn])
        columns: Mapping[str, list[object]] = {
            "file": list(self.files),
            "place": list(self.places),
            "iscrowd": crowds.tolist(),
            "track_id": segments.tolist() if tracked else [],
        }
        return ImageAnnotation(
            size,
            segments,
            np.concatenate([each.category_id for each in self.drawn]),
            Runs.concatenate([each.runs for each in self.drawn], [len(each.places) for each in self.drawn]),
            columns,
            "; ".join(sorted(set(self.encodings))),
            annotator,
            defects=self.defects,
        )


def _doubts(volume: Volume, k: int) -> list[Defect]:
    """What is wrong with the numbers of a volume, said once, at the slice where it first shows."""
    found = []
    if volume.first_broken is not None and volume.first_broken[2] == k:
        i, j, _, value = volume.first_broken
        message = (
            f"{volume.n_broken:,} voxels are no labels: the first is {value:.6g} at voxel ({i}, {j}, {k}); labels are "
            "whole numbers, and these voxels are left out"
        )
        found.append(Defect("SEG017", message, place=f"x={i}, y={j}", pixels=volume.n_broken))
    if volume.n_rounded and k == 0:
        message = f"{volume.n_rounded:,} voxels were a little off whole numbers, and are rounded"
        found.append(Defect("SEG017", message, severity="info"))
    return found
