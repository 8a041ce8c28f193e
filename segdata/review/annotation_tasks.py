"""Annotation tasks: images with labels and findings, as an annotation tool gets and returns them.

Each segment has the attribute `segdata`, a key that identifies it when it comes back. Each finding is a box of a
category of its own, with the attributes code, message, verdict and comment; a reviewer fills in the last two. What
was sent is recorded in a file that only grows, so that unchanged labels are recognised.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any
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
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.review import decision_log
from segdata.review.label_edits import AnnotationEditor, LabelChange, rows_with_id

SENT_NAME = "review.sent.jsonl"


class SentSegment(msgspec.Struct, frozen=True, array_like=True):
    """A segment that was sent: the key that it carries, its id, and its imprint then."""

    key: str
    id: int | str
    imprint: str


class SentFinding(msgspec.Struct, frozen=True):
    """A finding that was sent: the key that its box carries, and the imprint of the labels that it speaks of."""

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
        """All keys in it."""
        return {each.key for each in self.segments} | {each.key for each in self.questions}


_DECODER = msgspec.json.Decoder(SentAnnotation)


def short_key(*words: object) -> str:
    """A short key of what is said of a thing: 16 hexadecimal digits."""
    return blake2b("\0".join(map(str, words)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def sent_path(path: Path) -> Path:
    """Where it is: beside the log of the dataset's decisions."""
    return path.with_name(path.name.removesuffix(decision_log.LOG_NAME) + SENT_NAME)


def record_sent(path: Path, sent: Iterable[SentAnnotation]) -> None:
    """Note what was sent; what is noted already is not noted twice."""
    known = {line for _, line in decision_log.read_lines(path)[0]}
    decision_log.append_lines(path, [line for each in sent if (line := msgspec.json.encode(each)) not in known])


def read_sent(path: Path) -> list[SentAnnotation]:
    """All that was sent, the first first; raises SegdataError, with file and line, for a damaged line."""
    found = []
    for number, line in decision_log.read_lines(path)[0]:
        try:
            found.append(_DECODER.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SegdataError(f"{path}:{number}: is damaged: {error}; delete the line") from error
    return found


FINDING_CATEGORY = "segdata finding"
UNDECIDED = "undecided"
_KEY = "segdata"


def add_finding_category(profile: Profile) -> Taxonomy:
    """The taxonomy of a dataset with the category of findings."""
    more = Category(id=profile.free_category, name=FINDING_CATEGORY, kind="thing", color="#ff00ff")
    return msgspec.structs.replace(profile.taxonomy, categories=(*profile.taxonomy.categories, more))


def prepare_annotation(
    annotation: Annotation, findings: Sequence[Finding], profile: Profile, taxonomy: Taxonomy, asks: bool
) -> tuple[Batch, SentAnnotation]:
    """One annotation as it is sent, with the findings about it, and the note of it.

    `taxonomy` has the category of findings. Polygons become masks: what a tool rounds would come back as other pixels.
    `asks`: boxes have the attributes verdict and comment; else the tool asks for these itself.
    """
    batch = annotation.batch
    image = batch.images["image_id"][0].as_py()
    segments = []
    for row, each in enumerate(batch.segments.select(["segment_id", "source_id"]).to_pylist()):
        id_ = each["segment_id"] if each["source_id"] is None else each["source_id"]
        seen = hash_segments(annotation, profile, np.array([row]))
        segments.append(SentSegment(short_key(image, annotation.annotator, id_, seen), id_, seen))
    questions = []
    for finding in findings:
        seen = hash_finding_labels(finding, [annotation], profile)
        questions.append(SentFinding(short_key(image, seen, msgspec.json.encode(finding)), finding, seen))
    noted = SentAnnotation(image, annotation.annotator, tuple(segments), tuple(questions))
    return _add_keys_and_boxes(annotation, noted, taxonomy.categories[-1].id, asks), noted


def _add_keys_and_boxes(annotation: Annotation, noted: SentAnnotation, category: int, asks: bool) -> Batch:
    """The annotation with keys, and boxes for findings."""
    batch = annotation.batch
    had = batch.segments["attributes"].to_pylist()
    keyed = [[*(said or ()), (_KEY, json.dumps(each.key))] for said, each in zip(had, noted.segments, strict=True)]
    segments = replace_column(batch.segments, "attributes", keyed)
    segments = replace_column(segments, "rings", pa.nulls(batch.n_segments, segments.schema.field("rings").type))
    n, found = len(noted.questions), [_box(annotation, each.finding) for each in noted.questions]
    free = max([0, *(each or 0 for each in batch.segments["segment_id"].to_pylist())]) + 1
    boxes = make_table(
        BATCH_SEGMENTS,
        n,
        annotation=[0] * n,
        segment_id=list(range(free, free + n)),
        category_id=[category] * n,
        rings=[[_corners(box)] for box in found],
        attributes=[_box_attributes(each, asks) for each in noted.questions],
    )
    height = annotation.size[0]
    return replace(
        batch,
        segments=pa.concat_tables([segments, boxes]).combine_chunks(),
        runs=Runs.concatenate([batch.runs, *(_runs(box, height) for box in found)], [batch.n_segments, *[1] * n]),
    )


def _box(annotation: Annotation, finding: Finding) -> Box:
    """Where to look; the whole image where a finding is about that. Never empty, and never beyond the frame."""
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
    """What a box says, and asks."""
    finding = question.finding
    said = {_KEY: question.key, "code": f"{finding.code} {finding.rule}", "message": finding.message}
    said |= {"verdict": UNDECIDED, "comment": ""} if asks else {}
    return [(name, json.dumps(text, ensure_ascii=False)) for name, text in said.items()]


@dataclass(slots=True)
class ReturnedAnnotation:
    """One annotation as it came back.

    Attributes
    ----------
    annotation : with the segments that are no findings
    keys : key -> row of these, of those that were sent
    new : rows of those that were not
    answers : key -> verdict and comment
    unclear : what stands where a verdict is expected
    """

    annotation: Annotation
    keys: dict[str, int] = field(default_factory=dict)
    new: list[int] = field(default_factory=list)
    answers: dict[str, tuple[Verdict, str]] = field(default_factory=dict)
    unclear: list[str] = field(default_factory=list)


def parse_returned(annotation: Annotation, profile: Profile) -> ReturnedAnnotation:
    """An annotation that came back, taken apart; of two segments with one key the second is a new one."""
    batch = annotation.batch
    is_box = np.array(
        [profile.name_of(id_) == FINDING_CATEGORY for id_ in batch.segments["category_id"].to_pylist()], bool
    )
    kept = np.flatnonzero(~is_box)
    found = ReturnedAnnotation(Annotation(batch.take_segments(kept)))
    told = [dict(_text_attributes(pairs)) for pairs in batch.segments["attributes"].to_pylist()]
    for place, row in enumerate(kept.tolist()):
        key = told[row].get(_KEY)
        if key is None or key in found.keys:
            found.new.append(place)
        else:
            found.keys[key] = place
    for row in np.flatnonzero(is_box).tolist():
        said, key = told[row], told[row].get(_KEY)
        word = said.get("verdict", UNDECIDED).strip().lower()
        verdict = next((each for each in VERDICTS if each == word), None)
        if verdict is not None and key is not None:
            found.answers[key] = (verdict, said.get("comment", "").strip())
        elif word not in ("", UNDECIDED):
            found.unclear.append(said.get("verdict", ""))
    return found


def _text_attributes(pairs: Sequence[tuple[str, str]] | None) -> Iterator[tuple[str, str]]:
    """The attributes that are texts, or lists of which the first is one."""
    for name, text in pairs or ():
        value = json.loads(text)
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str):
            yield name, first


