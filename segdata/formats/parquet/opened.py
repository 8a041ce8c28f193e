"""Opened: a dataset of Hugging Face whose tables are known."""

from functools import partial
from pathlib import Path

from segdata.core.errors import UnreadableError
from segdata.core.format import Request
from segdata.core.profile import Policy, Profile, Task
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.parquet.reader import Columns, id2label, listed, look
from segdata.formats.shared.mask_values import colour_legend
from segdata.formats.shared.per_image import PerImageSource


def open_tables(request: Request, shards: list[Path]) -> PerImageSource:
    """The tables `shards`; label maps are decoded when a batch asks for them."""
    entries, columns, defects = listed(request.root, shards, request.options)
    root = request.root if request.root.is_dir() else request.root.parent
    taxonomy, declared = _taxonomy(request, root)
    profile = Profile(
        name=request.root.stem,
        format="hugging-face",
        task=_task(columns, taxonomy),
        taxonomy=taxonomy,
        taxonomy_declared=declared,
        coverage=Policy("sparse" if columns.instance else "exhaustive"),
        overlap=Policy("forbid"),
        files=str(request.root),
    )
    found = partial(look, root, columns, taxonomy, colour_legend(taxonomy))
    return PerImageSource(root, profile, entries, tuple(defects), found, request.annotator, what="label map")


def _taxonomy(request: Request, root: Path) -> tuple[Taxonomy, bool]:
    """The user's taxonomy, else that of id2label.json; void is 255 where it is no category."""
    if request.taxonomy is not None:
        return request.taxonomy, True
    names = id2label(root)
    if names is None:
        raise UnreadableError(
            f'{root}: nothing says what the values of the label maps mean; write id2label.json ({{"0": "road", …}}), '
            "or give --taxonomy"
        )
    categories = [Category(id=id_, name=name, kind="stuff") for id_, name in sorted(names.items())]
    if 255 not in names:
        categories.append(Category(id=255, name="ignore", kind="void"))
    return Taxonomy(categories=tuple(categories), unlabelled=None if 0 in names else 0), False


def _task(columns: Columns, taxonomy: Taxonomy) -> Task:
    if columns.instance is None:
        return "semantic"
    kinds = {category.kind for category in taxonomy.categories}
    return "panoptic" if kinds >= {"thing", "stuff"} else "instance"
