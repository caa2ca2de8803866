// Parzen products in plain C++: x_j . q_i for a tile of 4 samples by 16 queries.
//
// Packed: queries [D][16] floats, samples [D][4] floats; the 64 sums stay in registers or L1 while
// D runs. Per step of D: 80 bytes read, 128 operations.
#include "cpu/parzen_absorb.h"
#include "cpu/parzen_kernel.h"
#include "cpu/vector_portable.h"

namespace gantool {
namespace {

constexpr int kSampleRows = 4;
constexpr int kQueryRows = 16;
static_assert(kQueryRows % PortableVector::kWidth == 0, "the epilogue takes whole registers");

struct PortableProduct {
  using Norm = float;
  static constexpr int kSamples = kSampleRows;
  static constexpr int kQueries = kQueryRows;
  static constexpr int kSampleGroupBytes = sizeof(float);

  static void multiply(const Sweep& sweep, const unsigned char* tile, float* products) {
    const auto* queries = reinterpret_cast<const float*>(sweep.queries);
    const auto* samples = reinterpret_cast<const float*>(tile);
    std::memset(products, 0, kSamples * kQueries * sizeof(float));
    for (int64_t d = 0; d < sweep.groups; d += kSummedDepth) {
      const int64_t left = sweep.groups - d;
      add_product(queries + d * kQueries, samples + d * kSamples,
                  left < kSummedDepth ? left : kSummedDepth, products);
    }
  }

  static void add_product(const float* queries, const float* samples, int64_t depth,
                          float* products) {
    float sums[kSamples][kQueries] = {};
    for (int64_t d = 0; d < depth; ++d) {
      for (int j = 0; j < kSamples; ++j) {
        for (int i = 0; i < kQueries; ++i) {
          sums[j][i] += samples[d * kSamples + j] * queries[d * kQueries + i];
        }
      }
    }
    for (int j = 0; j < kSamples; ++j) {
      for (int i = 0; i < kQueries; ++i) products[j * kQueries + i] += sums[j][i];
    }
  }
};

void portable_sweep(const Sweep& sweep) { sweep_tiles<PortableProduct, PortableVector>(sweep); }

}  // namespace

const ParzenKernel& parzen_portable_kernel() {
  static const ParzenKernel kernel = {CpuVariant::Portable,
                                      {Operand::Float32, kQueryRows, sizeof(float), 1},
                                      {Operand::Float32, kSampleRows, sizeof(float), 1},
                                      portable_sweep};
  return kernel;
}

}  // namespace gantool
