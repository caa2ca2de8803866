"""What samples are scored by: the rows scored, the rows that sigma is chosen on, and the rows for references."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from gantool.data.dataset import Dataset
from gantool.errors import UsageError
from gantool.evaluation.arrays import Rows
from gantool.evaluation.warnings import overlap, scaling

# Rows of --data of which half can serve as references: with fewer, neither half says much.
_HALVED_ROWS = 100


@dataclass(frozen=True)
class Target:
    """Rows of one data set, float32 or as the user's files hold them, on the CPU.

    `scored` [N, D] are scored; `selection` [V, D] choose sigma; `reference` [R, D] serve as samples that are real, and
    for k-means. The three have no row in common by construction where they come from a data set's splits. `train`
    [T, D] are training rows, for the gap between them and the rows scored; `labels` [N] int64 are the classes of those,
    and `classes` their names where they are no numbers. `reference_scored` [N', D] score the references where they
    cannot be scored by all of `scored`; `reference_origin` says in words what the reference rows are. `pixel_scaling`
    says in words what a value is.
    """

    dataset: str
    split: str
    scored: torch.Tensor
    selection: torch.Tensor | None
    reference: torch.Tensor | None
    pixel_scaling: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    labels: torch.Tensor | None = None
    classes: tuple[str, ...] = ()
    train: torch.Tensor | None = None
    reference_scored: torch.Tensor | None = None
    reference_origin: str = "real training examples"

    @property
    def dimension(self) -> int:
        """D, the number of values in one example."""
        return self.scored.shape[1]

    def to(self, dtype: torch.dtype) -> Target:
        """The same rows in another type."""
        names = ("selection", "reference", "train", "reference_scored")
        others = {name: rows.to(dtype) for name in names if (rows := getattr(self, name)) is not None}
        return replace(self, scored=self.scored.to(dtype), **others)


def target_of_dataset(dataset: Dataset, split: str, validation_rows: int, references: bool) -> Target:
    """The data set's `split`, test or validation; sigma on the first `validation_rows` of its validation rows.

    Validation rows that choose sigma are not scored: with `split` validation the first `validation_rows`, at most
    half of them, choose sigma and the others are scored. Raises UsageError for an empty split.
    """
    if split not in ("test", "validation"):
        raise UsageError(f"--split must be test or validation, but is {split!r}.")
    available, labels = dataset.validation.stored, dataset.split(split).labels
    notes: tuple[str, ...] = ()
    if split == "validation":
        count = min(validation_rows, len(available) // 2)
        scored, labels = available[count:], None if labels is None else labels[count:]
        notes = (f"Sigma is chosen on the first {count:,} validation rows and the other {len(scored):,} are scored.",)
    else:
        count, scored = min(validation_rows, len(available)), dataset.test.stored
    if len(scored) == 0:
        raise UsageError(f"The data set {dataset.name} has no {split} rows to score; choose another --split.")
    train = dataset.values(dataset.train.stored) if len(dataset.train) else None
    return Target(
        dataset=dataset.name,
        split=split,
        scored=dataset.values(scored),
        selection=dataset.values(available[:count]) if count else None,
        reference=train if references else None,
        pixel_scaling="as given" if dataset.divisor == 1 else f"bytes / {dataset.divisor:g}",
        notes=notes,
        warnings=dataset.warnings,
        labels=labels,
        train=train,
    )


def target_of_arrays(
    data: Rows, validation: Rows | None, train: Rows | None, validation_rows: int, references: bool
) -> Target:
    """The user's own arrays: `data` is scored, the first rows of `validation` choose sigma, `train` gives references.

    Without `train` the references come from the validation rows that do not choose sigma, else from `data`. Raises
    UsageError where `validation` is `data` again.
    """
    others = [rows for rows in (validation, train) if rows is not None]
    warnings = []
    for rows in others:
        warnings += scaling(rows.values, f"values of {rows.origin}", data.values, f"values of {data.origin}")
    selection = validation.values[:validation_rows] if validation is not None else None
    if validation is not None and selection is not None:
        warnings += _require_apart(selection, validation.origin, data)
    named = ", ".join(f"{label} is {name}" for label, name in enumerate(data.classes))
    target = Target(
        dataset=data.name,
        split="data",
        scored=data.values,
        selection=selection,
        reference=None,
        pixel_scaling=data.scaling,
        notes=(f"The classes of {data.origin}: {named}.",) if named else (),
        warnings=tuple(warnings),
        labels=data.labels,
        classes=data.classes,
        train=None if train is None else train.values,
    )
    return _with_references(target, None if validation is None else validation.values[validation_rows:], references)


def _require_apart(selection: torch.Tensor, origin: str, data: Rows) -> list[str]:
    shared = overlap(selection, data.values)
    if shared == len(selection):
        raise UsageError(
            f"Every row of {origin} that would choose sigma is also among the rows of {data.origin}, which are scored: "
            f"sigma is never chosen on the rows that are scored; give validation rows of their own."
        )
    if shared == 0:
        return []
    return [
        f"{shared:,} of the {len(selection):,} rows that choose sigma ({origin}) are also among the rows scored: the "
        f"score gains from them."
    ]


def _with_references(target: Target, rest: torch.Tensor | None, wanted: bool) -> Target:
    """Training rows are the references, else the `rest` of the validation rows, else every second row of --data."""
    notes = [*target.notes]
    if target.train is None:
        notes.append("No --train-data FILE was given: whether the samples are memorised training rows cannot be seen.")
    if wanted and target.train is not None:
        target = replace(target, reference=target.train)
    elif wanted and rest is not None and len(rest):
        notes.append(f"The references come from the {len(rest):,} validation rows that do not choose sigma.")
        target = replace(target, reference=rest, reference_origin="validation rows")
    elif wanted and len(target.scored) >= _HALVED_ROWS:
        even, odd = target.scored[0::2], target.scored[1::2]
        notes.append(
            f"The references are made of every second row of --data ({len(odd):,}) and scored by the others; give "
            f"--train-data for references at the score's own number of samples."
        )
        target = replace(target, reference=odd, reference_scored=even, reference_origin="rows of --data")
    elif wanted:
        notes.append("There are no references: give --train-data FILE with training rows to see them beside the score.")
    return replace(target, notes=tuple(notes))
