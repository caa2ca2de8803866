// What the maxout kernels of every element type share: the problems, the last step of the forward
// pass (bias, maximum, winner) and the gradient of the bias.
#pragma once

#include <cstdint>

#include "elements.cuh"
#include "simt.cuh"
#include "tiles.h"

namespace gantool {

constexpr int kMaxoutThreads = 256;
constexpr int kProductPitch = tiles::kMaxoutColumns + 4;  // floats; rows fall in different banks
constexpr int kProductBytes = tiles::kMaxoutRows * kProductPitch * 4;
static_assert(kProductBytes <= tiles::kSharedBytesEverywhere);

template <class Element>
struct MaxoutForwardProblem {
  const Element* x;  // [B, I]
  int64_t x_stride;
  const Element* weight;  // [U P, I]
  const Element* bias;    // [U P]
  Element* out;           // [B, U]
  uint8_t* winner;        // [B, U]
  int batch;
  int inputs;
  int units;
  int pieces;
};

template <class Element>
struct MaxoutGradientProblem {
  const Element* grad_out;  // [B, U]
  const uint8_t* winner;    // [B, U]
  const Element* right;     // the other factor: weight [U P, I] or x [B, I]
  int64_t right_stride;
  Element* gradient;  // [B, I] or [U P, I]
  int batch;
  int inputs;
  int units;
  int pieces;
};

// One block's part of the forward pass: 128 rows by the units whose pieces fill a tile of columns.
struct MaxoutBlock {
  int row;    // first of its rows
  int unit;   // first of its units
  int units;  // how many
  int steps;  // tiles of columns; several only where one unit has more than 128 pieces
};

template <class Element>
GANTOOL_DEVICE MaxoutBlock maxout_block(const MaxoutForwardProblem<Element>& problem) {
  const auto row_tiles = static_cast<int>(tiles::ceil_divide(problem.batch, tiles::kMaxoutRows));
  const auto width = static_cast<int>(tiles::maxout_units(problem.pieces));
  const auto block = static_cast<int>(simt::block_index());
  const int unit = block / row_tiles * width;
  const int left = problem.units - unit;
  return {block % row_tiles * tiles::kMaxoutRows, unit, width < left ? width : left,
          static_cast<int>(tiles::maxout_steps(problem.pieces))};
}

// First row of `weight`, and how many, for one step of a block.
template <class Element>
GANTOOL_DEVICE int step_begin(const MaxoutForwardProblem<Element>& problem,
                              const MaxoutBlock& block, int step) {
  return block.unit * problem.pieces + step * tiles::kMaxoutColumns;
}
template <class Element>
GANTOOL_DEVICE int step_columns(const MaxoutForwardProblem<Element>& problem,
                                const MaxoutBlock& block, int step) {
  const int left = block.units * problem.pieces - step * tiles::kMaxoutColumns;
  return left < tiles::kMaxoutColumns ? left : tiles::kMaxoutColumns;
}

struct Choice {
  float value;
  int piece;
};

// A later piece wins only if it is greater, so that a tie goes to the lowest; NaN beats any number,
// as in torch.max.
GANTOOL_DEVICE void compare(Choice& best, float value, int piece) {
  const bool nan = value != value && best.value == best.value;
  if (value > best.value || nan) best = {value, piece};
}

// Bias, maximum and winner over the products of one step, which lie in shared memory. Each thread
// takes every 256th (row, unit); with several steps there are at most 128, and `carried` keeps a
// thread's choice from one step to the next.
template <class Element>
GANTOOL_DEVICE void select_pieces(const MaxoutForwardProblem<Element>& problem,
                                  const MaxoutBlock& block, int step, Choice& carried) {
  const simt::Shared<float> products(0);
  const int columns = step_columns(problem, block, step);
  const int pieces = problem.pieces < tiles::kMaxoutColumns ? problem.pieces : columns;
  const Element* const bias = problem.bias + step_begin(problem, block, step);
  for (int pair = simt::thread_index(); pair < tiles::kMaxoutRows * block.units;
       pair += kMaxoutThreads) {
    const int row = pair / block.units, unit = pair % block.units;
    if (block.row + row >= problem.batch) return;
    const int first = row * kProductPitch + unit * pieces;
    const int first_piece = step * tiles::kMaxoutColumns;
    Choice best = carried;
    for (int p = 0; p < pieces; ++p) {
      const float value = products.load(first + p) + to_float(bias[unit * pieces + p]);
      if (first_piece + p == 0) {
        best = {value, 0};
      } else {
        compare(best, value, first_piece + p);
      }
    }
    carried = best;
    if (step + 1 < block.steps) continue;
    const int64_t index = static_cast<int64_t>(block.row + row) * problem.units + block.unit + unit;
    from_float(best.value, problem.out[index]);
    problem.winner[index] = static_cast<uint8_t>(best.piece);
  }
}

// One block's part of grad_x (kInput) or grad_weight: 128 rows by 128 columns, summed over `depth`.
struct GradientBlock {
  int row;
  int column;
  int rows;
  int depth;
};

template <bool kInput, class Element>
GANTOOL_DEVICE GradientBlock gradient_block(const MaxoutGradientProblem<Element>& problem) {
  const int outputs = problem.units * problem.pieces;
  const auto column_tiles =
      static_cast<int>(tiles::ceil_divide(problem.inputs, tiles::kMaxoutColumns));
  const auto block = static_cast<int>(simt::block_index());
  return {block / column_tiles * tiles::kMaxoutRows, block % column_tiles * tiles::kMaxoutColumns,
          kInput ? problem.batch : outputs, kInput ? outputs : problem.batch};
}

// grad_bias[u, p] = sum over the rows b that p won of grad_out[b, u]. A block takes 32 (u, p), each
// summed by 8 threads over every eighth row and then in a fixed order.
constexpr int kBiasColumns = 32;
constexpr int kBiasShares = kMaxoutThreads / kBiasColumns;

template <class Element>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, 2)
    maxout_bias_gradient(MaxoutGradientProblem<Element> problem) {
  const int column = simt::thread_index() % kBiasColumns;
  const int share = simt::thread_index() / kBiasColumns;
  const int index = static_cast<int>(simt::block_index()) * kBiasColumns + column;
  const bool inside = index < problem.units * problem.pieces;
  const int unit = inside ? index / problem.pieces : 0, piece = index % problem.pieces;
  float sum = 0.0f;
  for (int row = share; inside && row < problem.batch; row += kBiasShares) {
    const int64_t at = static_cast<int64_t>(row) * problem.units + unit;
    if (problem.winner[at] == piece) sum += to_float(problem.grad_out[at]);
  }
  const simt::Shared<float> sums(0);
  sums.store(simt::thread_index(), sum);
  simt::block_barrier();
  if (share != 0 || !inside) return;
  for (int other = 1; other < kBiasShares; ++other) {
    sum += sums.load(other * kBiasColumns + column);
  }
  from_float(sum, problem.gradient[index]);
}

}  // namespace gantool
