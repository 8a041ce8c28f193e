"""Asking: what an annotation tool is told of the labels of a task, so that verdicts are chosen and not typed."""

import json
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from segdata.core.finding import VERDICTS
from segdata.review.task import CATEGORY, UNDECIDED


def cvat_labels(annotations: Element) -> str:
    """The labels of a task as the "Raw" editor of CVAT takes them, from the root of its ``annotations.xml``.

    CVAT takes annotations whose labels and attributes a task has already, and no others. Source: docs.cvat.ai, manual,
    "Label constructor".
    """
    labels = (_label(each) for each in annotations.iterfind("./meta/task/labels/label"))
    return json.dumps([*labels], indent=1, ensure_ascii=False) + "\n"


def _label(label: Element) -> dict[str, Any]:  # Any: JSON
    name = label.findtext("name", "")
    color = label.findtext("color")
    return {
        "name": name,
        **({"color": color} if color else {}),
        "type": label.findtext("type", "any"),
        "attributes": [*_attributes(label, name)],
    }


def _attributes(label: Element, of: str) -> Iterator[dict[str, Any]]:  # Any: JSON
    for each in label.iterfind("./attributes/attribute"):
        name, kind = each.findtext("name", ""), each.findtext("input_type", "text")
        default, values = each.findtext("default_value", ""), each.findtext("values", "").split("\n")
        if of == CATEGORY and name == "verdict":
            kind, default, values = "select", UNDECIDED, [UNDECIDED, *VERDICTS]
        yield {"name": name, "mutable": False, "input_type": kind, "default_value": default, "values": values}


def label_studio_config(config: str) -> str:
    """The labelling configuration of a task with a choice of verdicts, and a line for a comment, of findings alone.

    Source: labelstud.io, tags, "Choices" and "TextArea".
    """
    where = f'toName="image" perRegion="true" visibleWhen="region-selected" whenLabelValue="{CATEGORY}"'
    choices = "".join(f'    <Choice value="{each}"/>\n' for each in VERDICTS)
    asked = (
        f'  <Choices name="verdict" choice="single-radio" {where}>\n{choices}  </Choices>\n'
        f'  <TextArea name="comment" placeholder="comment" {where}/>\n'
    )
    head, end, tail = config.rpartition("</View>")
    return f"{head}{asked}{end}{tail}"
