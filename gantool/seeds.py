"""One `--seed`, and a stream of its own for each purpose."""

from __future__ import annotations

import hashlib

from gantool.errors import UsageError

# Torch takes 64 bits with a sign.
_MOST = 2**63


def derive_seed(seed: int, purpose: str) -> int:
    """A seed in [0, 2^63) for one purpose of a run: initial weights, training noise, sample sheets …

    SHA-256 of both, so that streams of different purposes, and of neighbouring seeds, have nothing in common.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def check_seed(seed: int) -> None:
    """Raises UsageError for a seed that torch's generators do not take."""
    if not 0 <= seed < _MOST:
        raise UsageError(f"--seed must be a whole number from 0 to below 2^63, but is {seed}.")
