"""Sent: what was given to an annotation tool, so that what comes back is known again, in a file that only grows."""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import msgspec

from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.review import lines, log

NAME = "review.sent.jsonl"


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """A segment that was sent: the key that it carries, its id, and its imprint then."""

    key: str
    id: int | str
    imprint: str


class Question(msgspec.Struct, frozen=True):
    """A finding that was sent: the key that its box carries, and the imprint of the labels that it speaks of."""

    key: str
    finding: Finding
    imprint: str


class Sent(msgspec.Struct, frozen=True):
    """One annotation that was sent."""

    image: str
    annotator: str | None
    segments: tuple[Segment, ...]
    questions: tuple[Question, ...] = ()

    @property
    def keys(self) -> set[str]:
        """All keys in it."""
        return {each.key for each in self.segments} | {each.key for each in self.questions}


_DECODER = msgspec.json.Decoder(Sent)


def key_of(*words: object) -> str:
    """A short key of what is said of a thing: 16 hexadecimal digits."""
    return blake2b("\0".join(map(str, words)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def beside(path: Path) -> Path:
    """Where it is: beside the log of the dataset's decisions."""
    return path.with_name(path.name.removesuffix(log.NAME) + NAME)


def append(path: Path, sent: Iterable[Sent]) -> None:
    """Note what was sent; what is noted already is not noted twice."""
    known = {line for _, line in lines.read(path)[0]}
    lines.append(path, [line for each in sent if (line := msgspec.json.encode(each)) not in known])


def read(path: Path) -> list[Sent]:
    """All that was sent, the first first; raises SegdataError, with file and line, for a damaged line."""
    found = []
    for number, line in lines.read(path)[0]:
        try:
            found.append(_DECODER.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SegdataError(f"{path}:{number}: is damaged: {error}; delete the line") from error
    return found
