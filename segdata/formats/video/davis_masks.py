"""Read and write DAVIS masks: their folders, the splits of videos, and the objects of the values."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter
from segdata.core.paths import with_folder
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.file_names import spread_sample
from segdata.formats.shared.image_index import has_index
from segdata.formats.shared.image_names import images_folder
from segdata.formats.shared.mask_files import ValueMeanings, decode_mask, value_defects
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource, relative_path
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names, write_sidecars
from segdata.formats.shared.writing import voc_color
from segdata.formats.video import DAVIS_IMAGES, DAVIS_MASKS, DAVIS_META, DAVIS_SETS, DAVIS_SIZES, frame_masks
from segdata.formats.video.davis import LOSSES

_NUMBER = re.compile("[1-9][0-9]{0,2}")
_LAYOUT = f"DAVIS has {DAVIS_MASKS[0]}/480p/<sequence>/00000.png"


class _MetaObject(msgspec.Struct):
    """An object of a video: its category, and the frames that show it."""

    category: str
    frames: list[str] = []


class _MetaVideo(msgspec.Struct):
    """A video, with its objects by number."""

    objects: dict[str, _MetaObject]


class Meta(msgspec.Struct):
    """The content of meta.json of YouTube-VOS."""

    videos: dict[str, _MetaVideo]


@dataclass(frozen=True, slots=True)
class _DavisFolder:
    """The folders of one set of videos."""

    root: Path  # holds ImageSets and meta.json
    folders: frame_masks.FrameFolder  # the videos


def _find_folders(root: Path, images: Path | None, mask_option: str) -> list[_DavisFolder]:
    """Find the sets of videos in a dataset; several if it has a folder for each split.

    `mask_option` names the folder of the masks below the root. Raises UnreadableError for several without it.
    """
    if not root.is_dir():
        raise UnreadableError(f"{root}: is not a folder; {_LAYOUT}")
    above = [path for path in sorted(root.iterdir()) if any((path / name).is_dir() for name in DAVIS_MASKS)]
    if above and not any((root / name).is_dir() for name in DAVIS_MASKS):
        return [
            _DavisFolder(
                folder,
                frame_masks.FrameFolder(
                    *_mask_and_image_folder(folder, images and images / folder.name, mask_option),
                    folder.name,
                    f"{folder.name}/",
                ),
            )
            for folder in above
        ]
    return [_DavisFolder(root, frame_masks.FrameFolder(*_mask_and_image_folder(root, images, mask_option)))]


def _mask_and_image_folder(root: Path, images: Path | None, mask_option: str) -> tuple[Path, Path | None]:
    folders = [root / mask_option] if mask_option else _mask_folders(root)
    if len(folders) > 1:
        names = ", ".join(path.relative_to(root).as_posix() for path in folders)
        raise UnreadableError(
            f"{root}: masks are in {names}; choose one with the option masks={folders[0].relative_to(root)}"
        )
    masks = folders[0] if folders else root
    if not masks.is_dir():
        raise UnreadableError(f"{masks}: no such mask folder")
    size = masks.name if masks.name in DAVIS_SIZES else ""
    return masks, images or frame_masks.first_folder(root / DAVIS_IMAGES / size, root / DAVIS_IMAGES)


def _mask_folders(root: Path) -> list[Path]:
    """The folders that hold sequences of masks, one for each size if there are sizes."""
    folders = []
    for folder in (root / name for name in DAVIS_MASKS):
        if folder.is_dir():
            folders += [folder / size for size in DAVIS_SIZES if (folder / size).is_dir()] or [folder]
    return folders


def _year_of_sets(root: Path) -> int | None:
    """The year of ImageSets (lists by size are of 2016); None if there are no lists.

    The packages of 2017 hold the lists of 2016 too.
    """
    names = (
        {path.name for path in (root / DAVIS_SETS).iterdir() if path.is_dir()}
        if (root / DAVIS_SETS).is_dir()
        else set()
    )
    if names & {"2017", "2019"}:
        return 2017
    return 2016 if names & {"2016", *DAVIS_SIZES} else None


def _read_splits(root: Path, year: int) -> dict[str, str]:
    """Sequence -> split, by ImageSets; the first list of a sequence counts, `trainval` never."""
    split_of: dict[str, str] = {}
    years = ("2017", "2019") if year == 2017 else ("2016", *DAVIS_SIZES)
    lists = [path for name in years for path in sorted((root / DAVIS_SETS / name).glob("*.txt"))]
    for path in lists:
        if path.stem != "trainval":
            for sequence in _read_list(path):
                split_of.setdefault(sequence, path.stem)
    return split_of


def _read_list(path: Path) -> list[str]:
    """The sequences in a list (lists of 2016 name the files of every frame); an unreadable list is empty."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    first = [(line.strip(), line.split()[0]) for line in lines if line.strip()]
    return [PurePosixPath(word).parent.name if "/" in word else line for line, word in first]


