// The Parzen log-density from differences in float64: the float64 operator, and the way out for
// rows whose distances float32 cannot hold, or would lose to cancellation.
#pragma once

#include <cstdint>
#include <vector>

#include "parzen/parzen.h"
#include "simd/parallel.h"

namespace gantool {

// Writes log_density[:, i] for each i in `rows`.
template <typename Element>
void parzen_exact_rows(const ParzenProblem<Element>& problem, const std::vector<int64_t>& rows,
                       const Threads& threads);

extern template void parzen_exact_rows(const ParzenProblem<float>&, const std::vector<int64_t>&,
                                       const Threads&);
extern template void parzen_exact_rows(const ParzenProblem<double>&, const std::vector<int64_t>&,
                                       const Threads&);

// log_density from its parts: the smallest squared distance and the sum relative to it. NaN parts
// give NaN; what `Element` cannot hold saturates at its lowest finite value.
template <typename Element>
Element parzen_finish(double minimum, double sum, double sigma, int64_t sample_count,
                      int64_t dimension);

extern template float parzen_finish(double, double, double, int64_t, int64_t);
extern template double parzen_finish(double, double, double, int64_t, int64_t);

}  // namespace gantool
