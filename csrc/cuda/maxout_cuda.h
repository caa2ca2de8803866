// Launchers of the fused maxout layer on CUDA: raw device pointers, int64 sizes, a stream.
//
//   out[b, u] = max_p ( x[b, :] . weight[u, p, :] + bias[u, p] ),   winner[b, u] = its lowest p
//
// x, weight, bias, out and every gradient have one element type: float32, bfloat16 or float16;
// products accumulate in float32. Every call is asynchronous on the caller's stream, needs no
// workspace, may be captured in a CUDA graph and is deterministic.
#pragma once

#include <cstdint>

#include "element.h"

namespace gantool {

struct MaxoutCudaShape {
  CudaElement element;
  int64_t batch;     // B
  int64_t inputs;    // I
  int64_t units;     // U
  int64_t pieces;    // P, 1 to 256
  int64_t x_stride;  // elements between rows of x
};

struct MaxoutCudaForward {
  const void* x;       // [B, I], row stride x_stride
  const void* weight;  // [U, P, I], contiguous
  const void* bias;    // [U, P]
  void* out;           // [B, U], contiguous
  uint8_t* winner;     // [B, U], contiguous
};

struct MaxoutCudaBackward {
  const void* grad_out;   // [B, U], contiguous
  const uint8_t* winner;  // [B, U]; one beyond the pieces stands for no piece
  const void* x;          // [B, I], row stride x_stride; read only for grad_weight
  const void* weight;     // [U, P, I], contiguous; read only for grad_x
  void* grad_x;           // [B, I], contiguous, or null when not wanted
  void* grad_weight;      // [U, P, I], contiguous, or null when not wanted
  void* grad_bias;        // [U, P], contiguous, or null when not wanted
};

// Both throw std::invalid_argument for an element type or a number of pieces they do not have, and
// std::runtime_error when a launch is refused. Empty shapes (B, U or I of 0) are in order: sums
// over nothing are zero.
void maxout_forward_cuda(const MaxoutCudaShape& shape, const MaxoutCudaForward& arguments,
                         void* stream);
void maxout_backward_cuda(const MaxoutCudaShape& shape, const MaxoutCudaBackward& arguments,
                          void* stream);

}  // namespace gantool
