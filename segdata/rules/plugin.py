"""The API for rules of third parties: import everything that a rule needs from here.

`docs/add_a_rule.md` shows a complete rule with a measurement of its own. Names are imported on first use, so that rules
that only filter columns cost other commands no start-up time. Test helpers are in `segdata.testing.pictures`.

Names by topic:

- the parts of a rule: `rule`, `Rule`, `RuleCheck`, `Tables`, `Table`, `RowFinding`, `Severity`, `find_rule`
- datasets: `Profile`, `Taxonomy`, `Category`, `Defect`
- what rules share: `count_noun`, `quote_guideline`, `typical_values`, `is_thing`, `counts_small_shapes`,
  `requires_full_coverage`, `forbidden_overlaps`, `has_defect`, `sum_by_owner`, `SUM_COLUMNS`
- measurements: `measure`, `measure_images`, `measure_dataset`, `BatchView`, `DatasetView`, `Batch`, `Runs`,
  `run_columns`
- errors of the user: `SegdataError`
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segdata.core.batch import Batch as Batch
    from segdata.core.errors import SegdataError as SegdataError
    from segdata.core.errors import count_noun as count_noun
    from segdata.core.finding import Defect as Defect
    from segdata.core.finding import RowFinding as RowFinding
    from segdata.core.finding import Severity as Severity
    from segdata.core.guideline import quote_guideline as quote_guideline
    from segdata.core.profile import Profile as Profile
    from segdata.core.rule import Rule as Rule
    from segdata.core.rule import RuleCheck as RuleCheck
    from segdata.core.rule import Tables as Tables
    from segdata.core.rule import find_rule as find_rule
    from segdata.core.rule import rule as rule
    from segdata.core.runs import Runs as Runs
    from segdata.core.runs import run_columns as run_columns
    from segdata.core.table import Table as Table
    from segdata.core.taxonomy import Category as Category
    from segdata.core.taxonomy import Taxonomy as Taxonomy
    from segdata.measure.registry import BatchView as BatchView
    from segdata.measure.registry import measure as measure
    from segdata.measure.registry import measure_dataset as measure_dataset
    from segdata.measure.registry import measure_images as measure_images
    from segdata.measure.sequences import DatasetView as DatasetView
    from segdata.rules.shared import SUM_COLUMNS as SUM_COLUMNS
    from segdata.rules.shared import counts_small_shapes as counts_small_shapes
    from segdata.rules.shared import forbidden_overlaps as forbidden_overlaps
    from segdata.rules.shared import has_defect as has_defect
    from segdata.rules.shared import is_thing as is_thing
    from segdata.rules.shared import requires_full_coverage as requires_full_coverage
    from segdata.rules.shared import sum_by_owner as sum_by_owner
    from segdata.rules.shared import typical_values as typical_values

API_VERSION = 1
"""Rises when a name is removed or changes its meaning, or a parameter goes; names that are added leave it as it is."""

_EXPORTS = {
    "segdata.core.batch": ("Batch",),
    "segdata.core.errors": ("SegdataError", "count_noun"),
    "segdata.core.finding": ("Defect", "RowFinding", "Severity"),
    "segdata.core.guideline": ("quote_guideline",),
    "segdata.core.profile": ("Profile",),
    "segdata.core.rule": ("Rule", "RuleCheck", "Tables", "find_rule", "rule"),
    "segdata.core.runs": ("Runs", "run_columns"),
    "segdata.core.table": ("Table",),
    "segdata.core.taxonomy": ("Category", "Taxonomy"),
    "segdata.measure.registry": ("BatchView", "measure", "measure_dataset", "measure_images"),
    "segdata.measure.sequences": ("DatasetView",),
    "segdata.rules.shared": (
        "SUM_COLUMNS",
        "counts_small_shapes",
        "forbidden_overlaps",
        "has_defect",
        "is_thing",
        "requires_full_coverage",
        "sum_by_owner",
        "typical_values",
    ),
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
