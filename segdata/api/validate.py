"""Check a dataset, and say what is in it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack, get_args

from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.api.source_cache import CachedSource
from segdata.core.dataset import OpenDataset
from segdata.core.errors import InvalidDatasetError
from segdata.core.finding import Finding
from segdata.core.label_hash import content_hash
from segdata.core.profile import RasterRule
from segdata.core.rule import Family, Tables
from segdata.core.rule_runner import needed_families, run_rules, select_rules
from segdata.core.validation import FailOn, Validation, check_fail_on
from segdata.dataset import Dataset
from segdata.formats.shared.images import image_limits
from segdata.measure.measure import measure_source
from segdata.review.decision_log import log_path

if TYPE_CHECKING:
    from segdata.measure.summary import Summary


def measure_dataset(
    data: OpenDataset, families: frozenset[Family], jobs: int = 0, progress: Progress = no_progress
) -> Tables:
    """The measured tables of a dataset; see `segdata.core.rule.Tables`."""
    with image_limits():
        if isinstance(data.source, CachedSource) and data.rows is None:
            return data.source.measured(families, data.profile, jobs, progress)
        return measure_source(
            data.source, families, chunks=data.chunks(), profile=data.profile, jobs=jobs, progress=progress
        )


def validate(
    data: Data,
    *,
    select: str | Iterable[str] = (),
    ignore: str | Iterable[str] = (),
    by: str | None = None,
    review: bool = True,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> Validation:
    """Check a dataset against the rules.

    Parameters
    ----------
    data : a file, a folder or a `Dataset`
    select, ignore : a code, a prefix of codes, or the name of a rule, or several; default: as the configuration
        says, or all
    by : the column that statistics tell apart, as `segdata.core.strata` names columns; default: as the configuration
        says
    review : leave out what reviewers have decided, for as long as the labels stay the same; `Validation.decided` counts
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call
    opening : format, taxonomy, images, config, only, annotator, roi: as for `read`

    Of a part of a dataset nothing is said that only the whole can tell: `Validation.skipped` names those rules.

    Returns the findings, worst first. Raises SegdataError as `read` does, and for unknown rules, options or columns.
    """
    dataset = read(data, **opening)
    if by is not None:
        dataset = replace(dataset, profile=replace(dataset.profile, by=by))
    asked = select_rules(dataset.config, select, ignore)
    chosen = [rule for rule in asked if not (rule.whole and dataset.is_part)]
    skipped = tuple(rule.code for rule in asked if rule not in chosen and rule.applies(dataset.profile))
    tables = measure_dataset(dataset, needed_families(chosen, dataset.profile), jobs, progress)
    found = run_rules(tables, chosen, dataset.config, jobs=jobs)
    findings, settled = split_decided(dataset, found.findings, jobs) if review else (found.findings, ())
    files = _image_files(tables, {finding.image for finding in findings})
    return Validation(
        dataset.profile.files,
        len(tables.images),
        len(tables.segments),
        findings,
        found.suppressed,
        skipped,
        files,
        settled=settled,
    )


def split_decided(
    dataset: OpenDataset, findings: tuple[Finding, ...], jobs: int = 0, of: Sequence[OpenDataset] = ()
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The findings that no reviewer has decided for the labels as they are, and those that somebody has.

    `of`: the datasets with the decisions, where `dataset` puts several together.
    """
    logs = [log for each in of or (dataset,) if (log := log_path(each.profile.files)).is_file()]
    if not logs:
        return findings, ()
    from segdata.api.review import decided_findings  # seldom needed, and it makes revisions

    settled = decided_findings(dataset, findings, logs, jobs)
    return tuple(each for each in findings if each not in settled), tuple(settled)


def _image_files(tables: Tables, wanted: set[str | None]) -> dict[str, str]:
    images = tables.images.lines("image_id", "uri") if wanted - {None} else ()
    return {name: uri for name, uri in images if uri is not None and name in wanted}


