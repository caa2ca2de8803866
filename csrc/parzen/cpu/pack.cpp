#include "parzen/cpu/pack.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

namespace gantool {
namespace {

// Depth handled at a time: a multiple of every group, and a tile's piece stays in L1.
constexpr int kDepthBlock = 64;
constexpr int kMaxTerms = 3;
constexpr int kMaxRows = 64;
constexpr int kCentreGroups = 8;
constexpr int64_t kCentreRows = 256;   // enough for a centre; any point near the data serves
constexpr float kSaneValue = 1.0e15F;  // outliers beyond this must not move the centre

int element_bytes(Operand operand) {
  switch (operand) {
    case Operand::Float32:
      return 4;
    case Operand::Bfloat16:
      return 2;
    case Operand::UnsignedByte:
    case Operand::SignedByte:
      return 1;
  }
  return 0;
}

bool is_byte(Operand operand) {
  return operand == Operand::UnsignedByte || operand == Operand::SignedByte;
}

// Round to nearest even; the caller keeps NaN and infinity out of what is used.
uint16_t to_bfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits += 0x7fff + ((bits >> 16) & 1);
  return static_cast<uint16_t>(bits >> 16);
}

float from_bfloat16(uint16_t value) {
  const uint32_t bits = static_cast<uint32_t>(value) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

// What a row's norm needs, summed while its operands are written.
struct RowSums {
  double square = 0;
  double value = 0;
};

using DepthBlock = unsigned char[kMaxTerms][kDepthBlock * sizeof(float)];

// Writes kDepthBlock operands as `terms` rows of elements. The norm is that of the operands as
// written, not of the values they came from: distances are then exact between the rounded points.
void encode(Operand operand, int terms, const float* values, DepthBlock& elements, RowSums& sums) {
  double square = 0;
  if (operand == Operand::Float32) {
    for (int d = 0; d < kDepthBlock; ++d) square += static_cast<double>(values[d]) * values[d];
    std::memcpy(elements[0], values, kDepthBlock * sizeof(float));
  } else if (operand == Operand::Bfloat16) {
    for (int d = 0; d < kDepthBlock; ++d) {
      const double value = values[d];
      if (!(value * value < kLargestNorm)) {  // the row is out; infinity minus itself would be NaN
        square += value * value;
        continue;
      }
      double whole = 0;
      float rest = values[d];
      for (int t = 0; t < terms; ++t) {
        const uint16_t term = to_bfloat16(rest);
        std::memcpy(elements[t] + d * sizeof(term), &term, sizeof(term));
        whole += from_bfloat16(term);
        rest -= from_bfloat16(term);
      }
      square += whole * whole;
    }
  } else {
    const int offset = operand == Operand::SignedByte ? 128 : 0;
    int32_t block_square = 0;
    int32_t block_value = 0;
    for (int d = 0; d < kDepthBlock; ++d) {
      const auto k = static_cast<int32_t>(values[d] + 0.5F);  // an integer but for one rounding
      elements[0][d] = static_cast<unsigned char>(k - offset);
      block_square += k * k;
      block_value += k;
    }
    square = block_square;
    sums.value += block_value;
  }
  sums.square += square;
}

// Loads kDepthBlock operands of a row from depth `start`, zeros past its end.
void load_block(const float* row, int64_t start, int64_t dimension, const Encoding& encoding,
                float* values) {
  const int count = static_cast<int>(std::min<int64_t>(kDepthBlock, dimension - start));
  const float scale = encoding.scale;
  if (encoding.centre.empty()) {
    for (int d = 0; d < count; ++d) values[d] = row[start + d] * scale;
  } else {
    const float* centre = encoding.centre.data() + start;
    for (int d = 0; d < count; ++d) values[d] = row[start + d] * scale - centre[d];
  }
  std::fill(values + count, values + kDepthBlock, 0.0F);
}

// Writes `count` groups of kGroupBytes, `stride` bytes apart.
template <int kGroupBytes>
void scatter(const unsigned char* elements, int64_t count, int64_t stride, unsigned char* to) {
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * stride, elements + i * kGroupBytes, kGroupBytes);
  }
}

// The norms that make d2 = query_norm + sample_norm - 2 product. Bytes: the product is
// q (k - 128) = q k - 128 q, so the query's norm takes the -256 sum q.
bool write_norm(Operand operand, const RowSums& sums, int row, void* norms) {
  if (is_byte(operand)) {
    const double shift = operand == Operand::UnsignedByte ? 256 * sums.value : 0;
    static_cast<int32_t*>(norms)[row] = static_cast<int32_t>(sums.square - shift);
    return true;
  }
  const bool usable = sums.square < kLargestNorm;
  static_cast<float*>(norms)[row] =
      usable ? static_cast<float>(sums.square) : std::numeric_limits<float>::infinity();
  return usable;
}

// Four floats at a time in the compilers' own vectors: the scalar loop is not vectorised, because
// its comparisons might trap.
typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));

// All ones where a value is not float(k) / scale for a byte k; over 255, one unit in the last place
// is allowed (over a power of two a division is exact).
FourInts not_bytes(Four value, float scale) {
  Four scaled = value * scale;
  scaled = scaled > 0.0F ? scaled : Four{};  // a NaN becomes 0, and then differs from itself
  scaled = scaled < 255.0F ? scaled : Four{} + 255.0F;
  const FourInts k = __builtin_convertvector(scaled + 0.5F, FourInts);
  const Four exact = __builtin_convertvector(k, Four) / scale;
  const FourInts apart = (FourInts)exact - (FourInts)value;
  const FourInts unlike = exact != value;
  if (scale != 255.0F) return unlike;
  return unlike & ((apart < -1) | (apart > 1) | (k == 0));
}

