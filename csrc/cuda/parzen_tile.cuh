// The heart of the Parzen log-density on tensor cores: distances by mma, online log-sum-exp.
//
//   d2[i, j]    = |q_i|^2 + |x_j|^2 - 2 q_i . x_j              (units: parzen_workspace.h)
//   least[i]    = min_j d2[i, j]
//   sum[s, i]   = sum_j exp(-(d2[i, j] - least[i]) / (2 sigma_s^2))
//
// Source: the definition, with the exponent's maximum taken out. exp falls with d2 whatever sigma
// is, so one running minimum is the reference point of every bandwidth.
//
// Product. Operands are pairs hi + lo of float16; q.x = hi.hi + hi.lo + lo.hi, and lo.lo is left
// out: each of its terms is below 2^-22 of the product's own, the size of the operands' rounding.
// Terms of an operand whose lo is zero everywhere (bytes) are skipped. Tensor cores round their
// sums towards zero, which over 784 columns is a bias of up to 2e-3 nats at sigma = 0.2; so each
// 16 columns are summed from zero, small terms first, and added to the total in float32, which
// rounds to nearest.
//
// Tiling. A block of 8 warps holds 128 queries by 256 samples, a warp 64 by 64, in 128 accumulators
// a thread. 16 columns a stage, 24 KB (8 + 16), three stages by cp.async; the stages run on from
// one tile of samples to the next, so that loads continue under the epilogue. The operand's layout
// in memory is that in shared memory, so a stage is two or four straight copies.
//
// For each block and stage: 24 KB from level 2, 8 KB a warp from shared memory, 128 * 256 * 16 * 3
// multiply-adds. Epilogue for each distance: about 4 operations, then 4 (one of them ex2) for each
// bandwidth whose terms can matter to the sum: a warp skips eight rows by 64 columns at a time.
//
// Shared memory: 72 KB of stages, 25.5 KB of sums for 11 bandwidths and of minima: 99,904 bytes in
// all, which every processor from sm_80 on lends. One block a multiprocessor.
#pragma once

#include <cfloat>
#include <cmath>

#include "parzen_workspace.h"
#include "simt.cuh"

