// The operators' host door, CPU and CUDA alike: each message names the argument, what was expected
// and what came. Nothing past this door looks at a shape, a type or a device again.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <functional>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>

namespace gantool {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kAnySize = -1;

// The name of a type as Python has it: "float32".
inline std::string describe_type(ScalarType type) {
  switch (type) {
    case ScalarType::Float:
      return "float32";
    case ScalarType::Double:
      return "float64";
    case ScalarType::Half:
      return "float16";
    case ScalarType::BFloat16:
      return "bfloat16";
    case ScalarType::Byte:
      return "uint8";
    default:
      return torch::headeronly::toString(type);
  }
}

// No stream: where the process has loaded another C++ library than the compiler's, one may crash.
inline std::string describe_shape(const Tensor& tensor) {
  std::string text = "[";
  for (int64_t i = 0; i < tensor.dim(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(tensor.size(i));
  }
  return text + ']';
}

inline bool same_shape(const Tensor& tensor, const Tensor& other) {
  if (tensor.dim() != other.dim()) return false;
  for (int64_t i = 0; i < tensor.dim(); ++i) {
    if (tensor.size(i) != other.size(i)) return false;
  }
  return true;
}

// An operator's arguments, checked one by one.
class Door {
 public:
  explicit Door(const char* op) : op_(op) {}

  // `axes` is what the documentation calls the shape, e.g. "[B, I]"; kAnySize leaves a size open.
  const Door& shape(const char* name, const Tensor& tensor, const char* axes,
                    std::initializer_list<int64_t> sizes) const {
    bool fits = tensor.dim() == static_cast<int64_t>(sizes.size());
    std::string wanted;
    int64_t axis = 0;
    for (const int64_t size : sizes) {
      fits = fits && (size == kAnySize || tensor.size(axis) == size);
      wanted += (axis++ == 0 ? "" : ", ") + (size == kAnySize ? "any" : std::to_string(size));
    }
    if (!fits) {
      fail(name, std::string(axes) + " = [" + wanted + "], and is " + describe_shape(tensor));
    }
    return *this;
  }

  const Door& same(const char* name, const Tensor& tensor, const char* like_name,
                   const Tensor& like) const {
    if (tensor.scalar_type() != like.scalar_type()) {
      fail(name, std::string("of the type of ") + like_name + ", " +
                     describe_type(like.scalar_type()) + ", and is " +
                     describe_type(tensor.scalar_type()));
    }
    return same_device(name, tensor, like_name, like);
  }

  const Door& same_device(const char* name, const Tensor& tensor, const char* like_name,
                          const Tensor& like) const {
    const auto device = tensor.device(), wanted = like.device();
    if (device.type() != wanted.type() || device.index() != wanted.index()) {
      fail(name, std::string("on the device of ") + like_name + ", and is on another");
    }
    return *this;
  }

  const Door& type(const char* name, const Tensor& tensor, const char* wanted,
                   std::initializer_list<ScalarType> types) const {
    for (const ScalarType type : types) {
      if (tensor.scalar_type() == type) return *this;
    }
    fail(name, std::string(wanted) + ", and is " + describe_type(tensor.scalar_type()));
  }

  // The shape and the device of another argument.
  const Door& like(const char* name, const Tensor& tensor, const char* like_name,
                   const Tensor& other) const {
    if (!same_shape(tensor, other)) {
      fail(name, std::string("of the shape of ") + like_name + ", " + describe_shape(other) +
                     ", and is " + describe_shape(tensor));
    }
    return same_device(name, tensor, like_name, other);
  }

  const Door& contiguous(const char* name, const Tensor& tensor) const {
    if (!tensor.is_contiguous()) fail(name, "contiguous, since it is updated in place");
    return *this;
  }

  // For contiguous tensors, of types that a door above let in: no byte of one is a byte of another.
  const Door& apart(const char* name, const Tensor& tensor, const char* other_name,
                    const Tensor& other) const {
    const auto begin = [](const Tensor& t) { return static_cast<const char*>(t.data_ptr()); };
    const auto end = [&](const Tensor& t) {
      const auto type = t.scalar_type();
      const bool wide = type == ScalarType::Float || type == ScalarType::Double;
      return begin(t) + t.numel() * (!wide ? 2 : type == ScalarType::Double ? 8 : 4);
    };
    const bool empty = tensor.numel() == 0 || other.numel() == 0;
    if (!empty && std::less<>()(begin(tensor), end(other)) &&
        std::less<>()(begin(other), end(tensor))) {
      fail(name, std::string("in memory of its own, and shares some with ") + other_name);
    }
    return *this;
  }

  const Door& between(const char* what, int64_t value, int64_t least, int64_t most) const {
    if (value < least || value > most) {
      fail(what, "between " + std::to_string(least) + " and " + std::to_string(most) + ", and is " +
                     std::to_string(value));
    }
    return *this;
  }

 private:
  [[noreturn]] void fail(const char* name, const std::string& expected) const {
    throw std::invalid_argument(std::string(op_) + ": " + name + " must be " + expected);
  }

  const char* op_;
};

// Rows with unit stride between columns, as the kernels want them; a copy only where they are not.
inline Tensor with_contiguous_columns(const Tensor& rows) {
  return rows.size(1) <= 1 || rows.stride(1) == 1 ? rows : torch::stable::contiguous(rows);
}

}  // namespace gantool
