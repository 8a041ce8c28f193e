"""Review: record decisions, apply them, and exchange tasks with annotation tools."""

import datetime
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np
import pyarrow as pa

from segdata.api.convert import Conversion, convert
from segdata.api.decisions import decided_findings, label_hashes, load_images, log_path
from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import Result, json_table, promote
from segdata.api.validate import validate
from segdata.core.atomic_files import write_whole
from segdata.core.batch import Batch, concatenate_batches
from segdata.core.errors import SegdataError, check_choice, count_noun
from segdata.core.executor import no_progress
from segdata.core.finding import Decision, Finding, Via
from segdata.core.finding_location import Annotation
from segdata.core.profile import Profile
from segdata.dataset import Dataset
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits
from segdata.formats.shared.xml_files import read_xml
from segdata.review import annotation_tasks, decision_log
from segdata.review.annotation_tasks import (
    ImportResult,
    ReturnedAnnotation,
    SentAnnotation,
    add_finding_category,
    cvat_labels,
    label_studio_config,
    match_sent,
    parse_returned,
    prepare_annotation,
    take_redrawn,
)
from segdata.review.apply import (
    AnnotationKey,
    AppliedHistory,
    ApplyResult,
    DecisionApplier,
    FixAnnotation,
    changes_entry,
    completed_verdicts,
    is_below_stage,
)
from segdata.review.decision_log import (
    PullResult,
    ReviewState,
    decision_subject,
    is_export,
    measure_progress,
    newest_states,
    read_export,
    review_states,
)
from segdata.review.decision_log import ReviewProgress as ReviewProgress
from segdata.store.fixes import fix_annotation, join_annotations, volume_names
from segdata.store.revision_reader import free_id
from segdata.store.revision_writer import segment_rows
from segdata.store.revisions import canonical_root, revise

if TYPE_CHECKING:
    import pandas as pd

DecisionOrigin = Literal["fiftyone"] | str | Path
AnnotationTool = Literal["cvat", "label-studio"]
_TOOLS: dict[str, Via] = {"cvat": "cvat", "label-studio": "label-studio"}


class PulledDecisions(Result, PullResult, frozen=True, dict=True):
    """The number of decisions in a source, and of those that were new to the log."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata review pull --format json`` prints it."""
        from segdata.report.review import pulled_json

        return pulled_json([self], self._context["dataset"])

    def table(self) -> "pd.DataFrame":
        """One row for the source as a pandas table."""
        return json_table(self.to_json(), "sources")


class AppliedDecisions(Result, ApplyResult, kw_only=True):
    """The outcome of decisions: applied, in conflict, disputed, or left for a person to draw."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata review apply --format json`` prints it."""
        from segdata.report.review import applied_json

        return applied_json(self)

    def table(self) -> "pd.DataFrame":
        """One row for each decision that was carried out as a pandas table."""
        return json_table(self.to_json(), "done")


class ProgressResult(Result, ReviewProgress):
    """The progress of a review: findings decided and open, reviewers, and how often each rule was right."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata review report --format json`` prints it."""
        from segdata.report.review import progress_json

        return progress_json(self, self._context["dataset"])

    def table(self) -> "pd.DataFrame":
        """One row for each rule as a pandas table."""
        return json_table(self.to_json(), "rules")


class ImportedTask(Result, ImportResult, kw_only=True):
    """The import from an annotation tool: segments redrawn, added and deleted, and conflicts."""

    def to_json(self) -> str:
        """The result as JSON, as ``segdata review import --format json`` prints it."""
        from segdata.report.review import imported_json

        return imported_json(self)

    def table(self) -> "pd.DataFrame":
        """One row with the counts as a pandas table."""
        return json_table(f"[{self.to_json()}]", 0)


def decide(data: Data, decisions: Iterable[Decision], **opening: Unpack[ReadOptions]) -> int:
    """Append decisions to the log; returns how many of them are new.

    A decision on a finding without an `imprint` holds for the labels as they are now. Raises SegdataError, and writes
    nothing, if one of them could not be read again.
    """
    dataset = read(data, **opening)
    given = list(decisions)
    on_current = [decision.finding for decision in given if decision.finding is not None and not decision.imprint]
    hashes = label_hashes(dataset, on_current) if on_current else {}
    complete = [
        replace(decision, imprint=hashes[decision.finding])
        if decision.finding is not None and not decision.imprint
        else decision
        for decision in given
    ]
    return _append_new(log_path(dataset), complete)


