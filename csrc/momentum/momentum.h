// One momentum update of a weight matrix, all of it in a single pass over memory:
//
//   v <- momentum v - rate g,   p <- p + v,   p[r, :] <- p[r, :] min(1, bound / |p[r, :]|),
//   copy <- bfloat16(p)
//
// (Goodfellow et al. 2014, released configuration: not Nesterov's, and the rate inside v.)
// Torch-free. The update is bound by memory: 18 to 22 bytes move for 3 operations, so the vectors
// that every processor has are enough, and one code serves all: results are equal everywhere.
#pragma once

#include <cstdint>

#include "simd/bfloat16.h"
#include "simd/parallel.h"

namespace gantool {

template <typename Gradient>
struct MomentumStep {
  float* parameter;          // [rows, columns], contiguous, as are the others
  float* velocity;           // [rows, columns]
  const Gradient* gradient;  // [rows, columns]
  BFloat16* copy;            // [rows, columns], or null where none is kept
  int64_t rows;              // units, or pieces of units: what the bound holds for
  int64_t columns;
  float rate;
  float momentum;
  float bound;  // the largest Euclidean norm of a row; infinity for none
};

template <typename Gradient>
void momentum_step_cpu(const MomentumStep<Gradient>& step, const Threads& threads);

extern template void momentum_step_cpu(const MomentumStep<float>&, const Threads&);
extern template void momentum_step_cpu(const MomentumStep<BFloat16>&, const Threads&);

}  // namespace gantool
