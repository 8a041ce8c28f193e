"""Small scenes in which rules of sequences and whole datasets find something: what makes their tables, by name."""

from collections.abc import Callable

from segdata.core.rule import Tables

SCENES: dict[str, tuple[str, Callable[[], Tables]]] = {}
