// Launchers of maxout's own steps on CUDA: raw device pointers, int64 sizes, a stream.
//
//   out[b, u] = max_p product[b, u, p],   winner[b, u] = its lowest p
//
// The matrix products before and after them are the caller's, as on the CPU (maxout.h). Arrays are
// contiguous and of one element type: float32, bfloat16 or float16. Every call is asynchronous on
// the caller's stream, needs no workspace, may be captured in a CUDA graph and is deterministic.
#pragma once

#include <cstdint>

#include "simt/element.h"

namespace gantool {

struct MaxoutCudaShape {
  CudaElement element;
  int64_t batch;   // B
  int64_t units;   // U
  int64_t pieces;  // P, 1 to 256
};

// product [B, U P] to out [B, U] and winner [B, U]. A tie goes to the lowest piece; the first NaN
// wins.
void maxout_select_cuda(const MaxoutCudaShape& shape, const void* product, void* out,
                        uint8_t* winner, void* stream);

// grad_product [B, U P] holds grad_out [B, U] at each winner and 0 elsewhere; a winner that is no
// piece leaves zeros.
void maxout_scatter_cuda(const MaxoutCudaShape& shape, const void* grad_out, const uint8_t* winner,
                         void* grad_product, void* stream);

// grad_bias [U P]: the sum of grad_out [B, U] over the batch rows that each piece won, in float32.
void maxout_bias_gradient_cuda(const MaxoutCudaShape& shape, const void* grad_out,
                               const uint8_t* winner, void* grad_bias, void* stream);

// All throw std::invalid_argument for an element type, a size or a number of pieces that they do
// not have, and std::runtime_error when a launch is refused. A batch or units of 0 are in order.

}  // namespace gantool
