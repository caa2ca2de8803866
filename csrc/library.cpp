// The operators' schemas, and their CPU kernels, through LibTorch's stable ABI: one binary serves
// every torch from TORCH_TARGET_VERSION on. Fakes and autograd formulas are in gantool/ops/*.py.
#include <torch/csrc/inductor/aoti_torch/generated/c_shim_cpu.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cmath>
#include <optional>
#include <string>
#include <tuple>

#include "checks.h"
#include "cpu/parzen_pack.h"
#include "maxout.h"
#include "momentum.h"
#include "parzen.h"

namespace gantool {
namespace {

// torch's own threads, as many as torch.set_num_threads allows.
Threads torch_threads() {
  return {static_cast<int>(torch::stable::get_num_threads()),
          [](int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
            torch::stable::parallel_for(0, count, grain, body);
          }};
}

Tensor empty(const Tensor& like, std::initializer_list<int64_t> sizes, ScalarType type) {
  return torch::stable::new_empty(like, sizes, type);
}

// ---------------------------------------------------------------------------------------- maxout

// torch's matrix products, called below the dispatcher, where neither autograd nor autocast is.
void product_out(const Tensor& out, const Tensor& left, const Tensor& right) {
  TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_mm_out(out.get(), left.get(), right.get()));
}

void affine_out(const Tensor& out, const Tensor& bias, const Tensor& left, const Tensor& right) {
  TORCH_ERROR_CODE_CHECK(
      aoti_torch_cpu_addmm_out(out.get(), bias.get(), left.get(), right.get(), 1.0, 1.0));
}

MaxoutShape shape_of(const Tensor& x, const Tensor& weight) {
  return {x.size(0), x.size(1), weight.size(0), weight.size(1)};
}

// The type the product is taken in: the tensors' own where the processor multiplies it.
ScalarType product_type(ScalarType type) {
  const bool own = type == ScalarType::BFloat16 && maxout_cpu_has_bfloat16_products();
  return own ? ScalarType::BFloat16 : ScalarType::Float;
}

Tensor as_type(const Tensor& tensor, ScalarType type) {
  return tensor.scalar_type() == type ? tensor : torch::stable::to(tensor, type);
}

Tensor as_matrix(const Tensor& weight) {
  return torch::stable::reshape(weight, {weight.size(0) * weight.size(1), weight.size(2)});
}

template <typename Element>
Element* data(const Tensor& tensor) {
  return static_cast<Element*>(tensor.data_ptr());
}

std::tuple<Tensor, Tensor> maxout_forward(const Tensor& x, const Tensor& weight,
                                          const Tensor& bias) {
  check_maxout(x, weight, kMaxoutMaxPieces);
  check_maxout_bias(x, weight, bias);
  const MaxoutShape shape = shape_of(x, weight);
  const ScalarType type = product_type(x.scalar_type());
  const int64_t columns = shape.units * shape.pieces;
  const Tensor product = empty(x, {shape.batch, columns}, type);
  affine_out(product, as_type(torch::stable::reshape(bias, {columns}), type), as_type(x, type),
             torch::stable::transpose(as_type(as_matrix(weight), type), 0, 1));
  const Tensor out = empty(x, {shape.batch, shape.units}, type);
  const Tensor winner = empty(x, {shape.batch, shape.units}, ScalarType::Byte);
  if (type == ScalarType::BFloat16) {
    maxout_select_cpu(shape, data<BFloat16>(product), data<BFloat16>(out), data<uint8_t>(winner),
                      MaxoutVariant::kAuto, torch_threads());
  } else {
    maxout_select_cpu(shape, data<float>(product), data<float>(out), data<uint8_t>(winner),
                      MaxoutVariant::kAuto, torch_threads());
  }
  return {as_type(out, x.scalar_type()), winner};
}

// Gradients in the product's type; those not wanted have no elements.
struct Gradients {
  Tensor x, weight, bias;
  bool need_x, need_weight;
};

template <typename Element>
void dense_gradients(const MaxoutShape& shape, const Tensor& grad_out, const Tensor& winner,
                     const Tensor& x, const Tensor& weight, const Gradients& gradients) {
  const Tensor scattered =
      empty(grad_out, {shape.batch, shape.units * shape.pieces}, grad_out.scalar_type());
  maxout_scatter_cpu(shape, data<Element>(grad_out), data<uint8_t>(winner),
                     data<Element>(scattered), torch_threads());
  if (gradients.need_x) product_out(gradients.x, scattered, weight);
  if (gradients.need_weight) {
    product_out(as_matrix(gradients.weight), torch::stable::transpose(scattered, 0, 1), x);
  }
}

void winner_gradients(const MaxoutShape& shape, const Tensor& grad_out, const Tensor& winner,
                      const Tensor& x, const Tensor& weight, const Gradients& gradients) {
  const Tensor rows = with_contiguous_columns(x);
  const MaxoutBackward arguments = {
      data<float>(grad_out),
      data<uint8_t>(winner),
      data<float>(rows),
      rows.stride(0),
      data<float>(weight),
      gradients.need_x ? data<float>(gradients.x) : nullptr,
      gradients.need_weight ? data<float>(gradients.weight) : nullptr,
  };
  maxout_backward_cpu(shape, arguments, MaxoutVariant::kAuto, torch_threads());
}

std::tuple<Tensor, Tensor, Tensor> maxout_backward(const Tensor& grad_out, const Tensor& winner,
                                                   const Tensor& x, const Tensor& weight,
                                                   bool need_x, bool need_weight, bool need_bias) {
  check_maxout_backward(grad_out, winner, x, weight, kMaxoutMaxPieces);
  const MaxoutShape shape = shape_of(x, weight);
  const ScalarType own = x.scalar_type(), type = product_type(own);
  const auto wanted = [&](bool need, std::initializer_list<int64_t> sizes) {
    return need ? empty(x, sizes, type) : empty(x, {0}, type);
  };
  const Gradients gradients = {wanted(need_x, {shape.batch, shape.inputs}),
                               wanted(need_weight, {shape.units, shape.pieces, shape.inputs}),
                               wanted(need_bias, {shape.units, shape.pieces}), need_x, need_weight};
  const Tensor grad = torch::stable::contiguous(as_type(grad_out, type));
  const Tensor won = torch::stable::contiguous(winner);
  const Tensor rows = as_type(x, type);
  const Tensor matrix = torch::stable::contiguous(as_type(as_matrix(weight), type));
  if (type == ScalarType::BFloat16) {
    // A matrix unit for bfloat16 outruns float32 sums over winners.
    dense_gradients<BFloat16>(shape, grad, won, rows, matrix, gradients);
  } else if (maxout_cpu_prefers_winners(shape.pieces)) {
    winner_gradients(shape, grad, won, rows, matrix, gradients);
  } else {
    dense_gradients<float>(shape, grad, won, rows, matrix, gradients);
  }
  if (need_bias && type == ScalarType::BFloat16) {
    maxout_bias_gradient_cpu(shape, data<BFloat16>(grad), data<uint8_t>(won),
                             data<BFloat16>(gradients.bias), torch_threads());
  } else if (need_bias) {
    maxout_bias_gradient_cpu(shape, data<float>(grad), data<uint8_t>(won),
                             data<float>(gradients.bias), torch_threads());
  }
  return {as_type(gradients.x, own), as_type(gradients.weight, own), as_type(gradients.bias, own)};
}

// What the backward pass runs for tensors of this type and number of pieces.
std::string maxout_variant(const Tensor& x, int64_t pieces) {
  check_maxout_type(x);
  Door("maxout").between("the number of pieces", pieces, 1, kMaxoutMaxPieces);
  if (product_type(x.scalar_type()) == ScalarType::BFloat16) return "dense bfloat16";
  if (!maxout_cpu_prefers_winners(pieces)) return "dense float32";
  return maxout_cpu_variant_name(maxout_cpu_best_variant());
}

// -------------------------------------------------------------------------------------- momentum

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

// ---------------------------------------------------------------------------------------- parzen

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
    parzen_log_density_cpu(parzen_problem<float>(query_rows, sample_rows, widths, result),
                           CpuVariant::Auto, torch_threads());
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
  return parzen_cpu_variant_name(parzen_cpu_best_variant(bytes));
}

}  // namespace

