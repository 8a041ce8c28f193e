"""Fix a dataset in a new revision, or its files; list, restore and prune revisions; compare datasets."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec

from segdata.api.convert import Conversion, convert
from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, promote, records_table
from segdata.api.validate import single_findings, validate
from segdata.core.batch import Batch, replace_column
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.executor import Progress, no_progress
from segdata.core.finding import Finding
from segdata.core.format import Format, Source, find_format
from segdata.core.losses import LossCounter
from segdata.core.paths import local_file, with_folder
from segdata.core.runs import Ints
from segdata.core.validation import FixedImage
from segdata.formats.dataset_folders import named_layout
from segdata.formats.shared.derived_sources import AlteredSource, ChainedSource
from segdata.formats.shared.images import image_limits
from segdata.report.diff import diff_json
from segdata.report.edits import history_json
from segdata.store import manifest as manifests
from segdata.store import revisions
from segdata.store.diff.changes import DatasetChange, Difference
from segdata.store.diff.compare import compare_datasets
from segdata.store.fixes import change_log, fixed_dataset, fixed_images, write_fixes
from segdata.store.merge import SplitSource
from segdata.store.output import StagedOutput
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


_SETTINGS = ("segdata.yaml", "taxonomy.yaml")


@dataclass(frozen=True)
class FixedFiles:
    """The result of `fix_files`."""

    written: Path  # the file or folder that is fixed
    format: str  # its format: the source's, or canonical if that cannot be written
    images: tuple[FixedImage, ...]  # the fixed ones
    losses: Conversion  # the conversion that wrote it
    changes: Path  # the file that lists all changes
    backup: Path | None = None  # the original of a file that was fixed in place; None if it was written elsewhere
    has_images: bool = False  # whether images were copied, too


def fix_files(
    dataset: OpenDataset,
    findings: Iterable[Finding],
    target: Path | None = None,
    *,
    unsafe: bool = False,
    jobs: int = 0,
) -> FixedFiles | None:
    """Write a dataset with its findings fixed, in its own format; None if there is nothing to fix.

    `target` is the new file or folder. A folder of documents, one for each split, is written as it is: each document at
    its place, and the images that lie in the folder at theirs. Without a target, a dataset of one file is fixed in
    place, and the original is kept beside it with the ending .bak. Raises SegdataError for other datasets without one.
    """
    check_fix_target(dataset, target)
    own, path = find_format(dataset.profile.format), Path(dataset.profile.files)
    images = tuple(fixed_images(dataset, single_findings(dataset, findings, jobs), unsafe=unsafe))
    if not images:
        return None
    to = "canonical" if own.write is None else own.name
    place = path.with_name(f".{path.stem}.fixed{path.suffix}") if target is None else target
    fixed = fixed_dataset(dataset, images)
    documents = list(_documents(dataset, own, path)) if target is not None and path.is_dir() else []
    if target is not None and documents:
        return _write_documents(fixed, documents, target, images, jobs)
    result = convert(fixed, place, to=to, jobs=jobs)
    backup = None
    if target is None:
        backup = _free_backup(path)
        shutil.copy2(path, backup)
        place.replace(path)
        if result.certificate is not None:
            result.certificate.replace(path.with_suffix(f".{result.certificate.name.rpartition('.fixed.')[2]}"))
    written = path if target is None else target
    changes = written / "changes.jsonl" if written.is_dir() else written.with_suffix(".changes.jsonl")
    _write_changes(changes, images)
    return FixedFiles(written, to, images, result, changes, backup)


def _write_changes(path: Path, images: Sequence[FixedImage]) -> None:
    lines = [json.dumps(entry, ensure_ascii=False) for entry in change_log(images)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


class _Document(msgspec.Struct, frozen=True):
    """One document of a dataset: its path below the dataset's folder, its rows, and its own names of images."""

    path: Path
    rows: Ints
    own_names: Mapping[str, str]


