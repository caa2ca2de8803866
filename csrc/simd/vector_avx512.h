// A register of 16 floats on AVX-512. Included where the target allows these instructions.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace gantool {

struct Avx512Vector {
  static constexpr int kWidth = 16;
  using Float = __m512;
  using Mask = __mmask16;

  static Float set(float value) { return _mm512_set1_ps(value); }
  static Float load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Float value) { _mm512_storeu_ps(to, value); }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float subtract(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float min(Float a, Float b) { return _mm512_min_ps(a, b); }
  static Mask less(Float a, Float b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static Mask less_equal(Float a, Float b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
  static bool any(Mask mask) { return mask != 0; }
  static Float add_where(Mask mask, Float sum, Float term) {
    return _mm512_mask_add_ps(sum, mask, sum, term);
  }
  static Float scale_exponent(Float value, Float shifted) {
    const __m512i power = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(value), power));
  }
  static Float squared_distance(const float* query_norms, float sample_norm,
                                const float* products) {
    const Float norms = _mm512_add_ps(_mm512_loadu_ps(query_norms), _mm512_set1_ps(sample_norm));
    return _mm512_fnmadd_ps(_mm512_set1_ps(2.0F), _mm512_loadu_ps(products), norms);
  }
  static Float squared_distance(const int32_t* query_norms, int32_t sample_norm,
                                const int32_t* products) {
    const __m512i norms =
        _mm512_add_epi32(_mm512_loadu_si512(query_norms), _mm512_set1_epi32(sample_norm));
    const __m512i twice = _mm512_slli_epi32(_mm512_loadu_si512(products), 1);
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(norms, twice));
  }
};

}  // namespace gantool
