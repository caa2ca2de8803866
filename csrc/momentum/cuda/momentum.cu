// The momentum update on CUDA.
//
//   v <- momentum v - rate g,   p <- p + v,   p[r, :] <- p[r, :] min(1, bound / |p[r, :]|),
//   copy <- bfloat16(p)
//
// Source: Goodfellow et al. (2014), the released configuration: not Nesterov's, and the rate inside
// v. Shapes: p, v, g and copy [R, C], rates [2] in device memory.
//
// Mapping without a bound: one pass over the R C elements as if they were one row, four a thread at
// a time, which is 16 bytes of p and of v. With a bound: one block a row, a warp for every 256
// columns up to eight; the moved row is written, and read again (from level 1 or 2) only if it is
// longer than the bound. Where arrays or rows are not aligned, an element a thread at a time.
//
// 18 to 22 bytes an element move (p and v both ways, g, copy) for 4 operations, and 2 in float64
// where there is a bound: memory alone bounds it.
//
// Compiled for sm_80 and sm_90a without spills: 22 to 32 registers a thread without a bound, 34 to
// 40 with one. Run through the host model only: no figure of its speed on a GPU is known.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "momentum/cuda/launch.h"
#include "parzen/tiles.h"
#include "simt/elements.cuh"

namespace gantool {
namespace {

constexpr int kMomentumThreads = 256;
constexpr int kMomentumWarps = kMomentumThreads / simt::kWarp;
constexpr int kMomentumWidth = 4;         // elements that a thread takes at a time
constexpr int64_t kColumnsPerWarp = 256;  // two vectors a lane: enough loads under way
constexpr int kFlatResident = 8;          // blocks on one multiprocessor: all of its threads
constexpr int kRowsResident = 6;          // two fewer, for 40 registers a thread instead of 32
constexpr int kBlocksPerProcessor = 32;   // of a grid: the most that one can hold at a time
constexpr int kSumBytes = kMomentumWarps * static_cast<int>(sizeof(double));
static_assert(kMomentumWidth * sizeof(float) == 16, "one vector load of a parameter");
static_assert(kMomentumThreads % simt::kWarp == 0);
static_assert(kBlocksPerProcessor % kFlatResident == 0, "whole waves of the flat pass");

template <class Gradient>
struct MomentumProblem {
  float* parameter;
  float* velocity;
  const Gradient* gradient;
  BFloat16Bits* copy;
  const double* rates;
  int64_t rows;
  int64_t columns;
  float bound;
  int threads;  // of a block
};

struct MomentumRates {
  float rate;
  float momentum;
};

template <class Element, int kWidth>
struct alignas(kWidth * sizeof(Element)) Pack {
  Element at[kWidth];
};

template <int kWidth, class Element>
GANTOOL_DEVICE Pack<Element, kWidth> load_pack(const Element* from) {
  return *reinterpret_cast<const Pack<Element, kWidth>*>(from);
}

template <int kWidth, class Element>
GANTOOL_DEVICE void store_pack(Element* to, const Pack<Element, kWidth>& pack) {
  *reinterpret_cast<Pack<Element, kWidth>*>(to) = pack;
}

// The parameter's new values, and their rounded copy where one is kept.
template <class Gradient, int kWidth>
GANTOOL_DEVICE void store_parameter(const MomentumProblem<Gradient>& problem, int64_t i,
                                    const Pack<float, kWidth>& parameter) {
  store_pack<kWidth>(problem.parameter + i, parameter);
  if (problem.copy == nullptr) return;
  Pack<BFloat16Bits, kWidth> rounded;
  GANTOOL_UNROLL
  for (int j = 0; j < kWidth; ++j) from_float(parameter.at[j], rounded.at[j]);
  store_pack<kWidth>(problem.copy + i, rounded);
}

template <class Gradient>
GANTOOL_DEVICE MomentumRates read_rates(const MomentumProblem<Gradient>& problem) {
  return {static_cast<float>(problem.rates[0]), static_cast<float>(problem.rates[1])};
}

// Elements i to i + kWidth of v and p; returns the sum of the squares of p. Squares are added in
// float64, whose range no float32 norm leaves. The fused multiply-add is written out so that every
// mapping, and the host model, rounds alike.
template <int kWidth, class Gradient>
GANTOOL_DEVICE double move_pack(const MomentumProblem<Gradient>& problem,
                                const MomentumRates& rates, int64_t i) {
  const auto gradient = load_pack<kWidth>(problem.gradient + i);
  auto velocity = load_pack<kWidth>(problem.velocity + i);
  auto parameter = load_pack<kWidth>(problem.parameter + i);
  double squares = 0.0;
  GANTOOL_UNROLL
  for (int j = 0; j < kWidth; ++j) {
    velocity.at[j] = fmaf(rates.momentum, velocity.at[j], -rates.rate * to_float(gradient.at[j]));
    parameter.at[j] += velocity.at[j];
    squares += static_cast<double>(parameter.at[j]) * static_cast<double>(parameter.at[j]);
  }
  store_pack<kWidth>(problem.velocity + i, velocity);
  store_parameter<Gradient, kWidth>(problem, i, parameter);
  return squares;
}

template <int kWidth, class Gradient>
GANTOOL_DEVICE void shorten_pack(const MomentumProblem<Gradient>& problem, float scale, int64_t i) {
  auto parameter = load_pack<kWidth>(problem.parameter + i);
  GANTOOL_UNROLL
  for (int j = 0; j < kWidth; ++j) parameter.at[j] *= scale;
  store_parameter<Gradient, kWidth>(problem, i, parameter);
}

// The sum over the block, the same in every thread: lanes in pairs, then warps in order.
GANTOOL_DEVICE double block_sum(double value, int warps) {
  const simt::Shared<double> sums(0);
  for (int mask = simt::kWarp / 2; mask > 0; mask /= 2) {
    value += simt::warp_shuffle_xor(value, mask);
  }
  if (simt::thread_index() % simt::kWarp == 0) {
    sums.store(simt::thread_index() / simt::kWarp, value);
  }
  simt::block_barrier();
  double total = 0.0;
  for (int warp = 0; warp < warps; ++warp) total += sums.load(warp);
  simt::block_barrier();  // all have read before the next row's sums are written
  return total;
}

// Without a bound. The last elements, fewer than kWidth, go one to a thread.
template <class Gradient, int kWidth>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMomentumThreads, kFlatResident)
    momentum_flat(MomentumProblem<Gradient> problem) {
  const MomentumRates rates = read_rates(problem);
  const int64_t count = problem.rows * problem.columns, packs = count / kWidth;
  const int64_t first = simt::block_index() * kMomentumThreads + simt::thread_index();
  const int64_t stride = simt::block_count() * kMomentumThreads;
  for (int64_t pack = first; pack < packs; pack += stride) {
    move_pack<kWidth>(problem, rates, pack * kWidth);
  }
  const int64_t rest = packs * kWidth + first;
  if (rest < count) move_pack<1>(problem, rates, rest);
}

// With a bound; columns are a multiple of kWidth. A norm that is NaN leaves its row as it is.
template <class Gradient, int kWidth>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMomentumThreads, kRowsResident)
    momentum_rows(MomentumProblem<Gradient> problem) {
  const MomentumRates rates = read_rates(problem);
  const int64_t stride = static_cast<int64_t>(problem.threads) * kWidth;
  for (int64_t row = simt::block_index(); row < problem.rows; row += simt::block_count()) {
    const int64_t end = (row + 1) * problem.columns;
    const int64_t first = row * problem.columns + simt::thread_index() * kWidth;
    double squares = 0.0;
    for (int64_t i = first; i < end; i += stride) squares += move_pack<kWidth>(problem, rates, i);
    const double norm = sqrt(block_sum(squares, problem.threads / simt::kWarp));
    if (!(norm > static_cast<double>(problem.bound))) continue;
    const auto scale = static_cast<float>(static_cast<double>(problem.bound) / norm);
    // Each thread meets the elements that it wrote itself, so that no barrier is needed.
    for (int64_t i = first; i < end; i += stride) shorten_pack<kWidth>(problem, scale, i);
  }
}

