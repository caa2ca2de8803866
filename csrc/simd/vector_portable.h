// A register of floats in plain C++: what the vectorised epilogue runs on where nothing better is.
#pragma once

#include <cstdint>
#include <cstring>

namespace gantool {

struct PortableVector {
  static constexpr int kWidth = 8;
  struct Float {
    float lane[kWidth];
  };
  struct Mask {
    bool lane[kWidth];
  };

  template <class Function>
  static Float map(Function function) {
    Float result;
    for (int i = 0; i < kWidth; ++i) result.lane[i] = function(i);
    return result;
  }
  static Float set(float value) {
    return map([&](int) { return value; });
  }
  static Float load(const float* from) {
    return map([&](int i) { return from[i]; });
  }
  static void store(float* to, const Float& value) { std::memcpy(to, value.lane, sizeof(value)); }
  static Float add(const Float& a, const Float& b) {
    return map([&](int i) { return a.lane[i] + b.lane[i]; });
  }
  static Float subtract(const Float& a, const Float& b) {
    return map([&](int i) { return a.lane[i] - b.lane[i]; });
  }
  static Float multiply(const Float& a, const Float& b) {
    return map([&](int i) { return a.lane[i] * b.lane[i]; });
  }
  static Float fma(const Float& a, const Float& b, const Float& c) {
    return map([&](int i) { return a.lane[i] * b.lane[i] + c.lane[i]; });
  }
  static Float max(const Float& a, const Float& b) {
    return map([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Float min(const Float& a, const Float& b) {
    return map([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Mask less(const Float& a, const Float& b) {
    Mask result;
    for (int i = 0; i < kWidth; ++i) result.lane[i] = a.lane[i] < b.lane[i];
    return result;
  }
  static Mask less_equal(const Float& a, const Float& b) {
    Mask result;
    for (int i = 0; i < kWidth; ++i) result.lane[i] = a.lane[i] <= b.lane[i];
    return result;
  }
  static bool any(const Mask& mask) {
    bool result = false;
    for (int i = 0; i < kWidth; ++i) result |= mask.lane[i];
    return result;
  }
  static Float add_where(const Mask& mask, const Float& sum, const Float& term) {
    return map([&](int i) { return sum.lane[i] + (mask.lane[i] ? term.lane[i] : 0.0F); });
  }
  // value * 2^n, n being the low bits of shifted (see exp2.h). Unsigned, so that the sum wraps.
  static Float scale_exponent(const Float& value, const Float& shifted) {
    return map([&](int i) {
      uint32_t bits;
      uint32_t power;
      std::memcpy(&bits, &value.lane[i], sizeof(bits));
      std::memcpy(&power, &shifted.lane[i], sizeof(power));
      bits += power << 23;
      float scaled;
      std::memcpy(&scaled, &bits, sizeof(scaled));
      return scaled;
    });
  }
  static Float squared_distance(const float* query_norms, float sample_norm,
                                const float* products) {
    return map([&](int i) { return query_norms[i] + sample_norm - 2 * products[i]; });
  }
  // Exact: parts may wrap, their sum does not (see the bound on D in parzen/cpu/pack.h).
  static Float squared_distance(const int32_t* query_norms, int32_t sample_norm,
                                const int32_t* products) {
    return map([&](int i) {
      const uint32_t sum = static_cast<uint32_t>(query_norms[i]) +
                           static_cast<uint32_t>(sample_norm) -
                           2 * static_cast<uint32_t>(products[i]);
      return static_cast<float>(static_cast<int32_t>(sum));
    });
  }
};

}  // namespace gantool
