"""Decisions: read what reviewers decided in FiftyOne from the labels."""

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
from segdata.core.safe_text import whole_number
from segdata.report.fiftyone import finding_labels
from segdata.report.fiftyone.app import database_errors, import_fiftyone
from segdata.report.fiftyone.finding_labels import decode_findings
from segdata.report.fiftyone.samples import stored_info
from segdata.report.fiftyone.segment_labels import (
    DECIDABLE,
    FINDINGS,
    LISTS,
    PROPOSALS,
    Kind,
    comment_in_tag,
    declare_images,
    verdicts_in_tags,
)

_COLUMNS = ("id", "tags", "imprint", "verdict", "reviewer", "decided", "comment")
_SEGMENT_COLUMNS = ("segment_id", "label", "category_id")
Row = dict[str, Any]  # Any: FiftyOne has no types


@dataclass(frozen=True, slots=True)
class FiftyOneDecisions:
    """The decisions in a dataset of FiftyOne.

    `decisions`: decisions by image, those on findings first; `notes`: other changes made by hand, which are ignored,
    one line each.
    """

    decisions: tuple[Decision, ...]
    notes: tuple[str, ...]


@database_errors()
def pull_from_fiftyone(name: str, profile: Profile, reviewer: str | None = None) -> FiftyOneDecisions:
    """The decisions in the dataset of FiftyOne called `name`; pulling again gives the same.

    A tag that is a verdict is a decision. Reviewer and time are on the label if the plugin wrote it; otherwise they are
    `reviewer` (default: the user name) and now, and are written onto the label. Segment ids that look like numbers
    become numbers. Raises SegdataError if there is no such dataset, or FiftyOne is not installed.
    """
    package = import_fiftyone()
    if not package.dataset_exists(name):
        raise SegdataError(
            f"FiftyOne has no dataset {name!r}; create it with segdata browse, or give its name with --name"
        )
    dataset = package.load_dataset(name)
    declare_images(package, dataset)  # older datasets may lack some fields
    return _AppReader(dataset, profile, reviewer).pull()


def current_user() -> str:
    """The reviewer: FIFTYONE_USER, else the user name; raises SegdataError if there is none."""
    try:
        return os.environ.get("FIFTYONE_USER") or getpass.getuser()
    except (OSError, KeyError) as error:  # a system without user names
        raise SegdataError("there is no user name; set FIFTYONE_USER to the name of the reviewer") from error