// Whether four elements at a time can be read from where an array begins; true of no array.
template <class Element>
bool begins_aligned(const Element* data) {
  return reinterpret_cast<uintptr_t>(data) % sizeof(Pack<Element, kMomentumWidth>) == 0;
}

template <class Gradient>
void launch_momentum(const MomentumCudaStep& step, void* stream, int multiprocessors) {
  MomentumProblem<Gradient> problem = {step.parameter,
                                       step.velocity,
                                       static_cast<const Gradient*>(step.gradient),
                                       static_cast<BFloat16Bits*>(step.copy),
                                       step.rates,
                                       step.rows,
                                       step.columns,
                                       step.bound,
                                       kMomentumThreads};
  const bool aligned = begins_aligned(problem.parameter) && begins_aligned(problem.velocity) &&
                       begins_aligned(problem.gradient) && begins_aligned(problem.copy);
  const int64_t most = static_cast<int64_t>(kBlocksPerProcessor) * multiprocessors;
  if (step.bound < std::numeric_limits<float>::infinity()) {
    const bool wide = aligned && step.columns % kMomentumWidth == 0;
    const int64_t warps =
        tiles::minimum(kMomentumWarps, tiles::ceil_divide(step.columns, kColumnsPerWarp));
    problem.threads = static_cast<int>(warps) * simt::kWarp;
    simt::launch(wide ? momentum_rows<Gradient, kMomentumWidth> : momentum_rows<Gradient, 1>,
                 {tiles::minimum(most, step.rows), problem.threads, kSumBytes, stream}, problem);
    return;
  }
  const int64_t a_block = kMomentumThreads * (aligned ? kMomentumWidth : 1);
  const int64_t blocks = tiles::ceil_divide(step.rows * step.columns, a_block);
  simt::launch(aligned ? momentum_flat<Gradient, kMomentumWidth> : momentum_flat<Gradient, 1>,
               {tiles::minimum(most, blocks), kMomentumThreads, 0, stream}, problem);
}

}  // namespace

void momentum_step_cuda(const MomentumCudaStep& step, void* stream, int multiprocessors) {
  if (step.rows < 0 || step.columns < 0 || multiprocessors < 1) {
    throw std::invalid_argument(
        "the momentum update needs no negative size and a multiprocessor; got rows " +
        std::to_string(step.rows) + ", columns " + std::to_string(step.columns) +
        ", multiprocessors " + std::to_string(multiprocessors));
  }
  if (step.gradient_element != CudaElement::kFloat32 &&
      step.gradient_element != CudaElement::kBFloat16) {
    throw std::invalid_argument("the momentum update takes a float32 or bfloat16 gradient");
  }
  if (step.rows == 0 || step.columns == 0) return;
  if (step.gradient_element == CudaElement::kFloat32) {
    launch_momentum<float>(step, stream, multiprocessors);
  } else {
    launch_momentum<BFloat16Bits>(step, stream, multiprocessors);
  }
}

}  // namespace gantool
