"""The two operators, each compiled where possible and in plain torch everywhere.

>>> maxout(x, weight, bias)                        # [B, I], [U, P, I], [U, P] → [B, U]
>>> parzen_log_density(queries, samples, sigmas)   # [N, D], [M, D], [S] → [S, N] nats
>>> parzen_certified(queries, samples, sigmas)     # the same, with a bound on what was left out
>>> selected_impl("maxout", x, weight)             # "native (avx512)", "reference (torch)" …
"""

from gantool.ops.maxout import maxout
from gantool.ops.parzen import CertifiedDensity, parzen_certified, parzen_log_density
from gantool.ops.selection import Impl, selected_impl

__all__ = ["CertifiedDensity", "Impl", "maxout", "parzen_certified", "parzen_log_density", "selected_impl"]
