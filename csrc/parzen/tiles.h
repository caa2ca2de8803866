// The choice of tiles for the Parzen kernels on CUDA: pure functions of the shape of a problem, so
// that they are checked by static_assert and by ordinary tests.
#pragma once

#include <cstdint>

#include "simt/tiles.h"

namespace gantool::tiles {

// --- tensor cores --------------------------------------------------------------------------------

constexpr int kQueryTile = 128;   // rows of queries a block keeps
constexpr int kSampleTile = 256;  // rows of samples it meets at a time
constexpr int kDepth = 16;        // columns of one pipeline stage: the depth of one mma
constexpr int kStages = 3;
constexpr int kSigmaLimit = 11;  // bandwidths in one pass over the distances

// --- float64 -------------------------------------------------------------------------------------

constexpr int kQueryTile64 = 64;
constexpr int kSampleTile64 = 64;
constexpr int kDepth64 = 16;
constexpr int kSigmaLimit64 = 16;

// How the blocks of one pass share the work: block b takes one tile of queries and one part
// ("split") of the sample tiles.
struct ParzenPlan {
  int64_t query_tiles;
  int64_t sample_tiles;
  int64_t splits;
  int64_t sigma_passes;  // more than one only above the sigma limit
  int64_t sigmas;        // in one pass, the last may have fewer
};

// The relative time of a pass: the busiest multiprocessor's sample tiles, each split costing about
// a quarter of a tile more (filling the pipeline, writing partial results).
GANTOOL_CONSTEXPR int64_t parzen_cost(int64_t query_tiles, int64_t sample_tiles, int64_t splits,
                                      int64_t multiprocessors) {
  const int64_t waves = ceil_divide(query_tiles * splits, multiprocessors);
  return waves * (4 * ceil_divide(sample_tiles, splits) + 1);
}

// Few queries: as many splits as keep every multiprocessor busy. Many: as many as make the last
// wave of blocks nearly full. At most 32 blocks a multiprocessor, which bounds the partial results.
GANTOOL_CONSTEXPR int64_t parzen_splits(int64_t query_tiles, int64_t sample_tiles,
                                        int64_t multiprocessors) {
  const int64_t most =
      minimum(sample_tiles, maximum(1, 32 * multiprocessors / maximum(1, query_tiles)));
  int64_t best = 1;
  for (int64_t splits = 2; splits <= most; ++splits) {
    if (parzen_cost(query_tiles, sample_tiles, splits, multiprocessors) <
        parzen_cost(query_tiles, sample_tiles, best, multiprocessors)) {
      best = splits;
    }
  }
  return best;
}

GANTOOL_CONSTEXPR ParzenPlan parzen_plan(int64_t query_count, int64_t sample_count,
                                         int64_t sigma_count, int64_t multiprocessors,
                                         bool float64) {
  ParzenPlan plan = {};
  plan.query_tiles = ceil_divide(query_count, float64 ? kQueryTile64 : kQueryTile);
  plan.sample_tiles = ceil_divide(sample_count, float64 ? kSampleTile64 : kSampleTile);
  plan.splits = parzen_splits(plan.query_tiles, plan.sample_tiles, multiprocessors);
  plan.sigma_passes = ceil_divide(sigma_count, float64 ? kSigmaLimit64 : kSigmaLimit);
  plan.sigmas = plan.sigma_passes == 0 ? 0 : ceil_divide(sigma_count, plan.sigma_passes);
  return plan;
}

struct ParzenBlock {
  int query_tile;
  int split;
};

// Neighbouring blocks, which run at one time, are laid out as groups of 32 query tiles by all
// splits: what they read together then fits the level-2 cache (32 query tiles of 784 columns are
// 13 MB), and every sample tile read serves 32 blocks.
// In int, as everything that kernels divide: a grid has fewer than 2^31 blocks.
GANTOOL_CONSTEXPR ParzenBlock parzen_block(int block, int query_tiles, int splits) {
  const int group = block / (32 * splits);
  const int rest = block - 32 * splits * group;
  const int width = query_tiles - 32 * group < 32 ? query_tiles - 32 * group : 32;
  return {32 * group + rest % width, rest / width};
}

// First sample tile of a split; the split ends where the next begins.
GANTOOL_CONSTEXPR int parzen_split_begin(int split, int splits, int sample_tiles) {
  const int longer = sample_tiles % splits;
  return split * (sample_tiles / splits) + (split < longer ? split : longer);
}

static_assert(parzen_splits(1, 235, 132) > 100, "one tile of queries occupies the whole device");
static_assert(parzen_splits(100000, 235, 132) == 1, "many tiles of queries need no split");

}  // namespace gantool::tiles
