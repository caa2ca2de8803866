// The Parzen log-density from plain differences in float64: no centring, no split, no cancellation.
//
//   d2[i, j] = sum_d (q_i[d] - x_j[d])^2,  then least and sums as in tile.cuh
//
// It serves every row of float64 inputs. Of other inputs it serves the queries for which the
// products of tile.cuh lose too much to cancellation: combine (parzen.cu) marks them,
// list_queries gathers their indices, and blocks beyond the list return at once.
//
// Tiling: a block of 256 threads holds 64 queries by 64 samples, a thread 4 by 4; 16 columns a step
// through shared memory (16.5 KB). Thread t has the rows 4 (t / 16) + 0..3 and the columns
// t % 16 + 16 * 0..3. 3 operations for each distance and column, 2 * 64 * 16 * 8 bytes a step.
#pragma once

#include <cfloat>
#include <cmath>
#include <limits>

#include "parzen/cuda/workspace.h"
#include "simt/elements.cuh"
#include "simt/simt.cuh"

namespace gantool {

constexpr int kThreads64 = 256;
constexpr int kLanes64 = 16;  // threads that share a row
constexpr int kPitch64 = tiles::kDepth64 + 1;
constexpr int kSampleOffset64 = tiles::kQueryTile64 * kPitch64 * 8;
constexpr int kSumOffset64 = kSampleOffset64 + tiles::kSampleTile64 * kPitch64 * 8;
constexpr int kSharedBytes64 = kSumOffset64 + tiles::kQueryTile64 * tiles::kSigmaLimit64 * 8;
static_assert(tiles::kQueryTile64 == 64 && tiles::kSampleTile64 == 64 && kThreads64 == 256);
static_assert(tiles::kSigmaLimit64 <= kLanes64, "one owner for each bandwidth of a row");

// The distance to samples past the last one: it adds nothing to any sum.
constexpr double kOutside64 = std::numeric_limits<double>::infinity();

// Bandwidths and results have this type.
template <class Element>
struct RealOf {
  using Type = float;
};
template <>
struct RealOf<double> {
  using Type = double;
};

template <class Element>
struct DifferencesProblem {
  const Element* queries;
  int64_t query_count;
  int64_t query_stride;
  const int* listed;         // the queries to take, or null for all of them
  const ParzenScale* scale;  // how many are listed; null for all
  const Element* samples;
  int64_t sample_count;
  int64_t sample_stride;
  int64_t dimension;
  const typename RealOf<Element>::Type* sigmas;  // of this pass
  int sigma_count;
  int query_tiles;
  int sample_tiles;
  int splits;
  double* partial;  // [splits, 1 + sigma_count, 64 query_tiles]
};

GANTOOL_DEVICE double to_double(double x) { return x; }
template <class Element>
GANTOOL_DEVICE double to_double(Element x) {
  return static_cast<double>(to_float(x));
}

// Gathers the marked queries in their order, and clears the marks for the next pass. One block; a
// thread takes neighbouring queries.
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kThreads64, 1)
    list_queries(int* marks, int64_t query_count, int* listed, ParzenScale* scale) {
  const simt::Shared<int> counts(0);
  const int thread = simt::thread_index();
  const int64_t share = tiles::ceil_divide(query_count, kThreads64);
  const int64_t begin = thread * share, end = tiles::minimum(begin + share, query_count);
  int count = 0;
  for (int64_t query = begin; query < end; ++query) count += marks[query];
  counts.store(thread, count);
  simt::block_barrier();
  int place = 0;
  for (int before = 0; before < thread; ++before) place += counts.load(before);
  if (thread == kThreads64 - 1) scale->listed = place + count;
  for (int64_t query = begin; query < end; ++query) {
    if (marks[query] != 0) listed[place++] = static_cast<int>(query);
    marks[query] = 0;
  }
}

GANTOOL_DEVICE double keep_nan_minimum(double a, double b) { return a < b || a != a ? a : b; }

template <class Element>
GANTOOL_DEVICE int64_t query_total(const DifferencesProblem<Element>& problem) {
  return problem.listed == nullptr ? problem.query_count : problem.scale->listed;
}

// Copies 16 columns of 64 rows; rows and columns past the end become zeros, and an infinite query
// becomes NaN: it has no density.
template <class Element>
GANTOOL_DEVICE void load_queries64(const DifferencesProblem<Element>& problem, int64_t first,
                                   int64_t depth) {
  const simt::Shared<double> shared(0);
  const int64_t count = query_total(problem);
  for (int i = simt::thread_index(); i < 64 * tiles::kDepth64; i += kThreads64) {
    const int64_t row = first + i / tiles::kDepth64, column = depth + i % tiles::kDepth64;
    double value = 0.0;
    if (row < count && column < problem.dimension) {
      const int64_t query = problem.listed == nullptr ? row : problem.listed[row];
      value = to_double(problem.queries[query * problem.query_stride + column]);
    }
    shared.store(i / tiles::kDepth64 * kPitch64 + i % tiles::kDepth64, value + 0.0 * value);
  }
}

