// The screen on AVX-512 VNNI: one instruction multiplies 64 bytes and sums them four by four.
#include "screen/cpu/kernels.h"

#if defined(__x86_64__)
#include <cstring>

#include "simd/target_avx512_vnni.h"

#include "screen/cpu/stages.h"

namespace gantool::screen {
namespace {

struct Product {
  using Register = __m512i;
  static constexpr int kLanes = 16;

  static Register zero() { return _mm512_setzero_si512(); }
  static Register load(const int32_t* from) { return _mm512_loadu_si512(from); }
  static Register load_bytes(const void* from) { return _mm512_loadu_si512(from); }
  static Register broadcast(const uint8_t* from) {
    int32_t bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    return _mm512_set1_epi32(bytes);
  }
  static Register dot(Register sum, Register left, Register right) {
    return _mm512_dpbusd_epi32(sum, left, right);
  }
  static __m256i halves(Register value) {
    return _mm256_add_epi32(_mm512_castsi512_si256(value), _mm512_extracti64x4_epi64(value, 1));
  }
  static void sums(Register a, Register b, Register c, Register d, int32_t* out) {
    const __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(halves(a), halves(b)),
                                            _mm256_hadd_epi32(halves(c), halves(d)));
    const __m128i whole =
        _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), whole);
  }
  static uint32_t at_least(Register value, int32_t limit) {
    return _mm512_cmpge_epi32_mask(value, _mm512_set1_epi32(limit));
  }
};

}  // namespace

const Kernels& avx512_vnni_kernels() {
  static constexpr Kernels kKernels =
      Stages<Product>::table("avx512-vnni", &CpuFeatures::avx512_vnni);
  return kKernels;
}

}  // namespace gantool::screen

#include "simd/target_end.h"
#endif  // __x86_64__