def pull_decisions(
    data: Data,
    origin: DecisionOrigin,
    *,
    name: str | None = None,
    reviewer: str | None = None,
    adjudicate: bool = False,
    **opening: Unpack[ReadOptions],
) -> PulledDecisions:
    """Append decisions that were made elsewhere to the log.

    Parameters
    ----------
    origin : ``fiftyone``; or a file: an export of the HTML report, another log, or a task with decisions that
        CVAT or Label Studio exported after `export`
    name : of the dataset in FiftyOne; default: as `browse` calls it
    reviewer : who decided, if the origin does not say
    adjudicate : these decisions settle what reviewers disagree on

    Raises SegdataError if the origin cannot be read.
    """
    dataset = read(data, **opening)
    path = log_path(dataset)
    notes: tuple[str, ...] = ()
    if origin == "fiftyone":
        from segdata.report.fiftyone.decisions import pull_from_fiftyone

        fetched = pull_from_fiftyone(name or f"segdata-{dataset.profile.name}", dataset.profile, reviewer)
        decisions, notes = list(fetched.decisions), fetched.notes
    elif is_export(Path(origin)):
        decisions = read_export(Path(origin))
    else:
        decisions = decisions_in(dataset, Path(origin), reviewer)
    if adjudicate:
        # FiftyOne returns all decisions; earlier ones do not settle disputes.
        decided = {*decision_log.read_decisions(path)} if origin == "fiftyone" else set()
        decisions = [decision if decision in decided else replace(decision, adjudicates=True) for decision in decisions]
    torn = (
        ("the log ends in a line that was never finished; it is left out",) if decision_log.load_log(path).torn else ()
    )
    pulled = PullResult(str(origin), len(decisions), _append_new(path, decisions), (*notes, *torn))
    return promote(PulledDecisions, pulled, dataset=dataset.profile.files)


def _append_new(path: Path, decisions: Iterable[Decision]) -> int:
    logged = decision_log.read_decisions(path)
    # An adjudication is also the reviewer's decision.
    decided = {*logged, *(replace(decision, adjudicates=False) for decision in logged)}
    return decision_log.append_decisions(
        path, [decision for decision in dict.fromkeys(decisions) if decision not in decided]
    )


def review_progress(
    data: Data,
    *,
    findings: Sequence[Finding] | None = None,
    earlier: Sequence[Finding] = (),
    jobs: int = 0,
    **opening: Unpack[ReadOptions],
) -> ProgressResult:
    """The progress of the review: findings decided and open, reviewers, and how often each rule was right.

    `findings`: those to decide; None: those of `validate`. `earlier`: more findings, from reports that may be
    older than the labels.
    """
    dataset = read(data, **opening)
    listed = (
        validate(dataset, include_reviewed=True, one_by_one=True, jobs=jobs).findings if findings is None else findings
    )
    path, every = log_path(dataset), [*listed, *earlier]
    logged, decided = decision_log.read_decisions(path), decided_findings(dataset, every, [path], jobs)
    rest = [finding for finding in earlier if finding not in decided]
    result = measure_progress(
        logged, every, {**completed_verdicts(rest, review_states(logged), _is_applied(dataset)), **decided}
    )
    return promote(ProgressResult, result, dataset=dataset.profile.files)


def _is_applied(dataset: Dataset) -> Callable[[Decision], bool]:
    """A predicate: whether a decision was applied in a revision that led to the current one."""
    if dataset.profile.revision is None:
        return lambda decision: False
    return AppliedHistory(canonical_root(dataset)).contains


