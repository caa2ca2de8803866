// The operators' CUDA registration: a second library, loaded only where torch has CUDA, so that the
// first runs everywhere. Schemas are in library.cpp, kernels in cuda/.
#include <cuda_runtime_api.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/inductor/aoti_torch/generated/c_shim_cuda.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/macros.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <tuple>

#include "checks.h"
#include "cuda/maxout_cuda.h"
#include "cuda/momentum_cuda.h"
#include "cuda/parzen_cuda.h"

namespace gantool {
namespace {

constexpr int64_t kMaxPieces = 256;  // the winner is a byte

// Makes the tensors' device current, and gives the caller's stream on it.
class CallerStream {
 public:
  explicit CallerStream(const Tensor& tensor)
      : device_(tensor.get_device_index()), guard_(device_) {
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(device_, &stream_));
  }

  void* get() const { return stream_; }

  int multiprocessors() const {
    int count = 0;
    STD_CUDA_CHECK(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device_));
    return count;
  }

 private:
  int32_t device_;
  torch::stable::accelerator::DeviceGuard guard_;
  void* stream_ = nullptr;
};

CudaElement element_of(const Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case ScalarType::BFloat16:
      return CudaElement::kBFloat16;
    case ScalarType::Half:
      return CudaElement::kFloat16;
    case ScalarType::Double:
      return CudaElement::kFloat64;
    default:
      return CudaElement::kFloat32;  // the door lets no other type in
  }
}

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

Tensor parzen_log_density(const Tensor& queries, const Tensor& samples, const Tensor& sigmas) {
  check_parzen(queries, samples, sigmas);
  const CallerStream stream(queries);
  const Tensor query_rows = with_contiguous_columns(queries);
  const Tensor sample_rows = with_contiguous_columns(samples);
  const Tensor widths = torch::stable::contiguous(sigmas);
  const Tensor result =
      torch::stable::new_empty(sigmas, {sigmas.size(0), queries.size(0)}, sigmas.scalar_type());
  const int multiprocessors = stream.multiprocessors();
  const ParzenCudaArguments arguments = {
      element_of(queries),    query_rows.data_ptr(), query_rows.size(0),    query_rows.stride(0),
      sample_rows.data_ptr(), sample_rows.size(0),   sample_rows.stride(0), query_rows.size(1),
      widths.data_ptr(),      widths.size(0),        result.data_ptr()};
  // The workspace comes from torch's allocator, which frees it in stream order.
  const int64_t bytes =
      parzen_cuda_workspace_bytes(arguments.element, arguments.query_count, arguments.sample_count,
                                  arguments.dimension, arguments.sigma_count, multiprocessors);
  const Tensor workspace = torch::stable::new_empty(queries, {bytes}, ScalarType::Byte);
  parzen_log_density_cuda(arguments, workspace.data_ptr(), stream.get(), multiprocessors);
  return result;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(gantool, CUDA, m) {
  m.impl("maxout_forward", TORCH_BOX(&maxout_forward));
  m.impl("maxout_backward", TORCH_BOX(&maxout_backward));
  m.impl("momentum_step", TORCH_BOX(&momentum_step));
  m.impl("parzen_log_density", TORCH_BOX(&parzen_log_density));
}

}  // namespace gantool
