"""The text reports of `segdata review`: what was carried out, and how far the review is."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from segdata.agreement.statistics.rates import wilson
from segdata.core.errors import count_noun
from segdata.core.finding import VERDICTS, Decision
from segdata.report.label_errors import LabelErrors, in_words
from segdata.report.paper import Paper, columns, shorten, table
from segdata.report.text import typeable
from segdata.review.applied import Applied
from segdata.review.progress import OfRule, Progress
from segdata.review.redrawn import Imported
from segdata.review.standing import Standing
from segdata.review.told import Told

_MOST = 10  # conflicts, disputes and other things to do that are listed


def applied_text(found: Applied, typed: Sequence[str], dry_run: bool, paper: Paper) -> str:
    """What became of the decisions, and what is left for people."""
    done = f"{count_noun(len(found.done), 'decision')} in {count_noun(found.images, 'image')}"
    pixels = sum(each.pixels for each in found.done)
    if found.revision is not None:
        did = f"carried out {done}, {pixels:,} px" if found.done else "the labels are as they were"
        head = f"revision {found.revision} is current: {did}"
    elif dry_run and found.done:
        head = f"would carry out {done}, {pixels:,} px; nothing is changed"
    else:
        head = "nothing to carry out; the dataset is as it was"
    lines = [paper.paint(line, "good" if found.done else None) for line in paper.wrap(head, "", "  ")]
    reviewed = f"{count_noun(found.reviewed, 'annotation')} {'would be' if dry_run else 'now'} reviewed"
    counts = [
        (found.reviewed, reviewed),
        (found.kept, f"{count_noun(found.kept, 'decision')} that the labels are right"),
        (found.already, f"{count_noun(found.already, 'decision')} that ask for what is already so"),
        (found.unsure, f"{count_noun(found.unsure, 'thing')} that reviewers are unsure of"),
        (found.past, f"{count_noun(found.past, 'decision')} carried out before, or about labels that are no more"),
    ]
    for n, said in counts:
        lines += paper.wrap(said, style="dim") if n else []
    lines += _listed(
        "conflicts, nothing is overwritten", [(each.decision, each.why) for each in found.conflicts], paper
    )
    lines += _listed("to be drawn by hand", [(each, each.comment) for each in found.by_hand], paper)
    lines += _disputed(found.disputed, paper)
    command = typeable(["segdata review", "apply" if dry_run else "report", *typed], paper)
    return "\n".join([*lines, "", paper.paint("next", "bold"), *command]) + "\n"


def pulled_text(found: Iterable[Told]) -> str:
    """What was written to the log, a line for each source."""
    return "".join(f"{each.origin}: {count_noun(each.n_decisions, 'decision')}, {each.n_new:,} new\n" for each in found)


def imported_text(found: Imported, dry_run: bool, paper: Paper) -> str:
    """What was taken of a task that came back."""
    names = ("redrawn", "added", "deleted")
    did = ", ".join(f"{n:,} {name}" for name in names if (n := getattr(found, name))) or "nothing"
    where = f"of {count_noun(found.images, 'image')}" if found.images else ""
    if found.revision is not None:
        head = f"revision {found.revision} is current: segments {where}: {did}"
    else:
        head = f"would take segments {where}: {did}" if dry_run and found.images else "nothing new to take"
    lines = paper.wrap(head, "", "  ", "good" if found.images else None)
    lines += paper.wrap(f"{count_noun(found.untouched, 'segment')} came back as sent, and stays so", style="dim")
    if found.conflicts:
        lines += ["", paper.paint(f"conflicts, nothing is overwritten: {len(found.conflicts):,}", "bold")]
        lines += [line for each in found.conflicts[:_MOST] for line in paper.wrap(each, "  ", "    ")]
        rest = len(found.conflicts) - _MOST
        lines += paper.wrap(f"… and {rest:,} more", "  ") if rest > 0 else []
    return "\n".join(lines) + "\n"


def progress_text(found: Progress, dataset: str, paper: Paper, errors: LabelErrors | None = None) -> str:
    """Findings by rule, reviewers, what they disagree on, and how many labels are wrong by it."""
    room = paper.width - len("segdata review report ")
    lines = [paper.paint(f"segdata review report {shorten(dataset, room)}", "bold")]
    decided, open_ = (sum(getattr(rule, name) for rule in found.rules) for name in ("decided", "open"))
    lines += paper.wrap(f"{count_noun(decided, 'finding')} decided, {open_:,} open", style="dim")
    if errors is not None:
        lines += paper.wrap(in_words(errors))
    if found.segments:
        said = ", ".join(f"{found.segments[each]:,} {each}" for each in VERDICTS if found.segments[each])
        lines += paper.wrap(f"segments without a finding: {said}", style="dim")
    if found.rules:
        lines += ["", *_rules(found, paper)]
    if found.reviewers:
        lines += ["", *_reviewers(found, paper)]
    else:
        lines += paper.wrap("nobody has decided anything yet: segdata browse, or validate --format html")
    return "\n".join([*lines, *_disputed(found.disputed, paper)]) + "\n"


def _rules(found: Progress, paper: Paper) -> Iterator[str]:
    shown = [*found.rules]
    if sum(rule.code.startswith(found.flag.code) for rule in shown) > 1:
        shown.append(found.flag)
    rows = [_row(each) for each in shown]
    heads = ("rule", "open", "decided", "right", "95 %", "unsure", "disputed")
    head, *lines = table(heads, rows)
    yield paper.paint(head, "bold")
    yield from lines
    yield from paper.wrap(
        "right: accept, fix or void, as a share of the decided, with Wilson's interval. It says how often the rule is "
        "right among what was looked at, which is the worst first, and no sample.",
        style="dim",
    )


def _row(rule: OfRule) -> list[str]:
    share, interval = "", ""
    if rule.decided:
        low, high = (float(end) for end in wilson(np.array(float(rule.right)), np.array(float(rule.decided))))
        share, interval = f"{rule.right / rule.decided:.0%}", f"{low:.0%} to {high:.0%}"
    name = "all of flag" if rule.name == "flag" else f"{rule.code} {rule.name}"
    numbers = (rule.open, rule.decided, share, interval, rule.unsure, rule.disputed)
    return [shorten(name, 26), *(each if isinstance(each, str) else f"{each:,}" for each in numbers)]


def _reviewers(found: Progress, paper: Paper) -> Iterator[str]:
    rows = []
    for each in found.reviewers:
        reversed_ = each.by_self + each.by_others
        rate = f"{reversed_ / each.sure:.0%}" if each.sure else ""
        cells = (each.verdicts.total(), each.images, each.by_self, each.by_others)
        rows.append([shorten(each.name, 24), *(f"{cell:,}" for cell in cells), rate, each.last[:10]])
    head, *lines = table(("reviewer", "decisions", "images", "changed by self", "by others", "rate", "last"), rows)
    yield paper.paint(head, "bold")
    yield from lines


def _disputed(disputed: Sequence[Standing], paper: Paper) -> list[str]:
    """What reviewers disagree on, and how to settle it."""
    listed = []
    for each in disputed:
        said = ", ".join(f"{word.reviewer}: {word.verdict}" for word in each.said)
        comments = "; ".join(word.comment for word in each.said if word.comment)
        listed.append((each.said[-1], f"{said}{f' ({comments})' if comments else ''}"))
    lines = _listed("reviewers disagree", listed, paper)
    if lines:
        lines += paper.wrap(
            "an adjudicator decides again: segdata review pull DATA FILE --adjudicate", "  ", style="dim"
        )
    return lines


def _listed(heading: str, things: Sequence[tuple[Decision, str]], paper: Paper) -> list[str]:
    if not things:
        return []
    lines = ["", paper.paint(f"{heading}: {len(things):,}", "bold")]
    for decision, why in things[:_MOST]:
        lines += paper.wrap(_told(decision, paper), "  ", "    ", "where")
        lines += paper.wrap(why, "    ") if why else []
    rest = len(things) - _MOST
    return lines + (paper.wrap(f"… and {rest:,} more: --format json lists all", "  ") if rest > 0 else [])


def _told(decision: Decision, paper: Paper) -> str:
    """What a decision is about, and whose it is."""
    finding = decision.finding
    what = [f"segment {decision.segment}"] if finding is None else [f"{finding.code} {finding.rule}"]
    if finding is not None and finding.segments:
        what.append(f"of {', '.join(map(str, finding.segments[:4]))}")
    if finding is not None and finding.bbox:
        what.append("at x {}, y {}".format(*finding.bbox))
    said = f"{decision.verdict} by {decision.reviewer}: {' '.join(what)}"
    return f"{shorten(decision.image or 'the dataset', max(paper.width - columns(said) - 4, 24))}: {said}"
