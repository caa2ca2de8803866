// Parzen products on AVX-512: a tile of 12 samples by 32 queries in float32
// (float_product.h).
//
// 24 of the 32 registers hold sums, so that the two FMA units, not the two load ports, are the
// limit: a step of D is 768 operations for 176 bytes, the queries from L2 (4 D x 32 bytes a panel),
// the samples from L1.
#include <cstring>

#include "parzen/cpu/kernel.h"

#if defined(__x86_64__)
#include "simd/target_avx512.h"

#include "parzen/cpu/absorb.h"
#include "parzen/cpu/differences.h"
#include "parzen/cpu/float_product.h"
#include "simd/vector_avx512.h"

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
  static const ParzenKernel kernel = {"avx512",
                                      &CpuFeatures::avx512,
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

#include "simd/target_end.h"
#endif  // __x86_64__
