// The schema of the momentum step and its CPU kernel, through LibTorch's stable ABI: one binary
// serves every torch from TORCH_TARGET_VERSION on. Fakes and autograd formulas are in
// gantool/ops/momentum.py.
#include <torch/csrc/stable/library.h>

#include <optional>

#include "momentum/door.h"
#include "momentum/momentum.h"
#include "torch/tensors.h"

namespace gantool {
namespace {

template <typename Gradient>
void run_momentum(const Tensor& parameter, const Tensor& velocity, const Tensor& gradient,
                  BFloat16* copy, const double* rates, double bound) {
  const int64_t columns = parameter.dim() < 2 ? parameter.numel() : parameter.size(-1);
  const int64_t rows = columns == 0 ? 0 : parameter.numel() / columns;
  momentum_step_cpu<Gradient>(
      {data<float>(parameter), data<float>(velocity), data<Gradient>(gradient), copy, rows, columns,
       static_cast<float>(rates[0]), static_cast<float>(rates[1]), static_cast<float>(bound)},
      torch_threads());
}

void momentum_step(const Tensor& parameter, const Tensor& velocity, const Tensor& gradient,
                   const std::optional<Tensor>& copy, const Tensor& rates, double bound) {
  check_momentum(parameter, velocity, gradient, copy, rates, bound);
  const Tensor grad = torch::stable::contiguous(gradient);
  BFloat16* rounded = copy ? data<BFloat16>(*copy) : nullptr;
  const double* pair = data<double>(rates);
  if (grad.scalar_type() == ScalarType::BFloat16) {
    run_momentum<BFloat16>(parameter, velocity, grad, rounded, pair, bound);
  } else {
    run_momentum<float>(parameter, velocity, grad, rounded, pair, bound);
  }
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(gantool, m) {
  m.def(
      "momentum_step(Tensor(a!) parameter, Tensor(b!) velocity, Tensor gradient, "
      "Tensor(c!)? copy, Tensor rates, float bound) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(gantool, CPU, m) { m.impl("momentum_step", TORCH_BOX(&momentum_step)); }

}  // namespace gantool
