"""Mask families: tell photographs from masks and match them, whatever the files are called.

Public datasets name files and folders in their own ways: `train-org-img/7.jpg` and `train-label-img/7_lab.png`,
`IMD002/IMD002_lesion/IMD002_lesion.bmp` in a folder for each case, `plant001_rgb.png` beside `plant001_label.png`. What
they have in common: words that only masks or only photographs have say what a file is, and the words that are
left say which image it belongs to.
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

from segdata.formats.shared.file_names import BAND_WORDS, folder_and_stem, is_image_name, spread_sample, walk_files
from segdata.formats.shared.images import read_header
from segdata.formats.shared.mask_files import decode_mask, mask_headers, run_shares

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
_PREDICTED_WORDS = frozenset({
    "result", "results", "pred", "preds", "prediction", "predictions", "predicted", "output", "outputs", "inference",
})  # fmt: skip
# Folders of visualizations, which are neither labels nor images.
_PICTURE_WORDS = frozenset({word for word in _NO_LABEL_WORDS if word.startswith(("overlay", "preview", "visuali"))})
_RENDERING_WORDS = frozenset({"color", "colors", "colour", "colours", "rgb", "vis", "visual"})
_ANNOTATOR_NAME = re.compile(
    r"\d*(1st|2nd|3rd|\dth).*|(annotator|rater|reader|observer|expert|grader|user|person|ho)s?\d*|\d+"
)
_FIRST_NUMBER = re.compile(r"[^/]*?\d[^\W_]*")
_SEPARATORS = re.compile(r"[^A-Za-z0-9]+")
_WORD_PARTS = re.compile(r"\d+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_VISIBLE = frozenset(("rgb", "vi", "vis", "visible"))  # pictures in colour beside those of infrared or depth
Token = tuple[str, str]  # "folder" or "name", and a word in lower case; numbers without zeros in front
Kind = tuple[Token, ...]  # the words of a mask's path that occur in no photograph's


class MaskFamily(msgspec.Struct, frozen=True):
    """Photographs with their masks."""

    # image -> mask; empty if several kinds of masks are `rivals`
    masks: dict[str, str] = {}  # paths below the root, POSIX
    extra: dict[str, str] = {}  # surplus mask -> its image
    bands: dict[str, dict[str, str]] = {}  # image -> band -> file, for images whose bands are separate files
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
    sides = _masks_and_photographs(root, [name for name, _, _ in files])
    if sides is None:
        return None
    masks, photographs = sides
    predicted: list[str] = []
    if chosen is not None:
        masks = [name for name in masks if chosen.lower() in name.lower()]
    elif labels := [name for name in masks if not is_predicted(name)]:
        predicted, masks = [name for name in masks if is_predicted(name)], labels
    for split in (_coarse, _split, _finest):
        family = _match_family(root, masks, photographs, split) if masks else None
        if family is not None:
            return msgspec.structs.replace(family, left_out=(*family.left_out, *predicted[:1]))
    return None


def _masks_and_photographs(root: Path, names: list[str]) -> tuple[list[str], list[str]] | None:
    """Masks and photographs by the contents of each group of files; None if a group holds both, or all the same."""
    return _sides_of_groups(root, names, _group) or _sides_of_groups(root, names, _group_by_start)


def _sides_of_groups(
    root: Path, names: list[str], group_of: Callable[[str], tuple[str, ...]]
) -> tuple[list[str], list[str]] | None:
    """Masks and photographs, judged group by group."""
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
    has_lossless = any(held[key] == {True} and not _is_jpeg(members[0]) for key, members in groups.items())
    masks: list[str] = []
    photographs: list[str] = []
    for key, members in groups.items():
        is_photograph = has_lossless and _is_jpeg(members[0])
        if len(held[key]) != 1 and not is_photograph:
            return None
        (photographs if is_photograph or False in held[key] else masks).extend(members)
    photographs = [name for name in photographs if not is_picture_folder(name)] or photographs
    return (masks, photographs) if masks and photographs else None


def _is_jpeg(name: str) -> bool:
    return name.lower().endswith((".jpg", ".jpeg"))


def is_picture_folder(name: str) -> bool:
    """Whether a folder in a path is named as one of visualizations: ``visualizations/a.jpg``."""
    return any(set(_SEPARATORS.split(folder.lower())) & _PICTURE_WORDS for folder in name.split("/")[:-1])


def is_predicted(name: str) -> bool:
    """Whether a folder in a path is named as one of predictions, and no word as one of labels: ``results/a.png``."""
    folders, words = (set(_SEPARATORS.split(text.lower())) for text in (name.rpartition("/")[0], name))
    return bool(folders & _PREDICTED_WORDS) and not words & _MASK_WORDS


def is_called_no_labels(folder: str) -> bool:
    """Whether a word in a folder's name says that it holds no labels: ``DepthLeft``, ``masks_predicted``."""
    words = {word.lower() for word in _WORD_PARTS.findall(folder)}
    return not (_NO_LABEL_WORDS | _PREDICTED_WORDS).isdisjoint(words)


