"""Past: which decisions the revisions of a canonical dataset have in them already."""

import datetime
from pathlib import Path
from typing import Any

import msgspec

from segdata.core.finding import Decision
from segdata.store import manifest as manifests
from segdata.store.revisions import CHANGES_FILE, ancestors


class _Line(msgspec.Struct):
    """A line of changes.jsonl, as far as it is of interest here."""

    decision: Decision | None = None


def entry(decision: Decision, pixels: int) -> dict[str, Any]:  # Any: JSON
    """The line of changes.jsonl that says that a decision was carried out."""
    return {"decision": msgspec.to_builtins(decision), "changed_pixels": pixels}


class Past:
    """What was carried out in the revisions that are kept.

    `here`: the decisions that the current revision has in it; restore an earlier one, and they can be carried out again
    """

    def __init__(self, root: Path) -> None:
        manifest = manifests.load(root)
        done = {each.name: _decisions(root / each.name / CHANGES_FILE) for each in manifest.revisions}
        self._done = {decision for decisions in done.values() for decision in decisions}
        self.here = {each for name in ancestors(root, manifest.revision) for each in done.get(name, ())}
        pruned = [each.created for each in manifest.revisions if each.parent is not None and each.parent not in done]
        self._since = max(pruned, default=None)

    def has(self, decision: Decision) -> bool:
        """Whether a decision whose labels have changed since was carried out.

        One from before the oldest revision that is kept is taken for such: the log of that change is deleted.
        """
        return decision in self._done or (
            self._since is not None and datetime.datetime.fromisoformat(decision.time) <= self._since
        )


def _decisions(path: Path) -> list[Decision]:
    """The decisions in a log of changes; of a damaged line nothing is known."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            said = msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if said.decision is not None:
            found.append(said.decision)
    return found