namespace gantool {

constexpr int kTileThreads = 256;
constexpr int kWarpsDown = 2;    // warps of a block along the queries
constexpr int kWarpsAcross = 4;  // and along the samples
constexpr int kWarpRows = tiles::kQueryTile / kWarpsDown;
constexpr int kWarpColumns = tiles::kSampleTile / kWarpsAcross;
constexpr int kRowTiles = kWarpRows / 16;  // mma tiles of a warp
constexpr int kColumnTiles = kWarpColumns / 8;

constexpr int kQueryTermBytes = tiles::kQueryTile * tiles::kDepth * 2;
constexpr int kSampleTermBytes = tiles::kSampleTile * tiles::kDepth * 2;
constexpr int kStageBytes = 2 * (kQueryTermBytes + kSampleTermBytes);
constexpr int kSumPitch = tiles::kQueryTile + 8;  // four owners of a row fall in different banks
constexpr int kSumRows = tiles::kSigmaLimit + 1;  // the last holds the minima
constexpr int kSumBytes = kWarpsAcross * kSumRows * kSumPitch * 4;
constexpr int kLeastRow = tiles::kSigmaLimit;
constexpr int kSumOffset = tiles::kStages * kStageBytes;
constexpr int kSigmaOffset = kSumOffset + kSumBytes;
constexpr int kTileSharedBytes = kSigmaOffset + 16 * 4;

constexpr double kHalfLog2E = 0.72134752044448170368;

static_assert(kTileThreads == kWarpsDown * kWarpsAcross * simt::kWarp);
static_assert(kQueryTermBytes == kTileThreads * 16, "one 16-byte copy a thread and term");
static_assert(kSampleTermBytes == 2 * kTileThreads * 16, "two 16-byte copies a thread and term");
static_assert(kRowTiles == 4 && kColumnTiles == 8, "64 by 64 a warp");
static_assert(tiles::kSigmaLimit <= 16);
static_assert(kTileSharedBytes <= tiles::kSharedBytesEverywhere);

struct ParzenTileProblem {
  const ParzenScale* scale;
  const QueryRow* query_rows;
  const SampleRow* sample_rows;
  const unsigned char* query_operand;
  const unsigned char* sample_operand;
  const float* sigmas;  // of this pass
  int sigma_count;
  int64_t depth_blocks;
  int64_t query_tiles;
  int64_t sample_tiles;
  int64_t splits;
  float negligible_bits;  // a term below 2^-this of the largest is left out of the sum
  float* partial;         // [splits, 1 + sigma_count, 128 query_tiles]
};

struct WarpPlace {
  int down;    // which 64 queries
  int across;  // which 64 samples
  int lane;
};

GANTOOL_DEVICE WarpPlace warp_place() {
  const int warp = simt::thread_index() / simt::kWarp;
  return {warp / kWarpsAcross, warp % kWarpsAcross, simt::thread_index() % simt::kWarp};
}

// Begins the copy of one stage: `query` and `sample` are its two terms each, hi then lo.
template <bool kQueryLow, bool kSampleLow>
GANTOOL_DEVICE void begin_stage(int stage, const unsigned char* query,
                                const unsigned char* sample) {
  const simt::Shared<simt::Float4> shared(stage * kStageBytes);
  const int thread = simt::thread_index();
  constexpr int kCopies = kTileThreads;  // of 16 bytes
  simt::copy_async(shared, thread, query + thread * 16, true);
  if (kQueryLow) {
    simt::copy_async(shared, kCopies + thread, query + kQueryTermBytes + thread * 16, true);
  }
  GANTOOL_UNROLL
  for (int i = 0; i < (kSampleLow ? 4 : 2); ++i) {
    const int part = i * kCopies + thread;
    simt::copy_async(shared, 2 * kCopies + part, sample + part * 16, true);
  }
}

// total += q.x over the 16 columns of one stage.
template <bool kQueryLow, bool kSampleLow>
GANTOOL_DEVICE void multiply_stage(int stage, const WarpPlace& place,
                                   float (&total)[kRowTiles][kColumnTiles][4]) {
  const int lane = place.lane;
  const int begin = stage * kStageBytes;
  const simt::Shared<uint32_t> query(begin), query_low(begin + kQueryTermBytes);
  const simt::Shared<uint32_t> sample(begin + 2 * kQueryTermBytes);
  const simt::Shared<uint32_t> sample_low(begin + 2 * kQueryTermBytes + kSampleTermBytes);
  // Rows of 8 words; the chunk of a row is exchanged as in operand_index().
  const int query_row = place.down * kWarpRows + lane % 16;
  const int query_word = query_row * 8 + (lane / 16 ^ (query_row >> 2 & 1)) * 4;
  const int sample_row = place.across * kWarpColumns + lane % 8 + lane / 16 * 8;
  const int sample_word = sample_row * 8 + ((lane / 8 & 1) ^ (sample_row >> 2 & 1)) * 4;
  uint32_t q[kRowTiles][4], q_low[kRowTiles][4];
  GANTOOL_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    simt::load_matrix(q[m], query, query_word + m * 16 * 8);
    if (kQueryLow) simt::load_matrix(q_low[m], query_low, query_word + m * 16 * 8);
  }
  GANTOOL_UNROLL
  for (int pair = 0; pair < kColumnTiles / 2; ++pair) {
    uint32_t x[4], x_low[4];
    simt::load_matrix(x, sample, sample_word + pair * 16 * 8);
    if (kSampleLow) simt::load_matrix(x_low, sample_low, sample_word + pair * 16 * 8);
    GANTOOL_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      GANTOOL_UNROLL
      for (int n = 0; n < 2; ++n) {
        float part[4] = {};
        if (kSampleLow) simt::mma<simt::Float16>(part, q[m], x_low[2 * n], x_low[2 * n + 1]);
        if (kQueryLow) simt::mma<simt::Float16>(part, q_low[m], x[2 * n], x[2 * n + 1]);
        simt::mma<simt::Float16>(part, q[m], x[2 * n], x[2 * n + 1]);
        GANTOOL_UNROLL
        for (int i = 0; i < 4; ++i) total[m][2 * pair + n][i] += part[i];
      }
    }
  }
}

