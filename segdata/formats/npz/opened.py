"""Opened: a dataset of archives of probabilities."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from segdata.core.defect import Defect
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import Request
from segdata.formats.npz.archive import ArrayHead, UnreadableArrayError, chosen, decode, heads, texts
from segdata.formats.npz.classes import UNLABELLED, Classes, classes
from segdata.formats.npz.scores import Probabilities, above, likeliest, sums_to_one, unsound
from segdata.formats.npz.volumes import NO_AXIS, Volumes
from segdata.formats.shared.label_files import pair_label_files
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)

_NAMES = ("class_names", "classes", "names", "labels")
_REGIONS = 0.5  # above which nnU-Net takes a pixel for a region's
_AXES = {"first": 0, "last": -1}


def open_archives(request: Request) -> PerImageSource:
    """The archives; raises UnreadableError where nothing tells which array or axis is meant."""
    root = request.root
    if not root.exists():
        raise UnreadableError(f"{root}: does not exist")
    entries, defects = pair_label_files(root, ".npz", request.images)
    layouts = {entry.files[0]: _layout(request, entry.files[0]) for entry in entries if entry.files}
    sound = {path: head for path, head in layouts.items() if isinstance(head, ArrayHead)}
    if not sound:
        raise UnreadableError(next(iter(map(str, layouts.values())), f"{root}: no .npz files in it"))
    path, head = next(iter(sound.items()))
    axis, known = _classes(request, path, head)
    threshold = _threshold(request, known, head)
    sparse = threshold is not None or UNLABELLED in known.category
    profile = known.naming.profile(
        "npz", root, "semantic", "sparse" if sparse else "exhaustive", "forbid" if threshold is None else "allow"
    )
    slices = [each for entry in entries for each in _slices(entry, layouts, axis)]
    volumes = Volumes(axis)
    look = partial(_look, root, volumes, known.category, threshold)
    return Archives(
        root, profile, slices, tuple(defects), look, request.annotator, 4, volumes=volumes, category=known.category
    )


@dataclass(frozen=True)
class Archives(PerImageSource):
    """An opened dataset of archives, which can be asked for the probabilities themselves.

    Attributes
    ----------
    volumes : gives the arrays
    category : (n_classes,) the category id of each class; `UNLABELLED` for the one that is nobody's
    """

    volumes: Volumes = field(default_factory=lambda: Volumes(0), repr=False)
    category: tuple[int, ...] = ()

    def probabilities(self, row: int) -> tuple[Probabilities, tuple[int, ...]]:
        """(n_classes, height, width) of the image at a row, and `category`; raises SegdataError where unreadable."""
        entry = self.entries[row]
        try:
            return _array(self.root, self.volumes, self.category, entry), self.category
        except BrokenLabelsError as error:
            raise SegdataError(f"{entry.files[0]}: {error}") from error


def _layout(request: Request, path: Path) -> ArrayHead | str:
    """The header of the array of probabilities, or why there is none."""
    try:
        wanted = request.options.get("key")
        return chosen(heads(path), None if wanted is None else str(wanted))
    except UnreadableArrayError as error:
        return f"{path.name}: {error}"


def _classes(request: Request, path: Path, head: ArrayHead) -> tuple[int, Classes]:
    """The axis of the classes, `NO_AXIS` where there is only one class, and what the classes are."""
    try:
        names = texts(path, heads(path), _NAMES)
        if len(head.shape) == 2:
            return NO_AXIS, classes(request, names, 1)
        given = request.options.get("classes")
        if given is not None and given not in _AXES:
            raise UnreadableError(f"classes is {given!r}; first or last is expected")
        fits = [given] if given is not None else _fitting(path, head, names)
    except UnreadableArrayError as error:
        raise UnreadableError(f"{path}: {error}") from error
    if len(fits) != 1:
        raise UnreadableError(
            f"{path}: nothing tells which axis of {head.key} {head.shape} are the classes; give --read-option "
            "classes=first (or last)"
        )
    axis = _AXES[str(fits[0])]
    return axis, classes(request, names, head.shape[axis])


def _fitting(path: Path, head: ArrayHead, names: list[str] | None) -> list[str]:
    """The axes that may be that of the classes."""
    if names is not None and len(by_count := [name for name, k in _AXES.items() if head.shape[k] == len(names)]) == 1:
        return by_count
    p = decode(path, head)
    return [name for name, axis in _AXES.items() if p.shape[axis] > 1 and sums_to_one(p, axis)]


def _threshold(request: Request, known: Classes, head: ArrayHead) -> float | None:
    """Above which probability a pixel is a class's; None: each pixel is the likeliest class's."""
    given = request.options.get("threshold")
    if given is None:
        if len(known.category) == 1:
            raise UnreadableError(f"{head.key} has a single class; give --read-option threshold=0.5")
        return _REGIONS if known.regions else None
    try:
        return float(given)
    except ValueError as error:
        raise UnreadableError(f"threshold is {given!r}; a number is expected") from error


def _slices(entry: ImageEntry, layouts: dict[Path, ArrayHead | str], axis: int) -> list[ImageEntry]:
    """The images of an archive: one, or each slice of a volume."""
    head = layouts[entry.files[0]] if entry.files else None
    if not isinstance(head, ArrayHead) or len(head.shape) < 4:
        return [replace(entry, record=(head, None))] if entry.files else [entry]
    depth = head.shape[1 if axis == 0 else 0]
    if depth == 1:
        return [replace(entry, record=(head, 0))]
    volume = PurePosixPath(entry.image_id).with_suffix("").as_posix()
    return [
        replace(entry, image_id=f"{volume}/{k:04d}", image=None, record=(head, k), sequence=volume, frame=k)
        for k in range(depth)
    ]


def _look(
    root: Path, volumes: Volumes, category: tuple[int, ...], threshold: float | None, entry: ImageEntry
) -> list[ImageAnnotation]:
    """The segments of one image: one a class."""
    file, p = relative_path(root, entry.files[0]), _array(root, volumes, category, entry)
    ids, runs, scores = likeliest(p, category) if threshold is None else above(p, category, threshold)
    return [
        ImageAnnotation(
            size=(p.shape[1], p.shape[2]),
            segment_id=ids,
            category_id=ids,
            runs=runs,
            columns={
                "score": scores,
                "file": [file] * len(ids),
                "place": [f"class {category.index(id_)}" for id_ in ids.tolist()],
            },
            annotation={"source": "model"},
        )
    ]


def _array(root: Path, volumes: Volumes, category: tuple[int, ...], entry: ImageEntry) -> Probabilities:
    """The probabilities of one image; raises BrokenLabelsError where they are none."""
    head, k = entry.record
    file = relative_path(root, entry.files[0])
    if not isinstance(head, ArrayHead):
        raise BrokenLabelsError(Defect("SEG001", str(head).partition(": ")[2], file))
    try:
        p = volumes.image(entry.files[0], head, k)
    except UnreadableArrayError as error:
        raise BrokenLabelsError(Defect("SEG001", str(error), file)) from error
    if len(p) != len(category):
        message = f"{head.key} has {len(p)} classes, other files have {len(category)}"
        raise BrokenLabelsError(Defect("SEG004", message, file))
    if (why := unsound(p)) is not None:
        raise BrokenLabelsError(Defect("SEG004", f"{head.key} {why}", file))
    return p
