// What the operators' CUDA registrations say with torch's stable ABI: the caller's stream, and how
// the launchers name element types.
#pragma once

#include <cuda_runtime_api.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/macros.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdint>

#include "simt/element.h"
#include "torch/door.h"

namespace gantool {

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

inline CudaElement element_of(const Tensor& tensor) {
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

}  // namespace gantool
