// The CUDA registration of the Parzen window, in a second library that is loaded only where torch
// has CUDA, so that the first runs everywhere. The schema is in torch_cpu.cpp.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>

#include "parzen/cuda/launch.h"
#include "parzen/door.h"
#include "torch/stream.h"

namespace gantool {
namespace {

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
  m.impl("parzen_log_density", TORCH_BOX(&parzen_log_density));
}

}  // namespace gantool
