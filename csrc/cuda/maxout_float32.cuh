// The maxout kernels for float32, in float32 arithmetic.
//
// Why not tensor cores: a float16 pair has 22 bits of float32's 24, so for short sums three split
// products miss the bound of twice plain float32's own error, and winners would differ from those
// of plain arithmetic more often than rounding alone explains. Here every product and sum is
// float32.
//
// Equations and blocks as in maxout_half.cuh. Tiling: 128 by 128 a block of 256 threads, 8 by 8 a
// thread (rows 4 y + 0..3 and 64 + 4 y + 0..3 with y = thread / 16, columns likewise), 16 columns
// of depth a step. Two buffers of [depth][128] for each operand, 33,792 bytes; the next step's
// elements are in registers while this one is multiplied. Products of the forward pass: 67,584
// bytes.
#pragma once

#include <cstdint>

#include "maxout_select.cuh"

namespace gantool {

constexpr int kPitch32 = tiles::kMaxoutRows + 4;  // floats; keeps 16-byte loads aligned
constexpr int kOperandBytes32 = tiles::kMaxoutDepth32 * kPitch32 * 4;
constexpr int kBufferBytes32 = 2 * kOperandBytes32;
constexpr int kMaxoutBytes32 = 2 * kBufferBytes32;
constexpr int kMaxoutForwardBytes32 =
    kMaxoutBytes32 > kProductBytes ? kMaxoutBytes32 : kProductBytes;
constexpr int kLoads32 = tiles::kMaxoutRows * tiles::kMaxoutDepth32 / kMaxoutThreads;
static_assert(kLoads32 == 8 && kOperandBytes32 % 16 == 0);

// Operands: element (outer, depth), zero outside. kDepthFirst says along which axis neighbouring
// threads should go for their loads to be neighbours in memory.
struct Rows32 {  // [outer][depth]
  static constexpr bool kDepthFirst = true;
  const float* data;
  int64_t outers;
  int64_t stride;
  int64_t depth;
  GANTOOL_DEVICE float load(int outer, int64_t k) const {
    return outer < outers && k < depth ? data[outer * stride + k] : 0.0f;
  }
};

struct Columns32 {  // [depth][outer]
  static constexpr bool kDepthFirst = false;
  const float* data;
  int64_t outers;
  int64_t stride;
  int64_t depth;
  GANTOOL_DEVICE float load(int outer, int64_t k) const {
    return outer < outers && k < depth ? data[k * stride + outer] : 0.0f;
  }
};

GANTOOL_DEVICE float expanded32(const MaxoutGradientProblem<float>& problem, int64_t row,
                                int64_t index) {
  const int64_t unit = index / problem.pieces;
  if (row >= problem.batch || unit >= problem.units) return 0.0f;
  const int64_t at = row * problem.units + unit;
  return problem.winner[at] == index - unit * problem.pieces ? problem.grad_out[at] : 0.0f;
}

struct ExpandedRows32 {  // E
  static constexpr bool kDepthFirst = true;
  const MaxoutGradientProblem<float>& problem;
  int64_t begin;
  GANTOOL_DEVICE float load(int outer, int64_t k) const {
    return expanded32(problem, begin + outer, k);
  }
};

struct ExpandedColumns32 {  // E transposed
  static constexpr bool kDepthFirst = false;
  const MaxoutGradientProblem<float>& problem;
  int64_t begin;
  GANTOOL_DEVICE float load(int outer, int64_t k) const {
    return expanded32(problem, k, begin + outer);
  }
};

template <class Operand>
GANTOOL_DEVICE void fetch32(const Operand& operand, int64_t depth, float (&values)[kLoads32]) {
  const int thread = simt::thread_index();
  GANTOOL_UNROLL
  for (int i = 0; i < kLoads32; ++i) {
    values[i] = Operand::kDepthFirst ? operand.load(thread / 16 + 16 * i, depth + thread % 16)
                                     : operand.load(thread % 128, depth + thread / 128 + 2 * i);
  }
}

template <class Operand>
GANTOOL_DEVICE void deposit32(int offset, const float (&values)[kLoads32]) {
  const simt::Shared<float> target(offset);
  const int thread = simt::thread_index();
  GANTOOL_UNROLL
  for (int i = 0; i < kLoads32; ++i) {
    const int outer = Operand::kDepthFirst ? thread / 16 + 16 * i : thread % 128;
    const int k = Operand::kDepthFirst ? thread % 16 : thread / 128 + 2 * i;
    target.store(k * kPitch32 + outer, values[i]);
  }
}

GANTOOL_DEVICE void load_eight(const simt::Shared<simt::Float4>& view, int first,
                               float (&values)[8]) {
  const simt::Float4 low = view.load(first / 4), high = view.load(first / 4 + 16);
  values[0] = low.x;
  values[1] = low.y;
  values[2] = low.z;
  values[3] = low.w;
  values[4] = high.x;
  values[5] = high.y;
  values[6] = high.z;
  values[7] = high.w;
}

GANTOOL_DEVICE void multiply_step32(int buffer, float (&total)[8][8]) {
  const simt::Shared<simt::Float4> left(buffer), right(buffer + kOperandBytes32);
  const int row = simt::thread_index() / 16 * 4, column = simt::thread_index() % 16 * 4;
  GANTOOL_UNROLL
  for (int k = 0; k < tiles::kMaxoutDepth32; ++k) {
    float a[8], b[8];
    load_eight(left, k * kPitch32 + row, a);
    load_eight(right, k * kPitch32 + column, b);
    GANTOOL_UNROLL
    for (int i = 0; i < 64; ++i)
      total[i / 8][i % 8] = fmaf(a[i / 8], b[i % 8], total[i / 8][i % 8]);
  }
}

// total = left . right over the whole depth. Ends with a barrier: the buffers are free again.
template <class Left, class Right>
GANTOOL_DEVICE void multiply32(const Left& left, const Right& right, int64_t depth,
                               float (&total)[8][8]) {
  GANTOOL_UNROLL
  for (int i = 0; i < 64; ++i) total[i / 8][i % 8] = 0.0f;
  float a[kLoads32], b[kLoads32];
  fetch32(left, 0, a);
  fetch32(right, 0, b);
  int buffer = 0;
  for (int64_t k = 0; k < depth; k += tiles::kMaxoutDepth32) {
    deposit32<Left>(buffer, a);
    deposit32<Right>(buffer + kOperandBytes32, b);
    // Publishes this buffer; the other, filled next, was left by all before they came here.
    simt::block_barrier();
    fetch32(left, k + tiles::kMaxoutDepth32, a);
    fetch32(right, k + tiles::kMaxoutDepth32, b);
    multiply_step32(buffer, total);
    buffer = kBufferBytes32 - buffer;
  }
  simt::block_barrier();
}

GANTOOL_DEVICE int outer32(int thread_part, int i) { return i / 4 * 64 + thread_part * 4 + i % 4; }

GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, 2)
    maxout_forward_float32(MaxoutForwardProblem<float> problem) {
  const MaxoutBlock block = maxout_block(problem);
  const Rows32 x = {problem.x + block.row * problem.x_stride, problem.batch - block.row,
                    problem.x_stride, problem.inputs};
  const int y = simt::thread_index() / 16, z = simt::thread_index() % 16;
  Choice carried = {0.0f, 0};
  for (int64_t step = 0; step < block.steps; ++step) {
    const Rows32 weight = {problem.weight + step_begin(problem, block, step) * problem.inputs,
                           step_columns(problem, block, step), problem.inputs, problem.inputs};
    float total[8][8];
    multiply32(x, weight, problem.inputs, total);
    const simt::Shared<float> products(0);
    GANTOOL_UNROLL
    for (int i = 0; i < 64; ++i) {
      products.store(outer32(y, i / 8) * kProductPitch + outer32(z, i % 8), total[i / 8][i % 8]);
    }
    simt::block_barrier();
    select_pieces(problem, block, step, carried);
    simt::block_barrier();
  }
}

