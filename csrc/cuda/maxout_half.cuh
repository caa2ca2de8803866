// The maxout kernels for bfloat16 and float16, on tensor cores; tiles in maxout_matrix.cuh.
//
//   forward     out[b, u] = max_p ( x[b] . weight[u, p] + bias[u, p] ),  winner its lowest p
//   grad_x      E weight,     grad_weight  E^T x,     E[b, (u, p)] = grad_out[b, u] [winner = p]
//
// Tiling: 128 rows by 128 columns a block. In the forward pass the columns are whole units (25
// units of 5 pieces), so that the products of a unit meet in one block: they go through shared
// memory once and leave as one value and one byte. A unit of more than 128 pieces takes several
// tiles in turn. Shared memory: 48 KB of stages, or 67,584 bytes of products in the forward pass.
// Sums in float32. Operations: 2 B I U P for each of the three products; bytes: each operand once
// for each 128 rows or columns of the other.
#pragma once

#include "maxout_matrix.cuh"

namespace gantool {

constexpr int kMaxoutForwardBytes = kMatrixBytes > kProductBytes ? kMatrixBytes : kProductBytes;

GANTOOL_DEVICE void store_products(const MatrixPlace& place, const float (&total)[4][4][4]) {
  const simt::Shared<simt::Float2> products(0);
  GANTOOL_UNROLL
  for (int i = 0; i < 32; ++i) {
    const int m = i / 8, n = i / 2 % 4, half = i % 2;
    const int row = place.down * 64 + m * 16 + half * 8 + place.lane / 4;
    const int column = place.across * 32 + n * 8 + place.lane % 4 * 2;
    products.store((row * kProductPitch + column) / 2,
                   {total[m][n][2 * half], total[m][n][2 * half + 1]});
  }
}

// kCommon: rows of both operands begin at multiples of 16 bytes and have a multiple of 8 elements,
// and a unit has at most 128 pieces. Two blocks a multiprocessor then fit its registers.
template <class Element, bool kCommon>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, kCommon ? 2 : 1)
    maxout_forward_half(MaxoutForwardProblem<Element> problem) {
  const MaxoutBlock block = maxout_block(problem);
  const MatrixPlace place = matrix_place();
  const PlainRows<Element, kCommon> x = {problem.x + block.row * problem.x_stride,
                                         problem.batch - block.row, problem.inputs,
                                         problem.x_stride};
  Choice carried = {0.0f, 0};
  const int steps = kCommon ? 1 : block.steps;
  for (int step = 0; step < steps; ++step) {
    const int64_t first = step_begin(problem, block, step);
    const PlainRows<Element, kCommon> weight = {problem.weight + first * problem.inputs,
                                                step_columns(problem, block, step), problem.inputs,
                                                problem.inputs};
    float total[4][4][4];
    multiply_matrices<Element, false>(x, weight, problem.inputs, place, total);
    store_products(place, total);
    simt::block_barrier();
    select_pieces(problem, block, step, carried);
    if (step + 1 < steps) simt::block_barrier();
  }
}

// grad_x where kInput, else grad_weight; kAligned as for kCommon. Block: (tile of rows, tile of
// columns of I).
template <class Element, bool kInput, bool kAligned>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, kAligned ? 2 : 1)
    maxout_gradient_half(MaxoutGradientProblem<Element> problem) {
  const GradientBlock block = gradient_block<kInput>(problem);
  const MatrixPlace place = matrix_place();
  const CrossRows<Element, kAligned> right = {problem.right + block.column,
                                              problem.inputs - block.column, block.depth,
                                              problem.right_stride};
  float total[4][4][4];
  if (kInput) {
    multiply_matrices<Element, true>(ExpandedRows<Element>{problem, block.row}, right, block.depth,
                                     place, total);
  } else {
    multiply_matrices<Element, true>(ExpandedColumns<Element>{problem, block.row}, right,
                                     block.depth, place, total);
  }
  GANTOOL_UNROLL
  for (int i = 0; i < 64; ++i) {
    const int m = i / 16, n = i / 4 % 4, part = i % 4;
    const int row = block.row + place.down * 64 + m * 16 + part / 2 * 8 + place.lane / 4;
    const int column = block.column + place.across * 32 + n * 8 + place.lane % 4 * 2 + part % 2;
    if (row < block.rows && column < problem.inputs) {
      from_float(total[m][n][part],
                 problem.gradient[static_cast<int64_t>(row) * problem.inputs + column]);
    }
  }
}

}  // namespace gantool
