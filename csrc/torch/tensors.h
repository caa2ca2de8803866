// What the operators' CPU registrations say with torch's stable ABI: threads, new tensors, data.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdint>
#include <functional>
#include <initializer_list>

#include "simd/parallel.h"
#include "torch/door.h"

namespace gantool {

// torch's own threads, as many as torch.set_num_threads allows.
inline Threads torch_threads() {
  return {static_cast<int>(torch::stable::get_num_threads()),
          [](int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
            torch::stable::parallel_for(0, count, grain, body);
          }};
}

inline Tensor empty(const Tensor& like, std::initializer_list<int64_t> sizes, ScalarType type) {
  return torch::stable::new_empty(like, sizes, type);
}

inline Tensor as_type(const Tensor& tensor, ScalarType type) {
  return tensor.scalar_type() == type ? tensor : torch::stable::to(tensor, type);
}

template <typename Element>
Element* data(const Tensor& tensor) {
  return static_cast<Element*>(tensor.data_ptr());
}

}  // namespace gantool
