"""The score of each class, and of each class by its own samples."""

from __future__ import annotations

import torch

from gantool.evaluation.parzen.result import ClassScore, ConditionalClassScore, ConditionalScore
from gantool.numerics.density import Window, mean_and_error


def class_scores(values: torch.Tensor, labels: torch.Tensor | None) -> tuple[ClassScore, ...]:
    """The log-densities [N] of the scored rows, averaged by their labels [N]; empty without labels."""
    if labels is None:
        return ()
    scores = []
    for label in sorted(set(labels.tolist())):
        own = values[labels == label]
        scores.append(ClassScore(label, len(own), *mean_and_error(own)))
    return tuple(scores)


def conditional_score(
    window: Window,
    scored: torch.Tensor,
    labels: torch.Tensor | None,
    sample_labels: torch.Tensor | None,
    sigma: float,
) -> ConditionalScore | None:
    """log p(x | y) of rows [N, D] under the window's samples of their own class.

    None where either has no labels (on the CPU, [N] and [M]).
    """
    if labels is None or sample_labels is None:
        return None
    per_class, parts = [], []
    classes = sorted(set(labels.tolist()))
    for label in classes:
        rows = scored[(labels == label).to(scored.device)]
        own = (sample_labels == label).nonzero().squeeze(1).to(window.samples.device)
        if len(own) == 0:
            continue
        values = window.part(own).log_densities(rows, [sigma])[0]
        per_class.append(ConditionalClassScore(label, len(rows), len(own), *mean_and_error(values)))
        parts.append(values)
    if len(per_class) < len(classes):
        return ConditionalScore(None, None, tuple(per_class))
    return ConditionalScore(*mean_and_error(torch.cat(parts)), tuple(per_class))
