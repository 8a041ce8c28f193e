"""Redrawing: images with findings given to an annotation tool, and what was drawn there taken back."""

import datetime
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import pyarrow as pa

from segdata.api.converting import Conversion, convert
from segdata.api.deciding import place_of
from segdata.api.fixing import joined, root_of
from segdata.api.imprinting import images_named
from segdata.api.opening import Data, ReadOptions, read, silent
from segdata.core.annotation import Annotation
from segdata.core.batch import Batch, concatenate
from segdata.core.counted import counted
from segdata.core.dataset import Dataset
from segdata.core.decision import Decision, Via
from segdata.core.errors import SegdataError, check_choice
from segdata.core.finding import Finding
from segdata.core.profile import Profile
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits
from segdata.formats.shared.safe_parsers import read_xml
from segdata.review import log
from segdata.review import sent as notes
from segdata.review.applied import Whose, is_below
from segdata.review.asking import cvat_labels, label_studio_config
from segdata.review.redrawn import Imported, of_same, redrawn
from segdata.review.sent import Sent
from segdata.review.standing import matter
from segdata.review.task import Returned, returned, sent, with_findings
from segdata.store.revise import revise
from segdata.store.revision import free_id
from segdata.store.write import segment_rows

Tool = Literal["cvat", "label-studio"]
_VIA: dict[str, Via] = {"cvat": "cvat", "label-studio": "label-studio"}


