// The screen's inner loops, each compiled for every processor variant from one source (stages.h).
#pragma once

#include <cstdint>
#include <vector>

#include "simd/features.h"

namespace gantool::screen {

constexpr int kCodes = 64;         // coordinates of a code: 63 axes and the length of the rest
constexpr int kPanelQueries = 12;  // of one call of scan
constexpr int kTileSamples = 32;
constexpr int kGroupBytes = 4;  // coordinates that one instruction multiplies and sums in a lane
constexpr int kTogether = 4;    // samples that dots multiplies at a time
constexpr int kCodeGroups = kCodes / kGroupBytes;

// How values become bytes: k = round((value * scale - low) / step), clamped to 0..255. The scale is
// a power of two, so that a product with it is exact.
struct Grid {
  double scale;
  double low;
  float step;
};

// What a row's bytes are and what they miss.
struct RowFacts {
  double missed;   // sum of squares of (value * scale - low) - step k, as computed
  int32_t square;  // sum k^2
  int32_t sum;     // sum k
  bool finite;     // no NaN and no infinity among the values
};

struct CodeFacts {
  float missed;    // sum of squares of (coordinate - middle) - step code, as computed
  int32_t square;  // sum code^2
  int32_t sum;     // sum code
};

struct Kernels {
  const char* name;
  bool CpuFeatures::* needs;  // of the processor; null: nothing

  // values [dimension] -> bytes [dimension]
  void (*quantise_floats)(const float* values, int64_t dimension, const Grid& grid, uint8_t* bytes,
                          RowFacts* facts);
  void (*quantise_doubles)(const double* values, int64_t dimension, const Grid& grid,
                           uint8_t* bytes, RowFacts* facts);

  // out[i] = sum_d query[d] samples[rows[i] * width + d]. The width is a multiple of 64.
  void (*dots)(const uint8_t* query, const int8_t* samples, const int32_t* rows, int count,
               int64_t width, int32_t* out);

  // Bit s of hits[q]: whether offsets[s] + sum_c panel[q][c] tile[s][c] >= limits[q]. Both are
  // stored [kCodeGroups][row][kGroupBytes]. Returns a bit for each query with a hit.
  uint32_t (*scan)(const uint8_t* panel, const int8_t* tile, const int32_t* offsets,
                   const int32_t* limits, uint32_t* hits);

  // out [rows, kCodes] = left [rows, depth] right [depth, kCodes]; sums in order of depth.
  void (*multiply)(const float* left, int64_t rows, int64_t depth, const float* right, float* out);

  // coordinates [kCodes] -> codes [kCodes] = round((coordinate - middle) / step) in -127..127
  void (*code)(const float* coordinates, const float* middle, float step, int8_t* codes,
               CodeFacts* facts);

  // |a - b|^2 in float64, from the differences; float32 values become float64 exactly.
  double (*float_distance)(const float* a, const float* b, int64_t dimension);
  double (*double_distance)(const double* a, const double* b, int64_t dimension);
};

const Kernels& portable_kernels();
#if defined(__x86_64__)
const Kernels& avx2_kernels();
const Kernels& avx_vnni_kernels();
const Kernels& avx512_vnni_kernels();
#endif

// Those that this processor runs, the fastest first.
const std::vector<const Kernels*>& kernels();

}  // namespace gantool::screen
