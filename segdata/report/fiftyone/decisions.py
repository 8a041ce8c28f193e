"""Pulling: what reviewers decided in FiftyOne, read from the labels."""

import getpass
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from segdata.core.errors import SegdataError, count_noun
from segdata.core.finding import Decision, Finding, Verdict
from segdata.core.profile import Profile
from segdata.report.fiftyone import stored_findings
from segdata.report.fiftyone.app import database_errors, import_fiftyone
from segdata.report.fiftyone.fields import (
    DECIDABLE,
    FINDINGS,
    LISTS,
    PROPOSALS,
    Kind,
    comment_in_tag,
    declare_images,
    verdicts_in_tags,
)
from segdata.report.fiftyone.samples import stored_info
from segdata.report.fiftyone.stored_findings import decode_findings

_COLUMNS = ("id", "tags", "imprint", "verdict", "reviewer", "decided", "comment")
_SEGMENT_COLUMNS = ("segment_id", "label", "category_id")
Row = dict[str, Any]  # Any: FiftyOne has no types


@dataclass(frozen=True, slots=True)
class PulledDecisions:
    """What a dataset of FiftyOne says.

    Attributes
    ----------
    decisions : by image, those of findings first
    notes : what people did there that is no decision, a line each; none of it is taken
    """

    decisions: tuple[Decision, ...]
    notes: tuple[str, ...]


@database_errors()
def pull_from_fiftyone(name: str, profile: Profile, reviewer: str | None = None) -> PulledDecisions:
    """What people decided in the dataset of FiftyOne that `browse` calls `name`; the same again when asked again.

    A tag that is a verdict is a decision. Who and when is on the label where the plugin wrote it; else it is
    `reviewer`, by default who is logged in, and now, which is written onto the label. Ids of segments that look like
    numbers are numbers. Raises SegdataError where there is no such dataset, or FiftyOne is not there.
    """
    package = import_fiftyone()
    if not package.dataset_exists(name):
        raise SegdataError(f"FiftyOne has no dataset {name!r}; segdata browse makes it, --name says what it is called")
    dataset = package.load_dataset(name)
    declare_images(package, dataset)  # an older one may lack some
    return _Reader(dataset, profile, reviewer).pull()


def current_user() -> str:
    """Who decides: FIFTYONE_USER, else who is logged in; raises SegdataError where nobody is."""
    try:
        return os.environ.get("FIFTYONE_USER") or getpass.getuser()
    except (OSError, KeyError) as error:  # a system without users
        raise SegdataError("nobody is logged in; FIFTYONE_USER says who decides") from error


