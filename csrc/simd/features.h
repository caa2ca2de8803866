// What this processor and operating system can run, asked once (cpuid, xgetbv and, for AMX, the
// kernel's permission to use tile data).
#pragma once

namespace gantool {

struct CpuFeatures {
  bool avx2_fma = false;
  bool avx_vnni = false;     // byte dot products on 256-bit registers
  bool avx512 = false;       // F, BW, DQ and VL, with the operating system saving the registers
  bool avx512_vnni = false;  // byte dot products on 512-bit registers
  bool amx_bf16 = false;     // tile products of bfloat16 pairs
  bool amx_int8 = false;     // tile products of byte quadruples
};

// Where the environment has GANTOOL_CPU, no more than it names: portable, avx2, avx-vnni, avx512,
// avx512-vnni or amx. Throws std::invalid_argument for any other value.
const CpuFeatures& cpu_features();

}  // namespace gantool
