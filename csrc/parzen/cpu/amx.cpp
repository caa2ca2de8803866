// The AMX kernels on real tiles, with the AVX-512 epilogue (every processor with AMX has both). The
// loop and its figures are in amx_product.h.
#include <cstdint>

#include "parzen/cpu/kernel.h"

#if defined(__x86_64__)
#include "simd/target_amx.h"

#include "parzen/cpu/amx_product.h"
#include "simd/amx_tiles.h"
#include "simd/vector_avx512.h"

namespace gantool {
namespace {

struct Vector : Avx512Vector {};

void bf16_sweep(const Sweep& sweep) { amx_sweep<AmxTiles, Vector, float>(sweep); }

void int8_sweep(const Sweep& sweep) { amx_sweep<AmxTiles, Vector, int32_t>(sweep); }

}  // namespace

const ParzenKernel& parzen_amx_bf16_kernel() {
  static const ParzenKernel kernel = amx_kernel("amx-bf16", &CpuFeatures::amx_bf16,
                                                Operand::Bfloat16, Operand::Bfloat16, bf16_sweep);
  return kernel;
}

const ParzenKernel& parzen_amx_int8_kernel() {
  static const ParzenKernel kernel = amx_kernel(
      "amx-int8", &CpuFeatures::amx_int8, Operand::UnsignedByte, Operand::SignedByte, int8_sweep);
  return kernel;
}

}  // namespace gantool

#include "simd/target_end.h"
#endif  // __x86_64__
