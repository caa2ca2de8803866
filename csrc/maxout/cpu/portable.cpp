// The maxout backward pass on what every processor of the target has.
#include <cstdint>
#include <vector>

#include "maxout/cpu/variants.h"
#include "maxout/maxout.h"

namespace gantool {
namespace {
constexpr int64_t kLanes = 4;
}  // namespace
}  // namespace gantool

#include "maxout/cpu/backward.h"

namespace gantool {

void maxout_backward_portable(const MaxoutShape& shape, const MaxoutBackward& arguments,
                              const Threads& threads) {
  backward(shape, arguments, threads);
}

}  // namespace gantool
