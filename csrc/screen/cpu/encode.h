// Rows as 64 small integers whose distance bounds the rows' distance from below.
//
// A row's coordinates are a = A'(h k) and rho, the length of what the axes miss. Neither is known
// exactly. With s = |a|^2 as computed and p >= |computed a - a|,
//   p = (64 + 3) u |k| reach                                                    (basis.h)
//   rho^2 in h^2 |k|^2 - s -+ delta,  delta = (1.01 epsilon + 20 u) s + 2 p sqrt(s) + p^2 + 1e-12
// and from it rho in [l, t]. (r = sqrt(|w|^2 - |a|^2) alone would make the bound false near r = 0.)
// Stored is r = (l + t) / 2, so that g = sqrt(p^2 + ((t - l) / 2 + 2 u t)^2) bounds the distance of
// the coordinates from the true ones. Codes c = round((coordinates - middle) / step), clamped, with
//   g' >= |coordinates - middle - step c| + g
// and then, with e of quantise.h,
//   step |c_q - c_x| <= sqrt(1 + epsilon) (|q - x| + e(q) + e(x)) + g'(q) + g'(x).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "screen/cpu/basis.h"
#include "screen/cpu/quantise.h"
#include "simd/parallel.h"

namespace gantool::screen {

// Queries keep their bytes k; samples keep k - 128, the signed side of a byte product.
enum class Side { kQueries, kSamples };

// What level 2 needs of a row beside its bytes.
struct RowBound {
  float error;     // e
  int32_t square;  // |k|^2
};

struct Encoded {
  int64_t count = 0;
  int64_t width = 0;
  std::unique_ptr<uint8_t[]> bytes;  // [count, width]
  std::vector<int8_t> codes;         // [count, kCodes]
  std::vector<RowBound> bounds;
  std::vector<float> code_error;  // g'
  std::vector<int32_t> sum;       // sum k
  std::vector<int32_t> code_square;
  std::vector<int32_t> code_sum;
  std::vector<uint8_t> finite;  // whether the row holds neither a NaN nor an infinity

  const uint8_t* row(int64_t i) const { return bytes.get() + i * width; }
  bool all_finite() const;

  // What makes a byte product of codes, the queries' stored plus 128, a score: see sweep.h.
  int32_t score_offset(size_t i) const { return -128 * code_sum[i] - code_square[i] / 2; }
};

struct Encoder {
  const Kernels* kernels = nullptr;
  Grid grid = {};
  Basis basis;
  float middle[kCodes] = {};
  float step = 0;   // of the codes
  double root = 0;  // sqrt(1 + epsilon), up

  template <typename Element>
  void encode(const RowSet<Element>& rows, Side side, const Threads& threads,
              Encoded* encoded) const;
};

// The stage between bytes and codes, for up to kCoordinateRows rows of bytes k with their |k|^2:
// the coordinates (a, r) [count, kCodes] and how far each row may be from its true ones, g [count].
constexpr int kCoordinateRows = 32;
void coordinates_of(const Encoder& encoder, const uint8_t* bytes, const int32_t* squares, int count,
                    float* coordinates, double* errors);

// Learns the grid, the basis and the codes' step from up to 1,024 rows. False where the data have
// no range or no axes: then there is nothing to screen by.
template <typename Element>
bool learn(const RowSet<Element>& queries, const RowSet<Element>& samples, const Kernels& kernels,
           const Threads& threads, Encoder* encoder);

}  // namespace gantool::screen
