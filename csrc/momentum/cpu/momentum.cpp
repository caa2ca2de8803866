// The momentum update: rows are shared out among threads, and each is finished while it is in L1.
#include "momentum/momentum.h"

#include <cmath>
#include <limits>

namespace gantool {
namespace {

// Below this many elements a thread costs more than it saves.
constexpr int64_t kElementsPerThread = 32 * 1024;

template <typename Gradient>
void move(const MomentumStep<Gradient>& step, int64_t begin, int64_t end) {
  float* __restrict parameter = step.parameter;
  float* __restrict velocity = step.velocity;
  const Gradient* __restrict gradient = step.gradient;
  for (int64_t i = begin; i < end; ++i) {
    velocity[i] = step.momentum * velocity[i] - step.rate * widen(gradient[i]);
    parameter[i] += velocity[i];
  }
}

// Scales a row that is longer than the bound back to it. Squares are added in float64, whose range
// no float32 norm leaves.
void shorten(float* row, int64_t columns, float bound) {
  double squares = 0.0;
  for (int64_t c = 0; c < columns; ++c) squares += static_cast<double>(row[c]) * row[c];
  const double norm = std::sqrt(squares);
  if (!(norm > bound)) return;
  const float scale = static_cast<float>(bound / norm);
  for (int64_t c = 0; c < columns; ++c) row[c] *= scale;
}

void round_into(const float* __restrict parameter, BFloat16* __restrict copy, int64_t count) {
  for (int64_t i = 0; i < count; ++i) copy[i] = narrow<BFloat16>(parameter[i]);
}

}  // namespace

template <typename Gradient>
void momentum_step_cpu(const MomentumStep<Gradient>& step, const Threads& threads) {
  const int64_t columns = step.columns;
  if (columns < 1) return;
  threads.run(step.rows, 1 + kElementsPerThread / columns, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t first = row * columns;
      move(step, first, first + columns);
      if (step.bound < std::numeric_limits<float>::infinity()) {
        shorten(step.parameter + first, columns, step.bound);
      }
      if (step.copy) round_into(step.parameter + first, step.copy + first, columns);
    }
  });
}

template void momentum_step_cpu(const MomentumStep<float>&, const Threads&);
template void momentum_step_cpu(const MomentumStep<BFloat16>&, const Threads&);

}  // namespace gantool
