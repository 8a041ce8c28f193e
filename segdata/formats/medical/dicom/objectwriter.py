"""Object writer: one DICOM object for each series of images and each annotator."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from segdata.core.batch import Batch
from segdata.core.format import LossCounter, LossKind
from segdata.core.medical_files import collect_dicom_warnings
from segdata.core.profile import Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.medical.dicom.face import LOSSES
from segdata.formats.medical.dicom.files import DicomImage
from segdata.formats.medical.dicom.groups import Group, Groups, Layer, count_beside
from segdata.formats.medical.dicom.index import IndexFile, IndexSegment, write_dicom_index
from segdata.formats.medical.dicom.members import KINDS, Key, Said, Segment, attributes_of, index_of, members_of
from segdata.formats.shared.taxonomies import write_sidecars

Who = tuple[str | None, str | None]  # annotator and source


@dataclass(frozen=True, slots=True)
class Work:
    """What one annotator drew on the images of a series.

    Attributes
    ----------
    who : the annotator, and the source
    images : that were worked on, in order, by id
    layers : image id -> what was drawn
    members : the segments of the object, each with those on slices that it consists of
    numbers : theirs in the object, from 1
    said : their attributes
    categories : by id
    """

    who: Who
    images: Mapping[str, DicomImage]
    layers: Mapping[str, Layer]
    members: Mapping[Key, list[Segment]]
    numbers: Mapping[Key, int]
    said: Mapping[Key, Said]
    categories: Mapping[int, Category]

    def source(self, key: Key) -> str | None:
        """What drew a segment."""
        return self.members[key][0]["source"] or self.who[1]

    def category(self, key: Key) -> Category:
        """Of a segment; one that the taxonomy lacks is called by its id."""
        return self.categories.get(key[0]) or Category(id=key[0], name=str(key[0]))


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """How objects of a kind are written.

    Attributes
    ----------
    format : the name of the format
    folder : that the files go to
    own : the kinds of loss that `save` counts itself
    held : which of a segment's attributes come back, by what drew it where it does not say so itself
    save : write a file; what else than the segments of the work is in it, where that is needed
    """

    format: str
    folder: str
    own: frozenset[LossKind]
    held: Callable[[str | None, Segment, Said], set[str]]
    save: Callable[[Path, Work, LossCounter], tuple[IndexSegment, ...]]


def write_objects(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, kind: ObjectKind
) -> None:
    """Write all of them; raises SegdataError where an annotated image is no DICOM file."""
    (target / kind.folder).mkdir(parents=True)
    groups = Groups(kind.format)
    files: list[IndexFile] = []
    for group in groups.of(count_beside(batch, LOSSES - kind.own, losses) for batch in batches):
        for who in group.layers:
            name = f"{kind.folder}/{len(files) + 1:04d}.dcm"
            work = _work(group, who, profile.taxonomy, kind, losses)
            with collect_dicom_warnings():  # to remarks on values of the images that are not quite as the standard says
                more = kind.save(target / name, work, losses)
            segments = index_of(work.numbers, work.members) + more
            files.append(IndexFile(name, who[0], segments, None if segments else KINDS.get(who[1] or "")))
    write_dicom_index(target, kind.format, groups.index, files)
    write_sidecars(target, profile, profile.taxonomy)


def _work(group: Group, who: Who, taxonomy: Taxonomy, kind: ObjectKind, losses: LossCounter) -> Work:
    layers = group.layers[who]
    held = partial(kind.held, who[1])
    members = members_of(layers, who[1], held, losses)
    return Work(
        who,
        {name: image for name, image in group.images if name in layers},
        layers,
        members,
        {key: number for number, key in enumerate(members, 1)},
        {key: attributes_of(some[0], held) for key, some in members.items()},
        taxonomy.by_id(),
    )
