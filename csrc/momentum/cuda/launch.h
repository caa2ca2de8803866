// Launcher of the momentum update on CUDA: raw device pointers, int64 sizes, a stream.
//
//   v <- momentum v - rate g,   p <- p + v,   p[r, :] <- p[r, :] min(1, bound / |p[r, :]|),
//   copy <- bfloat16(p)
//
// The call is asynchronous on the caller's stream, needs no workspace, may be captured in a CUDA
// graph and is deterministic. Both rates are read on the device when the kernel runs: a captured
// graph takes those of each replay.
#pragma once

#include <cstdint>

#include "simt/element.h"

namespace gantool {

struct MomentumCudaStep {
  float* parameter;              // [rows, columns], contiguous, as are the others
  float* velocity;               // [rows, columns]
  const void* gradient;          // [rows, columns], of the element type below
  CudaElement gradient_element;  // float32 or bfloat16
  void* copy;                    // [rows, columns] bfloat16, or null where none is kept
  const double* rates;           // [2], in device memory: the learning rate and the momentum
  int64_t rows;                  // units, or pieces of units: what the bound holds for
  int64_t columns;
  float bound;  // the largest Euclidean norm of a row; infinity for none
};

// `multiprocessors` is the device's count. Throws std::invalid_argument for an element type that it
// does not have or a negative size, and std::runtime_error when a launch is refused. No rows, or no
// columns, are in order.
void momentum_step_cuda(const MomentumCudaStep& step, void* stream, int multiprocessors);

}  // namespace gantool
