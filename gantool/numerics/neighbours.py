"""Nearest neighbours in bulk: exhaustive, exact, and as fast as matrix products.

‖q − t‖² = ‖q‖² + ‖t‖² − 2 q·t costs one product for a whole tile, but its rounding error is of the size of the norms
and hides small distances, and those tell a copy from a likeness. So products only nominate candidates, with a bound on
their error; the differences themselves, in float64, decide and measure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from gantool.errors import UsageError

# One tile of products: 1,024 × 8,192 in float32 is 32 MB.
_QUERY_ROWS, _DATA_ROWS = 1_024, 8_192

# Candidates kept for each query. On MNIST the eighth nearest row is almost always further than the nearest one by more
# than the products' error, so that one pass in float32 settles the search.
_CANDIDATES = 8

# Where float32 leaves more rows in question, float64 narrows them down; what is left then is measured against all rows.
_PRECISIONS = (torch.float32, torch.float64)

# Up to this width products in float64 cost no more than the other passes over a tile do, and leave less in question.
_NARROW = 64

# Differences taken at once, in values: 32 MB of float64.
_DIFFERENCES = 4_000_000

# The low quantile of the data's own distances below which two rows count as nearly the same.
NEAR_QUANTILE = 0.01

# The radius, a dimension, where all rows are alike and give none: a thousandth of the width of [0, 1].
FALLBACK_RADIUS = 1e-3


def nearest(queries: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The row nearest to each query: [N, D], [M, D] → (indices [N] int64, Euclidean distances [N] float64), on the CPU.

    The same as brute force in float64; a tie goes to the lowest index. Memory is bounded by tiles, copies of the
    inputs apart. Raises UsageError where the widths differ, where there is no row, or for a value that is not finite.
    """
    _check(queries, rows)
    distinct, first, _, _ = _distinct(rows.detach().cpu())
    indices, distances = _search(queries.detach().cpu(), distinct, first, None)
    return first[indices], distances