def assert_valid(
    data: Data,
    *,
    fail_on: FailOn = "error",
    select: str | Iterable[str] = (),
    ignore: str | Iterable[str] = (),
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> None:
    """Raise InvalidDatasetError if a dataset has findings at or above `fail_on`: one line for a training script.

    The other parameters are those of `validate`. The message names the first findings.
    """
    check_fail_on(fail_on)
    result = validate(data, select=select, ignore=ignore, jobs=jobs, progress=progress, **opening)
    if result.fails(fail_on):
        counts = ", ".join(f"{code} x{count}" for code, count in result.by_code.items())
        first = "; ".join(
            f"{each.code} {each.image or each.file or ''}: {each.message}" for each in result.findings[:3]
        )
        raise InvalidDatasetError(f"{result.dataset}: {counts}. {first}")


def info(
    data: Data,
    *,
    jobs: int = 0,
    with_hash: bool = False,
    raster_rules: bool = False,
    by: str | None = None,
    with_channels: bool = False,
    with_shapes: bool = False,
    **opening: Unpack[ReadOptions],
) -> "Summary":
    """What is in a dataset: categories by images, segments, pixels and areas, and facts about the whole.

    `with_hash`: also the content hash of the labels. `raster_rules`: also how many segments with polygons have other
    pixels when they are drawn by the rule of another tool. `by`: also each stratum of a column; default: as the
    configuration says. `with_channels`: also mean and standard deviation of the images' channels; all are decoded.
    `with_shapes`: also quartiles of lengths, widths, diameters and perimeters of things, in px and mm. `opening` as for
    `read`. Raises SegdataError where there is no such column.
    """
    dataset = read(data, **opening)
    from segdata.measure.summary import summarise  # heavy: it makes pandas tables

    digest = hash_of(dataset, jobs=jobs) if with_hash else None
    families: frozenset[Family] = frozenset({"parts"} if dataset.profile.task == "semantic" else ())
    tables = measure_dataset(dataset, families, jobs)
    found = summarise(dataset.profile.files, tables, digest, by or dataset.profile.by)
    if with_channels:
        from segdata.measure.training_statistics import channel_statistics

        known, unread = channel_statistics(tables.images, jobs)
        found = replace(found, channels=known, unread=unread)
    if with_shapes:
        from segdata.api.info import shape_quartiles

        found = replace(found, shapes=shape_quartiles(dataset, jobs))
    if "from models" in found.facts:
        found = replace(found, facts=found.facts | _accepted_facts(dataset, jobs))
    return replace(found, raster_rules=_raster_rule_differences(dataset, jobs)) if raster_rules else found


def _accepted_facts(dataset: Dataset, jobs: int) -> dict[str, str]:
    """How much of what people drew where a model had drawn is the model's; nothing where they never met."""
    from segdata.measure.training_statistics import count_accepted

    with image_limits():
        found = count_accepted(dataset.batches(jobs))
    if not found.segments:
        return {}
    share = found.unchanged / found.segments
    return {"accepted unchanged": f"{found.unchanged:,} of {found.segments:,} segments that people have ({share:.1%})"}


def _raster_rule_differences(dataset: Dataset, jobs: int) -> dict[str, tuple[int, int, int]]:
    """For each raster rule how many segments have polygons, how many of them differ by it, and by how many pixels."""
    from segdata.formats.shapes.source_polygons import RasterDisagreement, raster_disagreement

    total = {rule: RasterDisagreement() for rule in get_args(RasterRule) if rule != "mask-native"}
    with image_limits():
        for batch in dataset.batches(jobs):
            for rule in total:
                total[rule] += raster_disagreement(batch, rule)
    return {rule: (found.drawn, found.differing, found.pixels) for rule, found in total.items()}


def hash_of(data: Data, *, jobs: int = 0, **opening: Unpack[ReadOptions]) -> str:
    """The content hash of a dataset's labels, 64 hexadecimal digits: log it with a training run.

    The same labels give the same hash in every format that can hold them; see `segdata.core.label_hash.content_hash`.
    """
    dataset = read(data, **opening)
    with image_limits():
        return content_hash(dataset.batches(jobs, in_order=True), dataset.taxonomy)
