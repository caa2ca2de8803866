// The maxout backward pass on what every processor of the target has.
#include <cstdint>
#include <vector>

#include "cpu/bfloat16.h"
#include "cpu/maxout_variants.h"
#include "maxout.h"

namespace gantool {
namespace {
constexpr int64_t kLanes = 4;
}  // namespace
}  // namespace gantool

#include "cpu/maxout_backward.h"

namespace gantool {

void maxout_backward_portable(const MaxoutShape& shape, const MaxoutBackward& arguments,
                              const Threads& threads) {
  if (shape.element == MaxoutElement::kBFloat16) {
    backward<BFloat16>(shape, arguments, threads);
  } else {
    backward<float>(shape, arguments, threads);
  }
}

}  // namespace gantool
