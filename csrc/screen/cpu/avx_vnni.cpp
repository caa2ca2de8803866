// The screen on AVX-VNNI: the byte products of AVX-512 VNNI on registers of half the size.
#include "screen/cpu/kernels.h"

#if defined(__x86_64__)
#include "simd/target_avx_vnni.h"

#include "screen/cpu/byte_lanes_256.h"
#include "screen/cpu/stages.h"

namespace gantool::screen {
namespace {

struct Product : ByteLanes256 {
  static Register dot(Register sum, Register left, Register right) {
    return _mm256_dpbusd_avx_epi32(sum, left, right);
  }
};

}  // namespace

const Kernels& avx_vnni_kernels() {
  static constexpr Kernels kKernels = Stages<Product>::table("avx-vnni", &CpuFeatures::avx_vnni);
  return kKernels;
}

}  // namespace gantool::screen

#include "simd/target_end.h"
#endif  // __x86_64__
