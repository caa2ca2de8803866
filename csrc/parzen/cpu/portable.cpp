// Parzen products without processor-specific instructions: x_j . q_i for a tile of 6 samples by 8
// queries, on the compilers' own 16-byte vectors, which every target has (in hardware or not).
//
// Packed: queries [D][8] floats, samples [D][6] floats. 12 vectors hold sums, which fits the 16
// registers of SSE2; per step of D 56 bytes are read for 96 operations.
#include "parzen/cpu/absorb.h"
#include "parzen/cpu/differences.h"
#include "parzen/cpu/kernel.h"
#include "simd/vector_portable.h"

namespace gantool {
namespace {

constexpr int kSampleRows = 6;
constexpr int kQueryRows = 8;
static_assert(kQueryRows % PortableVector::kWidth == 0, "the epilogue takes whole registers");

typedef float Four __attribute__((vector_size(16)));
constexpr int kRegisters = kQueryRows / 4;
static_assert(kRegisters == 2, "the product is written for two registers of queries");

Four load_four(const float* from) {
  Four result;
  std::memcpy(&result, from, sizeof(result));
  return result;
}

void add_four(float* to, Four value) {
  value += load_four(to);
  std::memcpy(to, &value, sizeof(value));
}

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

  static void add_product(const float* query, const float* sample, int64_t depth, float* products) {
    Four sums[kSamples][kRegisters] = {};
    for (int64_t d = 0; d < depth; ++d, query += kQueries, sample += kSamples) {
      const Four left = load_four(query);
      const Four right = load_four(query + 4);
#pragma GCC unroll 8
      for (int j = 0; j < kSamples; ++j) {
        const Four x = {sample[j], sample[j], sample[j], sample[j]};
        sums[j][0] += x * left;
        sums[j][1] += x * right;
      }
    }
#pragma GCC unroll 8
    for (int j = 0; j < kSamples; ++j) {
      add_four(products + j * kQueries, sums[j][0]);
      add_four(products + j * kQueries + 4, sums[j][1]);
    }
  }
};

void portable_sweep(const Sweep& sweep) { sweep_tiles<PortableProduct, PortableVector>(sweep); }

struct DifferenceShape {
  static constexpr int kLanes = 2;
  typedef double Doubles __attribute__((vector_size(16)));
  typedef float Floats __attribute__((vector_size(8)));
  static constexpr int kSamples = 2;
};

}  // namespace

const ParzenKernel& parzen_portable_kernel() {
  static const ParzenKernel kernel = {"portable",
                                      nullptr,
                                      {Operand::Float32, kQueryRows, sizeof(float), 1},
                                      {Operand::Float32, kSampleRows, sizeof(float), 1},
                                      portable_sweep};
  return kernel;
}

const DifferenceKernel& parzen_portable_differences() {
  static const DifferenceKernel kernel = {Differences<DifferenceShape>::of_floats,
                                          Differences<DifferenceShape>::of_doubles};
  return kernel;
}

}  // namespace gantool
