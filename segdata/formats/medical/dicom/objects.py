"""Objects: the DICOM objects of one kind in a dataset, put on the slices of the images that they were made on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import lexists
from pathlib import Path
from typing import Generic, TypeVar

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.profile import Policy, Profile, RasterRule
from segdata.formats.medical.dicom.drawings import Drawings, Made
from segdata.formats.medical.dicom.files import open_folder
from segdata.formats.medical.dicom.index import IndexFile, IndexSegment, meanings, read_dicom_index
from segdata.formats.medical.dicom.kinds import INDEX
from segdata.formats.medical.dicom.slices import series_of
from segdata.formats.shared.pairing import images_folder
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource, relative_path
from segdata.formats.shared.taxonomies import CategoryNames

SOURCES = {"AUTOMATIC": "model", "MANUAL": "human"}  # what the third kind, SEMIAUTOMATIC, is nobody can say
O = TypeVar("O", bound=Made)  # noqa: E741  # an object
P = TypeVar("P")  # a piece of it


@dataclass(frozen=True)
class Objects(Generic[O, P]):
    """The objects of a dataset.

    Attributes
    ----------
    format, what : the name of the format, and what messages call an object
    found : those that can be read
    places : the slices, with what they have there
    indexed : what an index says of them, by name
    """

    format: str
    what: str
    places: Drawings[O, P]
    found: list[O] = field(default_factory=list)
    indexed: dict[str, IndexFile] = field(default_factory=dict)

    def open(self, request: ReadRequest, kinds: Sequence[str], parse: Callable[[Path, str], O]) -> None:
        """Find all of these kinds, and place them; raises UnreadableError where there is neither one nor an index."""
        if not request.root.exists():
            raise UnreadableError(f"{request.root}: does not exist")
        folder = open_folder(request.root, kinds, images_folder(request))
        index = lexists(folder.root / INDEX)
        if not folder.objects and not index:
            raise UnreadableError(f"{request.root}: no DICOM {self.what}")
        for path in folder.objects:
            name = relative_path(folder.root, path)
            try:
                self.found.append(parse(path, name))
            except OSError as error:
                message = f"{self.what} cannot be read: {error.strerror or error}"
                folder.defects.append(Defect("SEG001", message, name))
        every = series_of(folder.images)
        if index:
            every, indexed = read_dicom_index(folder.root, folder.defects)
            self.indexed.update(indexed)
        here = {image.uid for series in every for image in series.images}
        for each in self.found:
            self.places.place(each, every, folder.root)
            gone = [uid for uid in each.images if uid not in here]
            if 0 < len(gone) < len(each.images):
                count = f"{len(gone):,} of the {len(each.images):,} images that it was made on are not here"
                self.places.defects.append(Defect("SEG002", f"{count}, as that with the UID {gone[0]}", each.name))
        for series in every if index else ():
            self.places.add(series)
        self.places.defects += folder.defects

    def known(self, naming: CategoryNames) -> "Known":
        """What the index says of their segments."""
        return Known(naming, meanings(self.indexed, naming, self.places.defects))

    def annotators(self, named: Callable[[O], str | None]) -> dict[str, str | None]:
        """Who drew each object: as the index says, else as the object does."""
        said = {e.name: self.indexed[e.name].annotator if e.name in self.indexed else named(e) for e in self.found}
        return self.places.annotators(said)

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
            sequences=tuple(self.places.sequences),
        )
        defects = (*(defect for each in self.found for defect in each.defects), *self.places.defects)
        return PerImageSource(
            request.root, profile, self.places.entries, defects, look, request.annotator, 64, self.what
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What segments are: as an index says it, by object and number, else as the object does."""

    naming: CategoryNames
    kept: Mapping[tuple[str, int], IndexSegment]

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
