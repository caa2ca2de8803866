// Maxout units on the CPU, forward and backward, but for the matrix product:
//
//   out[b, u] = max_p ( x[b, :] . weight[u, p, :] + bias[u, p] ),   winner[b, u] = its lowest p
//
// (Goodfellow et al. 2013, "Maxout Networks".) Torch-free: raw pointers and int64 sizes. The
// product [B, U*P] comes from the caller, whose matrix library is faster than ours would be; what
// is here is the rest of the forward pass in one sweep, and a backward pass that uses what no
// matrix library knows: only one piece in P has a gradient.
#pragma once

#include <cstdint>

#include "cpu/parallel.h"

namespace gantool {

// float16 is widened to float32 by the caller: hardly any CPU has float16 products.
enum class MaxoutElement { kFloat32, kBFloat16 };

enum class MaxoutVariant { kAuto, kPortable, kAvx2, kAvx512 };

constexpr int64_t kMaxoutMaxPieces = 256;  // the winner is a byte

struct MaxoutShape {
  MaxoutElement element;
  int64_t batch;     // B
  int64_t inputs;    // I
  int64_t units;     // U
  int64_t pieces;    // P, 1 to kMaxoutMaxPieces
  int64_t x_stride;  // elements between rows of x
};

struct MaxoutBackward {
  const void* grad_out;   // [B, U], contiguous
  const uint8_t* winner;  // [B, U], as the forward pass left it
  const void* x;          // [B, I], row stride x_stride; read only for grad_weight
  const void* weight;     // [U*P, I], contiguous; read only for grad_x
  void* grad_x;           // [B, I], contiguous, or null when not wanted
  void* grad_weight;      // [U*P, I], contiguous, or null when not wanted
  void* grad_bias;        // [U*P], or null when not wanted
};

const char* maxout_cpu_variant_name(MaxoutVariant variant);  // "auto", "portable", "avx2", "avx512"
bool maxout_cpu_variant_available(MaxoutVariant variant);
MaxoutVariant maxout_cpu_best_variant();

// Maximum and winner of each unit of `product` [B, U*P]: out [B, U] and winner [B, U]. A tie goes
// to the lowest piece; the first NaN wins.
void maxout_select_cpu(const MaxoutShape& shape, const void* product, void* out, uint8_t* winner,
                       const Threads& threads);

// All wanted gradients from the winners alone: 4 B U I operations where dense products take P times
// as many. Sums are float32 in a fixed order, whatever the number of threads.
// Throws std::invalid_argument when a forced variant is absent here.
void maxout_backward_cpu(const MaxoutShape& shape, const MaxoutBackward& arguments,
                         MaxoutVariant variant, const Threads& threads);

// The dense way: grad_product [B, U*P] holds grad_out at each winner and 0 elsewhere, for a caller
// whose matrix unit outruns the gain from sparsity.
void maxout_scatter_cpu(const MaxoutShape& shape, const void* grad_out, const uint8_t* winner,
                        void* grad_product, const Threads& threads);

}  // namespace gantool
