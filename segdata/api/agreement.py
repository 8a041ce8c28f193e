"""Agreement of annotators and how sure it is, and the consensus of their annotations as a dataset."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec

from segdata.agreement.annotator_bias import annotator_biases
from segdata.agreement.comparison import person_name
from segdata.agreement.consensus import ConsensusMethod
from segdata.agreement.consensus_dataset import (
    Consensus,
    ConsensusWriter,
    UndecidedAs,
    UndecidedPixels,
    check_image_names,
    compare_with_others,
    consensus_taxonomy,
    find_copied_annotations,
)
from segdata.agreement.contrasts import contrast_annotators, stratify_by_column
from segdata.agreement.copying import IdenticalWork, copies_table, find_copies, shares_alike_with, unchanged_shares
from segdata.agreement.cvat_quality import CvatReport, compare_cvat_reports, read_cvat_reports
from segdata.agreement.drift import AnnotatorDrift, annotator_drifts, drift_table
from segdata.agreement.estimates import Resampling
from segdata.agreement.gold_standard import gold_scores, scores_below_bar
from segdata.agreement.panel import Panel, PanelMember, never_judged
from segdata.agreement.planning import plan_sample_sizes
from segdata.agreement.repeatability import repeat_agreement
from segdata.agreement.summary import Agreement, summarise_agreement, unclear_categories
from segdata.api.panel import (
    ComparedPanel,
    PairOptions,
    PanelData,
    PanelOptions,
    annotator_index,
    check_reference_named,
    compare_panel,
    join_panels,
    open_members,
    open_panel,
    panel_gold_section,
    read_options,
    reference_index,
    resampling,
)
from segdata.api.read import ReadOptions
from segdata.api.result import Result, csv_table, json_table, promote
from segdata.api.validate import split_decided
from segdata.core.annotator_pairs import AnnotatorPairs, PanelAssessment
from segdata.core.config import Config, Gold
from segdata.core.errors import SegdataError, check_choice
from segdata.core.executor import no_progress, run_ordered
from segdata.core.finding import MISSING_IMAGE, Defect, Finding
from segdata.core.rule import Rule, Tables
from segdata.core.rule_runner import reader_errors, run_rules, select_rules
from segdata.core.runs import Ints
from segdata.core.safe_text import shell_word
from segdata.core.validation import FailOn
from segdata.dataset import Dataset
from segdata.formats.shared.images import image_limits
from segdata.store.output import StagedOutput

if TYPE_CHECKING:
    import pandas as pd


class AgreementResult(Result, Agreement, frozen=True, kw_only=True):
    """How much annotators agree, on what, and who differs: scores with intervals, and findings."""

    @property
    def run(self) -> "AgreementRun":
        """The data that the scores were computed from."""
        run: AgreementRun = self._context["run"]
        return run

    def to_json(self) -> str:
        """The result as JSON, as ``segdata agreement --format json`` prints it."""
        from segdata.report.agreement.text import agreement_json

        return agreement_json(self.with_proposals())

    def with_proposals(self) -> "AgreementResult":
        """The findings that a page lists, with corrections for `segdata review apply`."""
        from segdata.agreement.disagreements import PROPOSING_CODES, propose_corrections
        from segdata.api.decisions import image_portions, single_images
        from segdata.report.agreement.html import listed_findings

        run = self.run
        comparison = run.tables.annotator_pairs
        assert comparison is not None
        single = set(comparison.cases["name"][comparison.cases["frames"] == 1].tolist())
        by_image: dict[str, list[Finding]] = {}
        for finding in listed_findings(self.findings):
            if finding.code in PROPOSING_CODES and finding.image is not None and finding.image in single:
                by_image.setdefault(finding.image, []).append(finding)
        pairs = zip(comparison.categories, comparison.countable.tolist(), strict=True)
        countable = frozenset(category.name for category, is_counted in pairs if is_counted)

        def propose(rows: Ints) -> dict[Finding, Finding]:
            corrected: dict[Finding, Finding] = {}
            for batch in single_images(run.dataset.source.load(rows)):
                findings = by_image[batch.images["image_id"][0].as_py()]
                corrected |= propose_corrections(findings, batch, run.dataset.taxonomy, countable)
            return corrected

        proposed: dict[Finding, Finding] = {}
        with image_limits():
            for portion in run_ordered(propose, image_portions(run.dataset, by_image.keys())):
                proposed |= portion
        findings_now = tuple(proposed.get(finding, finding) for finding in self.findings)
        return promote(AgreementResult, msgspec.structs.replace(self, findings=findings_now), run=run)

    def to_html(
        self, *, jobs: int = 0, typed: Sequence[str] = (), fail_on: FailOn = "error", beside: Sequence[str] = ()
    ) -> str:
        """One HTML file with the scores, a section for each annotator, and pictures of the worst images.

        The page takes decisions on findings, and exports them for `segdata review pull`. `typed` and `fail_on`: the
        command as it was typed, for the commands that the report proposes; `beside`: names of files next to the page,
        to link.
        """
        from segdata.api.decisions import label_hashes
        from segdata.api.evaluate import scorecard_of_agreement
        from segdata.report.agreement.html import agreement_html, listed_findings

        run, cards = self.run, scorecard_of_agreement(self, self.run.tables)
        typed = typed or ["agreement", shell_word(run.dataset.profile.files)]
        result = self.with_proposals()
        hashes = label_hashes(run.dataset, listed_findings(result.findings), jobs)
        with image_limits():
            return agreement_html(result, run.dataset, run.tables, typed, fail_on, cards, jobs, hashes, beside)

    def table(self) -> "pd.DataFrame":
        """The scores as a pandas table, one row each: the rows of ``--format csv``."""
        from segdata.report.agreement.text import agreement_csv

        return csv_table(agreement_csv(self))


@dataclass(frozen=True, slots=True)
class AgreementRun:
    """The inputs of an agreement: the panel of all annotators as a dataset, and the measured tables.

    `decided`: number of further findings, which reviewers have decided.
    """

    agreement: Agreement
    dataset: Dataset
    tables: "Tables"
    decided: int = 0


def agree(
    data: PanelData,
    others: PanelData = (),
    *,
    name: str | None = None,
    gold: str | None = None,
    group_by: str | None = None,
    plan: float | None = None,
    contrasts: bool = False,
    models: str | Iterable[str] = (),
    cvat_reports: Iterable[str | Path | tuple[str | None, str | Path]] = (),
    anonymise: bool = False,
    select: str | Iterable[str] = (),
    ignore: str | Iterable[str] = (),
    include_reviewed: bool = False,
    **options: Unpack[PanelOptions],
) -> AgreementResult:
    """Measure how much annotators agree, on what, and who differs.

    Parameters
    ----------
    data : one dataset, or several by their annotators' names, or pairs (name, dataset), where a name may occur twice
        (a second pass) or be None (as the annotations say). The options of `read` hold for all that are not open
    others : datasets of other annotators, by their names or as pairs (name, dataset); none are needed if `data` has
        several annotators
    name : the annotator of `data`, where it is one dataset; None: as its annotations say
    gold : the name of the reference annotator; default: ``gold`` in segdata.yaml
    group_by : group results by this column: split, camera, site and others
    plan : also say how many images must be labelled twice for intervals of plus and minus this
    contrasts : also test whether annotators agree with the reference equally well; without one, whether pairs do
    models : annotators that are models: also say how much of everybody's work is theirs, unchanged
    cvat_reports : quality reports of CVAT (JSON), or pairs (id of the job, file), to be shown beside figures of the
        same frames against the reference
    anonymise : call the annotators A, B, C, except the reference
    pair_by : how to pair images: ``id``, ``stem``, ``name``, ``varying`` or ``content``; default: the first that
        pairs any
    taxonomy_map : a YAML file that says under which names categories are compared
    tolerance, tolerance_mm : how far apart two boundaries may be and still count as one: in pixels (2), and in mm
        where the spacing is known
    confidence, resamples, seed : of the bootstrap intervals
    select, ignore, include_reviewed, client : as for `validate`
    jobs, progress : see `Dataset`

    Returns scores with intervals, and findings. The same input and seed give the same result. Raises SegdataError
    if there is only one annotator, or no image in common.
    """
    members = _open_annotators(join_panels(data, others, name), read_options(options))
    config, section = members[0].dataset.config, panel_gold_section(members)
    gold = gold or (section.name if section else None)
    check_reference_named(gold, members)
    reports = _read_cvat_reports(cvat_reports, gold)
    rules = select_rules(config, select, ignore, command="agreement") + _reader_rules(config, select, ignore)
    compared = compare_panel(members, section if gold else None, options)
    _check_annotators(compared)
    model_rows = _model_annotators(compared, [models] if isinstance(models, str) else list(models))
    if anonymise:
        compared = _anonymise(compared, gold)
    resampled, jobs = resampling(options), options.get("jobs", 0)
    reference = reference_index(gold, compared.annotator_pairs.annotators)
    assessed = _assess(compared, reference, section, resampled, model_rows)
    annotator_pairs, tables = assessed.annotator_pairs, assessed.tables
    panel = Dataset(compared.panel, compared.panel.profile, config)
    findings = _images_once(run_rules(tables, rules, config, jobs=jobs).findings)
    own = [item.dataset for item in members]
    findings, settled = (findings, ()) if include_reviewed else split_decided(panel, findings, jobs, own)
    result = summarise_agreement(
        annotator_pairs,
        resampled,
        bias=assessed.assessment.biases,
        by=None if group_by is None else stratify_by_column(tables, annotator_pairs, group_by, resampled),
        plan=() if plan is None else plan_sample_sizes(annotator_pairs, plan, resampled),
        contrasts=contrast_annotators(annotator_pairs, reference, resampled) if contrasts else (),
        unchanged=unchanged_shares(annotator_pairs, model_rows, resampled),
        identical=assessed.identical,
        drift=assessed.drift,
        cvat=compare_cvat_reports(compared.panel, tables, reference, reports) if reference is not None else (),
        findings=findings,
        tolerance=compared.near,
        gold=reference,
    )
    return promote(AgreementResult, result, run=AgreementRun(result, panel, tables, len(settled)))


def _open_annotators(data: PanelData, opening: ReadOptions) -> list[PanelMember]:
    """Open the datasets of annotators; raises SegdataError if there is none."""
    members = open_members(data, opening)
    if not members:
        raise SegdataError("no dataset to compare; agreement takes two annotators or more")
    return members


def _read_cvat_reports(
    files: Iterable[str | Path | tuple[str | None, str | Path]], gold: str | None
) -> list[CvatReport]:
    """Read CVAT's quality reports, each with its job if that is given."""
    by_job = [file if isinstance(file, tuple) else (None, file) for file in files]
    if by_job and gold is None:
        raise SegdataError("CVAT's quality reports compare with a ground truth; say who it is here, with --gold NAME")
    return [report for job, path in by_job for report in read_cvat_reports(Path(path), job)]


