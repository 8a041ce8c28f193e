"""Convert, validate and review image segmentation labels, pixel exact.

``segdata.read(path)`` opens a dataset of any format; the methods of the `Dataset` are the commands::

    dataset = segdata.read("street/")
    for finding in dataset.validate().findings:
        print(finding.code, finding.image, finding.message)

Each method is also a function here, which takes a path, with the options of `read`, or a dataset. Commands that are
not about a dataset are functions only: `init`, `draft_taxonomy`, `check_taxonomy`, `taxonomy_guideline`, `explain`,
`list_rules` and `list_formats`. Where a package has the name of a command, the function has another: `agree`
(agreement), `overview` (report) and `draw_sample` (sample). Heavy libraries are imported by the function that needs
them, so ``import segdata`` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segdata.agreement.acceptance import DeliveryQuality as DeliveryQuality
    from segdata.agreement.evaluation import Evaluation as Evaluation
    from segdata.api.agreement import AgreementResult as AgreementResult
    from segdata.api.agreement import ConsensusResult as ConsensusResult
    from segdata.api.agreement import agree as agree
    from segdata.api.agreement import consensus as consensus
    from segdata.api.browse import BrowseResult as BrowseResult
    from segdata.api.browse import browse as browse
    from segdata.api.browse import show as show
    from segdata.api.convert import Conversion as Conversion
    from segdata.api.convert import convert as convert
    from segdata.api.draft import DraftResult as DraftResult
    from segdata.api.draft import draft as draft
    from segdata.api.draft import draft_by_model as draft_by_model
    from segdata.api.draft import draft_from as draft_from
    from segdata.api.edits import FilterResult as FilterResult
    from segdata.api.edits import MergeResult as MergeResult
    from segdata.api.edits import SampleResult as SampleResult
    from segdata.api.edits import SplitResult as SplitResult
    from segdata.api.edits import crop as crop
    from segdata.api.edits import draw_sample as draw_sample
    from segdata.api.edits import filter as filter
    from segdata.api.edits import merge as merge
    from segdata.api.edits import remap as remap
    from segdata.api.edits import split as split
    from segdata.api.edits import tile as tile
    from segdata.api.edits import untile as untile
    from segdata.api.evaluate import AcceptanceResult as AcceptanceResult
    from segdata.api.evaluate import EvaluationResult as EvaluationResult
    from segdata.api.evaluate import ReworkResult as ReworkResult
    from segdata.api.evaluate import ScorecardResult as ScorecardResult
    from segdata.api.evaluate import accept as accept
    from segdata.api.evaluate import acceptance as acceptance
    from segdata.api.evaluate import evaluate as evaluate
    from segdata.api.evaluate import rework as rework
    from segdata.api.evaluate import scorecard as scorecard
    from segdata.api.flag import FlaggedLabels as FlaggedLabels
    from segdata.api.flag import flag as flag
    from segdata.api.in_memory import from_arrays as from_arrays
    from segdata.api.in_memory import from_frames as from_frames
    from segdata.api.info import InfoResult as InfoResult
    from segdata.api.info import areas_m2 as areas_m2
    from segdata.api.info import explain as explain
    from segdata.api.info import hash_of as hash_of
    from segdata.api.info import info as info
    from segdata.api.info import list_formats as list_formats
    from segdata.api.info import list_rules as list_rules
    from segdata.api.info import objects as objects
    from segdata.api.info import write_objects as write_objects
    from segdata.api.read import read as read
    from segdata.api.report import PilotOutcome as PilotOutcome
    from segdata.api.report import ReportResult as ReportResult
    from segdata.api.report import overview as overview
    from segdata.api.report import pilot as pilot
    from segdata.api.review import AppliedDecisions as AppliedDecisions
    from segdata.api.review import ImportedTask as ImportedTask
    from segdata.api.review import ProgressResult as ProgressResult
    from segdata.api.review import PulledDecisions as PulledDecisions
    from segdata.api.review import apply_decisions as apply_decisions
    from segdata.api.review import decide as decide
    from segdata.api.review import export_findings as export_findings
    from segdata.api.review import import_task as import_task
    from segdata.api.review import pull_decisions as pull_decisions
    from segdata.api.review import review_progress as review_progress
    from segdata.api.revisions import DiffResult as DiffResult
    from segdata.api.revisions import FixResult as FixResult
    from segdata.api.revisions import HistoryResult as HistoryResult
    from segdata.api.revisions import diff as diff
    from segdata.api.revisions import fix as fix
    from segdata.api.revisions import history as history
    from segdata.api.revisions import prune as prune
    from segdata.api.revisions import restore as restore
    from segdata.api.taxonomy import TaxonomyCheck as TaxonomyCheck
    from segdata.api.taxonomy import TaxonomyDiffResult as TaxonomyDiffResult
    from segdata.api.taxonomy import check_taxonomy as check_taxonomy
    from segdata.api.taxonomy import diff_taxonomies as diff_taxonomies
    from segdata.api.taxonomy import draft_taxonomy as draft_taxonomy
    from segdata.api.taxonomy import init as init
    from segdata.api.taxonomy import taxonomy_guideline as taxonomy_guideline
    from segdata.api.validate import ValidationResult as ValidationResult
    from segdata.api.validate import assert_valid as assert_valid
    from segdata.api.validate import validate as validate
    from segdata.core.batch import Batch as Batch
    from segdata.core.config import Config as Config
    from segdata.core.errors import InvalidDatasetError as InvalidDatasetError
    from segdata.core.errors import LossError as LossError
    from segdata.core.errors import SegdataError as SegdataError
    from segdata.core.finding import Decision as Decision
    from segdata.core.finding import Defect as Defect
    from segdata.core.finding import Finding as Finding
    from segdata.core.format import Format as Format
    from segdata.core.format import Loss as Loss
    from segdata.core.label_maps import LabelMaps as LabelMaps
    from segdata.core.pixel_limit import set_max_pixels as set_max_pixels
    from segdata.core.rule import Rule as Rule
    from segdata.core.taxonomy import Category as Category
    from segdata.core.taxonomy import Taxonomy as Taxonomy
    from segdata.core.torch_dataset import TrainingData as TrainingData
    from segdata.core.validation import Validation as Validation
    from segdata.dataset import Dataset as Dataset
    from segdata.dataset import DatasetReview as DatasetReview
    from segdata.noise.networks.plan import Settings as Settings
    from segdata.store.diff.compare import ConversionProof as ConversionProof
    from segdata.store.diff.difference import DatasetChange as DatasetChange
    from segdata.store.remap import TaxonomyMap as TaxonomyMap
    from segdata.store.revisions import PruneResult as PruneResult
    from segdata.store.revisions import RevisionInfo as RevisionInfo


__version__ = "0.1.0"

_EXPORTS = {
    "segdata.agreement.acceptance": "DeliveryQuality",
    "segdata.agreement.evaluation": "Evaluation",
    "segdata.api.agreement": "AgreementResult ConsensusResult agree consensus",
    "segdata.api.browse": "BrowseResult browse show",
    "segdata.api.convert": "Conversion convert",
    "segdata.api.draft": "DraftResult draft draft_by_model draft_from",
    "segdata.api.edits": "FilterResult MergeResult SampleResult SplitResult crop draw_sample filter merge remap split "
    "tile untile",
    "segdata.api.evaluate": "AcceptanceResult EvaluationResult ReworkResult ScorecardResult accept acceptance "
    "evaluate rework scorecard",
    "segdata.api.flag": "FlaggedLabels flag",
    "segdata.api.in_memory": "from_arrays from_frames",
    "segdata.api.info": "InfoResult areas_m2 explain hash_of info list_formats list_rules objects write_objects",
    "segdata.api.read": "read",
    "segdata.api.report": "PilotOutcome ReportResult overview pilot",
    "segdata.api.review": "AppliedDecisions ImportedTask ProgressResult PulledDecisions apply_decisions decide "
    "export_findings import_task pull_decisions review_progress",
    "segdata.api.revisions": "DiffResult FixResult HistoryResult diff fix history prune restore",
    "segdata.api.taxonomy": "TaxonomyCheck TaxonomyDiffResult check_taxonomy diff_taxonomies draft_taxonomy init "
    "taxonomy_guideline",
    "segdata.api.validate": "ValidationResult assert_valid validate",
    "segdata.core.batch": "Batch",
    "segdata.core.config": "Config",
    "segdata.core.errors": "InvalidDatasetError LossError SegdataError",
    "segdata.core.finding": "Decision Defect Finding",
    "segdata.core.format": "Format Loss",
    "segdata.core.label_maps": "LabelMaps",
    "segdata.core.pixel_limit": "set_max_pixels",
    "segdata.core.rule": "Rule",
    "segdata.core.taxonomy": "Category Taxonomy",
    "segdata.core.torch_dataset": "TrainingData",
    "segdata.core.validation": "Validation",
    "segdata.dataset": "Dataset DatasetReview",
    "segdata.noise.networks.plan": "Settings",
    "segdata.store.diff.compare": "ConversionProof",
    "segdata.store.diff.difference": "DatasetChange",
    "segdata.store.remap": "TaxonomyMap",
    "segdata.store.revisions": "PruneResult RevisionInfo",
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names.split()}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Import a public name from its home on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'segdata' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names, used or not, for completion."""
    return sorted({*globals(), *__all__})
