"""Mask families: tell photographs from masks and match them, whatever the files are called.

Public datasets name files and folders in their own ways: `train-org-img/7.jpg` and `train-label-img/7_lab.png`,
`IMD002/IMD002_lesion/IMD002_lesion.bmp` in a folder for each case, `plant001_rgb.png` beside `plant001_label.png`. What
they have in common: words that only masks or only photographs have say what a file is (its `Kind`), and the words that
are left say which image it belongs to (its `Key`).
"""

import os
import re
from codecs import BOM_UTF8
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import combinations
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from segdata.core.runs import Flags
from segdata.formats.shared.file_names import (
    BAND_WORDS,
    PREDICTED_WORDS,
    folder_and_stem,
    is_image_name,
    is_jpeg,
    spread_sample,
    walk_files,
)
from segdata.formats.shared.images import read_header
from segdata.formats.shared.mask_files import MaskFile, MaskHeader, decode_mask, mask_headers, run_shares

_MAX_FILES = 200_000
_ENDS_READ = 4096  # bytes at the ends of a document
_MAX_GROUPS = 60  # of similarly named files; some files of each group are decoded
_FILES_PER_GROUP = 4  # decoded
# Vertical runs per pixel. Masks of 14 real datasets have 0.005 to 0.09, photographs of 11 have 0.57 and more.
_MAX_OF_MASK, _MIN_OF_PHOTOGRAPH = 0.25, 0.35
_MIN_MATCHED = 0.9  # share of the masks that have an image
_N_COMPARED = 6  # images whose sizes and masks are compared
_MIN_GREYS = 32  # of a smoothed binary mask; masks of classes have fewer, or no white
_MAX_BLACK, _MIN_WHITE = 15, 240  # greys beyond are black and white
_MAX_IOU = 0.3  # masks of different categories overlap less, those of two annotators more
_LABEL_PATH = re.compile(r"mask|label|annot|truth|segment|(?<![a-z])gt(?![a-z])", re.IGNORECASE)
_MASK_WORDS = frozenset({
    "mask", "masks", "label", "labels", "seg", "segmentation", "segmentations", "gt", "truth", "groundtruth",
    "groundtruths", "annotation", "annotations", "annot", "anno", "manual", "parsing", "targets", "target",
})  # fmt: skip
# Files beside the labels that are derived from them, or from something else.
_NO_LABEL_WORDS = frozenset({
    "edge", "edges", "boundary", "boundaries", "contour", "contours", "border", "borders", "center", "centers",
    "centre", "centres", "roi", "rois", "fov", "valid", "depth", "skeleton", "weight", "weights", "overlay",
    "overlays", "preview", "previews", "visualization", "visualizations", "visualisation", "visualisations",
})  # fmt: skip
# Folders of visualizations, which are neither labels nor images.
_PICTURE_WORDS = frozenset({word for word in _NO_LABEL_WORDS if word.startswith(("overlay", "preview", "visuali"))})
_RENDERING_WORDS = frozenset({"color", "colors", "colour", "colours", "rgb", "vis", "visual"})
_ANNOTATOR_NAME = re.compile(
    r"\d*(1st|2nd|3rd|\dth).*|(annotator|rater|reader|observer|expert|grader|user|person|ho)s?\d*|\d+"
)
_FIRST_NUMBER = re.compile(r"[^/]*?\d[^\W_]*")
_WORD = re.compile(r"[A-Za-z0-9]+")
_WORD_PART = re.compile(r"\d+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
Patterns = tuple[re.Pattern[str], re.Pattern[str]]  # of words in folders, and in file names
# Tried in turn: folders are one word; are several; and `seg000` is `seg` and `0`.
_PATTERNS: tuple[Patterns, ...] = (re.compile(r"[^/]+"), _WORD), (_WORD, _WORD), (_WORD_PART, _WORD_PART)
_VISIBLE = frozenset(("rgb", "vi", "vis", "visible"))  # pictures in colour beside those of infrared or depth
Token = tuple[str, str]  # "folder" or "name", and a word in lower case; numbers without zeros in front
Key = tuple[Token, ...]  # the words of a path that occur in paths of masks and of photographs: the image
Kind = tuple[Token, ...]  # the words, not numbers, that occur on one side alone
Files = dict[Key, str]  # the file of each image
Bands = dict[str, dict[str, str]]  # image -> band -> file


def is_called_labels(path: str) -> bool:
    """Whether a path has a word for labels.

    >>> is_called_labels("train_masks/a.png"), is_called_labels("assets/dark.png")
    (True, False)
    """
    return _LABEL_PATH.search(path) is not None


def is_picture_folder(name: str) -> bool:
    """Whether a folder in a path is named as one of visualizations: ``visualizations/a.jpg``."""
    return any(set(_WORD.findall(folder.lower())) & _PICTURE_WORDS for folder in name.split("/")[:-1])


def is_predicted(name: str) -> bool:
    """Whether a folder in a path is named as one of predictions, and no word as one of labels: ``results/a.png``."""
    folders, words = (set(_WORD.findall(text.lower())) for text in (name.rpartition("/")[0], name))
    return bool(folders & PREDICTED_WORDS) and not words & _MASK_WORDS


def is_called_no_labels(folder: str) -> bool:
    """Whether a word in a folder's name says that it holds no labels: ``DepthLeft``, ``masks_predicted``."""
    words = {word.lower() for word in _WORD_PART.findall(folder)}
    return not (_NO_LABEL_WORDS | PREDICTED_WORDS).isdisjoint(words)


class MaskFamily(msgspec.Struct, frozen=True):
    """Photographs with their masks."""

    # image -> mask; empty if several kinds of masks are `rivals`
    masks: dict[str, str] = {}  # paths below the root, POSIX
    extra: dict[str, str] = {}  # surplus mask -> its image
    bands: Bands = {}  # for images whose bands are separate files
    alone: tuple[str, ...] = ()  # photographs without mask
    # kinds of masks that each fit every image: readable name -> files
    rivals: dict[str, tuple[str, ...]] = {}
    by_annotators: bool = False
    # for `layers` in segdata.yaml, with `{category}` or `{annotator}` where the rivals differ
    pattern: str | None = None
    layer_pattern: str | None = None  # `pattern` if each rival certainly is a category of its own
    choice: str | None = None  # a word in the path of only one of the rivals
    # a file of each kind of masks that are no labels, but predictions, boundaries, renderings of labels and the like
    left_out: tuple[str, ...] = ()

    def files(self) -> list[str]:
        """The files whose kinds were recognised, those that are left out included; paths below the root."""
        rivals = (file for files in self.rivals.values() for file in files)
        bands = (file for files in self.bands.values() for file in files.values())
        return [*self.masks, *self.masks.values(), *self.extra, *bands, *self.alone, *rivals, *self.left_out]


def find_family(root: Path, chosen: str | None = None) -> MaskFamily | None:
    """Find the photographs and masks below a folder; None if names and contents do not tell them apart.

    Also None if a damaged JSON file lies beside them, as it may define what the masks mean. `chosen`: a word in the
    paths of the masks to take, if images have several.
    """
    if chosen is None and any(_is_damaged(path) for path in root.glob("*.json")):
        return None
    files = []
    for name, path in walk_files(root):
        if is_image_name(name) and not path.name.startswith("."):
            files.append(name)
        if len(files) > _MAX_FILES:
            return None
    stamps = [(name, _stamp(f"{root}/{name}")) for name in files]
    return _family(root, tuple((name, stamp.st_size, stamp.st_mtime_ns) for name, stamp in stamps), chosen)


def _is_damaged(document: Path) -> bool:
    """Whether a JSON file is unreadable, or does not begin and end like JSON."""
    try:
        with document.open("rb") as file:
            start = file.read(_ENDS_READ).strip()
            file.seek(max(0, document.stat().st_size - _ENDS_READ))
            end = file.read().strip()
    except OSError:
        return True
    return not start.removeprefix(BOM_UTF8).startswith((b"{", b"[")) or not end.endswith((b"}", b"]"))


def _stamp(path: str) -> os.stat_result:
    """Size and modification time of a file; those of the link itself if it is broken."""
    try:
        return os.stat(path)  # noqa: PTH116  # for many files, a Path takes five times as long
    except OSError:
        return os.lstat(path)


@lru_cache(maxsize=4)
def _family(root: Path, files: tuple[tuple[str, int, int], ...], chosen: str | None) -> MaskFamily | None:
    """`find_family`, cached: every format asks for it while a dataset's format is detected."""
    names = [name for name, _, _ in files]
    sides = _masks_and_photographs(root, names, _group) or _masks_and_photographs(root, names, _group_by_start)
    if sides is None:
        return None
    masks, photographs = sides
    predicted: list[str] = []
    if chosen is not None:
        masks = [name for name in masks if chosen.lower() in name.lower()]
    elif labels := [name for name in masks if not is_predicted(name)]:
        predicted, masks = [name for name in masks if is_predicted(name)], labels
    for patterns in _PATTERNS if masks else ():
        family = _match_family(root, masks, photographs, _Words.split(masks, photographs, patterns))
        if family is not None:
            return msgspec.structs.replace(family, left_out=(*family.left_out, *predicted[:1]))
    return None


# Masks and photographs, by the contents of groups of files


def _masks_and_photographs(
    root: Path, names: list[str], group_of: Callable[[str], tuple[str, ...]]
) -> tuple[list[str], list[str]] | None:
    """Masks and photographs by the contents of each group of files; None if a group holds both, or all the same."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        groups[group_of(name)].append(name)
    if len(groups) > _MAX_GROUPS:
        merged: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for key, members in groups.items():
            folders = key[0].split("/")
            merged[(folders[0], folders[-1], *key[1:])] += members
        groups = merged
    if len(groups) > _MAX_GROUPS:
        return None
    held: dict[tuple[str, ...], set[bool]] = {}
    for key, members in groups.items():
        sample = [root / name for name in spread_sample(members, _FILES_PER_GROUP)]
        shares = run_shares(sample)
        held[key] = {share < _MAX_OF_MASK for share in shares if not _MAX_OF_MASK <= share < _MIN_OF_PHOTOGRAPH}
    # Beside masks in files without loss, JPEG files are photographs, however blurred.
    has_lossless = any(held[key] == {True} and not is_jpeg(members[0]) for key, members in groups.items())
    masks: list[str] = []
    photographs: list[str] = []
    for key, members in groups.items():
        is_photograph = has_lossless and is_jpeg(members[0])
        if len(held[key]) != 1 and not is_photograph:
            return None
        (photographs if is_photograph or False in held[key] else masks).extend(members)
    photographs = [name for name in photographs if not is_picture_folder(name)] or photographs
    return (masks, photographs) if masks and photographs else None


def _group(name: str) -> tuple[str, ...]:
    """Key of similarly named files: folder without numbers, words after the first number of the name, extension."""
    _, stem = folder_and_stem(name)
    number = _FIRST_NUMBER.match(stem)
    rest = stem[number.end() :] if number else (re.search(r"[_-][^\W\d_]+$", stem) or [""])[0]
    return _group_key(name, (word for word in _WORD.findall(rest) if not word.isdigit()))


def _group_by_start(name: str) -> tuple[str, ...]:
    """Key of similarly named files: folder without numbers, words before the first number of the name, extension."""
    _, stem = folder_and_stem(name)
    return _group_key(name, _WORD.findall(re.split(r"\d", stem, maxsplit=1)[0]))


def _group_key(name: str, words: Iterable[str]) -> tuple[str, ...]:
    folder, stem = folder_and_stem(name)
    return re.sub(r"\d+", "#", folder[:-1] or "."), " ".join(words).lower(), name[len(folder) + len(stem) :].lower()


# Masks and their images, by the words that they share


def _tokens(name: str, folder_words: re.Pattern[str], name_words: re.Pattern[str]) -> list[Token]:
    folder, stem = folder_and_stem(name)
    words = [("folder", word) for word in folder_words.findall(folder)]
    words += [("name", word) for word in name_words.findall(stem)]
    return [(place, str(int(word)) if word.isdecimal() else word.lower()) for place, word in words]


class _Words(msgspec.Struct, frozen=True):
    """The words in the paths of masks and photographs."""

    of_file: dict[str, list[Token]]
    common: set[Token]  # words that occur in masks and in photographs

    @classmethod
    def split(cls, masks: list[str], photographs: list[str], patterns: Patterns) -> "_Words":
        of_file = {name: _tokens(name, *patterns) for name in (*masks, *photographs)}
        of_side = [{word for name in side for word in of_file[name]} for side in (masks, photographs)]
        return cls(of_file, of_side[0] & of_side[1])

    def key(self, name: str) -> Key:
        return tuple(word for word in self.of_file[name] if word in self.common)

    def by_kind(self, names: Iterable[str]) -> dict[Kind, Files] | None:
        """The files of each kind; None if two of a kind belong to one image."""
        kinds: dict[Kind, Files] = {}
        for name in names:
            own = tuple(word for word in self.of_file[name] if word not in self.common and not word[1].isdecimal())
            if kinds.setdefault(own, {}).setdefault(self.key(name), name) != name:
                return None
        return kinds


def _match_family(root: Path, masks: list[str], photographs: list[str], words: _Words) -> MaskFamily | None:
    """The family, if nine in ten masks share the words and the size of one image each."""
    images: dict[Key, list[str]] = defaultdict(list)
    for name in photographs:
        images[words.key(name)].append(name)
    is_matched = {
        name: (key := words.key(name)) in images and any(place == "name" for place, _ in key) for name in masks
    }
    unmatched = [name for name in masks if not is_matched[name]]
    kinds = words.by_kind(name for name in masks if is_matched[name])
    if kinds is None or len(unmatched) > (1 - _MIN_MATCHED) * len(masks):
        return None
    labelled = {key: names for key, names in images.items() if any(key in files for files in kinds.values())}
    chosen_images = _choose_images(root, images, words) or _choose_images(root, labelled, words)
    if chosen_images is None:
        return None
    pictures, bands = chosen_images
    kinds, left_out = _choose_kinds(root, kinds)
    if not _have_same_sizes(root, [(mask, pictures[key]) for files in kinds.values() for key, mask in files.items()]):
        return None
    if _share_images(kinds):
        return _rivals(root, kinds, left_out)
    paired = {pictures[key]: mask for files in kinds.values() for key, mask in files.items()}
    others = (name for key, names in images.items() if key not in pictures for name in names)
    return MaskFamily(
        masks=paired,
        extra={name: image for name in unmatched if (image := _image_of_part(words.key(name), pictures))},
        bands=bands,
        alone=tuple(picture for picture in (*pictures.values(), *others) if picture not in paired),
        left_out=left_out,
    )


def _share_images(kinds: Mapping[Kind, Files]) -> bool:
    """Whether an image has masks of several kinds."""
    return max(Counter(key for files in kinds.values() for key in files).values()) > 1


def _image_of_part(words: Key, pictures: Files) -> str | None:
    """The image with whose words a mask's begin: `benign (3)_mask_1` is a further mask of `benign (3)`."""
    starts = (words[:end] for end in range(len(words) - 1, 0, -1))
    return next((pictures[start] for start in starts if start in pictures), None)


def _choose_images(root: Path, images: Mapping[Key, list[str]], words: _Words) -> tuple[Files, Bands] | None:
    """The photograph of each mask (of several, the one in RGB), and the files of its bands.

    None if neither colours nor band names decide which to take.
    """
    if all(len(names) == 1 for names in images.values()):
        return {key: names[0] for key, names in images.items()}, {}
    kinds = words.by_kind(name for names in images.values() for name in names)
    if kinds is None:
        return None
    coloured = [
        kind
        for kind, files in kinds.items()
        if all(head.has_colors for head in _sample_heads(root, files, _N_COMPARED))
    ]
    called = [kind for kind in coloured if any(_VISIBLE & {*_WORD.findall(word)} for _, word in kind)]
    if len(coloured) == 1 or len(called) == 1:  # infrared images may have false colours
        chosen = kinds[(called or coloured)[0]]
        if any(key not in chosen and len(names) > 1 for key, names in images.items()):
            return None
        return {key: chosen.get(key, names[0]) for key, names in images.items()}, {}  # some have another kind alone
    of_band = {band: files for kind, files in kinds.items() if (band := _band(kind))}
    if len(of_band) < len(kinds) or coloured:
        return None
    in_order = sorted(of_band, key=BAND_WORDS.index)
    bands = {key: {band: of_band[band][key] for band in in_order if key in of_band[band]} for key in images}
    pictures = {key: next(iter(files.values())) for key, files in bands.items()}
    return pictures, {pictures[key]: files for key, files in bands.items()}


def _band(kind: Kind) -> str | None:
    """The band that the words of photographs name, if it is just one."""
    named = {part for _, word in kind for part in _WORD.findall(word)} & set(BAND_WORDS)
    return named.pop() if len(named) == 1 else None


def _choose_kinds(root: Path, kinds: dict[Kind, Files]) -> tuple[dict[Kind, Files], tuple[str, ...]]:
    """Select the label masks among several kinds of masks for each image, and describe the others.

    Boundaries, regions of interest and the like are no labels; a coloured kind beside one kind of ids is a rendering
    of it; otherwise kinds with more mask words are preferred: `label` to `fg`.
    """
    if len(kinds) < 2 or not _share_images(kinds):
        return kinds, ()
    words = {kind: {part for _, word in kind for part in (word, *_fine(word))} for kind in kinds}
    shared = set.intersection(*words.values())
    own = {kind: words[kind] - shared for kind in kinds}
    kept = [kind for kind in kinds if not own[kind] & _NO_LABEL_WORDS] or list(kinds)
    coloured = {kind for kind in kept if any(head.has_colors for head in _sample_heads(root, kinds[kind], 1))}
    plain = [kind for kind in kept if kind not in coloured]
    if len(plain) == 1 and all(own[kind] & _RENDERING_WORDS for kind in coloured):
        kept = plain
    most = max(len(words[kind] & _MASK_WORDS) for kind in kept)
    named = [kind for kind in kept if len(words[kind] & _MASK_WORDS) == most]
    kept = named if len(named) == 1 else kept
    left = tuple(_example_file(kinds[kind]) for kind in kinds if kind not in kept)
    return {kind: kinds[kind] for kind in kept}, left


def _fine(word: str) -> list[str]:
    return [part for text in _WORD.findall(word) for part in re.findall(r"\d+|[a-z]+", text)]


def _example_file(files: Files) -> str:
    """A readable name for a kind of mask: one of its files."""
    return next(iter(files.values()))


def _sample_heads(root: Path, files: Files, n: int) -> list[MaskHeader]:
    return mask_headers(root / name for name in spread_sample(list(files.values()), n))


def _have_same_sizes(root: Path, pairs: list[tuple[str, str]]) -> bool:
    """Whether most masks have the size of their image, among the pairs that can be read."""
    same = []
    for mask, image in spread_sample(pairs, _N_COMPARED):
        try:
            heads = [read_header(root / name) for name in (mask, image)]
        except OSError:
            continue
        same.append((heads[0].width, heads[0].height) == (heads[1].width, heads[1].height))
    return 2 * sum(same) >= len(same)


# Several masks of each image


def _rivals(root: Path, kinds: dict[Kind, Files], left_out: tuple[str, ...]) -> MaskFamily:
    """The family of images with several kinds of masks: categories, annotators, or different uses."""
    shared = set.intersection(*map(set, kinds))
    own = {kind: [word for place, word in kind if (place, word) not in shared] for kind in kinds}
    by_number = all(words and all(map(_ANNOTATOR_NAME.fullmatch, words)) for words in own.values())
    overlap = _overlap(root, list(kinds.values()))
    by_annotators = by_number or (overlap is not None and overlap >= _MAX_IOU)
    pattern = _layer_pattern(kinds)
    first = max(kinds, key=lambda kind: len(kinds[kind]))
    texts = [name.lower() for kind, files in kinds.items() if kind != first for name in files.values()]
    return MaskFamily(
        rivals={_example_file(files): tuple(files.values()) for files in kinds.values()},
        by_annotators=by_annotators,
        pattern=pattern and (pattern.replace("{category}", "{annotator}") if by_annotators else pattern),
        layer_pattern=pattern if overlap is not None and not by_annotators else None,
        choice=next((word for word in own[first] if not any(word in text for text in texts)), None),
        left_out=left_out,
    )


def _overlap(root: Path, kinds: list[Files]) -> float | None:
    """The mean intersection over union of the two most similar kinds; None if a mask is not binary."""
    by_pair: dict[tuple[int, int], list[float]] = defaultdict(list)
    for key in spread_sample(list(dict.fromkeys(key for files in kinds for key in files)), _N_COMPARED):
        drawn: dict[int, Flags] = {}
        for row, files in enumerate(kinds):
            if key not in files:
                continue
            try:
                mask = decode_mask(root / files[key])
            except OSError:
                continue
            foreground = _foreground(mask)
            if foreground is None:
                return None
            drawn[row] = foreground
        for a, b in combinations(drawn, 2):
            if drawn[a].shape == drawn[b].shape and (drawn[a] | drawn[b]).any():
                by_pair[a, b].append(float((drawn[a] & drawn[b]).sum() / (drawn[a] | drawn[b]).sum()))
    return max((float(np.mean(shares)) for shares in by_pair.values()), default=0.0)


def _foreground(mask: MaskFile) -> Flags | None:
    """(height, width) the pixels of a binary mask, whose outlines may be smoothed; None if it is not binary."""
    pixels = mask.values
    if mask.alpha is not None and pixels.min() == pixels.max():
        pixels = mask.alpha  # if the colour is constant, the opaque pixels are the mask
    values, n_pixels = np.unique(pixels, return_counts=True)
    # Few greys of smoothed outlines lie between black and white: SEG010 names them.
    n_grey = n_pixels[(values > _MAX_BLACK) & (values < _MIN_WHITE)].sum()
    is_smoothed = len(values) >= _MIN_GREYS and _MIN_WHITE <= values[-1] <= 255 and n_grey < 0.1 * pixels.size
    if (len(values) > 2 and not is_smoothed) or (len(values) >= 2 and values[0] != 0):
        return None
    return np.asarray(pixels > (127 if is_smoothed else 0))


def _layer_pattern(kinds: dict[Kind, Files]) -> str | None:
    """The `layers` pattern that names the category of each kind; None if there is none."""
    paths = {kind: [PurePosixPath(name) for name in files.values()] for kind, files in kinds.items()}
    every = [path for of_kind in paths.values() for path in of_kind]
    if len({len(path.parts) for path in every}) > 1 or len({path.suffix for path in every}) > 1:
        return None
    folders: list[str] = []
    for depth in range(len(every[0].parts) - 1):
        names = [{path.parts[depth] for path in of_kind} for of_kind in paths.values()]
        if len(set.union(*names)) == 1:
            folders.append(every[0].parts[depth])
        elif "{category}" not in folders and max(map(len, names)) == 1 and len(set.union(*names)) == len(kinds):
            folders.append("{category}")
        else:
            folders.append("*")
    name = _name_pattern(paths, "{category}" in folders)
    return None if name is None else "/".join((*folders, name + every[0].suffix))


def _name_pattern(paths: Mapping[Kind, list[PurePosixPath]], has_category: bool) -> str | None:
    """The pattern of file names: the words of a kind after the image's, before them, or not at all."""
    marks = {kind: {word for place, word in kind if place == "name"} for kind in paths}
    if not any(marks.values()):
        return "{stem}" if has_category else None
    field = "*" if has_category else "{category}"
    patterns = set()
    for kind, path in ((kind, path) for kind, of_kind in paths.items() for path in of_kind):
        words = re.split(r"([^A-Za-z0-9]+)", path.stem)
        is_mark = [word.lower() in marks[kind] for word in words[::2]]
        n_marks = sum(is_mark)
        if n_marks == len(is_mark):
            return None
        if all(is_mark[-n_marks:]):
            patterns.add(f"{{stem}}{words[-2 * n_marks]}{field}")
        elif all(is_mark[:n_marks]):
            patterns.add(f"{field}{words[2 * n_marks - 1]}{{stem}}")
        else:
            return None
    return patterns.pop() if len(patterns) == 1 else None
