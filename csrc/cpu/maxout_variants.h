// The maxout backward pass for each instruction set; maxout.cpp chooses one at run time.
#pragma once

#include "maxout.h"

namespace gantool {

void maxout_backward_portable(const MaxoutShape& shape, const MaxoutBackward& arguments,
                              const Threads& threads);
#if defined(__x86_64__)
void maxout_backward_avx2(const MaxoutShape& shape, const MaxoutBackward& arguments,
                          const Threads& threads);
void maxout_backward_avx512(const MaxoutShape& shape, const MaxoutBackward& arguments,
                            const Threads& threads);
#endif

}  // namespace gantool
