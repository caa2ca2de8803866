// The CUDA registration of maxout, in a second library that is loaded only where torch has CUDA, so
// that the first runs everywhere. The schema is in torch_cpu.cpp.
#include <torch/csrc/inductor/aoti_torch/generated/c_shim_cuda.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>

#include <tuple>

#include "maxout/cuda/launch.h"
#include "maxout/door.h"
#include "torch/stream.h"

namespace gantool {
namespace {

constexpr int64_t kMaxPieces = 256;  // the winner is a byte

// torch's matrix products, called below the dispatcher, where neither autograd nor autocast is.
void product_out(const Tensor& out, const Tensor& left, const Tensor& right) {
  TORCH_ERROR_CODE_CHECK(aoti_torch_cuda_mm_out(out.get(), left.get(), right.get()));
}

void affine_out(const Tensor& out, const Tensor& bias, const Tensor& left, const Tensor& right) {
  TORCH_ERROR_CODE_CHECK(
      aoti_torch_cuda_addmm_out(out.get(), bias.get(), left.get(), right.get(), 1.0, 1.0));
}

MaxoutCudaShape shape_of(const Tensor& x, const Tensor& weight) {
  return {element_of(x), x.size(0), weight.size(0), weight.size(1)};
}

// [U, P, I] as [U P, I], without a copy where it is contiguous.
Tensor as_matrix(const Tensor& weight) {
  return torch::stable::reshape(weight, {weight.size(0) * weight.size(1), weight.size(2)});
}

uint8_t* bytes(const Tensor& tensor) { return static_cast<uint8_t*>(tensor.data_ptr()); }

std::tuple<Tensor, Tensor> maxout_forward(const Tensor& x, const Tensor& weight,
                                          const Tensor& bias) {
  check_maxout(x, weight, kMaxPieces);
  check_maxout_bias(x, weight, bias);
  const CallerStream stream(x);
  const MaxoutCudaShape shape = shape_of(x, weight);
  const int64_t columns = shape.units * shape.pieces;
  const Tensor product = torch::stable::new_empty(x, {shape.batch, columns});
  affine_out(product, torch::stable::reshape(bias, {columns}), x,
             torch::stable::transpose(as_matrix(weight), 0, 1));
  const Tensor out = torch::stable::new_empty(x, {shape.batch, shape.units});
  const Tensor winner = torch::stable::new_empty(x, {shape.batch, shape.units}, ScalarType::Byte);
  maxout_select_cuda(shape, product.data_ptr(), out.data_ptr(), bytes(winner), stream.get());
  return {out, winner};
}

std::tuple<Tensor, Tensor, Tensor> maxout_backward(const Tensor& grad_out, const Tensor& winner,
                                                   const Tensor& x, const Tensor& weight,
                                                   bool need_x, bool need_weight, bool need_bias) {
  check_maxout_backward(grad_out, winner, x, weight, kMaxPieces);
  const CallerStream stream(x);
  const MaxoutCudaShape shape = shape_of(x, weight);
  const Tensor grad = torch::stable::contiguous(grad_out);
  const Tensor won = torch::stable::contiguous(winner);
  const auto wanted = [&](bool need, std::initializer_list<int64_t> sizes) {
    return need ? torch::stable::new_empty(x, sizes) : torch::stable::new_empty(x, {0});
  };
  const Tensor grad_x = wanted(need_x, {x.size(0), x.size(1)});
  const Tensor grad_weight = wanted(need_weight, {weight.size(0), weight.size(1), weight.size(2)});
  const Tensor grad_bias = wanted(need_bias, {weight.size(0), weight.size(1)});
  if (need_x || need_weight) {
    const Tensor scattered = torch::stable::new_empty(x, {shape.batch, shape.units * shape.pieces});
    maxout_scatter_cuda(shape, grad.data_ptr(), bytes(won), scattered.data_ptr(), stream.get());
    if (need_x) product_out(grad_x, scattered, as_matrix(weight));
    if (need_weight) {
      product_out(as_matrix(grad_weight), torch::stable::transpose(scattered, 0, 1), x);
    }
  }
  if (need_bias) {
    maxout_bias_gradient_cuda(shape, grad.data_ptr(), bytes(won), grad_bias.data_ptr(),
                              stream.get());
  }
  return {grad_x, grad_weight, grad_bias};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(gantool, CUDA, m) {
  m.impl("maxout_forward", TORCH_BOX(&maxout_forward));
  m.impl("maxout_backward", TORCH_BOX(&maxout_backward));
}

}  // namespace gantool
