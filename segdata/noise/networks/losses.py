"""Losses: what training minimises, and the doubt by which it is judged."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from segdata.noise.networks.plan import TrainingPlan


def segmentation_loss(logits: Tensor, target: Tensor, weights: Tensor, plan: TrainingPlan) -> Tensor:
    """The loss of the plan: of pixels (cross-entropy or focal), soft Dice, or pixels + `plan.dice` times Dice.

    Soft Dice is 1 less the mean over the categories that occur in the batch.

    Parameters
    ----------
    logits : (B, K, H, W)
    target : (B, H, W) int64; -1: does not count
    weights : (K,) of the categories, in the loss of pixels

    Source: Lin et al. (2017), ICCV, 2980-2988 (focal, gamma 2); Milletari et al. (2016), 3DV, 565-571 (Dice).
    """
    pixel, _, region = plan.loss.partition("+")
    loss: Tensor = _Loss.apply(  # type: ignore[no-untyped-call]  # torch has no type for it
        logits.transpose(0, 1).flatten(1), target.flatten(), weights, pixel, plan.smoothing,
        1.0 if pixel == "dice" else plan.dice if region else 0.0,
    )  # fmt: skip
    return loss


class _Loss(torch.autograd.Function):
    """`segmentation_loss`, which computes its gradient with its value.

    Automatic gradients keep many arrays of all categories and visit each again: with 50 categories that takes twice
    as long. No sum depends on the order of threads, not even on CUDA.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, weights: Tensor, pixel: str, smoothing: float, dice: float
    ) -> Tensor:
        """Compute the loss of logits (K, N) and targets (N,); Any: torch's own context, which has no public type."""
        n_categories, is_labelled, own = len(logits), target >= 0, target.clamp(min=0)
        log_p = functional.log_softmax(logits, 0)
        p = log_p.exp()
        is_own = target == torch.arange(n_categories, device=logits.device)[:, None]  # (K, N)
        loss, gradient = logits.new_zeros(()), torch.zeros_like(p)
        if pixel != "dice":
            weight = torch.where(is_labelled, weights[own], 0)
            share = weight / weight.sum().clamp(min=1)
            value = log_p if pixel == "ce" else log_p * (1 - p) ** 2
            rest = smoothing / n_categories
            loss = -(((1 - smoothing) * value.gather(0, own[None])[0] + rest * value.sum(0)) * share).sum()
            slope = torch.where(is_own, rest + 1 - smoothing, rest)  # of the value by log_p
            if pixel == "focal":
                slope *= (1 - p) ** 2 - 2 * p * (1 - p) * log_p
            gradient = (p * slope.sum(0)).sub_(slope).mul_(share)
        if dice:
            n = is_own.sum(1)
            total, shared = p @ is_labelled.to(p.dtype) + n, torch.where(is_own, p, 0).sum(1)
            occurs = (n > 0) * (dice / (n > 0).sum().clamp(min=1))
            loss = loss + (occurs * (1 - (2 * shared + 1) / (total + 1))).sum()
            of_total, of_own = occurs * (2 * shared + 1) / (total + 1) ** 2, 2 * occurs / (total + 1)
            gain = p.gather(0, own[None])[0] * of_own[own]
            slope = p * (of_total[:, None] - (of_total @ p - gain))
            gradient += slope.sub_(torch.where(is_own, gain, 0)).mul_(is_labelled)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient with respect to the logits."""
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0], None, None, None, None, None


def label_doubt(logits: Tensor, target: Tensor) -> Tensor:
    """(B, K) mean of 1 - p(label) over the pixels of each category; NaN if none count.

    It judges the training. Unlike cross-entropy it is bounded, so a wrong label that the network contradicts
    firmly costs no more than one that it doubts; under symmetric noise the network that is best by it on noisy labels
    is best by it on clean ones.
    Source: Ghosh, Kumar and Sastry (2017), "Robust Loss Functions under Label Noise", AAAI, 1919-1925.
    """
    is_own = target[:, None] == torch.arange(logits.shape[1], device=target.device)[:, None, None]
    n = is_own.sum((2, 3))  # (B, K)
    lost = torch.where(is_own, 1 - logits.softmax(1), 0).sum((2, 3)) / n.clamp(min=1)
    return torch.where(n > 0, lost, torch.nan)


def typical_doubt(doubts: Tensor) -> float:
    """A network's doubt, from `label_doubt` (B, K): the mean over categories of the median over images; NaN for none.

    The median ignores single wrong masks. Each category has its own, since most crops may not show the rare ones, and
    a network that has not yet learnt these would seem the best.
    """
    return doubts.nanmedian(0).values.nanmean().item()
