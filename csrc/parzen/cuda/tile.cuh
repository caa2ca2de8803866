// The heart of the Parzen log-density on tensor cores: distances by mma, online log-sum-exp.
//
//   d2[i, j]    = |q_i|^2 + |x_j|^2 - 2 q_i . x_j              (units: workspace.h)
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
// Shared memory: 72 KB of stages, 24.8 KB of sums for 11 bandwidths and of minima, 2 KB of queries:
// 101,184 bytes in all, which every processor from sm_80 on lends. One block a multiprocessor.
#pragma once

#include <cfloat>
#include <cmath>

#include "parzen/cuda/workspace.h"
#include "simt/simt.cuh"

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
constexpr int kSumPitch = tiles::kQueryTile + 4;  // four owners of a row fall in different banks
constexpr int kSumRows = tiles::kSigmaLimit + 1;  // the last holds the minima
constexpr int kSumBytes = kWarpsAcross * kSumRows * kSumPitch * 4;
constexpr int kLeastRow = tiles::kSigmaLimit;
constexpr int kSumOffset = tiles::kStages * kStageBytes;
constexpr int kSigmaOffset = kSumOffset + kSumBytes;
constexpr int kPartialOffset = kSigmaOffset + 12 * 4;  // beside at most 12 rates
constexpr int kEndOffset = kSigmaOffset + 14 * 4;
constexpr int kQueryOffset = kSigmaOffset + 16 * 4;
constexpr int kTileSharedBytes =
    kQueryOffset + tiles::kQueryTile * static_cast<int>(sizeof(QueryRow));

constexpr double kHalfLog2E = 0.72134752044448170368;

static_assert(kTileThreads == kWarpsDown * kWarpsAcross * simt::kWarp);
static_assert(kQueryTermBytes == kTileThreads * 16, "one 16-byte copy a thread and term");
static_assert(kSampleTermBytes == 2 * kTileThreads * 16, "two 16-byte copies a thread and term");
static_assert(kRowTiles == 4 && kColumnTiles == 8, "64 by 64 a warp");
static_assert(tiles::kSigmaLimit <= 12 && sizeof(QueryRow) == 16);
static_assert(kTileSharedBytes <= tiles::kSharedBytesEverywhere);

struct ParzenTileProblem {
  const ParzenScale* scale;
  const QueryRow* query_rows;
  const SampleRow* sample_rows;
  const unsigned char* query_operand;
  const unsigned char* sample_operand;
  const float* sigmas;  // of this pass
  int sigma_count;
  int depth_blocks;
  int wrap_depth;  // depth blocks left in a tile when the copies ahead reach the last of them
  int query_tiles;
  int sample_tiles;
  int splits;
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

// Begins the copy of one stage: `query` and `sample` are this thread's first 16 bytes of two terms
// each, hi then lo.
template <bool kQueryLow, bool kSampleLow>
GANTOOL_DEVICE void begin_stage(int stage, const unsigned char* query,
                                const unsigned char* sample) {
  const simt::Shared<simt::Float4> shared(stage * kStageBytes);
  const int thread = simt::thread_index();
  constexpr int kCopies = kTileThreads;  // of 16 bytes
  simt::copy_async(shared, thread, query, true);
  if (kQueryLow) {
    simt::copy_async(shared, kCopies + thread, query + kQueryTermBytes, true);
  }
  GANTOOL_UNROLL
  for (int i = 0; i < (kSampleLow ? 4 : 2); ++i) {
    simt::copy_async(shared, (2 + i) * kCopies + thread, sample + i * kCopies * 16, true);
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

}  // namespace gantool
