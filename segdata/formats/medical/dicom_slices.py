"""DICOM objects on slices: every object of a dataset, placed on the slices of the images it was made on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import lexists
from pathlib import Path, PurePosixPath
from typing import Generic, Protocol, TypeVar

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.profile import ImageSequence, Policy, Profile, RasterRule
from segdata.formats.medical.dicom_images import DicomImage, Series, group_series, scan_folder
from segdata.formats.medical.dicom_index import DicomIndexFile, DicomIndexSegment, indexed_segments, read_dicom_index
from segdata.formats.medical.dicom_kinds import DICOM_INDEX
from segdata.formats.shared.pairing import images_folder
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource, relative_path
from segdata.formats.shared.taxonomies import CategoryNames


class DicomObject(Protocol):
    """A DICOM object that was made on images."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def images(self) -> tuple[str, ...]:
        """UIDs of the referenced images."""

    @property
    def defects(self) -> tuple[Defect, ...]:
        """Its defects."""


O = TypeVar("O", bound=DicomObject)  # noqa: E741  # an object
P = TypeVar("P")  # a piece of it, a frame or a contour


@dataclass
class DicomSlice(Generic[O, P]):
    """A slice.

    Attributes
    ----------
    image_id : of the image
    size : height and width
    image : its file; None if it was not found
    uid : of the image; empty if unknown
    sequence, frame : its place in the volume
    pieces : of each object that refers to this slice, also of one without pieces on it
    """

    image_id: str
    size: tuple[int, int]
    image: DicomImage | None = None
    uid: str = ""
    sequence: str | None = None
    frame: int | None = None
    pieces: list[tuple[O, list[P]]] = field(default_factory=list)

    @property
    def entry(self) -> ImageEntry:
        """The image of the slice."""
        return ImageEntry(
            self.image_id,
            record=self if self.pieces else None,
            size=(0, 0) if self.pieces else self.size,
            uri=None if self.image is None else self.image.path.absolute().as_uri(),  # no picture that Pillow opens
            source_id=self.uid or None,
            sequence=self.sequence,
            frame=self.frame,
            group=None if self.image is None else self.image.patient,
        )


@dataclass
class DicomSlices(ABC, Generic[O, P]):
    """All slices of a dataset.

    Attributes
    ----------
    by_id : by image id
    sequences : the volumes
    defects : contradictions, images that were not found
    """

    by_id: dict[str, DicomSlice[O, P]] = field(default_factory=dict)
    sequences: list[ImageSequence] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)

    @abstractmethod
    def place(self, object_: O, all_series: Sequence[Series], searched: Path) -> None:
        """Put the pieces of an object on the slices of its images; `searched` is the folder to name in messages."""

    def add(self, series: Series) -> None:
        """Add all slices of a series, unless they have been added."""
        if series.images[0].name in self.by_id:
            return
        if series.name is not None:
            self.sequences.append(series.sequence)
        for number, image in zip(series.numbers, series.images, strict=True):
            self.by_id[image.name] = DicomSlice(image.name, image.size, image, image.uid, series.name, number)

    @property
    def entries(self) -> list[ImageEntry]:
        """The images, in the order of their ids."""
        return [slice_.entry for _, slice_ in sorted(self.by_id.items())]

    @property
    def first_slice(self) -> dict[str, str]:
        """Object -> its first image, where defects of the whole object are reported."""
        first_of: dict[str, str] = {}
        for image_id, slice_ in sorted(self.by_id.items()):
            for object_, _ in slice_.pieces:
                first_of.setdefault(object_.name, image_id)
        return first_of

    def annotators(self, annotators: Mapping[str, str | None]) -> dict[str, str | None]:
        """The annotator of each object; with its file name if another object on the images has the same."""
        ambiguous: set[str] = set()
        for slice_ in self.by_id.values():
            names = [object_.name for object_, _ in slice_.pieces]
            ambiguous |= {a for a in names for b in names if a != b and annotators[a] == annotators[b]}
        return {
            name: " ".join(filter(None, [who, PurePosixPath(name).stem])) if name in ambiguous else who
            for name, who in annotators.items()
        }


SOURCES = {"AUTOMATIC": "model", "MANUAL": "human"}  # what the third kind, SEMIAUTOMATIC, is nobody can say