// grad_x where kInput, else grad_weight. Block: (tile of rows, tile of columns of I).
template <bool kInput>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, 2)
    maxout_gradient_float32(MaxoutGradientProblem<float> problem) {
  const int64_t outputs = problem.units * problem.pieces;
  const int64_t rows = kInput ? problem.batch : outputs;
  const int64_t depth = kInput ? outputs : problem.batch;
  const int64_t column_tiles = tiles::ceil_divide(problem.inputs, tiles::kMaxoutColumns);
  const int64_t row = simt::block_index() / column_tiles * tiles::kMaxoutRows;
  const int64_t column = simt::block_index() % column_tiles * tiles::kMaxoutColumns;
  const Columns32 right = {problem.right + column, problem.inputs - column, problem.right_stride,
                           depth};
  float total[8][8];
  if (kInput) {
    multiply32(ExpandedRows32{problem, row}, right, depth, total);
  } else {
    multiply32(ExpandedColumns32{problem, row}, right, depth, total);
  }
  GANTOOL_UNROLL
  for (int i = 0; i < 64; ++i) {
    const int64_t to_row = row + outer32(simt::thread_index() / 16, i / 8);
    const int64_t to_column = column + outer32(simt::thread_index() % 16, i % 8);
    if (to_row < rows && to_column < problem.inputs) {
      problem.gradient[to_row * problem.inputs + to_column] = total[i / 8][i % 8];
    }
  }
}

}  // namespace gantool