def export_findings(
    data: Data,
    findings: Sequence[Finding],
    to: Tool,
    target: str | Path,
    *,
    prefix: str = "",
    copy_images: bool = False,
    jobs: int = 0,
    progress: Callable[[int], None] = silent,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Write a task for CVAT or Label Studio: the images with findings, their labels, and the findings as boxes.

    Parameters
    ----------
    data : a file, a folder or a `Dataset`
    findings : those about no image are left out
    to : the tool
    target : a folder that does not exist, or is empty
    prefix : goes before the path of each image, for Label Studio
    copy_images, jobs, progress, opening : as for `segdata.convert`

    Beside a task for CVAT is ``labels.json``, the labels that the tool must have before it takes the task. What is
    sent is noted beside the dataset, so that what comes back is known again. Raises SegdataError where no
    finding is about an image of the dataset, and for CVAT where an image has several annotations.
    """
    check_choice("to", to, ("cvat", "label-studio"))
    if Path(target).suffix == ".json":
        raise SegdataError(f"{target}: a task has several files; name a folder")
    dataset = read(data, **opening)
    about: dict[str, list[Finding]] = {}
    for each in findings:
        if each.image is not None:
            about.setdefault(each.image, []).append(each)
    rows = [row for row, name in enumerate(dataset.source.image_ids) if name in about]
    rows = rows if dataset.rows is None else sorted({*rows} & {*dataset.rows.tolist()})
    if not rows:
        raise SegdataError(f"{dataset.profile.files}: no finding is about an image of it")
    path = notes.beside(place_of(dataset))
    taxonomy = with_findings(dataset.profile)
    noted: list[Sent] = []

    def marked(batch: Batch) -> Batch:
        pieces = [batch.take_images(np.array([row])) for row in range(batch.images.num_rows)]
        return concatenate([image_marked(each) for each in pieces])

    def image_marked(batch: Batch) -> Batch:
        name, annotations = batch.images["image_id"][0].as_py(), Annotation.each(batch)
        if to == "cvat" and len(annotations) > 1:
            raise SegdataError(f"{name}: has {len(annotations)} annotations, CVAT holds one; use --to label-studio")
        asks = to == "cvat"  # as attributes; Label Studio has controls for that
        made = [sent(each, _about(each, about[name]), dataset.profile, taxonomy, asks) for each in annotations]
        noted.extend(note for _, note in made)
        return joined(batch, [marked for marked, _ in made])

    profile = replace(dataset.profile, taxonomy=taxonomy)
    source = AlteredSource(dataset.source, marked)
    task = replace(dataset, source=source, profile=profile, rows=np.array(rows, np.int64))
    options = {"prefix": prefix} if prefix and to == "label-studio" else None
    done = convert(task, target, to=to, copy_images=copy_images, jobs=jobs, progress=progress, write_options=options)
    _ask(done.target, to)
    notes.append(path, sorted(noted, key=lambda each: (each.image, each.annotator or "")))
    return done


def _ask(task: Path, to: Tool) -> None:
    """Write what the tool is to be told before it takes the task."""
    if to == "cvat":
        text, path = cvat_labels(read_xml(task / "annotations.xml")), task / "labels.json"
    else:
        path = task / "label_config.xml"
        text = label_studio_config(path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8", newline="\n")


def _about(annotation: Annotation, findings: Sequence[Finding]) -> list[Finding]:
    """The findings about one annotation, each but once."""
    return [each for each in dict.fromkeys(findings) if each.annotator in (None, annotation.annotator)]


def decisions_in(dataset: Dataset, file: Path, reviewer: str | None) -> list[Decision]:
    """The verdicts in a task that came back; raises SegdataError where nobody says whose they are.

    Where one is the reviewer's last word on the matter already, it is that word: a file does not say when it was typed.
    """
    via, back = _came_back(dataset, file)
    words = sorted(log.read(place_of(dataset)), key=lambda each: each.time)
    last = {(each.reviewer, matter(each)): replace(each, adjudicates=False) for each in words}
    found = []
    for note, said, _ in back:
        asked = {each.key: each for each in note.questions}
        for key, (verdict, comment) in said.answers.items():
            if key in asked:
                if reviewer is None:
                    raise SegdataError(f"{file}: does not say who decided; give --reviewer NAME")
                said_now = Decision(
                    verdict=verdict,
                    reviewer=reviewer,
                    time=_written(file),
                    via=via,
                    image=note.image,
                    annotator=note.annotator,
                    finding=asked[key].finding,
                    imprint=asked[key].imprint,
                    comment=comment,
                )
                before = last.get((reviewer, matter(said_now)))
                is_same = before is not None and (before.verdict, before.comment) == (verdict, comment)
                found.append(before if before is not None and is_same else said_now)
    return found


def import_task(
    data: Data, file: str | Path, *, reviewer: str | None = None, dry_run: bool = False, **opening: Unpack[ReadOptions]
) -> Imported:
    """Take what was redrawn in a task that `export_findings` wrote, as a new revision of a canonical dataset.

    Parameters
    ----------
    data : a canonical dataset
    file : what CVAT or Label Studio exported
    reviewer : who drew; the annotations concerned get the stage ``reviewed`` with this name, unless they
        are as far already
    dry_run : say what would be done, and change nothing
    opening : as for `read`

    Only segments that came back other than they were sent are taken; of all others not a pixel changes. What was
    changed here meanwhile, too, is a conflict, and nothing is overwritten. Raises SegdataError where nothing in the
    file was sent from this dataset.
    """
    dataset = read(data, **opening)
    root, found = root_of(dataset), Imported()
    _, back = _came_back(dataset, Path(file))
    about: dict[str, list[tuple[Sent, Returned, Profile]]] = {}
    for each in back:
        about.setdefault(each[0].image, []).append(each)
    found.conflicts += [f"{name}: is not in the dataset any more" for name in sorted({*about} - {*dataset.image_ids})]
    changed: dict[str, pa.Table] = {}
    whose: dict[Whose, bool] = {}
    number = free_id(root / str(dataset.profile.revision))
    with image_limits():
        for batch in images_named(dataset, about.keys()):
            name = batch.images["image_id"][0].as_py()
            pieces = [each.batch for each in Annotation.each(batch)]
            for note, said, theirs in about[name]:
                number = _take(pieces, note, said, (dataset.profile, theirs), found, whose, number)
            if any(who[0] == name for who in whose):
                changed[name] = segment_rows(joined(batch, pieces))
    found.images = len(changed)
    if changed and not dry_run:
        below = [each for each, is_new in whose.items() if is_new]
        stages = {"stage": dict.fromkeys(below, "reviewed"), "reviewer": dict.fromkeys(below, reviewer)}
        what = f"review: redrawn in {counted(found.images, 'image')}, from {Path(file).name}"
        lines = [{"image": image, "annotator": annotator} for image, annotator in whose]
        found.revision = revise(
            root, changed, what, lines, dataset.profile.revision, annotations=stages if reviewer and below else None
        )
    return found


def _take(
    pieces: list[Batch],
    note: Sent,
    said: Returned,
    profiles: tuple[Profile, Profile],
    found: Imported,
    whose: dict[Whose, bool],
    number: int,
) -> int:
    """Take what came back of one annotation; returns the next id that is free.

    `whose` gets those that change, and whether they are not as far as ``reviewed`` yet.
    """
    at = next((at for at, each in enumerate(pieces) if Annotation(each).annotator == note.annotator), None)
    if at is None or Annotation(pieces[at]).size != said.annotation.size:
        why = "the annotation is there no more" if at is None else "the image has another size now"
        found.conflicts.append(f"{note.image}: {why}")
        return number
    made = redrawn(Annotation(pieces[at]), note, said, profiles, number)
    found.conflicts += [f"{note.image}: {why}" for why in made.conflicts]
    found.redrawn, found.deleted = found.redrawn + len(made.redrawn), found.deleted + len(made.deleted)
    found.added, found.untouched = found.added + len(made.added), found.untouched + made.untouched
    if made.after is not None:
        whose[note.image, note.annotator] = is_below(Annotation(pieces[at]), "reviewed")
        pieces[at] = made.after
    return made.free_id


def _came_back(dataset: Dataset, file: Path) -> tuple[Via, list[tuple[Sent, Returned, Profile]]]:
    """The annotations in a file that were sent from this dataset, each as it was sent and as it came back."""
    back = read(file, taxonomy=with_findings(dataset.profile))
    via = _VIA.get(back.profile.format)
    if via is None:
        raise SegdataError(f"{file}: is {back.profile.format}; decisions come from the HTML report, CVAT, Label Studio")
    known: dict[str, list[Sent]] = {}
    for note in notes.read(notes.beside(place_of(dataset))):
        for key in note.keys:
            known.setdefault(key, []).append(note)
    found: dict[tuple[str, str | None], tuple[Sent, Returned, Profile]] = {}
    with image_limits():
        for batch in back.batches():
            for row in range(batch.images.num_rows):
                for annotation in Annotation.each(batch.take_images(np.array([row]))):
                    said = returned(annotation, back.profile)
                    keys = said.keys.keys() | said.answers.keys()
                    was = of_same([each for key in sorted(keys) for each in known.get(key, ())], said)
                    if was is not None:
                        _once(found, was, file)
                        found[was.image, was.annotator] = (was, said, back.profile)
    if not found:
        raise SegdataError(f"{file}: has nothing that was sent from {dataset.profile.files} by segdata review export")
    return via, list(found.values())


def _once(found: Container[tuple[str, str | None]], note: Sent, file: Path) -> None:
    if (note.image, note.annotator) in found:
        raise SegdataError(f"{file}: {note.image} is there twice; export each annotation once")


def _written(file: Path) -> str:
    """When a file was written, as decisions have times."""
    return datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
