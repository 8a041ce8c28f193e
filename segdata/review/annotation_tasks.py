"""Annotation tasks: images with labels and findings, as an annotation tool gets and returns them.

Each segment has the attribute `segdata`, a key that identifies it when it comes back. Each finding is a box of a
category of its own, with the attributes code, message, verdict and comment; a reviewer fills in the last two. A file
that only grows records what was sent, so that unchanged labels are recognised.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import Element

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replace_column
from segdata.core.errors import SegdataError
from segdata.core.finding import VERDICTS, Box, Finding, Verdict
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.label_hash import hash_finding_labels, hash_segments
from segdata.core.overlay import difference
from segdata.core.paths import DECISION_LOG
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.review import decision_log
from segdata.review.label_edits import AnnotationEditor, LabelChange, rows_with_id

SENT_NAME = "review.sent.jsonl"


class SentSegment(msgspec.Struct, frozen=True, array_like=True):
    """A segment that was sent: its key, its id, and the hash of its label."""

    key: str
    id: int | str
    imprint: str


class SentFinding(msgspec.Struct, frozen=True):
    """A finding that was sent: the key of its box, and the hash of its labels."""

    key: str
    finding: Finding
    imprint: str


class SentAnnotation(msgspec.Struct, frozen=True):
    """One annotation that was sent."""

    image: str
    annotator: str | None
    segments: tuple[SentSegment, ...]
    questions: tuple[SentFinding, ...] = ()

    @property
    def keys(self) -> set[str]:
        """The keys of all segments and findings."""
        return {item.key for item in self.segments} | {item.key for item in self.questions}


_DECODER = msgspec.json.Decoder(SentAnnotation)


def short_key(*words: object) -> str:
    """A short key, the same for the same words: 16 hexadecimal digits."""
    return blake2b("\0".join(map(str, words)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def sent_path(path: Path) -> Path:
    """The path of the record of sent tasks, beside the decision log."""
    return path.with_name(path.name.removesuffix(DECISION_LOG) + SENT_NAME)


def record_sent(path: Path, sent: Iterable[SentAnnotation]) -> None:
    """Record what was sent; nothing is recorded twice."""
    noted = {line for _, line in decision_log.read_lines(path)[0]}
    decision_log.append_lines(
        path, [line for annotation in sent if (line := msgspec.json.encode(annotation)) not in noted]
    )


def read_sent(path: Path) -> list[SentAnnotation]:
    """Everything that was sent, oldest first; raises SegdataError with file and line for a damaged line."""
    records = []
    for number, line in decision_log.read_lines(path)[0]:
        try:
            records.append(_DECODER.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SegdataError(f"{path}:{number}: is damaged: {error}; delete the line") from error
    return records


FINDING_CATEGORY = "segdata finding"
UNDECIDED = "undecided"
_KEY = "segdata"


def add_finding_category(profile: Profile) -> Taxonomy:
    """The taxonomy of a dataset with a category for findings."""
    more = Category(id=profile.free_category, name=FINDING_CATEGORY, kind="thing", color="#ff00ff")
    return msgspec.structs.replace(profile.taxonomy, categories=(*profile.taxonomy.categories, more))


def prepare_annotation(
    annotation: Annotation, findings: Sequence[Finding], profile: Profile, taxonomy: Taxonomy, asks: bool
) -> tuple[Batch, SentAnnotation]:
    """One annotation as it is sent, with its findings, and the record of it.

    `taxonomy` has the category of findings. Polygons become masks, since a tool might round them to other pixels.
    `asks`: boxes have the attributes verdict and comment; otherwise the tool asks for them.
    """
    batch = annotation.batch
    image = batch.images["image_id"][0].as_py()
    segments = []
    for row, segment in enumerate(batch.segments.select(["segment_id", "source_id"]).to_pylist()):
        id_ = segment["segment_id"] if segment["source_id"] is None else segment["source_id"]
        label_hash = hash_segments(annotation, profile, np.array([row]))
        segments.append(SentSegment(short_key(image, annotation.annotator, id_, label_hash), id_, label_hash))
    questions = []
    for finding in findings:
        label_hash = hash_finding_labels(finding, [annotation], profile)
        questions.append(SentFinding(short_key(image, label_hash, msgspec.json.encode(finding)), finding, label_hash))
    noted = SentAnnotation(image, annotation.annotator, tuple(segments), tuple(questions))
    return _add_keys_and_boxes(annotation, noted, taxonomy.categories[-1].id, asks), noted


def _add_keys_and_boxes(annotation: Annotation, noted: SentAnnotation, category: int, asks: bool) -> Batch:
    """The annotation with keys, and boxes for findings."""
    batch = annotation.batch
    attributes = batch.segments["attributes"].to_pylist()
    keyed = [
        [*(pairs or ()), (_KEY, json.dumps(segment.key))]
        for pairs, segment in zip(attributes, noted.segments, strict=True)
    ]
    segments = replace_column(batch.segments, "attributes", keyed)
    segments = replace_column(segments, "rings", pa.nulls(batch.n_segments, segments.schema.field("rings").type))
    n, corners = len(noted.questions), [_box(annotation, question.finding) for question in noted.questions]
    free = max([0, *(id_ or 0 for id_ in batch.segments["segment_id"].to_pylist())]) + 1
    boxes = make_table(
        BATCH_SEGMENTS,
        n,
        annotation=[0] * n,
        segment_id=list(range(free, free + n)),
        category_id=[category] * n,
        rings=[[_corners(box)] for box in corners],
        attributes=[_box_attributes(segment, asks) for segment in noted.questions],
    )
    height = annotation.size[0]
    return replace(
        batch,
        segments=pa.concat_tables([segments, boxes]).combine_chunks(),
        runs=Runs.concatenate([batch.runs, *(_runs(box, height) for box in corners)], [batch.n_segments, *[1] * n]),
    )


def _box(annotation: Annotation, finding: Finding) -> Box:
    """The box of a finding, or of the whole image; never empty, and never beyond the frame."""
    height, width = annotation.size
    x, y, wide, high = locate_finding(annotation, finding).box or (0, 0, width, height)
    left, top = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    return left, top, max(min(x + wide, width) - left, 1), max(min(y + high, height) - top, 1)


def _corners(box: Box) -> list[float]:
    x, y, wide, high = map(float, box)
    return [x, y, x + wide, y, x + wide, y + high, x, y + high]


def _runs(box: Box, height: int) -> Runs:
    x, y, wide, high = box
    start = (x + np.arange(wide, dtype=np.int64)) * height + y
    return Runs(start, np.full(wide, high, np.int64), np.zeros(wide, np.int32))


def _box_attributes(question: SentFinding, asks: bool) -> list[tuple[str, str]]:
    finding = question.finding
    texts = {_KEY: question.key, "code": f"{finding.code} {finding.rule}", "message": finding.message}
    texts |= {"verdict": UNDECIDED, "comment": ""} if asks else {}
    return [(name, json.dumps(text, ensure_ascii=False)) for name, text in texts.items()]


@dataclass(slots=True)
class ReturnedAnnotation:
    """One annotation as it came back."""

    annotation: Annotation  # the annotation without the boxes of findings
    keys: dict[str, int] = field(default_factory=dict)  # key -> row of each segment that was sent
    new: list[int] = field(default_factory=list)  # rows of new segments
    answers: dict[str, tuple[Verdict, str]] = field(default_factory=dict)  # key -> verdict and comment
    unclear: list[str] = field(default_factory=list)  # texts that are not a verdict


def parse_returned(annotation: Annotation, profile: Profile) -> ReturnedAnnotation:
    """Parse an annotation that came back; if two segments have the same key, the second is new."""
    batch = annotation.batch
    is_box = np.array([profile.name_of(id_) == FINDING_CATEGORY for id_ in batch.segment_category.tolist()], bool)
    kept = np.flatnonzero(~is_box)
    result = ReturnedAnnotation(Annotation(batch.take_segments(kept)))
    attributes = [dict(_text_attributes(pairs)) for pairs in batch.segments["attributes"].to_pylist()]
    for place, row in enumerate(kept.tolist()):
        key = attributes[row].get(_KEY)
        if key is None or key in result.keys:
            result.new.append(place)
        else:
            result.keys[key] = place
    for row in np.flatnonzero(is_box).tolist():
        texts, key = attributes[row], attributes[row].get(_KEY)
        typed = texts.get("verdict", UNDECIDED).strip().lower()
        verdict = next((candidate for candidate in VERDICTS if candidate == typed), None)
        if verdict is not None and key is not None:
            result.answers[key] = (verdict, texts.get("comment", "").strip())
        elif typed not in ("", UNDECIDED):
            result.unclear.append(texts.get("verdict", ""))
    return result


def _text_attributes(pairs: Sequence[tuple[str, str]] | None) -> Iterator[tuple[str, str]]:
    """The attributes that are texts, or lists that begin with a text."""
    for name, text in pairs or ():
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):  # a number of thousands of digits
            continue
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str):
            yield name, first


def cvat_labels(annotations: Element) -> str:
    """The labels of a task for the "Raw" editor of CVAT, from the root of its ``annotations.xml``.

    CVAT accepts only annotations whose labels and attributes the task already has. Source: docs.cvat.ai, manual,
    "Label constructor".
    """
    labels = (_label(label) for label in annotations.iterfind("./meta/task/labels/label"))
    return json.dumps([*labels], indent=1, ensure_ascii=False) + "\n"


def _label(label: Element) -> dict[str, Any]:  # Any: JSON
    name = label.findtext("name", "")
    color = label.findtext("color")
    return {
        "name": name,
        **({"color": color} if color else {}),
        "type": label.findtext("type", "any"),
        "attributes": [*_attributes(label, name)],
    }


def _attributes(label: Element, category: str) -> Iterator[dict[str, Any]]:  # Any: JSON
    for attribute in label.iterfind("./attributes/attribute"):
        name, kind = attribute.findtext("name", ""), attribute.findtext("input_type", "text")
        default, values = attribute.findtext("default_value", ""), attribute.findtext("values", "").split("\n")
        if category == FINDING_CATEGORY and name == "verdict":
            kind, default, values = "select", UNDECIDED, [UNDECIDED, *VERDICTS]
        yield {"name": name, "mutable": False, "input_type": kind, "default_value": default, "values": values}


def label_studio_config(config: str) -> str:
    """The labelling configuration of a task, with a choice of verdicts and a comment for findings.

    Source: labelstud.io, tags, "Choices" and "TextArea".
    """
    where = f'toName="image" perRegion="true" visibleWhen="region-selected" whenLabelValue="{FINDING_CATEGORY}"'
    choices = "".join(f'    <Choice value="{verdict}"/>\n' for verdict in VERDICTS)
    fields = (
        f'  <Choices name="verdict" choice="single-radio" {where}>\n{choices}  </Choices>\n'
        f'  <TextArea name="comment" placeholder="comment" {where}/>\n'
    )
    head, end, tail = config.rpartition("</View>")
    return f"{head}{fields}{end}{tail}"


@dataclass(slots=True)
class RedrawnAnnotation:
    """The result of importing one annotation, or several."""

    after: Batch | None = None  # the new annotation; None: unchanged
    redrawn: list[int | str] = field(default_factory=list)  # ids of segments
    deleted: list[int | str] = field(default_factory=list)  # ids of segments
    added: list[int] = field(default_factory=list)  # ids of segments
    untouched: int = 0  # number of segments that came back unchanged
    conflicts: list[str] = field(default_factory=list)  # reasons why something was not imported
    free_id: int = 0  # the next unused id


class ImportResult(msgspec.Struct, kw_only=True):
    """The result of importing a task from a tool; `revision` is null if nothing changed, or for a dry run.

    `images` counts changed images; `redrawn`, `deleted`, `added` and `untouched` count segments; `conflicts` say what
    was not imported, and why.
    """

    version: Literal[1] = 1
    dataset: str
    revision: str | None = None
    images: int = 0
    redrawn: int = 0
    deleted: int = 0
    added: int = 0
    untouched: int = 0
    conflicts: list[str] = []


def take_redrawn(
    now: Annotation, sent: SentAnnotation, back: ReturnedAnnotation, profiles: tuple[Profile, Profile], free_id: int
) -> RedrawnAnnotation:
    """Import segments that were changed, deleted or added in the tool; all others keep every pixel.

    `profiles` are those of the dataset and of what came back. A segment that was changed on both sides is a conflict.
    """
    ours, theirs = profiles
    editor = AnnotationEditor(now, ours, free_id)
    imported = _SegmentImport(editor, back, theirs)
    change, result = imported.change, imported.result
    for segment in sent.segments:
        imported.take(segment)
    current_hashes = {_segment_hash(now, ours, row) for row in range(now.batch.n_segments)}
    for row in back.new:
        if _segment_hash(back.annotation, theirs, row) not in current_hashes:  # otherwise it was imported before
            category = imported.own_category(row)
            if category is not None:
                change.added.append((category, _segment_pixels(back.annotation, row), "human"))
    if change != LabelChange():
        editor.write(change)
        result.after = editor.after
        result.added = list(range(free_id, editor.free_id))
    result.free_id = editor.free_id
    return result


@dataclass(slots=True)
class _SegmentImport:
    """The import of segments into one annotation; `change` and `result` collect what differs."""

    editor: AnnotationEditor
    back: ReturnedAnnotation
    theirs: Profile  # of what came back
    change: LabelChange = field(default_factory=LabelChange)
    result: RedrawnAnnotation = field(default_factory=RedrawnAnnotation)

    def take(self, segment: SentSegment) -> None:
        """Import a segment that was sent, if it was changed or deleted in the tool and not in the dataset."""
        editor, back, change, result = self.editor, self.back, self.change, self.result
        rows = rows_with_id(segment.id, editor.before.batch)
        row = int(rows[0]) if len(rows) == 1 else None
        current_hash = None if row is None else _segment_hash(editor.before, editor.profile, row)
        place = back.keys.get(segment.key)
        returned_hash = None if place is None else _segment_hash(back.annotation, self.theirs, place)
        if returned_hash == segment.imprint:
            result.untouched += 1
        elif returned_hash == current_hash:
            return  # already in place
        elif row is None or current_hash != segment.imprint:
            result.conflicts.append(f"segment {segment.id} has also changed in the dataset since it was sent")
        elif place is None:
            change.deleted.add(row)
            result.deleted.append(segment.id)
        else:
            category = self.own_category(place)
            if category is None:
                return
            if category != editor.category(row):
                change.recalled[row] = category
            old, new = editor.pixels(row), _segment_pixels(back.annotation, place)
            change.taken[row], change.given[row] = difference(old, new, editor.size), difference(new, old, editor.size)
            result.redrawn.append(segment.id)

    def own_category(self, row: int) -> int | None:
        """The dataset's id of the category of a segment that came back; None, with a conflict, if it has none."""
        name = self.theirs.name_of(int(self.back.annotation.batch.segment_category[row]))
        category = self.editor.profile.taxonomy.by_name().get(name)
        if category is None:
            self.result.conflicts.append(f"the taxonomy has no category {name!r}")
        return None if category is None else category.id


def _segment_hash(annotation: Annotation, profile: Profile, row: int) -> str:
    return hash_segments(annotation, profile, np.array([row]))


def _segment_pixels(annotation: Annotation, row: int) -> Runs:
    return annotation.batch.runs.take(np.array([row]), annotation.batch.n_segments)


def match_sent(sent: Sequence[SentAnnotation], back: ReturnedAnnotation) -> SentAnnotation | None:
    """The sent annotation that shares most keys with a returned one; the last of several; None without any."""
    keys = back.keys.keys() | back.answers.keys()
    shared = [(len(annotation.keys & keys), place) for place, annotation in enumerate(sent)]
    most, place = max(shared, default=(0, 0))
    return sent[place] if most else None
