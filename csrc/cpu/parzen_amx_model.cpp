// The AMX kernels on modelled tiles: the same loop as parzen_amx.cpp, for tests on any machine.
#include "cpu/amx_model.h"
#include "cpu/parzen_amx.h"
#include "cpu/vector_portable.h"

namespace gantool {

const ParzenKernel& parzen_amx_bf16_model_kernel() {
  static const ParzenKernel kernel =
      amx_kernel(CpuVariant::AmxBf16Model, Operand::Bfloat16, Operand::Bfloat16,
                 amx_sweep<AmxModel, PortableVector, float>);
  return kernel;
}

const ParzenKernel& parzen_amx_int8_model_kernel() {
  static const ParzenKernel kernel =
      amx_kernel(CpuVariant::AmxInt8Model, Operand::UnsignedByte, Operand::SignedByte,
                 amx_sweep<AmxModel, PortableVector, int32_t>);
  return kernel;
}

}  // namespace gantool
