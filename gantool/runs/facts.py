"""What a run keeps of its data: dataset.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gantool.data.dataset import Dataset


@dataclass(frozen=True)
class DataFacts:
    """What a run needs to know of its data without reading them: dataset.json.

    `fingerprint` is the SHA-256 of the training rows; resuming on other rows is refused. `label_counts` is how many
    training rows the classes 0, 1, … have, where they have such labels.
    """

    name: str
    source: str
    shape: tuple[int, ...]
    dimension: int
    divisor: float
    rows: dict[str, int]
    fingerprint: str
    label_counts: tuple[int, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset) -> DataFacts:
        from gantool.data.labels import count_labels

        rows = {name: len(dataset.split(name)) for name in ("train", "validation", "test")}
        return cls(
            dataset.name,
            dataset.source,
            tuple(dataset.shape),
            dataset.dimension,
            dataset.divisor,
            rows,
            dataset.fingerprint(),
            count_labels(dataset.train),
        )
