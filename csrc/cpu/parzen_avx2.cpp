// Parzen products on AVX2: a tile of 6 samples by 16 queries in float32 (parzen_float_product.h).
//
// 12 of the 16 registers hold sums; a step of D is 192 operations for 88 bytes, the queries from L1
// or L2 (4 D x 16 bytes a panel), the samples from L1.
#include "cpu/parzen_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#include "cpu/parzen_absorb.h"
#include "cpu/parzen_differences.h"
#include "cpu/parzen_float_product.h"
#include "cpu/vector_avx2.h"

namespace gantool {
namespace {

struct Vector : Avx2Vector {};  // in this file's own namespace, and so is what it instantiates

using Product = FloatProduct<Vector, 6>;
static_assert(2 * Product::kSamples + 3 <= 16, "the sums must stay in registers");

void avx2_sweep(const Sweep& sweep) { sweep_tiles<Product, Vector>(sweep); }

struct DifferenceShape {
  static constexpr int kLanes = 4;
  typedef double Doubles __attribute__((vector_size(32)));
  typedef float Floats __attribute__((vector_size(16)));
  static constexpr int kSamples = 2;
};

}  // namespace

const ParzenKernel& parzen_avx2_kernel() {
  static const ParzenKernel kernel = {CpuVariant::Avx2,
                                      {Operand::Float32, Product::kQueries, sizeof(float), 1},
                                      {Operand::Float32, Product::kSamples, sizeof(float), 1},
                                      avx2_sweep};
  return kernel;
}

const DifferenceKernel& parzen_avx2_differences() {
  static const DifferenceKernel kernel = {Differences<DifferenceShape>::of_floats,
                                          Differences<DifferenceShape>::of_doubles};
  return kernel;
}

}  // namespace gantool

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif  // __x86_64__
