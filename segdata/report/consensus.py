"""Consensus: what was written, what is undecided, and how each annotator compares with it."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from segdata.agreement.consensus import UndecidedRegion
from segdata.agreement.consensus_dataset import AgainstOthers, Consensus, ConsensusReport
from segdata.core.errors import count_noun
from segdata.report.agreement.wording import format_percent, format_score, join_words, score_with_interval
from segdata.report.console import Console, shorten, table
from segdata.report.encoding import csv_text, encode_result, format_json

_METHODS = {
    "majority": "majority of each pixel",
    "staple": "STAPLE",
    "instances": "instances, and majority of all other pixels",
}
_FIRST = 5  # defects that are shown
_WORST = 3  # categories of each annotator that are shown


def consensus_text(result: Consensus, console: Console) -> str:
    """What was written, what is undecided, and a line for each annotator against the others."""
    size = f"{result.target}: {count_noun(result.images, 'image')}, {count_noun(result.segments, 'segment')}"
    lines = [f"{console.paint('written', 'good')} {size}"]
    share = "" if result.min_support == 0.5 else f", each with more than {format_percent(result.min_support)} behind it"
    facts = {
        "consensus": f"of {join_words(result.annotators, 6)}, by {_METHODS[result.method]}{share}",
        "drawn": f"{count_noun(result.drawn, 'segment')} by all of them",
        "undecided": _undecided(result),
        "left out": _left_out(result),
        "alone": _alone(result),
        "one vote": _one_vote(result),
    }
    for name, fact in facts.items():
        if fact:
            lines += console.wrap(fact, f"{name:<11}", " " * 11)
    lines += [line for remark in result.remarks for line in console.wrap(remark)]
    if result.against_others:
        lines += ["", *_against(result, console)]
    if result.defect_list:
        lines += ["", *_defects(result, console)]
    return "\n".join(lines) + "\n"


def _undecided(result: Consensus) -> str:
    if not result.without_consensus.regions:
        return "nothing"
    undecided = result.without_consensus
    share = format_percent(undecided.pixels / max(undecided.of_pixels, 1))
    where = f"{count_noun(undecided.pixels, 'pixel')} in {count_noun(undecided.regions, 'region')}, "
    where += f"{share} of all labelled pixels"
    if undecided.category is None:
        return f"{where}; unlabelled in the dataset, whose undecided.csv and undecided.json list who says what there"
    new = ", a new category: the taxonomy had none that is void" if undecided.is_new else ""
    return f"{where}; {undecided.category!r} in the dataset{new}"


def _left_out(result: Consensus) -> str:
    parts = []
    if result.rejected:
        parts.append(f"{count_noun(result.rejected, 'thing')} that too few drew")
    if result.disputed:
        parts.append(f"{count_noun(result.disputed, 'thing')} in dispute, whose pixels are undecided")
    return join_words(parts)


def _alone(result: Consensus) -> str:
    if not result.alone:
        return ""
    images = f"{count_noun(len(result.alone), 'image')} that fewer than two annotated"
    return f"{images} {'is' if len(result.alone) == 1 else 'are'} not annotated: {join_words(result.alone, 3)}"


def _one_vote(result: Consensus) -> str:
    """Whose work is one annotator's."""
    pairs = [
        f"{work.a} and {work.b} in {count_noun(work.one_voice, 'image')}, with "
        f"{score_with_interval('missed', work.identical)} of their segments identical"
        for work in result.identical
        if work.stands and work.one_voice
    ]
    return f"{join_words(pairs)}: copies, or one draft that both kept" if pairs else ""


def _defects(result: Consensus, console: Console) -> Iterator[str]:
    counts = ", ".join(
        f"{code} {count:,}" for code, count in sorted(Counter(defect.code for defect in result.defect_list).items())
    )
    errors = f", {count_noun(result.n_errors, 'error')}: what they concern may be missing" if result.n_errors else ""
    style = "error" if result.n_errors else "warning"
    yield from console.wrap(f"noticed while reading: {counts}{errors}", style=style)
    for defect in result.defect_list[:_FIRST]:
        at = " ".join(filter(None, (defect.code, defect.file or defect.image, defect.annotator)))
        yield from console.wrap(f"{at}: {defect.message}", "  ", "    ")
    if len(result.defect_list) > _FIRST:
        yield f"  … and {len(result.defect_list) - _FIRST:,} more"


def _against(result: Consensus, console: Console) -> Iterator[str]:
    things = any(against.f1.n for against in result.against_others)
    heads = ["annotator", "images", "IoU", "missed", "extra", "larger by"]
    heads[3:3] = ["F1 of things"] if things else []
    yield console.paint("each annotator against the consensus of the others", "bold")
    yield from table(heads, [_row(against, things) for against in result.against_others])
    explanation = (
        "IoU of the pixels of all images, mean by category, with its interval. missed: the share of the others' pixels "
        "that the annotator lacks and would gain; extra: the share of the annotator's that would be lost; larger by: "
        "where boundaries are, in px, or mm where the spacing is known."
    )
    if len(result.annotators) == 2:
        explanation += " With two annotators each is compared with the other."
    yield from console.wrap(explanation, style="dim")
    for against in result.against_others:
        known = sorted(against.categories, key=lambda of: of.value.value)[:_WORST]
        if len(against.categories) > 1:
            lowest = ", ".join(f"{of.category} {score_with_interval(of.score, of.value)}" for of in known)
            yield from console.wrap(f"{against.annotator}, least with the others: {lowest}", "", "  ")


def _row(against: AgainstOthers, things: bool) -> list[str]:
    cells = [
        shorten(against.annotator, 20),
        f"{against.images:,}",
        score_with_interval("iou_micro", against.iou_micro),
        format_score("missed", against.missed.value),
        format_score("extra", against.extra.value),
        format_score("offset", against.boundary_offset.value, signed=True),
    ]
    cells[3:3] = [score_with_interval("f1", against.f1)] if things else []
    return cells


def consensus_json(result: Consensus) -> str:
    """The report as JSON; the same input gives the same text."""
    return format_json(encode_result(result, ConsensusReport, rounded=True))


def undecided_csv(regions: Iterable[UndecidedRegion], annotators: Sequence[str]) -> str:
    """A line for each region, a column for each annotator: what he calls it, or how many pixels of it what."""
    rows = [
        [region.image, *region.bbox, region.pixels, *(_told(region, name) for name in annotators)] for region in regions
    ]
    return csv_text(["image", "x", "y", "width", "height", "pixels", *annotators], rows)


def undecided_json(regions: Iterable[UndecidedRegion]) -> str:
    """`{"version": 1, "regions": [...]}`, a region a line."""
    rows = [
        {
            "image": region.image,
            "bbox": list(region.bbox),
            "pixels": region.pixels,
            "said": {
                name: [{"category": category, "pixels": pixels} for category, pixels in votes]
                for name, votes in region.votes.items()
            },
        }
        for region in regions
    ]
    lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return f'{{\n  "version": 1,\n  "regions": [{f"{chr(10)}{lines}{chr(10)}  " if rows else ""}]\n}}\n'


def _told(region: UndecidedRegion, name: str) -> str:
    """What one annotator says; empty where the image is not annotated."""
    votes = region.votes.get(name, [])
    return votes[0][0] if len(votes) == 1 else ", ".join(f"{category} {pixels} px" for category, pixels in votes)
