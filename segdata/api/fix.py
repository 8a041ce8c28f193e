"""Fix: a new revision of a canonical dataset in which findings with a fix are fixed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, findings_table
from segdata.api.validate import validate
from segdata.core.finding import Finding
from segdata.core.validation import FixedImage
from segdata.store.fixes import fixed_images, write_fixes

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
        return findings_table(self.findings)


def fix(
    data: Data,
    findings: Iterable[Finding] | None = None,
    *,
    unsafe: bool = False,
    dry_run: bool = False,
    jobs: int = 0,
    **opening: Unpack[ReadOptions],
) -> FixResult:
    """Fix findings in a new revision of a canonical dataset: `segdata.Dataset.fix` of ``read(data, **opening)``."""
    dataset = read(data, **opening)
    listed = validate(dataset, jobs=jobs).findings if findings is None else tuple(findings)
    images: list[FixedImage] = []
    if dry_run:
        images += fixed_images(dataset, listed, unsafe=unsafe)
        revision = None
    else:
        revision = write_fixes(dataset, listed, unsafe=unsafe, seen=images.append)
    fixed = tuple(fixed_finding.finding for image in images for fixed_finding in image.mended)
    return FixResult(fixed, len(images), revision)
