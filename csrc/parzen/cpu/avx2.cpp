// Parzen products on AVX2: a tile of 6 samples by 16 queries in float32 (float_product.h).
//
// 12 of the 16 registers hold sums; a step of D is 192 operations for 88 bytes, the queries from L1
// or L2 (4 D x 16 bytes a panel), the samples from L1.
#include <cstring>

#include "parzen/cpu/kernel.h"

#if defined(__x86_64__)
#include "simd/target_avx2.h"

#include "parzen/cpu/absorb.h"
#include "parzen/cpu/differences.h"
#include "parzen/cpu/float_product.h"
#include "simd/vector_avx2.h"

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
  static const ParzenKernel kernel = {"avx2",
                                      &CpuFeatures::avx2_fma,
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

#include "simd/target_end.h"
#endif  // __x86_64__