def cvat_labels(annotations: Element) -> str:
    """The labels of a task as the "Raw" editor of CVAT takes them, from the root of its ``annotations.xml``.

    CVAT takes annotations whose labels and attributes a task has already, and no others. Source: docs.cvat.ai, manual,
    "Label constructor".
    """
    labels = (_label(each) for each in annotations.iterfind("./meta/task/labels/label"))
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


def _attributes(label: Element, of: str) -> Iterator[dict[str, Any]]:  # Any: JSON
    for each in label.iterfind("./attributes/attribute"):
        name, kind = each.findtext("name", ""), each.findtext("input_type", "text")
        default, values = each.findtext("default_value", ""), each.findtext("values", "").split("\n")
        if of == FINDING_CATEGORY and name == "verdict":
            kind, default, values = "select", UNDECIDED, [UNDECIDED, *VERDICTS]
        yield {"name": name, "mutable": False, "input_type": kind, "default_value": default, "values": values}


def label_studio_config(config: str) -> str:
    """The labelling configuration of a task with a choice of verdicts, and a line for a comment, of findings alone.

    Source: labelstud.io, tags, "Choices" and "TextArea".
    """
    where = f'toName="image" perRegion="true" visibleWhen="region-selected" whenLabelValue="{FINDING_CATEGORY}"'
    choices = "".join(f'    <Choice value="{each}"/>\n' for each in VERDICTS)
    asked = (
        f'  <Choices name="verdict" choice="single-radio" {where}>\n{choices}  </Choices>\n'
        f'  <TextArea name="comment" placeholder="comment" {where}/>\n'
    )
    head, end, tail = config.rpartition("</View>")
    return f"{head}{asked}{end}{tail}"