bool byte_over(const float* row, int64_t dimension, float scale) {
  FourInts wrong = {};
  int64_t d = 0;
  for (; d + 4 <= dimension; d += 4) {
    Four value;
    std::memcpy(&value, row + d, sizeof(value));
    wrong |= not_bytes(value, scale);
  }
  for (; d < dimension; ++d) wrong |= not_bytes(Four{row[d]}, scale);
  return (wrong[0] | wrong[1] | wrong[2] | wrong[3]) == 0;
}

}  // namespace

unsigned byte_scales(const Rows& rows, const Threads& threads) {
  constexpr int kScales = static_cast<int>(sizeof(kByteScales) / sizeof(kByteScales[0]));
  std::atomic<unsigned> exact{(1U << kScales) - 1};
  threads.run(rows.count, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end && exact.load(std::memory_order_relaxed) != 0; ++i) {
      for (int s = 0; s < kScales; ++s) {
        const unsigned bit = 1U << s;
        if ((exact.load(std::memory_order_relaxed) & bit) != 0 &&
            !byte_over(rows.data + i * rows.stride, rows.dimension, kByteScales[s])) {
          exact.fetch_and(~bit, std::memory_order_relaxed);
        }
      }
    }
  });
  return exact.load();
}

std::vector<float> choose_centre(const Rows& samples, float scale, bool whole) {
  const auto dimension = static_cast<size_t>(samples.dimension);
  const int64_t taken = std::min(samples.count, kCentreRows);
  const auto groups = static_cast<size_t>(std::min<int64_t>(taken, kCentreGroups));
  std::vector<double> sums(groups * dimension, 0.0);
  std::vector<double> counts(groups, 0.0);
  for (int64_t r = 0; r < taken; ++r) {
    const float* row = samples.data + (r * samples.count / taken) * samples.stride;
    const size_t group = static_cast<size_t>(r) % groups;
    counts[group] += 1;
    for (size_t d = 0; d < dimension; ++d) {
      if (std::fabs(row[d]) < kSaneValue) sums[group * dimension + d] += row[d];
    }
  }
  std::vector<float> centre(dimension);
  double means[kCentreGroups];
  for (size_t d = 0; d < dimension; ++d) {
    for (size_t g = 0; g < groups; ++g) means[g] = sums[g * dimension + d] / counts[g];
    double* const middle = means + (groups - 1) / 2;
    std::nth_element(means, middle, means + groups);
    const double scaled = scale * *middle;
    centre[d] = static_cast<float>(whole ? std::clamp(std::nearbyint(scaled), 0.0, 255.0) : scaled);
  }
  return centre;
}

int64_t packed_groups(const OperandLayout& layout, int64_t dimension) {
  const int64_t bytes = dimension * element_bytes(layout.operand);
  const int64_t unit = static_cast<int64_t>(layout.group_bytes) * layout.group_multiple;
  return (bytes + unit - 1) / unit * layout.group_multiple;
}

int64_t packed_tile_bytes(const OperandLayout& layout, int terms, int64_t dimension) {
  return terms * packed_groups(layout, dimension) * layout.rows * layout.group_bytes;
}

bool pack_tile(const Rows& rows, int64_t first, const OperandLayout& layout,
               const Encoding& encoding, int terms, unsigned char* tile, void* norms,
               double* largest) {
  const int64_t groups = packed_groups(layout, rows.dimension);
  const int64_t group_bytes = layout.group_bytes;
  const int block_groups = kDepthBlock * element_bytes(layout.operand) / layout.group_bytes;
  const int valid = static_cast<int>(std::clamp<int64_t>(rows.count - first, 0, layout.rows));
  std::memset(tile, 0, static_cast<size_t>(packed_tile_bytes(layout, terms, rows.dimension)));

  RowSums sums[kMaxRows];
  alignas(64) float values[kDepthBlock];
  alignas(64) DepthBlock elements;
  for (int64_t g = 0; g < groups; g += block_groups) {
    const int64_t present = std::min<int64_t>(block_groups, groups - g);
    const int64_t start = g / block_groups * kDepthBlock;
    if (start >= rows.dimension) break;  // only padding is left
    for (int r = 0; r < valid; ++r) {
      load_block(rows.data + (first + r) * rows.stride, start, rows.dimension, encoding, values);
      encode(layout.operand, terms, values, elements, sums[r]);
      for (int t = 0; t < terms; ++t) {
        unsigned char* to = tile + ((t * groups + g) * layout.rows + r) * group_bytes;
        const auto write = group_bytes == 4 ? scatter<4> : scatter<64>;
        write(elements[t], present, layout.rows * group_bytes, to);
      }
    }
  }

  bool nan = false;
  for (int r = 0; r < layout.rows; ++r) {
    if (r >= valid) sums[r].square = is_byte(layout.operand) ? 0 : kLargestNorm;
    nan |= std::isnan(sums[r].square);
    const bool kept = write_norm(layout.operand, sums[r], r, norms);
    if (kept && r < valid && largest != nullptr) *largest = std::max(*largest, sums[r].square);
    if (kept || r >= valid) continue;
    for (int64_t g = 0; g < terms * groups; ++g) {
      std::memset(tile + (g * layout.rows + r) * group_bytes, 0, static_cast<size_t>(group_bytes));
    }
  }
  return nan;
}

}  // namespace gantool
