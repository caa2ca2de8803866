// The maxout backward pass with AVX2 and FMA.
#include <cstdint>
#include <vector>

#include "cpu/maxout_variants.h"
#include "maxout.h"

#if defined(__x86_64__)

#pragma GCC target("avx2,fma")

namespace gantool {
namespace {
constexpr int64_t kLanes = 8;
}  // namespace
}  // namespace gantool

#include "cpu/maxout_backward.h"

namespace gantool {

void maxout_backward_avx2(const MaxoutShape& shape, const MaxoutBackward& arguments,
                          const Threads& threads) {
  backward(shape, arguments, threads);
}

}  // namespace gantool

#endif  // __x86_64__
