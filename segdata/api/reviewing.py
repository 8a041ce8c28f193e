"""What a reviewer's corrections changed."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

from segdata.api.opening import Data, read
from segdata.api.panels import Opened, PanelOptions, check_sizes, opened, reading, resampling, sections
from segdata.core.batch import Batch, replaced
from segdata.core.errors import SegdataError
from segdata.formats.shared.derived_sources import AlteredSource

if TYPE_CHECKING:
    from segdata.agreement.boundaries.surfaces import Tolerance
    from segdata.agreement.gold.review import Review
    from segdata.core.opposed import Opposed
    from segdata.core.rule import Tables


@dataclass(frozen=True, slots=True)
class Corrected:
    """Work before and after a review: the measured tables, and what they have in common, with which tolerance."""

    tables: "Tables"
    opposed: "Opposed"
    near: "Tolerance"

    @property
    def n_before(self) -> int:
        """How many annotations there were before the review."""
        from segdata.agreement.gold.review import CORRECTED

        return sum(not each.endswith(CORRECTED) for each in self.tables.annotations["annotator"].tolist())


def rework(before: Data, after: Data, **options: Unpack[PanelOptions]) -> "Review":
    """How much of the work a reviewer corrected, by annotator and category.

    Parameters
    ----------
    before, after : the work as it was and as it is now: two datasets, or two revisions of one, ``DATA@r0001``
    tolerance, tolerance_mm : boundaries that were moved by less were not corrected: in pixels (2), in mm where known
    and pair_by, taxonomy_map, confidence, resamples, seed, jobs, progress, and what `read` takes: as for `agree`

    Raises SegdataError where nothing was reviewed, and as `agree` does.
    """
    from segdata.agreement.gold.review import review

    found = corrected(before, after, options)
    result = review(found.opposed, found.n_before, resampling(options), found.near)
    if not result.images:
        raise SegdataError(f"{before}: no annotation of it is in {after}")
    return result


def corrected(before: Data, after: Data, options: PanelOptions) -> Corrected:
    """Both as one panel, in which the corrected annotations are by others, who are called so."""
    from segdata.agreement.gold.review import CORRECTED
    from segdata.agreement.panel.paired import Member

    opening = reading(options)
    first, second = read(before, **opening), read(after, **opening)
    called = Member(second).called

    def renamed(batch: Batch) -> Batch:
        names = [f"{each or called}{CORRECTED}" for each in batch.annotations["annotator"].to_pylist()]
        return replace(batch, annotations=replaced(batch.annotations, "annotator", names))

    second = replace(second, source=AlteredSource(second.source, renamed))
    every = [Member(first), Member(second)]
    found: Opened = opened(every, sections(every), options)
    check_sizes(found)
    return Corrected(found.tables, found.opposed, found.near)
