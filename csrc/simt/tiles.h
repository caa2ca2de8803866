// Arithmetic that the operators' tile choices share: pure functions, checked by ordinary tests.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define GANTOOL_CONSTEXPR __host__ __device__ constexpr
#else
#define GANTOOL_CONSTEXPR constexpr
#endif

namespace gantool::tiles {

GANTOOL_CONSTEXPR int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }
GANTOOL_CONSTEXPR int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }
GANTOOL_CONSTEXPR int64_t maximum(int64_t a, int64_t b) { return a > b ? a : b; }

// Every processor from sm_80 on lends a block this much shared memory (sm_86 and sm_89: 99 KB).
constexpr int kSharedBytesEverywhere = 99 * 1024;

}  // namespace gantool::tiles