def _documents(dataset: OpenDataset, own: Format, root: Path) -> Iterator[_Document]:
    """The documents of a folder, one for each split; empty if the format's reader reads the folder as a whole."""
    if own.write is None or own.list_documents is None:
        return
    rows = dataset.source_rows
    layout, joined = named_layout(root, own), _joined_source(dataset.source)
    places = [part.path for part in layout.parts] or [root]
    documents_of_places = [[place] if place.is_file() else own.list_documents(place) for place in places]
    if any(len(documents) != 1 for documents in documents_of_places) or (layout.parts and joined is None):
        return
    first = 0
    for (document,), source in zip(
        documents_of_places, joined.sources if layout.parts and joined else [dataset.source], strict=True
    ):
        last = first + len(source.image_ids)
        given = source.source.image_ids if isinstance(source, SplitSource) else source.image_ids
        own_names = {new: old for new, old in zip(source.image_ids, given, strict=True) if new != old}
        yield _Document(document.relative_to(root), rows[(rows >= first) & (rows < last)], own_names)
        first = last


def _joined_source(source: Source) -> ChainedSource | None:
    """The source that joins the splits of a dataset, without the wrappers around it."""
    while isinstance(source, AlteredSource):
        source = source.source
    return source if isinstance(source, ChainedSource) else None


def _write_documents(
    fixed: OpenDataset, documents: Sequence[_Document], target: Path, images: Sequence[FixedImage], jobs: int
) -> FixedFiles:
    """Write each document at its path, and copy the images and settings below the dataset's folder."""
    root, to = Path(fixed.profile.files), fixed.profile.format
    losses, results = LossCounter(), []
    with StagedOutput(target) as placing:
        for document in documents:
            alter = partial(_as_in_document, names=document.own_names, has_split=len(documents) == 1)
            source = _DocumentSource(fixed.source, alter, own_names=document.own_names)
            part = replace(fixed, source=source, rows=document.rows)
            path = placing.made / document.path
            path.parent.mkdir(parents=True, exist_ok=True)
            results.append(convert(part, path, to=to, jobs=jobs))
        for loss in (loss for result in results for loss in result.losses):
            losses.add(loss.kind, loss.of, loss.count, loss.pixels, loss.examples, loss.columns)
        _copy_files(fixed, root, placing.made)
        _write_changes(placing.made / "changes.jsonl", images)
        placing.commit()
    whole = replace(
        results[0],
        target=target,
        n_images=sum(result.n_images for result in results),
        n_segments=sum(result.n_segments for result in results),
        losses=tuple(losses.listed()),
        certificate=None,
    )
    return FixedFiles(target, to, tuple(images), whole, target / "changes.jsonl", has_images=True)


class _DocumentSource(AlteredSource, frozen=True, kw_only=True, dict=True):
    """A dataset of several documents, with the image names of one of them."""

    own_names: Mapping[str, str]

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """The document's names of its images; other images keep those of the whole."""
        return [self.own_names.get(name, name) for name in self.source.image_ids]


def _as_in_document(batch: Batch, names: Mapping[str, str], has_split: bool) -> Batch:
    """The batch with a document's image names, without the split if the document's name implies it."""
    images = batch.images
    own = [names.get(name, name) for name in images["image_id"].to_pylist()]
    images = replace_column(images, "image_id", own)
    return replace(batch, images=images if has_split else replace_column(images, "split", [None] * images.num_rows))


def _copy_files(dataset: OpenDataset, root: Path, target: Path) -> None:
    """Copy the images and settings below a folder to the same places below another one."""
    files = {root / name for name in _SETTINGS}
    for batch in dataset.batches(1):
        files |= {path for uri in batch.images["uri"].to_pylist() if (path := local_file(uri)) is not None}
    for path in sorted(files):
        if path.is_file() and path.absolute().is_relative_to(root.absolute()):
            copy = target / path.absolute().relative_to(root.absolute())
            shutil.copyfile(path, with_folder(copy))


def check_fix_target(dataset: OpenDataset, target: Path | None = None) -> None:
    """Raise SegdataError if `fix_files` needs a target and has none."""
    own, path = find_format(dataset.profile.format), Path(dataset.profile.files)
    if target is None and not (path.is_file() and own.write is not None and own.is_file(path)):
        raise SegdataError(
            f"{path}: a dataset of many files is not fixed in place; name the folder for the fixed one: --fix-to DIR"
        )


def _free_backup(path: Path) -> Path:
    """The first free name for a backup of a file."""
    backup, number = path.with_name(f"{path.name}.bak"), 2
    while backup.exists():
        backup, number = path.with_name(f"{path.name}.bak{number}"), number + 1
    return backup
