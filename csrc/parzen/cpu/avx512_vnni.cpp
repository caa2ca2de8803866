// Parzen products on AVX-512 VNNI: x_j . q_i for a tile of 12 samples by 32 queries, both byte
// pixels, exact in int32.
//
// The instruction multiplies unsigned by signed bytes, so samples are packed as k - 128:
// sum q k = sum q (k - 128) + 128 sum q, and the last term is folded into the query's norm. Packed:
// queries [D/4][32][4] bytes, samples [D/4][12][4] bytes. Per step of 4 D: two loads and twelve
// broadcasts for 24 dot products, 3,072 operations for 176 bytes.
#include <cstdint>
#include <cstring>

#include "parzen/cpu/kernel.h"

#if defined(__x86_64__)
#include "simd/target_avx512_vnni.h"

#include "parzen/cpu/absorb.h"
#include "simd/vector_avx512.h"

namespace gantool {
namespace {

constexpr int kSampleRows = 12;
constexpr int kQueryRows = 32;
constexpr int kRegisters = kQueryRows / Avx512Vector::kWidth;
static_assert(kSampleRows * kRegisters + kRegisters + 1 <= 32, "the sums must stay in registers");

struct Vector : Avx512Vector {};

// Four bytes of one sample in every lane. memcpy: the bytes are no ints to the language.
__m512i broadcast4(const unsigned char* from) {
  int32_t bytes;
  std::memcpy(&bytes, from, sizeof(bytes));
  return _mm512_set1_epi32(bytes);
}

struct VnniProduct {
  using Norm = int32_t;
  static constexpr int kSamples = kSampleRows;
  static constexpr int kQueries = kQueryRows;
  static constexpr int kSampleGroupBytes = 4;

  static void multiply(const Sweep& sweep, const unsigned char* tile, int32_t* products) {
    const unsigned char* query = sweep.queries;
    __m512i sums[kSamples][kRegisters];
#pragma GCC unroll 16
    for (int j = 0; j < kSamples; ++j) sums[j][0] = sums[j][1] = _mm512_setzero_si512();
    for (int64_t g = 0; g < sweep.groups; ++g, query += 4 * kQueries, tile += 4 * kSamples) {
      const __m512i left = _mm512_load_si512(query);
      const __m512i right = _mm512_load_si512(query + 64);
#pragma GCC unroll 16
      for (int j = 0; j < kSamples; ++j) {
        const __m512i x = broadcast4(tile + 4 * j);
        sums[j][0] = _mm512_dpbusd_epi32(sums[j][0], left, x);
        sums[j][1] = _mm512_dpbusd_epi32(sums[j][1], right, x);
      }
    }
#pragma GCC unroll 16
    for (int j = 0; j < kSamples; ++j) {
      _mm512_store_si512(products + j * kQueries, sums[j][0]);
      _mm512_store_si512(products + j * kQueries + 16, sums[j][1]);
    }
  }
};
static_assert(kRegisters == 2, "the product is written for two registers of queries");

void vnni_sweep(const Sweep& sweep) { sweep_tiles<VnniProduct, Vector>(sweep); }

}  // namespace

const ParzenKernel& parzen_avx512_vnni_kernel() {
  static const ParzenKernel kernel = {"avx512-vnni",
                                      &CpuFeatures::avx512_vnni,
                                      {Operand::UnsignedByte, kQueryRows, 4, 1},
                                      {Operand::SignedByte, kSampleRows, 4, 1},
                                      vnni_sweep};
  return kernel;
}

}  // namespace gantool

#include "simd/target_end.h"
#endif  // __x86_64__
