"""DAVIS files: where masks and images lie, which videos belong to which split, and what meta.json says of objects."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import msgspec

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.core.runs import Ints
from segdata.formats.shared.per_image import relative_path
from segdata.formats.video.davisnames import IMAGES, MASKS, META, SETS, SIZES
from segdata.formats.video.footage import Footage, first_folder
from segdata.formats.video.spots import Spot, file_name

_NUMBER = re.compile("[1-9][0-9]{0,2}")


class MetaObject(msgspec.Struct):
    """An object of a video: its category, and the frames that show it."""

    category: str
    frames: list[str] = []


class MetaVideo(msgspec.Struct):
    """A video: its objects by number."""

    objects: dict[str, MetaObject]


class Meta(msgspec.Struct):
    """What meta.json of YouTube-VOS says."""

    videos: dict[str, MetaVideo]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one set of videos lies.

    Attributes
    ----------
    root : the folder of ImageSets and meta.json
    footage : the videos
    """

    root: Path
    footage: Footage


def places(root: Path, images: Path | None, chosen: str) -> list[Place]:
    """The sets of videos in a dataset; several where a folder has them by split.

    `chosen` is the folder of the masks below the root. Raises UnreadableError where several are there and none is
    chosen.
    """
    if not root.is_dir():
        raise UnreadableError(f"{root}: is no folder; DAVIS has {MASKS[0]}/480p/<sequence>/00000.png")
    above = [path for path in sorted(root.iterdir()) if any((path / name).is_dir() for name in MASKS)]
    if above and not any((root / name).is_dir() for name in MASKS):
        return [
            Place(each, Footage(*_folders(each, images and images / each.name, chosen), each.name, f"{each.name}/"))
            for each in above
        ]
    return [Place(root, Footage(*_folders(root, images, chosen)))]


def _folders(root: Path, images: Path | None, chosen: str) -> tuple[Path, Path | None]:
    """The folders of the masks and of the images."""
    found = [root / chosen] if chosen else _mask_folders(root)
    if len(found) > 1:
        listed = ", ".join(path.relative_to(root).as_posix() for path in found)
        raise UnreadableError(
            f"{root}: masks are in {listed}; give one by the option masks={found[0].relative_to(root)}"
        )
    masks = found[0] if found else root
    if not masks.is_dir():
        raise UnreadableError(f"{masks}: no such folder of masks")
    size = masks.name if masks.name in SIZES else ""
    return masks, images or first_folder(root / IMAGES / size, root / IMAGES)


def _mask_folders(root: Path) -> list[Path]:
    """The folders that hold sequences of masks: one for each size, where there are sizes."""
    found = []
    for folder in (root / name for name in MASKS):
        if folder.is_dir():
            found += [folder / size for size in SIZES if (folder / size).is_dir()] or [folder]
    return found


def year_of_sets(root: Path) -> int | None:
    """The year that ImageSets tell of; of 2016 are those by size. None where there are none.

    The packages of 2017 hold the lists of 2016 too.
    """
    names = {path.name for path in (root / SETS).iterdir() if path.is_dir()} if (root / SETS).is_dir() else set()
    if names & {"2017", "2019"}:
        return 2017
    return 2016 if names & {"2016", *SIZES} else None


def splits(root: Path, year: int) -> dict[str, str]:
    """Sequence -> split, by ImageSets; the first list of a sequence counts, `trainval` never."""
    found: dict[str, str] = {}
    years = ("2017", "2019") if year == 2017 else ("2016", *SIZES)
    lists = [path for name in years for path in sorted((root / SETS / name).glob("*.txt"))]
    for path in lists:
        if path.stem != "trainval":
            for sequence in _listed(path):
                found.setdefault(sequence, path.stem)
    return found


def _listed(path: Path) -> list[str]:
    """The sequences in a list; those of 2016 name the files of every frame. One that cannot be read tells nothing."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    first = [(line.strip(), line.split()[0]) for line in lines if line.strip()]
    return [PurePosixPath(word).parent.name if "/" in word else line for line, word in first]


def read_meta(root: Path, folder: Path, defects: list[Defect]) -> Mapping[str, Mapping[int, str]]:
    """Sequence -> number of an object -> its category; empty where there is no meta.json."""
    path = folder / META
    if not path.is_file():
        return {}
    try:
        meta = msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=Meta)
    except msgspec.ValidationError as error:
        defects.append(Defect("SEG004", f"{error}; categories are not known", relative_path(root, path)))
        return {}
    except (OSError, ValueError, RecursionError) as error:
        defects.append(Defect("SEG001", f"is not JSON: {error}; categories are not known", relative_path(root, path)))
        return {}
    return {
        name: {int(number): each.category for number, each in video.objects.items() if _NUMBER.fullmatch(number)}
        for name, video in meta.videos.items()
    }


@dataclass(slots=True)
class SetWriter:
    """Collects what ImageSets and meta.json have to say.

    Attributes
    ----------
    target : the dataset
    names : category id -> name; empty: there is no meta.json
    """

    target: Path
    names: Mapping[int, str]
    _videos: dict[str, dict[int, tuple[str, list[int]]]] = field(default_factory=dict)
    _lists: dict[str, set[str]] = field(default_factory=dict)

    def add(self, spot: Spot, number: Ints, category: Ints) -> None:
        """The objects (k,) of a frame, and their categories."""
        self._lists.setdefault(spot.split or "train", set()).add(spot.folder)
        for one, id_ in zip(number.tolist(), category.tolist(), strict=True) if self.names else ():
            objects = self._videos.setdefault(spot.folder, {})
            objects.setdefault(one, (self.names[id_], []))[1].append(spot.number)

    def write(self) -> None:
        """Write the files."""
        sets = self.target / SETS / "2017"
        sets.mkdir(parents=True)
        for split, folders in self._lists.items():
            lines = "".join(f"{folder}\n" for folder in sorted(folders))
            (sets / f"{file_name(split)}.txt").write_text(lines, encoding="utf-8", newline="\n")
        if self.names:
            videos = {
                folder: MetaVideo(
                    {
                        str(number): MetaObject(name, [f"{frame:05d}" for frame in sorted(frames)])
                        for number, (name, frames) in sorted(objects.items())
                    }
                )
                for folder, objects in sorted(self._videos.items())
            }
            text = msgspec.json.format(msgspec.json.encode(Meta(videos)), indent=1)
            (self.target / META).write_bytes(text + b"\n")
