// Parzen products on AVX2: x_j . q_i for a tile of 6 samples by 16 queries in float32.
//
// Packed: queries [D][16] floats, samples [D][6] floats. 12 of the 16 registers hold sums; per step
// of D two loads and six broadcasts feed 12 fused multiply-adds: 192 operations for 88 bytes, the
// queries from L1 or L2 (4 D x 16 bytes a panel), the samples from L1.
#include "cpu/parzen_kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#include "cpu/parzen_absorb.h"
#include "cpu/vector_avx2.h"

namespace gantool {
namespace {

constexpr int kSampleRows = 6;
constexpr int kQueryRows = 16;
constexpr int kRegisters = kQueryRows / Avx2Vector::kWidth;
static_assert(kSampleRows * kRegisters + kRegisters + 1 <= 16, "the sums must stay in registers");

struct Vector : Avx2Vector {};

struct Avx2Product {
  using Norm = float;
  static constexpr int kSamples = kSampleRows;
  static constexpr int kQueries = kQueryRows;
  static constexpr int kSampleGroupBytes = sizeof(float);

  static void multiply(const Sweep& sweep, const unsigned char* tile, float* products) {
    const auto* query = reinterpret_cast<const float*>(sweep.queries);
    const auto* sample = reinterpret_cast<const float*>(tile);
    std::memset(products, 0, kSamples * kQueries * sizeof(float));
    for (int64_t d = 0; d < sweep.groups; d += kSummedDepth) {
      const int64_t left = sweep.groups - d;
      add_product(query + d * kQueries, sample + d * kSamples,
                  left < kSummedDepth ? left : kSummedDepth, products);
    }
  }

  static void add_product(const float* query, const float* sample, int64_t depth, float* products) {
    __m256 sums[kSamples][kRegisters];
#pragma GCC unroll 8
    for (int j = 0; j < kSamples; ++j) sums[j][0] = sums[j][1] = _mm256_setzero_ps();
    for (int64_t d = 0; d < depth; ++d, query += kQueries, sample += kSamples) {
      const __m256 left = _mm256_load_ps(query);
      const __m256 right = _mm256_load_ps(query + 8);
#pragma GCC unroll 8
      for (int j = 0; j < kSamples; ++j) {
        const __m256 x = _mm256_set1_ps(sample[j]);
        sums[j][0] = _mm256_fmadd_ps(x, left, sums[j][0]);
        sums[j][1] = _mm256_fmadd_ps(x, right, sums[j][1]);
      }
    }
#pragma GCC unroll 8
    for (int j = 0; j < kSamples; ++j) {
      float* to = products + j * kQueries;
      _mm256_store_ps(to, _mm256_add_ps(_mm256_load_ps(to), sums[j][0]));
      _mm256_store_ps(to + 8, _mm256_add_ps(_mm256_load_ps(to + 8), sums[j][1]));
    }
  }
};
static_assert(kRegisters == 2, "the product is written for two registers of queries");

void avx2_sweep(const Sweep& sweep) { sweep_tiles<Avx2Product, Vector>(sweep); }

}  // namespace

const ParzenKernel& parzen_avx2_kernel() {
  static const ParzenKernel kernel = {CpuVariant::Avx2,
                                      {Operand::Float32, kQueryRows, sizeof(float), 1},
                                      {Operand::Float32, kSampleRows, sizeof(float), 1},
                                      avx2_sweep};
  return kernel;
}

}  // namespace gantool

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif  // __x86_64__
