// What the momentum step asks of its arguments, on every device.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>

#include "torch/door.h"

namespace gantool {

// parameter, velocity and gradient of one shape, and copy, where there is one; updated in place, so
// that all but the gradient must be contiguous. rates [2]: the learning rate and the momentum.
inline void check_momentum(const Tensor& parameter, const Tensor& velocity, const Tensor& gradient,
                           const std::optional<Tensor>& copy, const Tensor& rates, double bound) {
  Door door("momentum_step");
  door.type("parameter", parameter, "float32", {ScalarType::Float})
      .contiguous("parameter", parameter)
      .like("velocity", velocity, "parameter", parameter)
      .type("velocity", velocity, "float32", {ScalarType::Float})
      .contiguous("velocity", velocity)
      .like("gradient", gradient, "parameter", parameter)
      .type("gradient", gradient, "float32 or bfloat16", {ScalarType::Float, ScalarType::BFloat16})
      .shape("rates", rates, "[2]", {2})
      .type("rates", rates, "float64", {ScalarType::Double})
      .contiguous("rates", rates)
      .same_device("rates", rates, "parameter", parameter)
      .apart("velocity", velocity, "parameter", parameter);
  if (!(bound > 0)) {
    throw std::invalid_argument("momentum_step: bound must be positive, and is " +
                                std::to_string(bound));
  }
  // A gradient that is not contiguous is copied before anything is written.
  for (const Tensor* read : {&gradient, &rates}) {
    if (!read->is_contiguous()) continue;
    const char* const name = read == &rates ? "rates" : "gradient";
    door.apart(name, *read, "parameter", parameter).apart(name, *read, "velocity", velocity);
  }
  if (!copy) return;
  door.like("copy", *copy, "parameter", parameter)
      .type("copy", *copy, "bfloat16", {ScalarType::BFloat16})
      .contiguous("copy", *copy)
      .apart("copy", *copy, "parameter", parameter)
      .apart("copy", *copy, "velocity", velocity)
      .apart("copy", *copy, "rates", rates);
  if (gradient.is_contiguous()) door.apart("copy", *copy, "gradient", gradient);
}

}  // namespace gantool