def _group(name: str) -> tuple[str, ...]:
    """Key of similarly named files: folder without numbers, words after the first number of the name, extension."""
    folder, stem = folder_and_stem(name)
    number = _FIRST_NUMBER.match(stem)
    rest = stem[number.end() :] if number else (re.search(r"[_-][^\W\d_]+$", stem) or [""])[0]
    words = " ".join(word.lower() for word in _SEPARATORS.split(rest) if word and not word.isdigit())
    return re.sub(r"\d+", "#", folder[:-1] or "."), words, name[len(folder) + len(stem) :].lower()


def _group_by_start(name: str) -> tuple[str, ...]:
    """Key of similarly named files: folder without numbers, words before the first number of the name, extension."""
    folder, stem = folder_and_stem(name)
    words = " ".join(word.lower() for word in _SEPARATORS.split(re.split(r"\d", stem, maxsplit=1)[0]) if word)
    return re.sub(r"\d+", "#", folder[:-1] or "."), words, name[len(folder) + len(stem) :].lower()


def _coarse(name: str) -> list[Token]:
    """The folders, unsplit, and the words of the name."""
    path = PurePosixPath(name)
    return [("folder", part.lower()) for part in path.parent.parts] + _words("name", _SEPARATORS.split(path.stem))


def _split(name: str) -> list[Token]:
    """The words of the folders and of the name."""
    path = PurePosixPath(name)
    return _words("folder", _SEPARATORS.split(path.parent.as_posix())) + _words("name", _SEPARATORS.split(path.stem))


def _finest(name: str) -> list[Token]:
    """Words with letters and digits separated: `seg000` is `seg`, `0`."""
    path = PurePosixPath(name)
    return _words("folder", _WORD_PARTS.findall(path.parent.as_posix())) + _words(
        "name", _WORD_PARTS.findall(path.stem)
    )


def _words(place: str, words: Iterable[str]) -> list[Token]:
    return [(place, str(int(word)) if word.isdecimal() else word.lower()) for word in words if word]


def _match_family(
    root: Path, masks: list[str], photographs: list[str], split: Callable[[str], list[Token]]
) -> MaskFamily | None:
    """The family, if nine in ten masks share the words and the size of one image each."""
    tokens = {name: split(name) for name in (*masks, *photographs)}
    sides = [{token for name in names for token in tokens[name]} for names in (masks, photographs)]
    common = sides[0] & sides[1]
    identity = {name: tuple(token for token in words if token in common) for name, words in tokens.items()}
    images: dict[tuple[Token, ...], list[str]] = defaultdict(list)
    for name in photographs:
        images[identity[name]].append(name)
    kinds: dict[Kind, dict[tuple[Token, ...], list[str]]] = {}
    unmatched = []
    for name in masks:
        key = identity[name]
        if key not in images or not any(place == "name" for place, _ in key):
            unmatched.append(name)
            continue
        kind = tuple(token for token in tokens[name] if token not in common and not token[1].isdecimal())
        kinds.setdefault(kind, defaultdict(list))[key].append(name)
    if len(unmatched) > (1 - _MIN_MATCHED) * len(masks):
        return None
    if any(len(names) > 1 for by_key in kinds.values() for names in by_key.values()):
        return None  # several masks of one image have the same words
    labelled = {key: images[key] for key in images if any(key in by_key for by_key in kinds.values())}
    others: list[str] = []
    chosen_images = _choose_images(root, images, tokens, common)
    if chosen_images is None and len(labelled) < len(images):
        others = [name for key, names in images.items() if key not in labelled for name in names]
        chosen_images = _choose_images(root, labelled, tokens, common)
    if chosen_images is None:
        return None
    pictures, bands = chosen_images
    kinds, left_out = _choose_kinds(root, kinds)
    if not _have_same_sizes(root, [(by_key[key][0], pictures[key]) for by_key in kinds.values() for key in by_key]):
        return None
    several = Counter(key for by_key in kinds.values() for key in by_key)
    if max(several.values()) > 1:
        return _rivals(root, kinds, left_out)
    paired = {pictures[key]: names[0] for by_key in kinds.values() for key, names in by_key.items()}
    words = {name: [token for token in tokens[name] if token in common] for name in unmatched}
    extra = {name: paired_image for name in unmatched if (paired_image := _image_of_part(words[name], pictures))}
    return MaskFamily(
        masks=paired,
        extra=extra,
        bands=bands,
        alone=tuple(picture for picture in (*pictures.values(), *others) if picture not in paired),
        left_out=left_out,
    )


