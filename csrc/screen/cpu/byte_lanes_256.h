// What AVX2 and AVX-VNNI share of a `Product` (stages.h): all but the product itself. In a
// namespace of the including file's own, since each compiles it for its own target.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace gantool::screen {
namespace {

struct ByteLanes256 {
  using Register = __m256i;
  static constexpr int kLanes = 8;

  static Register zero() { return _mm256_setzero_si256(); }
  static Register load_bytes(const void* from) {
    return _mm256_loadu_si256(static_cast<const Register*>(from));
  }
  static Register load(const int32_t* from) { return load_bytes(from); }
  static Register broadcast(const uint8_t* from) {
    int32_t bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    return _mm256_set1_epi32(bytes);
  }
  static void sums(Register a, Register b, Register c, Register d, int32_t* out) {
    const Register pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    const __m128i whole =
        _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), whole);
  }
  static uint32_t at_least(Register value, int32_t limit) {
    const Register less = _mm256_cmpgt_epi32(_mm256_set1_epi32(limit), value);
    return ~static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(less))) & 0xff;
  }
};

}  // namespace
}  // namespace gantool::screen
