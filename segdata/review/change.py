"""Change: what a decision does to the labels that it is about."""

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.finding import Correction, Decision, Finding
from segdata.core.finding_location import ImageRegions, locate_finding, named_segments
from segdata.core.overlay import count_pixels, crop_to_box, difference, union
from segdata.core.runs import Ints, Runs
from segdata.core.schema import RLE_ERRORS, rle_to_runs
from segdata.review.sheet import Change, Refused, Sheet

_AGREEMENT = "SEG4"  # codes of `segdata agreement`: the segments that these name may be another annotator's


def change_of(decision: Decision, sheet: Sheet) -> Change | None:
    """What a decision asks for; None where it leaves the labels as they are, or asks for something by hand.

    Raises Refused, with the reason, where it cannot be carried out.
    """
    finding = decision.finding
    if decision.verdict == "void":
        return _voided(decision, sheet)
    if finding is None:
        return _deleted(sheet, rows_of(decision, sheet)) if decision.verdict == "reject" else None
    if decision.verdict == "accept" and finding.correction is not None:
        return _corrected(finding, finding.correction, sheet)
    return None


def rows_of(decision: Decision, sheet: Sheet) -> Ints:
    """The segments that a decision names; raises Refused where one is not there, or there twice."""
    if decision.finding is not None:
        ids = decision.finding.segments
    else:
        ids = () if decision.segment is None else (decision.segment,)
    return np.array([_row(each, sheet) for each in ids], np.int64)


def drawn_anew(decision: Decision, sheet: Sheet) -> int | None:
    """The segment that a decision wants to be drawn anew as a whole; None where it wants something else."""
    finding = decision.finding
    if decision.verdict != "accept" or finding is None or finding.correction is None or not finding.segments:
        return None
    if finding.correction.action != "redraw" or sheet.profile.task == "semantic":
        return None
    rows = rows_with(finding.segments[0], sheet.before.batch)
    return int(rows[0]) if len(rows) == 1 else None


def rows_with(id_: int | str, batch: Batch) -> Ints:
    """The segments of an annotation that have an id, as the source gives it."""
    return named_segments(batch, Finding(code="", rule="", severity="info", message="", segments=(id_,)))


def _row(id_: int | str, sheet: Sheet) -> int:
    rows = rows_with(id_, sheet.before.batch)
    if len(rows) != 1:
        raise Refused(f"segment {id_} is {'there more than once' if len(rows) else 'not there'}")
    return int(rows[0])


def _corrected(finding: Finding, asked: Correction, sheet: Sheet) -> Change:
    """What a correction asks for."""
    if asked.size != sheet.size:
        height, width = sheet.size
        raise Refused(f"the correction is of {asked.size[1]} x {asked.size[0]} px, the image of {width} x {height}")
    pieces = _pieces(asked)
    if asked.action == "add":
        return _added(_union(pieces, sheet), _category(asked, sheet), sheet)
    if not finding.segments:
        raise Refused(f"{asked.action}: the finding names no segment")
    row = _row(finding.segments[0], sheet)
    if sheet.profile.task == "semantic":
        return _in_map(row, finding, asked, pieces, sheet)
    if asked.action == "delete":
        return _deleted(sheet, np.array([row]))
    if asked.action == "rename":
        return Change(recalled={row: _category(asked, sheet)})
    if asked.action == "redraw":
        pixels, category = _union(pieces, sheet), _category(asked, sheet)
        change = _redrawn(row, pixels, category, sheet, tuple(sheet.leaving))
        change.anew = category, pixels
        return change
    if asked.action == "split":
        return _split(row, pieces, sheet)
    return _joined(row, asked, pieces, sheet)


def _in_map(row: int, finding: Finding, asked: Correction, pieces: list[Runs], sheet: Sheet) -> Change:
    """The same where a segment is all that an image has of a category: only the part that the finding shows changes."""
    if asked.action in ("split", "join"):
        raise Refused(f"{asked.action}: a map of categories has no instances")
    old = _shown_part(row, finding, sheet)
    if asked.action == "delete":
        return Change(taken={row: old})
    new, category = (_union(pieces, sheet) if pieces else old), _category(asked, sheet)
    change = _added(new, category, sheet)
    lost = difference(old, new, sheet.size)
    change.taken[row] = union([change.taken.get(row, Runs.empty()), lost], sheet.size)
    return change


def _shown_part(row: int, finding: Finding, sheet: Sheet) -> Runs:
    """The parts of a segment that lie in the finding's box; what of it is in there where none lies in it whole."""
    if finding.bbox is None:
        return sheet.pixels(row)
    x, y, wide, high = finding.bbox
    parts = ImageRegions.of(sheet.pixels(row), sheet.size[0])
    run_x, top = np.divmod(parts.runs.start, sheet.size[0])
    out = (run_x < x) | (run_x >= x + wide) | (top < y) | (top + parts.runs.length > y + high)
    whole = np.setdiff1d(np.arange(len(parts.area)), parts.label[out])
    return parts.only(whole) if len(whole) else crop_to_box(sheet.pixels(row), finding.bbox, sheet.size)


