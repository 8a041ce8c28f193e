"""Counted: numbers with their nouns, for messages."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """The number and the noun in the right form.

    >>> counted(1, "part"), counted(12345, "part"), counted(2, "category"), counted(2, "vertex", "vertices")
    ('1 part', '12,345 parts', '2 categories', '2 vertices')
    """
    several = plural or (f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s")
    return f"{number:,} {noun if number == 1 else several}"
