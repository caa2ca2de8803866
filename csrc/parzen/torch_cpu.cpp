// The schema of the Parzen window and its CPU kernels, through LibTorch's stable ABI: one binary
// serves every torch from TORCH_TARGET_VERSION on. Fakes and autograd formulas are in
// gantool/ops/parzen.py.
#include <torch/csrc/stable/library.h>

#include <cmath>
#include <stdexcept>
#include <string>

#include "parzen/cpu/pack.h"
#include "parzen/door.h"
#include "parzen/parzen.h"
#include "torch/tensors.h"

namespace gantool {
namespace {

template <typename Element>
ParzenProblem<Element> parzen_problem(const Tensor& queries, const Tensor& samples,
                                      const Tensor& sigmas, const Tensor& log_density) {
  return {data<Element>(queries),    queries.size(0),       queries.stride(0),
          data<Element>(samples),    samples.size(0),       samples.stride(0),
          queries.size(1),           data<Element>(sigmas), sigmas.size(0),
          data<Element>(log_density)};
}

template <typename Element>
void check_sigmas(const Tensor& sigmas) {
  const Element* values = data<Element>(sigmas);
  for (int64_t s = 0; s < sigmas.size(0); ++s) {
    if (values[s] > 0 && std::isfinite(values[s])) continue;
    throw std::invalid_argument(
        "parzen_log_density: sigmas must be positive and finite, and one is " +
        std::to_string(values[s]));
  }
}

Tensor parzen_log_density(const Tensor& queries, const Tensor& samples, const Tensor& sigmas) {
  check_parzen(queries, samples, sigmas);
  const bool is_double = queries.scalar_type() == ScalarType::Double;
  const ScalarType type = is_double ? ScalarType::Double : ScalarType::Float;
  const Tensor query_rows = with_contiguous_columns(as_type(queries, type));
  const Tensor sample_rows = with_contiguous_columns(as_type(samples, type));
  const Tensor widths = torch::stable::contiguous(sigmas);
  const Tensor result = empty(queries, {sigmas.size(0), queries.size(0)}, type);
  if (result.numel() == 0) return result;
  if (is_double) {
    check_sigmas<double>(widths);
    parzen_log_density_cpu(parzen_problem<double>(query_rows, sample_rows, widths, result),
                           torch_threads());
  } else {
    check_sigmas<float>(widths);
    parzen_log_density_cpu(parzen_problem<float>(query_rows, sample_rows, widths, result), nullptr,
                           torch_threads());
  }
  return result;
}

// What parzen_log_density runs for these data: byte pixels take a faster way where there is one.
std::string parzen_variant(const Tensor& queries, const Tensor& samples) {
  check_parzen_rows(queries, samples);
  if (queries.scalar_type() == ScalarType::Double) return "float64";
  const Tensor query_rows = with_contiguous_columns(as_type(queries, ScalarType::Float));
  const Tensor sample_rows = with_contiguous_columns(as_type(samples, ScalarType::Float));
  const auto scales = [](const Tensor& rows) {
    return byte_scales({data<float>(rows), rows.size(0), rows.stride(0), rows.size(1)},
                       torch_threads());
  };
  const bool bytes =
      queries.size(1) <= kLargestByteDimension && (scales(query_rows) & scales(sample_rows)) != 0;
  return parzen_kernel_name(parzen_cpu_best_kernel(bytes));
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(gantool, m) {
  m.def("parzen_log_density(Tensor queries, Tensor samples, Tensor sigmas) -> Tensor");
  m.def("parzen_variant(Tensor queries, Tensor samples) -> str");
}

STABLE_TORCH_LIBRARY_IMPL(gantool, CPU, m) {
  m.impl("parzen_log_density", TORCH_BOX(&parzen_log_density));
  m.impl("parzen_variant", TORCH_BOX(&parzen_variant));
}

}  // namespace gantool
