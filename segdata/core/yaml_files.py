"""YAML files that people write: YAML 1.2 booleans, and errors with file and line.

PyYAML is imported where it is needed: a dataset without a file of settings is validated without it.
"""

import difflib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from segdata.core.errors import SegdataError

if TYPE_CHECKING:
    import yaml

T = TypeVar("T")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_INTEGER_BITS = 1024  # Python does not convert far longer numbers to decimal digits


@cache
def _loader() -> "type[yaml.SafeLoader]":
    """A safe loader with YAML 1.2 booleans, so that a category may be called `no`. Duplicate keys are errors."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: dict[Any, int] = {}
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, (list, dict)):
                    raise yaml.constructor.ConstructorError(
                        None, None, "a key must be a single value", key_node.start_mark
                    )
                if key in seen:
                    problem = f"key {key!r} is repeated (first on line {seen[key]})"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
                seen[key] = key_node.start_mark.line + 1
            return super().construct_mapping(node, deep)

        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # Any: whatever the YAML holds
            try:
                value = super().construct_object(node, deep)
                if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
                    raise ValueError("this number has too many digits")
                if isinstance(value, str) and _SURROGATE.search(value):
                    raise ValueError("this text has half of a surrogate pair, which is no character")
                return value
            except ValueError as error:  # 2027-13-45 is no date, and Python reads no number of 5000 digits
                raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
    )
    return Loader


def load_yaml(path: Path, type_: type[T]) -> T:
    """Read a YAML file as `type_` (a msgspec struct); raises SegdataError with file, line and remedy."""
    return parse_yaml(read_utf8(path), type_, str(path))


def read_utf8(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark; raises SegdataError with the reason."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SegdataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SegdataError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except ValueError as error:  # a setting names the file, with a character 0
        raise SegdataError(f"{str(path)!r}: cannot be read: {error}") from error


class YamlLines(msgspec.Struct, frozen=True):
    """The lines of the keys and items in a YAML text; `node` is the root of its tree."""

    node: "yaml.Node | None"

    def line_of(self, *steps: str | int) -> int | None:
        """The line, from 1, of the key or item that `steps` lead to; None if there is none."""
        import yaml

        node, line = self.node, None
        for step in steps:
            if isinstance(node, yaml.MappingNode):
                hit = next(((key, value) for key, value in node.value if key.value == step), None)
                if hit is None:
                    return None
                line, node = hit[0].start_mark.line + 1, hit[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                return None
        return line


def parse_yaml(text: str, type_: type[T], name: str) -> T:
    """Parse YAML text as `type_`; errors call the file `name`."""
    return parse_yaml_with_lines(text, type_, name)[0]


def parse_yaml_with_lines(text: str, type_: type[T], name: str) -> tuple[T, YamlLines]:
    """Like `parse_yaml`, with the same errors; also returns the lines of its keys and items."""
    import yaml

    try:
        node = yaml.compose(text, _loader())
        loader = _loader()("")
        data = {} if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}" if mark else ""
        cut = _unquoted_color(text, mark.line + 1 if mark else None)
        if cut is not None:
            raise SegdataError(f'{name}:{cut[0]}: # begins a comment; quote the colour: "{cut[1]}"') from error
        raise SegdataError(f"{name}{where}: {error.problem}") from error
    except yaml.YAMLError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error, yaml.reader.ReaderError) else 1
        raise SegdataError(f"{name}:{line}: {error}".splitlines()[0]) from error
    except RecursionError as error:
        raise SegdataError(f"{name}: is nested too deeply") from error
    try:
        return msgspec.convert(data, type_, str_keys=True), YamlLines(node)
    except msgspec.ValidationError as error:
        raise SegdataError(_located_message(str(error), data, node, type_, name)) from error


def _unquoted_color(text: str, last: int | None) -> tuple[int, str] | None:
    """The line, up to `last`, and the text of a `#rrggbb` that YAML read as a comment within braces or brackets."""
    for number, line in enumerate(text.splitlines()[:last], 1):
        match = re.match(r"[^#]*[{\[][^#]*:\s+(#[0-9a-fA-F]{6})\b", line)
        if match:
            return number, match[1]
    return None


def dump_yaml(value: object) -> str:
    """Write `value` (a struct or plain data) as YAML text, keys in order, without fields that have their defaults."""
    import yaml

    plain = msgspec.to_builtins(value, str_keys=True)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)


def dump_yaml_line(value: object) -> str:
    """Write plain data as one line of YAML, `{id: 1, name: road}`."""
    import yaml

    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10**9, default_flow_style=True)
    return str(text).rstrip("\n")


def _located_message(message: str, data: Any, node: "yaml.Node | None", type_: type, name: str) -> str:  # Any: YAML
    """A msgspec message with the file, the line, and the nearest known key."""
    text, _, path = message.partition(" - at `")
    steps = _steps(path)
    if "..." in steps:
        position = steps.index("...")
        steps[position] = _wrong_key(data, steps[:position], type_, message)
    lines = YamlLines(node)
    fields, choices = _known_fields(type_, steps)
    if unknown := re.search(r"unknown field `([^`]+)`", text):
        line = lines.line_of(*steps, unknown[1]) or 1
        near = difflib.get_close_matches(unknown[1], fields, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{name}:{line}: unknown key {unknown[1]!r}{hint}"
    line = lines.line_of(*map(_key_text, steps)) or (node.start_mark.line + 1 if node is not None else 1)
    problem = text[:1].lower() + text[1:]
    if "invalid enum value" in problem:
        problem += f"; it is one of: {', '.join(choices)}"
    elif "RFC3339" in problem:
        problem = "not a date; write dates as 2027-01-31"
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
    what = "a key of " if path.startswith("key` in `") else ""
    return f"{name}:{line}: {problem} ({what}{where})" if where else f"{name}:{line}: {problem}"


def _steps(path: str) -> list[Any]:  # Any: keys are whatever YAML has
    """The keys and positions of a msgspec path; "..." stands for any key."""
    steps = re.findall(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]", path.rstrip("`").partition("$")[2])
    return [int(index) if index.isdigit() else key or index for key, index in steps]


def _key_text(step: Any) -> Any:  # Any: as above
    return step if isinstance(step, int) else str(step)


def _wrong_key(data: Any, steps: list[Any], type_: type, message: str) -> Any:  # Any: as above
    """The key of the mapping at `steps` that alone gives the same message."""
    mapping = data
    for step in steps:
        mapping = mapping[step]
    for key, value in mapping.items():
        try:
            msgspec.convert(_with_value(data, steps, {key: value}), type_, str_keys=True)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return key
    return "..."


def _with_value(data: Any, steps: list[Any], value: object) -> Any:  # Any: as above
    """The data with another value at `steps`."""
    if not steps:
        return value
    copy = list(data) if isinstance(data, list) else dict(data)
    copy[steps[0]] = _with_value(data[steps[0]], steps[1:], value)
    return copy


def _known_fields(type_: type, steps: list[Any]) -> tuple[list[str], list[str]]:  # Any: as above
    """The values allowed at `steps`: the fields of structs, and the choices of literals."""
    infos: list[Any] = [msgspec.inspect.type_info(type_)]  # Any: one of msgspec's many sorts of information
    for step in [*steps, None]:
        infos = [part for info in infos for part in getattr(info, "types", [info])]
        if step is None:
            break
        inner = [getattr(info, "item_type", None) or getattr(info, "value_type", None) for info in infos]
        inner += [field.type for info in infos for field in getattr(info, "fields", ()) if field.encode_name == step]
        infos = [info for info in inner if info is not None]
    fields = sorted({field.encode_name for info in infos for field in getattr(info, "fields", ())})
    return fields, [str(value) for info in infos for value in getattr(info, "values", ())]
