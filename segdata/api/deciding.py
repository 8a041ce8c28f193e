"""Deciding: what reviewers decided of a dataset, brought into it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Unpack

import pyarrow as pa

from segdata.api.checking import validate
from segdata.api.fixing import joined, mended_in, root_of, volumes_of
from segdata.api.imprinting import images_named, imprints
from segdata.api.opening import Data, ReadOptions, read, silent
from segdata.core.annotation import Annotation
from segdata.core.batch import Batch
from segdata.core.counted import counted
from segdata.core.dataset import Dataset
from segdata.core.decision import Decision, Verdict
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.formats.shared.images import image_limits
from segdata.review import log
from segdata.review.applied import Applied, Applying, Whose
from segdata.review.carried import Mend
from segdata.review.decided import dealt_with, decided
from segdata.review.exported import is_export, read_export
from segdata.review.past import Past, entry
from segdata.review.progress import Progress, progress
from segdata.review.standing import Standing, latest, newest
from segdata.review.told import Told
from segdata.store.revise import revise
from segdata.store.revision import free_id
from segdata.store.write import segment_rows

Origin = Literal["fiftyone"] | str | Path


def decide(data: Data, decisions: Iterable[Decision], **opening: Unpack[ReadOptions]) -> int:
    """Write decisions to the log of a dataset, those that are not in it; returns how many these are.

    Raises SegdataError where one is none that can be read again, and nothing is written then.
    """
    return _noted(place_of(read(data, **opening)), decisions)


def pull_decisions(
    data: Data,
    origin: Origin,
    *,
    name: str | None = None,
    reviewer: str | None = None,
    adjudicates: bool = False,
    **opening: Unpack[ReadOptions],
) -> Told:
    """Write the decisions that were made elsewhere to the log of a dataset; what is in it is not written again.

    Parameters
    ----------
    data : a file, a folder or a `Dataset`
    origin : ``fiftyone``; or a file: what the HTML report exported, a log, or a task with decisions as
        `export_findings` wrote it and CVAT or Label Studio exported it again
    name : of the dataset in FiftyOne; default: as `browse` calls it
    reviewer : who decided, where the origin does not say
    adjudicates : these decisions settle what reviewers disagree on
    opening : as for `read`

    Raises SegdataError where the origin cannot be read.
    """
    dataset = read(data, **opening)
    path = place_of(dataset)
    notes: tuple[str, ...] = ()
    if origin == "fiftyone":
        from segdata.report.fiftyone.pulling import pull

        found = pull(name or f"segdata-{dataset.profile.name}", dataset.profile, reviewer)
        decisions, notes = list(found.decisions), found.notes
    elif is_export(Path(origin)):
        decisions = read_export(Path(origin))
    else:
        from segdata.api.redrawing import decisions_in

        decisions = decisions_in(dataset, Path(origin), reviewer)
    if adjudicates:
        # FiftyOne tells everybody's decisions, and those that were known before settle nothing.
        known = {*log.read(path)} if origin == "fiftyone" else set()
        decisions = [each if each in known else replace(each, adjudicates=True) for each in decisions]
    torn = ("the log ends in a line that was never finished; it is left out",) if log.load(path).torn else ()
    return Told(str(origin), len(decisions), _noted(path, decisions), (*notes, *torn))


def _noted(path: Path, decisions: Iterable[Decision]) -> int:
    said = log.read(path)
    known = {*said, *(replace(each, adjudicates=False) for each in said)}  # who settled it has said it, too
    return log.append(path, [each for each in dict.fromkeys(decisions) if each not in known])


def place_of(dataset: Dataset) -> Path:
    """Where the log of a dataset is; raises SegdataError for one that is not on this machine."""
    if "://" in dataset.profile.files:
        raise SegdataError(f"{dataset.profile.files}: a review needs the dataset on this machine; convert it first")
    return log.place(dataset.profile.files)


def verdicts(
    dataset: Dataset, findings: Sequence[Finding], logs: Iterable[Path], jobs: int = 0
) -> dict[Finding, Verdict]:
    """The findings that reviewers have decided, and that concern the same labels still, each with its verdict."""
    said = [each for path in logs for each in log.read(path)]
    return decided(findings, latest(said), lambda asked: imprints(dataset, asked, jobs))


def review_progress(
    data: Data,
    *,
    findings: Sequence[Finding] | None = None,
    earlier: Sequence[Finding] = (),
    jobs: int = 0,
    **opening: Unpack[ReadOptions],
) -> Progress:
    """How far the review of a dataset is: findings decided and open, reviewers, how often rules are right.

    Parameters
    ----------
    data : a file, a folder or a `Dataset`
    findings : those that are to be decided, of the labels as they are; None: those of `validate`
    earlier : more of them, from reports that may be older than the labels: what was carried out since is decided, too
    jobs : threads; 0: one per core
    opening : as for `read`
    """
    dataset = read(data, **opening)
    found = validate(dataset, review=False, jobs=jobs).findings if findings is None else findings
    path, every = place_of(dataset), [*found, *earlier]
    said, known = log.read(path), verdicts(dataset, every, [path], jobs)
    rest = [each for each in earlier if each not in known]
    return progress(said, every, {**dealt_with(rest, latest(said), _carried_out(dataset)), **known})


def _carried_out(dataset: Dataset) -> Callable[[Decision], bool]:
    """Whether a decision was carried out in the revisions that led to the current one; only canonical data have any."""
    if dataset.profile.revision is None:
        return lambda decision: False
    return Past(root_of(dataset)).has


def apply_decisions(
    data: Data, *, dry_run: bool = False, done: Callable[[int], None] = silent, **opening: Unpack[ReadOptions]
) -> Applied:
    """Carry out what reviewers decided, in a new revision of a canonical dataset.

    Parameters
    ----------
    data : a canonical dataset
    dry_run : say what would be done, and change nothing
    done : is called with the number of images done since the last call
    opening : as for `read`

    Accepted corrections and fixes are made, rejected segments deleted, and what is void becomes void. A decision about
    labels that have changed since is a conflict, and nothing is overwritten; so is one that touches what an earlier
    one changes. What reviewers disagree on stays as it is. Annotations of which all is settled get the stage
    ``reviewed`` (``adjudicated`` where an adjudicator decided) and the reviewer's name. Whoever calls it again finds
    nothing to do. Raises SegdataError for a dataset of another format, and where another revision was made meanwhile.
    """
    dataset = read(data, **opening)
    root = root_of(dataset)
    standings = newest(latest(log.read(place_of(dataset))))
    revision = dataset.profile.revision
    applying = Applying(dataset.profile, Past(root), _mend(dataset), free_id(root / str(revision)))
    changed: dict[str, pa.Table] = {}
    stages: dict[Whose, tuple[str, str]] = {}
    about = _by_image(dataset, standings)
    known = {*dataset.source.image_ids}  # decisions about images that are left out now are no conflict
    applying.elsewhere(each for each in standings if each.said[-1].image not in known)
    with image_limits():
        for batch in images_named(dataset, about.keys()):
            image_id = batch.images["image_id"][0].as_py()
            made = applying.image(batch, about[image_id])
            stages |= made.stages
            if made.changed:
                changed[image_id] = segment_rows(joined(batch, made.pieces))
            done(1)
    found = applying.found
    if not dry_run and (changed or stages):
        columns = {
            name: {whose: said[at] for whose, said in stages.items()} for at, name in enumerate(("stage", "reviewer"))
        }
        lines = [entry(each.decision, each.pixels) for each in found.done]
        found.revision = revise(root, changed, _what(found), lines, revision, annotations=columns if stages else None)
    return found


def _by_image(dataset: Dataset, standings: Sequence[Standing]) -> dict[str, list[Standing]]:
    """The standings about each image of the dataset."""
    here = set(dataset.image_ids)
    about: dict[str, list[Standing]] = {}
    for each in standings:
        image = each.said[-1].image
        if image in here:
            about.setdefault(str(image), []).append(each)
    return about


def _mend(dataset: Dataset) -> Mend:
    volumes = volumes_of(dataset.profile)

    def mend(annotation: Annotation, findings: Sequence[Finding]) -> tuple[Batch, Mapping[Finding, int]]:
        if annotation.batch.images["sequence"][0].as_py() in volumes:
            return annotation.batch, {}
        after, done = mended_in(annotation, findings, dataset.profile)
        return after, {each.finding: each.pixels for each in done}

    return mend


def _what(found: Applied) -> str:
    made = f"carried out {counted(len(found.done), 'decision')} in {counted(found.images, 'image')}"
    reviewed = f"{counted(found.reviewed, 'annotation')} reviewed"
    return f"review: {f'{made}; {reviewed}' if found.done else reviewed}"