def _read_meta(root: Path, folder: Path, defects: list[Defect]) -> Mapping[str, Mapping[int, str]]:
    """Sequence -> number of an object -> its category; empty if there is no meta.json."""
    path = folder / DAVIS_META
    if not path.is_file():
        return {}
    try:
        meta = msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), type=Meta)
    except msgspec.ValidationError as error:
        defects.append(Defect("SEG004", f"{error}; categories are unknown", relative_path(root, path)))
        return {}
    except (OSError, ValueError, RecursionError) as error:
        defects.append(Defect("SEG001", f"is not JSON: {error}; categories are unknown", relative_path(root, path)))
        return {}
    return {
        name: {int(number): object_.category for number, object_ in video.objects.items() if _NUMBER.fullmatch(number)}
        for name, video in meta.videos.items()
    }


@dataclass(slots=True)
class _SetWriter:
    """Collects the content of ImageSets and meta.json."""

    target: Path
    names: Mapping[int, str]  # category id -> name; empty: there is no meta.json
    _videos: dict[str, dict[int, tuple[str, list[int]]]] = field(default_factory=dict)
    _lists: dict[str, set[str]] = field(default_factory=dict)

    def add(self, frame_path: frame_masks.FramePath, number: Ints, category: Ints) -> None:
        self._lists.setdefault(frame_path.split or "train", set()).add(frame_path.folder)
        for object_number, id_ in zip(number.tolist(), category.tolist(), strict=True) if self.names else ():
            objects = self._videos.setdefault(frame_path.folder, {})
            objects.setdefault(object_number, (self.names[id_], []))[1].append(frame_path.number)

    def write(self) -> None:
        sets = self.target / DAVIS_SETS / "2017"
        sets.mkdir(parents=True)
        for split, folders in self._lists.items():
            lines = "".join(f"{folder}\n" for folder in sorted(folders))
            (sets / f"{frame_masks.safe_file_name(split)}.txt").write_text(lines, encoding="utf-8", newline="\n")
        if self.names:
            videos = {
                folder: _MetaVideo(
                    {
                        str(number): _MetaObject(name, [f"{frame:05d}" for frame in sorted(frames)])
                        for number, (name, frames) in sorted(objects.items())
                    }
                )
                for folder, objects in sorted(self._videos.items())
            }
            text = msgspec.json.format(msgspec.json.encode(Meta(videos)), indent=1)
            (self.target / DAVIS_META).write_bytes(text + b"\n")


VOID, _OBJECT = 255, "object"
_ObjectCategories = Mapping[Path, Mapping[int, str]]  # the folder of a sequence -> number of an object -> its category
_N_PROBED = 16  # sequences decoded to find the meaning of 255


