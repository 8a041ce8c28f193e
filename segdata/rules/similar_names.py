"""SEG215 similar-names: names of categories, or values of an attribute, are one word, written in several ways."""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations

import numpy as np

from segdata.core.errors import count_noun, list_names
from segdata.core.finding import RowFinding
from segdata.core.reductions import gather_each, leading, name_keys, sum_by, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Ints
from segdata.core.strata import joint_codes
from segdata.core.table import Column, Table
from segdata.rules.shared import SEPARATORS, join_first, plain_name

_IRREGULAR = {"people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse", "feet": "foot",
              "teeth": "tooth", "geese": "goose", "leaves": "leaf", "knives": "knife", "nuclei": "nucleus",
              "vertebrae": "vertebra", "axes": "axis", "bacteria": "bacterium", "fungi": "fungus"}  # fmt: skip
_MAX_DIGITS = 4  # of such a number
_NUMBERED = re.compile(rf"(|.*?[^\W\d_])[\s_.\-#]*(\d{{1,{_MAX_DIGITS}}})", re.DOTALL)  # a number, behind a word or not
_MIN_BARE_COUNT = 6  # to which names without a word must count: fewer may be grades, or parts that have numbers
_BACKGROUND_NAMES = {"background", "bg"}
_MIN_LETTERS_OF_WORD = 4
_NO_OBJECT = ("__background__", "_background_")  # as tools call what is no object
_MIN_NUMBERED_NAMES, _MOST, _NAMED = 3, 0.9, 5  # numbered names, and images with several; share of these; names listed
_LOOK_ALIKE = str.maketrans(
    "авекмнорстухіјѕАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "abekmhopctyxijsABEKMHOPCTYXIJSABEZHIKMNOPTYXo"
)
_WORD = re.compile(r"[^\W_]+")
_WORDY = re.compile(r"[^\W_]{2}")  # how a name begins that is no sign and no numbered letter
_COPY = re.compile(
    r"(.*?\w)(?:[\s_.\-]*(?:copy|backup|bak|duplicate|\(\d\))|[\s_.\-]+v\d{1,2})", re.DOTALL | re.IGNORECASE
)
_BETWEEN = {"and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "over", "per", "to", "under", "with"}
_MIN_HABIT = 5  # names, or pairs of names, with which one thing is wrong, from which on they are one finding
_WEB_CODE = re.compile(r"&(#\d+|#x[\da-fA-F]+|\w+);")
_QUOTES = {"''", '""', "``", "“”", "‘’", "„“", "«»"}
_NO_VALUES = {"nan", "NaN", "undefined", "null", "NULL", "#N/A", "#REF!"}  # as programs write them; None may be meant
_NOTES = {"todo", "tbd", "fixme", "asdf", "qwerty", "test", "untitled"}  # names by which nobody calls an object
_NOTE = re.compile(r"\?{2,}")
_TO_IGNORE = {
    "dontcare",
    "don'tcare",
    "ignore",
    "ignore*",
    "ignored",
    "ignoreregion",
    "ignoredregion",
    "ignoredregions",
}
_MIN_PREFIXED = 2  # names behind one prefix, all of which are names without it, too
_MIN_CUT_LETTERS = 8  # of names that were cut off
_IN_LIST = re.compile(r"(\d+)[\s.:_)\-]+\S.*")  # a name behind its number
_TRUTHS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_MAX_VALUES = 20  # of an attribute; with more it is any text
_MAX_SPELLINGS = 10 * _MAX_VALUES  # of all values of an attribute
_MIN_USES = 2  # segments for each value of an attribute, on average; with fewer it is any text
_TRANSCRIPTIONS = {"text", "transcription", "ocr"}  # attributes with what is written in a picture, in its own case
_MIN_CASED = 3  # letters of a value whose case says nothing
_MIN_IMAGES_OF_ONE_NUMBER = 3  # images that name classes, and images that number them, if there is one number only


@rule("SEG215", "similar-names", severity="warning", needs=("spellings",), whole=True, by_part=True)
def similar_names(tables: Tables, *, min_letters: int = 6, min_ratio: float = 20.0) -> Findings:
    """Names of categories, or values of an attribute, look like one: `car`, `Car`, `car ` with a blank, `bicycel`.

    Flagged, they differ only in case, blanks, hyphens or underscores:
        aabb
        a: traffic light
        b: Traffic_Light

    Flagged, one is the plural of the other:
        aabb
        a: box
        b: boxes

    Flagged, a rare name is one letter away from a common one (min_ratio=2.0):
        aa.cc.b
        a, c: bicycle
        b: bicycel

    Fine, other words, and names that differ in numbers:
        aa.bb.cc.dd
        a: cat
        b: car
        c: lane1
        d: lane2

    Flagged, the same words in another order:
        aabb
        a: plastic bag
        b: bag, plastic

    Flagged, one value of an attribute in two spellings:
        ab
        a: car (side = left)
        b: car (side = Left)

    Flagged, too: `car_x` and `car_y`, which are two columns of one name in a table that was joined, unless there are
    other names with one letter at the end, as `car_z`; `car` and `car_copy`; `car` and `zoo/car`, if all names behind
    `zoo/`, two at least, are names without it; two names that look the same, one of which
    has letters of another alphabet; and numbers of classes in place of names: some images have only names that are
    numbers, not above the number of categories, and the others have none of them. Words around `in`, `on` and the like
    keep their order.

    Numbers of objects in the names are flagged in instances: three names or more that end in numbers, each once in an
    image, and those of an image are 1 to n, with another n in other images (nine in ten of at least three images).
    Numbers without a word must count to six.
    Ribs and lanes are left alone where images have some of them from the middle.

    Values of an attribute are flagged in one finding for the attribute, if they differ only in case and blanks, or if
    yes, true and 1, or no, false and 0, stand for one another: `left` and `Left `; `yes`, `Yes` and `true`. An
    attribute with more than 20 values, or fewer than two segments for each, is any text and left alone. Numbers of
    objects and values of attributes are infos: both may be meant, as parts that have numbers, and what is read off a
    sign.

    Names that nobody wrote like that are flagged, too: with a blank or line break around them, in quotation marks, with
    codes of a web page (`traffic&nbsp;light`), what programs write where there is no value (`nan`, `undefined`), notes
    (`??`, `TODO`, `test`), what is to be ignored (`DontCare`) and is not void in the taxonomy, and in the wrong
    encoding: UTF-8 that was read as Latin-1 or Windows-1252 shows `ä` as `Ã¤`. So are names beside their first letters
    (`dining table` and `dining tab`), if two names or more are cut after as many; names that all have their number in a
    list before them (`0 car`, `1 bus`), names that are the ids of their categories, objects called `__background__`,
    and one category for all segments whose descriptions are a few words; these are infos. So are background as the
    first name, if all names but the last have segments, and names that are the letters of a word, most of them without
    a segment. Names that are digits may be meant. Five names, or pairs of names, of one kind are one finding: somebody
    read a list wrongly.

    Names without a segment are compared, too, but not letter by letter; parents of others without a segment are not.
    One letter more, less or other, or two letters exchanged, counts if all letters before and after them are the same,
    the word has at least `min_letters`, and the common name has `min_ratio` times as many segments as the rare one:
    `abductor` and `adductor` are both right.

    Why: an annotator typed a name instead of choosing it. One category becomes two, each of which lacks some of its
    segments, and your model learns to tell apart what is the same.

    Remedy: make one of them an alias of the other in taxonomy.yaml, or join them with `segdata remap`.

    Options: `min_letters`: words with fewer letters are not compared letter by letter. `min_ratio`: how many times more
    common the common name is.
    Defaults: at six letters no pair among the names of COCO panoptic (133), ADE20K (150), TACO (60) and CamVid (32) is
    one letter apart, even without the ratio; at five, horse, house and mouse are, and towel and tower. LVIS (1,203
    names) has no two of the same words, no copy and no number.
    """
    profile = tables.profile
    names = {category.id: category.name for category in reversed(profile.taxonomy.categories)} | profile.unknown_names
    category = tables.segments["category_id"]
    n_segments = dict(
        sum_by(tables, {"category": category}, {"n": np.ones(len(category), np.int64)}).lines("category", "n")
    )
    is_guess = profile.task == "semantic" or profile.provisional is not None
    numbered = {} if is_guess else {id_: match for id_, name in names.items() if (match := _NUMBERED.fullmatch(name))}
    digits = [
        category.id
        for category in profile.taxonomy.categories
        if category.name.isdecimal() and _as_number(category.name) < len(names)
    ]
    if digits and not is_guess:
        yield from _numbers_for_names(tables, names, digits, n_segments)
    numbered = numbered if len(numbered) >= _MIN_NUMBERED_NAMES else {}
    kinds = (_segments_of(tables, numbered), _stated_values(tables))
    whole, (of_numbered, stated) = gather_each(tables, kinds, {"annotation": "annotations", "row": "spellings"})
    yield from _numbered_objects(of_numbered, numbered) if numbered else ()
    parents = {category.parent for category in profile.taxonomy.categories if category.parent != category.name}
    counted = ((n_segments.get(id_, 0), name) for id_, name in names.items())
    # A parent without segments is a heading: Roboflow's first category has the name of the project.
    entries = sorted(((n, name) for n, name in counted if n or name not in parents), key=lambda entry: -entry[0])
    reported: set[str] = set()
    yield from _pairs("differ only in case, blanks or separators", _pairs_of_form(entries, plain_name), reported)
    void = {category.name for category in profile.taxonomy.categories if category.kind == "void"}
    yield from _odd_names([entry for entry in entries if entry[1] not in void], reported)
    for kind, pairs in (
        ("are singular and plural of one word", _pairs_of_form(entries, _singular)),
        ("look the same, but for a character without width", _pairs_of_form(entries, _visible)),
        ("look the same, but have letters of two alphabets", _pairs_of_form(entries, _as_latin)),
        ("have the same words in another order", _pairs_of_form(entries, _sorted_words)),
        ("are a name and its copy", _copies(entries)),
        ("are a name and that name behind a prefix", _prefixed(entries)),
        ("are the two columns of a name, as a join of tables calls them", _joined_columns(entries)),
        ("are a name and its first letters, as many as of other names", _cut_names(entries)),
        ("are one letter apart", _typing_errors(entries, min_letters, min_ratio)),
    ):
        yield from _pairs(kind, pairs, reported)
    yield from _listed_names([name for _, name in entries])
    listed = [(category.name, n_segments.get(category.id, 0)) for category in profile.taxonomy.categories]
    if profile.provisional is None:
        yield from _ids_alone(names)
        yield from _letters_of_a_name(listed)
    if profile.task != "semantic":
        yield from _background_first(listed)
        for n, name in entries:
            if n and name in _NO_OBJECT and name not in void:
                what = f"{count_noun(n, 'segment is', 'segments are')} called {name!r}, as tools call what is no object"
                yield RowFinding(f"{what}: is it a hole, or void?", category=name, severity="info")
    uses = _uses_by_attribute(whole, stated)
    yield from _respelled_values(whole, uses)
    yield from _classes_as_descriptions(uses, {names[id_]: n for id_, n in n_segments.items() if n and id_ in names})


def _stated_values(tables: Tables) -> dict[str, Column]:
    """Each value of any attribute once: the keys of name and value, the segments that have it, a row of `spellings`."""
    stated = tables.spellings
    name, value = (name_keys(stated.texts(column)) for column in ("name", "value"))
    which, first = joint_codes(name, value)
    n = np.bincount(which, stated["n"], len(first)).astype(np.int64)
    return {"name": name[first], "value": value[first], "n": n, "row": first}


def _uses_by_attribute(tables: Tables, stated: Table) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """Attribute -> value as text -> how many segments have it, and the row in `spellings` of one of them.

    `stated` are the rows of `_stated_values` of all parts. Attributes of very many values are any text, and left out.
    """
    key, first = joint_codes(stated["name"], stated["value"])
    _, of_name, n_values = np.unique(stated["name"][first], return_inverse=True, return_counts=True)
    few = n_values[of_name] <= _MAX_SPELLINGS
    n_segments = np.bincount(key, stated["n"], len(first)).astype(np.int64)[few].tolist()
    shown = tables.spellings.take(stated["row"][first[few]])
    uses: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for (name, value), n, row in zip(shown.lines("name", "value"), n_segments, stated["row"][first[few]], strict=True):
        if value not in (None, "null"):
            uses.setdefault(name, {}).setdefault(_as_text(value), []).append((n, int(row)))
    return uses


def _respelled_values(tables: Tables, uses: Mapping[str, Mapping[str, list[tuple[int, int]]]]) -> Findings:
    """One finding for each attribute, at a segment with the rarest of the spellings."""
    for name, by_spelling in uses.items():
        n = {spelling: sum(n_segments for n_segments, _ in of_one) for spelling, of_one in by_spelling.items()}
        if plain_name(name) not in _TRANSCRIPTIONS and (groups := _one_value_each(n)):
            shown = ["; ".join(f"{text!r} ({count_noun(n[text], 'segment')})" for text in group) for group in groups]
            rarest = min((text for group in groups for text in group), key=lambda text: n[text])
            message = f"values of {name!r} are spelled in several ways: {' / '.join(shown)}"
            first = tables.spellings.take(np.array([min(row for _, row in by_spelling[rarest])]))
            yield RowFinding(message, segments=(first.cell("segment", 0),), severity="info")


def _classes_as_descriptions(
    uses: Mapping[str, Mapping[str, list[tuple[int, int]]]], n_segments: Mapping[str, int]
) -> Findings:
    """One finding if all segments are of one category, and a few descriptions part them."""
    if len(n_segments) != 1:
        return
    ((name, total_),) = n_segments.items()
    described = Counter({text: sum(n for n, _ in of_one) for text, of_one in uses.get("description", {}).items()})
    if 1 < len(described) <= min(_MAX_VALUES, total_ / _MIN_USES) and described.total() >= _MOST * total_:
        listed = list_names([repr(text) for text, _ in described.most_common()], _NAMED)
        message = f"all {total_:,} segments are {name!r}, and their descriptions are {listed}: are these the classes?"
        yield RowFinding(message, category=name, severity="info")


def _as_text(value: str) -> str:
    """The value of an attribute as plain text, since some formats store only text.

    >>> [_as_text(value) for value in ('"true"', "true", "1")]
    ['true', 'true', '1']
    """
    plain = json.loads(value) if value.startswith('"') else value
    return str(plain)


def _one_value_each(n: Mapping[str, int]) -> list[list[str]]:
    """Groups of spellings that are one value, the most frequent first; `n`: spelling -> segments.

    >>> _one_value_each({"left": 5, "Left ": 1, "right": 3}), _one_value_each({"yes": 5, "1": 1, "no": 3})
    ([['left', 'Left ']], [['yes', '1']])
    """
    forms: dict[str, list[str]] = {}
    for spelling in sorted(n, key=lambda spelling: (-n[spelling], spelling)):
        forms.setdefault(" ".join(spelling.casefold().split()), []).append(spelling)
    if forms.keys() <= _TRUTHS.keys():
        meant = {truth: [form for form in forms if _TRUTHS[form] == truth] for truth in (True, False)}
        groups = [[spelling for form in of_truth for spelling in forms[form]] for of_truth in meant.values()]
    elif len(forms) > _MAX_VALUES or sum(n.values()) < _MIN_USES * len(forms):
        groups = []
    else:
        groups = [group for form, group in forms.items() if sum(map(str.isalpha, form)) >= _MIN_CASED]
    return [sorted(group, key=lambda spelling: -n[spelling]) for group in groups if len(group) > 1]


def _pairs(kind: str, pairs: Iterable[tuple["_Entry", "_Entry"]], reported: set[str]) -> Findings:
    """A finding for each pair of names that are one, those of a whole list as one; adds the rarer to `reported`."""
    flagged: list[tuple[str, str, str]] = []
    for (n, common), (n_rare, rare) in pairs:
        if reported.isdisjoint((common, rare)):
            reported.add(rare)
            share = f"{count_noun(n, 'segment')} and {count_noun(n_rare, 'segment')}"
            pair = f"{common!r} and {rare!r}".replace("  ", "␣␣")  # a report that breaks lines joins two blanks
            flagged.append((rare, pair, share))
    if len(flagged) >= _MIN_HABIT:
        named = join_first([pair for _, pair, _ in flagged], _NAMED)
        yield RowFinding(f"{len(flagged):,} pairs of names {kind}: {named}")
        return
    for rare, pair, share in flagged:
        yield RowFinding(f"{pair} {kind} ({share})", category=rare)


def _odd_names(entries: list["_Entry"], reported: set[str]) -> Findings:
    """Names that nobody wrote like that, those of a whole list as one finding; adds all to `reported`."""
    flagged: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
    for n, name in entries:
        odd = next(((words, meant) for words, meant_by in _ODD if (meant := meant_by(name)) is not None), None)
        if odd is not None and name not in reported:
            flagged.setdefault(odd[0], []).append((n, name, odd[1]))
    for (of_one, of_several), names in flagged.items():
        reported |= {name for _, name, _ in names}
        if len(names) >= _MIN_HABIT:
            listed = list_names([repr(name) for _, name, _ in names])
            yield RowFinding(f"{len(names):,} of {len(entries):,} names {of_several}: {listed}")
            continue
        for n, name, meant in names:
            probably = f", probably {meant!r}" if meant else ""
            yield RowFinding(f"{name!r} {of_one}{probably} ({count_noun(n, 'segment')})", category=name)


def _listed_names(names: list[str]) -> Findings:
    """One finding if each name has its number in a list before it."""
    numbers = sorted(_as_number(match[1]) for name in names if (match := _IN_LIST.fullmatch(name)))
    if len(names) >= _MIN_NUMBERED_NAMES and numbers in ([*range(len(names))], [*range(1, len(names) + 1)]):
        listed = list_names([repr(name) for name in sorted(names, key=lambda name: (len(name), name))], _NAMED)
        yield RowFinding(f"all {len(names):,} names begin with their number in a list: {listed}", severity="info")


def _ids_alone(names: Mapping[int, str]) -> Findings:
    """One finding if each name is the id of its category, but for digits, as those that are read off a sign."""
    if len(names) >= _MIN_NUMBERED_NAMES and all(name == str(id_) for id_, name in names.items()) and max(names) > 9:
        listed = list_names([repr(names[id_]) for id_ in sorted(names)], _NAMED)
        message = f"all {len(names):,} names are the ids of their categories: {listed}; was the list of names lost?"
        yield RowFinding(message, severity="info")


def _letters_of_a_name(listed: Sequence[tuple[str, int]]) -> Findings:
    """One finding if the names are the letters of a word, most of them without a segment; names in their order."""
    word = "".join(name for name, _ in listed)
    n_used = sum(n > 0 for _, n in listed)
    is_word = len(word) == len(listed) >= _MIN_LETTERS_OF_WORD and word.isalpha() and [*word] != sorted(word)
    if is_word and 2 * n_used <= len(listed):
        message = f"the names of the {len(listed)} categories are the letters of {word!r}: was one name read as a list?"
        yield RowFinding(message, severity="info")


def _background_first(listed: Sequence[tuple[str, int]]) -> Findings:
    """One finding if the first name is background and has segments, as all have but the last; names in their order."""
    (first, n_first), (last, n_last) = listed[0] if listed else ("", 0), listed[-1] if listed else ("", 0)
    is_shifted = plain_name(first) in _BACKGROUND_NAMES and n_last == 0 and all(n for _, n in listed[:-1])
    if is_shifted and len(listed) >= _MIN_NUMBERED_NAMES:
        message = (
            f"{count_noun(n_first, 'segment is', 'segments are')} called {first!r}, the first of {len(listed)} names, "
            f"and none {last!r}, the last: do the numbers of the labels leave background out?"
        )
        yield RowFinding(message, category=first, severity="info")


def _segments_of(tables: Tables, category_ids: Collection[int]) -> dict[str, Column]:
    """Annotation and category of the segments of some categories."""
    rows = np.flatnonzero(np.isin(tables.segments["category_id"], list(category_ids)))
    return {name: tables.segments[name][rows] for name in ("annotation", "category_id")}


def _numbered_objects(table: Table, numbered: Mapping[int, re.Match[str]]) -> Findings:
    """Names whose numbers count the objects of an image: those of one word, or all together.

    `table`: annotation and category of the segments that have such a name.
    """
    used: dict[str, list[int]] = {"": np.unique(table["category_id"]).tolist()}  # word -> ids with segments
    for id_ in used[""].copy():
        if numbered[id_][1]:
            used.setdefault(numbered[id_][1], []).append(id_)

    def counts_objects(word: str) -> bool:
        if len({numbered[id_][0] for id_ in used[word]}) < _MIN_NUMBERED_NAMES:
            return False
        of_word = table.take(np.flatnonzero(np.isin(table["category_id"], used[word])))
        number = np.array([int(numbered[id_][2]) for id_ in used[word]])
        if number.max() < _MIN_BARE_COUNT and not any(numbered[id_][1] for id_ in used[word]):
            return False
        return _counts_objects(of_word["annotation"], number[np.searchsorted(used[word], of_word["category_id"])])

    flagged = [word for word in sorted(used) if word and counts_objects(word)]
    if not flagged and counts_objects(""):
        flagged = [""]
    if flagged:
        names = sorted({numbered[id_][0] for word in flagged for id_ in used[word]}, key=lambda name: (len(name), name))
        message = (
            f"{count_noun(len(names), 'name')} number the objects of an image, 1 to n, and make a category of each: "
            f"{list_names([repr(name) for name in names], _NAMED)}; leave the numbers out"
        )
        yield RowFinding(message, category=names[0], severity="info")


def _numbers_for_names(
    tables: Tables, names: Mapping[int, str], digits: list[int], n_segments: Mapping[int, int]
) -> Findings:
    """Categories that are numbers, and names, of which no image has both; `n_segments` of each category."""
    words = [id_ for id_, name in names.items() if _WORDY.match(name) and not name.isdecimal()]
    annotation, category, n = tables.segments["annotation"], tables.segments["category_id"], len(tables.annotations)
    numbered, named = (np.bincount(annotation[np.isin(category, ids)], minlength=n) > 0 for ids in (digits, words))
    images = total(tables, numbered=int(numbered.sum()), named=int(named.sum()), both=int((numbered & named).sum()))
    if leading(tables) is None:
        return
    numbers, words = ([id_ for id_ in ids if n_segments.get(id_)] for ids in (digits, words))
    least = 1 if len(numbers) > 1 else _MIN_IMAGES_OF_ONE_NUMBER
    if len(numbers) <= len(words) and not images["both"] and min(images["numbered"], images["named"]) >= least:
        several = sorted((names[id_] for id_ in numbers), key=_as_number)
        message = (
            f"{count_noun(images['numbered'], 'image')} {'has' if images['numbered'] == 1 else 'have'} numbers for "
            f"names: {list_names([repr(name) for name in several], _NAMED)}; {count_noun(images['named'], 'other')} "
            f"{'has' if images['named'] == 1 else 'have'} names, and none both: which classes are the numbers?"
        )
        yield RowFinding(message, category=several[0])


def _padding(blank: bool) -> Callable[[str], str | None]:
    """A function that gives a text for names with a blank around them, or with a line break, and None for others."""
    return lambda name: "" if name != name.strip() and (name == name.strip("\r\n")) == blank else None


def _as_number(digits: str) -> float:
    """The number that digits write; infinity for more digits than a number of classes has.

    >>> _as_number("007"), _as_number("0"), _as_number("9" * 5000), _as_number("0" * 5000)
    (7, 0, inf, 0)
    """
    counting = digits.lstrip("0")
    return int(counting or "0") if len(counting) <= _MAX_DIGITS else math.inf


def _counts_objects(annotation: Ints, number: Ints) -> bool:
    """Whether the numbers (n,) in annotations (n,), ascending, count their objects, 1 to n, with another n in some.

    >>> _counts_objects(np.array([0, 0, 1, 1, 1, 2, 2]), np.array([2, 1, 3, 1, 2, 1, 2]))
    True
    """
    first = np.flatnonzero(np.diff(annotation, prepend=-1))
    n = np.diff(first, append=len(annotation))
    lowest, highest = (choose.reduceat(number, first) for choose in (np.minimum, np.maximum))
    n_several = int((n > 1).sum())
    fitting = (n > 1) & (lowest <= 1) & (highest == lowest + n - 1)  # if no number is there twice
    if n_several < _MIN_NUMBERED_NAMES or int(fitting.sum()) < _MOST * n_several:
        return False
    _, distinct = joint_codes(annotation, number)
    fitting &= np.bincount(annotation[distinct])[annotation[first]] == n
    return len(np.unique(n[fitting])) > 1 and int(fitting.sum()) >= _MOST * n_several


def _decode_mojibake(name: str) -> str | None:
    """The name as it was before its UTF-8 bytes were read as single characters; None if they are no UTF-8.

    >>> _decode_mojibake("BÃ¤ume"), _decode_mojibake("Bäume"), _decode_mojibake("â‚¬")
    ('Bäume', None, '€')
    """
    for encoding in ("latin-1", "cp1252"):
        with suppress(UnicodeError):
            meant = name.encode(encoding).decode()
            return meant if meant != name else None
    return None


def _unescape(name: str) -> str | None:
    """The name without the codes of web pages; None if it has none.

    >>> _unescape("traffic&nbsp;light"), _unescape("salt &amp; pepper"), _unescape("salt & pepper; salt")
    ('traffic light', 'salt & pepper', None)
    """
    if not _WEB_CODE.search(name):
        return None
    import html  # some milliseconds for its table of names

    meant = html.unescape(name).replace("\xa0", " ")
    return meant if meant != name else None


def _unquote(name: str) -> str | None:
    """The name without the quotation marks around it; None if there are none."""
    return name[1:-1] if len(name) > 2 and name[0] + name[-1] in _QUOTES else None


_Entry = tuple[int, str]  # segments of a category, and its name


def _pairs_of_form(entries: list[_Entry], form: Callable[[str], str]) -> Iterator[tuple[_Entry, _Entry]]:
    """The entries with another name of the same form, each with the most common one."""
    first: dict[str, _Entry] = {}
    for entry in entries:
        key = form(entry[1])
        other = first.setdefault(key, entry)
        if other[1] != entry[1]:
            yield other, entry


def _joined_columns(entries: list[_Entry]) -> Iterator[tuple[_Entry, _Entry]]:
    """The entries `name_x` and `name_y`, where no other name ends like that: pandas tells two columns apart by these.

    >>> [*_joined_columns([(5, "car_x"), (3, "car_y"), (2, "axis")])]
    [((5, 'car_x'), (3, 'car_y'))]
    """
    by_stem: dict[str, dict[str, _Entry]] = {}
    for n, name in entries:
        stem, _, end = name.rpartition("_")
        if stem and end.isalpha() and not end[1:]:
            by_stem.setdefault(stem, {})[end.casefold()] = n, name
    if all(set(ends) == {"x", "y"} for ends in by_stem.values()):
        for ends in by_stem.values():
            first, second = sorted(ends.values(), key=lambda entry: (-entry[0], entry[1]))
            yield first, second


def _cut_names(entries: list[_Entry]) -> Iterator[tuple[_Entry, _Entry]]:
    """The entries of a name and of its first letters, where one number of letters cuts two names or more, in words.

    >>> names = ["dining table", "dining tab", "traffic light", "traffic li", "boathouse", "boat"]
    >>> [rare for _, (_, rare) in _cut_names([(1, name) for name in names])]
    ['dining tab', 'traffic li']
    >>> [*_cut_names([(1, name) for name in ("vertebra", "vertebra_1", "vertebra_2", "vertebra_19", "vertebra_20")])]
    []
    """
    by_name = {name: (n, name) for n, name in entries}
    lengths = sorted({len(name) for name in by_name} - {*range(_MIN_CUT_LETTERS)})
    cut: dict[int, list[tuple[_Entry, _Entry]]] = {}
    for n, name in entries:
        for length in lengths:
            if length < len(name) and name[:length] in by_name and not name[length].isdecimal():
                cut.setdefault(length, []).append(((n, name), by_name[name[:length]]))
    for pairs in cut.values():
        n_in_words = sum((whole[1][len(rare) - 1 : len(rare) + 1]).isalnum() for whole, (_, rare) in pairs)
        if n_in_words >= 2:
            yield from pairs


def _visible(name: str) -> str:
    """A name without characters that have no width, such as a zero-width space.

    >>> _visible("car\u200b") == "car"
    True
    """
    return "".join(letter for letter in name if unicodedata.category(letter) != "Cf")


def _as_latin(name: str) -> str:
    """A name in the Latin letters that it looks like, without case and separators.

    >>> _as_latin("\u0441ar") == _as_latin("car")
    True
    """
    return plain_name(name.translate(_LOOK_ALIKE))


def _sorted_words(name: str) -> str:
    """The words of a name in the order of the alphabet, or as they are around a word like `on`.

    >>> _sorted_words("bag, plastic"), _sorted_words("Plastic bag"), _sorted_words("cup on table")
    ('bag plastic', 'bag plastic', 'cup on table')
    """
    words = _WORD.findall(name.casefold())
    return " ".join(words if _BETWEEN & {*words} else sorted(words)) or name


def _copies(entries: list[_Entry]) -> Iterator[tuple[_Entry, _Entry]]:
    """The entries of a name and of that name with `copy`, `(1)` or `v1` behind it.

    >>> [*_copies([(5, "car"), (3, "car_copy"), (2, "hard copy"), (1, "car (1)")])]
    [((5, 'car'), (3, 'car_copy')), ((5, 'car'), (1, 'car (1)'))]
    >>> [*_copies([(5, "car"), (3, "Car_v2"), (2, "hsv1")])]
    [((5, 'car'), (3, 'Car_v2'))]
    """
    by_name = {name.casefold(): (n, name) for n, name in entries}
    for n, name in entries:
        match = _COPY.fullmatch(name)
        if match is not None and match[1].casefold() in by_name:
            yield by_name[match[1].casefold()], (n, name)


def _prefixed(entries: list[_Entry]) -> Iterator[tuple[_Entry, _Entry]]:
    """The entries of a name and of that name behind a prefix that two names or more have, each with its plain name.

    >>> [*_prefixed([(5, "car"), (3, "bus"), (2, "zoo/car"), (2, "zoo/bus"), (1, "animal/dog"), (1, "dog")])]
    [((5, 'car'), (2, 'zoo/car')), ((3, 'bus'), (2, 'zoo/bus'))]
    """
    by_name = {name: (n, name) for n, name in entries}
    prefixed: dict[str, list[str]] = {}
    for _, name in entries:
        prefix, slash, plain = name.partition("/")
        if slash and plain:
            prefixed.setdefault(prefix, []).append(plain)
    for prefix, names in prefixed.items():
        if len(names) >= _MIN_PREFIXED and all(plain in by_name for plain in names):
            for plain in names:
                yield by_name[plain], by_name[f"{prefix}/{plain}"]


def _singular(name: str) -> str:
    """A name with its last word in the singular, without case and separators."""
    words = SEPARATORS.sub(" ", name).strip().casefold().split(" ")
    word = words[-1]
    if word in _IRREGULAR:
        word = _IRREGULAR[word]
    elif len(word) > 4 and word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif len(word) > 4 and word.endswith(("xes", "ches", "shes", "sses", "zes", "uses")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return "".join([*words[:-1], word])


def _typing_errors(entries: list[_Entry], min_letters: int, min_ratio: float) -> Iterator[tuple[_Entry, _Entry]]:
    """Pairs of names of which the rare one is the common one with a single typing error."""
    words = [(n, name, SEPARATORS.sub(" ", name).strip().casefold().split(" ")) for n, name in entries]
    for (n, common, left), (n_rare, rare, right) in combinations(words, 2):
        if n_rare == 0 or n < min_ratio * n_rare or len(left) != len(right):
            continue
        differing = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
        if len(differing) == 1 and _is_typing_error(*differing[0], min_letters):
            yield (n, common), (n_rare, rare)


def _is_typing_error(a: str, b: str, min_letters: int) -> bool:
    """Whether two words differ by one letter that is more, less or other, or by two neighbours that are exchanged."""
    if min(len(a), len(b)) < min_letters or abs(len(a) - len(b)) > 1 or not (a + b).isalpha():
        return False
    begin = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    end = next((i for i, (x, y) in enumerate(zip(a[::-1], b[::-1], strict=False)) if x != y), min(len(a), len(b)))
    exchanged = len(a) == len(b) and begin + end == len(a) - 2 and a[begin : begin + 2] == b[begin : begin + 2][::-1]
    return exchanged or begin + end >= max(len(a), len(b)) - 1


_ODD: tuple[tuple[tuple[str, str], Callable[[str], str | None]], ...] = (
    (("begins or ends with a blank", "begin or end with a blank"), _padding(blank=True)),
    (("begins or ends with a line break", "begin or end with a line break"), _padding(blank=False)),
    (("is in the wrong encoding", "are in the wrong encoding"), _decode_mojibake),
    (("is in quotation marks", "are in quotation marks"), _unquote),
    (("has codes of a web page", "have codes of a web page"), _unescape),
    (
        ("is what programs write where there is no value",) * 2,
        lambda name: "" if name in _NO_VALUES else None,
    ),
    (
        ("is a note, not a name", "are notes, not names"),
        lambda name: "" if name.strip().casefold() in _NOTES or _NOTE.fullmatch(name.strip()) else None,
    ),
    (
        ("says what to ignore, and is not void in the taxonomy",) * 2,
        lambda name: "" if plain_name(name) in _TO_IGNORE else None,
    ),
)  # what is odd, of one name and of several, and the name that was meant, or an empty text
