// Tiles of 16-bit products for maxout on tensor cores: 128 by 128 a block, float32 sums.
//
// Eight warps, each 64 by 32 (64 accumulators a thread); 32 columns of depth a stage, three stages
// of 16 KB. A left operand lies in shared memory as [row][depth]; a right one as [column][depth],
// or as [depth][column] where that is how memory has it (then ldmatrix transposes). Chunks of 8
// elements are exchanged within a row so that the eight rows which ldmatrix reads together lie in
// different banks.
//
// A loader begins the copy of its operand for one stage. PlainRows and CrossRows copy by cp.async
// where rows are aligned to 16 bytes (kAligned) and by single elements elsewhere. The two expanded
// loaders make the gradient of the pieces,
//
//   E[b, (u, p)] = grad_out[b, u] if winner[b, u] = p, else 0,
//
// in shared memory only: [B, U, P] never exists in device memory.
#pragma once

#include <cstdint>

#include "maxout_select.cuh"

namespace gantool {

constexpr int kOperandBytes = tiles::kMaxoutRows * tiles::kMaxoutDepth * 2;
constexpr int kMatrixStageBytes = 2 * kOperandBytes;
constexpr int kMatrixBytes = tiles::kMaxoutStages * kMatrixStageBytes;
constexpr int kChunk = 8;  // elements in 16 bytes
static_assert(tiles::kMaxoutRows == 128 && tiles::kMaxoutColumns == 128);
static_assert(tiles::kMaxoutDepth == 32, "four chunks a row, two chunks a thread and operand");
static_assert(kOperandBytes == 2 * kMaxoutThreads * 16);

// Word of chunk `chunk` in row `row`, for rows of 4 and of 16 chunks.
GANTOOL_DEVICE int narrow_word(int row, int chunk) {
  return row * 16 + (chunk ^ (row >> 1 & 3)) * 4;
}
GANTOOL_DEVICE int wide_word(int row, int chunk) { return row * 64 + (chunk ^ (row & 7)) * 4; }

GANTOOL_DEVICE void store_chunk(const simt::Shared<uint32_t>& target, int word,
                                const uint16_t (&bits)[kChunk]) {
  for (int i = 0; i < 4; ++i) {
    target.store(word + i, bits[2 * i] | static_cast<uint32_t>(bits[2 * i + 1]) << 16);
  }
}

// Copies elements [column, column + 8) of one row, or zeros where they lie outside.
template <bool kAligned, class Element>
GANTOOL_DEVICE void copy_chunk(const simt::Shared<uint32_t>& target, int word, const Element* row,
                               bool row_inside, int column, int columns) {
  if constexpr (kAligned) {
    const bool inside = row_inside && column < columns;
    simt::copy_async(target, word, inside ? row + column : row, inside);
  } else {
    uint16_t bits[kChunk] = {};
    for (int i = 0; i < kChunk; ++i) {
      if (row_inside && column + i < columns) bits[i] = row[column + i].bits;
    }
    store_chunk(target, word, bits);
  }
}

// Rows [first, first + 128) of a row-major matrix, as [row][depth].
template <class Element, bool kAligned>
struct PlainRows {
  const Element* data;  // of the first row
  int rows;             // from there to the last
  int depth;
  int64_t stride;

  GANTOOL_DEVICE void begin(int offset, int depth_begin) const {
    const simt::Shared<uint32_t> target(offset);
    GANTOOL_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int chunk = i * kMaxoutThreads + simt::thread_index();
      const int row = chunk / 4;
      const bool inside = row < rows;
      copy_chunk<kAligned>(target, narrow_word(row, chunk % 4), inside ? data + row * stride : data,
                           inside, depth_begin + chunk % 4 * kChunk, depth);
    }
  }
};

// Columns [first, first + 128) of a row-major matrix whose rows are the depth, as [depth][column].
template <class Element, bool kAligned>
struct CrossRows {
  const Element* data;  // of the first column
  int columns;          // from there to the last
  int depth;
  int64_t stride;

  GANTOOL_DEVICE void begin(int offset, int depth_begin) const {
    const simt::Shared<uint32_t> target(offset);
    GANTOOL_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int chunk = i * kMaxoutThreads + simt::thread_index();
      const int row = chunk / 16;
      const bool inside = depth_begin + row < depth;
      copy_chunk<kAligned>(target, wide_word(row, chunk % 16),
                           inside ? data + (depth_begin + row) * stride : data, inside,
                           chunk % 16 * kChunk, columns);
    }
  }
};

// E with rows of the batch: [b][(u, p)].
template <class Element>
struct ExpandedRows {
  const MaxoutGradientProblem<Element>& problem;
  int row_begin;

