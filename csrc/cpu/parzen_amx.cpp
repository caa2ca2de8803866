// The AMX kernels on real tiles, with the AVX-512 epilogue (every processor with AMX has both). The
// loop and its figures are in parzen_amx.h.
#include "cpu/parzen_kernel.h"

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own AVX-512 headers initialise a register with itself on purpose (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <cstdint>

#if defined(__clang__)
#pragma clang attribute push(                                                               \
    __attribute__((                                                                         \
        target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16,amx-int8"))), \
    apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16,amx-int8")
#endif

#include "cpu/amx_tiles.h"
#include "cpu/parzen_amx.h"
#include "cpu/vector_avx512.h"

namespace gantool {
namespace {

struct Vector : Avx512Vector {};

void bf16_sweep(const Sweep& sweep) { amx_sweep<AmxTiles, Vector, float>(sweep); }

void int8_sweep(const Sweep& sweep) { amx_sweep<AmxTiles, Vector, int32_t>(sweep); }

}  // namespace

const ParzenKernel& parzen_amx_bf16_kernel() {
  static const ParzenKernel kernel =
      amx_kernel(CpuVariant::AmxBf16, Operand::Bfloat16, Operand::Bfloat16, bf16_sweep);
  return kernel;
}

const ParzenKernel& parzen_amx_int8_kernel() {
  static const ParzenKernel kernel =
      amx_kernel(CpuVariant::AmxInt8, Operand::UnsignedByte, Operand::SignedByte, int8_sweep);
  return kernel;
}

}  // namespace gantool

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif  // __x86_64__
