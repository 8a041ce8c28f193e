"""Method: how a consensus is made."""

from dataclasses import dataclass
from typing import Literal

from segdata.core.errors import SegdataError, check_choice
from segdata.core.profile import Task

Name = Literal["majority", "staple", "instances"]
CHOICES = ("auto", "majority", "staple", "instances")


@dataclass(frozen=True, slots=True)
class Method:
    """How a consensus is made.

    Attributes
    ----------
    name : ``majority`` and ``staple`` decide pixel by pixel; ``instances`` decides things one by one, and by majority
        the pixels of all else
    least : the share of annotators (STAPLE: the probability) that a decision must exceed, from 0.5 up to 1
    """

    name: Name = "majority"
    least: float = 0.5

    @staticmethod
    def of(name: str, task: Task, least: float = 0.5) -> "Method":
        """The method of one of `CHOICES`; ``auto`` is majority for semantic data, and instances for all other.

        Raises SegdataError for other names, for a `least` that is no majority, and for instances of semantic data.
        """
        check_choice("method", name, CHOICES)
        if not 0.5 <= least < 1:
            raise SegdataError(f"min_support {least:g}: is 0.5 or more, and less than 1")
        if name == "instances" and task == "semantic":
            raise SegdataError("method 'instances': semantic data have none; choose majority or staple")
        if name == "auto":
            return Method("majority" if task == "semantic" else "instances", least)
        return Method("staple" if name == "staple" else "majority" if name == "majority" else "instances", least)


MAJORITY = Method()
