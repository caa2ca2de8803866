// The maxout backward pass, and its winners, with AVX-512.
#include <cstdint>
#include <vector>

#include "maxout/cpu/variants.h"
#include "maxout/maxout.h"

#if defined(__x86_64__)
#include "simd/target_avx512.h"

namespace gantool {
namespace {
constexpr int64_t kLanes = 16;
}  // namespace
}  // namespace gantool

#include "maxout/cpu/backward.h"
#include "maxout/cpu/select.h"

namespace gantool {

void maxout_backward_avx512(const MaxoutShape& shape, const MaxoutBackward& arguments,
                            const Threads& threads) {
  backward(shape, arguments, threads);
}

int64_t maxout_select_avx512(const float* product, int64_t units, int64_t pieces, float* out,
                             uint8_t* winner) {
  return select_wide(product, units, pieces, out, winner);
}

int64_t maxout_select_avx512(const BFloat16* product, int64_t units, int64_t pieces, BFloat16* out,
                             uint8_t* winner) {
  return select_wide(product, units, pieces, out, winner);
}

}  // namespace gantool

#include "simd/target_end.h"
#endif  // __x86_64__
