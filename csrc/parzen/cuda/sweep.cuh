// The kernel that sweeps tiles of queries over the samples; its stages are in tile.cuh and
// sums.cuh.
#pragma once

#include "parzen/cuda/sums.cuh"
#include "parzen/cuda/tile.cuh"

namespace gantool {

// Where the next stage to be copied lies, for one thread.
struct StageCursor {
  const unsigned char* query;
  const unsigned char* sample;

  // Begins the copy of the next stage, if there is one, and closes a group of copies in any case.
  // `wrap`: it is the last of the depth blocks, after which the query's begin again.
  template <bool kQueryLow, bool kSampleLow>
  GANTOOL_DEVICE void begin(int stage, bool more, bool wrap, int blocks) {
    if (more) {
      begin_stage<kQueryLow, kSampleLow>(stage, query, sample);
      sample += 2 * kSampleTermBytes;  // tiles of samples follow each other without a gap
      query += 2 * kQueryTermBytes;
      if (wrap) query -= static_cast<int64_t>(blocks) * (2 * kQueryTermBytes);
    }
    simt::copy_async_commit();
  }
};

// Registers are dear in the loop: the products need nearly all of them. It counts stages alone, and
// what is needed once a tile, or at the end, is computed again or lies in shared memory.
template <bool kQueryLow, bool kSampleLow>
GANTOOL_DEVICE void sweep(const ParzenTileProblem& problem) {
  const tiles::ParzenBlock block = tiles::parzen_block(static_cast<int>(simt::block_index()),
                                                       problem.query_tiles, problem.splits);
  const int begin = tiles::parzen_split_begin(block.split, problem.splits, problem.sample_tiles);
  const int end = tiles::parzen_split_begin(block.split + 1, problem.splits, problem.sample_tiles);
  const int blocks = problem.depth_blocks;
  const WarpPlace place = warp_place();
  begin_sums(problem, place, block, end);

  const int64_t row_bytes = static_cast<int64_t>(blocks) * (2 * tiles::kDepth * 2);
  const int64_t first_query = static_cast<int64_t>(block.query_tile) * tiles::kQueryTile;
  const int64_t first_sample = static_cast<int64_t>(begin) * tiles::kSampleTile;
  StageCursor ahead{problem.query_operand + first_query * row_bytes + simt::thread_index() * 16,
                    problem.sample_operand + first_sample * row_bytes + simt::thread_index() * 16};
  constexpr int kAhead = tiles::kStages - 1;
  int left = (end - begin) * blocks;  // stages to multiply
  for (int stage = 0; stage < kAhead; ++stage) {
    ahead.begin<kQueryLow, kSampleLow>(stage, stage < left, (stage + 1) % blocks == 0, blocks);
  }
  float total[kRowTiles][kColumnTiles][4] = {};
  int stage = 0;
  for (int depth = blocks; left > 0; --left) {
    // This stage has landed for every thread, and all have left the one before it, filled next.
    simt::copy_async_wait<kAhead - 1>();
    simt::block_barrier();
    ahead.begin<kQueryLow, kSampleLow>(stage == 0 ? kAhead : stage - 1, left > kAhead,
                                       depth == problem.wrap_depth, blocks);
    multiply_stage<kQueryLow, kSampleLow>(stage, place, total);
    stage = stage == kAhead ? 0 : stage + 1;
    if (--depth > 0) continue;
    depth = blocks;
    absorb_tile(problem, place, (left - 1) / blocks, total);
  }
  finish_sums(problem);
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