def _added(pixels: Runs, category: int, sheet: Sheet, source: str = "model") -> Change:
    change = Change(added=[(category, pixels, source)])
    keep = sheet.of_category(category) if sheet.profile.task == "semantic" else None
    sheet.make_room(change, pixels, category, () if keep is None else (keep,))
    return change


def _deleted(sheet: Sheet, rows: Ints) -> Change:
    if not len(rows):
        raise Refused("it names no segment")
    return Change(deleted=set(rows.tolist()))


def _redrawn(row: int, pixels: Runs, category: int, sheet: Sheet, keep: tuple[int, ...] = ()) -> Change:
    old = sheet.pixels(row)
    change = Change(taken={row: difference(old, pixels, sheet.size)}, given={row: difference(pixels, old, sheet.size)})
    if category != sheet.category(row):
        change.recalled[row] = category
    sheet.make_room(change, pixels, category, (row, *keep))
    return change


def _split(row: int, pieces: list[Runs], sheet: Sheet) -> Change:
    if len(pieces) < 2:
        raise Refused("split: the correction has no two pieces")
    order = np.argsort([-count_pixels(each) for each in pieces], kind="stable")  # the largest keeps the id
    category = sheet.category(row)
    change = _redrawn(row, pieces[order[0]], category, sheet)
    for at in order[1:].tolist():
        change.added.append((category, pieces[at], "model"))
        sheet.make_room(change, pieces[at], category, (row,))
    return change


def _joined(row: int, asked: Correction, pieces: list[Runs], sheet: Sheet) -> Change:
    if asked.joins is None:
        raise Refused("join: the correction does not say with what")
    other = _row(asked.joins, sheet)
    old = sheet.pixels(row)
    pixels = _union(pieces, sheet) if pieces else union([old, sheet.pixels(other)], sheet.size)
    change = Change(taken={row: difference(old, pixels, sheet.size)}, given={row: difference(pixels, old, sheet.size)})
    change.deleted.add(other)
    sheet.make_room(change, pixels, sheet.category(row), (row, other))
    return change


def _voided(decision: Decision, sheet: Sheet) -> Change:
    """The pixels that the finding shows, or else its segments, or the segment, are void from now on."""
    void = sheet.profile.taxonomy.void_ids
    if not void:
        ids = {each.id for each in sheet.profile.taxonomy.categories}
        free = 255 if 255 not in ids else max(ids) + 1
        raise Refused(
            "the taxonomy has no category of kind void; add to the categories in taxonomy.yaml: "
            f"- {{id: {free}, name: void, kind: void}}"
        )
    rows, finding = rows_of(decision, sheet), decision.finding
    if finding is not None and finding.code.startswith(_AGREEMENT):
        raise Refused("it speaks of the work of several annotators; decide on the segment itself, or draw it")
    pixels = Runs.empty()
    if finding is not None:
        if finding.correction is not None and finding.correction.action == "add":
            pixels = _union(_pieces(finding.correction), sheet)
        else:
            pixels = locate_finding(sheet.before, finding).runs
    if not len(pixels) and sheet.profile.task == "semantic" and finding is not None and len(rows):
        pixels = _shown_part(int(rows[0]), finding, sheet)
    if not len(pixels):
        pixels = sheet.before.of(rows)
    if not len(pixels):
        raise Refused("it shows no pixels that could be void")
    return _added(pixels, void[0], sheet, "human")


def _category(asked: Correction, sheet: Sheet) -> int:
    name, profile = asked.category, sheet.profile
    known = profile.taxonomy.by_name().get(name or "")
    id_ = known.id if known else next((i for i, each in profile.unknown_names.items() if each == name), None)
    if id_ is None:
        raise Refused(f"the taxonomy has no category {name!r}")
    return id_


def _pieces(asked: Correction) -> list[Runs]:
    """The pixels of each piece."""
    n = len(asked.counts)
    height, width = (np.full(n, side, np.int64) for side in asked.size)
    counts = pa.array([each.encode("utf-8", "replace") for each in asked.counts], pa.binary())
    runs, error = rle_to_runs(counts, height, width)
    if error.any():
        raise Refused(f"the correction's pixels are damaged: {RLE_ERRORS[int(error[error > 0][0])]}")
    return [runs.take(np.array([k]), n) for k in range(n)]


def _union(pieces: list[Runs], sheet: Sheet) -> Runs:
    if not any(map(len, pieces)):
        raise Refused("the correction has no pixels")
    return union(pieces, sheet.size)
