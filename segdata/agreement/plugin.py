"""The API for metrics of third parties: import everything that a metric needs from here.

`docs/add_a_metric.md` shows a complete metric. A package names its modules of metrics under the entry point group
`segdata.metrics`; `segdata agreement` then computes each metric for every pair of annotators, with an interval, and
shows it in its reports under the metric's name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from segdata.core.config import DISTANCES, Metric, did_you_mean, registered_metrics
from segdata.core.errors import SegdataError
from segdata.core.rule_settings import load_metrics

__all__ = ["AMOUNTS", "API_VERSION", "AgreementMetric", "Floats", "find_metric", "installed_metrics", "metric"]

API_VERSION = 1
"""Rises when a name is removed or changes its meaning, or an amount goes; names that are added leave it as it is."""

Floats = NDArray[np.float64]
AMOUNTS: Mapping[str, str] = {
    "both": "pixels to which A and B both give the category",
    "area_a": "pixels to which A gives the category",
    "area_b": "pixels to which B gives the category",
    "pixels": "all pixels that count, of any category or none",
    "tp": "segments of the category that both have: matched with an IoU above 0.5",
    "fp": "segments that only B has",
    "fn": "segments that only A has",
    "iou_sum": "sum of the IoU of the matched segments",
}
"""The inputs of metrics: sums over the images that both annotators annotated, without what either calls void."""


@dataclass(frozen=True, slots=True)
class AgreementMetric:
    """A metric of the agreement of two annotators.

    Attributes
    ----------
    name : the name in reports, such as ``volumetric_similarity``
    takes : names of `AMOUNTS`: the arguments of `function`
    higher_is_better : whether annotators who agree more have a higher value
    source : the publication that defines the metric
    function : takes arrays (B, n_categories) by name, of B weightings of the images (`pixels` is (B, 1)); returns the
        values (B, n_categories) of each category, NaN where undefined
    """

    name: str
    takes: tuple[str, ...]
    higher_is_better: bool
    source: str
    function: Callable[..., Floats]

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]

    def category_values(self, amounts: Mapping[str, Floats]) -> Floats:
        """(B, n_categories) the values from amounts (B, n_categories).

        Raises ValueError where the function returns another shape.
        """
        arguments = {name: amounts[name] for name in self.takes}
        values = np.asarray(self.function(**arguments), np.float64)
        expected = np.broadcast_shapes(*(amount.shape for amount in arguments.values()))
        if values.shape != expected:
            raise ValueError(f"metric {self.name}: it returned {values.shape}, values of {expected} are needed")
        return values


_REGISTRY: dict[str, AgreementMetric] = {}
_OWN_METRICS = "segdata.agreement.metrics."
# Figures that have fields of their own in reports, whether or not the modules that register them are loaded yet.
_OWN_NAMES = frozenset({"iou", "dice", "nsd", "kappa", "iou_micro", "dice_micro", "pq", "sq", "rq", "f1", "prevalence"})


def metric(
    name: str, *, takes: Sequence[str], higher_is_better: bool, source: str
) -> Callable[[Callable[..., Floats]], Callable[..., Floats]]:
    """Register a function as a metric; see `AgreementMetric` for the parameters.

    Raises ValueError for a name that is no identifier or is taken by another function, and for unknown amounts.
    """
    unknown = [amount for amount in takes if amount not in AMOUNTS]
    if unknown or not takes:
        raise ValueError(f"metric {name}: takes {', '.join(takes) or 'nothing'}; there are: {', '.join(AMOUNTS)}")
    if not name.isidentifier():
        raise ValueError(f"metric {name!r}: the name must be an identifier, as it is a key of the JSON report")

    def register(function: Callable[..., Floats]) -> Callable[..., Floats]:
        if name in _OWN_NAMES and not function.__module__.startswith(_OWN_METRICS):
            raise ValueError(f"metric {name}: reports have a figure of segdata's own under this name; choose another")
        namesake = _REGISTRY.get(name)
        if namesake is not None and namesake.function.__module__ != function.__module__:
            raise ValueError(f"metric {name}: {namesake.function.__module__} registers this name already")
        if name not in _OWN_NAMES:
            registered_metrics.add(name)
        _REGISTRY[name] = AgreementMetric(name, tuple(takes), higher_is_better, source, function)
        return function

    return register


def installed_metrics() -> dict[str, AgreementMetric]:
    """The metrics without fields of their own in reports, by name: those of third parties, and ours that are like them.

    The modules behind the entry points `segdata.metrics` register them.
    """
    load_metrics()
    return {name: metric for name, metric in sorted(_REGISTRY.items()) if name not in _OWN_NAMES}


def find_metric(name: str) -> AgreementMetric:
    """The metric of this name, our own or installed; raises SegdataError with the nearest name if there is none."""
    if name not in _REGISTRY and name not in installed_metrics():
        names = sorted(_REGISTRY)
        raise SegdataError(f"there is no metric {name!r}{did_you_mean(name, names)}; one of: {', '.join(names)}")
    return _REGISTRY[name]


def is_less_better(name: str) -> bool:
    """Whether annotators who agree more have a lower value of a metric that `check_metric` knows."""
    return name in DISTANCES if name in get_args(Metric) else not find_metric(name).higher_is_better
