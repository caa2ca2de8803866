// What the Parzen kernels hand each other in device memory, and where it lies in the workspace.
//
// Rows are centred, scaled and split before any product (pack.cuh):
//
//   v = unit * x - centre        unit 255 or 1; in float64
//   v 2^a = hi + lo              two float16; a chosen for each row so that its largest element
//                                lies in [2^14, 2^15): no overflow, and every element down to
//                                2^-14 of the row's largest keeps its 22 bits
//
// Distances are kept in units of 2^-E of v, one E for all (the samples' largest deviation is at
// most 1 in it), and of a query 2^m times further out in units of 2^(m-E):
//
//   d2 = query.norm + sample.norm 2^(-2m) + query.cross sample.scale (hi + lo).(hi + lo)
//
// so that data of any magnitude, and rows of very unlike magnitude, neither overflow nor vanish.
#pragma once

#include <cstdint>

#include "parzen/tiles.h"

namespace gantool {

// What the statistics find, in device memory only: the host never waits for it.
struct ParzenScale {
  int not_pixels[2];    // 1 if some finite element is not k / 255; [0] samples, [1] queries
  int not_integers[2];  // 1 if some finite element is not an integer 0 to 255
  int has_low[2];       // 1 if some lo term is not zero
  int integer_centre;   // the centre was rounded so that exact bytes stay exact
  int exponent;         // E
  int listed;           // queries that the pass computes again from differences
  float largest_norm;   // of the samples, in units of 2^-E; those at infinity apart
  double unit;
};

struct alignas(16) QueryRow {
  float norm;           // |v|^2 in the row's own unit; NaN for a row that is not finite
  float sample_factor;  // 2^(-2m)
  float cross;          // -2 2^(E - 2m - a)
  float shift;          // m
};

struct alignas(8) SampleRow {
  float norm;   // |v|^2; infinite in the rows that fill up the last tile
  float scale;  // 2^(E - a)
};

struct alignas(16) ColumnStatistics {
  double sum;
  float low;
  float high;
};

// The column statistics go over the rows in so many interleaved chunks: 8 or every row at least,
// and up to 32 to keep a device busy.
GANTOOL_CONSTEXPR int64_t parzen_chunks(int64_t rows) {
  return tiles::maximum(tiles::minimum(8, rows), tiles::minimum(32, rows / 256));
}

// Byte offsets into the workspace.
struct ParzenLayout {
  int64_t scale;
  int64_t statistics;      // [chunks, D] ColumnStatistics
  int64_t centre;          // [D] double
  int64_t query_rows;      // [query_tiles * 128] QueryRow
  int64_t sample_rows;     // [sample_tiles * 256] SampleRow
  int64_t query_operand;   // [query_tiles, depth blocks, 2 terms, 128, 16] float16
  int64_t sample_operand;  // [sample_tiles, depth blocks, 2 terms, 256, 16] float16
  int64_t partial;         // [splits, 1 + sigmas, query_tiles * 128] float32
  int64_t marks;           // [queries] int: those to compute again
  int64_t listed;          // [queries] int
  int64_t differences;     // [splits, 1 + sigmas, query_tiles * 64] float64, of the second plan
  int64_t bytes;
};

GANTOOL_CONSTEXPR int64_t parzen_depth_blocks(int64_t dimension) {
  return tiles::ceil_divide(dimension, tiles::kDepth);
}

GANTOOL_CONSTEXPR int64_t take(int64_t& end, int64_t bytes) {
  const int64_t begin = end;
  end += tiles::ceil_divide(bytes, 256) * 256;
  return begin;
}

// `plan` is that of the products, null where there are none (float64); `differences` that of the
// exact path.
inline ParzenLayout parzen_layout(const tiles::ParzenPlan* plan,
                                  const tiles::ParzenPlan& differences, int64_t query_count,
                                  int64_t sample_count, int64_t dimension) {
  ParzenLayout layout = {};
  int64_t end = 0;
  if (plan != nullptr) {
    const int64_t queries = plan->query_tiles * tiles::kQueryTile;
    const int64_t samples = plan->sample_tiles * tiles::kSampleTile;
    const int64_t row_bytes = parzen_depth_blocks(dimension) * tiles::kDepth * 2 * 2;
    layout.scale = take(end, sizeof(ParzenScale));
    layout.statistics = take(end, parzen_chunks(sample_count) * dimension *
                                      static_cast<int64_t>(sizeof(ColumnStatistics)));
    layout.centre = take(end, dimension * static_cast<int64_t>(sizeof(double)));
    layout.query_rows = take(end, queries * static_cast<int64_t>(sizeof(QueryRow)));
    layout.sample_rows = take(end, samples * static_cast<int64_t>(sizeof(SampleRow)));
    layout.query_operand = take(end, queries * row_bytes);
    layout.sample_operand = take(end, samples * row_bytes);
    layout.partial = take(
        end, plan->splits * (1 + plan->sigmas) * queries * static_cast<int64_t>(sizeof(float)));
    layout.marks = take(end, query_count * static_cast<int64_t>(sizeof(int)));
    layout.listed = take(end, query_count * static_cast<int64_t>(sizeof(int)));
  }
  layout.differences =
      take(end, differences.splits * (1 + differences.sigmas) * differences.query_tiles *
                    tiles::kQueryTile64 * static_cast<int64_t>(sizeof(double)));
  layout.bytes = end;
  return layout;
}

}  // namespace gantool
