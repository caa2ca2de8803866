// Parzen products on AMX tiles: x_j . q_i for 32 samples by 32 queries, in bfloat16 or in bytes.
//
//   products[j, i] = sum over depth and over terms s + t < the larger number of terms of x_s q_t
//
// A tile register is 16 rows of 64 bytes. Tiles 0 to 3 hold the 32 x 32 sums, tiles 4 and 5 the
// samples (16 rows of 64 bytes of depth each), tiles 6 and 7 the queries (16 groups of 4 bytes of
// depth for 16 queries each). Packed: samples [term][D step][32][64 bytes], queries
// [term][D/group][32][4 bytes], so a sample tile is 1 KB in a row and a query tile 16 rows 128
// bytes apart. Per step of depth (32 bfloat16 or 64 bytes) and pair of terms: four tile products,
// 65,536 or 131,072 operations; with two terms on both sides 8 tiles are loaded for 12 products.
//
// Terms: one bfloat16 is 2^-9 relative and costs about a nat of log-density; two are 2^-17, three
// all of a float32. With two on both sides the product of the low terms, 2^-18 of |x||q|, is left
// out: on MNIST with noise on both sides, at a bandwidth of 0.2, that takes the largest error from
// 0.0009 to 0.0013 nats of the 0.002 allowed, and saves a quarter of the work. Integers of at most
// 8 bits are exact in one term, and the floats beside them then have three.
//
// `Tiles` is the vocabulary: amx_tiles.h (the instructions) or model/amx.h (plain C++).
#pragma once

#include <cstdint>

#include "parzen/cpu/absorb.h"
#include "parzen/cpu/kernel.h"

namespace gantool {

constexpr int kAmxRows = 32;       // samples and queries of a 2 x 2 arrangement of tiles
constexpr int kAmxStep = 64;       // bytes of depth of a tile row
constexpr int kAmxQueryGroup = 4;  // bytes of depth next to each other in a query tile
constexpr int kAmxTileRows = 16;
constexpr int kAmxQueryStride = kAmxRows * kAmxQueryGroup;
static_assert(kAmxTileRows * kAmxQueryGroup == kAmxStep, "both sides advance equally in depth");

template <class Tiles, class Sum>
struct AmxProduct {
  using Norm = Sum;
  static constexpr int kSamples = kAmxRows;
  static constexpr int kQueries = kAmxRows;
  static constexpr int kSampleGroupBytes = kAmxStep;

  static void load_samples(const unsigned char* from) {
    Tiles::template load<4>(from, kAmxStep);
    Tiles::template load<5>(from + kAmxTileRows * kAmxStep, kAmxStep);
  }

  static void load_queries(const unsigned char* from) {
    Tiles::template load<6>(from, kAmxQueryStride);
    Tiles::template load<7>(from + kAmxTileRows * kAmxQueryGroup, kAmxQueryStride);
  }

  static void four_products() {
    Tiles::template multiply_add<0, 4, 6>(Sum{});
    Tiles::template multiply_add<1, 4, 7>(Sum{});
    Tiles::template multiply_add<2, 5, 6>(Sum{});
    Tiles::template multiply_add<3, 5, 7>(Sum{});
  }

  // The pairs of terms at one step of depth: the queries' high term with every term of the samples,
  // their lower ones with the samples' high term, which the first loop leaves in the tiles.
  static void step(const Sweep& sweep, const unsigned char* tile, int64_t g) {
    load_queries(sweep.queries + g * kAmxTileRows * kAmxQueryStride);
    for (int t = sweep.sample_terms - 1; t >= 0; --t) {
      load_samples(tile + (t * sweep.groups + g) * kAmxRows * kAmxStep);
      four_products();
    }
    for (int t = 1; t < sweep.query_terms; ++t) {
      load_queries(sweep.queries + (t * sweep.groups + g) * kAmxTileRows * kAmxQueryStride);
      four_products();
    }
  }

  static void multiply(const Sweep& sweep, const unsigned char* tile, Sum* products) {
    constexpr int kStride = kAmxRows * static_cast<int>(sizeof(Sum));
    Tiles::template zero<0>();
    Tiles::template zero<1>();
    Tiles::template zero<2>();
    Tiles::template zero<3>();
    for (int64_t g = 0; g < sweep.groups; ++g) step(sweep, tile, g);
    Tiles::template store<0>(products, kStride);
    Tiles::template store<1>(products + kAmxTileRows, kStride);
    Tiles::template store<2>(products + kAmxTileRows * kAmxRows, kStride);
    Tiles::template store<3>(products + kAmxTileRows * kAmxRows + kAmxTileRows, kStride);
  }
};

template <class Tiles, class Vector, class Sum>
void amx_sweep(const Sweep& sweep) {
  Tiles::configure();
  sweep_tiles<AmxProduct<Tiles, Sum>, Vector>(sweep);
  Tiles::release();
}

// static: a copy for each including file, since one of them is compiled for another target.
static ParzenKernel amx_kernel(const char* name, bool CpuFeatures::* needs, Operand queries,
                               Operand samples, void (*sweep)(const Sweep&)) {
  return {name,
          needs,
          {queries, kAmxRows, kAmxQueryGroup, kAmxTileRows},
          {samples, kAmxRows, kAmxStep, 1},
          sweep};
}

}  // namespace gantool
