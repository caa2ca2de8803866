// From here to target_end.h, functions may use AVX2, FMA and AVX-VNNI.
//
// Not once a file (no #pragma once): it changes the rest of the including file. What follows gets
// the target, templates and inline functions too, so that it must lie in the file's own namespace;
// a header of inline functions that run anywhere is included before.
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avxvnni"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avxvnni")
#endif
