"""Accept a delivery, or not, by the images of a gold standard that were hidden in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec
import numpy as np

from segdata.agreement.acceptance import DeliveryQuality as DeliveryQuality
from segdata.agreement.acceptance import Inspection, inspect_delivery
from segdata.agreement.gold_standard import gold_section
from segdata.agreement.panel import PanelMember
from segdata.agreement.scores import column_of
from segdata.api.evaluate import GOLD
from segdata.api.panel import compare_panel
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.result import Result, promote
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.config import Gold, Metric
from segdata.core.errors import SegdataError, count_noun
from segdata.core.rule_settings import CONFIG_FILE
from segdata.core.runs import Ints

if TYPE_CHECKING:
    import pandas as pd


class AcceptanceResult(Result, Inspection, frozen=True, kw_only=True):
    """Whether a delivery is accepted, and what each gold image in it reached."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata acceptance judge --format json`` prints it."""
        from segdata.report.acceptance import to_json

        return to_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each inspected annotation as a pandas table."""
        import pandas as pd

        return pd.DataFrame([msgspec.structs.asdict(row) for row in self.inspected])


def accept(
    delivery: Data,
    gold: Data,
    *,
    quality: DeliveryQuality | None = None,
    lot: int | None = None,
    metric: Metric | None = None,
    bar: float | None = None,
    tolerance: float | None = None,
    tolerance_mm: float | None = None,
    pair_by: str | None = None,
    taxonomy_map: str | Path | None = None,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> AcceptanceResult:
    """Accept or reject a delivery by the gold images in it: `segdata.Dataset.acceptance`.

    The section `gold` of segdata.yaml is that beside the gold standard, or else beside the delivery.
    """
    reference, delivered = read(gold, **opening), read(delivery, **opening)
    section = gold_section((reference.config, delivered.config)) or Gold()
    overrides = {"metric": metric, "bar": bar}
    section = msgspec.structs.replace(section, **{name: each for name, each in overrides.items() if each is not None})
    if section.bar is None and section.each is None and all(each.bar is None for each in section.categories.values()):
        raise SegdataError(f"no bar for the delivery: give --bar, or add a section gold to {CONFIG_FILE}")
    if pair_by is None:
        pair_by = "id" if set(reference.image_ids) & set(delivered.image_ids) else "content"
    panel = compare_panel(
        [PanelMember(reference, GOLD), PanelMember(delivered)],
        section,
        {
            "pair_by": pair_by,
            "taxonomy_map": taxonomy_map,
            "tolerance": tolerance,
            "tolerance_mm": tolerance_mm,
            "jobs": jobs,
            "progress": progress,
        },
    )
    tables, opposed = panel.tables, panel.opposed
    is_gold = np.array([each == GOLD for each in tables.annotations["annotator"].tolist()], bool)
    if GOLD not in opposed.annotators:
        raise SegdataError(f"{reference.profile.files}: nobody annotated these images")
    n_back = len(np.unique(column_of(opposed.pairs, "case")))
    if lot is not None and lot < n_back:
        raise SegdataError(
            f"lot: {count_noun(lot, 'image')} delivered, but {count_noun(n_back, 'gold image')} are among them"
        )
    quality = quality or DeliveryQuality()
    inspection = inspect_delivery(
        opposed,
        opposed.annotators.index(GOLD),
        section,
        quality,
        _count_delivered(opposed, tables.annotations["image"][~is_gold], len(delivered)) if lot is None else lot,
        tables.annotations["image"][is_gold],
        panel.near,
    )
    return promote(AcceptanceResult, inspection)


def _count_delivered(opposed: AnnotatorPairs, annotated: Ints, n_images: int) -> int:
    """How many images were delivered; of volumes, whose slices are inspected as one, how many were annotated."""
    if (opposed.cases["frames"] == 1).all():
        return n_images
    return len(np.unique(np.searchsorted(opposed.cases["image"], annotated, side="right")))