def apply_decisions(
    data: Data, *, dry_run: bool = False, progress: Callable[[int], None] = no_progress, **opening: Unpack[ReadOptions]
) -> AppliedDecisions:
    """Carry out the decisions in a new revision of a canonical dataset; `dry_run`: change nothing.

    Accepted corrections and fixes are made, and rejected segments deleted. A decision about labels that have changed
    since is a conflict, and nothing is overwritten. Labels on which reviewers disagree stay unchanged. Calling it again
    changes nothing. Annotations whose findings are all settled get the stage ``reviewed`` (``adjudicated`` where an
    adjudicator decided) and the reviewer's name. Raises SegdataError if the dataset is not canonical, or another
    revision was made meanwhile.
    """
    dataset = read(data, **opening)
    root = canonical_root(dataset)
    states = newest_states(review_states(decision_log.read_decisions(log_path(dataset))))
    revision = dataset.profile.revision
    applying = DecisionApplier(dataset.profile, AppliedHistory(root), _fixer(dataset), free_id(root / str(revision)))
    changed: dict[str, pa.Table] = {}
    stages: dict[AnnotationKey, tuple[str, str]] = {}
    by_image = _by_image(dataset, states)
    image_ids = {*dataset.source.image_ids}  # decisions about images that are not read are no conflict
    applying.elsewhere(item for item in states if item.latest[-1].image not in image_ids)
    with image_limits():
        for batch in load_images(dataset, by_image.keys()):
            image_id = batch.images["image_id"][0].as_py()
            applied = applying.image(batch, by_image[image_id])
            stages |= applied.stages
            if applied.changed:
                changed[image_id] = segment_rows(join_annotations(batch, applied.pieces))
            progress(1)
    outcome = applying.result
    if not dry_run and (changed or stages):
        columns = {
            name: {key: values[column] for key, values in stages.items()}
            for column, name in enumerate(("stage", "reviewer"))
        }
        lines = [changes_entry(item.decision, item.pixels) for item in outcome.done]
        outcome.revision = revise(
            root, changed, _summary(outcome), lines, revision, annotations=columns if stages else None
        )
    return promote(AppliedDecisions, outcome)


def _by_image(dataset: Dataset, states: Sequence[ReviewState]) -> dict[str, list[ReviewState]]:
    """Image id -> states of the review about it."""
    image_ids = set(dataset.image_ids)
    by_image: dict[str, list[ReviewState]] = {}
    for state in states:
        image = state.latest[-1].image
        if image in image_ids:
            by_image.setdefault(str(image), []).append(state)
    return by_image


def _fixer(dataset: Dataset) -> FixAnnotation:
    volumes = volume_names(dataset.profile)

    def fix(annotation: Annotation, findings: Sequence[Finding]) -> tuple[Batch, Mapping[Finding, int]]:
        if annotation.batch.images["sequence"][0].as_py() in volumes:
            return annotation.batch, {}
        after, done = fix_annotation(annotation, findings, dataset.profile)
        return after, {fixed.finding: fixed.pixels for fixed in done}

    return fix


def _summary(result: ApplyResult) -> str:
    applied = f"carried out {count_noun(len(result.done), 'decision')} in {count_noun(result.images, 'image')}"
    reviewed = f"{count_noun(result.reviewed, 'annotation')} reviewed"
    return f"review: {f'{applied}; {reviewed}' if result.done else reviewed}"


