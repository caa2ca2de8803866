// Parzen products on AVX-512: a tile of 12 samples by 32 queries in float32
// (parzen_float_product.h).
//
// 24 of the 32 registers hold sums, so that the two FMA units, not the two load ports, are the
// limit: a step of D is 768 operations for 176 bytes, the queries from L2 (4 D x 32 bytes a panel),
// the samples from L1.
#include "cpu/parzen_kernel.h"

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own AVX-512 headers initialise a register with itself on purpose (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#endif

#include "cpu/parzen_absorb.h"
#include "cpu/parzen_differences.h"
#include "cpu/parzen_float_product.h"
#include "cpu/vector_avx512.h"

namespace gantool {
namespace {

struct Vector : Avx512Vector {};  // in this file's own namespace, and so is what it instantiates

using Product = FloatProduct<Vector, 12>;
static_assert(2 * Product::kSamples + 3 <= 32, "the sums must stay in registers");

void avx512_sweep(const Sweep& sweep) { sweep_tiles<Product, Vector>(sweep); }

struct DifferenceShape {
  static constexpr int kLanes = 8;
  typedef double Doubles __attribute__((vector_size(64)));
  typedef float Floats __attribute__((vector_size(32)));
  static constexpr int kSamples = 4;
};

}  // namespace

const ParzenKernel& parzen_avx512_kernel() {
  static const ParzenKernel kernel = {CpuVariant::Avx512,
                                      {Operand::Float32, Product::kQueries, sizeof(float), 1},
                                      {Operand::Float32, Product::kSamples, sizeof(float), 1},
                                      avx512_sweep};
  return kernel;
}

const DifferenceKernel& parzen_avx512_differences() {
  static const DifferenceKernel kernel = {Differences<DifferenceShape>::of_floats,
                                          Differences<DifferenceShape>::of_doubles};
  return kernel;
}

}  // namespace gantool

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif  // __x86_64__
