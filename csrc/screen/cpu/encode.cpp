#include "screen/cpu/encode.h"

#include <algorithm>
#include <cmath>

namespace gantool::screen {
namespace {

constexpr int64_t kLearnedRows = 512;  // of each side
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

namespace {

void make_room(const Encoder& encoder, int64_t rows, Encoded* out) {
  const auto count = static_cast<size_t>(rows);
  const int64_t width = encoder.basis.width;
  if (out->count < rows || out->width != width) {
    out->bytes.reset(new uint8_t[count * static_cast<size_t>(width)]);
  }
  out->count = rows;
  out->width = width;
  out->codes.resize(count * kCodes);
  out->bounds.resize(count);
  out->code_error.resize(count);
  for (auto* each : {&out->sum, &out->code_square, &out->code_sum}) each->resize(count);
  out->finite.resize(count);
}

template <typename Element>
void encode_bytes(const Encoder& encoder, const RowSet<Element>& rows, int64_t row, Encoded* out) {
  const auto r = static_cast<size_t>(row);
  uint8_t* bytes = out->bytes.get() + row * out->width;
  RowFacts facts;
  quantise(*encoder.kernels, rows.row(row), rows.dimension, encoder.grid, bytes, &facts);
  std::fill(bytes + rows.dimension, bytes + out->width, uint8_t{0});
  out->bounds[r] = {row_error(facts, encoder.grid, rows.dimension), facts.square};
  out->sum[r] = facts.sum;
  out->finite[r] = facts.finite;
}

void encode_codes(const Encoder& encoder, int64_t first, int count, Encoded* out) {
  float coordinates[kCoordinateRows * kCodes];
  double errors[kCoordinateRows];
  int32_t squares[kCoordinateRows] = {};
  for (int i = 0; i < count; ++i) squares[i] = out->bounds[static_cast<size_t>(first + i)].square;
  coordinates_of(encoder, out->row(first), squares, count, coordinates, errors);
  // What the rounding of coordinate - middle adds, in norm.
  const double subtraction = 127.0 * encoder.step * 3e-7 * std::sqrt(static_cast<double>(kCodes));
  for (int i = 0; i < count; ++i) {
    const auto r = static_cast<size_t>(first + i);
    CodeFacts facts;
    encoder.kernels->code(coordinates + i * kCodes, encoder.middle, encoder.step,
                          &out->codes[r * kCodes], &facts);
    out->code_error[r] = rounded_up(std::sqrt(static_cast<double>(facts.missed)) * (1 + 1e-5) +
                                    subtraction + errors[i]);
    out->code_square[r] = facts.square;
    out->code_sum[r] = facts.sum;
  }
}

}  // namespace

template <typename Element>
void Encoder::encode(const RowSet<Element>& rows, Side side, const Threads& threads,
                     Encoded* out) const {
  make_room(*this, rows.count, out);
  const int64_t blocks = (rows.count + kCoordinateRows - 1) / kCoordinateRows;
  threads.run(blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kCoordinateRows;
      const int64_t count = std::min<int64_t>(kCoordinateRows, rows.count - first);
      for (int64_t i = 0; i < count; ++i) encode_bytes(*this, rows, first + i, out);
      encode_codes(*this, first, static_cast<int>(count), out);
      if (side == Side::kQueries) continue;
      uint8_t* const bytes = out->bytes.get() + first * out->width;
      const int64_t values = count * out->width;
      for (int64_t i = 0; i < values; ++i) bytes[i] ^= 0x80;
    }
  });
}

namespace {

// The middle of each coordinate's range, and half of the widest range; but for a few rows at the
// ends.
double centre(const std::vector<float>& coordinates, float* middle) {
  double widest = 0, whole = 0;
  std::vector<float> column(coordinates.size() / kCodes);
  const auto place = [&](size_t i) { return column.begin() + static_cast<int64_t>(i); };
  for (size_t c = 0; c < kCodes; ++c) {
    for (size_t i = 0; i < column.size(); ++i) column[i] = coordinates[i * kCodes + c];
    const size_t out = column.size() / kTail, last = column.size() - 1;
    std::nth_element(column.begin(), place(last - out), column.end());
    std::nth_element(column.begin(), place(out), place(last - out));
    const double low = column[out], high = column[last - out];
    middle[c] = static_cast<float>((low + high) / 2);
    widest = std::max(widest, (high - low) / 2);
    const auto ends = std::minmax_element(column.begin(), column.end());
    whole = std::max<double>(whole, *ends.second - *ends.first);
  }
  return widest > 0 ? widest : whole;  // nearly all rows are equal
}

}  // namespace

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
  for (int64_t first = 0; first < count; first += kCoordinateRows) {
    double errors[kCoordinateRows];
    coordinates_of(*encoder, bytes.data() + first * width, squares.data() + first,
                   static_cast<int>(std::min<int64_t>(kCoordinateRows, count - first)),
                   &coordinates[static_cast<size_t>(first * kCodes)], errors);
  }
  const double widest = centre(coordinates, encoder->middle);
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
