"""Guideline: a taxonomy as a page for annotators, in Markdown or HTML."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath

from segdata.core.taxonomy import Attribute, Category, Taxonomy, lineage
from segdata.report.pictures.colors import css_color

_PICTURES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp", ".svg": "svg+xml"}
_KINDS = {
    "thing": "thing: each object is a segment of its own",
    "stuff": "stuff: all of it in an image is one segment",
    "void": "void: regions that are not labelled",
}
_RELATIONS = {
    "part_of": "part of",
    "may_overlap": "may overlap",
    "may_not_overlap": "never overlaps",
    "may_not_touch": "never touches",
    "also": "may also be",
}


@dataclass(frozen=True, slots=True)
class GuidelineEntry:
    """A heading of the guideline: a group, or a category with its facts."""

    name: str  # of the group or category
    depth: int  # how many groups and categories are above it
    category: Category | None  # None for a group
    facts: tuple[tuple[str, str], ...] = ()  # heading and text of each fact


def guideline_entries(taxonomy: Taxonomy) -> list[GuidelineEntry]:
    """Groups and categories, each below its parent, in the order of the taxonomy."""
    parents = {name: parent for name, parent in taxonomy.parents.items() if parent != name}
    names = [name for category in taxonomy.categories for name in reversed(lineage(category.name, parents))]
    below: dict[str | None, list[str]] = {}
    for name in dict.fromkeys(names):
        is_in_circle = parents.get(lineage(name, parents)[-1]) is not None
        below.setdefault(None if is_in_circle else parents.get(name), []).append(name)
    first = {category.name: category for category in reversed(taxonomy.categories)}

    def walk(parent: str | None, depth: int) -> Iterator[GuidelineEntry]:
        for name in below.get(parent, ()):
            category = first.get(name)
            yield GuidelineEntry(name, depth, category, () if category is None else tuple(_facts(category)))
            yield from walk(name, depth + 1)

    return list(walk(None, 0))


def guideline_markdown(taxonomy: Taxonomy, title: str) -> str:
    """The guideline as Markdown; viewers that allow styles show the colours."""
    lines = [f"# {_escape_markdown(title)}", "", *_preface(taxonomy), ""]
    lines += ["| colour | category | id | kind | definition |", "| --- | --- | ---: | --- | --- |"]
    for category in taxonomy.categories:
        cells = (
            _swatch(category),
            _escape_markdown(category.name),
            str(category.id),
            category.kind,
            _escape_markdown(category.definition or ""),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    for entry in guideline_entries(taxonomy):
        lines += ["", f"{'#' * min(entry.depth + 2, 6)} {_escape_markdown(entry.name)}", ""]
        lines += [f"- {head}: {_escape_markdown(text)}" for head, text in entry.facts]
        for example in entry.category.examples if entry.category else ():
            lines.append(
                f"- ![{_escape_markdown(example)}](<{example}>)"
                if _is_picture(example)
                else f"- example: {_escape_markdown(example)}"
            )
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def guideline_html(taxonomy: Taxonomy, title: str, folder: Path | None = None) -> str:
    """The guideline as one self-contained HTML file; example pictures are read from `folder`."""
    nav, body = [], []
    for number, entry in enumerate(guideline_entries(taxonomy)):
        swatch = _box(entry.category)
        nav.append(f'<a href="#c{number}" style="padding-left:{entry.depth + 0.5}em">{swatch}{escape(entry.name)}</a>')
        level = min(entry.depth + 2, 6)
        body.append(f'<section id="c{number}"><h{level}>{swatch}{escape(entry.name)}</h{level}>')
        if entry.facts:
            rows = (f"<dt>{escape(head)}</dt><dd>{escape(text)}</dd>" for head, text in entry.facts)
            body.append(f"<dl>{''.join(rows)}</dl>")
        body += [_example(example, folder) for example in (entry.category.examples if entry.category else ())]
        body.append("</section>")
    preface = "".join(f"<p>{escape(line)}</p>" for line in _preface(taxonomy) if line)
    parts = {"title": escape(title), "preface": preface, "nav": "\n".join(nav), "body": "\n".join(body)}
    return _PAGE.format(**parts)


def _preface(taxonomy: Taxonomy) -> list[str]:
    lines = [] if taxonomy.version is None else [f"Version {taxonomy.version}.", ""]
    most = taxonomy.max_void
    if most is not None:
        limits = [("an image", most.image), ("all images together", most.dataset)]
        text = " and ".join(f"{100 * share:.3g} % of {base}" for base, share in limits if share is not None)
        lines += [f"Void may be at most {text}."] if text else []
    return lines


def _facts(category: Category) -> Iterator[tuple[str, str]]:
    yield "kind", _KINDS[category.kind]
    yield "id", str(category.id)
    for head in ("definition", "boundary_rule", "occlusion_rule"):
        if text := getattr(category, head):
            yield head.replace("_rule", ""), " ".join(text.split())
    if category.thin:
        yield "shape", "thin: a few pixels wide"
    for field, head in _RELATIONS.items():
        if names := getattr(category, field):
            yield head, ", ".join(names)
    for attribute in category.attributes:
        yield f"attribute {attribute.name}", _attribute(attribute)
    if category.expected is not None:
        share, whenever = category.expected.least_share, category.expected.whenever
        if share is not None:
            yield "expected", "in every image" if share == 1 else f"in {share:.0%} of the images"
        if whenever:
            yield "expected", f"in every image with {' or '.join(whenever)}"
    if category.size is not None:
        size = category.size
        for least, most, unit in ((size.min_pixels, size.max_pixels, "px"), (size.min_mm2, size.max_mm2, "mm²")):
            bounds = [f"at least {least:,} {unit}"] if least is not None else []
            bounds += [f"at most {most:,} {unit}"] if most is not None else []
            if bounds:
                yield "size", ", ".join(bounds)
    if category.aliases:
        yield "formerly", ", ".join(category.aliases)


def _attribute(attribute: Attribute) -> str:
    parts = [] if attribute.definition is None else [" ".join(attribute.definition.split()).rstrip(".")]
    parts += [f"one of {', '.join(map(str, attribute.values))}"] if attribute.values else []
    return "; ".join([*parts, "required" if attribute.required else "optional"])


def _hex(category: Category) -> str | None:
    return None if category.rgb is None else css_color(category.rgb)


def _swatch(category: Category) -> str:
    color = _hex(category)
    return "" if color is None else f'<span style="background:{color}">&emsp;&emsp;</span> `{color}`'


def _box(category: Category | None) -> str:
    color = None if category is None else _hex(category)
    return "" if color is None else f'<i title="{color}" style="background:{color}"></i>'


def _escape_markdown(text: str) -> str:
    joined = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_<>[]#" else letter for letter in joined)


def _is_picture(example: str) -> bool:
    return PurePosixPath(example).suffix.lower() in _PICTURES


def _example(example: str, folder: Path | None) -> str:
    """An example: its picture within the page if the file exists, else its text."""
    file = None if folder is None or not _is_picture(example) else folder / example
    if file is None or not file.is_file():
        return f"<p>Example: {escape(example)}</p>"
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    kind = _PICTURES[file.suffix.lower()]
    return (
        f'<figure><img src="data:image/{kind};base64,{data}" alt=""><figcaption>{escape(example)}</figcaption></figure>'
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64em; padding: 1em 2em; color: #222 }}
main {{ display: grid; grid-template-columns: 14em 1fr; gap: 2em }}
nav a {{ display: block; color: inherit; text-decoration: none; padding: .1em .5em }}
nav a:hover {{ background: #eee }}
i {{ display: inline-block; width: 1em; height: 1em; margin-right: .5em; border: 1px solid }}
i {{ vertical-align: -.1em }}
section {{ border-top: 1px solid #ddd; break-inside: avoid }}
dl {{ display: grid; grid-template-columns: 10em 1fr; gap: .2em 1em }}
dt {{ color: #666 }} dd {{ margin: 0 }}
img {{ max-width: 100% }} figure {{ margin: 1em 0 }}
@media print {{ nav {{ display: none }} main {{ display: block }} }}
@media (max-width: 40em) {{ main, dl {{ display: block }} }}
</style></head><body>
<h1>{title}</h1>{preface}
<main><nav>
{nav}
</nav><div>
{body}
</div></main></body></html>
"""
