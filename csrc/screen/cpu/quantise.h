// Rows as bytes, and how far a row is from its bytes.
//
// For any low, step h and bytes k, x^ = low + h k gives | |q - x| - |q^ - x^| | <= e(q) + e(x)
// wherever e(x) >= |x - x^|: the triangle inequality. So pixels that are bytes already, and
// samples of a generator that are not, differ in e alone.
//
// e is computed from the row itself and rounded up:
//   e = (1 + (n + 8) u) |computed differences| + 4 u h |k| + 2e-19 sqrt(D),   u = 2^-24
// n counts the additions that follow one another in a lane (stages.h); the second term pays for the
// rounding of value - low and of h k, which is at most 2 u h k + 2 u |difference| in each column;
// the third for squares that underflow. All in units where the values' range lies in [0.5, 1): the
// scale is a power of two, so that scaling rounds nothing.
#pragma once

#include <cstdint>

#include "screen/cpu/kernels.h"

namespace gantool::screen {

// Integer distances between byte rows, at most 255^2 D and doubled in between, fit in int32.
constexpr int64_t kLargestDimension = 16512;
static_assert(2 * 255LL * 255 * kLargestDimension <= INT32_MAX, "byte products fit in int32");

template <typename Element>
struct RowSet {
  const Element* data;  // [count, dimension]
  int64_t count;
  int64_t stride;
  int64_t dimension;

  const Element* row(int64_t i) const { return data + i * stride; }
  RowSet part(int64_t first, int64_t rows) const {
    return {data + first * stride, rows, stride, dimension};
  }
  // Up to `most` of the rows, spread evenly.
  RowSet thinned(int64_t most) const {
    return count <= most ? *this : RowSet{data, most, stride * (count / most), dimension};
  }
};

// A grid over the values of most rows: the rows with the smallest and the largest values of the
// few hundred that are looked at may stick out, so that one outlier coarsens nothing. False where
// the values' range is 0 or beyond what scaling can mend.
template <typename Element>
bool choose_grid(const RowSet<Element>& queries, const RowSet<Element>& samples, Grid* grid);

// e, in scaled units.
float row_error(const RowFacts& facts, const Grid& grid, int64_t dimension);

// The next float above a value that is to be an upper bound.
float rounded_up(double value);

}  // namespace gantool::screen
