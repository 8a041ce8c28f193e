"""Validate: check a dataset against the rules."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from segdata.api.habits import Annotated, FoldedFindings, fold_habits
from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, promote
from segdata.core.config import did_you_mean
from segdata.core.dataset import OpenDataset
from segdata.core.errors import InvalidDatasetError, SegdataError, count_noun
from segdata.core.executor import Progress, default_jobs, no_progress
from segdata.core.finding import SEVERITIES, Finding
from segdata.core.paths import decision_log_path
from segdata.core.rule import Family, Rule, Tables
from segdata.core.rule_runner import needed_families, run_rules, select_rules
from segdata.core.safe_text import shell_word
from segdata.core.validation import FailOn, Validation, check_fail_on
from segdata.formats.shared.images import image_limits
from segdata.measure.measure import measure_source
from segdata.measure.registry import all_families
from segdata.measure.source_cache import CachedSource

if TYPE_CHECKING:
    from distributed import Client

    from segdata.report.findings import ReportContext


class ValidationResult(Result, Validation):
    """The findings of the rules in a dataset, worst first: a `segdata.Validation` that renders itself.

    >>> import numpy as np, segdata
    >>> data = segdata.from_arrays({"a.png": np.array([[1, 2]])}, ["grass", "road"])
    >>> segdata.validate(data, select="SEG106").findings
    ()
    """

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules that ran."""
        rules: Sequence[Rule] = self._context["rules"]
        return rules

    def against(self, before: Iterable[Finding]) -> "ValidationResult":
        """The same result compared with an earlier one as its baseline: `findings` are the new ones."""
        return promote(ValidationResult, super().against(before), **self._context)

    def to_json(self, max_findings: int | None = None) -> str:
        """The findings as JSON, as ``segdata validate --format json`` prints them; `max_findings`: the worst only."""
        from segdata.report.findings import findings_json

        return findings_json(self, max_findings)

    def to_html(self, *, pictures: int = 200, jobs: int = 0) -> str:
        """One HTML file with the findings, and with pictures of the worst of each rule, `pictures` at most."""
        from segdata.report.findings import ReportContext

        dataset: OpenDataset = self._context["dataset"]
        context = ReportContext(dataset.profile, self.rules, [shell_word(dataset.profile.files)])
        return findings_page(dataset, self, context, pictures=pictures, jobs=jobs)


def findings_page(
    dataset: OpenDataset,
    validation: Validation,
    context: "ReportContext",
    *,
    pictures: int = 200,
    statements: Sequence[str] = (),
    jobs: int = 0,
    progress: Callable[[int], AbstractContextManager[Callable[[int], None]]] = lambda total: nullcontext(no_progress),
) -> str:
    """Findings as one HTML file with pictures; `statements` are about the dataset as a whole."""
    from segdata.api.decisions import label_hashes
    from segdata.report.html import findings as report

    known_findings = () if validation.baseline is None else validation.baseline.known
    several = (validation.findings, known_findings)
    listed = [finding for findings in several for finding in report.listed_findings(findings, context)]
    hashes = label_hashes(dataset, listed, jobs)
    with image_limits():
        return report.findings_html(
            dataset, validation, context, hashes, pictures=pictures, statements=statements, jobs=jobs, progress=progress
        )


def dataset_tables(
    data: OpenDataset, families: frozenset[Family], jobs: int = 0, progress: Progress = no_progress
) -> Tables:
    """The measured tables of a dataset; see `segdata.core.rule.Tables`."""
    with image_limits():
        if isinstance(data.source, CachedSource) and data.rows is None:
            return data.source.measure(families, data.profile, jobs, progress)
        return measure_source(
            data.source, families, chunks=data.chunks(), profile=data.profile, jobs=jobs, progress=progress
        )


