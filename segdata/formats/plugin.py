"""The API for formats of third parties: import everything that a format needs from here.

`docs/add_a_format.md` shows a complete format. Names are imported on first use: a format that takes what `detect` needs
at its top, and readers and writers inside `read` and `write`, costs other commands no start-up time. Test helpers, such
as the round-trip law, are in `segdata.testing`. `help("segdata.formats.plugin.ImageEntry")` shows one name alone.

What is where:

- the parts of a format: `ReadRequest`, `FileProbe`, `FormatMatch`, `Source`, `LossCounter`, `LossKind`
- names of categories in a source: `resolve_names`
- datasets: `Profile`, `Policy`, `ImageSequence`, `Taxonomy`, `Category`, `Batch`, `Runs`, `Defect`
- reading: `PerImageSource`, `ImageEntry`, `ImageAnnotation`, `BrokenLabelsError`; label and image files; `ValueRuns`
- polygons: `Polygon`, `PolygonArrays`, `check_ring`; `rasterise_polygons`, `unite_owners`, `trace_polygons`
- writing: `start_folder`, `segments_by_image`, `paint`, `MaskPaths`, `write_sidecars`
- losses: sets to declare (`MASK_LOSSES` …) and functions that count (`count_losses` …)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segdata.core.batch import Batch as Batch
    from segdata.core.errors import SegdataError as SegdataError
    from segdata.core.errors import UnreadableError as UnreadableError
    from segdata.core.finding import Defect as Defect
    from segdata.core.format import FileProbe as FileProbe
    from segdata.core.format import FormatMatch as FormatMatch
    from segdata.core.format import LossCounter as LossCounter
    from segdata.core.format import LossKind as LossKind
    from segdata.core.format import ReadRequest as ReadRequest
    from segdata.core.format import Source as Source
    from segdata.core.format import find_format as find_format
    from segdata.core.profile import ImageSequence as ImageSequence
    from segdata.core.profile import Policy as Policy
    from segdata.core.profile import Profile as Profile
    from segdata.core.runs import Runs as Runs
    from segdata.core.schema import BATCH_ANNOTATIONS as BATCH_ANNOTATIONS
    from segdata.core.schema import BATCH_IMAGES as BATCH_IMAGES
    from segdata.core.schema import BATCH_SEGMENTS as BATCH_SEGMENTS
    from segdata.core.schema import make_table as make_table
    from segdata.core.taxonomy import Category as Category
    from segdata.core.taxonomy import Taxonomy as Taxonomy
    from segdata.formats.shapes.geometry import Polygon as Polygon
    from segdata.formats.shapes.geometry import PolygonArrays as PolygonArrays
    from segdata.formats.shapes.geometry import check_ring as check_ring
    from segdata.formats.shapes.polygons import TracedPolygons as TracedPolygons
    from segdata.formats.shapes.polygons import trace_polygons as trace_polygons
    from segdata.formats.shapes.raster import rasterise_polygons as rasterise_polygons
    from segdata.formats.shapes.raster import unite_owners as unite_owners
    from segdata.formats.shared import CATEGORY_MASK_LOSSES as CATEGORY_MASK_LOSSES
    from segdata.formats.shared import MASK_LOSSES as MASK_LOSSES
    from segdata.formats.shared import TOOL_LOSSES as TOOL_LOSSES
    from segdata.formats.shared.derived_sources import AlteredSource as AlteredSource
    from segdata.formats.shared.derived_sources import ChainedSource as ChainedSource
    from segdata.formats.shared.images import ImageFolder as ImageFolder
    from segdata.formats.shared.images import open_image as open_image
    from segdata.formats.shared.images import read_header as read_header
    from segdata.formats.shared.mask_files import MaskFile as MaskFile
    from segdata.formats.shared.mask_files import ValueRuns as ValueRuns
    from segdata.formats.shared.mask_files import decode_mask as decode_mask
    from segdata.formats.shared.painting import ImageSegments as ImageSegments
    from segdata.formats.shared.painting import MaskPaths as MaskPaths
    from segdata.formats.shared.painting import annotation_examples as annotation_examples
    from segdata.formats.shared.painting import count_category_mask_losses as count_category_mask_losses
    from segdata.formats.shared.painting import count_hidden_segments as count_hidden_segments
    from segdata.formats.shared.painting import count_losses as count_losses
    from segdata.formats.shared.painting import count_segment_mask_losses as count_segment_mask_losses
    from segdata.formats.shared.painting import count_segments as count_segments
    from segdata.formats.shared.painting import count_spatial_losses as count_spatial_losses
    from segdata.formats.shared.painting import count_unannotated_images as count_unannotated_images
    from segdata.formats.shared.painting import paint as paint
    from segdata.formats.shared.painting import segment_examples as segment_examples
    from segdata.formats.shared.painting import segments_by_image as segments_by_image
    from segdata.formats.shared.painting import start_folder as start_folder
    from segdata.formats.shared.pairing import find_images as find_images
    from segdata.formats.shared.pairing import find_label_files as find_label_files
    from segdata.formats.shared.pairing import pair_label_files as pair_label_files
    from segdata.formats.shared.per_image import BrokenLabelsError as BrokenLabelsError
    from segdata.formats.shared.per_image import ImageAnnotation as ImageAnnotation
    from segdata.formats.shared.per_image import ImageEntry as ImageEntry
    from segdata.formats.shared.per_image import PerImageSource as PerImageSource
    from segdata.formats.shared.per_image import relative_path as relative_path
    from segdata.formats.shared.safe_parsers import parse_json as parse_json
    from segdata.formats.shared.safe_parsers import read_json as read_json
    from segdata.formats.shared.safe_parsers import read_xml as read_xml
    from segdata.formats.shared.taxonomies import CategoryNames as CategoryNames
    from segdata.formats.shared.taxonomies import resolve_names as resolve_names
    from segdata.formats.shared.taxonomies import write_sidecars as write_sidecars

API_VERSION = 1
"""Rises when a name is removed or changes its meaning, or a parameter goes; names that are added leave it as it is."""

_EXPORTS = {
    "segdata.core.batch": ("Batch",),
    "segdata.core.errors": ("SegdataError", "UnreadableError"),
    "segdata.core.finding": ("Defect",),
    "segdata.core.format": (
        "FileProbe",
        "FormatMatch",
        "LossCounter",
        "LossKind",
        "ReadRequest",
        "Source",
        "find_format",
    ),
    "segdata.core.profile": ("ImageSequence", "Policy", "Profile"),
    "segdata.core.runs": ("Runs",),
    "segdata.core.schema": ("BATCH_ANNOTATIONS", "BATCH_IMAGES", "BATCH_SEGMENTS", "make_table"),
    "segdata.core.taxonomy": ("Category", "Taxonomy"),
    "segdata.formats.shapes.geometry": ("Polygon", "PolygonArrays", "check_ring"),
    "segdata.formats.shapes.raster": ("rasterise_polygons", "unite_owners"),
    "segdata.formats.shapes.polygons": ("TracedPolygons", "trace_polygons"),
    "segdata.formats.shared.painting": (
        "ImageSegments",
        "MaskPaths",
        "annotation_examples",
        "count_category_mask_losses",
        "count_hidden_segments",
        "count_losses",
        "count_segment_mask_losses",
        "count_segments",
        "count_spatial_losses",
        "count_unannotated_images",
        "paint",
        "segment_examples",
        "segments_by_image",
        "start_folder",
    ),
    "segdata.formats.shared": ("CATEGORY_MASK_LOSSES", "MASK_LOSSES", "TOOL_LOSSES"),
    "segdata.formats.shared.derived_sources": ("AlteredSource", "ChainedSource"),
    "segdata.formats.shared.images": ("ImageFolder", "open_image", "read_header"),
    "segdata.formats.shared.pairing": ("find_images", "find_label_files", "pair_label_files"),
    "segdata.formats.shared.mask_files": ("MaskFile", "ValueRuns", "decode_mask"),
    "segdata.formats.shared.per_image": (
        "BrokenLabelsError",
        "ImageAnnotation",
        "ImageEntry",
        "PerImageSource",
        "relative_path",
    ),
    "segdata.formats.shared.safe_parsers": ("parse_json", "read_json", "read_xml"),
    "segdata.formats.shared.taxonomies": ("CategoryNames", "resolve_names", "write_sidecars"),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = ["API_VERSION", *sorted(_HOME)]  # names from a table


def __getattr__(name: str) -> object:
    """Import a public name from its home on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names, used or not, for completion."""
    return sorted({*globals(), *__all__})
