"""Frame sequences: what one annotator drew on the frames of a video, or the slices of a volume, in order."""

from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.profile import Profile, SequenceKind
from segdata.core.rule import Tables
from segdata.core.runs import Ints
from segdata.core.table import Table


class FrameSequence(msgspec.Struct, frozen=True):
    """What one annotator drew on the frames of one sequence, in the order of the frames.

    Frames that the annotator did not work on are left out; of those with one number all but the first are.

    Attributes
    ----------
    sequence : its name
    step : the least difference of two numbers among all images of the sequence
    frame : (n,) int64, the numbers, ascending
    annotation, image : (n,) int64, rows
    """

    sequence: str
    step: int
    frame: Ints
    annotation: Ints
    image: Ints


def frame_sequences(profile: Profile, images: Table, annotations: Table, kind: SequenceKind) -> list[FrameSequence]:
    """The sequences of the videos or of the volumes, in the order of their first images."""
    if not any(sequence.kind == kind for sequence in profile.sequences):
        return []
    frame, has_number = frame_numbers(images)
    rows = np.flatnonzero(is_frame_of(profile, images, kind)[annotations["image"]] & has_number[annotations["image"]])
    image = annotations["image"][rows].astype(np.int64)
    whose = images["sequence"][image], annotations["annotator"][rows]
    members: dict[tuple[str, str | None], list[int]] = {}
    for place, key in enumerate(zip(*whose, strict=True)):
        members.setdefault(key, []).append(place)
    sequences, steps = [], _steps(images["sequence"], frame, has_number)
    for (sequence, _), places in members.items():
        number, first = np.unique(frame[image[places]], return_index=True)
        chosen = np.array(places)[first]
        sequences.append(FrameSequence(sequence, steps[sequence], number, rows[chosen].astype(np.int64), image[chosen]))
    return sequences


def image_successions(profile: Profile, images: Table, kind: SequenceKind) -> list[Ints]:
    """The images (rows) of each sequence and camera in the order of their frames; those without a number left out."""
    _, has_number = frame_numbers(images)
    members: dict[tuple[str, str | None], list[int]] = {}
    rows = np.flatnonzero(is_frame_of(profile, images, kind) & has_number)
    for row, key in zip(rows.tolist(), zip(images["sequence"][rows], images["camera"][rows], strict=True), strict=True):
        members.setdefault(key, []).append(row)
    number = frame_numbers(images)[0]
    return [np.array(rows)[np.argsort(number[rows], kind="stable")] for rows in members.values()]


def tracked_segments(tables: Tables, kind: SequenceKind | None = None) -> Table:
    """The segments of sequences (of one kind) that have a track, no crowds, no void, by sequence, track and frame.

    Columns: segment (row), sequence (number), place (of the frame among those annotated), frame (number), track.
    """
    segments = tables.segments
    index = SequenceIndex.from_tables(tables)
    annotation = segments["annotation"]
    counts = ~segments.missing("track_id") & ~segments["iscrowd"] & (index.sequence[annotation] >= 0)
    counts &= ~np.isin(segments["category_id"], tables.profile.taxonomy.void_ids)
    if kind is not None:
        counts &= is_frame_of(tables.profile, tables.images, kind)[segments["image"]]
    rows = np.flatnonzero(counts)
    track = segments["track_id"][rows].astype(np.int64)
    number, place = index.sequence[annotation[rows]], index.place[annotation[rows]]
    order = np.lexsort((rows, place, track, number))
    columns = {
        "segment": rows,
        "sequence": number,
        "place": place,
        "frame": index.frame[annotation[rows]],
        "track": track,
    }
    return Table({name: values[order] for name, values in columns.items()})


def changes_category(tables: Tables, tracked: Table) -> NDArray[np.bool_]:
    """(n,) rows of `tracked_segments` whose track has several categories."""
    category = tables.segments["category_id"][tracked["segment"]]
    start = np.ones(len(tracked), bool)
    start[1:] = (np.diff(tracked["sequence"]) != 0) | (np.diff(tracked["track"]) != 0)
    track = np.cumsum(start) - 1
    other = category != category[start][track]
    return np.asarray(np.bincount(track, weights=other, minlength=1)[track] > 0)


class SequenceIndex(msgspec.Struct, frozen=True):
    """Where each annotation is in its sequence; see `FrameSequence`.

    Attributes
    ----------
    sequences : those of videos, and after them those of volumes
    sequence : (n_annotations,) the number of its sequence; -1: none
    place, frame : (n_annotations,) its position there, and the frame's number
    """

    sequences: list[FrameSequence]
    sequence: Ints
    place: Ints
    frame: Ints

    @staticmethod
    def from_tables(tables: Tables) -> "SequenceIndex":
        """That of a dataset's annotations."""
        sequences = [
            sequence
            for kind in get_args(SequenceKind)
            for sequence in frame_sequences(tables.profile, tables.images, tables.annotations, kind)
        ]
        of_sequence, place, frame = (np.full(len(tables.annotations), -1, np.int64) for _ in range(3))
        for number, sequence in enumerate(sequences):
            of_sequence[sequence.annotation] = number
            place[sequence.annotation] = np.arange(len(sequence.annotation))
            frame[sequence.annotation] = sequence.frame
        return SequenceIndex(sequences, of_sequence, place, frame)


def is_frame_of(profile: Profile, images: Table, kind: SequenceKind) -> NDArray[np.bool_]:
    """(n_images,) whether an image is a frame of a sequence of this kind."""
    names = {sequence.name for sequence in profile.sequences if sequence.kind == kind}
    if not names:  # most datasets: their columns need not even be converted
        return np.zeros(len(images), bool)
    return np.array([name in names for name in images["sequence"].tolist()], bool)


def touches_edge(tables: Tables) -> NDArray[np.bool_]:
    """(n_segments,) whether a segment's box reaches the edge of its image."""
    segments, image = tables.segments, tables.segments["image"]
    right, bottom = segments["x"] + segments["width"], segments["y"] + segments["height"]
    at_edge = (segments["x"] == 0) | (segments["y"] == 0)
    at_edge |= (right == tables.images["width"][image]) | (bottom == tables.images["height"][image])
    return np.asarray(at_edge)


def outside_volumes(tables: Tables, things: Table) -> Table:
    """The parts or holes of segments that are no slices of volumes, and `whole`: the area of the segment, in pixels."""
    in_volume = is_frame_of(tables.profile, tables.images, "volume")[tables.segments["image"]]
    outside = things.take(~in_volume[things["segment"]])
    return outside.beside(whole=tables.segments["area"][outside["segment"]])


def frame_numbers(images: Table) -> tuple[Ints, NDArray[np.bool_]]:
    """(n_images,) the frame number of each image (0: none), and whether it has one."""
    has_number = ~images.missing("frame")
    number = np.zeros(len(images), np.int64)
    number[has_number] = images["frame"][has_number].astype(np.int64)
    return number, has_number


def _steps(sequence: NDArray[np.object_], frame: Ints, known: NDArray[np.bool_]) -> dict[str, int]:
    """Sequence -> the least difference of two frames' numbers; a huge one where there is but one."""
    numbers: dict[str, set[int]] = {}
    for name, number in zip(sequence[known].tolist(), frame[known].tolist(), strict=True):
        numbers.setdefault(name, set()).add(number)
    return {name: int(np.diff(sorted(several)).min(initial=2**62)) for name, several in numbers.items()}
