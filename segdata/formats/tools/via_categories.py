"""Categories of VIA: the region attribute that names them, which every project calls as it likes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from segdata.core.errors import SegdataError

NO_CATEGORY = "region"  # the category of regions that say none
# Region attributes that we write, and that say what has a column.
TOLD = frozenset({"segment_id", "track_id", "score", "source", "iscrowd"})
USUAL = ("category", "class", "label", "name", "type", "object", "classes", "labels", "class_name", "category_name")


def values_of(value: object) -> list[str]:
    """The categories in the value of an attribute: a text, a number, or the boxes that are ticked.

    >>> values_of("car"), values_of({"car": True, "bus": False}), values_of("")
    (['car'], ['car'], [])
    """
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, dict):
        return [str(key) for key, ticked in value.items() if ticked is True]
    return [str(value)] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


@dataclass(slots=True)
class Census:
    """How often each attribute says each category, in the order of the files."""

    by_attribute: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, every: Sequence[object]) -> None:
        """Count the attributes of regions."""
        said: defaultdict[str, list[object]] = defaultdict(list)
        for each in every:
            if isinstance(each, dict):
                for name, value in each.items():
                    said[name].append(value)
        for name in (name for name in said if name not in TOLD):
            counts = self.by_attribute.setdefault(name, Counter())
            texts = Counter(value for value in said[name] if type(value) is str)
            for text, count in texts.items():
                if text.strip():
                    counts[text] += count
            for value in said[name] if texts.total() < len(said[name]) else ():
                if type(value) is not str:
                    counts.update(values_of(value))

    def chosen(self, wanted: object) -> tuple[str | None, list[str]]:
        """The attribute that names the categories, and the others that might have been meant.

        Raises SegdataError where no region has the one that the user wants.
        """
        telling = {name: counts for name, counts in self.by_attribute.items() if counts}
        if wanted is not None:
            if wanted not in self.by_attribute:
                known = ", ".join(self.by_attribute) or "none"
                raise SegdataError(f"no region has the attribute {wanted!r}; there are: {known}")
            return str(wanted), []
        if not telling:
            return None, []
        order = sorted(telling, key=lambda name: self._rank(name, telling[name]))
        return order[0], order[1:]

    def _rank(self, name: str, counts: Counter[str]) -> tuple[int, int, int]:
        """What comes first: a usual name, then many regions with few values."""
        usual = USUAL.index(name.lower()) if name.lower() in USUAL else len(USUAL)
        return usual, -counts.total(), len(counts)


def category_of(said: object, attribute: str | None) -> list[str]:
    """The categories of a region, the first being its own; none where it has no value."""
    return values_of(said.get(attribute)) if isinstance(said, dict) and attribute is not None else []


def ambiguous(attribute: str, others: Iterable[str]) -> str:
    """What to tell about a choice among several attributes."""
    listed = ", ".join(repr(each) for each in others)
    return f"categories are the values of the region attribute {attribute!r}; --read-option attribute=… takes {listed}"
