// From here to target_end.h, functions may use AVX-512 and AMX tiles.
//
// Not once a file (no #pragma once): it changes the rest of the including file. What follows gets
// the target, templates and inline functions too, so that it must lie in the file's own namespace;
// a header of inline functions that run anywhere is included before.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own AVX-512 headers initialise a register with itself on purpose (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(                                                               \
    __attribute__((                                                                         \
        target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16,amx-int8"))), \
    apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16,amx-int8")
#endif
