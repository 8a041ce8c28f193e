"""Heads: the targets that a network learns per pixel, their losses, and the instances that follow from its output.

Two heads share one trunk: the category, 0 for unlabelled; and, for data with instances, whether a pixel is outside (0),
inside (1) or on the edge (2) of an instance. The edge is the outermost pixel of every instance, so the insides of
instances that touch are two pixels apart. docs/results/flag.md compares this with centres and offsets. Pixels whose
target is -1 (void, outside of the image) do not count in the losses.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from segdata.core import kernels
from segdata.core.runs import Runs
from segdata.noise.networks.plan import TrainingPlan
from segdata.noise.networks.predictions import EDGE, PredictedInstances

Probabilities = NDArray[np.float16] | NDArray[np.float32]
_MIN_INSTANCE = 0.5


@dataclass(frozen=True, slots=True)
class TrainingTargets:
    """The targets of training.

    Attributes
    ----------
    categories : (B, H, W) int64, the channel of each pixel; -1: counts for nothing
    contours : (B, H, W) int64, 0 to 2; -1: counts for nothing; None without separate instances
    """

    categories: Tensor
    contours: Tensor | None


def training_targets(owners: Tensor, classes: Tensor, things: Tensor, *, instances: bool) -> TrainingTargets:
    """The targets of crops whose segments are painted.

    Parameters
    ----------
    owners : (B, H, W) the number of the segment from 1; 0: none, -1: outside of the image
    classes : (B, n) the channel of each segment; -1: void
    things : (B, n) 1 for an instance, 0 for what is none, -1 for what may be several
    """
    categories = _lookup(owners, classes)
    if not instances:
        return TrainingTargets(categories, None)
    inside = _lookup(owners, things)
    edge = torch.zeros_like(owners, dtype=torch.bool)
    for axis in (1, 2):
        differs = owners.diff(dim=axis) != 0
        differs &= (owners.narrow(axis, 1, owners.shape[axis] - 1) >= 0) & (
            owners.narrow(axis, 0, owners.shape[axis] - 1) >= 0
        )
        edge.narrow(axis, 1, owners.shape[axis] - 1).logical_or_(differs)
        edge.narrow(axis, 0, owners.shape[axis] - 1).logical_or_(differs)
    return TrainingTargets(categories, torch.where((inside == 1) & edge, EDGE, inside))


def _lookup(owners: Tensor, values: Tensor) -> Tensor:
    """(B, H, W) the value of each pixel's segment; 0 where there is none, -1 outside of the image."""
    first = torch.tensor([[-1, 0]], device=values.device).expand(len(values), 2)
    table = torch.cat([first, values], dim=1)  # (B, n + 2)
    return torch.gather(table, 1, (owners + 1).flatten(1)).reshape(owners.shape)


def instances_of(
    categories: Probabilities,
    contours: NDArray[np.float32] | None,
    channel_ids: NDArray[np.int64],
    is_thing: NDArray[np.bool_],
    least_area: int,
) -> PredictedInstances:
    """The instances in an image.

    Parameters
    ----------
    categories : (K, height, width) probabilities
    contours : (3, height, width) probabilities; None: connected pixels of one category are an instance
    channel_ids, is_thing : (K - 1,) the category id of channels 1, 2, …, and whether it has instances
    least_area : in pixels; smaller ones are left out

    Each connected region that is rather inside than edge is the seed of an instance, and the watershed of the
    probability of edges divides the rest. An instance has the category that is most probable over its pixels.
    """
    thing_channels = np.flatnonzero(is_thing) + 1
    if contours is None:
        labels = _by_category(categories, thing_channels)
        probable = categories[thing_channels].max(axis=0, initial=0)
    else:
        probable = 1 - contours[0]
        labels = _watershed(contours, probable)
    area = np.bincount(labels.ravel())
    is_kept = area >= least_area
    is_kept[:1] = False
    number = np.where(is_kept, np.cumsum(is_kept), 0).astype(np.int32)
    return _measure_instances(number[labels], categories, probable, thing_channels, channel_ids)


def _by_category(categories: Probabilities, thing_channels: NDArray[np.int64]) -> NDArray[np.int32]:
    """Connected pixels of one category, numbered from 1."""
    best = categories.argmax(axis=0)
    labels = np.zeros(best.shape, np.int32)
    n = 0
    for channel in thing_channels.tolist():
        parts, n_parts = ndimage.label(best == channel)
        labels = np.where(parts > 0, parts + n, labels).astype(np.int32)
        n += n_parts
    return labels


def _watershed(contours: NDArray[np.float32], probable: NDArray[np.float32]) -> NDArray[np.int32]:
    """Instances numbered from 1, 0 elsewhere."""
    from skimage.segmentation import watershed

    mask = probable > _MIN_INSTANCE
    seeds, n = ndimage.label(mask & (contours[1] > contours[EDGE]))
    regions, _ = ndimage.label(mask)
    seeded = np.bincount(regions.ravel(), seeds.ravel() > 0) > 0
    alone = mask & ~seeded[regions]  # too small to have an inside
    seeds = np.where(alone, regions + n, seeds)
    # A byte for the height: equal ones are flooded from all sides at once, and the sorting is much faster.
    height = (255 * (1 - contours[1])).astype(np.uint8)
    labels: NDArray[np.int32] = watershed(height, seeds, mask=mask).astype(np.int32)  # type: ignore[no-untyped-call]  # no types
    return labels


