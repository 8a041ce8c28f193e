"""Layers: one binary or thresholded mask file for each category or object of an image; layers may overlap.

You set the pattern of the file names with `layers.pattern` in segdata.yaml: ``{stem}_{category}_{instance}.png``,
``{category}/{stem}.png``, ``1st_manual/{stem}_manual1.gif`` with `category: vessel`. If you leave out `{instance}`, a
layer is a category of its image, and an empty layer means that the image does not have the category.

With `{annotator}` in the pattern, each annotator's layers of an image are an annotation: two observers in
``{stem}_{annotator}.png`` with `category: vessel` are compared by `segdata agreement DATA`.

You need no pattern where each image has several binary masks that hardly overlap, and their folders or the ends of
their names differ: each kind is a category (`leftMask/` and `rightMask/`, `00000_hair.png` and `00000_skin.png`). Five
other layouts need none. In a folder of masks, ``a/0.png`` and ``a/1.png`` are objects of the image ``a.jpg``, and
``a/hair.png`` is a category. Brush labels that Label Studio exports as PNG are called
``task-1-annotation-2-by-3-tag-Car-0.png``. In the Data Science Bowl 2018 each image has a folder, with ``images/`` that
holds the image of the folder's name, and ``masks/`` that holds a mask of each object. MVTec AD has
``ground_truth/crack/000_mask.png`` for ``test/crack/000.png``: the folder is the category. pycococreator has
``annotations/1000_square_0.png`` for ``1000.jpeg`` in another folder.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable
from pathlib import Path, PurePosixPath

from segdata.core.config import Layers, load_config
from segdata.core.errors import SegdataError
from segdata.core.format import FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.core.memo import memoize
from segdata.formats.shared.file_names import MASK_FOLDERS, has_images, is_image_name

ALIASES = ("binary-masks", "layer-masks", "binary")
FAMILY = "masks"  # `--from masks` reads this format, too
LOSSES: frozenset[LossKind] = frozenset()  # read only
CHECKED = ("Pillow and numpy (each layer's pixels)",)


_MIN_NAMED_FOLDERS = 0.8  # share of folders that have the name of an image, of those that a look at the files shows
_LABEL_STUDIO = re.compile(r"(?:.*/)?task-(\d+)-annotation-(\d+)-by-[^/]*-tag-[^/]+-\d+\.png")


def detect(files: FileProbe) -> FormatMatch | None:
    """A segdata.yaml with `layers`, or names of a layout that needs no pattern."""
    settings = files.root / "segdata.yaml"
    config = load_config(settings) if settings.is_file() else None
    if config is not None and config.layers is not None:
        return FormatMatch(0.95, "segdata.yaml has layers")
    if config is not None and config.instance_ids is not None:
        return None
    implied = implied_layers(files.names) or layers_of_contents(files.root)
    return None if implied is None else FormatMatch(0.9, f"files are called {implied.pattern}")


def implied_layers(names: Iterable[str]) -> Layers | None:
    """The `layers` settings that the names of the image files (POSIX paths) imply unambiguously; else None.

    >>> implied_layers(["task-1-annotation-2-by-3-tag-Car-0.png", "task-2-annotation-5-by-3-tag-Tree-0.png"]).pattern
    'task-{stem}-annotation-*-by-*-tag-{category}-{instance}.png'
    >>> implied_layers(["annotations/7_round_sign_0.png", "annotations/7_bus_1.png", "images/7.jpg"]).pattern
    'annotations/{stem}_{category}_{instance}.png'
    >>> implied_layers(["ground_truth/crack/000_mask.png", "test/crack/000.png", "test/good/000.png"]).pattern
    'ground_truth/{category}/{stem}_mask.png'
    >>> implied_layers(["images/a.jpg", "images/b.jpg", "masks/a/0.png", "masks/a/1.png", "masks/b/0.png"]).pattern
    'masks/{stem}/{instance}.png'
    >>> implied_layers(["a/images/a.png", "a/masks/1.png", "a/masks/2.png", "b/images/b.png", "b/masks/7.png"]).pattern
    '{stem}/masks/{instance}.png'
    """
    files = [PurePosixPath(name) for name in names if is_image_name(name)]
    exports = [match for path in files if (match := _LABEL_STUDIO.fullmatch(path.as_posix()))]
    if exports and len(exports) == len(files):
        annotations = dict.fromkeys(match.groups() for match in exports)
        several = Counter(task for task, _ in annotations).most_common(1)[0][1] > 1  # several annotators
        folder = "" if all(len(path.parts) == 1 for path in files) else "*/"
        pattern = f"{folder}task-{{stem}}-annotation-*-by-*-tag-{{category}}-{{instance}}.png"
        return None if several else Layers(pattern=pattern)
    named = _mvtec_layers(files) or _numbered_layers(files) or _layers_in_folders(files)
    if named is not None:
        return named
    masks = {path for path in files if path.parent.name == "masks"}
    images = [path for path in files if path not in masks]
    suffixes = {path.suffix for path in masks}
    own = all(path.parent.name == "images" and path.stem == path.parent.parent.name for path in images)
    homes = {path.parent.parent for path in images}
    numbered = all(path.parent.parent in homes and path.stem != path.parent.parent.name for path in masks)
    if own and numbered and len(suffixes) == 1:
        return Layers(pattern=f"{{stem}}/masks/{{instance}}{suffixes.pop()}", category="object")
    return None


def _mvtec_layers(files: Iterable[PurePosixPath]) -> Layers | None:
    """The layers of MVTec AD: `ground_truth/crack/000_mask.png` is of `test/crack/000.png`, or of another folder."""
    places = {(path.parts[:-3], path.parts[-2:-1], path.stem): path for path in files}
    masks = [key for key, path in places.items() if "ground_truth" in path.parts[-3:-2]]
    of_image = [(home, label, stem.removesuffix("_mask")) for home, label, stem in masks]
    suffixes = {places[key].suffix for key in masks}
    if len(suffixes) != 1 or not all(stem.endswith("_mask") for *_, stem in masks) or not places.keys() & set(of_image):
        return None
    homes = {home for home, *_ in masks}
    home = "".join(f"{part}/" for part in homes.pop()) if len(homes) == 1 else "*/"
    return Layers(pattern=f"{home}ground_truth/{{category}}/{{stem}}_mask{suffixes.pop()}")


def _numbered_layers(files: Iterable[PurePosixPath]) -> Layers | None:
    """The layers of pycococreator: `annotations/1000_square_0.png` is of `1000.jpeg` in another folder."""
    masks = [path for path in files if path.parent.name.lower() in MASK_FOLDERS]
    stems = {path.stem for path in files if path.parent.name.lower() not in MASK_FOLDERS}
    homes, suffixes = {path.parent for path in masks}, {path.suffix for path in masks}
    if len(homes) != 1 or len(suffixes) != 1 or not all(_names_object(path.stem, stems) for path in masks):
        return None
    return Layers(pattern=f"{homes.pop().as_posix()}/{{stem}}_{{category}}_{{instance}}{suffixes.pop()}")


def _layers_in_folders(files: Iterable[PurePosixPath]) -> Layers | None:
    """The layers of an image in a folder of its name: `masks/a/0.png` and `masks/a/1.png`, or `masks/a/hair.png`.

    Numbers are objects, and words are categories.
    """
    masks = [path for path in files if path.parent.parent.name.lower() in MASK_FOLDERS]
    stems = {path.stem for path in set(files).difference(masks)}
    folders, suffixes = {path.parent.name for path in masks}, {path.suffix for path in masks}
    homes = {path.parent.parent for path in masks}
    if (
        len(suffixes) != 1
        or len(masks) == len(folders)
        or len(homes) > 1
        or len(folders & stems) < _MIN_NAMED_FOLDERS * min(len(folders), len(stems))
        or not folders & stems
    ):
        return None
    start, suffix = f"{homes.pop().as_posix()}/{{stem}}/", suffixes.pop()
    if all(path.stem[-1:].isdecimal() for path in masks):
        return Layers(pattern=f"{start}{{instance}}{suffix}", category="object")
    return Layers(pattern=f"{start}{{category}}{suffix}")


def _names_object(name: str, stems: Container[str]) -> bool:
    """Whether a name consists of an image's stem, a category and a number; a_mask_1 and a_mask_2 do not."""
    *words, number = name.split("_")
    starts = ["_".join(words[:end]) in stems for end in range(1, len(words))]
    return number.isdecimal() and any(starts) and words[-1].lower() not in MASK_FOLDERS


@memoize
def layers_of_contents(root: Path) -> Layers | None:
    """The `layers` settings if each image has several binary masks whose paths differ in the category."""
    if not root.is_dir() or not has_images(root):
        return None
    from segdata.formats.shared.mask_layouts import find_layouts

    try:
        layouts = find_layouts(root)
    except SegdataError:  # raised again on reading
        return None
    patterns = (layout.family.layer_pattern for layout in layouts if layout.family is not None)
    pattern = next(patterns, None)
    return None if pattern is None else Layers(pattern=pattern)


read = ImportedOnCall("segdata.formats.masks.layer_files:open_layers")
