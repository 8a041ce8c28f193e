"""Convert, validate and review image segmentation labels, pixel exact.

``segdata.read(path)`` opens a dataset; its methods are the commands. Each command is also a function here. Heavy
libraries are imported by the function that needs them, so ``import segdata`` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segdata.api.acceptance import accept as accept
    from segdata.api.agreement import agree as agree
    from segdata.api.arrays import from_arrays as from_arrays
    from segdata.api.browse import browse as browse
    from segdata.api.consensus import consensus as consensus
    from segdata.api.convert import convert as convert
    from segdata.api.diff import diff as diff
    from segdata.api.draft import draft as draft
    from segdata.api.draft import draft_by_model as draft_by_model
    from segdata.api.draft import draft_from as draft_from
    from segdata.api.evaluate import evaluate as evaluate
    from segdata.api.filter import filter as filter
    from segdata.api.flag import flag as flag
    from segdata.api.frames import from_frames as from_frames
    from segdata.api.history import history as history
    from segdata.api.history import prune as prune
    from segdata.api.history import restore as restore
    from segdata.api.info import areas_m2 as areas_m2
    from segdata.api.info import objects as objects
    from segdata.api.info import write_objects as write_objects
    from segdata.api.merge import merge as merge
    from segdata.api.pilot import pilot as pilot
    from segdata.api.read import read as read
    from segdata.api.remap import remap as remap
    from segdata.api.report import overview as overview
    from segdata.api.review import apply_decisions as apply_decisions
    from segdata.api.review import decide as decide
    from segdata.api.review import export_findings as export_findings
    from segdata.api.review import import_task as import_task
    from segdata.api.review import pull_decisions as pull_decisions
    from segdata.api.review import review_progress as review_progress
    from segdata.api.sample import draw_sample as draw_sample
    from segdata.api.scorecard import rework as rework
    from segdata.api.scorecard import scorecard as scorecard
    from segdata.api.split import split as split
    from segdata.api.taxonomy import diff_taxonomies as diff_taxonomies
    from segdata.api.tile import crop as crop
    from segdata.api.tile import tile as tile
    from segdata.api.tile import untile as untile
    from segdata.api.validate import assert_valid as assert_valid
    from segdata.api.validate import hash_of as hash_of
    from segdata.api.validate import info as info
    from segdata.api.validate import validate as validate
    from segdata.core.errors import InvalidDatasetError as InvalidDatasetError
    from segdata.core.errors import LossError as LossError
    from segdata.core.errors import SegdataError as SegdataError
    from segdata.core.finding import Decision as Decision
    from segdata.core.finding import Finding as Finding
    from segdata.core.taxonomy import Taxonomy as Taxonomy
    from segdata.core.validation import Validation as Validation
    from segdata.dataset import Dataset as Dataset

__version__ = "0.1.0"

_EXPORTS = {
    "segdata.api.acceptance": ("accept",),
    "segdata.api.agreement": ("agree",),
    "segdata.api.arrays": ("from_arrays",),
    "segdata.api.browse": ("browse",),
    "segdata.api.consensus": ("consensus",),
    "segdata.api.convert": ("convert",),
    "segdata.api.diff": ("diff",),
    "segdata.api.draft": (
        "draft",
        "draft_by_model",
        "draft_from",
    ),
    "segdata.api.evaluate": ("evaluate",),
    "segdata.api.filter": ("filter",),
    "segdata.api.flag": ("flag",),
    "segdata.api.frames": ("from_frames",),
    "segdata.api.history": (
        "history",
        "prune",
        "restore",
    ),
    "segdata.api.info": (
        "areas_m2",
        "objects",
        "write_objects",
    ),
    "segdata.api.merge": ("merge",),
    "segdata.api.pilot": ("pilot",),
    "segdata.api.read": ("read",),
    "segdata.api.remap": ("remap",),
    "segdata.api.report": ("overview",),
    "segdata.api.review": (
        "apply_decisions",
        "decide",
        "export_findings",
        "import_task",
        "pull_decisions",
        "review_progress",
    ),
    "segdata.api.sample": ("draw_sample",),
    "segdata.api.scorecard": (
        "rework",
        "scorecard",
    ),
    "segdata.api.split": ("split",),
    "segdata.api.taxonomy": ("diff_taxonomies",),
    "segdata.api.tile": (
        "crop",
        "tile",
        "untile",
    ),
    "segdata.api.validate": (
        "assert_valid",
        "hash_of",
        "info",
        "validate",
    ),
    "segdata.core.errors": (
        "InvalidDatasetError",
        "LossError",
        "SegdataError",
    ),
    "segdata.core.finding": (
        "Decision",
        "Finding",
    ),
    "segdata.core.taxonomy": ("Taxonomy",),
    "segdata.core.validation": ("Validation",),
    "segdata.dataset": ("Dataset",),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Import a public name from its home on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'segdata' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names, used or not, for completion."""
    return sorted({*globals(), *__all__})