STABLE_TORCH_LIBRARY(gantool, m) {
  m.def("maxout_forward(Tensor x, Tensor weight, Tensor bias) -> (Tensor, Tensor)");
  m.def(
      "maxout_backward(Tensor grad_out, Tensor winner, Tensor x, Tensor weight, bool need_x, "
      "bool need_weight, bool need_bias) -> (Tensor, Tensor, Tensor)");
  m.def("maxout_variant(Tensor x, int pieces) -> str");
  m.def(
      "momentum_step(Tensor(a!) parameter, Tensor(b!) velocity, Tensor gradient, "
      "Tensor(c!)? copy, Tensor rates, float bound) -> ()");
  m.def("parzen_log_density(Tensor queries, Tensor samples, Tensor sigmas) -> Tensor");
  m.def("parzen_variant(Tensor queries, Tensor samples) -> str");
}

STABLE_TORCH_LIBRARY_IMPL(gantool, CPU, m) {
  m.impl("maxout_forward", TORCH_BOX(&maxout_forward));
  m.impl("maxout_backward", TORCH_BOX(&maxout_backward));
  m.impl("maxout_variant", TORCH_BOX(&maxout_variant));
  m.impl("momentum_step", TORCH_BOX(&momentum_step));
  m.impl("parzen_log_density", TORCH_BOX(&parzen_log_density));
  m.impl("parzen_variant", TORCH_BOX(&parzen_variant));
}

}  // namespace gantool
