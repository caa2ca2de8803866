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

template <class Element>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, 2)
    maxout_forward_half(MaxoutForwardProblem<Element> problem, bool x_aligned,
                        bool weight_aligned) {
  const MaxoutBlock block = maxout_block(problem);
  const MatrixPlace place = matrix_place();
  const PlainRows<Element> x = {problem.x + block.row * problem.x_stride, problem.batch - block.row,
                                problem.x_stride, problem.inputs, x_aligned};
  Choice carried = {0.0f, 0};
  for (int64_t step = 0; step < block.steps; ++step) {
    const PlainRows<Element> weight = {
        problem.weight + step_begin(problem, block, step) * problem.inputs,
        step_columns(problem, block, step), problem.inputs, problem.inputs, weight_aligned};
    float total[4][4][4];
    multiply_matrices<Element, false>(x, weight, problem.inputs, place, total);
    store_products(place, total);
    simt::block_barrier();
    select_pieces(problem, block, step, carried);
    simt::block_barrier();
  }
}

template <class Element>
GANTOOL_DEVICE void store_gradient(const MatrixPlace& place, const float (&total)[4][4][4],
                                   int64_t row_begin, int64_t rows, int64_t column_begin,
                                   int64_t columns, Element* gradient) {
  GANTOOL_UNROLL
  for (int i = 0; i < 64; ++i) {
    const int m = i / 16, n = i / 4 % 4, part = i % 4;
    const int64_t row = row_begin + place.down * 64 + m * 16 + part / 2 * 8 + place.lane / 4;
    const int64_t column = column_begin + place.across * 32 + n * 8 + place.lane % 4 * 2 + part % 2;
    if (row < rows && column < columns) {
      from_float(total[m][n][part], gradient[row * columns + column]);
    }
  }
}

// grad_x where kInput, else grad_weight. Block: (tile of rows, tile of columns of I).
template <class Element, bool kInput>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, 2)
    maxout_gradient_half(MaxoutGradientProblem<Element> problem, bool right_aligned) {
  const int64_t outputs = problem.units * problem.pieces;
  const int64_t rows = kInput ? problem.batch : outputs;
  const int64_t depth = kInput ? outputs : problem.batch;
  const int64_t column_tiles = tiles::ceil_divide(problem.inputs, tiles::kMaxoutColumns);
  const int64_t row = simt::block_index() / column_tiles * tiles::kMaxoutRows;
  const int64_t column = simt::block_index() % column_tiles * tiles::kMaxoutColumns;
  const MatrixPlace place = matrix_place();
  const CrossRows<Element> right = {problem.right + column, problem.inputs - column,
                                    problem.right_stride, depth, right_aligned};
  float total[4][4][4];
  if (kInput) {
    multiply_matrices<Element, true>(ExpandedRows<Element>{problem, row}, right, depth, place,
                                     total);
  } else {
    multiply_matrices<Element, true>(ExpandedColumns<Element>{problem, row}, right, depth, place,
                                     total);
  }
  store_gradient(place, total, row, rows, column, problem.inputs, problem.gradient);
}

}  // namespace gantool
