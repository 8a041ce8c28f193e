"""Starter: the first taxonomy.yaml and segdata.yaml of a dataset, for a person to correct."""

from pathlib import Path

from segdata.api import read
from segdata.api.opening import TAXONOMY, folder_of
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.profile import Profile
from segdata.core.taxonomy import Taxonomy, dump_taxonomy
from segdata.formats.draft import draft_taxonomy
from segdata.report.paper import fold
from segdata.store.manifest import NAME as MANIFEST


def taxonomy_text(taxonomy: Taxonomy) -> str:
    """A taxonomy as YAML, with a comment for the person who is to correct it."""
    head = (
        "# A draft. Give every category its name, and its kind: thing (countable), stuff or void (ignored).\n"
        "# `unlabelled: [0, 0, 0]` (a colour) or `unlabelled: 0` (an id) says what nobody labelled looks like.\n"
        "# More keys: parent, aliases, definition, boundary_rule, attributes, thin, part_of, may_overlap.\n"
    )
    return head + dump_taxonomy(taxonomy)


def drafted(data: Path, images: Path | None = None) -> Taxonomy:
    """The categories of DATA's own taxonomy.yaml, else those that its values or its COCO file tell."""
    if not data.exists():
        raise SegdataError(f"{data}: does not exist")
    folder = folder_of(data)
    if (folder / TAXONOMY).is_file() or (folder / MANIFEST).is_file():
        return read(data, images=images).taxonomy
    try:
        return draft_taxonomy(data, images)
    except UnreadableError as error:
        try:
            return read(data, images=images).taxonomy
        except SegdataError:
            raise error from None


def begun(data: Path, images: Path | None) -> tuple[Taxonomy, Profile]:
    """The drafted taxonomy of DATA, and what is known of DATA with it.

    Raises SegdataError where a draft does not make it readable, with the reason why it cannot be read.
    """
    try:
        taxonomy = drafted(data, images)
        return taxonomy, read(data, taxonomy=taxonomy, images=images).profile
    except UnreadableError:
        dataset = read(data, images=images)  # says what is missing, rather than what is wrong with the draft
        return dataset.taxonomy, dataset.profile


def config_text(known: Profile | str) -> str:
    """A segdata.yaml that declares nothing yet: what is known of the dataset, and what may be said, as comments.

    `known` is the dataset's profile, or where it cannot be read yet the reason.
    """
    values = {"coverage": "exhaustive", "overlap": "forbid", "format": "instance-ids"}
    if isinstance(known, str):
        lines = [*_HEAD, *(f"# {line}" for line in fold(f"It cannot be read yet: {known}", 116, 116))]
    else:
        habit = "Until a policy is declared it is the format's habit, and gives warnings at most."
        lines = [*_HEAD, f"# Read as {known.format}, {known.task}. {habit}"]
        coverage = known.coverage.value if isinstance(known.coverage.value, str) else "sparse"
        values = {"coverage": coverage, "overlap": known.overlap.value, "format": known.format}
    for title, keys in _KEYS.items():
        lines += ["", f"# {title}"]
        lines += [f"# {key.format(**values):<42}  # {why}" if why else f"# {key}" for key, why in keys]
    return "\n".join(lines) + "\n"


def free(path: Path, force: bool) -> None:
    """Raise SegdataError where a file is there already and may not be overwritten."""
    if path.exists() and not force:
        raise SegdataError(f"{path}: exists already; --force overwrites it, --output writes elsewhere")


_HEAD = (
    "# What this project decides about its dataset and its rules. `segdata validate` reads this file beside the data.",
    '# Every key is optional: remove the "# " before one to declare it.',
    "#",
)

_KEYS: dict[str, list[tuple[str, str]]] = {
    "Policies": [
        ("coverage: {coverage}", "exhaustive: every pixel must be labelled; sparse: need not be"),
        ("overlap: {overlap}", "of segments: forbid, allow or same-category-forbid"),
    ],
    "Reading": [
        ("format: {format}", "instead of detecting it"),
        ("taxonomy: taxonomy.yaml", "paths are relative to the data's folder"),
        ("images: images", "where the image files are"),
        ("instance_ids: {{divisor: 1000, background: 0}}", "or {category: nucleus}, or {table: ids.csv}"),
        ("layers: {{pattern: '{{stem}}_{{category}}.png'}}", "one mask per category or segment"),
    ],
    "Rules (all codes: segdata rules)": [
        ("select: [SEG]", "beginnings of codes, or names"),
        ("ignore: [SEG204]", "the same, not to run"),
        ("severity: {{SEG106: error}}", "error, warning, info or off"),
        ("rules: {{SEG106: {{min_pixels: 16}}}}", "options; segdata explain CODE lists them"),
        ("suppress:", "findings that are known and accepted"),
        ("  - {code: SEG102, image: 'a/*.jpg', reason: 'glass in front', until: 2030-01-31}", ""),
    ],
}
