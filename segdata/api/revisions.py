"""Revisions of a canonical dataset: fix findings in a new one, list them, make one current again, delete old ones."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, records_table
from segdata.api.validate import single_findings, validate
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.validation import FixedImage
from segdata.store import manifest as manifests
from segdata.store import revisions as past
from segdata.store.fixes import fixed_images, write_fixes
from segdata.store.revisions import PruneResult, RevisionInfo

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FixResult(Result):
    """What `fix` changed.

    Attributes
    ----------
    findings : those that were fixed, image by image
    n_images : images that changed
    revision : the new revision; None: nothing changed, or it was a dry run
    """

    findings: tuple[Finding, ...]
    n_images: int
    revision: str | None

    def table(self) -> "pd.DataFrame":
        """The findings that were fixed as a pandas table, one row each."""
        return records_table(self.findings, list(Finding.__dataclass_fields__))


def fix(
    data: Data,
    findings: Iterable[Finding] | None = None,
    *,
    unsafe: bool = False,
    dry_run: bool = False,
    jobs: int = 0,
    **opening: Unpack[ReadOptions],
) -> FixResult:
    """Fix findings in a new revision of a canonical dataset.

    Parameters
    ----------
    findings : those to fix, each of all that one stands for, too; None: those of `validate`
    unsafe : also apply fixes that change what an annotator drew; default: safe fixes only
    dry_run : change nothing, and return what would be fixed
    jobs : threads for validating

    Images of volumes are left to people, since a finding in three dimensions cannot be fixed in one slice. Open
    the dataset again to see the new revision. Raises SegdataError for a dataset that is not canonical, and where
    another revision was made since it was opened.
    """
    dataset = read(data, **opening)
    if findings is None:
        listed = validate(dataset, one_by_one=True, jobs=jobs).findings
    else:
        listed = single_findings(dataset, findings, jobs)
    images: list[FixedImage] = []
    if dry_run:
        images += fixed_images(dataset, listed, unsafe=unsafe)
        revision = None
    else:
        revision = write_fixes(dataset, listed, unsafe=unsafe, seen=images.append)
    fixed = tuple(fixed_finding.finding for image in images for fixed_finding in image.mended)
    return FixResult(fixed, len(images), revision)


class HistoryResult(Result, list[RevisionInfo]):
    """The revisions of a canonical dataset, the first one first."""

    def to_json(self) -> str:
        """The revisions as JSON, as ``segdata history --format json`` prints them."""
        from segdata.report.edits import history_json

        return history_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each revision as a pandas table."""
        import pandas as pd

        return pd.DataFrame([asdict(revision) for revision in self])


def history(data: str | Path | OpenDataset) -> HistoryResult:
    """The revisions of a canonical dataset, the first one first.

    ``segdata.read("DATA@r0001")`` opens one. Raises SegdataError for a dataset that is not canonical.
    """
    return HistoryResult(past.history(_manifest_root(data)))


def restore(data: str | Path | OpenDataset, revision: str) -> str:
    """Make an earlier revision current again; returns the one that was current.

    No revision is deleted. Open the dataset again to see the change. Raises SegdataError if there is no such
    revision, or its files are gone.
    """
    return past.restore(_manifest_root(data), revision)


def prune(data: str | Path | OpenDataset, keep: int = 1, *, dry_run: bool = False) -> PruneResult:
    """Delete all revisions except the last `keep` and the current one; this cannot be undone.

    Files that a kept revision shares stay.
    `dry_run`: delete nothing, and return what would be deleted.
    """
    return past.prune(_manifest_root(data), keep, dry_run=dry_run)


def _manifest_root(data: str | Path | OpenDataset) -> Path:
    """The folder of a canonical dataset; raises SegdataError for anything else."""
    path = Path(data.profile.files if isinstance(data, OpenDataset) else data)
    root = path.parent if path.name == manifests.NAME else path
    if not (root / manifests.NAME).is_file():
        raise SegdataError(f"{data}: only a canonical dataset has revisions; make one with: segdata convert {data} OUT")
    return root
