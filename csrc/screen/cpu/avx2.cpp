// The screen on AVX2. Its byte product sums two by two in int16, which saturates beyond 7 bits: the
// unsigned bytes go as 2 (u >> 1) + (u & 1), and either part stays below 2 127 127.
#include "screen/cpu/kernels.h"

#if defined(__x86_64__)
#include "simd/target_avx2.h"

#include "screen/cpu/byte_lanes_256.h"
#include "screen/cpu/stages.h"

namespace gantool::screen {
namespace {

struct Product : ByteLanes256 {
  static Register dot(Register sum, Register left, Register right) {
    const Register half = _mm256_and_si256(_mm256_srli_epi16(left, 1), _mm256_set1_epi8(127));
    const Register odd = _mm256_and_si256(left, _mm256_set1_epi8(1));
    const Register twice =
        _mm256_madd_epi16(_mm256_maddubs_epi16(half, right), _mm256_set1_epi16(2));
    const Register once = _mm256_madd_epi16(_mm256_maddubs_epi16(odd, right), _mm256_set1_epi16(1));
    return _mm256_add_epi32(sum, _mm256_add_epi32(twice, once));
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