  GANTOOL_DEVICE void begin(int offset, int depth_begin) const {
    const simt::Shared<uint32_t> target(offset);
    for (int i = 0; i < 2; ++i) {
      const int chunk = i * kMaxoutThreads + simt::thread_index();
      const int row = row_begin + chunk / 4;
      const int index = depth_begin + chunk % 4 * kChunk;
      const int64_t at = static_cast<int64_t>(row) * problem.units;
      uint16_t bits[kChunk] = {};
      int unit = index / problem.pieces;
      int piece = index - unit * problem.pieces;
      for (int k = 0; k < kChunk && row < problem.batch && unit < problem.units; ++k) {
        if (problem.winner[at + unit] == piece) bits[k] = problem.grad_out[at + unit].bits;
        if (++piece == problem.pieces) {
          piece = 0;
          ++unit;
        }
      }
      store_chunk(target, narrow_word(chunk / 4, chunk % 4), bits);
    }
  }
};

// E transposed: [(u, p)][b].
template <class Element>
struct ExpandedColumns {
  const MaxoutGradientProblem<Element>& problem;
  int row_begin;  // first (u, p)

  GANTOOL_DEVICE void begin(int offset, int depth_begin) const {
    const simt::Shared<uint32_t> target(offset);
    for (int i = 0; i < 2; ++i) {
      const int chunk = i * kMaxoutThreads + simt::thread_index();
      const int index = row_begin + chunk / 4;
      const int unit = index / problem.pieces, piece = index - unit * problem.pieces;
      const int first = depth_begin + chunk % 4 * kChunk;
      uint16_t bits[kChunk] = {};
      for (int k = 0; k < kChunk && first + k < problem.batch && unit < problem.units; ++k) {
        const int64_t at = static_cast<int64_t>(first + k) * problem.units + unit;
        if (problem.winner[at] == piece) bits[k] = problem.grad_out[at].bits;
      }
      store_chunk(target, narrow_word(chunk / 4, chunk % 4), bits);
    }
  }
};

struct MatrixPlace {
  int down;    // which 64 rows
  int across;  // which 32 columns
  int lane;
};

GANTOOL_DEVICE MatrixPlace matrix_place() {
  const int warp = simt::thread_index() / simt::kWarp;
  return {warp / 4, warp % 4, simt::thread_index() % simt::kWarp};
}

template <class Element, bool kCross>
GANTOOL_DEVICE void multiply_matrix_stage(int offset, const MatrixPlace& place,
                                          float (&total)[4][4][4]) {
  using Tag = typename MatrixTag<Element>::Type;
  const simt::Shared<uint32_t> left(offset), right(offset + kOperandBytes);
  const int lane = place.lane;
  GANTOOL_UNROLL
  for (int k = 0; k < tiles::kMaxoutDepth / 16; ++k) {
    uint32_t a[4][4], b[2][4];
    GANTOOL_UNROLL
    for (int m = 0; m < 4; ++m) {
      const int row = place.down * 64 + m * 16 + lane % 16;
      simt::load_matrix(a[m], left, narrow_word(row, 2 * k + lane / 16));
    }
    GANTOOL_UNROLL
    for (int pair = 0; pair < 2; ++pair) {
      const int column = place.across * 32 + pair * 16;
      if (kCross) {
        simt::load_matrix_transposed(b[pair], right,
                                     wide_word(k * 16 + lane % 16, column / kChunk + lane / 16));
      } else {
        simt::load_matrix(b[pair], right,
                          narrow_word(column + lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2));
      }
    }
    GANTOOL_UNROLL
    for (int m = 0; m < 4; ++m) {
      GANTOOL_UNROLL
      for (int n = 0; n < 4; ++n) {
        simt::mma<Tag>(total[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
      }
    }
  }
}

// total = left . right over the whole depth. Ends with a barrier: the stages are free again.
template <class Element, bool kCross, class Left, class Right>
GANTOOL_DEVICE void multiply_matrices(const Left& left, const Right& right, int depth,
                                      const MatrixPlace& place, float (&total)[4][4][4]) {
  constexpr int kAhead = tiles::kMaxoutStages - 1;
  const int steps = depth / tiles::kMaxoutDepth + (depth % tiles::kMaxoutDepth != 0 ? 1 : 0);
  const auto begin = [&](int stage, int step) {
    if (step < steps) {
      left.begin(stage * kMatrixStageBytes, step * tiles::kMaxoutDepth);
      right.begin(stage * kMatrixStageBytes + kOperandBytes, step * tiles::kMaxoutDepth);
    }
    simt::copy_async_commit();
  };
  GANTOOL_UNROLL
  for (int i = 0; i < 64; ++i) total[i / 16][i / 4 % 4][i % 4] = 0.0f;
  for (int stage = 0; stage < kAhead; ++stage) begin(stage, stage);
  int stage = 0;
  for (int step = 0; step < steps; ++step) {
    // This stage has landed for every thread, and all have left the one before it.
    simt::copy_async_wait<kAhead - 1>();
    simt::block_barrier();
    begin(stage == 0 ? kAhead : stage - 1, step + kAhead);
    multiply_matrix_stage<Element, kCross>(stage * kMatrixStageBytes, place, total);
    stage = stage == kAhead ? 0 : stage + 1;
  }
  simt::block_barrier();
}

}  // namespace gantool