// Distances of one row of a thread's fragment, in place of the products, and their least.
GANTOOL_DEVICE float row_distances(const QueryRow& row, const simt::Float4* samples, int half,
                                   float (&product)[kColumnTiles][4]) {
  float least = FLT_MAX;
  GANTOOL_UNROLL
  for (int n = 0; n < kColumnTiles; ++n) {
    const simt::Float4 two = samples[n * 4];  // norm and scale of two neighbouring samples
    const float first = fmaf(two.x, row.sample_factor, row.norm);
    const float second = fmaf(two.z, row.sample_factor, row.norm);
    float* const d2 = &product[n][2 * half];
    // Rounding may leave a distance just below zero; the comparison keeps NaN.
    d2[0] = fmaf(d2[0] * two.y, row.cross, first);
    d2[1] = fmaf(d2[1] * two.w, row.cross, second);
    d2[0] = d2[0] < 0.0f ? 0.0f : d2[0];
    d2[1] = d2[1] < 0.0f ? 0.0f : d2[1];
    least = simt::minimum(least, simt::minimum(d2[0], d2[1]));
  }
  least = simt::minimum(least, simt::warp_shuffle_xor(least, 1));
  return simt::minimum(least, simt::warp_shuffle_xor(least, 2));
}

// log2(e) / (2 sigma^2) in the query's own unit.
GANTOOL_DEVICE float row_rate(float rate, float shift) {
  return fminf(ldexpf(rate, static_cast<int>(fminf(2.0f * shift, 254.0f))), FLT_MAX);
}

// Adds one row's 16 distances to its sums. Four lanes share the row; the sum of bandwidth s belongs
// to lane s % 4 of them and is touched by no other thread, the minimum is written by the first.
GANTOOL_DEVICE void absorb_row(const ParzenTileProblem& problem, float shift, int half,
                               float tile_least, int sum_index, float (&d2)[kColumnTiles][4]) {
  const simt::Shared<float> sums(kSumOffset), rates(kSigmaOffset);
  const int owner = simt::thread_index() % 4;
  const float before = sums.load(kLeastRow * kSumPitch + sum_index);
  const float least = simt::minimum(before, tile_least);
  const bool improved = simt::warp_any(!(least == before));
  simt::warp_barrier();  // all four have read it
  if (owner == 0) sums.store(kLeastRow * kSumPitch + sum_index, least);
  GANTOOL_UNROLL
  for (int n = 0; n < kColumnTiles; ++n) {
    d2[n][2 * half] = least - d2[n][2 * half];
    d2[n][2 * half + 1] = least - d2[n][2 * half + 1];
  }
  for (int s = 0; s < problem.sigma_count; ++s) {
    const float rate = row_rate(rates.load(s), shift);
    // Written so that NaN counts as needed.
    const bool needed = simt::warp_any(!((tile_least - least) * rate > problem.negligible_bits));
    if (!needed && !improved) continue;
    float part = 0.0f;
    if (needed) {
      GANTOOL_UNROLL
      for (int n = 0; n < kColumnTiles; ++n) {
        part += simt::exp2_fast(d2[n][2 * half] * rate);
        part += simt::exp2_fast(d2[n][2 * half + 1] * rate);
      }
      part += simt::warp_shuffle_xor(part, 1);
      part += simt::warp_shuffle_xor(part, 2);
    }
    if (s % 4 != owner) continue;
    const int index = s * kSumPitch + sum_index;
    const float kept = sums.load(index) * simt::exp2_fast((least - before) * rate);
    sums.store(index, kept + part);
  }
}

