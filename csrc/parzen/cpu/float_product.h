// The float32 product of a tile, x_j . q_i for kSampleRows samples by two registers of queries.
//
// Packed: queries [D][2 kWidth] floats, samples [D][kSampleRows] floats. Per step of D two loads
// and kSampleRows broadcasts feed 2 kSampleRows fused multiply-adds, whose sums stay in registers.
//
// Included after the target attributes of a variant are set, with a Vector of that variant's own,
// so that no instantiation is shared between variants.
#pragma once

#include <cstdint>
#include <cstring>

#include "parzen/cpu/kernel.h"

namespace gantool {

template <class Vector, int kSampleRows>
struct FloatProduct {
  using Norm = float;
  using Float = typename Vector::Float;
  static constexpr int kSamples = kSampleRows;
  static constexpr int kQueries = 2 * Vector::kWidth;
  static constexpr int kSampleGroupBytes = sizeof(float);

  static void multiply(const Sweep& sweep, const unsigned char* tile, float* products) {
    const auto* query = reinterpret_cast<const float*>(sweep.queries);
    const auto* sample = reinterpret_cast<const float*>(tile);
    std::memset(products, 0, kSamples * kQueries * sizeof(float));
    for (int64_t d = 0; d < sweep.groups; d += kSummedDepth) {
      const int64_t left = sweep.groups - d;
      add_product(query + d * kQueries, sample + d * kSamples,
                  left < kSummedDepth ? left : kSummedDepth, products);
    }
  }

  static void add_product(const float* query, const float* sample, int64_t depth, float* products) {
    Float sums[kSamples][2];
#pragma GCC unroll 16
    for (int j = 0; j < kSamples; ++j) sums[j][0] = sums[j][1] = Vector::set(0.0F);
    for (int64_t d = 0; d < depth; ++d, query += kQueries, sample += kSamples) {
      const Float left = Vector::load(query);
      const Float right = Vector::load(query + Vector::kWidth);
#pragma GCC unroll 16
      for (int j = 0; j < kSamples; ++j) {
        const Float x = Vector::set(sample[j]);
        sums[j][0] = Vector::fma(x, left, sums[j][0]);
        sums[j][1] = Vector::fma(x, right, sums[j][1]);
      }
    }
#pragma GCC unroll 16
    for (int j = 0; j < kSamples; ++j) {
      float* to = products + j * kQueries;
      Vector::store(to, Vector::add(Vector::load(to), sums[j][0]));
      to += Vector::kWidth;
      Vector::store(to, Vector::add(Vector::load(to), sums[j][1]));
    }
  }
};

}  // namespace gantool
