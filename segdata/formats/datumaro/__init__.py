"""Datumaro: the JSON documents of Datumaro's own format, one a subset, as CVAT and Datumaro write them.

Specification: src/datumaro/plugins/data_formats/datumaro (base.py, exporter.py) of open-edge-platform/datumaro;
pixels as pycocotools makes them, which is what Datumaro uses.

Read: ``annotations/<subset>.json`` with images in ``images/<subset>/`` or ``images/``. Polygons, masks and ellipses are
segments (an ellipse as the polygon of 720 points that Datumaro makes of it). Polygons of one `group` and label are one
segment. `z_order` and attributes are kept; the attributes `is_crowd`, `score` and `track_id`, and `object_id`, become
the columns of that meaning. Label ids are positions in the list of labels. A subset is a split, except ``default``. An
item's own attributes are metadata of its image; `annotator` and `source` among them say who annotated. Boxes, points,
lines and labels of whole images are not segmentations: they are counted and left out.

Written: a document for each split. A segment is a polygon, or several of one group, if the source's rings rasterise to
exactly its pixels, also as Datumaro reads them (single precision, two digits), else a mask. ``taxonomy.yaml`` beside
them has the ids, kinds and guideline of the categories, which labels cannot hold. If an image has several annotators,
you get the first one's work.
"""

from pathlib import Path

from segdata.core.errors import list_names
from segdata.core.format import DOCUMENT_NAMES, FileProbe, FormatMatch
from segdata.core.lazy_loading import ImportedOnCall
from segdata.core.losses import LossKind
from segdata.formats.shared import DATUMARO_LOSSES

ALIASES = ("datum",)
NAMES = DOCUMENT_NAMES
LOSSES: frozenset[LossKind] = DATUMARO_LOSSES
CHECKED = ("Datumaro 1.13 (reads what is written, writes what is read)", "pycocotools")
_VERSION = rb'"dm_format_version"\s*:'
_LEGACY = rb'"categories"\s*:\s*\{\s*"label"\s*:\s*\{\s*"(labels|label_groups|attributes)"'


def detect(probe: FileProbe) -> FormatMatch | None:
    """JSON documents with the format's version, or with the head of older documents."""
    pattern = r"\.json$" if probe.root.is_file() else r"^(annotations/)?[^/]+\.json$"
    names = probe.heads(pattern, _VERSION)
    if names:
        return FormatMatch(1.0, f"dm_format_version in {list_names(names)}")
    names = probe.heads(pattern, _LEGACY)
    return FormatMatch(0.95, f"labels as Datumaro writes them in {list_names(names)}") if names else None


read = ImportedOnCall("segdata.formats.datumaro.reader:open_documents")


def find_documents(root: Path) -> list[Path]:
    """The file itself, or the documents in a folder; if none looks like a document, all its JSON files."""
    if root.is_file():
        return [root]
    if paths := sorted((root / "annotations").glob("*.json")):
        return paths
    probe = FileProbe(root)
    names = probe.heads(r"^[^/]+\.json$", _VERSION) or probe.heads(r"^[^/]+\.json$", _LEGACY)
    return [root / name for name in names] or sorted(root.glob("*.json"))


write = ImportedOnCall("segdata.formats.datumaro.writer:write_documents")
