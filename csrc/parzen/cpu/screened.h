// The Parzen log-density by the certified screen: samples that cannot matter are left out, with an
// upper bound on what they could have added.
//
//   dropped[i]         >= sum over the samples left out of exp(-(|q_i - x_j|^2 - m_i) rate)
//   remainder[s, i]    = log1p(dropped[i] / kept sum[s, i]) + rounding
//   exact - remainder <= log_density <= exact,  but for the rounding of exponentials and of the
//   result
//
// m_i is the smallest squared distance, and rate = 1 / (2 sigma^2) that of the widest bandwidth
// that is screened. Narrower ones use the same rows: their terms fall faster, so that what is
// dropped is less. Equations: screen/cpu/*.h for the distances, screened.cpp for the sums.
#pragma once

#include "parzen/parzen.h"
#include "screen/cpu/kernels.h"

namespace gantool {

// For tests: which loops, and whatever the pilot finds.
struct ScreenOptions {
  const screen::Kernels* kernels = nullptr;  // the fastest here
  bool forced = false;
};

// Writes log_density and remainder [sigma_count, query_count], with at most `allowed` nats left
// out, and returns the processor variant that ran; or writes nothing and returns null, where a
// pilot finds that the dense pass ends sooner. One pass serves all bandwidths, and so does a dense
// one: the widest decides. The pilot goes by the data alone, so that equal calls take equal ways on
// one kind of processor.
template <typename Element>
const char* parzen_screened(const ParzenProblem<Element>& problem, double allowed,
                            double* remainder, const Threads& threads,
                            const ScreenOptions& options = {});

}  // namespace gantool
