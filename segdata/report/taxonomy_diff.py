"""The reports of a taxonomy diff: as text, and as JSON."""

import json
from collections.abc import Mapping

from segdata.core.errors import count_noun
from segdata.report.paper import Paper
from segdata.report.text import typeable
from segdata.store.taxonomy_diff import TAXONOMY_CHANGE_KINDS, TaxonomyDifference

_HEADS: Mapping[str, str] = {
    "added": "new categories",
    "removed": "categories that are gone: their segments would be dropped",
    "renamed": "categories under another name",
    "split": "categories that are divided: a person must say where each segment belongs",
    "merged": "categories that were joined",
    "unclear": "categories whose id and colour lead to different ones: a person must choose",
    "id": "ids that changed",
    "kind": "kinds that changed: thing, stuff, void",
    "color": "colours that changed",
    "guideline": "what the guideline says otherwise",
    "details": "what else categories say otherwise",
    "taxonomy": "what the taxonomy as a whole says otherwise",
}


def diff_text(found: TaxonomyDifference, old: str, new: str, written: str | None, paper: Paper) -> str:
    """The report, in lines of at most `paper.width` columns; `written`: the map that the command wrote."""
    lines = [paper.paint("segdata taxonomy diff", "bold"), f"  old  {old}", f"  new  {new}", ""]
    for kind in TAXONOMY_CHANGE_KINDS:
        changes = [change for change in found.changes if change.kind == kind]
        if changes:
            lines += [paper.paint(f"{kind}: {len(changes):,}", "bold"), *paper.wrap(_HEADS[kind], "  ", style="dim")]
            for change in changes:
                lines += paper.wrap(change.message, "  ", "    ")
            lines.append("")
    if not found.changes:
        return "\n".join([*lines, paper.paint("no difference", "good")]) + "\n"
    lines.append(_summary(found))
    lines += ["", paper.paint("next", "bold")]
    if written is None:
        command = ["segdata", "taxonomy", "diff", old, new, "--output map.yaml"]
        lines += [*typeable(command, paper), *paper.wrap("the migration as a map, for you to complete", "      ")]
    else:
        todo = f"first decide in {written}: {', '.join(found.undecided)}" if found.undecided else ""
        lines += [*paper.wrap(todo, "  ")] if todo else []
        lines += typeable(["segdata", "convert", "DATA", "OUT", "--taxonomy-map", written], paper)
    return "\n".join(lines) + "\n"


def diff_json(found: TaxonomyDifference, old: str, new: str) -> str:
    """One object: version, old, new, changes (kind, old, new, message), migration (old name: new, null or several)."""
    changes = [
        {"kind": each.kind, "old": list(each.old), "new": list(each.new), "message": each.message}
        for each in found.changes
    ]
    migration = {name: list(to) if isinstance(to, tuple) else to for name, to in found.migration.items()}
    document = {"version": 1, "old": old, "new": new, "changes": changes, "migration": migration}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _summary(found: TaxonomyDifference) -> str:
    moved = sum(isinstance(to, str) and to != name for name, to in found.migration.items())
    dropped = sum(to is None for to in found.migration.values())
    moves = f"{moved} get another name, {dropped} go, {len(found.undecided)} need a decision"
    return f"{count_noun(len(found.changes), 'difference')}; of {count_noun(len(found.migration), 'category')} {moves}"
