// The CUDA registration of the momentum step, in a second library that is loaded only where torch
// has CUDA, so that the first runs everywhere. The schema is in torch_cpu.cpp.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>

#include <optional>

#include "momentum/cuda/launch.h"
#include "momentum/door.h"
#include "torch/stream.h"

namespace gantool {
namespace {

// The rates stay where they are: the kernel reads them, so that a captured graph takes those of
// each replay.
void momentum_step(const Tensor& parameter, const Tensor& velocity, const Tensor& gradient,
                   const std::optional<Tensor>& copy, const Tensor& rates, double bound) {
  check_momentum(parameter, velocity, gradient, copy, rates, bound);
  const CallerStream stream(parameter);
  const Tensor grad = torch::stable::contiguous(gradient);
  const int64_t columns = parameter.dim() < 2 ? parameter.numel() : parameter.size(-1);
  const int64_t rows = columns == 0 ? 0 : parameter.numel() / columns;
  momentum_step_cuda(
      {static_cast<float*>(parameter.data_ptr()), static_cast<float*>(velocity.data_ptr()),
       grad.data_ptr(), element_of(grad), copy ? copy->data_ptr() : nullptr,
       static_cast<const double*>(rates.data_ptr()), rows, columns, static_cast<float>(bound)},
      stream.get(), stream.multiprocessors());
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(gantool, CUDA, m) { m.impl("momentum_step", TORCH_BOX(&momentum_step)); }

}  // namespace gantool
