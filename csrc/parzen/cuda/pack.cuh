// Prepares the rows for the Parzen product: centre, scale, split into float16 pairs, norms.
//
// Equations and units: workspace.h. Why so:
//   * Both sides lose a common centre (the samples' middle), so that |q|^2 + |x|^2 - 2 q.x does not
//     cancel for data far from the origin; distances do not change.
//   * A float32 number has 24 bits, a float16 pair 22: hi to nearest leaves |lo| <= 2^-11 |hi|.
//     Norms are taken from the rounded pairs, so that a distance is that of two points which differ
//     from the given ones by 2^-23 of their deviation, not a difference of unlike roundings.
//   * Bytes (k / 255, or integers) are detected here, on the device. Their unit is 255 (or 1) and
//     their centre an integer, so that v is an integer of at most 255, hi holds it exactly, lo is
//     zero throughout, and the product skips its terms. A value within one unit in the last place
//     of k / 255 counts as k: a GPU that divides by multiplying makes such values.
//   * Statistics and packed values come from one function, in_unit(): two that rounded differently
//     could disagree about the exponent of the largest deviation.
//   * Elements that are not finite count in no statistic. Their row enters the product as zeros,
//     and only its norm says what it is: NaN, or a sample that is infinitely far.
//
// Bytes moved: each input twice, statistics and both operands once; O(D) operations a row.
#pragma once

#include <cfloat>
#include <cmath>
#include <limits>

#include "parzen/cuda/workspace.h"
#include "simt/elements.cuh"
#include "simt/simt.cuh"

namespace gantool {

constexpr int kPackThreads = 256;
constexpr int kPackWarps = kPackThreads / simt::kWarp;

// One of the two inputs. `side` indexes the flags of ParzenScale.
template <class Element>
struct InputRows {
  const Element* data;
  int64_t count;
  int64_t stride;
  int64_t dimension;
  int side;  // 0 samples, 1 queries
};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

GANTOOL_DEVICE bool is_finite(float x) { return fabsf(x) <= FLT_MAX; }

// Whether x is k / 255 for a byte k, but for one unit in the last place.
GANTOOL_DEVICE bool is_pixel(float x) {
  const float k = rintf(x * 255.0f);
  if (!(k >= 0.0f && k <= 255.0f)) return false;
  const float pixel = k / 255.0f;
  return x >= nextafterf(pixel, -1.0f) && x <= nextafterf(pixel, 2.0f) && (k > 0.0f || x == 0.0f);
}

// An element in the call's unit. A byte is restored exactly: k / 255 was rounded, k is not.
GANTOOL_DEVICE double in_unit(float x, double unit, bool bytes) {
  const double value = unit * static_cast<double>(x);
  return bytes ? rint(value) : value;
}

// Whether the rows of one side are bytes in the unit of the call.
GANTOOL_DEVICE bool are_bytes(const ParzenScale& scale, int side) {
  const int* const unlike = scale.unit == 255.0 ? scale.not_pixels : scale.not_integers;
  return scale.integer_centre != 0 && unlike[side] == 0;
}

GANTOOL_KERNEL clear_scale(ParzenScale* scale) {
  if (simt::thread_index() == 0) *scale = ParzenScale{};
}

// Column sums and ranges of one chunk of rows, one thread a column, and the flags of exactness.
// Block: (chunk, 256 columns). Where `statistics` is null only the flags are wanted.
template <class Element>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kPackThreads, 2)
    gather_statistics(InputRows<Element> rows, int64_t chunks, ColumnStatistics* statistics,
                      ParzenScale* scale) {
  const int64_t chunk = simt::block_index() % chunks;
  const int64_t column = simt::block_index() / chunks * kPackThreads + simt::thread_index();
  if (column >= rows.dimension) return;
  ColumnStatistics found = {0.0, FLT_MAX, -FLT_MAX};
  bool pixels = true, integers = true;
  for (int64_t row = chunk; row < rows.count; row += chunks) {
    const float x = to_float(rows.data[row * rows.stride + column]);
    if (!is_finite(x)) continue;
    found.sum += static_cast<double>(x);
    found.low = fminf(found.low, x);
    found.high = fmaxf(found.high, x);
    pixels = pixels && is_pixel(x);
    integers = integers && x >= 0.0f && x <= 255.0f && x == rintf(x);
  }
  // Every thread that stores, stores a one: their order does not matter.
  if (!pixels) scale->not_pixels[rows.side] = 1;
  if (!integers) scale->not_integers[rows.side] = 1;
  if (statistics != nullptr) statistics[chunk * rows.dimension + column] = found;
}

