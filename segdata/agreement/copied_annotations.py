"""Copied annotations: for whom somebody else speaks where votes are counted, from the labels alone.

`segdata.agreement.copying` says what is copied, from a comparison of all outlines. A consensus has no such comparison,
so here segments, and parts of class masks, are the same if all their pixels are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segdata.agreement.comparison import person_name
from segdata.agreement.copying import IdenticalWork, compare_digests, judge_couples, second_voice, telling_parts
from segdata.agreement.estimates import Resampling
from segdata.agreement.panel import Panel
from segdata.core.batch import Batch
from segdata.core.executor import run_ordered
from segdata.core.runs import Flags, Ints


@dataclass(frozen=True, slots=True)
class CopiedAnnotations:
    """Whose annotations are one annotator's work, and what every two annotators have alike."""

    # image_id -> annotator -> who speaks for them; who is not named speaks for themselves
    speaker: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    identical: tuple[IdenticalWork, ...] = ()

    def silent(self, batch: Batch, beside: str | None = None) -> Flags:
        """(n_annotations,) those for whom somebody else speaks; also all of the same work as an annotator `beside`."""
        ids, names = batch.images["image_id"].to_pylist(), batch.annotations["annotator"].to_pylist()
        flags = []
        for image, name in zip(batch.annotation_image.tolist(), names, strict=True):
            speaker = self.speaker.get(ids[image], {})
            one = speaker.get(name, name)
            flags.append(one == speaker.get(beside, beside) if beside is not None and name != beside else one != name)
        return np.array(flags, bool)


def find_copied_annotations(panel: Panel, how: Resampling, jobs: int = 0) -> CopiedAnnotations:
    """What `find_copies` finds of identical segments, without the comparison of outlines: one pass over the labels.

    Of two annotators alone both keep their voice. Segments are compared image by image, slices of volumes, too.
    """
    connected = panel.profile.task == "semantic" and not panel.volumes
    parts = list(run_ordered(lambda rows: _segment_hashes(panel.load(rows), rows, connected), panel.chunks(), jobs))
    names = sorted({name for part in parts for name in part.names})
    position = {name: k for k, name in enumerate(names)}
    image = np.concatenate([np.zeros(0, np.int64), *(part.image for part in parts)])
    digest = np.concatenate([np.zeros(0, np.uint64), *(part.digest for part in parts)])
    who = [np.array([position[name] for name in part.names], np.int64)[part.annotator] for part in parts]
    annotator = np.concatenate([np.zeros(0, np.int64), *who])
    models = [
        k for k, name in enumerate(names) if {s for part in parts for s in part.sources.get(name, ())} == {"model"}
    ]
    present = np.zeros((len(panel.image_ids), len(names)), bool)
    for part in parts:
        for row, name in part.present:
            present[row, position[name]] = True
    rows = compare_digests(image, annotator, digest, present, models, np.arange(len(names)))
    couples = judge_couples(rows, panel.case, models, how)
    speaker: dict[str, dict[str, str]] = {}
    results = []
    for couple in couples:
        silent = couple.silent if len(couples) > 1 else couple.silent[:0]
        second = second_voice(couple.who, models, None)
        first = couple.who[0] if second == couple.who[1] else couple.who[1]
        for row in silent.tolist():
            of_image = speaker.setdefault(panel.image_ids[row], {})
            of_image.setdefault(names[second], of_image.get(names[first], names[first]))
        together = int(present[:, list(couple.who)].all(axis=1).sum())
        results.append(couple.result(names, together, np.ones(len(silent), np.int64)))
    return CopiedAnnotations(speaker, tuple(results))


@dataclass(frozen=True, slots=True)
class _SegmentHashes:
    """Of n segments that say something about who drew: the image, the annotator, and a hash of the pixels."""

    names: Sequence[str]
    image: Ints
    annotator: Ints
    digest: NDArray[np.uint64]
    present: Sequence[tuple[int, str]]  # images that each annotated
    sources: Mapping[str, set[str | None]]  # of each annotator's annotations


def _segment_hashes(batch: Batch, rows: Ints, connected: bool) -> _SegmentHashes:
    called = [str(name) for name in batch.annotations["annotator"].to_pylist()]
    names = sorted(set(called))
    segment, digest = telling_parts(batch, connected=connected)
    further = np.array([person_name(name) != name for name in called], bool)
    own = ~further[batch.segment_annotation[segment]]
    segment, digest = segment[own], digest[own]
    position = {name: k for k, name in enumerate(names)}
    who = np.array([position[name] for name in called], np.int64)[batch.segment_annotation[segment]]
    sources: dict[str, set[str | None]] = {}
    for name, source in zip(called, batch.annotations["source"].to_pylist(), strict=True):
        sources.setdefault(name, set()).add(source)
    images = np.asarray(rows)[batch.annotation_image].tolist()
    place = np.asarray(rows)[batch.segment_image[segment]]
    return _SegmentHashes(names, place, who, digest, list(zip(images, called, strict=True)), sources)


NO_COPIES = CopiedAnnotations()
