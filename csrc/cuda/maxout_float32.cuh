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
constexpr int kOuterStep32 = kMaxoutThreads / tiles::kMaxoutDepth32;
static_assert(kLoads32 == 4 && kOperandBytes32 % 16 == 0);

// Operands: element (outer, depth), zero outside. kDepthFirst says along which axis neighbouring
// threads should go for their loads to be neighbours in memory.
struct Rows32 {  // [outer][depth]
  static constexpr bool kDepthFirst = true;
  const float* data;
  int outers;
  int depth;
  int64_t stride;
  GANTOOL_DEVICE float load(int outer, int k) const {
    return outer < outers && k < depth ? data[outer * stride + k] : 0.0f;
  }
};

struct Columns32 {  // [depth][outer]
  static constexpr bool kDepthFirst = false;
  const float* data;
  int outers;
  int depth;
  int64_t stride;
  GANTOOL_DEVICE float load(int outer, int k) const {
    return outer < outers && k < depth ? data[k * stride + outer] : 0.0f;
  }
};

GANTOOL_DEVICE float expanded32(const MaxoutGradientProblem<float>& problem, int row, int index) {
  const int unit = index / problem.pieces;
  if (row >= problem.batch || unit >= problem.units) return 0.0f;
  const int64_t at = static_cast<int64_t>(row) * problem.units + unit;
  return problem.winner[at] == index - unit * problem.pieces ? problem.grad_out[at] : 0.0f;
}

struct ExpandedRows32 {  // E
  static constexpr bool kDepthFirst = true;
  const MaxoutGradientProblem<float>& problem;
  int begin;
  GANTOOL_DEVICE float load(int outer, int k) const {
    return expanded32(problem, begin + outer, k);
  }
};

struct ExpandedColumns32 {  // E transposed
  static constexpr bool kDepthFirst = false;
  const MaxoutGradientProblem<float>& problem;
  int begin;
  GANTOOL_DEVICE float load(int outer, int k) const {
    return expanded32(problem, k, begin + outer);
  }
};

// Which element of a step is thread t's i-th.
template <class Operand>
GANTOOL_DEVICE int fetch_outer32(int thread, int i) {
  return Operand::kDepthFirst ? thread / tiles::kMaxoutDepth32 + kOuterStep32 * i : thread % 128;
}
template <class Operand>
GANTOOL_DEVICE int fetch_depth32(int thread, int i) {
  return Operand::kDepthFirst ? thread % tiles::kMaxoutDepth32 : thread / 128 + 2 * i;
}

template <class Operand>
GANTOOL_DEVICE void fetch32(const Operand& operand, int depth, float (&values)[kLoads32]) {
  const int thread = simt::thread_index();
  GANTOOL_UNROLL
  for (int i = 0; i < kLoads32; ++i) {
    values[i] =
        operand.load(fetch_outer32<Operand>(thread, i), depth + fetch_depth32<Operand>(thread, i));
  }
}

template <class Operand>
GANTOOL_DEVICE void deposit32(int offset, const float (&values)[kLoads32]) {
  const simt::Shared<float> target(offset);
  const int thread = simt::thread_index();
  GANTOOL_UNROLL
  for (int i = 0; i < kLoads32; ++i) {
    target.store(fetch_depth32<Operand>(thread, i) * kPitch32 + fetch_outer32<Operand>(thread, i),
                 values[i]);
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
  GANTOOL_UNROLL_BY(2)  // more would not fit two blocks into the registers
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
GANTOOL_DEVICE void multiply32(const Left& left, const Right& right, int depth,
                               float (&total)[8][8]) {
  GANTOOL_UNROLL
  for (int i = 0; i < 64; ++i) total[i / 8][i % 8] = 0.0f;
  float a[kLoads32], b[kLoads32];
  fetch32(left, 0, a);
  fetch32(right, 0, b);
  int buffer = 0;
  for (int k = 0; k < depth; k += tiles::kMaxoutDepth32) {
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

// kWide: a unit has more than 128 pieces.
template <bool kWide>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, kWide ? 1 : 2)
    maxout_forward_float32(MaxoutForwardProblem<float> problem) {
  const MaxoutBlock block = maxout_block(problem);
  const Rows32 x = {problem.x + block.row * problem.x_stride, problem.batch - block.row,
                    problem.inputs, problem.x_stride};
  const int y = simt::thread_index() / 16, z = simt::thread_index() % 16;
  Choice carried = {0.0f, 0};
  const int steps = kWide ? block.steps : 1;
  for (int step = 0; step < steps; ++step) {
    const Rows32 weight = {
        problem.weight + static_cast<int64_t>(step_begin(problem, block, step)) * problem.inputs,
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
    if (step + 1 < steps) simt::block_barrier();
  }
}

// grad_x where kInput, else grad_weight. Block: (tile of rows, tile of columns of I).
template <bool kInput>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, 2)
    maxout_gradient_float32(MaxoutGradientProblem<float> problem) {
  const GradientBlock block = gradient_block<kInput>(problem);
  const Columns32 right = {problem.right + block.column, problem.inputs - block.column, block.depth,
                           problem.right_stride};
  float total[8][8];
  if (kInput) {
    multiply32(ExpandedRows32{problem, block.row}, right, block.depth, total);
  } else {
    multiply32(ExpandedColumns32{problem, block.row}, right, block.depth, total);
  }
  GANTOOL_UNROLL
  for (int i = 0; i < 64; ++i) {
    const int row = block.row + outer32(simt::thread_index() / 16, i / 8);
    const int column = block.column + outer32(simt::thread_index() % 16, i % 8);
    if (row < block.rows && column < problem.inputs) {
      problem.gradient[static_cast<int64_t>(row) * problem.inputs + column] = total[i / 8][i % 8];
    }
  }
}

}  // namespace gantool