// Middle of one column: the median of eight means, each over every eighth row or so. A few samples
// that lie absurdly far out cannot drag it away from the rest, as they would drag one mean.
GANTOOL_DEVICE double column_middle(const ColumnStatistics* statistics, int64_t chunks,
                                    int64_t sample_count, int64_t dimension, int64_t column) {
  constexpr int kGroups = 8;
  const auto groups = static_cast<int>(tiles::minimum(kGroups, chunks));
  double means[kGroups];
  GANTOOL_UNROLL
  for (int group = 0; group < kGroups; ++group) {
    double sum = 0.0;
    int64_t rows = 0;
    for (int64_t chunk = group; chunk < chunks; chunk += kGroups) {
      sum += statistics[chunk * dimension + column].sum;
      rows += (sample_count - chunk + chunks - 1) / chunks;
    }
    means[group] = group < groups ? sum / static_cast<double>(rows) : 0.0;
  }
  double middle = 0.0;
  GANTOOL_UNROLL
  for (int group = 0; group < kGroups; ++group) {
    int before = 0;  // how many come before it in the order of means, equal ones in their own
    GANTOOL_UNROLL
    for (int other = 0; other < kGroups; ++other) {
      const bool earlier =
          means[other] < means[group] || (means[other] == means[group] && other < group);
      if (other < groups && earlier) ++before;
    }
    if (group < groups && before == (groups - 1) / 2) middle = means[group];
  }
  return middle;
}

// Centre, unit and exponent from the statistics of the samples, in one block.
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kPackThreads, 1)
    finish_statistics(const ColumnStatistics* statistics, int64_t chunks, int64_t sample_count,
                      int64_t dimension, const float* sigmas, double* centre, ParzenScale* scale) {
  const bool pixels = scale->not_pixels[0] == 0 || scale->not_pixels[1] == 0;
  const bool integers = scale->not_integers[0] == 0 || scale->not_integers[1] == 0;
  const double unit = pixels ? 255.0 : 1.0;
  const bool sample_bytes = (pixels ? scale->not_pixels : scale->not_integers)[0] == 0;
  double largest = 0.0;
  for (int64_t column = simt::thread_index(); column < dimension; column += kPackThreads) {
    double middle = unit * column_middle(statistics, chunks, sample_count, dimension, column);
    if (pixels || integers) middle = rint(middle);
    centre[column] = middle;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const ColumnStatistics part = statistics[chunk * dimension + column];
      if (part.low > part.high) continue;  // nothing finite in it
      largest = fmax(largest, fmax(middle - in_unit(part.low, unit, sample_bytes),
                                   in_unit(part.high, unit, sample_bytes) - middle));
    }
  }
  const simt::Shared<double> shared(0);
  shared.store(simt::thread_index(), largest);
  simt::block_barrier();
  if (simt::thread_index() != 0) return;
  for (int thread = 1; thread < kPackThreads; ++thread) {
    largest = fmax(largest, shared.load(thread));
  }
  // All samples are one point: then the bandwidth is the only length there is.
  if (largest == 0.0) largest = unit * static_cast<double>(sigmas[0]);
  int exponent = 0;
  if (largest > 0.0 && largest <= DBL_MAX) frexp(largest, &exponent);
  scale->exponent = -exponent;
  scale->unit = unit;
  scale->integer_centre = pixels || integers ? 1 : 0;
}

// v of one element.
template <class Element>
GANTOOL_DEVICE double centred(const InputRows<Element>& rows, int64_t row, int64_t column,
                              double unit, bool bytes, const double* centre) {
  return in_unit(to_float(rows.data[row * rows.stride + column]), unit, bytes) - centre[column];
}

// Where element (row, column) of one term lies in a tile of `height` rows: rows of 16 elements, the
// two chunks of 8 exchanged in every second group of four rows, so that the eight rows which
// ldmatrix reads together lie in different banks.
GANTOOL_DEVICE int64_t operand_index(int64_t tile, int64_t blocks, int height, int row,
                                     int64_t column, int term) {
  const int within = static_cast<int>(column % tiles::kDepth);
  const int64_t block = (tile * blocks + column / tiles::kDepth) * 2 + term;
  return (block * height + row) * tiles::kDepth + ((within / 8 ^ (row >> 2 & 1)) * 8 + within % 8);
}

