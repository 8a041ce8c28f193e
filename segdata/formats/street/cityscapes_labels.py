"""Labels of Cityscapes and KITTI, and those of a `label_colors.txt`.

Source: mcordts/cityscapesScripts cityscapesscripts/helpers/labels.py. Not in the taxonomy are its labels `unlabeled`
(id 0), the value of unlabelled pixels, and `license plate` (id -1), which no mask shows.

Labels of the official category void have the kind void. Labels that only the evaluation leaves out (parking, rail
track, guard rail, bridge, tunnel, polegroup, caravan, trailer) keep their kind: they were labelled with care.

Datumaro and CVAT write `label_colors.txt` for datasets in these layouts that have labels of their own: the line is the
label's id. Their names have no spaces: `trafficlight`.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from segdata.core.guideline import rgb_to_cielab
from segdata.core.paths import dataset_folder
from segdata.core.taxonomy import Category, CategoryKind, Color, Taxonomy
from segdata.formats.shared.colour_tables import load_colour_table

_JUST_NOTICEABLE = 2.3  # CIE76, as in rule SEG208
UNLABELLED = 0
UNLABELLED_NAME = "unlabeled"
LICENSE_PLATE = "license plate"  # in polygon files only
IGNORED = 255  # the train id of labels that are not trained
IGNORED_NAME = "ignore"
# Id, name, train id, official category, kind, colour.
_ROWS: tuple[tuple[int, str, int, str, CategoryKind, Color], ...] = (
    (1, "ego vehicle", 255, "void", "void", (0, 0, 0)),
    (2, "rectification border", 255, "void", "void", (0, 0, 0)),
    (3, "out of roi", 255, "void", "void", (0, 0, 0)),
    (4, "static", 255, "void", "void", (0, 0, 0)),
    (5, "dynamic", 255, "void", "void", (111, 74, 0)),
    (6, "ground", 255, "void", "void", (81, 0, 81)),
    (7, "road", 0, "flat", "stuff", (128, 64, 128)),
    (8, "sidewalk", 1, "flat", "stuff", (244, 35, 232)),
    (9, "parking", 255, "flat", "stuff", (250, 170, 160)),
    (10, "rail track", 255, "flat", "stuff", (230, 150, 140)),
    (11, "building", 2, "construction", "stuff", (70, 70, 70)),
    (12, "wall", 3, "construction", "stuff", (102, 102, 156)),
    (13, "fence", 4, "construction", "stuff", (190, 153, 153)),
    (14, "guard rail", 255, "construction", "stuff", (180, 165, 180)),
    (15, "bridge", 255, "construction", "stuff", (150, 100, 100)),
    (16, "tunnel", 255, "construction", "stuff", (150, 120, 90)),
    (17, "pole", 5, "object", "stuff", (153, 153, 153)),
    (18, "polegroup", 255, "object", "stuff", (153, 153, 153)),
    (19, "traffic light", 6, "object", "stuff", (250, 170, 30)),
    (20, "traffic sign", 7, "object", "stuff", (220, 220, 0)),
    (21, "vegetation", 8, "nature", "stuff", (107, 142, 35)),
    (22, "terrain", 9, "nature", "stuff", (152, 251, 152)),
    (23, "sky", 10, "sky", "stuff", (70, 130, 180)),
    (24, "person", 11, "human", "thing", (220, 20, 60)),
    (25, "rider", 12, "human", "thing", (255, 0, 0)),
    (26, "car", 13, "vehicle", "thing", (0, 0, 142)),
    (27, "truck", 14, "vehicle", "thing", (0, 0, 70)),
    (28, "bus", 15, "vehicle", "thing", (0, 60, 100)),
    (29, "caravan", 255, "vehicle", "thing", (0, 0, 90)),
    (30, "trailer", 255, "vehicle", "thing", (0, 0, 110)),
    (31, "train", 16, "vehicle", "thing", (0, 80, 100)),
    (32, "motorcycle", 17, "vehicle", "thing", (0, 0, 230)),
    (33, "bicycle", 18, "vehicle", "thing", (119, 11, 32)),
)
# Label id -> train id, `IGNORED` for labels that are not trained.
TRAIN_ID = {id_: train for id_, _, train, *_ in _ROWS}
TRAINED = {train: id_ for id_, train in TRAIN_ID.items() if train != IGNORED}  # train id -> label id
_NAME = "label_colors.txt"
_UNLABELLED_NAMES = frozenset({"background", UNLABELLED_NAME})


def drop_similar_colors(categories: Iterable[Category]) -> tuple[Category, ...]:
    """The categories, without colours that are indistinguishable from an earlier category's.

    >>> alike = [Category(id=i, name=str(i), color=(9, 9, 9)) for i in range(2)]
    >>> [category.color for category in drop_similar_colors(alike)]
    [(9, 9, 9), None]
    """
    kept: list[Category] = []
    taken_colors = np.empty((0, 3))
    for category in categories:
        if category.rgb is not None:
            color = rgb_to_cielab(np.array([category.rgb], np.float64))
            if (np.linalg.norm(taken_colors - color, axis=1) < _JUST_NOTICEABLE).any():
                category = msgspec.structs.replace(category, color=None)
            else:
                taken_colors = np.concatenate([taken_colors, color])
        kept.append(category)
    return tuple(kept)


LABELS = Taxonomy(
    categories=drop_similar_colors(
        [
            Category(id=id_, name=name, parent=group, kind=kind, color=color)
            for id_, name, _, group, kind, color in _ROWS
        ]
    ),
    unlabelled=UNLABELLED,
)


def load_labels(root: Path) -> Taxonomy:
    """The labels of `label_colors.txt` at the dataset's root, else Cityscapes' labels.

    Kinds are those of Cityscapes' labels of the same name, else thing. Raises SegdataError, with its line, for a broken
    file.
    """
    start = dataset_folder(root)
    path = next((folder / _NAME for folder in (start, start.parent) if (folder / _NAME).is_file()), None)
    if path is None:
        return LABELS
    kinds = {_normalize(row.name): row.kind for row in LABELS.categories}
    rows = load_colour_table(path).categories
    unlabelled = [row.id for row in rows if _normalize(row.name) in _UNLABELLED_NAMES][:1]
    categories = [
        Category(
            id=row.id,
            name=row.name,
            color=row.color,
            kind="void" if row.kind == "void" else kinds.get(_normalize(row.name), "thing"),
        )
        for row in rows
        if row.id not in unlabelled
    ]
    return Taxonomy(categories=drop_similar_colors(categories), unlabelled=unlabelled[0] if unlabelled else None)


def _normalize(name: str) -> str:
    return name.lower().replace(" ", "")