def _image_of_part(words: list[Token], pictures: Mapping[tuple[Token, ...], str]) -> str | None:
    """The image with whose words a mask's begin: `benign (3)_mask_1` is a further mask of `benign (3)`."""
    starts = (tuple(words[:end]) for end in range(len(words) - 1, 0, -1))
    return next((pictures[start] for start in starts if start in pictures), None)


def _choose_images(
    root: Path,
    images: Mapping[tuple[Token, ...], list[str]],
    tokens: Mapping[str, list[Token]],
    common: set[Token],
) -> tuple[dict[tuple[Token, ...], str], dict[str, dict[str, str]]] | None:
    """The photograph of each mask (of several, the one in RGB), and the files of its bands.

    None if neither colours nor band names decide which to take.
    """
    if all(len(names) == 1 for names in images.values()):
        return {key: names[0] for key, names in images.items()}, {}
    kinds: dict[Kind, dict[tuple[Token, ...], str]] = defaultdict(dict)
    for key, names in images.items():
        for name in names:
            kind = tuple(token for token in tokens[name] if token not in common and not token[1].isdecimal())
            if key in kinds[kind]:
                return None
            kinds[kind][key] = name
    coloured = [
        kind
        for kind, files in kinds.items()
        if all(head.has_colors for head in mask_headers(_sample_paths(root, files.values())))
    ]
    called = [kind for kind in coloured if any(_VISIBLE & {*_SEPARATORS.split(token)} for _, token in kind)]
    if len(coloured) == 1 or len(called) == 1:  # infrared images may have false colours
        chosen = kinds[(called or coloured)[0]]
        if any(key not in chosen and len(names) > 1 for key, names in images.items()):
            return None
        return {key: chosen.get(key, names[0]) for key, names in images.items()}, {}  # some have another kind alone
    band_of = {kind: _band(kind) for kind in kinds}
    if None in band_of.values() or len(set(band_of.values())) < len(kinds) or coloured:
        return None
    order = sorted(kinds, key=lambda kind: BAND_WORDS.index(str(band_of[kind])))
    bands = {
        next(kinds[kind][key] for kind in order if key in kinds[kind]): {
            str(band_of[kind]): kinds[kind][key] for kind in order if key in kinds[kind]
        }
        for key in images
    }
    return {key: next(kinds[kind][key] for kind in order if key in kinds[kind]) for key in images}, bands


def _band(kind: Kind) -> str | None:
    """The band that the words of photographs name, if it is just one."""
    named = {word for _, token in kind for word in _SEPARATORS.split(token)} & set(BAND_WORDS)
    return named.pop() if len(named) == 1 else None


def _sample_paths(root: Path, names: Iterable[str]) -> list[Path]:
    files = list(names)
    return [root / name for name in spread_sample(files, _N_COMPARED)]


def _choose_kinds(
    root: Path, kinds: dict[Kind, dict[tuple[Token, ...], list[str]]]
) -> tuple[dict[Kind, dict[tuple[Token, ...], list[str]]], tuple[str, ...]]:
    """Select the label masks among several kinds of masks for each image, and describe the others.

    Boundaries, regions of interest and the like are no labels; a coloured kind beside one kind of ids is a rendering
    of it; otherwise kinds with more mask words are preferred: `label` to `fg`.
    """
    if len(kinds) < 2 or max(Counter(key for by_key in kinds.values() for key in by_key).values()) < 2:
        return kinds, ()
    words = {kind: {word for _, token in kind for word in (token, *_fine(token))} for kind in kinds}
    shared = set.intersection(*words.values())
    own = {kind: words[kind] - shared for kind in kinds}
    kept = [kind for kind in kinds if not own[kind] & _NO_LABEL_WORDS] or list(kinds)
    coloured = {kind for kind in kept if _is_coloured(root, kinds[kind])}
    plain = [kind for kind in kept if kind not in coloured]
    if len(plain) == 1 and all(own[kind] & _RENDERING_WORDS for kind in coloured):
        kept = plain
    most = max(len(words[kind] & _MASK_WORDS) for kind in kept)
    named = [kind for kind in kept if len(words[kind] & _MASK_WORDS) == most]
    kept = named if len(named) == 1 else kept
    left = tuple(_example_file(kinds[kind]) for kind in kinds if kind not in kept)
    return {kind: kinds[kind] for kind in kept}, left


def _fine(token: str) -> list[str]:
    return [part for word in _SEPARATORS.split(token) for part in re.findall(r"\d+|[a-z]+", word)]


def _is_coloured(root: Path, files: Mapping[tuple[Token, ...], list[str]]) -> bool:
    return any(
        head.has_colors for head in mask_headers(_sample_paths(root, (names[0] for names in files.values()))[:1])
    )


