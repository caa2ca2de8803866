// The kernel that sweeps tiles of queries over the samples; its stages are in parzen_tile.cuh.
#pragma once

#include "parzen_tile.cuh"

namespace gantool {

// Walks the stages of one block. Registers are dear here: counts of tiles and of depth blocks are
// int (a count beyond it would need 2^39 samples, or 2^35 columns), and where the stages lie is two
// addresses.
struct StageCursor {
  int tile;
  int block;
  const unsigned char* query;
  const unsigned char* sample;

  GANTOOL_DEVICE void advance(int blocks) {
    sample += 2 * kSampleTermBytes;  // tiles of samples follow each other without a gap
    query += 2 * kQueryTermBytes;
    if (++block < blocks) return;
    block = 0;
    query -= static_cast<int64_t>(blocks) * (2 * kQueryTermBytes);
    ++tile;
  }
};

template <bool kQueryLow, bool kSampleLow>
GANTOOL_DEVICE void sweep(const ParzenTileProblem& problem) {
  const tiles::ParzenBlock block =
      tiles::parzen_block(simt::block_index(), problem.query_tiles, problem.splits);
  const auto begin = static_cast<int>(
      tiles::parzen_split_begin(block.split, problem.splits, problem.sample_tiles));
  const auto end = static_cast<int>(
      tiles::parzen_split_begin(block.split + 1, problem.splits, problem.sample_tiles));
  const auto blocks = static_cast<int>(problem.depth_blocks);
  const QueryRow* const queries = problem.query_rows + block.query_tile * tiles::kQueryTile;
  const WarpPlace place = warp_place();
  float total[kRowTiles][kColumnTiles][4] = {};
  begin_sums(problem, place);

  StageCursor ahead{
      begin, 0,
      problem.query_operand + block.query_tile * problem.depth_blocks * (2 * kQueryTermBytes),
      problem.sample_operand + begin * problem.depth_blocks * (2 * kSampleTermBytes)};
  for (int stage = 0; stage < tiles::kStages - 1; ++stage) {
    if (ahead.tile < end) {
      begin_stage<kQueryLow, kSampleLow>(stage, ahead.query, ahead.sample);
      ahead.advance(blocks);
    }
    simt::copy_async_commit();
  }
  int stage = 0;
  for (int tile = begin; tile < end; ++tile) {
    for (int depth = 0; depth < blocks; ++depth) {
      // This stage has landed for every thread, and all have left the one before it, which is
      // filled next.
      simt::copy_async_wait<tiles::kStages - 2>();
      simt::block_barrier();
      if (ahead.tile < end) {
        begin_stage<kQueryLow, kSampleLow>(stage == 0 ? tiles::kStages - 1 : stage - 1, ahead.query,
                                           ahead.sample);
        ahead.advance(blocks);
      }
      simt::copy_async_commit();
      multiply_stage<kQueryLow, kSampleLow>(stage, place, total);
      stage = stage + 1 == tiles::kStages ? 0 : stage + 1;
    }
    absorb_tile(problem, place, queries,
                problem.sample_rows + static_cast<int64_t>(tile) * tiles::kSampleTile, total);
  }
  const int64_t pitch = problem.query_tiles * tiles::kQueryTile;
  float* const partial = problem.partial + block.split * (1 + problem.sigma_count) * pitch +
                         block.query_tile * tiles::kQueryTile;
  finish_sums(problem, queries, partial, pitch);
}

// Which terms are needed is known on the device only, and the same for every block.
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kTileThreads, 1) sweep_samples(ParzenTileProblem problem) {
  const bool sample_low = problem.scale->has_low[0] != 0;
  const bool query_low = problem.scale->has_low[1] != 0;
  if (query_low && sample_low) return sweep<true, true>(problem);
  if (query_low) return sweep<true, false>(problem);
  if (sample_low) return sweep<false, true>(problem);
  sweep<false, false>(problem);
}

}  // namespace gantool
