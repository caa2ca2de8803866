"""The way back from data to z: an encoder that was trained beside the game, or a search through the generator."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from gantool.config import NoiseConfig
from gantool.errors import UsageError
from gantool.models import Generator
from gantool.models.noise import draw_noise, on_sphere, within
from gantool.progress import Progress, silent
from gantool.seeds import derive_seed

Method = Literal["network", "optimise"]

_ROWS_AT_ONCE = 1_000
# The search: Adam from so many draws of z, the best of which is kept for each row.
_STARTS, _STEPS, _RATE = 4, 300, 0.1


def check_method(method: str, generator: Generator) -> None:
    """Raises UsageError for an unknown method, and for a network that the run does not have."""
    if method not in get_args(Method):
        raise UsageError(f"--method must be one of {', '.join(get_args(Method))}, but is {method!r}.")
    if generator.junction is not None:
        raise UsageError("Codes of a conditional run are not built: its generator needs more than z.")
    if method == "network" and generator.encoder is None:
        raise UsageError(
            "This run has no encoder (inference.kind = none): train one with --preset bigan, or search with "
            "--method optimise."
        )


def encode(
    generator: Generator,
    noise: NoiseConfig,
    rows: Tensor,
    method: Method,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Tensor:
    """The codes [N, Z] of rows [N, D], which are in the data's units and on the generator's device.

    `network`: the encoder's. `optimise`: the z whose sample is nearest to the row that a search of 300 steps of Adam
    finds, from four draws of z and, where there is an encoder, from its code. Raises UsageError as
    :func:`check_method` does.
    """
    check_method(method, generator)
    parts = torch.split(rows, _ROWS_AT_ONCE)
    found = []
    for done, part in enumerate(parts):
        progress("searching codes" if method == "optimise" else "encoding", done * _ROWS_AT_ONCE, len(rows))
        if method == "network":
            found.append(_by_network(generator, part))
        else:
            found.append(_by_search(generator, noise, part, derive_seed(seed, f"codes of part {done}")))
    return torch.cat(found)


def decode(generator: Generator, codes: Tensor) -> Tensor:
    """G(z) of codes [N, Z] on the generator's device: [N, D] in the data's units."""
    with torch.no_grad():
        return torch.cat([generator.to_data(generator(part)) for part in torch.split(codes, _ROWS_AT_ONCE)])


def between(noise: NoiseConfig, first: Tensor, second: Tensor, steps: int) -> Tensor:
    """Codes on straight lines between two codes each: [N, Z] twice → [N, steps, Z]; scaled to the sphere of a spherical
    prior."""
    weight = torch.linspace(0.0, 1.0, steps, dtype=first.dtype, device=first.device)[:, None]
    return on_sphere(torch.lerp(first[:, None], second[:, None], weight), noise)


def _by_network(generator: Generator, rows: Tensor) -> Tensor:
    assert generator.encoder is not None
    with torch.no_grad():
        codes: Tensor = generator.encoder(generator.to_network(rows))
    return codes


def _by_search(generator: Generator, noise: NoiseConfig, rows: Tensor, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    draws = draw_noise(noise, _STARTS * len(rows), rng).view(_STARTS, len(rows), -1).to(rows.device)
    starts = list(draws) if generator.encoder is None else [*draws, _by_network(generator, rows)]
    aim, best, codes = generator.to_network(rows), torch.full((len(rows),), torch.inf), torch.empty_like(starts[0])
    best = best.to(rows.device)
    for start in starts:
        z = start.clone().requires_grad_()
        adam = torch.optim.Adam([z], lr=_RATE)
        for _ in range(_STEPS):
            with torch.enable_grad():
                distances = (generator(within(z, noise)) - aim).square().sum(dim=1)
                (z.grad,) = torch.autograd.grad(distances.sum(), z)
            adam.step()
        with torch.no_grad():
            reached = within(z, noise)
            distances = (generator(reached) - aim).square().sum(dim=1)
        nearer = distances < best
        best, codes = distances.where(nearer, best), reached.where(nearer[:, None], codes)
    return codes