def _example_file(files: Mapping[tuple[Token, ...], list[str]]) -> str:
    """A readable name for a kind of mask: one of its files."""
    return next(iter(files.values()))[0]


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


def _rivals(root: Path, kinds: dict[Kind, dict[tuple[Token, ...], list[str]]], left_out: tuple[str, ...]) -> MaskFamily:
    """The family of images with several kinds of masks: categories, annotators, or different uses."""
    shown = {_example_file(files): tuple(names[0] for names in files.values()) for files in kinds.values()}
    shared = set.intersection(*(set(kind) for kind in kinds))
    own = [[word for place, word in kind if (place, word) not in shared] for kind in kinds]
    by_number = all(words and all(_ANNOTATOR_NAME.fullmatch(word) for word in words) for words in own)
    overlap, binary = _overlap(root, list(kinds.values()))
    by_annotators = by_number or (binary and overlap >= _MAX_IOU)
    pattern = _layer_pattern(kinds)
    first = min(kinds, key=lambda kind: -len(kinds[kind]))
    own_words = [word for place, word in first if (place, word) not in shared]
    texts = [
        name.lower() for kind, files in kinds.items() if kind != first for names in files.values() for name in names
    ]
    return MaskFamily(
        rivals=shown,
        by_annotators=by_annotators,
        pattern=pattern and (pattern.replace("{category}", "{annotator}") if by_annotators else pattern),
        layer_pattern=pattern if binary and not by_annotators else None,
        choice=next((word for word in own_words if not any(word in text for text in texts)), None),
        left_out=left_out,
    )


def _overlap(root: Path, kinds: list[Mapping[tuple[Token, ...], list[str]]]) -> tuple[float, bool]:
    """The mean intersection over union of the two most similar kinds, and whether all masks are binary."""
    by_pair: dict[tuple[int, int], list[float]] = defaultdict(list)
    keys = list(dict.fromkeys(key for files in kinds for key in files))
    for key in spread_sample(keys, _N_COMPARED):
        drawn = {}
        for row, files in enumerate(kinds):
            if key not in files:
                continue
            try:
                mask = decode_mask(root / files[key][0])
            except OSError:
                continue
            pixels = mask.values
            if mask.alpha is not None and pixels.min() == pixels.max():
                pixels = mask.alpha  # if the colour is constant, the opaque pixels are the mask
            values, n_pixels = np.unique(pixels, return_counts=True)
            # Few greys of smoothed outlines lie between black and white: SEG010 names them.
            n_grey = n_pixels[(values > _MAX_BLACK) & (values < _MIN_WHITE)].sum()
            is_smoothed = len(values) >= _MIN_GREYS and _MIN_WHITE <= values[-1] <= 255 and n_grey < 0.1 * pixels.size
            if (len(values) > 2 and not is_smoothed) or (len(values) >= 2 and values[0] != 0):
                return 0.0, False
            drawn[row] = pixels > (127 if is_smoothed else 0)
        for a, b in combinations(sorted(drawn), 2):
            if drawn[a].shape == drawn[b].shape and (drawn[a] | drawn[b]).any():
                by_pair[a, b].append(float((drawn[a] & drawn[b]).sum() / (drawn[a] | drawn[b]).sum()))
    return max((float(np.mean(shares)) for shares in by_pair.values()), default=0.0), True


def _layer_pattern(kinds: dict[Kind, dict[tuple[Token, ...], list[str]]]) -> str | None:
    """The `layers` pattern that names the category of each kind; None if there is none."""
    files = [(kind, PurePosixPath(names[0])) for kind, by_key in kinds.items() for names in by_key.values()]
    if len({len(path.parts) for _, path in files}) > 1 or len({path.suffix for _, path in files}) > 1:
        return None
    parts: list[str] = []
    has_category = False
    for depth in range(len(files[0][1].parts) - 1):
        of_kind: dict[Kind, set[str]] = defaultdict(set)
        for kind, path in files:
            of_kind[kind].add(path.parts[depth])
        every = set.union(*of_kind.values())
        if len(every) == 1:
            parts.append(every.pop())
        elif not has_category and all(len(names) == 1 for names in of_kind.values()) and len(every) == len(kinds):
            parts.append("{category}")
            has_category = True
        else:
            parts.append("*")
    name = _name_pattern(files, has_category)
    return None if name is None else "/".join((*parts, name + files[0][1].suffix))


def _name_pattern(files: list[tuple[Kind, PurePosixPath]], has_category: bool) -> str | None:
    """The pattern of file names: the words of a kind after the image's, before them, or not at all."""
    marks = {kind: {word for place, word in kind if place == "name"} for kind, _ in files}
    if not any(marks.values()):
        return "{stem}" if has_category else None
    field = "*" if has_category else "{category}"
    patterns = set()
    for kind, path in files:
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
