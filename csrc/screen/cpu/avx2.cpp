// The screen on AVX2. Its byte product sums two by two in int16, which saturates beyond 7 bits: the
// unsigned bytes go as 2 (u >> 1) + (u & 1), and either part stays below 2 127 127.
#include "screen/cpu/kernels.h"

#if defined(__x86_64__)
#include <cstring>

#include "simd/target_avx2.h"

#include "screen/cpu/stages.h"

namespace gantool::screen {
namespace {

struct Product {
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
  static Register dot(Register sum, Register left, Register right) {
    const Register half = _mm256_and_si256(_mm256_srli_epi16(left, 1), _mm256_set1_epi8(127));
    const Register odd = _mm256_and_si256(left, _mm256_set1_epi8(1));
    const Register twice =
        _mm256_madd_epi16(_mm256_maddubs_epi16(half, right), _mm256_set1_epi16(2));
    const Register once = _mm256_madd_epi16(_mm256_maddubs_epi16(odd, right), _mm256_set1_epi16(1));
    return _mm256_add_epi32(sum, _mm256_add_epi32(twice, once));
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

const Kernels& avx2_kernels() {
  static constexpr Kernels kKernels = Stages<Product>::table("avx2", &CpuFeatures::avx2_fma);
  return kKernels;
}

}  // namespace gantool::screen

#include "simd/target_end.h"
#endif  // __x86_64__