@dataclass(frozen=True, slots=True)
class _DavisObjects:
    """The meaning of mask values."""

    year: int  # 2016 or 2017, the year that defines 255
    naming: CategoryNames  # of the categories
    void: str  # the void category
    only: str  # the category of all objects
    listed: _ObjectCategories  # folder -> categories of its objects; empty: none are known

    @staticmethod
    def from_taxonomy(year: int, categories_of: _ObjectCategories, taxonomy: Taxonomy | None) -> "_DavisObjects":
        """The meaning of values in the user's taxonomy: its first void category, and its only other one for objects."""
        things = [category.name for category in taxonomy.categories if category.kind != "void"] if taxonomy else []
        void = (
            next((category.name for category in taxonomy.categories if category.kind == "void"), "void")
            if taxonomy
            else "void"
        )
        only = things[0] if len(things) == 1 else _OBJECT
        named = sorted({name for objects in categories_of.values() for name in objects.values()}) or [only]
        own_taxonomy = Taxonomy(
            categories=(
                *(Category(id=id_, name=name) for id_, name in enumerate(named, 1) if name != void),
                Category(id=max(VOID, len(named) + 1), name=void, kind="void"),
            )
        )
        return _DavisObjects(year, resolve_names([*named, void], taxonomy, own_taxonomy), void, only, categories_of)

    def categories(self, values: Ints, folder: Path) -> tuple[Ints, Flags]:
        """The category id (k,) of each value in a sequence's masks, or 0, and whether the value has a category."""
        names: dict[int, str] = dict(self.listed.get(folder, {}))
        if not self.listed:
            names = {VOID: self.only} if self.year == 2016 else dict.fromkeys(range(1, VOID), self.only)
        if self.year != 2016:
            names[VOID] = self.void
        is_known = np.array([value in names for value in values.tolist()], bool)
        to = self.naming.to
        return np.array([to[names[value]] if value in names else 0 for value in values.tolist()], np.int64), is_known


def _year_by_values(root: Path, entries: Sequence[ImageEntry]) -> int:
    """2016 if some sequences hold only 0 and 255, 2017 if they hold other values; UnreadableError for both."""
    sequences: dict[Path, list[Path]] = {}
    for entry in entries:
        for path in entry.files:
            sequences.setdefault(path.parent, []).append(path)
    frame_lists = list(sequences.values())
    years = {year for frames in spread_sample(frame_lists, _N_PROBED) if (year := _year_of(frames))}
    if len(years) > 1:
        raise UnreadableError(
            f"{root}: some sequences hold the values 0 and 255 alone, as in DAVIS 2016, others more, as in 2017; give "
            "the option year=2016 (255 is the object) or year=2017 (255 is void)"
        )
    return years.pop() if years else 2017


def _year_of(frames: list[Path]) -> int | None:
    """The year implied by the values of one sequence; stops at the first object number."""
    year = None
    for path in frames:
        with suppress(OSError):
            values = decode_mask(path).values
            if ((values > 0) & (values < VOID)).any():
                return 2017
            year = 2016 if (values == VOID).any() else year
    return year


_YEARS = ("2016", "2017", "2019")


def open_davis(request: ReadRequest) -> PerImageSource:
    """The dataset; raises UnreadableError if there are no frames, several mask folders, or 255 is ambiguous."""
    root, images = request.root, images_folder(request)
    folders = _find_folders(root, images, str(request.options.get("masks", "")))
    pairing = frame_masks.pair_frames(root, [place.folders for place in folders], images, layout=_LAYOUT, sparse=True)
    defects = list(pairing.defects)
    categories_of = {
        place.folders.masks / name: objects
        for place in folders
        for name, objects in _read_meta(root, place.root, defects).items()
    }
    year = _choose_year(request, folders, pairing.entries, has_meta=bool(categories_of))
    objects = _DavisObjects.from_taxonomy(year, categories_of, request.taxonomy)
    entries = pairing.entries if has_index(root) else _with_splits(pairing.entries, folders, year)
    sequences = frame_masks.list_sequences(entries)
    profile = objects.naming.profile("davis", root, "instance", "sparse", "forbid", sequences=sequences)
    reader = partial(_read_frame, root, objects)
    return PerImageSource(root, profile, entries, tuple(defects), reader, annotator=request.annotator)


