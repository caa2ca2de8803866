"""Which records of evaluations may be compared, and what keeps others apart. No torch: lists of runs ask this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from gantool.errors import UsageError

Record = Mapping[str, Any]


def differences(first: Record, second: Record) -> dict[str, tuple[str, str]]:
    """What keeps two recorded scores from being compared: {what: (in the first, in the second)}, empty where nothing.

    Looked at are the measure, the data set and its fingerprint, the split and its size, the dimension, the pixel scale,
    the number of samples, how sigma was chosen, and the features and the classifier that measured. What an older record
    lacks is passed over, but not a classifier: which one it was cannot be known.
    """
    unlike = {}
    for name, describe in _TERMS.items():
        one, two = describe(first), describe(second)
        if one is not None and two is not None and one != two:
            unlike[name] = (one, two)
    return unlike


def require_comparable(records: Sequence[Record]) -> None:
    """Raises UsageError, naming the difference and the two records, where scores would compare unlike with unlike."""
    for (first, one_record), (second, other) in combinations(enumerate(records, start=1), 2):
        unlike = differences(one_record, other)
        if unlike:
            what = "; ".join(f"{name}: {one} against {two}" for name, (one, two) in unlike.items())
            raise UsageError(
                f"The scores of {_name(one_record, first)} and {_name(other, second)} cannot be compared, since they "
                f"differ in {what}; evaluate both alike."
            )


def _name(record: Record, position: int) -> str:
    return str(record["run"]) if record.get("run") else f"record {position}"


def _sigma_protocol(record: Record) -> str:
    """How sigma was chosen, in words. A record without a source is an old one, whose sigma came from validation."""
    source = record.get("sigma_source", "validation")
    if source == "given":
        return f"given as {record['sigma']:.6g}"
    grid = sorted(point["sigma"] for point in record.get("sigma_curve", ()))
    span = f" of {len(grid)} values from {grid[0]:.4g} to {grid[-1]:.4g}" if grid else ""
    return f"{source} on {record.get('validation_size', 0):,} rows{span}"


def _text(key: str) -> Callable[[Record], str | None]:
    return lambda record: None if record.get(key) is None else str(record[key])


def _fingerprint(record: Record) -> str | None:
    value = record.get("data_fingerprint")
    return None if value is None else str(value)[:12]


def _features(record: Record) -> str | None:
    """The kind of features; Inception's with the version of its network."""
    kind = record.get("features")
    return str(record.get("about")) if kind == "inception" else None if kind is None else str(kind)


def _classifier(record: Record) -> str | None:
    """Which of gantool's classifiers measured; None where none did."""
    value = record.get("classifier")
    if value is None:
        old = record.get("features") == "gantool classifier" or "classifier" in str(record.get("modes_by"))
        return "unknown" if old else None
    return str(value)[:12]


_TERMS: dict[str, Callable[[Record], str | None]] = {
    "measure": lambda record: str(record.get("measure", "parzen")),
    "data set": _text("dataset"),
    "data set's fingerprint": _fingerprint,
    "split": _text("split"),
    "rows scored": _text("test_size"),
    "dimension": _text("dimension"),
    "pixel scaling": _text("pixel_scaling"),
    "number of samples": _text("num_samples"),
    "features": _features,
    "classifier": _classifier,
    "choice of sigma": lambda record: _sigma_protocol(record) if "sigma" in record else None,
}
