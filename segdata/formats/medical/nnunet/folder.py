"""nnU-Net folder: stacks written as cases, with the files of their images."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from segdata.core.errors import SegdataError
from segdata.core.format import LossCounter
from segdata.core.paths import is_unsafe_path, local_file, relative_uri
from segdata.core.profile import Profile
from segdata.formats.medical.nifti.folder import index_image, place_beside
from segdata.formats.medical.nifti.head import stem
from segdata.formats.medical.nifti.index import IndexLabel, IndexVolume
from segdata.formats.medical.nifti.stack import Picture, Stack
from segdata.formats.medical.nifti.writing import head_of, write_volume
from segdata.formats.shared.file_names import IMAGE_SUFFIXES

_LABELS = "labelsTr"


class NnunetFolder:
    """Writes stacks below `labelsTr/`.

    Attributes
    ----------
    cases : of those written, by name, the paths of images and labels
    """

    def __init__(self, target: Path, profile: Profile, ending: str, losses: LossCounter) -> None:
        self._target, self._ending, self._losses = target, ending, losses
        self._sequences = {each.name: each for each in profile.sequences}
        self._taken: set[str] = set()
        self.cases: dict[str, tuple[list[str], str]] = {}

    def save(self, stack: Stack) -> IndexVolume:
        """Write the labels of one case; the line of the index."""
        sequence = self._sequences.get(stack.sequence or "")
        head = head_of(sequence)
        places = stack.places(head.shape[2] if head is not None else None)
        labels: tuple[IndexLabel, ...] = ()
        path: Path | None = None
        if stack.annotated:
            case = self._name(stack.name)
            file = f"{_LABELS}/{case}{self._ending}"
            path = self._target / file
            n_slices = max(max(places) + 1, head.shape[2] if head is not None else 0)
            slices = stack.slices(0, places, n_slices, 0)
            if self._ending == ".png":
                path.parent.mkdir(parents=True, exist_ok=True)
                wide = int(slices[0].max(initial=0)) > np.iinfo(np.uint8).max
                Image.fromarray(slices[0].astype(np.uint16 if wide else np.uint8)).save(path)
            elif not write_volume(path, slices, sequence):
                self._losses.add("spatial", "sequences", 1, examples=[stack.name])
            images = [str(relative_uri(each, self._target)) for each in _images(stack.pictures)]
            self.cases[case] = images, file
            labels = (IndexLabel(file),)
        return IndexVolume(
            tuple(index_image(place, each, self._target) for place, each in zip(places, stack.pictures, strict=True)),
            labels,
            stack.sequence,
            sequence.kind if sequence is not None else "volume",
            place=place_beside(stack, sequence, path) if self._ending == ".nii.gz" else None,
        )

    def _name(self, name: str) -> str:
        """A name that files and nnU-Net can have: it makes files of it in folders of its own."""
        if is_unsafe_path(name):
            raise SegdataError(f"{name!r} leaves the dataset's root, so its labels have no place")
        path = PurePosixPath(stem(name))
        bare = path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path
        case = re.sub(r"[/\\:]", "__", bare.as_posix())
        if case.lower() in self._taken:
            case = f"{case}.{len(self._taken)}"
        self._taken.add(case.lower())
        return case


def _images(pictures: list[Picture]) -> list[str]:
    """The files of a case's images, a channel each; none where its slices lie in several files."""
    channels: list[list[Mapping[str, str | None]]] = [
        list(each.channels) if each.channels else [{"uri": each.uri}] for each in pictures
    ]
    files = {tuple(local_file(channel["uri"]) for channel in each) for each in channels}
    only = next(iter(files)) if len(files) == 1 else ()
    return [] if None in only else [str(each) for each in only]
