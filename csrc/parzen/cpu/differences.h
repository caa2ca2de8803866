// Squared distances by plain differences in float64, for a block of queries by a block of samples.
//
//   out[i, j] = sum_d (q_i[d] - x_j[d])^2
//
// Nothing is expanded, so that nothing cancels; float32 values become float64 exactly. Tiling: 4
// queries by kSamples samples, whose sums stay in registers; a step of kLanes columns reads
// 4 + kSamples vectors for 8 kSamples operations. A variant compiles this file under its own
// target, with kLanes and kSamples of its own.
#pragma once

#include <cstdint>
#include <cstring>

namespace gantool {

constexpr int kDifferenceRows = 4;  // queries of a block

// `queries` are kDifferenceRows rows; samples are `count` rows, `stride` elements apart; `out` is
// [kDifferenceRows, count].
template <typename Element>
struct DifferenceBlock {
  const Element* queries[kDifferenceRows];
  const Element* samples;
  int64_t stride;
  int64_t count;
  int64_t dimension;
  double* out;
};

struct DifferenceKernel {
  void (*of_floats)(const DifferenceBlock<float>&);
  void (*of_doubles)(const DifferenceBlock<double>&);
};

const DifferenceKernel& parzen_portable_differences();
const DifferenceKernel& parzen_avx2_differences();
const DifferenceKernel& parzen_avx512_differences();

// `Variant` has kSamples, and kLanes with the vectors of as many floats and doubles; it keeps each
// instantiation in its own file.
template <class Variant>
struct Differences {
  static constexpr int kLanes = Variant::kLanes;
  static constexpr int kSamples = Variant::kSamples;
  static constexpr int kQueries = kDifferenceRows;
  using Doubles = typename Variant::Doubles;
  using Floats = typename Variant::Floats;

  static Doubles load(const double* from) {
    Doubles value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static Doubles load(const float* from) {
    Floats value;
    std::memcpy(&value, from, sizeof value);
    return __builtin_convertvector(value, Doubles);
  }

  template <typename Element>
  static void run(const DifferenceBlock<Element>& block) {
    for (int64_t first = 0; first < block.count; first += kSamples) {
      const Element* samples[kSamples];  // beyond the last one, the last one again
      for (int j = 0; j < kSamples; ++j) {
        const int64_t row = first + j < block.count ? first + j : block.count - 1;
        samples[j] = block.samples + row * block.stride;
      }
      double sums[kQueries][kSamples];
      add_up(block.queries, samples, block.dimension, sums);
      for (int i = 0; i < kQueries; ++i) {
        for (int j = 0; j < kSamples && first + j < block.count; ++j) {
          block.out[i * block.count + first + j] = sums[i][j];
        }
      }
    }
  }

  template <typename Element>
  static void add_up(const Element* const (&queries)[kQueries],
                     const Element* const (&samples)[kSamples], int64_t dimension,
                     double (&sums)[kQueries][kSamples]) {
    Doubles partial[kQueries][kSamples] = {};
    int64_t d = 0;
    for (; d + kLanes <= dimension; d += kLanes) {
      Doubles x[kSamples];
#pragma GCC unroll 4
      for (int j = 0; j < kSamples; ++j) x[j] = load(samples[j] + d);
#pragma GCC unroll 4
      for (int i = 0; i < kQueries; ++i) {
        const Doubles q = load(queries[i] + d);
#pragma GCC unroll 4
        for (int j = 0; j < kSamples; ++j) {
          const Doubles difference = q - x[j];
          partial[i][j] += difference * difference;
        }
      }
    }
    for (int i = 0; i < kQueries; ++i) {
      for (int j = 0; j < kSamples; ++j) {
        double sum = 0;
        for (int lane = 0; lane < kLanes; ++lane) sum += partial[i][j][lane];
        for (int64_t rest = d; rest < dimension; ++rest) {
          const double difference =
              static_cast<double>(queries[i][rest]) - static_cast<double>(samples[j][rest]);
          sum += difference * difference;
        }
        sums[i][j] = sum;
      }
    }
  }

  static void of_floats(const DifferenceBlock<float>& block) { run(block); }
  static void of_doubles(const DifferenceBlock<double>& block) { run(block); }
};

}  // namespace gantool