// Epilogue of one tile of samples: all rows of the warp's fragment, which it leaves at zero.
GANTOOL_DEVICE void absorb_tile(const ParzenTileProblem& problem, const WarpPlace& place,
                                const QueryRow* queries, const SampleRow* samples,
                                float (&total)[kRowTiles][kColumnTiles][4]) {
  const int g = place.lane / 4, t = place.lane % 4;
  const auto* const columns =
      reinterpret_cast<const simt::Float4*>(samples + place.across * kWarpColumns) + t;
  GANTOOL_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    GANTOOL_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = place.down * kWarpRows + m * 16 + half * 8 + g;
      const QueryRow query = queries[row];
      const float tile_least = row_distances(query, columns, half, total[m]);
      absorb_row(problem, query.shift, half, tile_least, place.across * kSumRows * kSumPitch + row,
                 total[m]);
    }
    GANTOOL_UNROLL
    for (int n = 0; n < kColumnTiles; ++n) {
      GANTOOL_UNROLL
      for (int i = 0; i < 4; ++i) total[m][n][i] = 0.0f;
    }
  }
}

// Each owner blanks its sums; rates for all bandwidths. The pipeline's first barrier publishes
// them.
GANTOOL_DEVICE void begin_sums(const ParzenTileProblem& problem, const WarpPlace& place) {
  const simt::Shared<float> sums(kSumOffset), rates(kSigmaOffset);
  const int thread = simt::thread_index();
  if (thread < problem.sigma_count) {
    const double sigma = ldexp(problem.scale->unit * static_cast<double>(problem.sigmas[thread]),
                               problem.scale->exponent);
    const double rate = kHalfLog2E / (sigma * sigma);
    rates.store(thread, static_cast<float>(fmin(rate, static_cast<double>(FLT_MAX))));
  }
  for (int row = 0; row < kWarpRows; row += 8) {
    const int index =
        place.across * kSumRows * kSumPitch + place.down * kWarpRows + row + place.lane / 4;
    for (int s = place.lane % 4; s < problem.sigma_count; s += 4) {
      sums.store(s * kSumPitch + index, 0.0f);
    }
    // Not infinite: infinity minus infinity would be NaN.
    if (place.lane % 4 == 0) sums.store(kLeastRow * kSumPitch + index, FLT_MAX);
  }
}

// Joins the four warps' sums of each row and writes the block's partial result.
GANTOOL_DEVICE void finish_sums(const ParzenTileProblem& problem, const QueryRow* queries,
                                float* partial, int64_t pitch) {
  const simt::Shared<float> sums(kSumOffset), rates(kSigmaOffset);
  simt::block_barrier();
  const int row = simt::thread_index() % tiles::kQueryTile;
  float joint = FLT_MAX;
  for (int warp = 0; warp < kWarpsAcross; ++warp) {
    joint = simt::minimum(joint, sums.load((warp * kSumRows + kLeastRow) * kSumPitch + row));
  }
  constexpr int kShare = kTileThreads / tiles::kQueryTile;
  const int first = simt::thread_index() / tiles::kQueryTile;
  if (first == 0) partial[row] = joint;
  for (int s = first; s < problem.sigma_count; s += kShare) {
    const float rate = row_rate(rates.load(s), queries[row].shift);
    float sum = 0.0f;
    for (int warp = 0; warp < kWarpsAcross; ++warp) {
      const float own = sums.load((warp * kSumRows + kLeastRow) * kSumPitch + row);
      sum += sums.load((warp * kSumRows + s) * kSumPitch + row) *
             simt::exp2_fast((joint - own) * rate);
    }
    partial[(1 + s) * pitch + row] = sum;
  }
}

}  // namespace gantool
