"""Imageless: a taxonomy as a dataset without images, so that rules can look at the taxonomy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from segdata.core.batch import Batch
from segdata.core.config import Config
from segdata.core.dataset import Dataset
from segdata.core.defect import Defect
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy


def dataset_of(taxonomy: Taxonomy) -> Dataset:
    """A dataset of this taxonomy and no images."""
    profile = Profile(
        "taxonomy", "taxonomy", "semantic", taxonomy, True, coverage=Policy("sparse"), overlap=Policy("allow")
    )
    return Dataset(_Nothing(profile), profile, Config())


@dataclass(frozen=True, slots=True)
class _Nothing:
    """A source without images."""

    profile: Profile
    image_ids: Sequence[str] = ()
    defects: Sequence[Defect] = ()

    def chunks(self) -> list[Ints]:
        """No portions."""
        return []

    def load(self, rows: Ints) -> Batch:
        """No images."""
        return Batch.empty()
