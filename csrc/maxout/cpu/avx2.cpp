// The maxout backward pass, and its winners, with AVX2 and FMA.
#include <cstdint>
#include <vector>

#include "maxout/cpu/variants.h"
#include "maxout/maxout.h"

#if defined(__x86_64__)
#include "simd/target_avx2.h"

namespace gantool {
namespace {
constexpr int64_t kLanes = 8;
}  // namespace
}  // namespace gantool

#include "maxout/cpu/backward.h"
#include "maxout/cpu/select.h"

namespace gantool {

void maxout_backward_avx2(const MaxoutShape& shape, const MaxoutBackward& arguments,
                          const Threads& threads) {
  backward(shape, arguments, threads);
}

int64_t maxout_select_avx2(const float* product, int64_t units, int64_t pieces, float* out,
                           uint8_t* winner) {
  return select_wide(product, units, pieces, out, winner);
}

int64_t maxout_select_avx2(const BFloat16* product, int64_t units, int64_t pieces, BFloat16* out,
                           uint8_t* winner) {
  return select_wide(product, units, pieces, out, winner);
}

}  // namespace gantool

#include "simd/target_end.h"
#endif  // __x86_64__
