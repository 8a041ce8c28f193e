"""Cityscapes table: the official labels, which KITTI has too.

Source: mcordts/cityscapesScripts cityscapesscripts/helpers/labels.py. Not in the taxonomy are its labels `unlabeled`
(id 0), which is the value of what nobody drew, and `license plate` (id -1), which no mask shows.

Of kind void are the labels of the official category void. What the evaluation merely leaves out (parking, rail track,
guard rail, bridge, tunnel, polegroup, caravan, trailer) keeps its kind: it was labelled with care.
"""

from segdata.core.taxonomy import Category, CategoryKind, Color, Taxonomy
from segdata.formats.street.colours import told_apart

UNLABELLED = 0
UNLABELLED_NAME = "unlabeled"
PLATE = "license plate"  # drawn as a polygon, and in no mask
IGNORED = 255  # the train id of all that is not trained
IGNORED_NAME = "ignore"

_ROWS: tuple[
    tuple[int, str, int, str, CategoryKind, Color], ...
] = (  # id, name, train id, official category, kind, colour
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

LABELS = Taxonomy(
    categories=told_apart(
        [
            Category(id=id_, name=name, parent=group, kind=kind, color=color)
            for id_, name, _, group, kind, color in _ROWS
        ]
    ),
    unlabelled=UNLABELLED,
)
TRAIN_ID = {id_: train for id_, _, train, *_ in _ROWS}  # label id -> train id, `IGNORED` for what is not trained
TRAINED = {train: id_ for id_, train in TRAIN_ID.items() if train != IGNORED}  # train id -> label id