@dataclass
class _AppReader:
    """Reads one dataset. Any: FiftyOne has no types."""

    dataset: Any
    profile: Profile
    reviewer: str | None
    now: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    decisions: list[Decision] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    signed: dict[str, list[Row]] = field(default_factory=dict)

    def pull(self) -> FiftyOneDecisions:
        fields = stored_info(self.dataset, "fields") or ()
        order = sorted(fields, key=lambda row: (row["kind"] != FINDINGS, row["name"]))
        by_proposal = self._tags_of_proposals()
        for row in order:
            if row["kind"] in DECIDABLE:
                self._field(row["name"], row["kind"], row["annotator"], by_proposal)
        self._sign()
        # A segment and its outline may both be tagged: that is one decision.
        return FiftyOneDecisions(tuple(dict.fromkeys(self.decisions)), tuple(self.notes))

    def _field(self, name: str, kind: Kind, annotator: str | None, by_proposal: dict[str, list[str]]) -> None:
        renamed: Counter[str] = Counter()
        for sample, image, findings, logged_decisions, labels in self._samples(name, kind):
            self._missing(image, findings, {row["id"] for row in labels})
            for row in labels:
                finding = findings.get(row["id"])
                if finding is None and row["segment_id"] is None:
                    label = f"a label drawn by hand in {name!r}"
                    self.notes.append(f"{image}: {label} is ignored; draw it in your annotation tool")
                    continue
                renamed[image] += finding is None and row["label"] != self.profile.name_of(row["category_id"])
                tags = [*(row["tags"] or ()), *by_proposal.get(row["id"], ())]
                verdict = self._verdict(image, name, row, tags)
                if verdict is not None:
                    signed = row | self._signature(name, sample, row, tags, verdict)
                    decision = _decision(signed, verdict, image, annotator, finding)
                    before = logged_decisions.get(row["id"])
                    self.decisions.append(before if before is not None and _is_same(before, decision) else decision)
        for image, count in (+renamed).items():
            self.notes.append(
                f"{image}: {count_noun(count, 'label')} of {name!r} renamed by hand: ignored; tag them fix instead"
            )

    def _samples(
        self, name: str, kind: Kind
    ) -> Iterator[tuple[str, str, dict[str, Finding], dict[str, Decision], list[Row]]]:
        """For each image: sample, id, findings, logged decisions, and the labels of a field."""
        path = f"{name}.{LISTS[kind]}"
        columns = (*_COLUMNS, *_SEGMENT_COLUMNS)
        present = [column for column in columns if self.dataset.get_field(f"{path}.{column}") is not None]
        of_image = ["id", "image_id", "put_in", "logged"]
        values = self.dataset.values([*of_image, *(f"{path}.{column}" for column in present)])
        for sample, image, put_in, logged, *cells in zip(*values, strict=True):
            rows = [dict.fromkeys(columns) | dict(zip(present, row, strict=True))
                    for row in zip(*(cell or () for cell in cells), strict=True)]  # fmt: skip
            yield (
                sample,
                image,
                decode_findings(put_in) if kind == FINDINGS else {},
                finding_labels.decode_decisions(logged),
                rows,
            )

    def _missing(self, image: str, findings: dict[str, Finding], ids: set[str]) -> None:
        for id_, finding in findings.items():
            if id_ not in ids:
                name = f"{finding.code} {finding.rule}"
                self.notes.append(f"{image}: {name} was deleted by hand: ignored; tag it reject instead")

    def _verdict(self, image: str, name: str, row: Row, tags: list[str]) -> Verdict | None:
        """The verdict in the tags of a label; None without one, or with two."""
        tagged = verdicts_in_tags(tags)
        if len(tagged) > 1:
            both = " and ".join(sorted(tagged))
            self.notes.append(f"{image}: a label of {name!r} is tagged {both}: both are ignored; keep one")
        if not tagged and row["verdict"] is not None:
            remedy = "the log keeps its decision, tag unsure to take it back"
            self.notes.append(
                f"{image}: the tag {row['verdict']} was removed from a label of {name!r}: ignored; {remedy}"
            )
        return tagged.pop() if len(tagged) == 1 else None

    def _signature(self, name: str, sample: str, row: Row, tags: list[str], verdict: Verdict) -> Row:
        """Reviewer, time and comment of a verdict; written onto the label if it is only a tag."""
        comment = row["comment"] or next(filter(None, map(comment_in_tag, tags)), None)
        if row["verdict"] == verdict and row["reviewer"] and row["decided"]:
            return {"comment": comment}
        reviewer = self.reviewer or current_user()
        signature = {"verdict": verdict, "reviewer": reviewer, "decided": self.now, "comment": comment}
        own_tags = row["tags"] or ()
        values = {**signature, "tags": list(own_tags) if verdicts_in_tags(own_tags) else [*own_tags, verdict]}
        self.signed.setdefault(name, []).append({"sample_id": sample, "label_id": row["id"], **values})
        return signature

    def _sign(self) -> None:
        """Write new signatures onto the labels, so that pulling again gives the same."""
        kinds = {row["name"]: row["kind"] for row in stored_info(self.dataset, "fields") or ()}
        for name, rows in self.signed.items():
            for attribute in ("verdict", "reviewer", "decided", "comment", "tags"):
                cells = [
                    {"sample_id": row["sample_id"], "label_id": row["label_id"], "value": row[attribute]}
                    for row in rows
                ]
                self.dataset.set_label_values(f"{name}.{LISTS[kinds[name]]}.{attribute}", cells)

    def _tags_of_proposals(self) -> dict[str, list[str]]:
        """The tags of proposals, by the label of their finding."""
        by_finding: dict[str, list[str]] = {}
        if self.dataset.has_sample_field(PROPOSALS):
            path = f"{PROPOSALS}.{LISTS[PROPOSALS]}"
            of_images = self.dataset.values([f"{path}.finding", f"{path}.tags"])
            for columns in zip(*of_images, strict=True):
                for finding, tags in zip(*(cell or () for cell in columns), strict=True):
                    if finding is not None and verdicts_in_tags(tags or ()):
                        by_finding.setdefault(finding, []).extend(tags)
        return by_finding


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


def _is_same(before: Decision, after: Decision) -> bool:
    """Whether a label still has the decision that the log had when it was loaded."""
    columns = ("verdict", "reviewer", "time", "comment")
    return all(getattr(before, column) == getattr(after, column) for column in columns)


def _number(id_: str) -> int | str:
    number = whole_number(id_)
    return number if number is not None and str(number) == id_ else id_
