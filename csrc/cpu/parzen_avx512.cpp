// Parzen products on AVX-512: x_j . q_i for a tile of 12 samples by 32 queries in float32.
//
// Packed: queries [D][32] floats, samples [D][12] floats. 24 of the 32 registers hold sums; per
// step of D two loads and twelve broadcasts feed 24 fused multiply-adds, so the two FMA units, not
// the two load ports, are the limit: 768 operations for 176 bytes, the queries from L2 (4 D x 32
// bytes a panel), the samples from L1.
#include "cpu/parzen_kernel.h"

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own AVX-512 headers initialise a register with itself on purpose (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#endif

#include "cpu/parzen_absorb.h"
#include "cpu/vector_avx512.h"

namespace gantool {
namespace {

constexpr int kSampleRows = 12;
constexpr int kQueryRows = 32;
constexpr int kRegisters = kQueryRows / Avx512Vector::kWidth;
static_assert(kSampleRows * kRegisters + kRegisters + 1 <= 32, "the sums must stay in registers");

struct Vector : Avx512Vector {};

struct Avx512Product {
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
    __m512 sums[kSamples][kRegisters];
#pragma GCC unroll 16
    for (int j = 0; j < kSamples; ++j) sums[j][0] = sums[j][1] = _mm512_setzero_ps();
    for (int64_t d = 0; d < depth; ++d, query += kQueries, sample += kSamples) {
      const __m512 left = _mm512_load_ps(query);
      const __m512 right = _mm512_load_ps(query + 16);
#pragma GCC unroll 16
      for (int j = 0; j < kSamples; ++j) {
        const __m512 x = _mm512_set1_ps(sample[j]);
        sums[j][0] = _mm512_fmadd_ps(x, left, sums[j][0]);
        sums[j][1] = _mm512_fmadd_ps(x, right, sums[j][1]);
      }
    }
#pragma GCC unroll 16
    for (int j = 0; j < kSamples; ++j) {
      float* to = products + j * kQueries;
      _mm512_store_ps(to, _mm512_add_ps(_mm512_load_ps(to), sums[j][0]));
      _mm512_store_ps(to + 16, _mm512_add_ps(_mm512_load_ps(to + 16), sums[j][1]));
    }
  }
};
static_assert(kRegisters == 2, "the product is written for two registers of queries");

void avx512_sweep(const Sweep& sweep) { sweep_tiles<Avx512Product, Vector>(sweep); }

}  // namespace

const ParzenKernel& parzen_avx512_kernel() {
  static const ParzenKernel kernel = {CpuVariant::Avx512,
                                      {Operand::Float32, kQueryRows, sizeof(float), 1},
                                      {Operand::Float32, kSampleRows, sizeof(float), 1},
                                      avx512_sweep};
  return kernel;
}

}  // namespace gantool

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif  // __x86_64__
