"""Task: an image with its labels and the findings about it, as an annotation tool gets and returns them.

Each segment has the attribute `segdata`, a key by which it is known again. Each finding is a box of a category of its
own, with the attributes code, message, verdict and comment, of which a reviewer fills in the last two.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch, replace_column
from segdata.core.finding import VERDICTS, Box, Finding, Verdict
from segdata.core.finding_location import Annotation, locate_finding
from segdata.core.label_hash import hash_finding_labels, hash_segments
from segdata.core.profile import Profile
from segdata.core.runs import Runs
from segdata.core.schema import BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.review.sent import Question, Segment, Sent, key_of

CATEGORY = "segdata finding"
UNDECIDED = "undecided"
_KEY = "segdata"


def with_findings(profile: Profile) -> Taxonomy:
    """The taxonomy of a dataset with the category of findings."""
    more = Category(id=profile.free_category, name=CATEGORY, kind="thing", color="#ff00ff")
    return msgspec.structs.replace(profile.taxonomy, categories=(*profile.taxonomy.categories, more))


def sent(
    annotation: Annotation, findings: Sequence[Finding], profile: Profile, taxonomy: Taxonomy, asks: bool
) -> tuple[Batch, Sent]:
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
        segments.append(Segment(key_of(image, annotation.annotator, id_, seen), id_, seen))
    questions = []
    for finding in findings:
        seen = hash_finding_labels(finding, [annotation], profile)
        questions.append(Question(key_of(image, seen, msgspec.json.encode(finding)), finding, seen))
    noted = Sent(image, annotation.annotator, tuple(segments), tuple(questions))
    return _marked(annotation, noted, taxonomy.categories[-1].id, asks), noted


def _marked(annotation: Annotation, noted: Sent, category: int, asks: bool) -> Batch:
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
        attributes=[_asked(each, asks) for each in noted.questions],
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


def _asked(question: Question, asks: bool) -> list[tuple[str, str]]:
    """What a box says, and asks."""
    finding = question.finding
    said = {_KEY: question.key, "code": f"{finding.code} {finding.rule}", "message": finding.message}
    said |= {"verdict": UNDECIDED, "comment": ""} if asks else {}
    return [(name, json.dumps(text, ensure_ascii=False)) for name, text in said.items()]


@dataclass(slots=True)
class Returned:
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


def returned(annotation: Annotation, profile: Profile) -> Returned:
    """An annotation that came back, taken apart; of two segments with one key the second is a new one."""
    batch = annotation.batch
    is_box = np.array([profile.name_of(id_) == CATEGORY for id_ in batch.segments["category_id"].to_pylist()], bool)
    kept = np.flatnonzero(~is_box)
    found = Returned(Annotation(batch.take_segments(kept)))
    told = [dict(_texts(pairs)) for pairs in batch.segments["attributes"].to_pylist()]
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


def _texts(pairs: Sequence[tuple[str, str]] | None) -> Iterator[tuple[str, str]]:
    """The attributes that are texts, or lists of which the first is one."""
    for name, text in pairs or ():
        value = json.loads(text)
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str):
            yield name, first