def _measure_instances(
    labels: NDArray[np.int32],
    categories: Probabilities,
    probable: NDArray[np.float32],
    thing_channels: NDArray[np.int64],
    channel_ids: NDArray[np.int64],
) -> PredictedInstances:
    """Runs, category and score of instances that are numbered from 1."""
    n = int(labels.max(initial=0))
    start, length, value = kernels.label_runs(labels)
    inside = value > 0
    runs = Runs(start[inside], length[inside], (value[inside] - 1).astype(np.int32)).sorted_by_owner(n)
    flat = labels.ravel()
    pixels = np.flatnonzero(flat)
    owner = flat[pixels] - 1
    area = np.maximum(np.bincount(owner, minlength=n), 1)
    means = np.array([np.bincount(owner, categories[channel].ravel()[pixels], n) / area for channel in thing_channels])
    if not len(thing_channels) or not n:
        return PredictedInstances(Runs.empty(), np.empty(0, np.int64), np.empty(0, np.float32))
    best = means.argmax(axis=0)
    share = means.max(axis=0) / np.maximum(means.sum(axis=0), 1e-9)
    score = np.bincount(owner, probable.ravel()[pixels], n) / area * share
    return PredictedInstances(runs, channel_ids[thing_channels[best] - 1], score.astype(np.float32))


def segmentation_loss(logits: Tensor, target: Tensor, weights: Tensor, plan: TrainingPlan) -> Tensor:
    """Cross-entropy, or focal loss, plus `plan.dice` times the soft Dice loss.

    Parameters
    ----------
    logits : (B, K, H, W)
    target : (B, H, W) int64; -1: does not count
    weights : (K,) of the categories

    Source: Lin et al. (2017), ICCV, 2980-2988 (focal, gamma 2); Milletari et al. (2016), 3DV, 565-571 (Dice).
    """
    is_labelled = target >= 0
    n_categories = logits.shape[1]
    # One-hot products and no gather: their gradients are the same in every run on CUDA, too.
    one_hot = functional.one_hot(target.clamp(min=0), n_categories).movedim(-1, 1).to(logits.dtype)  # (B, K, H, W)
    one_hot = one_hot * is_labelled[:, None]
    log_p = functional.log_softmax(logits, dim=1)
    smoothed = one_hot * (1 - plan.smoothing) + is_labelled[:, None] * (plan.smoothing / n_categories)
    if plan.loss == "focal":
        log_p = log_p * (1 - log_p.exp()) ** 2
    weight = (one_hot * weights[None, :, None, None]).sum(1)  # (B, H, W)
    entropy = -(smoothed * log_p).sum(1) * weight
    pixels = entropy.sum() / weight.sum().clamp(min=1)
    return pixels + plan.dice * _dice(logits.softmax(1) * is_labelled[:, None], one_hot)


def _dice(p: Tensor, one_hot: Tensor) -> Tensor:
    """1 - soft Dice, mean over the categories that occur in the batch."""
    shared, total, n = ((tensor).sum((0, 2, 3)) for tensor in (p * one_hot, p + one_hot, one_hot))
    occurs = n > 0
    lost = 1 - (2 * shared + 1) / (total + 1)
    return torch.where(occurs, lost, 0).sum() / occurs.sum().clamp(min=1)


def label_doubt(logits: Tensor, target: Tensor) -> Tensor:
    """(B, K) mean of 1 - p(label) over the pixels of each category; NaN where there are none that count.

    What training is judged by. Unlike cross-entropy it is bounded, so a wrong label that the network contradicts
    firmly costs no more than one that it doubts; under symmetric noise the network that is best by it on noisy labels
    is best by it on clean ones.
    Source: Ghosh, Kumar and Sastry (2017), "Robust Loss Functions under Label Noise", AAAI, 1919-1925.
    """
    one_hot = functional.one_hot(target.clamp(min=0), logits.shape[1]).movedim(-1, 1) * (target >= 0)[:, None]
    n = one_hot.sum((2, 3))  # (B, K)
    lost = (one_hot * (1 - logits.softmax(1))).sum((2, 3)) / n.clamp(min=1)
    return torch.where(n > 0, lost, torch.nan)


def typical_doubt(doubts: Tensor) -> float:
    """How bad a network is by `label_doubt` (B, K): the mean over categories of the median over images; NaN of none.

    The median keeps single wrong masks out. It is taken of each category by itself, as most crops may show nothing of
    those that are rare, and a network that has not begun to see these would be the best.
    """
    return doubts.nanmedian(0).values.nanmean().item()
