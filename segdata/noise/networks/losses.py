"""Losses: what training makes small, and what it is judged by."""

import torch
from torch import Tensor
from torch.nn import functional

from segdata.noise.networks.plan import TrainingPlan


def segmentation_loss(logits: Tensor, target: Tensor, weights: Tensor, plan: TrainingPlan) -> Tensor:
    """The loss that the plan names: of pixels (cross-entropy or focal), soft Dice, or pixels + `plan.dice` times Dice.

    Parameters
    ----------
    logits : (B, K, H, W)
    target : (B, H, W) int64; -1: does not count
    weights : (K,) of the categories, in the loss of pixels

    Source: Lin et al. (2017), ICCV, 2980-2988 (focal, gamma 2); Milletari et al. (2016), 3DV, 565-571 (Dice).
    """
    is_labelled = target >= 0
    n_categories = logits.shape[1]
    # One-hot products and no gather: their gradients are the same in every run on CUDA, too.
    one_hot = functional.one_hot(target.clamp(min=0), n_categories).movedim(-1, 1).to(logits.dtype)  # (B, K, H, W)
    one_hot = one_hot * is_labelled[:, None]
    pixel, _, region = plan.loss.partition("+")
    if pixel == "dice":
        return _dice(logits.softmax(1) * is_labelled[:, None], one_hot)
    log_p = functional.log_softmax(logits, dim=1)
    smoothed = one_hot * (1 - plan.smoothing) + is_labelled[:, None] * (plan.smoothing / n_categories)
    if pixel == "focal":
        log_p = log_p * (1 - log_p.exp()) ** 2
    weight = (one_hot * weights[None, :, None, None]).sum(1)  # (B, H, W)
    entropy = -(smoothed * log_p).sum(1) * weight
    of_pixels = entropy.sum() / weight.sum().clamp(min=1)
    return of_pixels + plan.dice * _dice(logits.softmax(1) * is_labelled[:, None], one_hot) if region else of_pixels


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
