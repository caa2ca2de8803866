// What the Parzen window asks of its arguments, on every device.
#pragma once

#include "torch/door.h"

namespace gantool {

// queries [N, D], samples [M, D], with M and D at least 1.
inline void check_parzen_rows(const Tensor& queries, const Tensor& samples) {
  constexpr int64_t kLargest = INT64_MAX;
  Door("parzen_log_density")
      .type("queries", queries, "float32, bfloat16, float16 or float64",
            {ScalarType::Float, ScalarType::BFloat16, ScalarType::Half, ScalarType::Double})
      .shape("queries", queries, "[N, D]", {kAnySize, kAnySize})
      .shape("samples", samples, "[M, D]", {kAnySize, queries.size(1)})
      .same("samples", samples, "queries", queries)
      .between("the number of samples", samples.size(0), 1, kLargest)
      .between("the dimension", queries.size(1), 1, kLargest);
}

// The same, and sigmas [S].
inline void check_parzen(const Tensor& queries, const Tensor& samples, const Tensor& sigmas) {
  const bool is_double = queries.scalar_type() == ScalarType::Double;
  check_parzen_rows(queries, samples);
  Door("parzen_log_density")
      .shape("sigmas", sigmas, "[S]", {kAnySize})
      .type("sigmas", sigmas, is_double ? "float64 as the queries are" : "float32",
            {is_double ? ScalarType::Double : ScalarType::Float})
      .same_device("sigmas", sigmas, "queries", queries);
}

}  // namespace gantool
