// Online log-sum-exp of the Parzen sweep: from the products of a tile to sums for all bandwidths.
// The equations, the tiling and the layout of shared memory are in tile.cuh.
#pragma once

#include "parzen/cuda/tile.cuh"

namespace gantool {

// Distances in place of the products, and the least of each row over the thread's columns. Columns
// go outermost, so that no more than two samples are in registers at a time.
GANTOOL_DEVICE void tile_distances(const WarpPlace& place, const SampleRow* samples,
                                   float (&least)[kRowTiles][2],
                                   float (&total)[kRowTiles][kColumnTiles][4]) {
  const simt::Shared<QueryRow> queries(kQueryOffset);
  const int first_row = place.down * kWarpRows + place.lane / 4;
  const auto* const columns =
      reinterpret_cast<const simt::Float4*>(samples + place.across * kWarpColumns) + place.lane % 4;
  GANTOOL_UNROLL
  for (int row = 0; row < 2 * kRowTiles; ++row) least[row / 2][row % 2] = FLT_MAX;
  GANTOOL_UNROLL
  for (int n = 0; n < kColumnTiles; ++n) {
    const simt::Float4 two = columns[n * 4];  // norm and scale of two neighbouring samples
    GANTOOL_UNROLL
    for (int row = 0; row < 2 * kRowTiles; ++row) {
      const QueryRow query = queries.load(first_row + row * 8);
      float* const d2 = &total[row / 2][n][row % 2 * 2];
      d2[0] = fmaf(d2[0] * two.y, query.cross, fmaf(two.x, query.sample_factor, query.norm));
      d2[1] = fmaf(d2[1] * two.w, query.cross, fmaf(two.z, query.sample_factor, query.norm));
      // Rounding may leave a distance just below zero; the comparison keeps NaN.
      d2[0] = d2[0] < 0.0f ? 0.0f : d2[0];
      d2[1] = d2[1] < 0.0f ? 0.0f : d2[1];
      float& lowest = least[row / 2][row % 2];
      lowest = simt::minimum(lowest, simt::minimum(d2[0], d2[1]));
    }
  }
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

// Epilogue of one tile of samples, the last but `left` of its split: all rows of the warp's
// fragment, which it leaves at zero.
GANTOOL_DEVICE void absorb_tile(const ParzenTileProblem& problem, const WarpPlace& place, int left,
                                float (&total)[kRowTiles][kColumnTiles][4]) {
  const simt::Shared<QueryRow> queries(kQueryOffset);
  const int64_t tile = simt::Shared<int>(kEndOffset).load(0) - 1 - left;
  const SampleRow* const samples = problem.sample_rows + tile * tiles::kSampleTile;
  float tile_least[kRowTiles][2];
  tile_distances(place, samples, tile_least, total);
  GANTOOL_UNROLL
  for (int m = 0; m < kRowTiles; ++m) {
    GANTOOL_UNROLL
    for (int half = 0; half < 2; ++half) {
      float least = tile_least[m][half];
      least = simt::minimum(least, simt::warp_shuffle_xor(least, 1));
      least = simt::minimum(least, simt::warp_shuffle_xor(least, 2));
      const int row = place.down * kWarpRows + m * 16 + half * 8 + place.lane / 4;
      absorb_row(problem, queries.load(row).shift, half, least,
                 place.across * kSumRows * kSumPitch + row, total[m]);
    }
    GANTOOL_UNROLL
    for (int i = 0; i < kColumnTiles * 4; ++i) total[m][i / 4][i % 4] = 0.0f;
  }
}

// Each owner blanks its sums; rates for all bandwidths; what is known of the queries. The
// pipeline's first barrier publishes all.
GANTOOL_DEVICE void begin_sums(const ParzenTileProblem& problem, const WarpPlace& place,
                               const tiles::ParzenBlock& block, int end) {
  const simt::Shared<float> sums(kSumOffset), rates(kSigmaOffset);
  const int thread = simt::thread_index();
  if (thread < problem.sigma_count) {
    const double sigma = ldexp(problem.scale->unit * static_cast<double>(problem.sigmas[thread]),
                               problem.scale->exponent);
    const double rate = kHalfLog2E / (sigma * sigma);
    // Never zero, or the infinite distance of a row that fills up a tile would give NaN; at 2^-126
    // every finite distance still gives a weight of 1.
    rates.store(thread, static_cast<float>(fmin(fmax(rate, 0x1p-126), 0x1p127)));
  }
  const int64_t first_query = static_cast<int64_t>(block.query_tile) * tiles::kQueryTile;
  if (thread < tiles::kQueryTile) {
    simt::Shared<QueryRow>(kQueryOffset).store(thread, problem.query_rows[first_query + thread]);
  }
  // Where the partial result goes, and the end of the split.
  if (thread == 0) {
    const int64_t pitch = static_cast<int64_t>(problem.query_tiles) * tiles::kQueryTile;
    simt::Shared<int64_t>(kPartialOffset)
        .store(0, block.split * (1 + problem.sigma_count) * pitch + first_query);
    simt::Shared<int>(kEndOffset).store(0, end);
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
GANTOOL_DEVICE void finish_sums(const ParzenTileProblem& problem) {
  const simt::Shared<float> sums(kSumOffset), rates(kSigmaOffset);
  simt::block_barrier();
  const int64_t pitch = static_cast<int64_t>(problem.query_tiles) * tiles::kQueryTile;
  float* const partial = problem.partial + simt::Shared<int64_t>(kPartialOffset).load(0);
  const int row = simt::thread_index() % tiles::kQueryTile;
  const float shift = simt::Shared<QueryRow>(kQueryOffset).load(row).shift;
  float joint = FLT_MAX;
  for (int warp = 0; warp < kWarpsAcross; ++warp) {
    joint = simt::minimum(joint, sums.load((warp * kSumRows + kLeastRow) * kSumPitch + row));
  }
  constexpr int kShare = kTileThreads / tiles::kQueryTile;
  const int first = simt::thread_index() / tiles::kQueryTile;
  if (first == 0) partial[row] = joint;
  for (int s = first; s < problem.sigma_count; s += kShare) {
    const float rate = row_rate(rates.load(s), shift);
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
