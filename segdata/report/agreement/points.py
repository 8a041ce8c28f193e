"""Points: one conclusion, and what all of them are made from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from segdata.core.finding import Finding, Severity
from segdata.core.rule import rules
from segdata.report.rule_pages import page_paragraph

Topic = Literal[
    "repair", "agreement", "person", "guideline", "place", "model", "tolerance", "contrast", "portion", "plan", "limit"
]

HEADINGS: dict[Topic, str] = {
    "repair": "first repair",
    "agreement": "agreement",
    "person": "person",
    "guideline": "guideline",
    "place": "to settle",
    "model": "accepted",
    "tolerance": "tolerance",
    "contrast": "compared",
    "portion": "portions",
    "plan": "plan",
    "limit": "left out",
}


@dataclass(frozen=True, slots=True)
class Conclusion:
    """One thing to know.

    Attributes
    ----------
    topic : what it is about
    severity : of the findings behind it; info where it is only a figure
    head : the conclusion, in a few words
    said : the numbers
    act : what to do; empty where nothing is to be done
    codes, annotator, category : of the findings behind it; none, None: all
    """

    topic: Topic
    severity: Severity
    head: str
    said: str = ""
    act: str = ""
    codes: tuple[str, ...] = ()
    annotator: str | None = None
    category: str | None = None


def of_code(findings: Iterable[Finding], code: str) -> list[Finding]:
    """The findings with a code, in their order."""
    return [each for each in findings if each.code == code]


def first_images(findings: Iterable[Finding], most: int) -> list[str]:
    """The images with most pixels in dispute."""
    pixels: dict[str, int] = {}
    for each in findings:
        if each.image is not None:
            pixels[each.image] = pixels.get(each.image, 0) + (each.pixels or 0)
    return sorted(pixels, key=lambda image: (-pixels[image], image))[:most]


def remedy(code: str) -> str:
    """What the rule's page says to do, as a sentence."""
    rule = rules().get(code)
    text = "" if rule is None else page_paragraph(rule.page, "Remedy")
    return text[:1].upper() + text[1:]