def _reader_rules(config: Config, select: str | Iterable[str], ignore: str | Iterable[str]) -> list[Rule]:
    """The rules about broken files, since unreadable labels are no disagreement."""
    if select:
        return []
    reading = [rule for rule in select_rules(config, "SEG0", ignore) if not rule.needs and not rule.whole]
    return [rule for rule in reading if rule.severity == "error"]


def _images_once(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, with a missing image file reported once instead of for each annotator."""
    result: list[Finding] = []
    missing: set[str | None] = set()
    for finding in findings:
        if finding.message == MISSING_IMAGE:
            if finding.image in missing:
                continue
            missing.add(finding.image)
            finding = replace(finding, annotator=None)
        result.append(finding)
    return tuple(result)


def _check_annotators(compared: ComparedPanel) -> None:
    """Raise SegdataError if there is only one annotator."""
    compared.check_sizes()
    annotators, n_pairs = compared.annotator_pairs.annotators, len(compared.annotator_pairs.pairs)
    files = compared.panel.profile.files
    if len(annotators) < 2:
        problem = f"only {annotators[0]} annotated" if annotators else "nobody annotated"
        raise SegdataError(
            f"{files}: {problem} these images; agreement takes two annotators or more: give several datasets as "
            "NAME=DATA, or one in which annotations name their annotators"
        )
    if n_pairs == 0:
        raise SegdataError(f"{files}: no image was annotated by two or more of {', '.join(annotators)}")


def _model_annotators(compared: ComparedPanel, models: Sequence[str]) -> Collection[int]:
    """The annotators that are models: those named, and those whose annotations all have the source model."""
    annotators = compared.annotator_pairs.annotators
    named = {annotator_index("model", name, annotators) for name in models}
    columns = (compared.tables.annotations[name].tolist() for name in ("annotator", "source"))
    sources: dict[str, set[str | None]] = {}
    for name, source in zip(*columns, strict=True):
        sources.setdefault(name, set()).add(source)
    return [k for k, name in enumerate(annotators) if k in named or sources.get(name) == {"model"}]


@dataclass(frozen=True)
class _AssessedPanel:
    """The assessment of annotators, and the tables for it."""

    annotator_pairs: "AnnotatorPairs"  # the comparison, in which copied work is marked
    identical: "tuple[IdenticalWork, ...]"  # similarities of each pair of annotators
    drift: "tuple[AnnotatorDrift, ...]"  # changes of annotators over time
    assessment: "PanelAssessment"  # findings about annotators, categories and regions
    tables: "Tables"  # the panel's tables with the assessment; mirrored work is a defect


def _assess(
    compared: ComparedPanel,
    reference: int | None,
    section: Gold | None,
    resampled: Resampling,
    models: Collection[int],
) -> _AssessedPanel:
    """Assess annotators by comparing their work; `models`: positions of annotators that are models."""
    from segdata.agreement.disagreements import find_disagreements
    from segdata.agreement.misplaced_labels import MISPLACED_CODE, find_misplaced

    tables = compared.tables
    annotator_pairs, identical = find_copies(
        compared.annotator_pairs, tables.segments, resampled, models=models, gold=reference
    )
    with image_limits():
        misplaced = find_misplaced(compared.panel, annotator_pairs)
    scores = gold_scores(annotator_pairs, reference, section if reference is not None else None, resampled)
    drift = annotator_drifts(annotator_pairs, tables.annotations, resampled)
    assessment = PanelAssessment(
        disputes=find_disagreements(annotator_pairs, reference),
        biases=annotator_biases(annotator_pairs, resampled.seed, n_draws=resampled.n_draws),
        unclear=unclear_categories(annotator_pairs, resampled),
        repeats=repeat_agreement(annotator_pairs, resampled),
        below=scores_below_bar(scores, shares_alike_with(reference, annotator_pairs, identical)),
        gold=reference,
        misplaced=misplaced,
        copies=copies_table(annotator_pairs, identical),
        drifts=drift_table(annotator_pairs, drift),
    )
    defects = (
        Defect(MISPLACED_CODE, item.message, annotator=annotator_pairs.annotators[item.annotator]) for item in misplaced
    )
    unjudged = never_judged(compared.panel, tables.annotations)
    assessed_tables = replace(
        tables, defects=(*tables.defects, *defects, *unjudged), assessment=assessment, annotator_pairs=annotator_pairs
    )
    return _AssessedPanel(annotator_pairs, identical, drift, assessment, assessed_tables)


def _letters(annotators: Sequence[str], gold: str | None) -> dict[str, str]:
    """Name -> letter, with numbers for further passes of an annotator.

    >>> _letters(["anna", "anna (2)", "ben", "truth"], "truth")
    {'anna': 'A', 'anna (2)': 'A (2)', 'ben': 'B'}
    """
    persons = [name for name in dict.fromkeys(map(person_name, annotators)) if name != gold]
    called = {name: _letter(k) for k, name in enumerate(persons)}
    return {
        name: name.replace(person_name(name), called[person_name(name)], 1)
        for name in annotators
        if person_name(name) in called
    }


def _letter(k: int) -> str:
    """A to Z, then AA."""
    return (_letter(k // 26 - 1) if k >= 26 else "") + chr(ord("A") + k % 26)


def _anonymise(compared: ComparedPanel, gold: str | None) -> ComparedPanel:
    """The result with letters instead of names, except the reference's."""
    import numpy as np

    aliases = _letters(compared.annotator_pairs.annotators, gold)
    tables = compared.tables
    names = np.array([aliases.get(name, name) for name in tables.annotations["annotator"].tolist()], object)
    defects = tuple(
        replace(defect, annotator=aliases.get(defect.annotator or "", defect.annotator)) for defect in tables.defects
    )
    annotator_pairs = replace(
        compared.annotator_pairs,
        annotators=tuple(aliases.get(name, name) for name in compared.annotator_pairs.annotators),
    )
    annotations = tables.annotations.beside(annotator=names)
    tables = replace(tables, annotations=annotations, defects=defects, annotator_pairs=annotator_pairs)
    panel: Panel = replace(compared.panel, aliases=aliases)
    return ComparedPanel(panel, tables, annotator_pairs, compared.near)


class ConsensusResult(Result, Consensus, frozen=True, kw_only=True):
    """The consensus that was written, its undecided regions, and each annotator against the consensus of the others."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata consensus --format json`` prints it."""
        from segdata.report.quality import consensus_json

        return consensus_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each annotator as a pandas table: the scores against the consensus of the others."""
        return json_table(self.to_json(), "against_others")


def consensus(
    data: PanelData,
    target: str | Path,
    others: PanelData = (),
    *,
    name: str | None = None,
    method: str = "auto",
    undecided: UndecidedAs = "void",
    min_support: float = 0.5,
    leave_one_out: bool = True,
    copy_images: bool = False,
    **options: Unpack[PairOptions],
) -> ConsensusResult:
    """Write what annotators agree on as a canonical dataset, with one annotation per image by ``consensus``.

    Parameters
    ----------
    target, copy_images, jobs, progress : see `Dataset`
    data, others, name : as for `agreement`
    method : ``majority`` votes on each pixel; ``staple`` weighs annotators by how well they see each category;
        ``instances`` votes on things one by one, and on all other pixels by majority; ``auto``: ``instances`` for
        data with instances, ``majority`` for semantic data
    undecided : what becomes of regions without a consensus: ``void``, or a ``list`` (``undecided.csv`` and
        ``undecided.json`` beside the tables), which leaves them unlabelled
    min_support : the share of annotators (STAPLE: the probability) that a decision must exceed, from 0.5 to 1
    leave_one_out : also compare each annotator with the consensus of the others; one pass for each
    pair_by, taxonomy_map, confidence, resamples, seed : as for `agreement`

    Each segment has the share of annotators behind it as its `score`. dataset.yaml records the annotators and the
    method. Raises SegdataError as `agreement` does.
    """
    check_choice("undecided", undecided, ("void", "list"))
    members = open_members(join_panels(data, others, name), read_options(options))
    panel = open_panel(members, options.get("pair_by"), options.get("taxonomy_map"))
    jobs, progress = options.get("jobs", 0), options.get("progress", no_progress)
    check_image_names(panel)
    consensus_method = ConsensusMethod.from_name(method, panel.profile.task, min_support)
    target_taxonomy = consensus_taxonomy(panel, paint=undecided == "void")
    with image_limits():
        copies = find_copied_annotations(panel, resampling(options), jobs)
    stream = ConsensusWriter(panel, consensus_method, target_taxonomy, undecided, jobs, progress, copies)
    with StagedOutput(Path(target)) as placing, image_limits():
        remarks = stream.write(placing.made, copy_images)
        if undecided == "list":
            _write_undecided_regions(stream, placing.made)
        placing.commit()
    with image_limits():
        passes = stream.names if leave_one_out else ()
        against_others = compare_with_others(
            panel, passes, consensus_method, resampling=resampling(options), copies=copies, jobs=jobs, progress=progress
        )
    return ConsensusResult(
        target=Path(target),
        method=consensus_method.name,
        min_support=consensus_method.least,
        undecided=undecided,
        annotators=tuple(sorted(stream.names)),
        images=stream.n["images"],
        segments=stream.n["segments"],
        drawn=stream.n["drawn"],
        rejected=stream.n["rejected"],
        disputed=stream.n["disputed"],
        without_consensus=UndecidedPixels(
            regions=stream.n["regions"],
            pixels=stream.n["undecided"],
            of_pixels=stream.n["labelled"],
            category=None if target_taxonomy.void is None else target_taxonomy.void.name,
            is_new=target_taxonomy.is_new,
        ),
        alone=tuple(stream.alone),
        defects=dict(sorted(Counter(defect.code for defect in stream.defects).items())),
        identical=copies.identical,
        against_others=against_others,
        losses=tuple(stream.losses.listed()),
        defect_list=tuple(stream.defects),
        n_errors=len(reader_errors(stream.defects, panel.members[0].dataset.config)),
        remarks=remarks,
    )


def _write_undecided_regions(stream: ConsensusWriter, folder: Path) -> None:
    """Write the regions without a consensus as ``undecided.csv`` and ``undecided.json`` beside the tables."""
    from segdata.report.quality import undecided_csv, undecided_json

    texts = {
        "undecided.csv": undecided_csv(stream.regions, sorted(stream.names)),
        "undecided.json": undecided_json(stream.regions),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
