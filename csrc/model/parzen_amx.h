// The AMX kernels on modelled tiles: slow, on any machine, for tests.
#pragma once

#include "parzen/cpu/kernel.h"

namespace gantool {

const ParzenKernel& parzen_amx_bf16_model_kernel();
const ParzenKernel& parzen_amx_int8_model_kernel();

}  // namespace gantool
