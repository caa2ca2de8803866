// A register of 8 floats on AVX2 with FMA. Included where the target allows these instructions.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace gantool {

struct Avx2Vector {
  static constexpr int kWidth = 8;
  using Float = __m256;
  using Mask = __m256;

  static Float set(float value) { return _mm256_set1_ps(value); }
  static Float load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, Float value) { _mm256_storeu_ps(to, value); }
  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Float subtract(Float a, Float b) { return _mm256_sub_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm256_min_ps(a, b); }
  static Mask less(Float a, Float b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static Mask less_equal(Float a, Float b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
  static bool any(Mask mask) { return _mm256_movemask_ps(mask) != 0; }
  static Float add_where(Mask mask, Float sum, Float term) {
    return _mm256_add_ps(sum, _mm256_and_ps(mask, term));
  }
  static Float scale_exponent(Float value, Float shifted) {
    const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(value), power));
  }
  static Float squared_distance(const float* query_norms, float sample_norm,
                                const float* products) {
    const Float norms = _mm256_add_ps(_mm256_loadu_ps(query_norms), _mm256_set1_ps(sample_norm));
    return _mm256_fnmadd_ps(_mm256_set1_ps(2.0F), _mm256_loadu_ps(products), norms);
  }
};

}  // namespace gantool
