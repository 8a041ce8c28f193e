"""Id rule: what `instance_ids` in segdata.yaml says about values that are ids of segments."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from segdata.core.config import InstanceIds
from segdata.core.errors import SettingError
from segdata.core.format import Request
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.masks.idmeaning import Meaning, by_category, by_divisor, by_table
from segdata.formats.masks.idtable import IdTable, load_id_table
from segdata.formats.masks.valueruns import ValueRuns

Rule = Callable[[ValueRuns, str], Meaning]  # of the values of an image with this id
_MAX_DIVISOR = 2**32  # values have 32 bits at most


def id_rule(request: Request, config: InstanceIds) -> tuple[Taxonomy, Rule]:
    """The taxonomy, and what tells the meaning of values under it; raises SettingError for what is not enough."""
    given = request.taxonomy
    chosen = [name for name in ("divisor", "category", "table") if getattr(config, name) is not None]
    if len(chosen) != 1:
        said = f"instance_ids: give one of divisor, category, table; given: {', '.join(chosen) or 'none'}"
        raise SettingError(said, "instance_ids")
    if config.divisor is not None:
        if given is None:
            said = "instance_ids: a divisor needs a taxonomy; write taxonomy.yaml, or give --taxonomy"
            raise SettingError(said, "instance_ids", "divisor")
        if not 1 <= config.divisor <= _MAX_DIVISOR:
            said = f"instance_ids: divisor is {config.divisor}; it is 1000, 256 …"
            raise SettingError(said, "instance_ids", "divisor")
        return given, partial(by_divisor, given, config, _void(given, config))
    if config.category is not None:
        taxonomy = given or _single(config)
        return taxonomy, partial(by_category, _category(taxonomy, config.category), config, _void(taxonomy, config))
    table = load_id_table(_folder(request.root) / str(config.table))
    taxonomy = given or _named_in(table, config)
    return taxonomy, partial(by_table, table, taxonomy, config, _void(taxonomy, config))


def _folder(root: Path) -> Path:
    return root if root.is_dir() else root.parent


def _void(taxonomy: Taxonomy, config: InstanceIds) -> int | None:
    """The category of `instance_ids.void`: of that id, else the first of kind void; raises where there is none."""
    if config.void is None:
        return None
    if config.void in taxonomy.void_ids or not taxonomy.void_ids:
        if not taxonomy.void_ids:
            said = f"instance_ids: void is {config.void}, but the taxonomy has no category of kind void"
            raise SettingError(said, "instance_ids", "void")
        return config.void
    return taxonomy.void_ids[0]


def _single(config: InstanceIds) -> Taxonomy:
    """A taxonomy of the one category that segdata.yaml names, and void."""
    if isinstance(config.category, int):
        said = f"instance_ids: category {config.category} is an id; without a taxonomy give a name"
        raise SettingError(said, "instance_ids", "category")
    one = (Category(id=1, name=str(config.category)),)
    return Taxonomy(categories=one + _made_up_void(config, {1}))


def _made_up_void(config: InstanceIds, taken: set[int]) -> tuple[Category, ...]:
    if config.void is None:
        return ()
    number = config.void if config.void not in taken else max(taken) + 1
    return (Category(id=number, name="void", kind="void"),)


def _category(taxonomy: Taxonomy, named: str | int) -> Category:
    found = taxonomy.by_id().get(named) if isinstance(named, int) else taxonomy.by_name().get(named)
    if found is None:
        near = taxonomy.nearest(str(named)) or [category.name for category in taxonomy.categories[:5]]
        said = f"instance_ids: category {named!r} is not in the taxonomy; it has {', '.join(near)}"
        raise SettingError(said, "instance_ids", "category")
    return found


def _named_in(table: IdTable, config: InstanceIds) -> Taxonomy:
    """A taxonomy of the names in a side table, in order of their appearance."""
    names = dict.fromkeys(table.category)
    categories = tuple(Category(id=number, name=name) for number, name in enumerate(names, 1))
    return Taxonomy(categories=categories + _made_up_void(config, {category.id for category in categories}))
