// Schedules a product kernel over a whole Parzen problem.
#pragma once

#include <cstdint>
#include <vector>

#include "parzen/cpu/kernel.h"
#include "parzen/cpu/pack.h"
#include "simd/parallel.h"

namespace gantool {

struct ParzenOutcome {
  // Rows whose distances are beyond float32, not numbers, or lost too much to cancellation: some of
  // their log-densities are not written.
  std::vector<int64_t> far_rows;
  bool nan_sample = false;  // then every log-density is NaN
};

// Writes log_density but for the far rows.
ParzenOutcome parzen_run(const ParzenArguments& problem, const ParzenKernel& kernel,
                         const Encoding& encoding, const Threads& threads);

}  // namespace gantool
