"""Volume folder: stacks written as NIfTI files below `labels/`, and the index that says what their slices are."""

from pathlib import Path, PurePosixPath

from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter
from segdata.core.paths import is_unsafe_path, relative_channels, relative_uri
from segdata.core.profile import ImageSequence, Profile
from segdata.formats.medical.nifti.head import is_volume, read_head, stem
from segdata.formats.medical.nifti.index import IndexImage, IndexLabel, IndexVolume
from segdata.formats.medical.nifti.layering import Layering
from segdata.formats.medical.nifti.place import Place, volume_sequence
from segdata.formats.medical.nifti.stack import Picture, Stack
from segdata.formats.medical.nifti.writing import head_of, write_volume


class VolumeFolder:
    """Writes stacks below a folder, each layer a file."""

    def __init__(self, target: Path, profile: Profile, layering: Layering, losses: LossCounter) -> None:
        self._target, self._layering, self._losses = target, layering, losses
        self._sequences = {each.name: each for each in profile.sequences}
        self._taken: set[str] = set()

    def save(self, stack: Stack) -> IndexVolume:
        """Write the files of one volume; the line of the index."""
        sequence = self._sequences.get(stack.sequence or "")
        called = self._layering.files.get(stack.name, {})
        head = head_of(self._sequences.get(next(iter(called.values()), "")) or sequence)
        places = stack.places(head.shape[2] if head is not None else None)
        n_slices = head.shape[2] if head is not None and max(places) < head.shape[2] else max(places) + 1
        labels = []
        for row, layer in enumerate(self._layering.layers):
            if not self._is_written(stack, row, layer):
                continue
            source = self._sequences.get(called.get(layer, ""), sequence)
            name = self._name(stack.name, layer, called.get(layer))
            slices = stack.slices(row, places, n_slices, self._layering.blank)
            if not write_volume(self._target / name, slices, source) and row == 0:
                self._losses.add("spatial", "sequences", 1, examples=[stack.name])
            labels.append(IndexLabel(name, called.get(layer, ""), layer))
        return IndexVolume(
            tuple(index_image(place, each, self._target) for place, each in zip(places, stack.pictures, strict=True)),
            tuple(labels),
            stack.sequence,
            sequence.kind if sequence is not None else "volume",
            place=place_beside(stack, sequence, self._target / labels[0].file if labels else None),
        )

    def _is_written(self, stack: Stack, row: int, layer: str) -> bool:
        """Whether a layer has a file: it had one, it has any pixel, or it is the only one."""
        if not stack.annotated:
            return False
        if layer in self._layering.files.get(stack.name, {}):
            return True
        drawn = any((each.layers[row] != self._layering.blank).any() for each in stack.pictures if each.annotated)
        return drawn or (row == 0 and not self._layering.files.get(stack.name))

    def _name(self, volume: str, layer: str, called: str | None) -> str:
        """The path of a file below the target; raises SegdataError for a name that leaves it."""
        if is_unsafe_path(volume):
            raise SegdataError(f"{volume!r} leaves the dataset's root, so its labels have no place")
        path = PurePosixPath("labels", volume)
        if called is not None:
            path = path.with_name(PurePosixPath(called).name)
        elif layer:
            path = path.with_name(f"{stem(path.name)}_{layer}{path.name[len(stem(path.name)) :]}")
        name = path.as_posix() if is_volume(path.name) else f"{path.as_posix()}.nii.gz"
        if name.lower() in self._taken:  # names that some file systems take for the same
            name = f"{stem(name)}.{len(self._taken)}{name[len(stem(name)) :]}"
        self._taken.add(name.lower())
        return name


def place_beside(stack: Stack, sequence: ImageSequence | None, path: Path | None) -> Place | None:
    """What the index has to say of where a volume lies, because the header of its labels says something else."""
    if stack.sequence is None:
        return None
    head = None if path is None else read_head(path)
    said = ImageSequence(stack.sequence) if head is None else volume_sequence(stack.sequence, head)
    place = Place() if sequence is None else Place.of(sequence)
    return place if place != Place.of(said) and place.fits(head) else None


def index_image(place: int, picture: Picture, target: Path) -> IndexImage:
    """The line of an image in the index; its size is said where no file of labels tells it."""
    height, width = (0, 0) if picture.annotated else (picture.height, picture.width)
    channels = relative_channels(picture.channels, target)
    return IndexImage(
        picture.image_id,
        place,
        picture.frame,
        relative_uri(picture.uri, target),
        picture.annotated,
        width,
        height,
        channels,
    )
