"""Counted: numbers with their nouns, for messages."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """The number and the noun in the right form.

    >>> counted(1, "part"), counted(12345, "part"), counted(2, "category", "categories")
    ('1 part', '12,345 parts', '2 categories')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