def _choose_year(
    request: ReadRequest, folders: Sequence[_DavisFolder], entries: Sequence[ImageEntry], has_meta: bool
) -> int:
    """The year that defines the value 255; `has_meta`: whether there is a meta.json, which only later years have."""
    option = str(request.options.get("year", ""))
    if option:
        check_choice("year", option, _YEARS)
        return 2016 if option == _YEARS[0] else 2017
    years = [year for place in folders if (year := _year_of_sets(place.root)) is not None]
    return 2017 if has_meta else max(years) if years else _year_by_values(request.root, entries)


def _with_splits(entries: Sequence[ImageEntry], folders: Sequence[_DavisFolder], year: int) -> list[ImageEntry]:
    """The entries with the splits of ImageSets, unless folders define the splits."""
    split_of: Mapping[str, str] = {
        name: split for place in folders for name, split in _read_splits(place.root, year).items()
    }
    return [replace(entry, split=entry.split or split_of.get(entry.sequence or "")) for entry in entries]


def _read_frame(root: Path, objects: _DavisObjects, entry: ImageEntry) -> list[ImageAnnotation]:
    mask, runs = frame_masks.decode_frame(root, entry, False, "values", "object numbers", "8-bit palette PNG")
    category, is_known = objects.categories(runs.value, entry.files[0].parent)
    void = is_known & (category == objects.naming.to[objects.void])
    # In 2016, 255 is the first object, not the 255th.
    ids = np.where((runs.value == VOID) & ~void, 1, runs.value)
    why = "is neither 0 nor 255" if objects.year == 2016 else "is not an object of the video"
    defects = value_defects(runs, np.flatnonzero(~is_known & (runs.value != 0)).tolist(), why)
    meaning = ValueMeanings(is_known, ids, category, np.zeros_like(is_known), ~void, defects)
    places = [f"value {id_}" for id_ in ids.tolist()]
    return [meaning.annotation(runs, relative_path(root, entry.files[0]), mask.encoding, places)]


_COLOURS = bytes(channel for index in range(256) for channel in voc_color(index))
_LAST_FRAME, _LAST_TRACK = 99_999, VOID - 1


def write_davis(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, *, size: str = "480p"
) -> None:
    """Write all images; raises SegdataError for what a sequence has no numbers for."""
    check_choice("size", size, DAVIS_SIZES)
    names = {category.id: category.name for category in profile.taxonomy.by_id().values() if category.kind != "void"}
    scheme = frame_masks.ValueScheme(
        base=dict.fromkeys(names, 0),
        void=VOID,
        voids=profile.taxonomy.void_ids,
        numbers=frame_masks.TrackNumbers(1, _LAST_TRACK, f"DAVIS holds {_LAST_TRACK}"),
    )
    target.mkdir(parents=True)
    sets = _SetWriter(target, names if set(names.values()) - {_OBJECT} else {})
    save = partial(_save_frame, target, size, sets)
    frame_masks.FrameWriter(scheme, 0, frame_masks.FramePaths(_LAST_FRAME), save, LOSSES).write(
        profile, batches, target, losses
    )
    sets.write()
    write_sidecars(target, profile, profile.taxonomy)


def _save_frame(
    target: Path,
    size: str,
    sets: _SetWriter,
    frame_path: frame_masks.FramePath,
    pixels: frame_masks.Values,
    shown: Ints,
    category: Ints,
) -> str:
    name = f"{DAVIS_MASKS[0]}/{size}/{frame_path.folder}/{frame_path.number:05d}.png"
    picture = Image.fromarray(pixels.astype(np.uint8))
    picture.putpalette(_COLOURS)
    picture.save(with_folder(target / name))
    objects = shown < VOID
    sets.add(frame_path, shown[objects], category[objects])
    return name
