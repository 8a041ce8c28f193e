"""Expression: a condition over columns, in a small part of Python's syntax, as Arrow evaluates it. Nothing is executed.

Columns by name, numbers, texts, True, False and None; ``== != < <= > >=``, also chained; ``in`` and ``not in`` a list;
``and or not``; ``+ - * /``; ``metadata["key"]`` and ``attributes["key"]``; ``matches(text, "regular expression")`` and
``number(text)``. Where a value is not known nothing is true of it but ``== None``.
"""

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.config import nearest
from segdata.core.errors import SegdataError

Value = Any  # an Arrow array, or a plain constant; pyarrow has no types
Columns = Callable[[str], Value]
_COMPARED: Mapping[type[ast.cmpop], Callable[[Value, Value], Value]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
_COMPUTED: Mapping[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: pc.add,
    ast.Sub: pc.subtract,
    ast.Mult: pc.multiply,
    ast.Div: lambda a, b: pc.divide(_floats(a), _floats(b)),
}
_MAPS = ("metadata", "attributes")
_FUNCTIONS = ("matches", "number")


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition.

    Attributes
    ----------
    text : as it was written
    columns : the names that it uses; of a key, ``attributes["colour"]``, that of the map
    """

    text: str
    columns: frozenset[str]
    _tree: ast.expr

    @staticmethod
    def parse(text: str, known: list[str]) -> "Expression":
        """The condition that `text` says over the columns `known`; raises SegdataError that says what is wrong."""
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            said = getattr(error, "msg", None) or error
            raise SegdataError(f"where {text!r}: {said}") from error
        named: set[str] = set()
        _check(tree, known, named, text)
        return Expression(text, frozenset(named), tree)

    def holds(self, columns: Columns, n: int) -> pa.Array:
        """(n,) where the condition is true; `columns` gives each column, a map as the texts of ``name[key]``.

        Raises SegdataError where columns are compared with what they are not, such as a text with a number.
        """
        try:
            found = _evaluated(self._tree, columns)
            if not isinstance(found, pa.Array):  # constants alone
                one = found if isinstance(found, pa.Scalar) else pa.scalar(found)
                found = pa.array([one.as_py()] * n, one.type)
            if not pa.types.is_boolean(found.type):
                raise SegdataError(f"where {self.text!r}: is no condition, it gives {found.type}")
        except (pa.ArrowException, TypeError, AttributeError) as error:
            raise SegdataError(f"where {self.text!r}: cannot be evaluated: {str(error).splitlines()[0]}") from error
        return pc.fill_null(found, False)


def _check(node: ast.AST, known: list[str], named: set[str], text: str) -> None:
    """Add the names of columns in a tree; raises SegdataError for anything that is not of the language."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return
        case ast.Name(id=name) if name in known:
            if name in _MAPS:
                raise SegdataError(f'where {text!r}: write {name}["key"]')
            named.add(name)
        case ast.Name(id=name):
            raise SegdataError(f"where {text!r}: no column {name!r}{nearest(name, known) or '; ' + ', '.join(known)}")
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str())) if name in _MAPS:
            named.add(name)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            second = args[1] if len(args) == 2 else None
            if len(args) != (2 if name == "matches" else 1) or (
                name == "matches" and not (isinstance(second, ast.Constant) and isinstance(second.value, str))
            ):
                raise SegdataError(f'where {text!r}: write matches(text, "regular expression") or number(text)')
            _check(args[0], known, named, text)
        case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                _check(part, known, named, text)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=part):
            _check(part, known, named, text)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _COMPUTED:
            _check(left, known, named, text)
            _check(right, known, named, text)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(map(_is_known, ops, others)):
            for part in (left, *others):
                _check(part, known, named, text)
        case _:
            what = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise SegdataError(f"where {text!r}: {what!r} is not of this language; see `segdata filter --help`")


def _is_known(op: ast.cmpop, other: ast.expr) -> bool:
    """Whether a comparison is of the language: `in` needs a list of constants."""
    if isinstance(op, (ast.In, ast.NotIn)):
        return isinstance(other, (ast.List, ast.Tuple)) and all(isinstance(each, ast.Constant) for each in other.elts)
    return type(op) in _COMPARED


def _evaluated(node: ast.expr, columns: Columns) -> Value:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return columns(name)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
            return columns(f"{name}[{key}]")
        case ast.Call(func=ast.Name(id="matches"), args=[text, ast.Constant(value=pattern)]):
            return pc.match_substring_regex(_evaluated(text, columns), pattern)
        case ast.Call(args=[text]):
            return _numbers(_evaluated(text, columns))
        case ast.BoolOp(op=op, values=parts):
            join = pc.and_kleene if isinstance(op, ast.And) else pc.or_kleene
            found = _evaluated(parts[0], columns)
            for part in parts[1:]:
                found = join(found, _evaluated(part, columns))
            return found
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return pc.invert(_evaluated(part, columns))
        case ast.UnaryOp(operand=part):
            value = _evaluated(part, columns)
            return -value if isinstance(value, (int, float)) else pc.negate(value)
        case ast.BinOp(left=left, op=op, right=right):
            return _COMPUTED[type(op)](_evaluated(left, columns), _evaluated(right, columns))
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [left, *others]
            found = [_compared(a, op, b, columns) for a, op, b in zip(sides[:-1], ops, sides[1:], strict=True)]
            result = found[0]
            for each in found[1:]:
                result = pc.and_kleene(result, each)
            return result
    raise AssertionError(node)  # `_check` lets nothing else pass


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr, columns: Columns) -> Value:
    a = _evaluated(left, columns)
    if isinstance(op, (ast.In, ast.NotIn)):
        assert isinstance(right, (ast.List, ast.Tuple))
        wanted = [_as(a, each.value) for each in right.elts if isinstance(each, ast.Constant)]
        found = pc.is_in(a, value_set=pa.array(wanted).cast(a.type) if wanted else pa.array([], a.type))
        return found if isinstance(op, ast.In) else pc.and_(pc.invert(found), pc.is_valid(a))
    b = _evaluated(right, columns)
    if a is None or b is None:
        value = b if a is None else a
        return pc.is_null(value) if isinstance(op, ast.Eq) else pc.is_valid(value)
    if isinstance(op, (ast.Eq, ast.NotEq)):
        a, b = _as(b, a), _as(a, b)
    return _COMPARED[type(op)](a, b)


def _as(column: Value, constant: Value) -> Value:
    """A constant as a text column holds it: what is no text is JSON there, as in metadata and attributes."""
    text = isinstance(column, (pa.Array, pa.ChunkedArray)) and pa.types.is_string(column.type)
    return json.dumps(constant) if text and isinstance(constant, (bool, int, float)) else constant


def _floats(value: Value) -> Value:
    return float(value) if isinstance(value, (int, float)) else value.cast(pa.float64())


def _numbers(value: Value) -> Value:
    """Texts as numbers, null where they are none."""
    if not pa.types.is_string(value.type):
        return value.cast(pa.float64())
    is_number = pc.match_substring_regex(value, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    return pc.if_else(is_number, value, pa.scalar(None, pa.string())).cast(pa.float64())