def export_findings(
    data: Data,
    findings: Sequence[Finding],
    to: AnnotationTool,
    target: str | Path,
    *,
    prefix: str = "",
    copy_images: bool = False,
    jobs: int = 0,
    progress: Callable[[int], None] = no_progress,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Write a task for CVAT or Label Studio: the images with findings, their labels, and the findings as boxes.

    Parameters
    ----------
    findings : findings about no image are left out
    to : the tool
    target, copy_images, jobs, progress : see `Dataset`
    prefix : goes before the path of each image, for Label Studio

    The labels sent are recorded beside the dataset, so that `import_task` recognises those that come back.
    ``labels.json`` beside a CVAT task lists the labels that the tool needs first. Raises SegdataError if no
    finding is about an image of the dataset, and for CVAT if an image has several annotations.
    """
    check_choice("to", to, ("cvat", "label-studio"))
    if Path(target).suffix == ".json":
        raise SegdataError(f"{target}: a task has several files; name a folder")
    dataset = read(data, **opening)
    by_image: dict[str, list[Finding]] = {}
    for item in findings:
        if item.image is not None:
            by_image.setdefault(item.image, []).append(item)
    rows = [row for row, name in enumerate(dataset.source.image_ids) if name in by_image]
    rows = rows if dataset.rows is None else sorted({*rows} & {*dataset.rows.tolist()})
    if not rows:
        raise SegdataError(f"{dataset.profile.files}: no finding is about an image of it")
    path = annotation_tasks.sent_path(log_path(dataset))
    taxonomy = add_finding_category(dataset.profile)
    noted: list[SentAnnotation] = []

    def mark(batch: Batch) -> Batch:
        pieces = [batch.take_images(np.array([row])) for row in range(batch.images.num_rows)]
        return concatenate_batches([image_marked(item) for item in pieces])

    def image_marked(batch: Batch) -> Batch:
        name, annotations = batch.images["image_id"][0].as_py(), Annotation.split_batch(batch)
        if to == "cvat" and len(annotations) > 1:
            raise SegdataError(f"{name}: has {len(annotations)} annotations, CVAT holds one; use --to label-studio")
        asks = to == "cvat"  # as attributes; in Label Studio, these are controls
        prepared = [
            prepare_annotation(item, _findings_about(item, by_image[name]), dataset.profile, taxonomy, asks)
            for item in annotations
        ]
        noted.extend(note for _, note in prepared)
        return join_annotations(batch, [marked for marked, _ in prepared])

    profile = replace(dataset.profile, taxonomy=taxonomy)
    source = AlteredSource(dataset.source, mark)
    task = replace(dataset, source=source, profile=profile, rows=np.array(rows, np.int64))
    options = {"prefix": prefix} if prefix and to == "label-studio" else None
    done = convert(task, target, to=to, copy_images=copy_images, jobs=jobs, progress=progress, write_options=options)
    _write_instructions(done.target, to)
    annotation_tasks.record_sent(path, sorted(noted, key=lambda item: (item.image, item.annotator or "")))
    return done


def _write_instructions(task: Path, to: AnnotationTool) -> None:
    """Write the instructions for setting up the tool before the task is imported."""
    if to == "cvat":
        text, path = cvat_labels(read_xml(task / "annotations.xml")), task / "labels.json"
    else:
        path = task / "label_config.xml"
        text = label_studio_config(path.read_text(encoding="utf-8"))
    write_whole(path, text)


def _findings_about(annotation: Annotation, findings: Sequence[Finding]) -> list[Finding]:
    """The distinct findings about one annotation."""
    return [finding for finding in dict.fromkeys(findings) if finding.annotator in (None, annotation.annotator)]


def decisions_in(dataset: Dataset, file: Path, reviewer: str | None) -> list[Decision]:
    """The decisions in a returned task; raises SegdataError if the reviewer is unknown.

    A verdict that equals the reviewer's latest decision on the finding is that decision, as a file has no times.
    """
    via, back = _read_task(dataset, file)
    words = sorted(decision_log.read_decisions(log_path(dataset)), key=lambda item: item.time)
    last = {(item.reviewer, decision_subject(item)): replace(item, adjudicates=False) for item in words}
    decisions = []
    for note, returned, _ in back:
        questions = {item.key: item for item in note.questions}
        for key, (verdict, comment) in returned.answers.items():
            if key not in questions:
                continue
            if reviewer is None:
                raise SegdataError(f"{file}: does not say who decided; give --reviewer NAME")
            answer = Decision(
                verdict=verdict,
                reviewer=reviewer,
                time=_modified_time(file),
                via=via,
                image=note.image,
                annotator=note.annotator,
                finding=questions[key].finding,
                imprint=questions[key].imprint,
                comment=comment,
            )
            before = last.get((reviewer, decision_subject(answer)))
            is_same = before is not None and (before.verdict, before.comment) == (verdict, comment)
            decisions.append(before if before is not None and is_same else answer)
    return decisions


def import_task(
    data: Data, file: str | Path, *, reviewer: str | None = None, dry_run: bool = False, **opening: Unpack[ReadOptions]
) -> ImportedTask:
    """Take back what was redrawn in a task of `export`, as a new revision of a canonical dataset.

    Parameters
    ----------
    file : what CVAT or Label Studio exported
    reviewer : who drew; the annotations get the stage ``reviewed`` with this name, unless they are further
    dry_run : change nothing

    Only segments that differ from what was sent are taken. A segment that changed here meanwhile is a conflict,
    and nothing is overwritten. Raises SegdataError if nothing in the file was sent from this dataset.
    """
    dataset = read(data, **opening)
    root = canonical_root(dataset)
    outcome = ImportResult(dataset=dataset.profile.files)
    _, back = _read_task(dataset, Path(file))
    by_image: dict[str, list[tuple[SentAnnotation, ReturnedAnnotation, Profile]]] = {}
    for pair in back:
        by_image.setdefault(pair[0].image, []).append(pair)
    outcome.conflicts += [
        f"{name}: is not in the dataset any more" for name in sorted({*by_image} - {*dataset.image_ids})
    ]
    changed: dict[str, pa.Table] = {}
    changed_annotations: dict[AnnotationKey, bool] = {}
    number = free_id(root / str(dataset.profile.revision))
    with image_limits():
        for batch in load_images(dataset, by_image.keys()):
            name = batch.images["image_id"][0].as_py()
            pieces = [annotation.batch for annotation in Annotation.split_batch(batch)]
            for note, returned, theirs in by_image[name]:
                number = _import_annotation(
                    pieces, note, returned, (dataset.profile, theirs), outcome, changed_annotations, number
                )
            if any(who[0] == name for who in changed_annotations):
                changed[name] = segment_rows(join_annotations(batch, pieces))
    outcome.images = len(changed)
    if changed and not dry_run:
        below = [pair for pair, is_new in changed_annotations.items() if is_new]
        stages = {"stage": dict.fromkeys(below, "reviewed"), "reviewer": dict.fromkeys(below, reviewer)}
        description = f"review: redrawn in {count_noun(outcome.images, 'image')}, from {Path(file).name}"
        lines = [{"image": image, "annotator": annotator} for image, annotator in changed_annotations]
        outcome.revision = revise(
            root,
            changed,
            description,
            lines,
            dataset.profile.revision,
            annotations=stages if reviewer and below else None,
        )
    return promote(ImportedTask, outcome)


def _import_annotation(
    pieces: list[Batch],
    note: SentAnnotation,
    returned: ReturnedAnnotation,
    profiles: tuple[Profile, Profile],
    imported: ImportResult,
    whose: dict[AnnotationKey, bool],
    number: int,
) -> int:
    """Import one returned annotation; returns the next free id.

    Adds changed annotations to `whose`, with whether their stage is before ``reviewed``.
    """
    position = next(
        (position for position, piece in enumerate(pieces) if Annotation(piece).annotator == note.annotator), None
    )
    if position is None or Annotation(pieces[position]).size != returned.annotation.size:
        why = "the annotation is there no more" if position is None else "the image has another size now"
        imported.conflicts.append(f"{note.image}: {why}")
        return number
    redrawn = take_redrawn(Annotation(pieces[position]), note, returned, profiles, number)
    imported.conflicts += [f"{note.image}: {why}" for why in redrawn.conflicts]
    imported.redrawn += len(redrawn.redrawn)
    imported.deleted += len(redrawn.deleted)
    imported.added, imported.untouched = imported.added + len(redrawn.added), imported.untouched + redrawn.untouched
    if redrawn.after is not None:
        whose[note.image, note.annotator] = is_below_stage(Annotation(pieces[position]), "reviewed")
        pieces[position] = redrawn.after
    return redrawn.free_id


def _read_task(dataset: Dataset, file: Path) -> tuple[Via, list[tuple[SentAnnotation, ReturnedAnnotation, Profile]]]:
    """The annotations in a file that were sent from this dataset, each as sent and as returned."""
    back = read(file, taxonomy=add_finding_category(dataset.profile))
    via = _TOOLS.get(back.profile.format)
    if via is None:
        raise SegdataError(f"{file}: is {back.profile.format}; decisions come from the HTML report, CVAT, Label Studio")
    sent_by_key: dict[str, list[SentAnnotation]] = {}
    for note in annotation_tasks.read_sent(annotation_tasks.sent_path(log_path(dataset))):
        for key in note.keys:
            sent_by_key.setdefault(key, []).append(note)
    pairs: dict[tuple[str, str | None], tuple[SentAnnotation, ReturnedAnnotation, Profile]] = {}
    with image_limits():
        for batch in back.batches():
            for row in range(batch.images.num_rows):
                for annotation in Annotation.split_batch(batch.take_images(np.array([row]))):
                    parsed = parse_returned(annotation, back.profile)
                    keys = parsed.keys.keys() | parsed.answers.keys()
                    was = match_sent([sent for key in sorted(keys) for sent in sent_by_key.get(key, ())], parsed)
                    if was is not None:
                        _check_once(pairs, was, file)
                        pairs[was.image, was.annotator] = (was, parsed, back.profile)
    if not pairs:
        raise SegdataError(f"{file}: has nothing that was sent from {dataset.profile.files} by segdata review export")
    return via, list(pairs.values())


def _check_once(known: Container[tuple[str, str | None]], note: SentAnnotation, file: Path) -> None:
    if (note.image, note.annotator) in known:
        raise SegdataError(f"{file}: {note.image} is there twice; export each annotation once")


def _modified_time(file: Path) -> str:
    """The modification time of a file, in the format of decisions."""
    return datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
