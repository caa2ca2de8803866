"""Each CPU variant by name, and what is said where the compiled kernels are absent."""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from gantool.native.libraries import inspect
from gantool.native.status import native_status

PARZEN_VARIANTS = (
    "portable",
    "avx2",
    "avx512",
    "avx512-vnni",
    "amx-bf16",
    "amx-int8",
    "amx-bf16-model",
    "amx-int8-model",
)
BYTE_VARIANTS = ("avx512-vnni", "amx-int8", "amx-int8-model")
MAXOUT_VARIANTS = ("portable", "avx2", "avx512")


@pytest.fixture
def host() -> ModuleType:
    """The module over the torch-free cores."""
    assert not (reason := inspect("_host").reason), reason
    return importlib.import_module("gantool._host")


def runs(host: ModuleType, variant: str) -> bool:
    """Whether a Parzen variant runs here: a model does everywhere."""
    return variant.endswith("-model") or variant in host.parzen_variants()


def brute_force(queries: np.ndarray, samples: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """The Parzen log-density in float64 NumPy."""
    queries, samples = queries.astype(np.float64), samples.astype(np.float64)
    squared = np.stack([((query - samples) ** 2).sum(1) for query in queries])
    exponent = -squared / (2.0 * sigmas.astype(np.float64)[:, None, None] ** 2)
    top = exponent.max(axis=2, keepdims=True)
    sums = np.log(np.exp(exponent - top).mean(axis=2)) + top[:, :, 0]
    return sums - samples.shape[1] * np.log(sigmas[:, None].astype(np.float64) * math.sqrt(2 * math.pi))


@pytest.mark.native
@pytest.mark.parametrize("variant", PARZEN_VARIANTS)
@pytest.mark.parametrize("threads", [1, 2])
def test_every_parzen_variant_meets_the_bound(host: ModuleType, variant: str, threads: int) -> None:
    if not runs(host, variant):
        pytest.skip(f"this processor has no {variant}")
    random = np.random.default_rng(0)
    shape = (37, 131)
    queries = random.integers(0, 256, shape).astype(np.float32) / np.float32(255)
    samples = random.integers(0, 256, (301, 131)).astype(np.float32) / np.float32(255)
    if variant not in BYTE_VARIANTS:
        samples = samples + np.float32(0.003) * random.standard_normal(samples.shape).astype(np.float32)
    sigmas = np.array([0.1, 0.2, 1.0], np.float32)
    density = host.parzen_log_density(queries, samples, sigmas, variant, threads)
    error = np.abs(density - brute_force(queries, samples, sigmas)).max(axis=1)
    assert (error <= 2e-3 * (0.2 / sigmas) ** 2).all(), error


@pytest.mark.native
@pytest.mark.parametrize("variant", BYTE_VARIANTS)
def test_a_byte_variant_refuses_other_data(host: ModuleType, variant: str) -> None:
    if not runs(host, variant):
        pytest.skip(f"this processor has no {variant}")
    rows = np.full((3, 4), 0.123, np.float32)
    with pytest.raises(ValueError, match="bytes over one scale"):
        host.parzen_log_density(rows, rows, np.ones(1, np.float32), variant)


@pytest.mark.native
@pytest.mark.parametrize("variant", MAXOUT_VARIANTS)
def test_every_maxout_variant_sums_the_winners_gradients(host: ModuleType, variant: str) -> None:
    if variant not in host.maxout_variants():
        pytest.skip(f"this processor has no {variant}")
    random = np.random.default_rng(1)
    batch, inputs, units, pieces = 70, 133, 11, 5
    grad = random.standard_normal((batch, units)).astype(np.float32)
    winner = random.integers(0, pieces, (batch, units)).astype(np.uint8)
    x = random.standard_normal((batch, inputs)).astype(np.float32)
    weight = random.standard_normal((units, pieces, inputs)).astype(np.float32)
    chosen = np.eye(pieces)[winner] * grad[:, :, None]
    grad_x, grad_weight = host.maxout_backward(grad, winner, x, weight, variant, 2)
    np.testing.assert_allclose(grad_x, np.einsum("bup,upi->bi", chosen, weight), atol=2e-5)
    np.testing.assert_allclose(grad_weight, np.einsum("bup,bi->upi", chosen, x), atol=2e-5)


@pytest.mark.native
def test_an_unknown_variant_is_refused(host: ModuleType) -> None:
    rows, ones = np.ones((2, 3), np.float32), np.ones(1, np.float32)
    with pytest.raises(ValueError, match="there is no Parzen variant sse9"):
        host.parzen_log_density(rows, rows, ones, "sse9")


def test_status_names_each_library_or_its_reason() -> None:
    status = native_status()
    for library in (status.cpu, status.cuda):
        assert library.loaded == (library.reason == "")
        assert library.loaded or library.remedy
    if status.cpu.loaded:
        assert "portable" in status.cpu_variants["maxout"]
        assert "portable" in status.cpu_variants["parzen_log_density"]


DISABLED_SCRIPT = """
import json, torch
from gantool.native.status import native_status
from gantool.errors import UsageError
from gantool.ops import maxout, parzen_log_density, selected_impl
x, weight, bias = torch.ones(2, 3), torch.ones(4, 2, 3), torch.zeros(4, 2)
answer = {"impl": selected_impl("maxout", x, weight), "out": maxout(x, weight, bias).tolist()}
for name, call in (("maxout", lambda: maxout(x, weight, bias, impl="native")),
                   ("parzen", lambda: parzen_log_density(x, x, [1.0], impl="native"))):
    try:
        call()
    except UsageError as error:
        answer[name] = str(error)
status = native_status()
answer["reason"], answer["variants"] = status.cpu.reason, status.cpu_variants
print(json.dumps(answer))
"""


def test_disabled_kernels_leave_the_reference_and_a_reason() -> None:
    environment = {**os.environ, "GANTOOL_DISABLE_NATIVE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", DISABLED_SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    answer = json.loads(run.stdout)
    assert answer["impl"] == "reference (torch)"
    assert answer["out"] == [[3.0] * 4] * 2
    assert answer["reason"] == "GANTOOL_DISABLE_NATIVE is set"
    assert answer["variants"] == {}
    why = "cannot run with impl='native': GANTOOL_DISABLE_NATIVE is set; unset GANTOOL_DISABLE_NATIVE"
    assert answer["maxout"] == f"maxout {why}"
    assert answer["parzen"] == f"parzen_log_density {why}"
