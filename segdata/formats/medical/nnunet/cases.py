"""Cases of nnU-Net: `imagesTr/<case>_0000<ending>`, `_0001` … for the channels, and `labelsTr/<case><ending>`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segdata.core.finding import Defect
from segdata.core.paths import check_path_name, is_unsafe_path
from segdata.formats.medical.nifti.head import stem
from segdata.formats.medical.nnunet.datasetjson import NAME, DatasetJson
from segdata.formats.shared.per_image import relative_path

_FOLDERS = (("train", "imagesTr", "labelsTr"), ("val", "imagesVal", "labelsVal"), ("test", "imagesTs", "labelsTs"))


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes
    ----------
    name : with the ending
    split : by its folder
    images : of each channel its file; None for one that is not here
    label : its labels; None where nobody worked on it
    """

    name: str
    split: str
    images: tuple[Path | None, ...] = ()
    label: Path | None = None

    @property
    def image(self) -> Path | None:
        """The file of the first channel that is here."""
        return next((each for each in self.images if each is not None), None)


def cases_of(root: Path, said: DatasetJson, defects: list[Defect]) -> list[Case]:
    """The cases of a dataset, by name; those that its dataset.json lists, else those in its folders."""
    found = list(_listed(root, said, defects) if said.cases else _in_folders(root, said, defects))
    n_training = sum(case.split == "train" for case in found)
    if said.n_training is not None and said.n_training != n_training:
        message = f"numTraining is {said.n_training}, there are {n_training} training cases; nnU-Net refuses it"
        defects.append(Defect("SEG004", message, NAME, "/numTraining"))
    return sorted(found, key=lambda case: case.name)


def _listed(root: Path, said: DatasetJson, defects: list[Defect]) -> Iterator[Case]:
    """The cases that dataset.json lists; images may be anywhere, labels and what is relative below the root alone."""
    missing: list[Defect] = []
    n_images = 0
    for name, (images, label) in said.cases.items():
        place = f"/dataset/{name}"
        unsafe = [each for each in (name, label) if is_unsafe_path(each)]
        unsafe += [each for each in images if is_unsafe_path(each) and not Path(each).is_absolute()]
        if unsafe:
            message = f"path {unsafe[0]!r} leaves the dataset's root; name files below it"
            defects.append(Defect("SEG015", message, NAME, place))
            continue
        path = root / label
        if not path.is_file():
            defects.append(Defect("SEG002", f"the labels {label!r} do not exist", NAME, place))
        n_images += len(images)
        gone = [each for each in images if not (root / each).is_file()]
        missing += [Defect("SEG002", f"image file {each!r} does not exist", NAME, place) for each in gone]
        yield Case(name + said.ending, "train", tuple(root / each for each in images), path if path.is_file() else None)
    if missing and len(missing) == n_images:
        message = f"none of the {n_images:,} image files is where dataset.json says"
        missing = [Defect("SEG002", message, NAME, "/dataset", severity="info")]
    defects += missing


def _in_folders(root: Path, said: DatasetJson, defects: list[Defect]) -> Iterator[Case]:
    ending = re.escape(said.ending)
    taken: set[str] = set()
    for split, image_folder, label_folder in _FOLDERS:
        channels: dict[str, dict[int, Path]] = {}
        files = _files(root / image_folder)
        numbered = re.compile(rf"(.+)_(\d{{4}}){ending}")
        if not any(numbered.fullmatch(path.name) for path in files):  # the Decathlon has all channels in one file
            numbered = re.compile(rf"(.+)(){ending}")
        for path in files:
            match = numbered.fullmatch(path.name)
            if match is None:
                message = f"the name does not end in a channel and {said.ending!r}, as {'case_0000' + said.ending!r}"
                defects.append(Defect("SEG011", message, relative_path(root, path)))
            else:
                channels.setdefault(match[1], {})[int(match[2] or 0)] = path
        labels: dict[str, Path] = {}
        for path in _files(root / label_folder):
            if path.name.endswith(said.ending):
                labels[path.name.removesuffix(said.ending)] = path
            else:
                defects.append(Defect("SEG011", f"the name does not end in {said.ending!r}", relative_path(root, path)))
        for case in sorted(channels.keys() | labels.keys()):
            images = channels.get(case, {})
            defects += _incomplete(root, case, images, labels.get(case), said, split)
            every = tuple(images.get(number) for number in range(max(images, default=-1) + 1))
            name = case if case not in taken else f"{image_folder}/{case}"
            taken.add(case)
            yield Case(name + said.ending, split, every, labels.get(case))


def _incomplete(
    root: Path, case: str, images: dict[int, Path], label: Path | None, said: DatasetJson, split: str
) -> Iterator[Defect]:
    """What a case lacks."""
    if not images and label is not None:
        yield Defect("SEG011", "labels without image", relative_path(root, label))
        return
    first = relative_path(root, next(iter(images.values())))
    if label is None and split == "train":
        yield Defect("SEG011", "an image without labels; nnU-Net refuses it", first)
    several = len(images) == 1 and re.search(r"_\d{4}$", stem(first)) is None
    if said.channels and len(said.channels) != len(images) and not several and not _is_rgb(said, images):
        lacking = [f"{number:04d}" for number in range(len(said.channels)) if number not in images]
        listed = f"; there is no {', '.join(lacking)}" if lacking else ""
        message = f"{len(images)} channels, dataset.json names {len(said.channels)}{listed}"
        yield Defect("SEG002", message, first)


def _is_rgb(said: DatasetJson, images: dict[int, Path]) -> bool:
    """One colour file stands for three channels."""
    return len(images) == 1 and len(said.channels) in (3, 4) and not said.ending.startswith(".nii")


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    found = [path for path in found if not path.name.startswith(".")]
    for path in found:
        check_path_name(path)
    return found