template <class Element>
GANTOOL_DEVICE void load_samples64(const DifferencesProblem<Element>& problem, int64_t first,
                                   int64_t depth) {
  const simt::Shared<double> shared(kSampleOffset64);
  for (int i = simt::thread_index(); i < 64 * tiles::kDepth64; i += kThreads64) {
    const int64_t row = first + i / tiles::kDepth64, column = depth + i % tiles::kDepth64;
    const bool inside = row < problem.sample_count && column < problem.dimension;
    shared.store(i / tiles::kDepth64 * kPitch64 + i % tiles::kDepth64,
                 inside ? to_double(problem.samples[row * problem.sample_stride + column]) : 0.0);
  }
}

template <class Element>
GANTOOL_DEVICE void distances64(const DifferencesProblem<Element>& problem, int64_t query,
                                int64_t sample, double (&d2)[4][4]) {
  const simt::Shared<double> q(0), x(kSampleOffset64);
  const int row = simt::thread_index() / kLanes64 * 4, column = simt::thread_index() % kLanes64;
  for (int64_t depth = 0; depth < problem.dimension; depth += tiles::kDepth64) {
    simt::block_barrier();
    load_queries64(problem, query, depth);
    load_samples64(problem, sample, depth);
    simt::block_barrier();
    for (int k = 0; k < tiles::kDepth64; ++k) {
      double left[4], right[4];
      GANTOOL_UNROLL
      for (int i = 0; i < 4; ++i) {
        left[i] = q.load((row + i) * kPitch64 + k);
        right[i] = x.load((column + kLanes64 * i) * kPitch64 + k);
      }
      GANTOOL_UNROLL
      for (int i = 0; i < 16; ++i) {
        const double difference = left[i / 4] - right[i % 4];
        d2[i / 4][i % 4] = fma(difference, difference, d2[i / 4][i % 4]);
      }
    }
  }
}

// Adds one row's four distances to its sums; lane s of the row's 16 owns the sum of bandwidth s.
template <class Element>
GANTOOL_DEVICE void absorb_row64(const DifferencesProblem<Element>& problem, int row,
                                 const double (&d2)[4], double& least) {
  const simt::Shared<double> sums(kSumOffset64);
  const double before = least;
  for (const double d : d2) least = keep_nan_minimum(least, d);
  for (int mask = 8; mask > 0; mask /= 2) {
    least = keep_nan_minimum(least, simt::warp_shuffle_xor(least, mask));
  }
  for (int s = 0; s < problem.sigma_count; ++s) {
    // Never zero, for the sake of the infinite distances past the last sample, nor infinite, for
    // the sake of a distance of zero.
    const auto sigma = static_cast<double>(problem.sigmas[s]);
    const double rate = fmin(fmax(0.5 / (sigma * sigma), DBL_MIN), DBL_MAX);
    double part = 0.0;
    for (const double d : d2) part += exp((least - d) * rate);
    for (int mask = 8; mask > 0; mask /= 2) part += simt::warp_shuffle_xor(part, mask);
    if (simt::thread_index() % kLanes64 != s) continue;
    const int index = row * tiles::kSigmaLimit64 + s;
    sums.store(index, sums.load(index) * exp((least - before) * rate) + part);
  }
}

template <class Element>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kThreads64, 1)
    sweep_differences(DifferencesProblem<Element> problem) {
  const tiles::ParzenBlock block = tiles::parzen_block(static_cast<int>(simt::block_index()),
                                                       problem.query_tiles, problem.splits);
  const simt::Shared<double> sums(kSumOffset64);
  const int row = simt::thread_index() / kLanes64 * 4, lane = simt::thread_index() % kLanes64;
  const int64_t first_query = static_cast<int64_t>(block.query_tile) * tiles::kQueryTile64;
  if (first_query >= query_total(problem)) return;
  double least[4] = {DBL_MAX, DBL_MAX, DBL_MAX, DBL_MAX};
  for (int i = 0; i < 4; ++i) sums.store((row + i) * tiles::kSigmaLimit64 + lane, 0.0);

  int tile = tiles::parzen_split_begin(block.split, problem.splits, problem.sample_tiles);
  const int end = tiles::parzen_split_begin(block.split + 1, problem.splits, problem.sample_tiles);
  for (; tile < end; ++tile) {
    double d2[4][4] = {};
    distances64(problem, first_query, static_cast<int64_t>(tile) * tiles::kSampleTile64, d2);
    for (int i = 0; i < 16; ++i) {
      const int64_t sample =
          static_cast<int64_t>(tile) * tiles::kSampleTile64 + lane + kLanes64 * (i % 4);
      double& d = d2[i / 4][i % 4];
      // A square beyond the type's range is merely far: the density stays finite.
      if (d > DBL_MAX) d = DBL_MAX;
      if (sample >= problem.sample_count) d = kOutside64;
    }
    for (int i = 0; i < 4; ++i) absorb_row64(problem, row + i, d2[i], least[i]);
  }

  const int64_t pitch = static_cast<int64_t>(problem.query_tiles) * tiles::kQueryTile64;
  double* const partial =
      problem.partial + block.split * (1 + problem.sigma_count) * pitch + first_query + row;
  for (int i = 0; i < 4; ++i) {
    if (lane == 0) partial[i] = least[i];
    if (lane >= problem.sigma_count) continue;
    partial[(1 + lane) * pitch + i] = sums.load((row + i) * tiles::kSigmaLimit64 + lane);
  }
}

}  // namespace gantool
