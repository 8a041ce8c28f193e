"""Sequenced: images that segdata.yaml makes frames of videos or slices of volumes, by their names."""

import re
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replaced
from segdata.core.config import Sequences
from segdata.core.errors import SegdataError
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.sequence import ImageSequence
from segdata.formats.altered import AlteredSource

_FIELDS = {"{sequence}": r"(?P<sequence>.+?)", "{frame}": r"(?P<frame>[0-9]{1,18})", "*": r".*"}


@dataclass(frozen=True, slots=True)
class SequencedSource(AlteredSource):
    """An altered source whose profile names its sequences."""

    known: Profile | None = None

    @property
    def profile(self) -> Profile:
        """The source's, with the sequences."""
        return self.known or self.source.profile


def with_sequences(source: Source, said: Sequences, divisor: int | None) -> SequencedSource:
    """`source` with the sequences and frame numbers that a pattern finds in the names of its images.

    `divisor` is that of instance ids, for tracks that are numbers within a category. Raises SegdataError where the
    pattern has no `{frame}` or fits no image.
    """
    if said.pattern.count("{frame}") != 1 or said.pattern.count("{sequence}") > 1:
        raise SegdataError(
            f"sequences: the pattern {said.pattern!r} needs {{frame}} once, and {{sequence}} at most once"
        )
    words = re.split(r"(\{sequence\}|\{frame\}|\*)", said.pattern)
    pattern = re.compile("".join(_FIELDS.get(word, re.escape(word)) for word in words))
    name = source.profile.name
    places = {image: _place(pattern, image, name) for image in source.image_ids}
    names = dict.fromkeys(place[0] for place in places.values() if place is not None)
    if not names:
        first = next(iter(source.image_ids), "none")
        raise SegdataError(f"sequences: no image fits the pattern {said.pattern!r}; the first one is {first!r}")
    profile = source.profile
    sequences = tuple(ImageSequence(each, said.kind) for each in names)
    things = np.array([each.id for each in profile.taxonomy.categories if each.kind == "thing"], np.int64)
    alter = partial(_sequenced, places=places, tracks=said.tracks, divisor=divisor, things=things)
    return SequencedSource(source, alter, (), replace(profile, sequences=sequences))


def _place(pattern: re.Pattern[str], image: str, name: str) -> tuple[str, int] | None:
    """The sequence and number that an image's name tells; None where it does not fit."""
    found = pattern.fullmatch(image)
    return None if found is None else (found.groupdict().get("sequence") or name, int(found["frame"]))


def _sequenced(
    batch: Batch, places: dict[str, tuple[str, int] | None], tracks: str | None, divisor: int | None, things: Ints
) -> Batch:
    """The batch with sequences, numbers of frames, and tracks where ids are said to be such."""
    found = [places.get(image) for image in batch.images["image_id"].to_pylist()]
    images = replaced(batch.images, "sequence", [place and place[0] for place in found])
    images = replaced(images, "frame", [place and place[1] for place in found])
    if tracks is None:
        return replace(batch, images=images)
    track = batch.segments["segment_id"].to_numpy()
    if tracks == "numbers":
        track = track % (divisor or 1000)
    known = np.isin(batch.segments["category_id"].to_numpy(), things) & ((track > 0) | (tracks == "ids"))
    segments = replaced(batch.segments, "track_id", pa.array(track, mask=~known))
    return replace(batch, images=images, segments=segments)
