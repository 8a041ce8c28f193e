"""Tally: seeded defects against findings, for sample data whose truth is known."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segdata.report.paper import Paper, table


@dataclass(frozen=True, slots=True)
class Seeded:
    """A defect that was put into a dataset on purpose: its code, the dataset's name, the image or None, and what."""

    code: str
    dataset: str
    image: str | None
    what: str

    @staticmethod
    def of(entry: Mapping[str, Any]) -> "Seeded":  # Any: JSON
        """An entry of truth.json."""
        return Seeded(entry["code"], entry["dataset"], entry["image"], entry["what"])

    def is_found(self, findings: Sequence[Mapping[str, Any]]) -> bool:  # Any: JSON
        """Whether one of the findings of its dataset, as the JSON report has them, is this one."""
        return any(
            each["code"] == self.code and (self.image is None or each["image"] in (None, self.image))
            for each in findings
        )


def tally(
    seeded: Sequence[Seeded], found: Mapping[str, Sequence[Mapping[str, Any]]], known: Collection[str], paper: Paper
) -> str:
    """A table, a line per dataset, of how many seeded defects were found, then those that were not.

    `found` are the findings of each dataset (Any: JSON), `known` the codes that have a rule; others do not count.
    """
    counted = [each for each in seeded if each.code in known and each.dataset in found]
    rows = []
    for name, findings in found.items():
        mine = [each for each in counted if each.dataset == name]
        hits = sum(each.is_found(findings) for each in mine)
        rows.append([name, str(len(mine)), str(hits), str(len(findings))])
    missed = [each for each in counted if not each.is_found(found[each.dataset])]
    totals = [len(counted), len(counted) - len(missed), sum(map(len, found.values()))]
    rows.append(["all", *map(str, totals)])
    lines = table(("dataset", "seeded", "found", "findings"), rows)
    lines[0] = paper.paint(lines[0], "bold")
    for each in missed:
        lines += paper.wrap(f"not found: {each.code} in {each.dataset}: {each.what}", "", "  ", "warning")
    return "\n".join(lines) + "\n"
