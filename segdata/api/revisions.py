"""Fix a dataset in a new revision; list, restore and prune revisions; compare datasets."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, promote, records_table
from segdata.api.validate import single_findings, validate
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.executor import Progress, no_progress
from segdata.core.finding import Finding
from segdata.core.validation import FixedImage
from segdata.formats.shared.images import image_limits
from segdata.store import manifest as manifests
from segdata.store import revisions
from segdata.store.diff.compare import compare_datasets
from segdata.store.diff.difference import DatasetChange, Difference
from segdata.store.fixes import fixed_images, write_fixes
from segdata.store.revisions import PruneResult, RevisionInfo

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FixResult(Result):
    """The result of `fix`.

    Attributes
    ----------
    findings : the fixed findings, by image
    n_images : number of changed images
    revision : the new revision; None if nothing changed, or for a dry run
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
    return HistoryResult(revisions.history(_manifest_root(data)))


def restore(data: str | Path | OpenDataset, revision: str) -> str:
    """Make an earlier revision current again; returns the one that was current.

    No revision is deleted. Open the dataset again to see the change. Raises SegdataError if there is no such
    revision, or its files are gone.
    """
    return revisions.restore(_manifest_root(data), revision)


def prune(data: str | Path | OpenDataset, keep: int = 1, *, dry_run: bool = False) -> PruneResult:
    """Delete all revisions except the last `keep` and the current one; this cannot be undone.

    Files that a kept revision shares stay.
    `dry_run`: delete nothing, and return what would be deleted.
    """
    return revisions.prune(_manifest_root(data), keep, dry_run=dry_run)


def _manifest_root(data: str | Path | OpenDataset) -> Path:
    """The folder of a canonical dataset; raises SegdataError for anything else."""
    path = Path(data.profile.files if isinstance(data, OpenDataset) else data)
    root = path.parent if path.name == manifests.NAME else path
    is_other = isinstance(data, OpenDataset) and data.profile.format != "canonical"  # its name may be no path
    if not is_other and not root.exists():
        raise SegdataError(f"{path}: does not exist")
    if is_other or not (root / manifests.NAME).is_file():
        raise SegdataError(f"{path}: only a canonical dataset has revisions; make one with: segdata convert {path} OUT")
    return root


class DiffResult(Result, Difference):
    """The differences between two datasets: counts by kind, and the first differences of each kind."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata diff --format json`` prints it."""
        from segdata.report.diff import diff_json

        return diff_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each listed difference as a pandas table."""
        names = sorted(DatasetChange.__struct_fields__, key=lambda name: name not in ("kind", "message"))  # these first
        return records_table(self.changes, names)


def diff(
    data: Data,
    other: Data,
    *,
    ignore: str | Iterable[str] = (),
    only: str | Iterable[str] | None = None,
    strict: bool = False,
    limit: int | None = 100,
    jobs: int = 0,
    progress: Progress = no_progress,
) -> DiffResult:
    """Compare a dataset (A) with another (B) of any format: images, annotations, pixels, categories.

    Parameters
    ----------
    data, other : a file, a folder or a `Dataset`
    ignore : kinds of difference that do not count, named as in `counts`
    only : image ids; the others are left out
    strict : segment ids and polygon vertices count as differences too
    limit : how many differences of each kind to list; all are counted. None: list all
    jobs, progress : see `Dataset`

    Images are paired by their ids (if no id is in both: without extension, then without folders), annotations by
    image and annotator, and segments by their pixels. File locations and storage are not compared.

    Returns counts by kind and the first differences; ``.same`` says whether nothing differs.
    """
    first, second = read(data), read(other)
    with image_limits():
        difference = compare_datasets(
            first,
            second,
            ignore=[ignore] if isinstance(ignore, str) else list(ignore),
            only=[only] if isinstance(only, str) else only,
            strict=strict,
            limit=limit,
            jobs=jobs,
            progress=progress,
        )
    return promote(DiffResult, difference)