def nearest_other(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest other row of each row: [N, D] → (indices [N] int64, Euclidean distances [N] float64), on the CPU.

    A row that occurs twice is at distance 0 from its copy. Raises UsageError for fewer than two rows.
    """
    if len(rows) < 2:
        raise UsageError(f"A nearest other row needs 2 rows at least, but there are {len(rows)}.")
    _check(rows, rows)
    rows = rows.detach().cpu()
    distinct, first, group, counts = _distinct(rows)
    indices = torch.zeros(len(rows), dtype=torch.int64, device="cpu")
    distances = torch.zeros(len(rows), dtype=torch.float64, device="cpu")
    alone = counts[group] == 1
    if bool(alone.any()):
        found, distances[alone] = _search(rows[alone], distinct, first, group[alone])
        indices[alone] = first[found]
    indices[~alone] = _lowest_copies(group, first)[~alone]
    return indices, distances


def pairs_within(rows: torch.Tensor, radius: float) -> int:
    """How many of the N·(N−1)/2 pairs of rows [N, D] are at most `radius` apart: as brute force in float64 counts.

    Products decide where a pair is clearly within the radius or beyond it, float64 differences where it is not. Raises
    UsageError where there is no row, or for a value that is not finite.
    """
    _check(rows, rows)
    rows = rows.detach().cpu()
    if radius == 0:
        counts = _distinct(rows)[3]
        return int((counts * (counts - 1)).sum()) // 2
    frame = _frame(rows, rows)
    centred = frame.place(rows, torch.float64 if rows.shape[1] <= _NARROW else torch.float32)
    squares = centred.square().sum(dim=1)
    longest = squares.max().double().sqrt()
    # No two rows are further apart than twice the longest; a larger radius might overflow in float32.
    reach = min(radius * frame.scale, 4.0 * float(longest) + 1.0)
    limit, error = reach * reach, float(_product_error(centred, longest, longest)) + 1e-6 * reach * reach
    close = 0
    for start in range(0, len(rows), _QUERY_ROWS):
        tile = slice(start, start + _QUERY_ROWS)
        for other in range(start, len(rows), _DATA_ROWS):
            part = slice(other, other + _DATA_ROWS)
            squared = squares[tile, None] + squares[part] - 2.0 * (centred[tile] @ centred[part].T)
            # Each pair once: column j of the tile is row other + j, and only those after row start + i count.
            within = (squared < limit - error).triu(start - other + 1)
            unsure = (~(within | (squared > limit + error))).triu(start - other + 1)
            close += int(within.sum()) + _count_within(rows[tile], rows[part], unsure, radius)
    return close


def _count_within(first: torch.Tensor, second: torch.Tensor, chosen: torch.Tensor, radius: float) -> int:
    """How many of the chosen pairs [A, B] of rows [A, D] and [B, D] are at most `radius` apart, by differences."""
    found = 0
    for part in torch.split(chosen.nonzero(), max(1, _DIFFERENCES // first.shape[1])):
        differences = first[part[:, 0]].double() - second[part[:, 1]].double()
        found += int((differences.norm(dim=1) <= radius).sum())
    return found


def near_radius(distances: torch.Tensor, dimension: int) -> float:
    """Within it two rows count as nearly the same: the 1 % quantile of rows' distances [N] to a nearest other row.

    Exact twins are left out: blank images or repeated rows among the data say nothing about likeness, and would make it
    0. Where only twins are left, it is FALLBACK_RADIUS·√`dimension`.
    """
    if all_twins(distances):
        return FALLBACK_RADIUS * math.sqrt(dimension)
    return float(distances[distances > 0].quantile(NEAR_QUANTILE))


def all_twins(distances: torch.Tensor) -> bool:
    """Whether every row has an exact twin, by the distances [N] to a nearest other row: they calibrate nothing then."""
    return not bool((distances > 0).any())


@dataclass(frozen=True)
class _Frame:
    """Where products are taken: rows less `centre` [D] float64, times `scale`, a power of two; all within ±1.

    Distances do not change but for the scale. The norms shrink, and with them the errors; and squares neither overflow
    nor vanish in float32, whatever the data's unit.
    """

    centre: torch.Tensor
    scale: float

    def place(self, rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Rows [N, D] in the frame, in `dtype`; centred in float64, since a float32 may hold an offset and no more."""
        parts = torch.split(rows, _DATA_ROWS)
        return torch.cat([((part.double() - self.centre) * self.scale).to(dtype) for part in parts])


def _frame(queries: torch.Tensor, rows: torch.Tensor) -> _Frame:
    """The frame of queries [N, D] and rows [K, D], centred on the rows."""
    centre = rows.mean(dim=0, dtype=torch.float64)
    ends = [end.double() - centre for values in (queries, rows) if len(values) for end in torch.aminmax(values, dim=0)]
    _, exponent = math.frexp(float(torch.stack(ends).abs().max()))
    return _Frame(centre, math.ldexp(1.0, -max(exponent, -1_000)))


def _product_error(rows: torch.Tensor, lengths: torch.Tensor, longest: torch.Tensor) -> torch.Tensor:
    """How far ‖q‖² + ‖t‖² − 2 q·t may be off: q of `lengths` [Q], t among `rows` [K, D], `longest` at most; float64.

    A product of D terms is off by at most (D + 4)·ε·‖q‖·‖t‖ (Higham 2002, section 3.1), the squares likewise; ε is
    twice what one rounding can do. What is done in float64 after all, and each number below the smallest normal one,
    adds its own.
    """
    kind = torch.finfo(rows.dtype)
    relative = kind.eps * longest * (longest + 2 * lengths)
    wide = torch.finfo(torch.float64).eps * (longest + lengths).square()
    return (rows.shape[1] + 4) * (relative + wide + 4 * kind.tiny * (1 + lengths + longest))


def _check(queries: torch.Tensor, rows: torch.Tensor) -> None:
    fits = queries.ndim == rows.ndim == 2 and queries.shape[1] == rows.shape[1]
    if not fits or len(rows) == 0:
        raise UsageError(
            f"A search for nearest rows needs queries [N, D] and rows [M, D], M 1 or more, but they have the shapes "
            f"{list(queries.shape)} and {list(rows.shape)}."
        )
    if not bool(queries.isfinite().all()) or not bool(rows.isfinite().all()):
        raise UsageError("A search for nearest rows needs finite values, but there is NaN or infinity among them.")


def _distinct(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each different row once: (rows [K, D], the lowest index of each [K], the group of every row [N], sizes [K]).

    Copies must go first: they tie exactly, which no bound on an error can settle.
    """
    values = np.ascontiguousarray((rows + rows.new_zeros(())).numpy())  # adding 0 turns −0 into 0
    keys = values.view(np.dtype((np.void, values.dtype.itemsize * values.shape[1]))).ravel()
    _, first, group, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    indices = torch.from_numpy(first.astype(np.int64))
    return rows[indices], indices, torch.from_numpy(group.astype(np.int64).ravel()), torch.from_numpy(counts)


def _lowest_copies(group: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """For each row the lowest index of another row of its group [N]; meaningless for a row alone in its group."""
    own = torch.arange(len(group), device="cpu")
    later = own[first[group] != own]
    second = torch.full((len(first),), len(group), device="cpu")
    second.scatter_reduce_(0, group[later], later, "amin")
    return torch.where(first[group] == own, second[group], first[group])


def _search(
    queries: torch.Tensor, rows: torch.Tensor, order: torch.Tensor, excluded: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest of distinct rows [K, D] to each query, ties to the lowest `order` [K]; not `excluded` [N] itself."""
    frame = _frame(queries, rows)
    indices = torch.zeros(len(queries), dtype=torch.int64, device="cpu")
    distances = torch.zeros(len(queries), dtype=torch.float64, device="cpu")
    open_ = torch.arange(len(queries), device="cpu")
    for dtype in _PRECISIONS:
        if len(open_) == 0:
            break
        shifted = frame.place(rows, dtype)
        squares = shifted.square().sum(dim=1)
        unsettled = []
        for part in torch.split(open_, _QUERY_ROWS):
            own = None if excluded is None else excluded[part]
            candidates, reach = _nominate(frame.place(queries[part], torch.float64), shifted, squares, own)
            exact = _distances(queries[part], rows, candidates)
            if own is not None:
                exact.masked_fill_(candidates == own[:, None], torch.inf)
            indices[part], distances[part] = _decide(exact, candidates, order)
            unsettled.append(part[~(distances[part] < reach / frame.scale)])  # a bound that is NaN settles nothing
        open_ = torch.cat(unsettled)
    for index in open_.tolist():
        exact = (queries[index].double() - rows.double()).norm(dim=1)
        if excluded is not None:
            exact[excluded[index]] = torch.inf
        winner, least = _decide(exact[None], torch.arange(len(rows), device="cpu")[None], order)
        indices[index], distances[index] = winner[0], least[0]
    return indices, distances


def _nominate(
    queries: torch.Tensor, rows: torch.Tensor, squares: torch.Tensor, excluded: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Candidates [Q, C], and for each query how far at least every row is that is not among them [Q].

    queries [Q, D] float64 and rows [K, D], in the precision to use, are in one frame, and so is the answer.
    """
    query = queries.to(rows.dtype)
    count = min(_CANDIDATES, len(rows))
    best = torch.full((len(query), count), torch.inf, dtype=rows.dtype, device="cpu")
    found = torch.zeros((len(query), count), dtype=torch.int64, device="cpu")
    for start in range(0, len(rows), _DATA_ROWS):
        tile = slice(start, start + _DATA_ROWS)
        partial = torch.addmm(squares[tile], query, rows[tile].T, alpha=-2.0)  # ‖q‖² is the same for all
        if excluded is not None:
            inside = ((excluded >= start) & (excluded < start + _DATA_ROWS)).nonzero().ravel()
            partial[inside, excluded[inside] - start] = torch.inf
        value, index = partial.topk(min(count, partial.shape[1]), dim=1, largest=False)
        best, place = torch.cat([best, value], dim=1).topk(count, dim=1, largest=False)
        found = torch.cat([found, index + start], dim=1).gather(1, place)
    if count == len(rows):
        return found, torch.full((len(query),), torch.inf, dtype=torch.float64, device="cpu")
    lengths, longest = queries.norm(dim=1), squares.max().double().sqrt()
    bound = best[:, -1].double() + lengths.square() - _product_error(rows, lengths, longest)
    return found, bound.clamp_min_(0.0).sqrt_()


def _distances(queries: torch.Tensor, rows: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """From each query to its candidates [Q, C], from float64 differences: [Q, C]."""
    wide = queries.double()
    columns = [(wide - rows[column].double()).norm(dim=1) for column in candidates.T]
    return torch.stack(columns, dim=1)


def _decide(exact: torch.Tensor, candidates: torch.Tensor, order: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The winner of each query's candidates [Q, C] by exact distances [Q, C], ties to the lowest `order`."""
    least = exact.min(dim=1).values
    rank = torch.where(exact == least[:, None], order[candidates], torch.iinfo(torch.int64).max)
    return candidates.gather(1, rank.argmin(dim=1, keepdim=True)).squeeze(1), least
