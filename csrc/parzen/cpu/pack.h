// From float32 rows to the operands of a product kernel: scaling, centring, rounding into terms or
// bytes, interleaving into tiles (kernel.h), and the norms that go with them.
#pragma once

#include <cstdint>
#include <vector>

#include "parzen/cpu/kernel.h"
#include "simd/parallel.h"

namespace gantool {

struct Rows {
  const float* data;  // [count, dimension]
  int64_t count;
  int64_t stride;
  int64_t dimension;
};

// operand = value * scale - centre[d]. The same for queries and samples, so distances only gain the
// factor `scale`.
struct Encoding {
  float scale = 1;
  int query_terms = 1;
  int sample_terms = 1;
  std::vector<float> centre;  // empty: zero
};

// Scales over which pixels are commonly bytes: v = float(k) / scale with k in 0..255.
constexpr float kByteScales[] = {255, 1, 16, 256};

// Beyond this D the int32 sum of squared byte differences, at most 255^2 D, would overflow.
constexpr int64_t kLargestByteDimension = 33025;
static_assert(255LL * 255 * kLargestByteDimension <= INT32_MAX, "byte distances fit in int32");

// Bit i is set when every value is a byte over kByteScales[i]: exactly, but over 255 within one
// unit in the last place, since a GPU that divides by multiplying makes such values.
unsigned byte_scales(const Rows& rows, const Threads& threads);

// A point near the middle of the samples, in operand units: subtracting it from both sides keeps
// |q|^2 + |x|^2 - 2 q.x from cancelling when the data sit far from the origin. It is, column by
// column, the lower median of the means of eight groups of rows: a few samples that lie absurdly
// far out cannot drag it away from the rest. `whole` rounds it to a byte, so that byte pixels stay
// integers of at most 8 bits.
std::vector<float> choose_centre(const Rows& samples, float scale, bool whole);

// Groups of one row, padding included.
int64_t packed_groups(const OperandLayout& layout, int64_t dimension);
int64_t packed_tile_bytes(const OperandLayout& layout, int terms, int64_t dimension);

// Packs the tile of rows [first, first + layout.rows); rows past the end become zeros. norms:
// layout.rows values, float or int32 as the operand is. A row whose norm reaches kLargestNorm, and
// padding, become zeros with an infinite norm. Returns whether a row holds a NaN. `largest`, where
// given, is raised to the largest norm of a row that is kept.
bool pack_tile(const Rows& rows, int64_t first, const OperandLayout& layout,
               const Encoding& encoding, int terms, unsigned char* tile, void* norms,
               double* largest = nullptr);

}  // namespace gantool
