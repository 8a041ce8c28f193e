"""Open volumes: the reels of a dataset of NIfTI files, their headers, and what the headers contradict each other in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segdata.core.errors import SegdataError, UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.formats.medical.nifti.files import LabelFile, Scan, scans
from segdata.formats.medical.nifti.head import Head, read_head
from segdata.formats.medical.nifti.index import INDEX, read_index
from segdata.formats.medical.nifti.place import TOLERANCE_MM, differences
from segdata.formats.medical.nifti.reel import Reel, reel_of
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import images_folder, no_images_defect
from segdata.formats.shared.per_image import relative_path

_UNPLACED = (
    "the header says nothing about orientation (qform_code and sform_code are 0): which side is left, and whether "
    "other volumes are flipped against this one, cannot be told"
)

_MASK = re.compile(r"(^|[/_-])(masks?|labels?|annotations?|seg|gt|derivatives)(?=[/_.-])", re.IGNORECASE)


@dataclass
class OpenVolumes:
    """What a dataset of volumes consists of.

    Attributes
    ----------
    root : where paths in messages start
    reels : the volumes that can be read, or wait for labels
    heads : of each file of labels, by its name
    layers : layer -> value -> category id, where an index says that they differ
    defects : met in headers and names
    """

    root: Path
    reels: list[Reel] = field(default_factory=list)
    heads: dict[str, Head] = field(default_factory=dict)
    layers: dict[str, dict[int, int]] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)

    @property
    def labels(self) -> list[LabelFile]:
        """The files of labels of all reels."""
        return [label for reel in self.reels for label in reel.labels]

    def head(self, path: Path, is_image: bool = False) -> Head | None:
        """The header of a file; None, and a defect, where it has none. Images may have more than three dimensions."""
        file = relative_path(self.root, path)
        try:
            return read_head(path, is_image)
        except FileNotFoundError:
            self.defects.append(Defect("SEG002", "the volume does not exist", file))
        except OSError as error:
            self.defects.append(Defect("SEG001", f"volume cannot be read: {error.strerror or error}", file))
        return None

    def image(self, channels: Sequence[Path]) -> Head | None:
        """The header of an image, of which the channels must lie in one place."""
        heads = [(path, head) for path in channels if (head := self.head(path, is_image=True)) is not None]
        for path, head in heads[1:]:
            said = differences(head, heads[0][1], "first channel") if head.shape == heads[0][1].shape else _size(head)
            if said is not None:
                message = f"the channel does not lie where the first one does: {said}"
                self.defects.append(Defect("SEG017", message, relative_path(self.root, path)))
        return heads[0][1] if heads else None

    def shape(self, path: Path | None) -> tuple[int, int, int] | None:
        """Columns, rows and slices of a file; None, and a defect, where that cannot be told."""
        head = None if path is None else self.head(path)
        return None if head is None else head.shape

    def take(self, reel: Reel, image: Head | None) -> None:
        """Add a reel with those of its files that can be read and have one shape."""
        kept: list[LabelFile] = []
        drawn: set[tuple[str, str | None]] = set()
        for label in reel.labels:
            head = self.head(label.path)
            if head is None:
                continue
            first = self.heads[kept[0].name] if kept else None
            file = relative_path(self.root, label.path)
            other, what = (image, "image") if image or not kept else (first, f"labels in {kept[0].path.name}")
            self.defects += _contradictions(file, head, other, what)
            if not head.is_placed and reel.sequence is not None and reel.place is None:
                self.defects.append(Defect("SEG017", _UNPLACED, file, severity="warning"))
            if (label.layer, label.annotator) in drawn:
                message = f"a second volume of labels for {reel.name!r}; the first one is read"
                self.defects.append(Defect("SEG008", message, file))
            elif first is None or first.shape == head.shape:
                kept.append(label)
                drawn.add((label.layer, label.annotator))
                self.heads[label.name] = head
        self.reels.append(replace(reel, labels=tuple(kept)))


def open_volumes(request: ReadRequest) -> OpenVolumes:
    """The volumes that a request asks for; raises UnreadableError where there is none."""
    if not request.root.exists():
        raise UnreadableError(f"{request.root}: does not exist")
    found = OpenVolumes(request.root)
    if request.root.is_dir() and (request.root / INDEX).is_file():
        reels, found.layers = read_index(request.root, found.defects)
        for reel in reels:
            found.take(reel, None)
        return found
    every = scans(request.root, images_folder(request), _reader(request))
    found.defects += _masks_beside(request.root)
    if not every:
        raise UnreadableError(f"{request.root}: no volumes; NIfTI files end in .nii or .nii.gz")
    for scan in every:
        _take(found, scan)
    found.defects += _alone(found.root, every, request)
    return found


def _masks_beside(root: Path) -> list[Defect]:
    """SEG011 for image files that are called as masks are: only volumes are read."""
    names = list(ImageFolder.below(root).paths) if root.is_dir() else []
    masks = [name for name in names if _MASK.search(name)]
    if not masks:
        return []
    folders = sorted({name.partition("/")[0] for name in masks if "/" in name})
    where = f": give {' or '.join(folders[:3])} as DATA to read them" if folders else ""
    message = f"{count_noun(len(masks), 'image file')} called as masks are, as {masks[0]}, and not read beside volumes"
    return [Defect("SEG011", message + where, severity="warning")]


def _take(found: OpenVolumes, scan: Scan) -> None:
    """Add a volume that was found by its name."""
    image = None if scan.image is None else found.head(scan.image, is_image=True)
    heads = [_quietly(label.path) for label in scan.labels]
    shape = next((head.shape for head in (*heads, image) if head is not None), None)
    if shape is None:
        for label in scan.labels:
            found.head(label.path)
        return
    columns, rows, n_slices = shape
    found.take(reel_of(scan, n_slices, (rows, columns)), image)


def _quietly(path: Path) -> Head | None:
    try:
        return read_head(path)
    except OSError:
        return None


def _contradictions(file: str, head: Head, other: Head | None, what: str) -> list[Defect]:
    """In what a volume of labels contradicts another one, its image if possible, or itself."""
    found = []
    if other is not None and other.shape != head.shape:
        found.append(Defect("SEG003", f"labels of {_size(head)} voxels, the {what} of {_size(other)}", file))
    elif other is not None and (said := differences(head, other, what)) is not None:
        found.append(Defect("SEG017", said, file))
    if head.apart > TOLERANCE_MM:
        message = f"qform and sform place the volume {head.apart:.4g} mm apart; the sform is taken"
        found.append(Defect("SEG017", message, file, severity="warning"))
    return found


def _size(head: Head) -> str:
    return "x".join(map(str, head.shape))


def _alone(root: Path, every: list[Scan], request: ReadRequest) -> list[Defect]:
    """SEG011 for what has no counterpart; where no image is here at all, one information."""
    if not any(scan.image for scan in every):
        return [no_images_defect(len(every), root, images_folder(request))]
    found = []
    for scan in every:
        if scan.image is None:
            found += [
                Defect("SEG011", "labels without image", relative_path(root, label.path)) for label in scan.labels
            ]
        elif not scan.labels:
            found.append(Defect("SEG011", "an image without labels", relative_path(root, scan.image)))
    return found


def _reader(request: ReadRequest) -> re.Pattern[str] | None:
    """The pattern that finds, in the name of a file of labels, who drew it; raises SegdataError for none."""
    said = request.options.get("annotator")
    if said is None:
        return None
    try:
        return re.compile(str(said))
    except re.error as error:
        raise SegdataError(f"annotator is {said!r}, which is no regular expression: {error}") from error
