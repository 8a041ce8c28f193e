"""Partner: which names of masks and images belong together."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

_MASK_WORDS = r"(?:masks?|labels?|seg(?:mentation)?|gt|annot(?:ation)?|manual\d?|labelids|instanceids|mat?te)"
_MASK_END = re.compile(rf"(?:[._-]{_MASK_WORDS}|[._-]L)$", re.IGNORECASE)
_MASK_BEGIN = re.compile(rf"^{_MASK_WORDS}[._-]?", re.IGNORECASE)
_IMAGE_END = re.compile(r"[._-](?:images?|img|rgb|sat|test|training|leftimg8bit)$", re.IGNORECASE)
_IMAGE_BEGIN = re.compile(r"^(?:images?|img|frame)[._-]?", re.IGNORECASE)


def match(masks: Iterable[str], images: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """For each mask the image that it belongs to, and for each second mask of an image that image.

    Names are paths with extension. First the same name, then that name without what marks masks (`_mask`, `_L`,
    `label_` …), then both without what marks them (`mask2d` and `img2d`). A name that fits several images fits none.

    >>> match(["a_mask.png", "b.png", "c_L.png"], ["a.jpg", "b.jpg", "d.jpg"])[0]
    {'b.png': 'b.jpg', 'a_mask.png': 'a.jpg'}
    """
    names, files = list(masks), list(images)
    partner: dict[str, str] = {}
    twice: dict[str, str] = {}
    taken: set[str] = set()
    for image_keys, mask_keys in ((_plain, _plain), (_plain, _without_marks), (_image_marks, _without_marks)):
        by_key: dict[str, set[str]] = {}
        for file in files:
            for key in image_keys(file):
                by_key.setdefault(key, set()).add(file)
        for name in names:
            if name in partner or name in twice:
                continue
            hits = next((by_key[key] for key in mask_keys(name) if key in by_key), set())
            free = hits - taken
            if len(free) == 1 or (free and mask_keys is _plain):
                partner[name] = min(free)
                taken.add(partner[name])
            elif hits and not free:
                twice[name] = min(hits)
    return partner, twice


def image_names(images: Iterable[str]) -> dict[str, list[str]]:
    """The images that each name may stand for: with folders or without, with an image's marks (`_test`) or without.

    >>> image_names(["images/01_test.tif"])
    {'images/01_test': ['images/01_test.tif'], 'images/01': ['images/01_test.tif'], '01_test': ['images/01_test.tif'], \
'01': ['images/01_test.tif']}
    """
    names: dict[str, list[str]] = {}
    for image in images:
        keys = _image_marks(image)
        for key in dict.fromkeys([*keys, *(PurePosixPath(key).name for key in keys)]):
            names.setdefault(key, []).append(image)
    return names


def _plain(name: str) -> list[str]:
    return [PurePosixPath(name).with_suffix("").as_posix()]


def _without_marks(name: str) -> list[str]:
    """`name` without extension and without the marks of masks: at its end, at its beginning, or both."""
    return _stripped(name, _MASK_END, _MASK_BEGIN)


def _image_marks(name: str) -> list[str]:
    return _stripped(name, _IMAGE_END, _IMAGE_BEGIN)


def _stripped(name: str, end: re.Pattern[str], begin: re.Pattern[str]) -> list[str]:
    path = PurePosixPath(name).with_suffix("")
    stems = [path.name, end.sub("", path.name), begin.sub("", path.name), begin.sub("", end.sub("", path.name))]
    return [(path.parent / stem).as_posix() for stem in dict.fromkeys(stems) if stem]


def flat(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Masks and images that lie in one folder, told apart by their names; all are masks where that fails."""
    masks = {name: path for name, path in files.items() if len(_without_marks(name)) > 1}
    pictures = {name: path for name, path in files.items() if name not in masks}
    return (masks, pictures) if match(masks, pictures)[0] else (files, {})