def validate(
    data: Data,
    *,
    select: str | Iterable[str] = (),
    ignore: str | Iterable[str] = (),
    group_by: str | None = None,
    include_reviewed: bool = False,
    one_by_one: bool = False,
    client: "Client | str | None" = None,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> ValidationResult:
    """Check the labels against the rules.

    Parameters
    ----------
    select, ignore : rules to run, and not to run; default: as segdata.yaml says, or all
    group_by : group statistics by this column: split, camera, annotator and others; default: as segdata.yaml says
    include_reviewed : report findings that reviewers have decided, too; default: they are left out as long as their
        labels stay the same
    one_by_one : list findings one by one, also where they are usual in this dataset; default: one finding stands for
        all of these, with its images, and `single` lists them
    client : measure on a Dask cluster: a `distributed.Client`, or the address of its scheduler; the result is the same
    jobs, progress : see `Dataset`

    Rules that need the whole dataset are skipped for a part of it; `skipped` names them.

    Returns the findings, worst first, as `findings`; `by_code` counts them, ``fails("error")`` judges them. Raises
    SegdataError for unknown rules, options or columns.

    >>> import numpy as np, segdata
    >>> dataset = segdata.from_arrays({"a.png": np.array([[1, 9]])}, ["grass"])
    >>> print(dataset.validate().findings[0].message)
    value 9 has no category; its pixels are unlabelled
    """
    with default_jobs(jobs):
        dataset = read(data, **opening)
    if group_by is not None:
        dataset = replace(dataset, profile=replace(dataset.profile, by=group_by))
    rules_selected = select_rules(dataset.config, select, ignore)
    rules_to_run = [rule for rule in rules_selected if not (rule.whole and dataset.is_part)]
    left_out = [rule for rule in rules_selected if rule.whole and dataset.is_part]
    skipped = tuple(rule.code for rule in left_out if rule.applies(dataset.profile))
    _check_needs(rules_to_run)
    families = needed_families(rules_to_run, dataset.profile)
    with _measure_tables(dataset, families, rules_to_run, client, jobs, progress) as (tables, known):
        judged = run_rules(tables, rules_to_run, dataset.config, jobs=jobs, known=known)
        findings, settled = (judged.findings, ()) if include_reviewed else split_decided(dataset, judged.findings, jobs)
        files = _image_files(tables, {finding.image for finding in findings})
        folded = FoldedFindings(findings)
        if not (one_by_one or dataset.is_part):
            habits = {rule.code: rule.habit for rule in rules_to_run if rule.habit is not None}
            folded = fold_habits(findings, habits, Annotated.from_tables(tables))
    result = Validation(
        dataset=dataset.profile.files,
        n_images=len(tables.images),
        n_segments=len(tables.segments),
        findings=folded.findings,
        suppressed=judged.suppressed,
        skipped=skipped,
        image_files=files,
        settled=settled,
        members=folded.members,
    )
    rules = [rule for rule in rules_to_run if rule.applies(dataset.profile)]
    return promote(ValidationResult, result, dataset=dataset, rules=rules)


@contextmanager
def _measure_tables(
    data: OpenDataset,
    families: frozenset[Family],
    rules: Sequence[Rule],
    client: "Client | str | None",
    jobs: int,
    progress: Progress,
) -> Iterator[tuple[Tables, dict[str, list[Finding]]]]:
    """Measure the tables; also returns code -> findings of rules that ran meanwhile.

    On a cluster, some rules run where images are measured; with a complete cache, all findings are known.
    """
    if client is None:
        tables, source = dataset_tables(data, families, jobs, progress), data.source
        if isinstance(source, CachedSource) and data.rows is None:
            yield tables, source.find_by_rule(tables, rules, data.config, jobs)
        else:
            yield tables, {}
        return
    from segdata.core.cluster import connect  # needs the extra `dask`
    from segdata.measure.partitions import measure_on_cluster

    with connect(client) as cluster, image_limits():
        measured = measure_on_cluster(cluster, data, families, rules, jobs=jobs, progress=progress)
        yield measured.tables, measured.findings


def single_findings(data: OpenDataset, findings: Iterable[Finding], jobs: int = 0) -> tuple[Finding, ...]:
    """The findings of a validation of `data`, with each summary replaced by its single findings.

    Raises SegdataError for a summary that `validate` does not find in the dataset.
    """
    listed = tuple(findings)
    codes = sorted({finding.code for finding in listed if finding.count > 1})
    members = validate(data, select=codes, jobs=jobs).members if codes else {}
    single: list[Finding] = []
    for finding in listed:
        if finding.count > 1 and finding not in members:
            raise SegdataError(
                f"{data.profile.files}: which {finding.count:,} findings {finding.code} stands for is not known; "
                "take `single` of a validation of the dataset as it is now"
            )
        single += members.get(finding, (finding,))
    return tuple(single)


def split_decided(
    dataset: OpenDataset, findings: tuple[Finding, ...], jobs: int = 0, logged: Sequence[OpenDataset] = ()
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Split findings into undecided ones, and those that a reviewer has decided for the current labels.

    `logged`: the datasets with the decisions, where `dataset` combines several.
    """
    logs = [log for source in logged or (dataset,) if (log := decision_log_path(source.profile.files)).is_file()]
    if not logs:
        return findings, ()
    from segdata.api.decisions import decided_findings  # seldom needed, and expensive to import

    settled = decided_findings(dataset, findings, logs, jobs)
    return tuple(finding for finding in findings if finding not in settled), tuple(settled)


def _check_needs(rules: Sequence[Rule]) -> None:
    """Raise SegdataError if a rule needs a family that nothing measures, as its table would be empty."""
    for rule in rules:
        for family in sorted(rule.needs - all_families()):
            raise SegdataError(
                f"rule {rule.code} needs the measurement {family!r}, which no module registers"
                f"{did_you_mean(family, list(all_families()))}"
            )


def _image_files(tables: Tables, image_ids: set[str | None]) -> dict[str, str]:
    images = tables.images.lines("image_id", "uri") if image_ids - {None} else ()
    return {name: uri for name, uri in images if uri is not None and name in image_ids}


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
    """Raise InvalidDatasetError if there are findings at or above `fail_on`: one line for a training script.

    `fail_on`: ``error``, ``warning``, ``info`` or ``never``; the others as for `validate`. The message names the
    first findings.
    """
    check_fail_on(fail_on)
    result = validate(data, select=select, ignore=ignore, jobs=jobs, progress=progress, **opening)
    if result.fails(fail_on):
        failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
        findings = [finding for finding in result.findings if finding.severity in failing]
        numbers = ", ".join(count_noun(n, severity) for severity in failing if (n := result.count(severity)))
        counts = ", ".join(f"{code} x{n}" for code, n in sorted(Counter(finding.code for finding in findings).items()))
        first = "; ".join(
            f"{finding.code} {finding.image or finding.file or 'the dataset'}: {finding.message}"
            for finding in findings[:3]
        )
        remedy = f"`segdata validate {shell_word(result.dataset)}` lists all findings"
        raise InvalidDatasetError(f"{result.dataset}: {numbers}: {counts}. {first}. {remedy}")