// Second half of a row's work, by one warp: splits the elements and writes both terms.
template <class Element>
GANTOOL_DEVICE double split_row(const InputRows<Element>& rows, int64_t row, bool usable,
                                bool bytes, double unit, double power, int height,
                                const double* centre, uint32_t* operand, ParzenScale* scale) {
  const int64_t blocks = parzen_depth_blocks(rows.dimension);
  double squares = 0.0;
  bool low_terms = false;
  for (int64_t column = simt::thread_index() % simt::kWarp * 2; column < blocks * tiles::kDepth;
       column += 2 * simt::kWarp) {
    uint32_t high = 0, low = 0;
    for (int i = 0; i < 2; ++i) {
      if (!usable || column + i >= rows.dimension) continue;
      const auto v =
          static_cast<float>(centred(rows, row, column + i, unit, bytes, centre) * power);
      const uint16_t high_bits = simt::to_bits(simt::Float16{}, v);
      const float rest = v - simt::from_bits(simt::Float16{}, high_bits);  // exact
      const uint16_t low_bits = simt::to_bits(simt::Float16{}, rest);
      const double rounded = static_cast<double>(simt::from_bits(simt::Float16{}, high_bits)) +
                             static_cast<double>(simt::from_bits(simt::Float16{}, low_bits));
      squares += rounded * rounded;
      low_terms = low_terms || simt::from_bits(simt::Float16{}, low_bits) != 0.0f;
      high |= static_cast<uint32_t>(high_bits) << 16 * i;
      low |= static_cast<uint32_t>(low_bits) << 16 * i;
    }
    const int64_t tile = row / height;
    const int within = static_cast<int>(row % height);
    operand[operand_index(tile, blocks, height, within, column, 0) / 2] = high;
    operand[operand_index(tile, blocks, height, within, column, 1) / 2] = low;
  }
  if (low_terms) scale->has_low[rows.side] = 1;
  for (int mask = 16; mask > 0; mask /= 2) squares += simt::warp_shuffle_xor(squares, mask);
  return squares;
}

// The largest norm of a sample at a finite distance, in one block.
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kPackThreads, 1)
    find_largest_norm(const SampleRow* rows, int64_t count, ParzenScale* scale) {
  float largest = 0.0f;
  for (int64_t row = simt::thread_index(); row < count; row += kPackThreads) {
    if (is_finite(rows[row].norm)) largest = fmaxf(largest, rows[row].norm);
  }
  const simt::Shared<float> shared(0);
  shared.store(simt::thread_index(), largest);
  simt::block_barrier();
  if (simt::thread_index() != 0) return;
  for (int thread = 1; thread < kPackThreads; ++thread) {
    largest = fmaxf(largest, shared.load(thread));
  }
  scale->largest_norm = largest;
}

// One warp packs one row of a tile of `height` rows; rows past the last are filled with zeros.
template <class Element>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kPackThreads, 2)
    pack_rows(InputRows<Element> rows, int height, const double* centre, ParzenScale* scale,
              uint32_t* operand, QueryRow* query_rows, int* marks, SampleRow* sample_rows) {
  const int lane = simt::thread_index() % simt::kWarp;
  const int64_t row = simt::block_index() * kPackWarps + simt::thread_index() / simt::kWarp;
  const double unit = scale->unit;
  const bool bytes = are_bytes(*scale, rows.side);
  double largest = 0.0;
  bool has_nan = false, has_infinity = false;
  for (int64_t column = lane; row < rows.count && column < rows.dimension; column += simt::kWarp) {
    const double v = centred(rows, row, column, unit, bytes, centre);
    has_nan = has_nan || v != v;
    has_infinity = has_infinity || fabs(v) > DBL_MAX;
    largest = fmax(largest, fabs(v));
  }
  has_nan = simt::warp_any(has_nan);
  has_infinity = simt::warp_any(has_infinity);
  for (int mask = 16; mask > 0; mask /= 2) {
    largest = fmax(largest, simt::warp_shuffle_xor(largest, mask));
  }
  const bool usable = row < rows.count && !has_nan && !has_infinity;
  int exponent = 0;  // of the largest |v|; of a row of zeros anything will do
  if (usable && largest > 0.0) frexp(largest, &exponent);
  const int power = 15 - exponent;
  const double squares =
      split_row(rows, row, usable, bytes, unit, ldexp(1.0, power), height, centre, operand, scale);
  if (lane != 0) return;
  const int unit_exponent = scale->exponent;
  // For queries alone: the unit is such that no sample lies beyond it.
  const bool far = query_rows != nullptr && usable && largest > 0.0 && exponent + unit_exponent > 0;
  const int m = far ? exponent + unit_exponent : 0;
  auto norm = static_cast<float>(ldexp(squares, 2 * (unit_exponent - m - power)));
  if (has_infinity) norm = query_rows != nullptr ? kNan : kInfinity;
  if (has_nan) norm = kNan;
  if (query_rows != nullptr) {
    // 2^-126 stands for anything smaller: the sample's norm is then far below the last bit of the
    // query's, but an infinite norm must stay infinite.
    const auto factor = static_cast<float>(ldexp(1.0, m < 63 ? -2 * m : -126));
    const auto cross = static_cast<float>(-2.0 * ldexp(1.0, unit_exponent - 2 * m - power));
    query_rows[row] = {norm, factor, cross, static_cast<float>(m)};
    if (row < rows.count) marks[row] = 0;
  } else {
    if (row >= rows.count) norm = kInfinity;
    sample_rows[row] = {norm, static_cast<float>(ldexp(1.0, unit_exponent - power))};
  }
}

}  // namespace gantool
