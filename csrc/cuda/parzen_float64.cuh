// The plain float64 path of the Parzen log-density: direct differences, no centring, no split.
//
//   d2[i, j] = sum_d (q_i[d] - x_j[d])^2,  then least and sums as in parzen_tile.cuh
//
// Tiling: a block of 256 threads holds 64 queries by 64 samples, a thread 4 by 4; 16 columns a step
// through shared memory (16.5 KB). Thread t has the rows 4 (t / 16) + 0..3 and the columns
// t % 16 + 16 * 0..3. 3 operations for each distance and column, 2 * 64 * 16 * 8 bytes a step.
#pragma once

#include <cfloat>
#include <cmath>
#include <limits>

#include "parzen_workspace.h"
#include "simt.cuh"

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

struct Parzen64Problem {
  const double* queries;
  int64_t query_count;
  int64_t query_stride;
  const double* samples;
  int64_t sample_count;
  int64_t sample_stride;
  int64_t dimension;
  const double* sigmas;  // of this pass
  int sigma_count;
  int query_tiles;
  int sample_tiles;
  int splits;
  double* partial;  // [splits, 1 + sigma_count, 64 query_tiles]
};

GANTOOL_DEVICE double keep_nan_minimum(double a, double b) { return a < b || a != a ? a : b; }

// Copies 16 columns of 64 rows; rows and columns past the end become zeros, and an infinite query
// becomes NaN: it has no density.
template <bool kQuery>
GANTOOL_DEVICE void load_step64(int offset, const double* rows, int64_t first, int64_t count,
                                int64_t stride, int64_t depth, int64_t dimension) {
  const simt::Shared<double> shared(offset);
  for (int i = simt::thread_index(); i < 64 * tiles::kDepth64; i += kThreads64) {
    const int64_t row = first + i / tiles::kDepth64, column = depth + i % tiles::kDepth64;
    const bool inside = row < count && column < dimension;
    double value = inside ? rows[row * stride + column] : 0.0;
    if (kQuery) value += 0.0 * value;
    shared.store(i / tiles::kDepth64 * kPitch64 + i % tiles::kDepth64, value);
  }
}

GANTOOL_DEVICE void distances64(const Parzen64Problem& problem, int64_t query, int64_t sample,
                                double (&d2)[4][4]) {
  const simt::Shared<double> q(0), x(kSampleOffset64);
  const int row = simt::thread_index() / kLanes64 * 4, column = simt::thread_index() % kLanes64;
  for (int64_t depth = 0; depth < problem.dimension; depth += tiles::kDepth64) {
    simt::block_barrier();
    load_step64<true>(0, problem.queries, query, problem.query_count, problem.query_stride, depth,
                      problem.dimension);
    load_step64<false>(kSampleOffset64, problem.samples, sample, problem.sample_count,
                       problem.sample_stride, depth, problem.dimension);
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
GANTOOL_DEVICE void absorb_row64(const Parzen64Problem& problem, int row, const double (&d2)[4],
                                 double& least) {
  const simt::Shared<double> sums(kSumOffset64);
  const double before = least;
  for (const double d : d2) least = keep_nan_minimum(least, d);
  for (int mask = 8; mask > 0; mask /= 2) {
    least = keep_nan_minimum(least, simt::warp_shuffle_xor(least, mask));
  }
  for (int s = 0; s < problem.sigma_count; ++s) {
    // Never zero, for the sake of the infinite distances past the last sample, nor infinite, for
    // the sake of a distance of zero.
    const double rate = fmin(fmax(0.5 / (problem.sigmas[s] * problem.sigmas[s]), DBL_MIN), DBL_MAX);
    double part = 0.0;
    for (const double d : d2) part += exp((least - d) * rate);
    for (int mask = 8; mask > 0; mask /= 2) part += simt::warp_shuffle_xor(part, mask);
    if (simt::thread_index() % kLanes64 != s) continue;
    const int index = row * tiles::kSigmaLimit64 + s;
    sums.store(index, sums.load(index) * exp((least - before) * rate) + part);
  }
}

GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kThreads64, 1) sweep_samples64(Parzen64Problem problem) {
  const tiles::ParzenBlock block = tiles::parzen_block(static_cast<int>(simt::block_index()),
                                                       problem.query_tiles, problem.splits);
  const simt::Shared<double> sums(kSumOffset64);
  const int row = simt::thread_index() / kLanes64 * 4, lane = simt::thread_index() % kLanes64;
  const int64_t first_query = static_cast<int64_t>(block.query_tile) * tiles::kQueryTile64;
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
