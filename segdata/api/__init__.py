"""The library: everything that the command line does, as functions. Puts the rooms together.

A function is imported from its module when it is asked for: who validates need not wait for what writes and compares.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segdata.api.accepting import accept
    from segdata.api.agreeing import agree, compare_annotators
    from segdata.api.arrays import from_arrays
    from segdata.api.browsing import Browsed, browse
    from segdata.api.checking import assert_valid, hash_of, info, measured, validate
    from segdata.api.comparing import diff
    from segdata.api.consenting import consensus
    from segdata.api.converting import Conversion, convert
    from segdata.api.deciding import apply_decisions, decide, pull_decisions, review_progress
    from segdata.api.evaluating import evaluate
    from segdata.api.filtering import Filtered, filter
    from segdata.api.flagging import flag
    from segdata.api.frames import from_frames
    from segdata.api.ground import areas_m2
    from segdata.api.listing import objects, write_objects
    from segdata.api.merging import Merged, merge
    from segdata.api.opening import read
    from segdata.api.piloting import pilot
    from segdata.api.prelabelling import Draft, draft
    from segdata.api.pseudolabelling import draft_by_model, draft_from
    from segdata.api.redrawing import export_findings, import_task
    from segdata.api.remapping import remap
    from segdata.api.reporting import overview
    from segdata.api.reviewing import rework
    from segdata.api.revisions import history, prune, restore
    from segdata.api.sampling import Sample, draw_sample
    from segdata.api.scoring import scorecard
    from segdata.api.splitting import Split, split
    from segdata.api.taxonomies import diff_taxonomies
    from segdata.api.tiling import crop, tile, untile

_HOME = {
    "Browsed": "browsing",
    "Conversion": "converting",
    "Draft": "prelabelling",
    "Filtered": "filtering",
    "Merged": "merging",
    "Sample": "sampling",
    "Split": "splitting",
    "accept": "accepting",
    "agree": "agreeing",
    "apply_decisions": "deciding",
    "areas_m2": "ground",
    "assert_valid": "checking",
    "browse": "browsing",
    "compare_annotators": "agreeing",
    "consensus": "consenting",
    "convert": "converting",
    "crop": "tiling",
    "decide": "deciding",
    "diff": "comparing",
    "diff_taxonomies": "taxonomies",
    "draft": "prelabelling",
    "draft_by_model": "pseudolabelling",
    "draft_from": "pseudolabelling",
    "draw_sample": "sampling",
    "evaluate": "evaluating",
    "export_findings": "redrawing",
    "filter": "filtering",
    "flag": "flagging",
    "from_arrays": "arrays",
    "from_frames": "frames",
    "hash_of": "checking",
    "history": "revisions",
    "import_task": "redrawing",
    "info": "checking",
    "measured": "checking",
    "merge": "merging",
    "objects": "listing",
    "pilot": "piloting",
    "prune": "revisions",
    "pull_decisions": "deciding",
    "read": "opening",
    "remap": "remapping",
    "restore": "revisions",
    "review_progress": "deciding",
    "overview": "reporting",
    "rework": "reviewing",
    "scorecard": "scoring",
    "split": "splitting",
    "tile": "tiling",
    "untile": "tiling",
    "validate": "checking",
    "write_objects": "listing",
}
__all__ = [
    "Browsed",
    "Conversion",
    "Draft",
    "Filtered",
    "Merged",
    "Sample",
    "Split",
    "accept",
    "agree",
    "apply_decisions",
    "areas_m2",
    "assert_valid",
    "browse",
    "compare_annotators",
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
    "measured",
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
    """Import a function from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'segdata.api' has no attribute {name!r}")
    return getattr(import_module(f"segdata.api.{_HOME[name]}"), name)
