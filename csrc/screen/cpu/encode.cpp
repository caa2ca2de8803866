#include "screen/cpu/encode.h"

#include <algorithm>
#include <cmath>

namespace gantool::screen {
namespace {

constexpr int64_t kLearnedRows = 512;  // of each side
constexpr int kBlock = kCoordinateRows;
constexpr int kTail = 128;  // one learned row in so many may leave the codes' range at either end
constexpr double kMargin = 1.1;
constexpr double kUnit = 0x1p-24;

int64_t padded(int64_t dimension) { return (dimension + 63) / 64 * 64; }

void quantise(const Kernels& kernels, const float* row, int64_t dimension, const Grid& grid,
              uint8_t* bytes, RowFacts* facts) {
  kernels.quantise_floats(row, dimension, grid, bytes, facts);
}
void quantise(const Kernels& kernels, const double* row, int64_t dimension, const Grid& grid,
              uint8_t* bytes, RowFacts* facts) {
  kernels.quantise_doubles(row, dimension, grid, bytes, facts);
}

// The axes' columns as rows of a byte product.
const int32_t* every_axis() {
  static const std::vector<int32_t> rows = [] {
    std::vector<int32_t> all(kCodes);
    for (int i = 0; i < kCodes; ++i) all[static_cast<size_t>(i)] = i;
    return all;
  }();
  return rows.data();
}

// Puts r in the last coordinate and returns g.
double finish_coordinates(const Encoder& encoder, int32_t square, float* coordinates) {
  double s = 0;
  for (int i = 0; i < kCodes - 1; ++i) s += static_cast<double>(coordinates[i]) * coordinates[i];
  const double length = std::sqrt(static_cast<double>(square));
  const double p = (kCodes + 3) * kUnit * length * encoder.basis.reach;
  const double delta =
      (1.01 * encoder.basis.epsilon + 20 * kUnit) * s + 2 * p * std::sqrt(s) + p * p + 1e-12;
  const double whole = static_cast<double>(encoder.grid.step) * length;
  const double rest = whole * whole - s;
  const double low = std::sqrt(std::max(0.0, rest - delta)) * (1 - 1e-12);
  const double high = std::sqrt(std::max(0.0, rest + delta)) * (1 + 1e-12);
  coordinates[kCodes - 1] = static_cast<float>((low + high) / 2);
  const double half = (high - low) / 2 + 2 * kUnit * high;
  return std::sqrt(p * p + half * half) * (1 + 1e-12);
}

}  // namespace

void coordinates_of(const Encoder& encoder, const uint8_t* bytes, const int32_t* squares, int count,
                    float* coordinates, double* errors) {
  float products[kCoordinateRows * kCodes] = {};
  for (int r = 0; r < count; ++r) {
    int32_t row[kCodes];
    encoder.kernels->dots(bytes + r * encoder.basis.width, encoder.basis.columns.data(),
                          every_axis(), kCodes, encoder.basis.width, row);
    for (int i = 0; i < kCodes; ++i) products[r * kCodes + i] = static_cast<float>(row[i]);
  }
  encoder.kernels->multiply(products, count, kCodes, encoder.basis.weights.data(), coordinates);
  for (int r = 0; r < count; ++r) {
    errors[r] = finish_coordinates(encoder, squares[r], coordinates + r * kCodes);
  }
}

bool Encoded::all_finite() const {
  return std::all_of(finite.begin(), finite.end(), [](uint8_t each) { return each != 0; });
}

template <typename Element>
void Encoder::encode(const RowSet<Element>& rows, Side side, const Threads& threads,
                     Encoded* out) const {
  const auto count = static_cast<size_t>(rows.count);
  const int64_t width = basis.width;
  if (out->count < rows.count || out->width != width) {
    out->bytes.reset(new uint8_t[count * static_cast<size_t>(width)]);
  }
  out->count = rows.count;
  out->width = width;
  out->codes.resize(count * kCodes);
  out->bounds.resize(count);
  out->code_error.resize(count);
  for (auto* each : {&out->sum, &out->code_square, &out->code_sum}) each->resize(count);
  out->finite.resize(count);
  // What the rounding of coordinate - middle adds, in norm.
  const double subtraction = 127.0 * step * 3e-7 * std::sqrt(static_cast<double>(kCodes));
  threads.run((rows.count + kBlock - 1) / kBlock, 4, [&](int64_t begin, int64_t end) {
    float coordinates[kBlock * kCodes];
    double errors[kBlock];
    int32_t squares[kBlock];
    for (int64_t first = begin * kBlock; first < std::min(rows.count, end * kBlock);
         first += kBlock) {
      const int64_t together = std::min<int64_t>(kBlock, rows.count - first);
      for (int64_t i = 0; i < together; ++i) {
        const auto r = static_cast<size_t>(first + i);
        uint8_t* bytes = out->bytes.get() + r * static_cast<size_t>(width);
        RowFacts facts;
        quantise(*kernels, rows.row(first + i), rows.dimension, grid, bytes, &facts);
        std::fill(bytes + rows.dimension, bytes + width, uint8_t{0});
        out->bounds[r] = {row_error(facts, grid, rows.dimension), facts.square};
        squares[i] = facts.square;
        out->sum[r] = facts.sum;
        out->finite[r] = facts.finite;
      }
      coordinates_of(*this, out->row(first), squares, static_cast<int>(together), coordinates,
                     errors);
      for (int64_t i = 0; i < together; ++i) {
        const auto r = static_cast<size_t>(first + i);
        CodeFacts facts;
        kernels->code(coordinates + i * kCodes, middle, step, &out->codes[r * kCodes], &facts);
        out->code_error[r] = rounded_up(std::sqrt(static_cast<double>(facts.missed)) * (1 + 1e-5) +
                                        subtraction + errors[i]);
        out->code_square[r] = facts.square;
        out->code_sum[r] = facts.sum;
      }
      if (side == Side::kSamples) {
        uint8_t* const bytes = out->bytes.get() + first * width;
        const int64_t count = together * width;
        for (int64_t i = 0; i < count; ++i) bytes[i] ^= 0x80;
      }
    }
  });
}

template <typename Element>
bool learn(const RowSet<Element>& queries, const RowSet<Element>& samples, const Kernels& kernels,
           const Threads& threads, Encoder* encoder) {
  if (queries.dimension > kLargestDimension) return false;
  if (!choose_grid(queries, samples, &encoder->grid)) return false;
  const int64_t width = padded(queries.dimension);
  const RowSet<Element> sides[] = {queries.thinned(kLearnedRows), samples.thinned(kLearnedRows)};
  const int64_t count = sides[0].count + sides[1].count;
  std::vector<uint8_t> bytes(static_cast<size_t>(count * width));
  std::vector<int32_t> squares;
  for (const RowSet<Element>& side : sides) {
    for (int64_t i = 0; i < side.count; ++i) {
      RowFacts facts;
      quantise(kernels, side.row(i), side.dimension, encoder->grid,
               bytes.data() + static_cast<int64_t>(squares.size()) * width, &facts);
      squares.push_back(facts.square);
    }
  }
  encoder->kernels = &kernels;
  if (!make_basis(bytes.data(), count, queries.dimension, width, encoder->grid.step, kernels,
                  threads, &encoder->basis)) {
    return false;
  }
  encoder->root = std::sqrt(1 + encoder->basis.epsilon) * (1 + 1e-12);
  std::vector<float> coordinates(static_cast<size_t>(count * kCodes));
  for (int64_t first = 0; first < count; first += kBlock) {
    double errors[kBlock];
    coordinates_of(*encoder, bytes.data() + first * width, squares.data() + first,
                   static_cast<int>(std::min<int64_t>(kBlock, count - first)),
                   &coordinates[static_cast<size_t>(first * kCodes)], errors);
  }
  double widest = 0, whole = 0;
  std::vector<float> column(static_cast<size_t>(count));
  const auto place = [&](size_t from_start) {
    return column.begin() + static_cast<int64_t>(from_start);
  };
  for (int c = 0; c < kCodes; ++c) {
    for (size_t i = 0; i < column.size(); ++i) column[i] = coordinates[i * kCodes + c];
    const size_t out = column.size() / kTail, last = column.size() - 1;
    std::nth_element(column.begin(), place(last - out), column.end());
    std::nth_element(column.begin(), place(out), place(last - out));
    const double low = column[out], high = column[last - out];
    encoder->middle[c] = static_cast<float>((low + high) / 2);
    widest = std::max(widest, (high - low) / 2);
    const auto ends = std::minmax_element(column.begin(), column.end());
    whole = std::max<double>(whole, *ends.second - *ends.first);
  }
  if (widest == 0) widest = whole;  // nearly all rows are equal
  encoder->step = rounded_up(kMargin * widest / 127);
  return encoder->step > 0;
}

template void Encoder::encode(const RowSet<float>&, Side, const Threads&, Encoded*) const;
template void Encoder::encode(const RowSet<double>&, Side, const Threads&, Encoded*) const;
template bool learn(const RowSet<float>&, const RowSet<float>&, const Kernels&, const Threads&,
                    Encoder*);
template bool learn(const RowSet<double>&, const RowSet<double>&, const Kernels&, const Threads&,
                    Encoder*);

}  // namespace gantool::screen
