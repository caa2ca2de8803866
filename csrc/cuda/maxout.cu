// Fused maxout on CUDA, forward and backward: the launchers.
//
//   out[b, u] = max_p ( x[b] . weight[u, p] + bias[u, p] )
//
// Source: Goodfellow et al., "Maxout networks" (2013). Shapes: x [B, I], weight [U, P, I],
// bias [U, P], out and winner [B, U].
// Kernels: maxout_half.cuh (bfloat16 and float16, tensor cores), maxout_float32.cuh (float32
// arithmetic), maxout_select.cuh (maximum and winner; gradient of the bias).
//
// The backward pass expands grad_out to E [B, U P] tile by tile in shared memory and multiplies
// densely: P times the operations that the winners alone need, but on tensor cores, and with
// operands that are read in tiles; a gather of the winners' rows would read I elements of weight
// from level 2 for every (b, u).
//
// Compiled for sm_80 and sm_90a without spills: 118 to 128 registers a thread in the common
// kernels, so that two blocks share a multiprocessor; 144 to 190 where rows are not aligned or a
// unit has more than 128 pieces. Run through the host model only: no figure of its speed on a GPU
// is known.
#include <stdexcept>
#include <string>

#include "maxout_cuda.h"
#include "maxout_float32.cuh"
#include "maxout_half.cuh"
#include "tiles.h"

