"""Label config: the XML that says which labels there are, their colours, and where tasks name their image."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from PIL import ImageColor

from segdata.core.finding import Defect
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.formats.shared.per_image import relative_path
from segdata.formats.shared.safe_parsers import XmlError, read_xml
from segdata.formats.shared.taxonomies import kind_from_name

_NAMES = ("label_config.xml", "config.xml", "labeling_config.xml", "label_studio_config.xml")
_RGBA = re.compile(r"rgba\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,[^)]*\)")


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """What a labelling configuration says.

    Attributes
    ----------
    taxonomy : of its labels for regions of images, in order; ids from 1
    image_key : the key in a task's `data` that names the image; None: not said
    defects : what is wrong with the file
    """

    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    image_key: str | None = None
    defects: tuple[Defect, ...] = ()


def config_beside(root: Path, tasks: Path) -> LabelConfig:
    """The configuration in the folder of the tasks; `<tasks>.xml` goes before others."""
    folder = tasks if tasks.is_dir() else tasks.parent
    names = ([] if tasks.is_dir() else [f"{tasks.stem}.xml"]) + list(_NAMES)
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        return LabelConfig()
    try:
        tree = read_xml(path)
    except (XmlError, OSError) as error:
        line = error.line if isinstance(error, XmlError) else None
        return LabelConfig(defects=(Defect("SEG001", str(error), relative_path(root, path), line=line),))
    labels: dict[str, Color | None] = {}
    for control in tree.iter():
        if control.tag.endswith("Labels"):
            for label in control.iter("Label"):
                name = label.get("value")
                if name:
                    labels[name] = labels.get(name) or _color(label.get("background", ""))
    value = next((each.get("value", "") for each in tree.iter("Image")), "")
    categories = (
        Category(id=number, name=name, color=color, kind=kind_from_name(name))
        for number, (name, color) in enumerate(labels.items(), 1)
    )
    return LabelConfig(Taxonomy(categories=tuple(categories)), value.removeprefix("$") or None)


def _color(text: str) -> Color | None:
    """A colour as CSS writes it; None for what is none.

    >>> _color("rgba(218, 1, 238, 1)"), _color("green"), _color("#00008e")
    ((218, 1, 238), (0, 128, 0), (0, 0, 142))
    """
    of_rgba = _RGBA.fullmatch(text.strip())
    if of_rgba:
        red, green, blue = (min(int(each), 255) for each in of_rgba.groups())
        return red, green, blue
    try:
        red, green, blue = ImageColor.getcolor(text.strip(), "RGB")  # type: ignore[misc]  # three for this mode
    except ValueError:
        return None
    return red, green, blue
