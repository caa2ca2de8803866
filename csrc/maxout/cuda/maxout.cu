// Maxout on CUDA, but for the matrix products: the choice of the winner, and the way back.
//
//   out[b, u] = max_p product[b, u, p],   product = x . weight + bias
//
// Source: Goodfellow et al., "Maxout networks" (2013). Shapes: product [B, U P], out and winner
// [B, U].
//
// Why no fused product: on an H200 a product kernel of ours with this choice as its epilogue took
// two to five times as long as the matrix library's product and a pass over it, in float32 and in
// bfloat16 (4,096 x 1,024 to 1,024 x 5: 6.0 and 2.2 ms there and back, eager torch 3.2 and 0.70).
// The pass is small beside the product: it moves P + 1 elements and a byte a unit.
//
// Mapping: select takes one thread a unit, whose pieces lie side by side; scatter one thread an
// element of the product, so that writes are in order. Bytes: product once each way.
#include <stdexcept>
#include <string>

#include "maxout/cuda/launch.h"
#include "parzen/tiles.h"
#include "simt/elements.cuh"

namespace gantool {

namespace {

constexpr int kMaxoutThreads = 256;

template <class Element>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, 4)
    maxout_select(const Element* product, int64_t outputs, int pieces, Element* out,
                  uint8_t* winner) {
  const int64_t index = simt::block_index() * kMaxoutThreads + simt::thread_index();
  if (index >= outputs) return;
  const Element* const own = product + index * pieces;
  float best = to_float(own[0]);
  int best_piece = 0;
  for (int piece = 1; piece < pieces; ++piece) {
    const float value = to_float(own[piece]);
    // A later piece wins only if it is greater, so that a tie goes to the lowest; NaN beats any
    // number, as in torch.max.
    if (value > best || (value != value && best == best)) {
      best = value;
      best_piece = piece;
    }
  }
  from_float(best, out[index]);
  winner[index] = static_cast<uint8_t>(best_piece);
}

template <class Element>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, 4)
    maxout_scatter(const Element* grad_out, const uint8_t* winner, int64_t elements, int pieces,
                   Element* grad_product) {
  const int64_t index = simt::block_index() * kMaxoutThreads + simt::thread_index();
  if (index >= elements) return;
  const int64_t unit = index / pieces;
  const int piece = static_cast<int>(index - unit * pieces);
  Element value;
  from_float(0.0f, value);
  if (winner[unit] == piece) value = grad_out[unit];
  grad_product[index] = value;
}

// A block takes 32 (u, p), each summed by 8 threads over every eighth row and then in a fixed
// order.
constexpr int kBiasColumns = 32;
constexpr int kBiasShares = kMaxoutThreads / kBiasColumns;

template <class Element>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kMaxoutThreads, 4)
    maxout_bias_gradient(const Element* grad_out, const uint8_t* winner, int64_t batch,
                         int64_t units, int pieces, Element* grad_bias) {
  const int column = simt::thread_index() % kBiasColumns;
  const int share = simt::thread_index() / kBiasColumns;
  const int64_t index = simt::block_index() * kBiasColumns + column;
  const bool inside = index < units * pieces;
  const int64_t unit = inside ? index / pieces : 0;
  const int piece = static_cast<int>(index - unit * pieces);
  float sum = 0.0f;
  for (int64_t row = share; inside && row < batch; row += kBiasShares) {
    const int64_t at = row * units + unit;
    if (winner[at] == piece) sum += to_float(grad_out[at]);
  }
  const simt::Shared<float> sums(0);
  sums.store(simt::thread_index(), sum);
  simt::block_barrier();
  if (share != 0 || !inside) return;
  for (int other = 1; other < kBiasShares; ++other) {
    sum += sums.load(other * kBiasColumns + column);
  }
  from_float(sum, grad_bias[index]);
}

simt::Launch shape_of(int64_t work, int64_t a_block, int shared_bytes, void* stream) {
  return {tiles::ceil_divide(work, a_block), kMaxoutThreads, shared_bytes, stream};
}

void check_shape(const MaxoutCudaShape& shape) {
  constexpr int64_t kMost = INT64_MAX / 256;  // so that no count of elements overflows
  if (shape.batch >= 0 && shape.units >= 0 && shape.pieces >= 1 && shape.pieces <= 256 &&
      (shape.units == 0 || shape.batch <= kMost / shape.units)) {
    return;
  }
  throw std::invalid_argument(
      "maxout on CUDA needs 1 to 256 pieces and no negative size; got batch " +
      std::to_string(shape.batch) + ", units " + std::to_string(shape.units) + ", pieces " +
      std::to_string(shape.pieces));
}

// Calls `run` with a value of the element type.
template <class Run>
void with_element(const MaxoutCudaShape& shape, const Run& run) {
  check_shape(shape);
  switch (shape.element) {
    case CudaElement::kFloat32:
      return run(float{});
    case CudaElement::kBFloat16:
      return run(BFloat16Bits{});
    case CudaElement::kFloat16:
      return run(Float16Bits{});
    case CudaElement::kFloat64:
      throw std::invalid_argument(
          "maxout on CUDA takes float32, bfloat16 or float16, not float64: use the reference");
  }
}

}  // namespace

void maxout_select_cuda(const MaxoutCudaShape& shape, const void* product, void* out,
                        uint8_t* winner, void* stream) {
  with_element(shape, [&](auto tag) {
    using Element = decltype(tag);
    const int64_t outputs = shape.batch * shape.units;
    simt::launch(maxout_select<Element>, shape_of(outputs, kMaxoutThreads, 0, stream),
                 static_cast<const Element*>(product), outputs, static_cast<int>(shape.pieces),
                 static_cast<Element*>(out), winner);
  });
}

void maxout_scatter_cuda(const MaxoutCudaShape& shape, const void* grad_out, const uint8_t* winner,
                         void* grad_product, void* stream) {
  with_element(shape, [&](auto tag) {
    using Element = decltype(tag);
    const int64_t elements = shape.batch * shape.units * shape.pieces;
    simt::launch(maxout_scatter<Element>, shape_of(elements, kMaxoutThreads, 0, stream),
                 static_cast<const Element*>(grad_out), winner, elements,
                 static_cast<int>(shape.pieces), static_cast<Element*>(grad_product));
  });
}

void maxout_bias_gradient_cuda(const MaxoutCudaShape& shape, const void* grad_out,
                               const uint8_t* winner, void* grad_bias, void* stream) {
  with_element(shape, [&](auto tag) {
    using Element = decltype(tag);
    simt::launch(maxout_bias_gradient<Element>,
                 shape_of(shape.units * shape.pieces, kBiasColumns, kMaxoutThreads * 4, stream),
                 static_cast<const Element*>(grad_out), winner, shape.batch, shape.units,
                 static_cast<int>(shape.pieces), static_cast<Element*>(grad_bias));
  });
}

}  // namespace gantool
