// The AMX kernels on modelled tiles: the same loop as parzen/cpu/amx.cpp, for tests on any machine.
#include "model/parzen_amx.h"

#include "model/amx.h"
#include "parzen/cpu/amx_product.h"
#include "simd/vector_portable.h"

namespace gantool {

const ParzenKernel& parzen_amx_bf16_model_kernel() {
  static const ParzenKernel kernel =
      amx_kernel("amx-bf16-model", nullptr, Operand::Bfloat16, Operand::Bfloat16,
                 amx_sweep<AmxModel, PortableVector, float>);
  return kernel;
}

const ParzenKernel& parzen_amx_int8_model_kernel() {
  static const ParzenKernel kernel =
      amx_kernel("amx-int8-model", nullptr, Operand::UnsignedByte, Operand::SignedByte,
                 amx_sweep<AmxModel, PortableVector, int32_t>);
  return kernel;
}

}  // namespace gantool
