"""Fixes of datasets that have no revisions: their files are written again, in place with a backup or elsewhere."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segdata.api.convert import Conversion, convert
from segdata.api.validate import single_findings
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.core.format import find_format
from segdata.core.validation import FixedImage
from segdata.store.fixes import change_log, fixed_dataset, fixed_images


@dataclass(frozen=True)
class FixedFiles:
    """What `fix_files` did.

    Attributes
    ----------
    written : the file or folder that is fixed
    format : its format: the source's, or canonical if that is only read
    images : in which something was fixed
    losses : what was written, and lost
    changes : the file that lists all changes
    backup : the original of a file that was fixed in place; None if it was written elsewhere
    """

    written: Path
    format: str
    images: tuple[FixedImage, ...]
    losses: Conversion
    changes: Path
    backup: Path | None = None


def fix_files(
    dataset: OpenDataset,
    findings: Iterable[Finding],
    target: Path | None = None,
    *,
    unsafe: bool = False,
    jobs: int = 0,
) -> FixedFiles | None:
    """Write a dataset with its findings fixed, in its own format; None if there is nothing to fix.

    `target` is the new file or folder. Without it, a dataset of one file is fixed in place, and the original is kept
    beside it with the ending .bak. Raises SegdataError for other datasets without a target.
    """
    own = find_format(dataset.profile.format)
    path = Path(dataset.profile.files)
    if target is None and not (path.is_file() and own.write is not None and own.is_file(path)):
        raise SegdataError(
            f"{path}: a dataset of many files is not fixed in place; name the folder for the fixed one: --fix-to DIR"
        )
    images = tuple(fixed_images(dataset, single_findings(dataset, findings, jobs), unsafe=unsafe))
    if not images:
        return None
    to = "canonical" if own.write is None else own.name
    place = path.with_name(f".{path.stem}.fixed{path.suffix}") if target is None else target
    result = convert(fixed_dataset(dataset, images), place, to=to, jobs=jobs)
    backup = None
    if target is None:
        backup = _free_backup(path)
        shutil.copy2(path, backup)
        place.replace(path)
        if result.certificate is not None:
            result.certificate.replace(path.with_suffix(f".{result.certificate.name.rpartition('.fixed.')[2]}"))
    written = path if target is None else target
    changes = written / "changes.jsonl" if written.is_dir() else written.with_suffix(".changes.jsonl")
    lines = [json.dumps(entry, ensure_ascii=False) for entry in change_log(images)]
    changes.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return FixedFiles(written, to, images, result, changes, backup)


def _free_backup(path: Path) -> Path:
    """The first free name for a backup of a file."""
    backup, number = path.with_name(f"{path.name}.bak"), 2
    while backup.exists():
        backup, number = path.with_name(f"{path.name}.bak{number}"), number + 1
    return backup
