// The schema of maxout and its CPU kernels, through LibTorch's stable ABI: one binary serves every
// torch from TORCH_TARGET_VERSION on. Fakes and autograd formulas are in gantool/ops/maxout.py.
#include <torch/csrc/inductor/aoti_torch/generated/c_shim_cpu.h>
#include <torch/csrc/stable/library.h>

#include <string>
#include <tuple>

#include "maxout/door.h"
#include "maxout/maxout.h"
#include "torch/tensors.h"

namespace gantool {
namespace {

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

Tensor as_matrix(const Tensor& weight) {
  return torch::stable::reshape(weight, {weight.size(0) * weight.size(1), weight.size(2)});
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

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(gantool, m) {
  m.def("maxout_forward(Tensor x, Tensor weight, Tensor bias) -> (Tensor, Tensor)");
  m.def(
      "maxout_backward(Tensor grad_out, Tensor winner, Tensor x, Tensor weight, bool need_x, "
      "bool need_weight, bool need_bias) -> (Tensor, Tensor, Tensor)");
  m.def("maxout_variant(Tensor x, int pieces) -> str");
}

STABLE_TORCH_LIBRARY_IMPL(gantool, CPU, m) {
  m.impl("maxout_forward", TORCH_BOX(&maxout_forward));
  m.impl("maxout_backward", TORCH_BOX(&maxout_backward));
  m.impl("maxout_variant", TORCH_BOX(&maxout_variant));
}

}  // namespace gantool
