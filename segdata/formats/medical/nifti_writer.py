"""NIfTI writer: volumes of categories or instances below `labels/`, and the index that says what their slices are."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec

from segdata.core.batch import Batch
from segdata.core.config import InstanceIds
from segdata.core.errors import SegdataError, check_choice
from segdata.core.format import LossCounter, LossKind
from segdata.core.paths import is_unsafe_path, relative_channels, relative_uri
from segdata.core.profile import ImageSequence, Profile
from segdata.core.taxonomy import Taxonomy
from segdata.formats.medical.nifti_header import VolumePlace, is_nifti_name, nifti_stem, read_header, volume_sequence
from segdata.formats.medical.nifti_layout import (
    VolumeIndexEntry,
    VolumeIndexImage,
    VolumeIndexLabel,
    write_volume_index,
)
from segdata.formats.medical.nifti_painting import (
    TABLE,
    ImageStack,
    InstancePainter,
    Layering,
    PaintedImage,
    choose_layering,
    paint_categories,
    stack_images,
)
from segdata.formats.medical.nifti_voxels import source_header, write_volume
from segdata.formats.shared.count_losses import count_losses
from segdata.formats.shared.taxonomies import table_names, write_sidecars


class _VolumeWriter:
    """Writes stacks below a folder, each layer a file."""

    def __init__(self, target: Path, profile: Profile, layering: Layering, losses: LossCounter) -> None:
        self._target, self._layering, self._losses = target, layering, losses
        self._sequences = {sequence.name: sequence for sequence in profile.sequences}
        self._taken: set[str] = set()

    def save(self, stack: ImageStack) -> VolumeIndexEntry:
        """Write the files of one volume; the line of the index."""
        sequence = self._sequences.get(stack.sequence or "")
        called = self._layering.files.get(stack.name, {})
        head = source_header(self._sequences.get(next(iter(called.values()), "")) or sequence)
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
            labels.append(VolumeIndexLabel(name, called.get(layer, ""), layer))
        return VolumeIndexEntry(
            tuple(index_image(place, image, self._target) for place, image in zip(places, stack.pictures, strict=True)),
            tuple(labels),
            stack.sequence,
            sequence.kind if sequence is not None else "volume",
            place=index_place(stack, sequence, self._target / labels[0].file if labels else None),
        )

    def _is_written(self, stack: ImageStack, row: int, layer: str) -> bool:
        """Whether a layer has a file: it had one, it has any pixel, or it is the only one."""
        if not stack.annotated:
            return False
        if layer in self._layering.files.get(stack.name, {}):
            return True
        has_pixels = any(
            (image.layers[row] != self._layering.blank).any() for image in stack.pictures if image.annotated
        )
        return has_pixels or (row == 0 and not self._layering.files.get(stack.name))

    def _name(self, volume: str, layer: str, called: str | None) -> str:
        """The path of a file below the target; raises SegdataError for a name that leaves it."""
        if is_unsafe_path(volume):
            raise SegdataError(f"{volume!r} leaves the dataset's root, so its labels have no place")
        path = PurePosixPath("labels", volume)
        if called is not None:
            path = path.with_name(PurePosixPath(called).name)
        elif layer:
            path = path.with_name(f"{nifti_stem(path.name)}_{layer}{path.name[len(nifti_stem(path.name)) :]}")
        name = path.as_posix() if is_nifti_name(path.name) else f"{path.as_posix()}.nii.gz"
        if name.lower() in self._taken:  # names that some file systems take for the same
            name = f"{nifti_stem(name)}.{len(self._taken)}{name[len(nifti_stem(name)) :]}"
        self._taken.add(name.lower())
        return name


def index_place(stack: ImageStack, sequence: ImageSequence | None, path: Path | None) -> VolumePlace | None:
    """The place of a volume for the index, if the header of its labels gives another one."""
    if stack.sequence is None:
        return None
    head = None if path is None else read_header(path)
    stored = ImageSequence(stack.sequence) if head is None else volume_sequence(stack.sequence, head)
    place = VolumePlace() if sequence is None else VolumePlace.of(sequence)
    return place if place != VolumePlace.of(stored) and place.fits(head) else None


def index_image(place: int, picture: PaintedImage, target: Path) -> VolumeIndexImage:
    """The line of an image in the index; its size is given if no label file gives it."""
    height, width = (0, 0) if picture.annotated else (picture.height, picture.width)
    channels = relative_channels(picture.channels, target)
    return VolumeIndexImage(
        picture.image_id,
        place,
        picture.frame,
        relative_uri(picture.uri, target),
        picture.annotated,
        width,
        height,
        channels,
    )


_HELD_COLUMNS = frozenset({"images.channels", "images.frame", "images.sequence"})  # by the index


def write_nifti(
    profile: Profile,
    batches: Iterable[Batch],
    target: Path,
    losses: LossCounter,
    kinds: frozenset[LossKind],
    *,
    values: str | None = None,
) -> None:
    """Write the volumes, and beside them what they do not hold."""
    by = values or ("category" if profile.task == "semantic" else "instance")
    check_choice("values", by, ("category", "instance"))
    counted = (_count_batch_losses(batch, losses, by, kinds) for batch in batches)
    target.mkdir(parents=True)
    if by == "category":
        layering = choose_layering(profile)
        folder = _VolumeWriter(target, profile, layering, losses)
        volumes = [folder.save(stack) for stack in stack_images(paint_categories(counted, layering, losses))]
        write_sidecars(target, profile, _with_blank(profile.taxonomy, layering.blank))
    else:
        layering = Layering(("",), {})
        folder = _VolumeWriter(target, profile, layering, losses)
        painter = InstancePainter(table_names(profile.taxonomy), losses)
        volumes = [folder.save(stack) for stack in stack_images(painter.pictures(counted))]
        painter.write_table(target / TABLE)
        write_sidecars(target, profile, profile.taxonomy, InstanceIds(table=TABLE))
    write_volume_index(target, volumes, layering.index())


def _count_batch_losses(batch: Batch, losses: LossCounter, by: str, kinds: frozenset[LossKind]) -> Batch:
    """The batch, after counting what volumes cannot hold (the painter counts tracks and crowd flags of instances)."""
    count_losses(batch, losses, kinds if by == "category" else kinds - {"crowd", "track"}, _HELD_COLUMNS)
    return batch


def _with_blank(taxonomy: Taxonomy, blank: int) -> Taxonomy:
    """The taxonomy with the unlabelled value, if that is not 0."""
    return taxonomy if blank == 0 else msgspec.structs.replace(taxonomy, unlabelled=blank)
