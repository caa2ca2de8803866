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
  static int32_t sum(Register value) { return _mm512_reduce_add_epi32(value); }
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
