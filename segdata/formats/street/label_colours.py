"""label_colors.txt: the labels of datasets in a layout of Cityscapes or KITTI that have labels of their own.

Datumaro and CVAT write it: the line is the label's id. Their names have no spaces: `trafficlight`.
"""

from pathlib import Path

from segdata.core.taxonomy import Category, CategoryKind, Taxonomy
from segdata.formats.shared.taxonomies import load_colour_table
from segdata.formats.street import cityscapes_table
from segdata.formats.street.colours import told_apart

_NAME = "label_colors.txt"
_NOBODY = frozenset({"background", cityscapes_table.UNLABELLED_NAME})


def labels_beside(root: Path) -> Taxonomy:
    """The labels that the file at the dataset's root has, kinds as those of Cityscapes have them, else things.

    Without the file those of Cityscapes. Raises SegdataError, with its line, where the file is none.
    """
    start = root if root.is_dir() else root.parent
    path = next((folder / _NAME for folder in (start, start.parent) if (folder / _NAME).is_file()), None)
    if path is None:
        return cityscapes_table.LABELS
    kinds = {_plain(each.name): each.kind for each in cityscapes_table.LABELS.categories}
    rows = load_colour_table(path).categories
    nobody = [each.id for each in rows if _plain(each.name) in _NOBODY][:1]
    categories = [
        Category(id=each.id, name=each.name, color=each.color, kind=_kind(each, kinds))
        for each in rows
        if each.id not in nobody
    ]
    return Taxonomy(categories=told_apart(categories), unlabelled=nobody[0] if nobody else None)


def _kind(label: Category, kinds: dict[str, CategoryKind]) -> CategoryKind:
    return "void" if label.kind == "void" else kinds.get(_plain(label.name), "thing")


def _plain(name: str) -> str:
    return name.lower().replace(" ", "")
