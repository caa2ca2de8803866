"""What must be said beside a Parzen score, in one place and last: every question is answered by then."""

from __future__ import annotations

import torch

from gantool.evaluation import warnings as checks
from gantool.evaluation.parzen.result import ParzenResult
from gantool.evaluation.parzen.target import Target
from gantool.evaluation.roles import shared_roles
from gantool.numerics.density import Choice


def warnings_of(
    found: ParzenResult, choice: Choice, samples: torch.Tensor, target: Target, *, given: bool
) -> list[str]:
    """Everything that must be said beside a score and its references, the gravest first.

    `samples` [N, D] were scored, and `given` says whether sigma was given or searched.
    """
    said = []
    sigmas = [point.sigma for point in choice.curve]
    if not given:
        said += checks.grid_end(sigmas, sigmas.index(choice.sigma))
    elif choice.curve:
        at_sigma = choice.curve[sigmas.index(choice.sigma)].log_likelihood
        best = choice.best
        said += checks.far_sigma(choice.sigma, at_sigma, best.sigma, best.log_likelihood, target.dimension)
    else:
        said += checks.unsearched(choice.sigma)
    said += checks.below_gaussian(found.log_likelihood, samples, target.scored)
    if gap := found.train_gap:
        said += checks.memorised(gap.gap, gap.standard_error, target.dimension, gap.rows)
        said += checks.favoured(gap.gap, gap.standard_error, gap.rows)
    said += shared_roles(
        {
            "samples": samples,
            "rows scored": target.scored,
            "rows that choose sigma": target.selection,
            "training rows": target.train,
        }
    )
    said += checks.scaling(samples, "samples", target.scored, "data")
    said += checks.sample_count(found.num_samples)
    said += checks.duplicates(samples)
    said += _classes_without_samples(found)
    said += target.warnings
    images, centroids = found.references.training_images, found.references.kmeans_centroids
    if images and centroids:
        said += checks.reference_counts(images.num_samples, centroids.num_samples, found.num_samples)
    return said


def _classes_without_samples(found: ParzenResult) -> list[str]:
    if found.class_conditional is None or found.class_conditional.log_likelihood is not None:
        return []
    having = {line.label for line in found.class_conditional.per_class}
    missing = [str(line.label) for line in found.per_class if line.label not in having]
    return [f"There are no samples of class {', '.join(missing)}: its rows have no class-conditional score."]
