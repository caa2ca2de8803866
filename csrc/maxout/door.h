// What maxout asks of its arguments, on every device.
#pragma once

#include "torch/door.h"

namespace gantool {

inline void check_maxout_type(const Tensor& x) {
  Door("maxout").type("x", x, "float32, bfloat16 or float16",
                      {ScalarType::Float, ScalarType::BFloat16, ScalarType::Half});
}

// What both devices ask of maxout's forward arguments: x [B, I], weight [U, P, I], bias [U, P].
inline void check_maxout(const Tensor& x, const Tensor& weight, int64_t max_pieces) {
  check_maxout_type(x);
  Door("maxout")
      .shape("x", x, "[B, I]", {kAnySize, kAnySize})
      .shape("weight", weight, "[U, P, I]", {kAnySize, kAnySize, x.size(1)})
      .same("weight", weight, "x", x)
      .between("the number of pieces", weight.size(1), 1, max_pieces);
}

inline void check_maxout_bias(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Door("maxout")
      .shape("bias", bias, "[U, P]", {weight.size(0), weight.size(1)})
      .same("bias", bias, "x", x);
}

inline void check_maxout_backward(const Tensor& grad_out, const Tensor& winner, const Tensor& x,
                                  const Tensor& weight, int64_t max_pieces) {
  check_maxout(x, weight, max_pieces);
  Door("maxout_backward")
      .shape("grad_out", grad_out, "[B, U]", {x.size(0), weight.size(0)})
      .same("grad_out", grad_out, "x", x)
      .shape("winner", winner, "[B, U]", {x.size(0), weight.size(0)})
      .type("winner", winner, "uint8", {ScalarType::Byte})
      .same_device("winner", winner, "x", x);
}

}  // namespace gantool
