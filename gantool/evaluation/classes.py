"""The score of each class, and of each class by its own samples."""

from __future__ import annotations

import torch

from gantool.evaluation.result import ClassScore, ConditionalClassScore, ConditionalScore
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
) -> tuple[ConditionalScore | None, list[str]]:
    """log p(x | y) of rows [N, D] under the window's samples of their own class, and what must be said of it.

    None where either has no labels (on the CPU, [N] and [M]).
    """
    if labels is None or sample_labels is None:
        return None, []
    per_class, parts, missing = [], [], []
    for label in sorted(set(labels.tolist())):
        rows = scored[(labels == label).to(scored.device)]
        own = (sample_labels == label).nonzero().squeeze(1).to(window.samples.device)
        if len(own) == 0:
            missing.append(str(label))
            continue
        values = window.part(own).log_densities(rows, [sigma])[0]
        per_class.append(ConditionalClassScore(label, len(rows), len(own), *mean_and_error(values)))
        parts.append(values)
    if not missing:
        return ConditionalScore(*mean_and_error(torch.cat(parts)), tuple(per_class)), []
    warning = f"There are no samples of class {', '.join(missing)}: its rows have no class-conditional score."
    return ConditionalScore(None, None, tuple(per_class)), [warning]
