// bfloat16 as storage: the upper half of a float32.
#pragma once

#include <cstdint>
#include <cstring>

namespace gantool {

struct BFloat16 {
  uint16_t bits;
};

inline float widen(float value) { return value; }

inline float widen(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

template <typename Element>
Element narrow(float value);

template <>
inline float narrow<float>(float value) {
  return value;
}

// To nearest, ties to even; a NaN stays a NaN (rounding its bits up could make an infinity of it).
template <>
inline BFloat16 narrow<BFloat16>(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (value != value) return {0x7fc0};
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

}  // namespace gantool