@dataclass(slots=True)
class RedrawnAnnotation:
    """What comes of one annotation, or of several.

    Attributes
    ----------
    after : the annotation; None: nothing changes
    redrawn, deleted, added : ids of segments
    untouched : how many came back as they were sent
    conflicts : what is not taken, and why
    free_id : the next id that no segment has
    """

    after: Batch | None = None
    redrawn: list[int | str] = field(default_factory=list)
    deleted: list[int | str] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    untouched: int = 0
    conflicts: list[str] = field(default_factory=list)
    free_id: int = 0


@dataclass(slots=True)
class ImportResult:
    """What was taken of a task that came back.

    Attributes
    ----------
    revision : that was made; None: nothing changed
    images : how many images have other labels
    redrawn, deleted, added, untouched : how many segments
    conflicts : what is not taken, and why, a line each
    """

    revision: str | None = None
    images: int = 0
    redrawn: int = 0
    deleted: int = 0
    added: int = 0
    untouched: int = 0
    conflicts: list[str] = field(default_factory=list)


def take_redrawn(
    now: Annotation, sent: SentAnnotation, back: ReturnedAnnotation, profiles: tuple[Profile, Profile], free_id: int
) -> RedrawnAnnotation:
    """Take the segments that were changed, deleted or added in the tool; of all others not a pixel changes.

    `profiles` are those of the dataset and of what came back. A segment that was changed on both sides is a conflict.
    """
    ours, theirs = profiles
    sheet, change, found = AnnotationEditor(now, ours, free_id), LabelChange(), RedrawnAnnotation()
    for each in sent.segments:
        _take_segment(each, sheet, back, theirs, change, found)
    known = {_segment_hash(now, ours, row) for row in range(now.batch.n_segments)}
    for row in back.new:
        if _segment_hash(back.annotation, theirs, row) not in known:  # else it was taken before
            _add_segment(row, sheet, back, theirs, change, found)
    if change != LabelChange():
        sheet.write(change)
        found.after = sheet.after
        found.added = list(range(free_id, sheet.free_id))
    found.free_id = sheet.free_id
    return found


def _take_segment(
    each: SentSegment,
    sheet: AnnotationEditor,
    back: ReturnedAnnotation,
    theirs: Profile,
    change: LabelChange,
    found: RedrawnAnnotation,
) -> None:
    """One segment that was sent."""
    rows = rows_with_id(each.id, sheet.before.batch)
    row = int(rows[0]) if len(rows) == 1 else None
    is_now = None if row is None else _segment_hash(sheet.before, sheet.profile, row)
    place = back.keys.get(each.key)
    came = None if place is None else _segment_hash(back.annotation, theirs, place)
    if came == each.imprint:
        found.untouched += 1
    elif came == is_now:
        return  # it is so already
    elif row is None or is_now != each.imprint:
        found.conflicts.append(f"segment {each.id} has changed here, too, since it was sent")
    elif place is None:
        change.deleted.add(row)
        found.deleted.append(each.id)
    else:
        category = _own_category(place, back, theirs, sheet, found)
        if category is None:
            return
        if category != sheet.category(row):
            change.recalled[row] = category
        old, new = sheet.pixels(row), _segment_pixels(back.annotation, place)
        change.taken[row], change.given[row] = difference(old, new, sheet.size), difference(new, old, sheet.size)
        found.redrawn.append(each.id)


def _add_segment(
    row: int,
    sheet: AnnotationEditor,
    back: ReturnedAnnotation,
    theirs: Profile,
    change: LabelChange,
    found: RedrawnAnnotation,
) -> None:
    """One segment that was not sent."""
    category = _own_category(row, back, theirs, sheet, found)
    if category is not None:
        change.added.append((category, _segment_pixels(back.annotation, row), "human"))


def _own_category(
    row: int, back: ReturnedAnnotation, theirs: Profile, sheet: AnnotationEditor, found: RedrawnAnnotation
) -> int | None:
    """The dataset's own id of the category of a segment that came back; None, with a conflict, where it has none."""
    name = theirs.name_of(back.annotation.batch.segments["category_id"][row].as_py())
    own = sheet.profile.taxonomy.by_name().get(name)
    if own is None:
        found.conflicts.append(f"the taxonomy has no category {name!r}")
    return None if own is None else own.id


def _segment_hash(annotation: Annotation, profile: Profile, row: int) -> str:
    return hash_segments(annotation, profile, np.array([row]))


def _segment_pixels(annotation: Annotation, row: int) -> Runs:
    return annotation.batch.runs.take(np.array([row]), annotation.batch.n_segments)


def match_sent(sent: Sequence[SentAnnotation], back: ReturnedAnnotation) -> SentAnnotation | None:
    """What an annotation that came back was sent as: that which shares most keys with it, the last of several."""
    keys = back.keys.keys() | back.answers.keys()
    shared = [(len(each.keys & keys), place) for place, each in enumerate(sent)]
    most, place = max(shared, default=(0, 0))
    return sent[place] if most else None
