"""Check a dataset, and say what is in it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from segdata.api.opening import Data, Progress, read
from segdata.core.content import content_hash
from segdata.core.dataset import Dataset
from segdata.core.errors import InvalidDatasetError
from segdata.core.finding import Severity
from segdata.core.judge import judge, needed, selected
from segdata.core.rule import Family, Tables
from segdata.core.validation import Validation
from segdata.formats.images import image_limits
from segdata.measure.measure import measure

if TYPE_CHECKING:
    from segdata.measure.summary import Summary


def measured(data: Dataset, families: frozenset[Family], jobs: int = 0, progress: Progress = lambda n: None) -> Tables:
    """The measured tables of a dataset; see `segdata.core.rule.Tables`."""
    with image_limits():
        return measure(data.source, families, chunks=data.chunks(), profile=data.profile, jobs=jobs, progress=progress)


def validate(
    data: Data,
    *,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    jobs: int = 0,
    progress: Progress = lambda n: None,
    **opening: object,
) -> Validation:
    """Check a dataset against the rules.

    Parameters
    ----------
    data : a file, a folder or a `Dataset`
    select, ignore : code prefixes or names of rules; default: as the configuration says, or all
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call
    opening : as for `read`

    Returns the findings, worst first. Raises SegdataError as `read` does, and for unknown rules or options.
    """
    dataset = read(data, **opening)  # type: ignore[arg-type]  # passed through
    chosen = selected(dataset.config, select, ignore)
    tables = measured(dataset, needed(chosen, dataset.profile), jobs, progress)
    findings = judge(tables, chosen, dataset.config)
    return Validation(dataset.profile.files, len(tables.images), len(tables.segments), tuple(findings))


def assert_valid(data: Data, *, fail_on: Severity = "error", **options: object) -> None:
    """Raise InvalidDatasetError if a dataset has findings at or above `fail_on`: one line for a training script.

    `options` are those of `validate`. The message names the first findings.
    """
    result = validate(data, **options)  # type: ignore[arg-type]  # passed through
    if result.fails(fail_on):
        counts = ", ".join(f"{code} x{count}" for code, count in result.by_code.items())
        first = "; ".join(
            f"{each.code} {each.image or each.file or ''}: {each.message}" for each in result.findings[:3]
        )
        raise InvalidDatasetError(f"{result.dataset}: {counts}. {first}")


def info(data: Data, *, jobs: int = 0, with_hash: bool = False, **opening: object) -> "Summary":
    """What is in a dataset: categories by images, segments, pixels and areas, and facts about the whole.

    `with_hash`: also the content hash of the labels. `opening` as for `read`.
    """
    dataset = read(data, **opening)  # type: ignore[arg-type]  # passed through
    from segdata.measure.summary import summarise  # heavy: it makes pandas tables

    digest = hash_of(dataset, jobs=jobs) if with_hash else None
    return summarise(dataset.profile.files, measured(dataset, frozenset(), jobs), digest)


def hash_of(data: Data, *, jobs: int = 0, **opening: object) -> str:
    """The content hash of a dataset's labels, 64 hexadecimal digits: log it with a training run.

    The same labels give the same hash in every format that can hold them; see `segdata.core.content.content_hash`.
    """
    dataset = read(data, **opening)  # type: ignore[arg-type]  # passed through
    with image_limits():
        return content_hash(dataset.batches(jobs, in_order=True), dataset.taxonomy)
