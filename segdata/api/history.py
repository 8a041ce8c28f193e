"""History: list the revisions of a canonical dataset, make one current again, and delete old ones."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from segdata.api.result import Result
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.store import manifest as manifests
from segdata.store import revisions as past
from segdata.store.revisions import PruneResult, RevisionInfo

if TYPE_CHECKING:
    import pandas as pd


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
    """The revisions of a canonical dataset, the first one first: `segdata.Dataset.history`."""
    return HistoryResult(past.history(_manifest_root(data)))


def restore(data: str | Path | OpenDataset, revision: str) -> str:
    """Make a revision current again, and return the one that was: `segdata.Dataset.restore`."""
    return past.restore(_manifest_root(data), revision)


def prune(data: str | Path | OpenDataset, keep: int = 1, *, dry_run: bool = False) -> PruneResult:
    """Delete old revisions: `segdata.Dataset.prune`. Files that a kept revision shares stay."""
    return past.prune(_manifest_root(data), keep, dry_run=dry_run)


def _manifest_root(data: str | Path | OpenDataset) -> Path:
    """The folder of a canonical dataset; raises SegdataError for anything else."""
    path = Path(data.profile.files if isinstance(data, OpenDataset) else data)
    root = path.parent if path.name == manifests.NAME else path
    if not (root / manifests.NAME).is_file():
        raise SegdataError(f"{data}: only a canonical dataset has revisions; make one with: segdata convert {data} OUT")
    return root
