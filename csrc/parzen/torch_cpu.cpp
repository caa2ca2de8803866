// The schema of the Parzen window and its CPU kernels, through LibTorch's stable ABI: one binary
// serves every torch from TORCH_TARGET_VERSION on. Fakes and autograd formulas are in
// gantool/ops/parzen.py.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <tuple>

#include "parzen/cpu/pack.h"
#include "parzen/cpu/screened.h"
#include "parzen/door.h"
#include "parzen/parzen.h"
#include "torch/tensors.h"

namespace gantool {
namespace {

constexpr double kAllowedRemainder = 1e-4;  // nats

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

// What became of a call: log-density [S, N], what it left out [S, N] in float64 nats, and the way
// it took, "avx512-vnni, screened" or "avx512": empty where nothing was written.
struct Certified {
  Tensor density;
  Tensor remainder;
  std::string way;
};

const char* run_dense(const ParzenArguments& problem) {
  return parzen_kernel_name(parzen_log_density_cpu(problem, nullptr, torch_threads()));
}

const char* run_dense(const ParzenArguments64& problem) {
  parzen_log_density_cpu(problem, torch_threads());
  return "float64";
}

template <typename Element>
void certify(const ParzenProblem<Element>& problem, double allowed, bool complete,
             Certified* certified) {
  double* const remainder = data<double>(certified->remainder);
  const char* screened = parzen_screened(problem, allowed, remainder, torch_threads());
  if (screened) {
    certified->way = std::string(screened) + ", screened";
    return;
  }
  std::fill_n(remainder, certified->remainder.numel(), 0.0);
  if (complete) certified->way = run_dense(problem);
}

// `complete`: whether a call that is not screened takes the dense pass, or writes nothing.
Certified certified_density(const Tensor& queries, const Tensor& samples, const Tensor& sigmas,
                            double allowed, bool complete) {
  check_parzen(queries, samples, sigmas);
  const bool is_double = queries.scalar_type() == ScalarType::Double;
  const ScalarType type = is_double ? ScalarType::Double : ScalarType::Float;
  const Tensor query_rows = with_contiguous_columns(as_type(queries, type));
  const Tensor sample_rows = with_contiguous_columns(as_type(samples, type));
  const Tensor widths = torch::stable::contiguous(sigmas);
  const int64_t rows = queries.size(0), count = sigmas.size(0);
  Certified found = {
      empty(queries, {count, rows}, type), empty(queries, {count, rows}, ScalarType::Double), {}};
  if (is_double) {
    check_sigmas<double>(widths);
    certify(parzen_problem<double>(query_rows, sample_rows, widths, found.density), allowed,
            complete, &found);
  } else {
    check_sigmas<float>(widths);
    certify(parzen_problem<float>(query_rows, sample_rows, widths, found.density), allowed,
            complete, &found);
  }
  return found;
}

Tensor parzen_log_density(const Tensor& queries, const Tensor& samples, const Tensor& sigmas) {
  return certified_density(queries, samples, sigmas, kAllowedRemainder, true).density;
}

std::tuple<Tensor, Tensor, std::string> parzen_certified(const Tensor& queries,
                                                         const Tensor& samples,
                                                         const Tensor& sigmas, double allowed,
                                                         bool complete) {
  const Certified found = certified_density(queries, samples, sigmas, allowed, complete);
  return {found.density, found.remainder, found.way};
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
  m.def(
      "parzen_certified(Tensor queries, Tensor samples, Tensor sigmas, float allowed, "
      "bool complete) -> (Tensor, Tensor, str)");
  m.def("parzen_variant(Tensor queries, Tensor samples) -> str");
}

STABLE_TORCH_LIBRARY_IMPL(gantool, CPU, m) {
  m.impl("parzen_log_density", TORCH_BOX(&parzen_log_density));
  m.impl("parzen_certified", TORCH_BOX(&parzen_certified));
  m.impl("parzen_variant", TORCH_BOX(&parzen_variant));
}

}  // namespace gantool
