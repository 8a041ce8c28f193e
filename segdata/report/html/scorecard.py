"""The HTML report of a scorecard: everybody side by side, then a section of each annotator, as one file."""

from collections.abc import Mapping, Sequence

import segdata
from segdata.agreement.gold.examples import Example
from segdata.agreement.gold.scorecard import Scorecard
from segdata.report.agreement.numbers import percent, tolerance
from segdata.report.html.agreement_figures import hex_of
from segdata.report.html.cards import sections
from segdata.report.html.templates import asset, template
from segdata.report.scorecard import HEADS, row


def to_html(
    found: Scorecard, annotators: Sequence[str], drawn: Mapping[tuple[str, Example], str], typed: Sequence[str]
) -> str:
    """The report as one HTML file; the same input gives the same text.

    `annotators`: all of them, in order, with the reference; `drawn`: pictures of examples as `data:` URIs; `typed`:
    what comes after `segdata`, word by word.
    """
    note = f"Brackets are {percent(found.confidence)} intervals. Boundaries no further apart than "
    note += f"{tolerance(found.tolerance)} are one. A trend leaves the mix of images out of account; it says where to "
    note += "look, not what to pay."
    names = [card.annotator for card in found.cards]
    return template("scorecard.html").render(
        found=found,
        title=", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else ""),
        heads=HEADS,
        rows=[row(card) for card in found.cards],
        cards=sections(found, annotators, drawn),
        people=[(name, hex_of(k)) for k, name in enumerate(annotators)],
        note=note,
        typed=" ".join(["segdata", *typed]),
        version=segdata.__version__,
        style=asset("report.css") + asset("info.css") + asset("agreement.css"),
    )