@dataclass
class _Reader:
    """Reads one dataset. Any: FiftyOne has no types."""

    dataset: Any
    profile: Profile
    reviewer: str | None
    now: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    decisions: list[Decision] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    signed: dict[str, list[Row]] = field(default_factory=dict)

    def pull(self) -> PulledDecisions:
        fields = stored_info(self.dataset, "fields") or ()
        order = sorted(fields, key=lambda row: (row["kind"] != FINDINGS, row["name"]))
        by_proposal = self._tags_of_proposals()
        for row in order:
            if row["kind"] in DECIDABLE:
                self._field(row["name"], row["kind"], row["annotator"], by_proposal)
        self._sign()
        # A segment may have an outline as well, and whoever tags both has decided once.
        return PulledDecisions(tuple(dict.fromkeys(self.decisions)), tuple(self.notes))

    def _field(self, name: str, kind: Kind, annotator: str | None, by_proposal: dict[str, list[str]]) -> None:
        renamed: Counter[str] = Counter()
        for sample, image, findings, known, labels in self._samples(name, kind):
            self._missing(image, findings, {row["id"] for row in labels})
            for row in labels:
                about = findings.get(row["id"])
                if about is None and row["segment_id"] is None:
                    what = f"a label drawn by hand in {name!r}"
                    self.notes.append(f"{image}: {what} is not taken; draw it where you annotate")
                    continue
                renamed[image] += about is None and row["label"] != self.profile.name_of(row["category_id"])
                tags = [*(row["tags"] or ()), *by_proposal.get(row["id"], ())]
                verdict = self._verdict(image, name, row, tags)
                if verdict is not None:
                    signed = row | self._signature(name, sample, row, tags, verdict)
                    said = _decision(signed, verdict, image, annotator, about)
                    before = known.get(row["id"])
                    self.decisions.append(before if before is not None and _is_same(before, said) else said)
        for image, count in (+renamed).items():
            self.notes.append(f"{image}: {count_noun(count, 'label')} of {name!r} renamed by hand: not taken; tag fix")

    def _samples(
        self, name: str, kind: Kind
    ) -> Iterator[tuple[str, str, dict[str, Finding], dict[str, Decision], list[Row]]]:
        """Each image: its sample, its id, its findings, what the log said of its labels, and the labels of a field."""
        path = f"{name}.{LISTS[kind]}"
        columns = (*_COLUMNS, *_SEGMENT_COLUMNS)
        there = [each for each in columns if self.dataset.get_field(f"{path}.{each}") is not None]
        of_image = ["id", "image_id", "put_in", "logged"]
        values = self.dataset.values([*of_image, *(f"{path}.{each}" for each in there)])
        for sample, image, put_in, known, *cells in zip(*values, strict=True):
            rows = [dict.fromkeys(columns) | dict(zip(there, row, strict=True))
                    for row in zip(*(cell or () for cell in cells), strict=True)]  # fmt: skip
            yield (
                sample,
                image,
                decode_findings(put_in) if kind == FINDINGS else {},
                stored_findings.decode_decisions(known),
                rows,
            )

    def _missing(self, image: str, findings: dict[str, Finding], there: set[str]) -> None:
        for id_, finding in findings.items():
            if id_ not in there:
                what = f"{finding.code} {finding.rule}"
                self.notes.append(f"{image}: {what} was deleted by hand: no decision; tag it reject instead")

    def _verdict(self, image: str, name: str, row: Row, tags: list[str]) -> Verdict | None:
        """What the tags of a label say; None where they say nothing, or two things."""
        found = verdicts_in_tags(tags)
        if len(found) > 1:
            words = " and ".join(sorted(found))
            self.notes.append(f"{image}: a label of {name!r} is tagged {words}: neither is taken; leave one")
        if not found and row["verdict"] is not None:
            remedy = "what is in the log already, unsure takes back"
            self.notes.append(
                f"{image}: the tag {row['verdict']} was taken off a label of {name!r}: no decision; {remedy}"
            )
        return found.pop() if len(found) == 1 else None

    def _signature(self, name: str, sample: str, row: Row, tags: list[str], verdict: Verdict) -> Row:
        """Who said it, when and why; written onto the label, too, where it is only a tag."""
        comment = row["comment"] or next(filter(None, map(comment_in_tag, tags)), None)
        if row["verdict"] == verdict and row["reviewer"] and row["decided"]:
            return {"comment": comment}
        who = self.reviewer or current_user()
        signature = {"verdict": verdict, "reviewer": who, "decided": self.now, "comment": comment}
        own = row["tags"] or ()
        whole = {**signature, "tags": list(own) if verdicts_in_tags(own) else [*own, verdict]}
        self.signed.setdefault(name, []).append({"sample_id": sample, "label_id": row["id"], **whole})
        return signature

    def _sign(self) -> None:
        """Write onto labels what was made up for them, so that the next time says the same."""
        kinds = {row["name"]: row["kind"] for row in stored_info(self.dataset, "fields") or ()}
        for name, rows in self.signed.items():
            for attribute in ("verdict", "reviewer", "decided", "comment", "tags"):
                cells = [
                    {"sample_id": row["sample_id"], "label_id": row["label_id"], "value": row[attribute]}
                    for row in rows
                ]
                self.dataset.set_label_values(f"{name}.{LISTS[kinds[name]]}.{attribute}", cells)

    def _tags_of_proposals(self) -> dict[str, list[str]]:
        """What was tagged on a proposal, by the label of its finding."""
        found: dict[str, list[str]] = {}
        if self.dataset.has_sample_field(PROPOSALS):
            path = f"{PROPOSALS}.{LISTS[PROPOSALS]}"
            of_images = self.dataset.values([f"{path}.finding", f"{path}.tags"])
            for columns in zip(*of_images, strict=True):
                for finding, tags in zip(*(cell or () for cell in columns), strict=True):
                    if finding is not None and verdicts_in_tags(tags or ()):
                        found.setdefault(finding, []).extend(tags)
        return found


def _decision(row: Row, verdict: Verdict, image: str, annotator: str | None, finding: Finding | None) -> Decision:
    first = next(iter(finding.segments), None) if finding is not None else None
    return Decision(
        verdict=verdict,
        reviewer=row["reviewer"],
        time=row["decided"],
        via="fiftyone",
        image=image,
        annotator=annotator if finding is None else finding.annotator,
        segment=_number(row["segment_id"]) if finding is None else first,
        finding=finding,
        imprint=row["imprint"] or "",
        comment=row["comment"] or "",
    )


def _is_same(before: Decision, now: Decision) -> bool:
    """Whether a label says what the log said when it was put in, wherever that was decided."""
    columns = ("verdict", "reviewer", "time", "comment")
    return all(getattr(before, each) == getattr(now, each) for each in columns)


def _number(id_: str) -> int | str:
    return int(id_) if id_.isascii() and id_.isdigit() and str(int(id_)) == id_ else id_
