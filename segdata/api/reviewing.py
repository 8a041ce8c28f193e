"""What a reviewer's corrections changed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.api.agreeing import open_panel
from segdata.api.opening import Data, Progress, ReadOptions, read, silent
from segdata.core.batch import Batch, replaced
from segdata.core.errors import SegdataError
from segdata.formats.altered import AlteredSource
from segdata.formats.images import image_limits

if TYPE_CHECKING:
    from segdata.agreement.gold.review import Review
    from segdata.core.opposed import Opposed
    from segdata.core.rule import Tables


@dataclass(frozen=True, slots=True)
class Corrected:
    """Work before and after a review: the measured tables, and what they have in common."""

    tables: "Tables"
    opposed: "Opposed"

    @property
    def n_before(self) -> int:
        """How many annotations there were before the review."""
        from segdata.agreement.gold.review import CORRECTED

        return sum(not each.endswith(CORRECTED) for each in self.tables.annotations["annotator"].tolist())


def rework(
    before: Data,
    after: Data,
    *,
    tolerance: float | None = None,
    tolerance_mm: float | None = None,
    pair_by: str | None = None,
    taxonomy_map: str | Path | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    jobs: int = 0,
    progress: Progress = silent,
    **opening: Unpack[ReadOptions],
) -> "Review":
    """How much of the work a reviewer corrected, by annotator and category.

    Parameters
    ----------
    before, after : the work as it was and as it is now: two datasets, or two revisions of one, ``DATA@r0001``
    tolerance, tolerance_mm : boundaries that were moved by less were not corrected: in pixels (2), in mm where known
    pair_by, taxonomy_map, confidence, resamples, seed, jobs, progress, opening : as for `segdata.agree`

    Raises SegdataError where nothing was reviewed, and as `agree` does.
    """
    from segdata.agreement.gold.review import review
    from segdata.agreement.summary.estimates import Resampling

    found = corrected(
        before,
        after,
        tolerance=(tolerance, tolerance_mm),
        pair_by=pair_by,
        taxonomy_map=taxonomy_map,
        jobs=jobs,
        progress=progress,
        opening=opening,
    )
    result = review(found.opposed, found.n_before, Resampling(confidence, resamples, seed))
    if not result.images:
        raise SegdataError(f"{before}: no annotation of it is in {after}")
    return result


def corrected(
    before: Data,
    after: Data,
    *,
    tolerance: tuple[float | None, float | None],
    pair_by: str | None,
    taxonomy_map: str | Path | None,
    jobs: int,
    progress: Progress,
    opening: ReadOptions,
) -> Corrected:
    """Both as one panel, in which the corrected annotations are by others, who are called so."""
    from segdata.agreement.compare import compare
    from segdata.agreement.gold.gold import section_of, tolerance_of
    from segdata.agreement.gold.review import CORRECTED
    from segdata.agreement.panel.paired import Member

    first, second = read(before, **opening), read(after, **opening)
    called = Member(second).called

    def renamed(batch: Batch) -> Batch:
        names = [f"{each or called}{CORRECTED}" for each in batch.annotations["annotator"].to_pylist()]
        return replace(batch, annotations=replaced(batch.annotations, "annotator", names))

    second = replace(second, source=AlteredSource(second.source, renamed))
    panel = open_panel([Member(first), Member(second)], pair_by, taxonomy_map)
    near = tolerance_of(section_of((first.config, second.config)), *tolerance)
    with image_limits():
        tables = compare(panel, tolerance=near, jobs=jobs, progress=progress)
    assert tables.opposed is not None
    return Corrected(tables, tables.opposed)