namespace gantool {

namespace {

// Whether rows can be copied 16 bytes at a time: the beginning of each, and their length.
template <class Element>
bool rows_aligned(const Element* data, int64_t stride, int64_t columns) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && stride % kChunk == 0 &&
         columns % kChunk == 0;
}

template <class Element>
struct Forward {
  static void run(const MaxoutForwardProblem<Element>& problem, int64_t blocks, void* stream) {
    const bool common = problem.pieces <= tiles::kMaxoutColumns &&
                        rows_aligned(problem.x, problem.x_stride, problem.inputs) &&
                        rows_aligned(problem.weight, problem.inputs, problem.inputs);
    simt::launch(common ? maxout_forward_half<Element, true> : maxout_forward_half<Element, false>,
                 {blocks, kMaxoutThreads, kMaxoutForwardBytes, stream}, problem);
  }
};

template <>
struct Forward<float> {
  static void run(const MaxoutForwardProblem<float>& problem, int64_t blocks, void* stream) {
    simt::launch(problem.pieces > tiles::kMaxoutColumns ? maxout_forward_float32<true>
                                                        : maxout_forward_float32<false>,
                 {blocks, kMaxoutThreads, kMaxoutForwardBytes32, stream}, problem);
  }
};

template <class Element, bool kInput>
struct Gradient {
  static void run(const MaxoutGradientProblem<Element>& problem, int64_t blocks, void* stream) {
    const bool aligned = rows_aligned(problem.right, problem.right_stride, problem.inputs);
    simt::launch(aligned ? maxout_gradient_half<Element, kInput, true>
                         : maxout_gradient_half<Element, kInput, false>,
                 {blocks, kMaxoutThreads, kMatrixBytes, stream}, problem);
  }
};

template <bool kInput>
struct Gradient<float, kInput> {
  static void run(const MaxoutGradientProblem<float>& problem, int64_t blocks, void* stream) {
    simt::launch(maxout_gradient_float32<kInput>, {blocks, kMaxoutThreads, kMaxoutBytes32, stream},
                 problem);
  }
};

template <class Element>
void forward(const MaxoutCudaShape& shape, const MaxoutCudaForward& arguments, void* stream) {
  MaxoutForwardProblem<Element> problem = {};
  problem.x = static_cast<const Element*>(arguments.x);
  problem.x_stride = shape.x_stride;
  problem.weight = static_cast<const Element*>(arguments.weight);
  problem.bias = static_cast<const Element*>(arguments.bias);
  problem.out = static_cast<Element*>(arguments.out);
  problem.winner = arguments.winner;
  problem.batch = static_cast<int>(shape.batch);
  problem.inputs = static_cast<int>(shape.inputs);
  problem.units = static_cast<int>(shape.units);
  problem.pieces = static_cast<int>(shape.pieces);
  const int64_t blocks = tiles::ceil_divide(shape.batch, tiles::kMaxoutRows) *
                         tiles::ceil_divide(shape.units, tiles::maxout_units(shape.pieces));
  Forward<Element>::run(problem, blocks, stream);
}

template <class Element>
void backward(const MaxoutCudaShape& shape, const MaxoutCudaBackward& arguments, void* stream) {
  MaxoutGradientProblem<Element> problem = {};
  problem.grad_out = static_cast<const Element*>(arguments.grad_out);
  problem.winner = arguments.winner;
  problem.batch = static_cast<int>(shape.batch);
  problem.inputs = static_cast<int>(shape.inputs);
  problem.units = static_cast<int>(shape.units);
  problem.pieces = static_cast<int>(shape.pieces);
  const int64_t outputs = shape.units * shape.pieces;
  const int64_t column_tiles = tiles::ceil_divide(shape.inputs, tiles::kMaxoutColumns);
  if (arguments.grad_x != nullptr) {
    problem.right = static_cast<const Element*>(arguments.weight);
    problem.right_stride = shape.inputs;
    problem.gradient = static_cast<Element*>(arguments.grad_x);
    const int64_t row_tiles = tiles::ceil_divide(shape.batch, tiles::kMaxoutRows);
    Gradient<Element, true>::run(problem, row_tiles * column_tiles, stream);
  }
  if (arguments.grad_weight != nullptr) {
    problem.right = static_cast<const Element*>(arguments.x);
    problem.right_stride = shape.x_stride;
    problem.gradient = static_cast<Element*>(arguments.grad_weight);
    const int64_t row_tiles = tiles::ceil_divide(outputs, tiles::kMaxoutRows);
    Gradient<Element, false>::run(problem, row_tiles * column_tiles, stream);
  }
  if (arguments.grad_bias != nullptr) {
    problem.gradient = static_cast<Element*>(arguments.grad_bias);
    simt::launch(
        maxout_bias_gradient<Element>,
        {tiles::ceil_divide(outputs, kBiasColumns), kMaxoutThreads, kMaxoutThreads * 4, stream},
        problem);
  }
}

void check_shape(const MaxoutCudaShape& shape) {
  if (shape.batch < 0 || shape.inputs < 0 || shape.units < 0 || shape.pieces < 1 ||
      shape.pieces > 256) {
    throw std::invalid_argument(
        "maxout needs 1 to 256 pieces and no negative size; got batch " +
        std::to_string(shape.batch) + ", inputs " + std::to_string(shape.inputs) + ", units " +
        std::to_string(shape.units) + ", pieces " + std::to_string(shape.pieces));
  }
  // Each count is an int in the kernels (elements are indexed by int64_t), with room for one tile.
  constexpr int64_t kMost = 0x7fffffff - 1024;
  if (shape.batch > kMost || shape.inputs > kMost || shape.units > kMost / shape.pieces) {
    throw std::invalid_argument(
        "maxout on CUDA takes fewer than 2^31 rows, inputs and units times pieces; got batch " +
        std::to_string(shape.batch) + ", inputs " + std::to_string(shape.inputs) + ", units " +
        std::to_string(shape.units) + ", pieces " + std::to_string(shape.pieces));
  }
  if (shape.element == CudaElement::kFloat64) {
    throw std::invalid_argument(
        "maxout on CUDA takes float32, bfloat16 or float16, not float64: use the reference");
  }
}

}  // namespace

void maxout_forward_cuda(const MaxoutCudaShape& shape, const MaxoutCudaForward& arguments,
                         void* stream) {
  check_shape(shape);
  if (shape.element == CudaElement::kFloat32) forward<float>(shape, arguments, stream);
  if (shape.element == CudaElement::kBFloat16) forward<BFloat16Bits>(shape, arguments, stream);
  if (shape.element == CudaElement::kFloat16) forward<Float16Bits>(shape, arguments, stream);
}

void maxout_backward_cuda(const MaxoutCudaShape& shape, const MaxoutCudaBackward& arguments,
                          void* stream) {
  check_shape(shape);
  if (shape.element == CudaElement::kFloat32) backward<float>(shape, arguments, stream);
  if (shape.element == CudaElement::kBFloat16) backward<BFloat16Bits>(shape, arguments, stream);
  if (shape.element == CudaElement::kFloat16) backward<Float16Bits>(shape, arguments, stream);
}

}  // namespace gantool
