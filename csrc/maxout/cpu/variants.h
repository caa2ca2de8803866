// The parts of maxout that each instruction set has its own of; maxout.cpp chooses at run time.
#pragma once

#include "maxout/maxout.h"

namespace gantool {

void maxout_backward_portable(const MaxoutShape& shape, const MaxoutBackward& arguments,
                              const Threads& threads);
#if defined(__x86_64__)
void maxout_backward_avx2(const MaxoutShape& shape, const MaxoutBackward& arguments,
                          const Threads& threads);
void maxout_backward_avx512(const MaxoutShape& shape, const MaxoutBackward& arguments,
                            const Threads& threads);

// The winners of as many whole vectors of units as there are: returns how many units that is, 0 for
// a number of pieces that has no such code.
int64_t maxout_select_avx2(const float* product, int64_t units, int64_t pieces, float* out,
                           uint8_t* winner);
int64_t maxout_select_avx2(const BFloat16* product, int64_t units, int64_t pieces, BFloat16* out,
                           uint8_t* winner);
int64_t maxout_select_avx512(const float* product, int64_t units, int64_t pieces, float* out,
                             uint8_t* winner);
int64_t maxout_select_avx512(const BFloat16* product, int64_t units, int64_t pieces, BFloat16* out,
                             uint8_t* winner);
#endif

}  // namespace gantool
