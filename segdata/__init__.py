"""Convert, validate and look at image segmentation labels, pixel exact.

Everything that the command line does is a function here. Heavy libraries are imported by the function that needs
them, so that ``import segdata`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segdata.api import accept as accept
    from segdata.api import agree as agree
    from segdata.api import apply_decisions as apply_decisions
    from segdata.api import areas_m2 as areas_m2
    from segdata.api import assert_valid as assert_valid
    from segdata.api import browse as browse
    from segdata.api import consensus as consensus
    from segdata.api import convert as convert
    from segdata.api import crop as crop
    from segdata.api import decide as decide
    from segdata.api import diff as diff
    from segdata.api import diff_taxonomies as diff_taxonomies
    from segdata.api import draft as draft
    from segdata.api import draft_by_model as draft_by_model
    from segdata.api import draft_from as draft_from
    from segdata.api import draw_sample as draw_sample
    from segdata.api import evaluate as evaluate
    from segdata.api import export_findings as export_findings
    from segdata.api import filter as filter
    from segdata.api import flag as flag
    from segdata.api import from_arrays as from_arrays
    from segdata.api import from_frames as from_frames
    from segdata.api import hash_of as hash_of
    from segdata.api import history as history
    from segdata.api import import_task as import_task
    from segdata.api import info as info
    from segdata.api import merge as merge
    from segdata.api import objects as objects
    from segdata.api import overview as overview
    from segdata.api import pilot as pilot
    from segdata.api import prune as prune
    from segdata.api import pull_decisions as pull_decisions
    from segdata.api import read as read
    from segdata.api import remap as remap
    from segdata.api import restore as restore
    from segdata.api import review_progress as review_progress
    from segdata.api import rework as rework
    from segdata.api import scorecard as scorecard
    from segdata.api import split as split
    from segdata.api import tile as tile
    from segdata.api import untile as untile
    from segdata.api import validate as validate
    from segdata.api import write_objects as write_objects
    from segdata.core.dataset import Dataset as Dataset
    from segdata.core.decision import Decision as Decision
    from segdata.core.errors import InvalidDatasetError as InvalidDatasetError
    from segdata.core.errors import LossError as LossError
    from segdata.core.errors import SegdataError as SegdataError
    from segdata.core.finding import Finding as Finding
    from segdata.core.taxonomy import Taxonomy as Taxonomy
    from segdata.core.validation import Validation as Validation

__version__ = "0.1.0"

_HOME = {
    "accept": "segdata.api",
    "import_task": "segdata.api",
    "export_findings": "segdata.api",
    "review_progress": "segdata.api",
    "pull_decisions": "segdata.api",
    "decide": "segdata.api",
    "apply_decisions": "segdata.api",
    "agree": "segdata.api",
    "areas_m2": "segdata.api",
    "assert_valid": "segdata.api",
    "browse": "segdata.api",
    "consensus": "segdata.api",
    "convert": "segdata.api",
    "crop": "segdata.api",
    "diff": "segdata.api",
    "diff_taxonomies": "segdata.api",
    "draft": "segdata.api",
    "draft_by_model": "segdata.api",
    "draft_from": "segdata.api",
    "draw_sample": "segdata.api",
    "evaluate": "segdata.api",
    "filter": "segdata.api",
    "flag": "segdata.api",
    "from_arrays": "segdata.api",
    "from_frames": "segdata.api",
    "hash_of": "segdata.api",
    "history": "segdata.api",
    "info": "segdata.api",
    "merge": "segdata.api",
    "objects": "segdata.api",
    "pilot": "segdata.api",
    "prune": "segdata.api",
    "read": "segdata.api",
    "remap": "segdata.api",
    "restore": "segdata.api",
    "overview": "segdata.api",
    "rework": "segdata.api",
    "scorecard": "segdata.api",
    "split": "segdata.api",
    "tile": "segdata.api",
    "untile": "segdata.api",
    "validate": "segdata.api",
    "write_objects": "segdata.api",
    "Dataset": "segdata.core.dataset",
    "Decision": "segdata.core.decision",
    "Finding": "segdata.core.finding",
    "InvalidDatasetError": "segdata.core.errors",
    "LossError": "segdata.core.errors",
    "SegdataError": "segdata.core.errors",
    "Taxonomy": "segdata.core.taxonomy",
    "Validation": "segdata.core.validation",
}
__all__ = [
    "Dataset",
    "Decision",
    "Finding",
    "InvalidDatasetError",
    "LossError",
    "SegdataError",
    "Taxonomy",
    "Validation",
    "accept",
    "agree",
    "apply_decisions",
    "areas_m2",
    "assert_valid",
    "browse",
    "consensus",
    "convert",
    "crop",
    "decide",
    "diff",
    "diff_taxonomies",
    "draft",
    "draft_by_model",
    "draft_from",
    "draw_sample",
    "evaluate",
    "export_findings",
    "filter",
    "flag",
    "from_arrays",
    "from_frames",
    "hash_of",
    "history",
    "import_task",
    "info",
    "merge",
    "objects",
    "overview",
    "pilot",
    "prune",
    "pull_decisions",
    "read",
    "remap",
    "restore",
    "review_progress",
    "rework",
    "scorecard",
    "split",
    "tile",
    "untile",
    "validate",
    "write_objects",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'segdata' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names, used or not, for completion."""
    return sorted({*globals(), *__all__})
