"""Layer names: what the name of a layer file tells: its image, category and instance."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from segdata.core.config import Layers
from segdata.core.errors import SettingError
from segdata.core.taxonomy import Taxonomy
from segdata.formats.shared.file_names import images_by_name

_FIELDS = {"{stem}": "stem", "{category}": "category", "{instance}": "instance"}


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer file.

    Attributes
    ----------
    path : the file
    stem : of its image, as the name tells it
    category : a name
    instance : as the name tells it; None where the pattern has no `{instance}`
    image : the image, among those known; None where no image has this stem
    """

    path: Path
    stem: str
    category: str
    instance: str | None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class LayerNames:
    """`layers.pattern`, ready to be matched: the longest stem first, then the shortest."""

    readings: tuple[re.Pattern[str], re.Pattern[str]]
    category: str | None
    has_instances: bool

    @staticmethod
    def of(config: Layers) -> "LayerNames":
        """The names that a configuration describes; raises SettingError for a pattern that cannot work."""
        pattern = config.pattern
        unknown = [field for field in re.findall(r"\{[^}]*\}", pattern) if field not in _FIELDS]
        if unknown:
            raise SettingError(f"layers.pattern: {unknown[0]} is none of {', '.join(_FIELDS)}", "layers", "pattern")
        twice = [field for field in _FIELDS if pattern.count(field) > 1]
        wrong = None
        if twice or "{stem}" not in pattern:
            wrong = f"layers.pattern {pattern!r}: {{stem}} is needed, and each field once at most"
        elif "{category}" not in pattern and config.category is None:
            wrong = f"layers.pattern {pattern!r} has no {{category}}; name it: `category: vessel`"
        if wrong:
            raise SettingError(wrong, "layers", "pattern")
        readings = (re.compile(_expression(pattern, "+")), re.compile(_expression(pattern, "+?")))
        return LayerNames(readings, config.category, "{instance}" in pattern)

    def fits(self, name: str) -> bool:
        """Whether a path below the root is that of a layer."""
        return self.readings[0].fullmatch(name) is not None

    def found(self, files: Mapping[str, Path], images: Mapping[str, Path], taxonomy: Taxonomy | None) -> list[Layer]:
        """The layers among `files`, each with its image among `images`."""
        known = images_by_name(images)
        names = taxonomy.by_name() if taxonomy else {}
        found = []
        for name, path in files.items():
            readings = [self._read(match, path) for each in self.readings if (match := each.fullmatch(name))]
            if readings:
                sought = [replace(each, image=_nearest(_named(known, each.stem), name)) for each in readings]
                # Where `a_b_c.png` can be read in two ways, an image or a category of that name decides.
                found.append(max(sought, key=lambda each: (each.image is not None, each.category in names)))
        return found

    def _read(self, match: re.Match[str], path: Path) -> Layer:
        told = match.groupdict()
        return Layer(path, told["stem"], told.get("category") or str(self.category), told.get("instance"))


def _expression(pattern: str, times: str) -> str:
    """The pattern as a regular expression whose `{stem}` takes folders too, as much (+) or as little (+?) as fits."""
    text = re.escape(pattern).replace(r"\*", "[^/]*")
    for field, name in _FIELDS.items():
        wanted = f"(?P<{name}>.{times})" if name == "stem" else f"(?P<{name}>[^/]+)"
        text = text.replace(re.escape(field), wanted)
    return text


def _named(images: Mapping[str, list[str]], stem: str) -> list[str]:
    """The images that a stem names; where none has its folders (`masks/a`), those of its last part."""
    return images.get(stem) or images.get(PurePosixPath(stem).name, [])


def _nearest(images: list[str], layer: str) -> str | None:
    """The image whose folder has most in common with the layer's; None where two are alike."""
    if len(images) < 2:
        return images[0] if images else None
    parts = PurePosixPath(layer).parts
    shared = sorted(((_n_common(parts, PurePosixPath(image).parts), image) for image in images), reverse=True)
    return shared[0][1] if shared[0][0] > shared[1][0] else None


def _n_common(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """How many folders two paths have in common, from the root."""
    return next((place for place, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), len(a))