@dataclass(frozen=True)
class ObjectReader(Generic[O, P]):
    """The objects of a dataset.

    Attributes
    ----------
    format, what : the name of the format, and what messages call an object
    objects : the readable ones
    slices : with the pieces of objects on them
    indexed : their index entries, by name
    """

    format: str
    what: str
    slices: DicomSlices[O, P]
    objects: list[O] = field(default_factory=list)
    indexed: dict[str, DicomIndexFile] = field(default_factory=dict)

    def open(self, request: ReadRequest, kinds: Sequence[str], parse: Callable[[Path, str], O]) -> None:
        """Find all of these kinds, and place them; raises UnreadableError if there is neither one nor an index."""
        if not request.root.exists():
            raise UnreadableError(f"{request.root}: does not exist")
        folder = scan_folder(request.root, kinds, images_folder(request))
        index = lexists(folder.root / DICOM_INDEX)
        if not folder.objects and not index:
            raise UnreadableError(f"{request.root}: no DICOM {self.what}")
        for path in folder.objects:
            name = relative_path(folder.root, path)
            try:
                self.objects.append(parse(path, name))
            except OSError as error:
                message = f"{self.what} cannot be read: {error.strerror or error}"
                folder.defects.append(Defect("SEG001", message, name))
        all_series = group_series(folder.images)
        if index:
            all_series, indexed = read_dicom_index(folder.root, folder.defects)
            self.indexed.update(indexed)
        present = {image.uid for series in all_series for image in series.images}
        for object_ in self.objects:
            self.slices.place(object_, all_series, folder.root)
            missing = [uid for uid in object_.images if uid not in present]
            if 0 < len(missing) < len(object_.images):
                count = f"{len(missing):,} of the {len(object_.images):,} referenced images were not found"
                self.slices.defects.append(Defect("SEG002", f"{count}, for example UID {missing[0]}", object_.name))
        for series in all_series if index else ():
            self.slices.add(series)
        self.slices.defects += folder.defects

    def meanings(self, naming: CategoryNames) -> "SegmentMeanings":
        """The meaning of their segments by the index."""
        return SegmentMeanings(naming, indexed_segments(self.indexed, naming, self.slices.defects))

    def annotators(self, named: Callable[[O], str | None]) -> dict[str, str | None]:
        """The annotator of each object, by the index, else by the object."""
        annotators = {
            object_.name: self.indexed[object_.name].annotator if object_.name in self.indexed else named(object_)
            for object_ in self.objects
        }
        return self.slices.annotators(annotators)

    def source(
        self,
        request: ReadRequest,
        naming: CategoryNames,
        rule: RasterRule,
        look: Callable[[ImageEntry], Sequence[ImageAnnotation]],
    ) -> PerImageSource:
        """The slices of the dataset, opened."""
        profile = Profile(
            name=request.root.stem,
            format=self.format,
            task="instance",
            taxonomy=naming.taxonomy,
            taxonomy_declared=naming.declared,
            coverage=Policy("sparse"),
            overlap=Policy("allow"),
            raster_rule=rule,
            files=str(request.root),
            metadata=naming.metadata,
            sequences=tuple(self.slices.sequences),
        )
        defects = (*(defect for object_ in self.objects for defect in object_.defects), *self.slices.defects)
        return PerImageSource(
            request.root, profile, self.slices.entries, defects, look, request.annotator, 64, self.what
        )


@dataclass(frozen=True, slots=True)
class SegmentMeanings:
    """The meaning of segments: by an index of object and number, else by the object."""

    naming: CategoryNames
    kept: Mapping[tuple[str, int], DicomIndexSegment]

    def segment_id(self, name: str, number: int) -> int:
        """The id of a segment."""
        kept = self.kept.get((name, number))
        return number if kept is None or kept.segment is None else kept.segment

    def category(self, name: str, number: int, label: str) -> int:
        """The category of a segment with this label."""
        kept = self.kept.get((name, number))
        return self.naming.to[label] if kept is None or not self.naming.declared else kept.category

    def track(self, name: str, number: int, otherwise: int | None) -> int | None:
        """The track of a segment."""
        kept = self.kept.get((name, number))
        return otherwise if kept is None else kept.track
