// Maxout units on the CPU, forward and backward, but for the matrix product:
//
//   out[b, u] = max_p ( x[b, :] . weight[u, p, :] + bias[u, p] ),   winner[b, u] = its lowest p
//
// (Goodfellow et al. 2013, "Maxout Networks".) Torch-free: raw pointers and int64 sizes. The affine
// product [B, U*P] comes from the caller, whose matrix library is faster than ours would be and
// adds the bias for nothing; what is here is the choice of the winner, and a backward pass that
// uses what no matrix library knows: only one piece in P has a gradient.
#pragma once

#include <cstdint>

#include "simd/bfloat16.h"
#include "simd/parallel.h"

namespace gantool {

enum class MaxoutVariant { kAuto, kPortable, kAvx2, kAvx512 };

constexpr int64_t kMaxoutMaxPieces = 256;  // the winner is a byte

struct MaxoutShape {
  int64_t batch;   // B
  int64_t inputs;  // I
  int64_t units;   // U
  int64_t pieces;  // P, 1 to kMaxoutMaxPieces
};

struct MaxoutBackward {
  const float* grad_out;  // [B, U], contiguous
  const uint8_t* winner;  // [B, U], as the forward pass left it
  const float* x;         // [B, I], row stride x_stride; read only for grad_weight
  int64_t x_stride;       // elements between rows of x
  const float* weight;    // [U*P, I], contiguous; read only for grad_x
  float* grad_x;          // [B, I], contiguous, or null when not wanted
  float* grad_weight;     // [U*P, I], contiguous, or null when not wanted
};

const char* maxout_cpu_variant_name(MaxoutVariant variant);  // "auto", "portable", "avx2", "avx512"
bool maxout_cpu_variant_available(MaxoutVariant variant);
MaxoutVariant maxout_cpu_best_variant();

// Whether this processor multiplies bfloat16 itself. Where it does not, and for float16 nearly
// everywhere, widening to float32 and back is many times faster than a product in the type.
bool maxout_cpu_has_bfloat16_products();

// Whether the backward pass over winners beats dense products in float32 at this number of pieces.
bool maxout_cpu_prefers_winners(int64_t pieces);

// Maximum and winner of each unit of `product` [B, U*P]: out [B, U] and winner [B, U]. A tie goes
// to the lowest piece; the first NaN wins.
template <typename Element>
void maxout_select_cpu(const MaxoutShape& shape, const Element* product, Element* out,
                       uint8_t* winner, MaxoutVariant variant, const Threads& threads);

// grad_x and grad_weight from the winners alone: 4 B U I operations where dense products take P
// times as many. Sums are float32, in an order that does not depend on the number of threads. This
// and the two below throw std::invalid_argument for a winner beyond the pieces, and write nothing.
void maxout_backward_cpu(const MaxoutShape& shape, const MaxoutBackward& arguments,
                         MaxoutVariant variant, const Threads& threads);

// The dense way: grad_product [B, U*P] holds grad_out [B, U] at each winner and 0 elsewhere, for a
// caller whose matrix unit outruns the gain from sparsity.
template <typename Element>
void maxout_scatter_cpu(const MaxoutShape& shape, const Element* grad_out, const uint8_t* winner,
                        Element* grad_product, const Threads& threads);

// grad_bias [U*P]: the sum of grad_out [B, U] over the batch rows that each piece won, in float32.
template <typename Element>
void maxout_bias_gradient_cpu(const MaxoutShape& shape, const Element* grad_out,
                              const uint8_t* winner, Element* grad_bias, const Threads& threads);

extern template void maxout_select_cpu(const MaxoutShape&, const float*, float*, uint8_t*,
                                       MaxoutVariant, const Threads&);
extern template void maxout_select_cpu(const MaxoutShape&, const BFloat16*, BFloat16*, uint8_t*,
                                       MaxoutVariant, const Threads&);
extern template void maxout_scatter_cpu(const MaxoutShape&, const float*, const uint8_t*, float*,
                                        const Threads&);
extern template void maxout_scatter_cpu(const MaxoutShape&, const BFloat16*, const uint8_t*,
                                        BFloat16*, const Threads&);
extern template void maxout_bias_gradient_cpu(const MaxoutShape&, const float*, const uint8_t*,
                                              float*, const Threads&);
extern template void maxout_bias_gradient_cpu(const MaxoutShape&, const BFloat16*, const uint8_t*,
                                              BFloat16*, const Threads&);

}  // namespace gantool
