"""MOTS: multi-object tracking and segmentation, 16-bit PNG or TXT, as KITTI MOTS and MOTSChallenge have it.

A value, and in TXT the id, is class * 1000 + number: class 1 is car, 2 pedestrian, 10 what is to be ignored (10000); 0
is background. It is the track, the same in all frames of a sequence. Specification:
https://www.vision.rwth-aachen.de/page/mots, and VisualComputingInstitute/mots_tools mots_common/io.py.

Read, PNG: `instances/<sequence>/<frame>.png`, folders of such sequences alone, and `<split>/instances/` as Datumaro and
CVAT write it, with their `labels.txt` (line k is class k). Read, TXT (`frame id class height width rle` a line):
`instances_txt/<sequence>.txt`, a folder of such files, one of them, and `<sequence>/gt/gt.txt` of MOTSChallenge. In TXT
every frame of a sequence is annotated. Images are looked for in `training/image_02`, `image_02`, `images` and
`<sequence>/img1`.

Written: one of the two (PNG, unless the option says else) with `images.csv` and `taxonomy.yaml` beside it. Categories
that are not car and pedestrian go into `labels.txt`: Datumaro and CVAT read it, mots_tools knows no such classes.
Segments without a track get one of their own. An image that is in no sequence is written as a video of one frame.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError, check_choice
from segdata.core.format import Clue, Request, Source
from segdata.core.glance import Glance
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Ints
from segdata.formats.beyond import BESIDE_TRACKS
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.decoded import decoded
from segdata.formats.masks.maskfile import MaskFile
from segdata.formats.masks.maskindex import INDEX
from segdata.formats.masks.pairing import images_of
from segdata.formats.masks.valueruns import ValueRuns
from segdata.formats.perimage.entry import Entry, below
from segdata.formats.perimage.found import BrokenLabelsError, Found
from segdata.formats.perimage.source import PerImageSource
from segdata.formats.video import motstext
from segdata.formats.video.footage import Footage, filmed, first_folder, videos
from segdata.formats.video.motsclasses import DIVISOR, IGNORED, LABELS, MotsClasses, read_classes, written_classes
from segdata.formats.video.painter import Painter, Values
from segdata.formats.video.scheme import Scheme
from segdata.formats.video.seen import GREY, Flags, Shown, found_of, frames, png_kinds, unknown_values
from segdata.formats.video.spots import Spot, Spots
from segdata.formats.video.tracks import TrackNumbers

LOSSES: frozenset[Kind] = BESIDE_TRACKS
CHECKED = ("the specification's decoding, value by value", "pycocotools", "Datumaro's MOTS fixture")
READ_OPTIONS = {"layout": "png or txt; default: png where both are there"}
WRITE_OPTIONS = {"layout": "png (default): instances/<sequence>/<frame>.png; txt: instances_txt/<sequence>.txt"}
_LAYOUTS = ("png", "txt")
_MASKS = "instances"
_LAST_FRAME = 999_999
_NAME = len("000000")
_FRAMES = r"^([^/]+/)?instances/(?P<sequence>[^/]+)/\d{6}\.png$"
_BARE_FRAMES = r"^(?P<sequence>[^/]+)/\d{6}\.png$"
_LABELLED = r"^([^/]+/)?instances/.+\.png$"


def detect(seen: Glance) -> Clue | None:
    """Frames of 16-bit grey PNG in the folders of sequences, or lines of the TXT layout."""
    inside = motstext.NAME if seen.root.parent.name == motstext.FOLDER else motstext.IN_FOLDER
    lines = seen.heads(motstext.NAME, motstext.LINE) or seen.heads(inside, motstext.ANY_LINE)
    if lines:
        return Clue(1.0, f"{lines[0]} has lines of frame, id, class, height, width and RLE")
    labelled = seen.matching(_LABELLED) if seen.matching(r"^([^/]+/)?instances/labels\.txt$") else []
    for names, score in ((labelled or frames(seen, _FRAMES), 1.0), (frames(seen, _BARE_FRAMES), 0.95)):
        if names and png_kinds(seen, names) == {(16, GREY)}:
            return Clue(score, f"{names[0]} is a frame of 16-bit grey PNG in the folder of a sequence")
    return None


def read(request: Request) -> Source:
    """Open a dataset; raises UnreadableError where there are no sequences."""
    root = request.root
    if not root.exists():
        raise UnreadableError(f"{root}: does not exist")
    layout = str(request.options.get("layout") or _layout(root))
    check_choice("layout", layout, _LAYOUTS)
    images = images_of(request)
    if layout == "txt":
        classes = read_classes(root, motstext.folder_of(root), request.taxonomy)
        return motstext.opened(request, images, classes, partial(_profile, request, classes))
    pairing = filmed(root, _footage(root, images), images)
    masks = [path for entry in pairing.entries for path in entry.files]
    if not masks and not (root / INDEX).is_file():
        raise UnreadableError(f"{root}: no frames; MOTS has {_MASKS}/<sequence>/<frame>.png or <sequence>.txt")
    above = [root / _MASKS, *(folder for path in masks[:1] for folder in (path.parent, path.parent.parent))]
    folder = next((each for each in above if (each / LABELS).is_file()), root)
    classes = read_classes(root, folder, request.taxonomy)
    defects = (*classes.defects, *pairing.defects, *(_misnamed(root, pairing.entries) if classes.official else ()))
    profile = _profile(request, classes, pairing.entries)
    return PerImageSource(
        root, profile, pairing.entries, defects, partial(_look, root, classes), annotator=request.annotator
    )


def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, *, layout: str = "png") -> None:
    """Write a dataset as masks or lines; raises SegdataError for more categories, tracks or frames than they hold."""
    check_choice("layout", layout, _LAYOUTS)
    classes, names = written_classes(profile.taxonomy)
    scheme = Scheme(
        base={id_: DIVISOR * number for id_, number in classes.items()},
        void=IGNORED * DIVISOR,
        voids=profile.taxonomy.void_ids,
        numbers=TrackNumbers(0, DIVISOR - 1, f"MOTS holds {DIVISOR:,} of a category"),
    )
    folder = target / (_MASKS if layout == "png" else motstext.FOLDER)
    folder.mkdir(parents=True)
    if names is not None:
        (folder / LABELS).write_text("".join(f"{name}\n" for name in names), encoding="utf-8", newline="\n")
    if layout == "png":
        Painter(scheme, 0, Spots(_LAST_FRAME), partial(_save, target), LOSSES).write(profile, batches, target, losses)
    else:
        with motstext.TextWriter(target) as lines:
            Painter(scheme, 0, Spots(_LAST_FRAME, {Path(LABELS).stem}), lines.save, LOSSES).write(
                profile, batches, target, losses
            )
    write_beside(target, profile, profile.taxonomy)


def _layout(root: Path) -> str:
    """PNG, unless there are only TXT files."""
    if root.is_file():
        return "txt"
    masks = any((folder / _MASKS).is_dir() for folder in (root, *_folders(root)))
    lines = (root / motstext.FOLDER).is_dir() or motstext.files(root)
    return "txt" if lines and not masks else "png"


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


def _footage(root: Path, images: Path | None) -> list[Footage]:
    """Where the masks lie: in `instances/`, of each split, or in the folder itself."""
    if not root.is_dir():
        raise UnreadableError(f"{root}: is no folder; MOTS has {_MASKS}/<sequence>/<frame>.png or <sequence>.txt")
    if (root / _MASKS).is_dir():
        return [Footage(root / _MASKS, images or image_folder(root))]
    splits = [folder for folder in _folders(root) if (folder / _MASKS).is_dir()]
    if splits:
        return [
            Footage(each / _MASKS, images / each.name if images else image_folder(each), each.name, f"{each.name}/")
            for each in splits
        ]
    return [Footage(root, images or (image_folder(root.parent) if root.name == _MASKS else None))]


def image_folder(root: Path) -> Path | None:
    """Where the images of sequences are found in practice."""
    return first_folder(root / "training/image_02", root / "image_02", root / "images")


def _misnamed(root: Path, entries: Iterable[Entry]) -> list[Defect]:
    """SEG004, as an information, for each sequence whose frames are not named by six digits."""
    wrong: dict[Path, list[str]] = {}
    for entry in entries:
        for path in entry.files:
            if len(path.stem) != _NAME or not path.stem.isdecimal() or path.suffix != ".png":
                wrong.setdefault(path.parent, []).append(path.name)
    return [
        Defect(
            "SEG004",
            f"{len(names)} frames are not named as 000000.png, as {names[0]!r}: mots_tools does not read them",
            below(root, folder),
            severity="info",
        )
        for folder, names in wrong.items()
    ]


def _profile(request: Request, classes: MotsClasses, entries: Iterable[Entry]) -> Profile:
    return Profile(
        name=request.root.stem,
        format="mots",
        task="instance",
        taxonomy=classes.naming.taxonomy,
        taxonomy_declared=classes.naming.declared,
        coverage=Policy("sparse"),
        overlap=Policy("forbid"),
        files=str(request.root),
        metadata=classes.naming.metadata,
        sequences=videos(entries),
    )


def _look(root: Path, classes: MotsClasses, entry: Entry) -> list[Found]:
    """What one frame holds."""
    mask = decoded(root, entry)
    if mask.coloured or mask.lossy:
        why = f"{mask.lossy} changes ids" if mask.lossy else f"{mask.encoding} holds no ids of 16 bits"
        raise BrokenLabelsError(Defect("SEG010", f"{why}; save them as 16-bit grey PNG", below(root, entry.files[0])))
    runs = ValueRuns.of(mask.values)
    category, known = classes.of(runs.value // DIVISOR)
    tracked = ~np.isin(category, np.array(classes.naming.taxonomy.void_ids, np.int64))
    defects = _unknown(mask, runs, ~known & (runs.value != 0))
    return [found_of(root, entry, mask, runs, Shown(known, category, runs.value, tracked), defects)]


def _unknown(mask: MaskFile, runs: ValueRuns, unknown: Flags) -> list[Defect]:
    """SEG009 for each value of no class, or one SEG010 where there are 8 bits, which hold none."""
    if mask.values.dtype == np.uint8 and unknown.any():
        pixels = int(runs.area[unknown].sum())
        message = f"8 bits hold no id of {DIVISOR:,} or more: ids have wrapped, {pixels:,} px mean nothing; save 16 bit"
        return [Defect("SEG010", message, pixels=pixels)]
    return unknown_values(runs, np.flatnonzero(unknown).tolist(), runs.value, "is of no class")


def _save(target: Path, spot: Spot, pixels: Values, shown: Ints, category: Ints) -> str:
    """Write one frame."""
    name = f"{_MASKS}/{spot.folder}/{spot.number:06d}.png"
    (target / name).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels.astype(np.uint16)).save(target / name)
    return name
