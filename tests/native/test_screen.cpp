// The inequalities of the screen, each against 80-bit arithmetic, in every variant of the
// processor: random rows, and those on which a bound that is a little too tight is false.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "parzen/cpu/screened.h"
#include "screen/cpu/encode.h"
#include "screen/cpu/order.h"
#include "screen/cpu/sweep.h"

using namespace gantool;
using namespace gantool::screen;

namespace {

using Real = long double;

struct Rows {
  std::string name;
  int64_t dimension;
  std::vector<float> values;

  int64_t count() const { return static_cast<int64_t>(values.size()) / dimension; }
  RowSet<float> set() const { return {values.data(), count(), dimension, dimension}; }
};

template <typename Draw>
Rows rows_of(const std::string& name, int64_t count, int64_t dimension, const Draw& draw) {
  Rows rows = {name, dimension, {}};
  for (int64_t i = 0; i < count * dimension; ++i) rows.values.push_back(draw(i));
  return rows;
}

// What the screen meets: the first few rows of each are also met by themselves below.
std::vector<Rows> awkward_rows(int64_t count, int64_t dimension) {
  std::mt19937 random(static_cast<unsigned>(dimension));
  std::uniform_real_distribution<float> uniform(0, 1);
  std::normal_distribution<float> normal;
  const int64_t d = dimension;
  return {
      rows_of("uniform", count, d, [&](int64_t) { return uniform(random); }),
      rows_of("bytes", count, d, [&](int64_t) { return static_cast<float>(random() % 256) / 255; }),
      rows_of("normal", count, d, [&](int64_t) { return normal(random); }),
      rows_of("far row", count, d,
              [&](int64_t i) { return uniform(random) * (i < 2 * d ? 1000.0F : 1.0F); }),
      rows_of("offset", count, d, [&](int64_t) { return 1.0e4F + uniform(random); }),
      rows_of("tiny", count, d, [&](int64_t) { return 1e-6F * uniform(random); }),
      rows_of("huge", count, d, [&](int64_t) { return 1e6F * normal(random); }),
      rows_of("one column", count, d, [&](int64_t i) { return i % d == 0 ? uniform(random) : 0; }),
      rows_of("equal but one", count, d,
              [&](int64_t i) { return i < d ? uniform(random) : 0.25F; }),
      rows_of("rank one", count, d, [&](int64_t i) { return static_cast<float>((i / d) % 7) / 6; }),
  };
}

constexpr int64_t kDimensions[] = {1, 3, 16, 62, 63, 64, 130};

Real scaled(const Encoder& encoder, float value) {
  return static_cast<Real>(value) * encoder.grid.scale;
}

Real distance(const Encoder& encoder, const float* a, const float* b, int64_t dimension) {
  Real square = 0;
  for (int64_t d = 0; d < dimension; ++d) {
    const Real difference = scaled(encoder, a[d]) - scaled(encoder, b[d]);
    square += difference * difference;
  }
  return std::sqrt(square);
}

int byte_of(const Encoded& rows, Side side, int64_t row, int64_t column) {
  const uint8_t byte = rows.row(row)[column];
  return side == Side::kSamples ? byte ^ 0x80 : byte;
}

using Axis = std::vector<Real>;

Real power(Real value) { return value * value; }

Real dot(const Axis& a, const Axis& b) {
  Real sum = 0;
  for (size_t d = 0; d < a.size(); ++d) sum += a[d] * b[d];
  return sum;
}

void subtract(Axis* from, Real factor, const Axis& axis) {
  for (size_t d = 0; d < axis.size(); ++d) (*from)[d] -= factor * axis[d];
}

Real column(const Encoder& encoder, int axis, int64_t d) {
  return encoder.basis.columns[static_cast<size_t>(axis * encoder.basis.width + d)];
}

Real weight(const Encoder& encoder, int i, int j) {
  return encoder.basis.weights[static_cast<size_t>(i * kCodes + j)];
}

bool is_used(const Encoder& encoder, int axis) { return weight(encoder, axis, axis) != 0; }

// The columns of A = B W that are used.
std::vector<Axis> axes_of(const Encoder& encoder) {
  std::vector<Axis> axes;
  for (int j = 0; j < kCodes; ++j) {
    if (!is_used(encoder, j)) continue;
    Axis axis(static_cast<size_t>(encoder.basis.width), 0);
    for (int i = 0; i < kCodes; ++i) {
      const Real factor = weight(encoder, i, j) / encoder.grid.step;
      for (int64_t d = 0; d < encoder.basis.width; ++d) {
        axis[static_cast<size_t>(d)] += factor * column(encoder, i, d);
      }
    }
    axes.push_back(axis);
  }
  return axes;
}

// Calls `check` for every kind of rows, dimension and variant: encoder, rows, encoded both ways.
template <typename Check>
void each_case(int64_t count, const Check& check) {
  for (const Kernels* each : kernels()) {
    for (const int64_t dimension : kDimensions) {
      for (const Rows& rows : awkward_rows(count, dimension)) {
        const std::string variant = each->name;
        CAPTURE(variant);
        CAPTURE(dimension);
        CAPTURE(rows.name);
        Encoder encoder;
        if (!learn(rows.set(), rows.set(), *each, serial_threads(), &encoder)) continue;
        Encoded queries, samples;
        encoder.encode(rows.set(), Side::kQueries, serial_threads(), &queries);
        encoder.encode(rows.set(), Side::kSamples, serial_threads(), &samples);
        check(encoder, rows, queries, samples);
      }
    }
  }
}

}  // namespace

TEST_CASE("a row is no farther from its bytes than its error, and not much nearer") {
  each_case(20, [](const Encoder& encoder, const Rows& rows, const Encoded& queries,
                   const Encoded& samples) {
    for (int64_t i = 0; i < rows.count(); ++i) {
      Real missed = 0;
      for (int64_t d = 0; d < rows.dimension; ++d) {
        const int k = byte_of(queries, Side::kQueries, i, d);
        CHECK(byte_of(samples, Side::kSamples, i, d) == k);
        const Real rest = scaled(encoder, rows.values[i * rows.dimension + d]) - encoder.grid.low -
                          static_cast<Real>(encoder.grid.step) * k;
        missed += rest * rest;
      }
      CHECK(queries.bounds[i].error >= std::sqrt(missed));
      CHECK(queries.bounds[i].error <=
            std::sqrt(missed) * (1 + 1e-5L) + 1e-5L * std::sqrt(static_cast<Real>(rows.dimension)));
    }
  });
}

TEST_CASE("the error counts the additions of a lane") {
  constexpr int64_t kDimension = 12288;
  std::vector<float> row(kDimension, 0x1p-21F);
  std::fill_n(row.begin(), 32, 0x1p-9F);
  const Grid grid = {1, 0, 1.0F / 255};
  for (const Kernels* each : kernels()) {
    std::vector<uint8_t> bytes(kDimension);
    RowFacts facts;
    each->quantise_floats(row.data(), kDimension, grid, bytes.data(), &facts);
    Real missed = 0;
    for (const float value : row) missed += static_cast<Real>(value) * value;
    CHECK(std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; }));
    CHECK(row_error(facts, grid, kDimension) >= std::sqrt(missed));
  }
}

TEST_CASE("distances of bytes are exact integers up to the largest dimension") {
  for (const int64_t dimension : {int64_t{12288}, kLargestDimension}) {
    for (const Kernels* each : kernels()) {
      std::vector<uint8_t> query(static_cast<size_t>(dimension), 255);
      std::vector<int8_t> samples(static_cast<size_t>(2 * dimension), -128);  // 0 and a board
      int64_t board = 0;
      for (int64_t d = 0; d < dimension; d += 2) {
        samples[static_cast<size_t>(dimension + d)] = 127;
        board += 255;
      }
      const int32_t rows[] = {0, 1};
      int32_t out[2];
      each->dots(query.data(), samples.data(), rows, 2, dimension, out);
      const int64_t shift = 128 * 255 * dimension;
      CHECK(out[0] + shift == 0);
      CHECK(out[1] + shift == 255 * board);
    }
  }
  std::vector<float> wide(3 * (kLargestDimension + 1), 0.5F);
  wide[0] = 1;
  const RowSet<float> rows = {wide.data(), 3, kLargestDimension + 1, kLargestDimension + 1};
  Encoder encoder;
  CHECK_FALSE(learn(rows, rows, *kernels().front(), serial_threads(), &encoder));
}

TEST_CASE("bytes bound the distance of every pair from both sides") {
  each_case(20, [](const Encoder& encoder, const Rows& rows, const Encoded& queries,
                   const Encoded& samples) {
    for (int64_t i = 0; i < rows.count(); ++i) {
      for (int64_t j = 0; j < rows.count(); ++j) {
        int32_t square = 0;
        for (int64_t d = 0; d < rows.dimension; ++d) {
          const int difference =
              byte_of(queries, Side::kQueries, i, d) - byte_of(samples, Side::kSamples, j, d);
          square += difference * difference;
        }
        const Bounds found = byte_bounds(square, encoder.grid.step, queries.bounds[i].error,
                                         samples.bounds[j].error);
        const Real exact = distance(encoder, &rows.values[i * rows.dimension],
                                    &rows.values[j * rows.dimension], rows.dimension);
        CHECK(found.lower <= exact * exact);
        CHECK(exact * exact <= found.upper);
      }
    }
  });
}

TEST_CASE("the byte bounds allow for the rounding of a step times a root") {
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    const auto square = static_cast<int32_t>(random() % 1000000000);
    const float step = std::ldexp(1 + static_cast<float>(random() % 65536) / 65536, -9);
    const Real exact = power(static_cast<Real>(step)) * square;
    const Bounds found = byte_bounds(square, step, 0, 0);
    CHECK(found.lower <= exact);
    CHECK(exact <= found.upper);
  }
}

TEST_CASE("a code is no farther from the coordinates than its error") {
  each_case(24, [](const Encoder& encoder, const Rows&, const Encoded& queries, const Encoded&) {
    for (int64_t i = 0; i < queries.count; ++i) {
      float found[kCodes];
      double error;
      coordinates_of(encoder, queries.row(i), &queries.bounds[i].square, 1, found, &error);
      Real missed = 0;
      for (int c = 0; c < kCodes; ++c) {
        missed += power(static_cast<Real>(found[c]) - encoder.middle[c] -
                        static_cast<Real>(encoder.step) * queries.codes[i * kCodes + c]);
      }
      CHECK(queries.code_error[i] >= std::sqrt(missed) + error);
    }
  });
}

TEST_CASE("on a line the byte bounds are met") {
  // q lies .49 of a step above its byte, x as much below its own.
  const float step = 0x1p-8F, error = 0.49F * step;
  for (const int k : {0, 1, 7, 200}) {
    const Real apart = step * (k + 0.98L), together = step * std::max(0.0L, k - 0.98L);
    const Bounds found = byte_bounds(k * k, step, error, error);
    CHECK(found.upper >= apart * apart);
    CHECK(found.upper <= apart * apart * (1 + 1e-5L));
    CHECK(found.lower <= together * together);
    CHECK(found.lower >= together * together * (1 - 1e-4L));
  }
  CHECK(byte_bounds(0, step, std::numeric_limits<float>::infinity(), 0).lower == 0);
  CHECK(byte_bounds(16, step, 1e20F, 0).lower == 0);
}

TEST_CASE("epsilon and the reach hold for the weights as they were rounded") {
  each_case(40, [](const Encoder& encoder, const Rows&, const Encoded&, const Encoded&) {
    const std::vector<Axis> all = axes_of(encoder);
    Real off = 0, reach = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      for (size_t j = 0; j < all.size(); ++j) {
        const Real product = dot(all[i], all[j]) - (i == j ? 1 : 0);
        off += product * product;
      }
    }
    for (int j = 0; j < kCodes; ++j) {
      Real z = 0;
      for (int i = 0; i < kCodes; ++i) {
        Real square = 0;
        for (int64_t d = 0; d < encoder.basis.width; ++d) square += power(column(encoder, i, d));
        z += std::sqrt(square) * std::fabs(weight(encoder, i, j));
      }
      reach += z * z;
    }
    CHECK(encoder.basis.epsilon >= std::sqrt(off));
    CHECK(encoder.basis.reach >= std::sqrt(reach));
  });
}

TEST_CASE("coordinates are no farther from the true ones than their error") {
  // With few columns every row lies in the span of the axes: what is left of it is 0, and the
  // difference of two squares is not.
  each_case(24, [](const Encoder& encoder, const Rows&, const Encoded& queries, const Encoded&) {
    const std::vector<Axis> all = axes_of(encoder);
    std::vector<Axis> orthonormal;
    for (Axis axis : all) {
      for (int twice = 0; twice < 2; ++twice) {
        for (const Axis& other : orthonormal) subtract(&axis, dot(axis, other), other);
      }
      const Real length = std::sqrt(dot(axis, axis));
      for (Real& value : axis) value /= length;
      orthonormal.push_back(axis);
    }
    for (int64_t i = 0; i < queries.count; ++i) {
      float found[kCodes];
      double error;
      coordinates_of(encoder, queries.row(i), &queries.bounds[i].square, 1, found, &error);
      Axis rest;  // h k, and what the axes miss of it
      for (int64_t d = 0; d < queries.width; ++d) {
        rest.push_back(static_cast<Real>(encoder.grid.step) * queries.row(i)[d]);
      }
      Real square = 0;
      size_t used = 0;
      for (int j = 0; j < kCodes - 1; ++j) {
        const Real exact = is_used(encoder, j) ? dot(all[used++], rest) : 0;
        square += power(found[j] - exact);
      }
      for (const Axis& axis : orthonormal) subtract(&rest, dot(rest, axis), axis);
      square += power(found[kCodes - 1] - std::sqrt(dot(rest, rest)));
      CHECK(std::sqrt(square) <= error);
    }
  });
}

TEST_CASE("codes bound the distance of every pair from below, and the least score keeps it") {
  each_case(24, [](const Encoder& encoder, const Rows& rows, const Encoded& queries,
                   const Encoded& samples) {
    for (int64_t i = 0; i < rows.count(); ++i) {
      for (int64_t j = 0; j < rows.count(); ++j) {
        int32_t square = 0, product = 0;
        for (int c = 0; c < kCodes; ++c) {
          const int a = queries.codes[i * kCodes + c], b = samples.codes[j * kCodes + c];
          square += (a - b) * (a - b);
          product += a * b;
        }
        const Real exact = distance(encoder, &rows.values[i * rows.dimension],
                                    &rows.values[j * rows.dimension], rows.dimension);
        const Real errors = static_cast<Real>(queries.bounds[i].error) + samples.bounds[j].error;
        const Real of_codes = static_cast<Real>(queries.code_error[i]) + samples.code_error[j];
        CHECK(encoder.step * std::sqrt(static_cast<Real>(square)) <=
              encoder.root * (exact + errors) + of_codes);
        const int32_t least =
            least_score(encoder, static_cast<double>(exact * exact), queries.bounds[i].error,
                        samples.bounds[j].error, queries.code_error[i], samples.code_error[j],
                        queries.code_square[i]);
        CHECK(product - samples.code_square[j] / 2 >= least);
      }
    }
  });
}

TEST_CASE("the least score lets through what lies on the limit, and little more") {
  Encoder encoder;
  encoder.step = 0.01F;
  encoder.root = 1;
  for (const int length : {1, 10, 361, 362, 5000}) {
    const double limit = std::pow(0.01F * static_cast<double>(length), 2);
    const int32_t least = least_score(encoder, limit, 0, 0, 0, 0, 0);
    CHECK(least <= -length * length / 2.0);
    CHECK(least >= -length * length / 2.0 - 3);
    // An error of two steps on either side is worth four of length.
    const int32_t wider = least_score(encoder, limit, 0.01F, 0.01F, 0.01F, 0.01F, 0);
    CHECK(wider <= -(length + 4) * (length + 4) / 2.0 + 1e-3 * length);
  }
  CHECK(least_score(encoder, std::numeric_limits<double>::infinity(), 0, 0, 0, 0, 5) ==
        std::numeric_limits<int32_t>::min());
  CHECK(least_score(encoder, std::numeric_limits<double>::quiet_NaN(), 0, 0, 0, 0, 5) ==
        std::numeric_limits<int32_t>::min());
}

TEST_CASE("a sweep finds all that lies within its limits, whatever the counts") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const Kernels* each : kernels()) {
    for (const int64_t count : {1, 23, 24, 25, 60}) {
      for (const int64_t others : {1, 31, 32, 33, 511, 513, 1100}) {
        CAPTURE(count);
        CAPTURE(others);
        const auto draw = [&](int64_t) { return normal(random); };
        const Rows q = rows_of("queries", count, 20, draw),
                   x = rows_of("samples", others, 20, draw);
        Encoder encoder;
        REQUIRE(learn(q.set(), x.set(), *each, serial_threads(), &encoder));
        Encoded queries, samples;
        encoder.encode(q.set(), Side::kQueries, serial_threads(), &queries);
        encoder.encode(x.set(), Side::kSamples, serial_threads(), &samples);
        const Cells cells(samples);
        std::vector<int64_t> leaves;
        const std::vector<int32_t> order = split_by_medians(queries, kLeafQueries, &leaves);
        for (const int neighbours : {0, 1, 5}) {
          const double reach = neighbours == 0 ? 0.05 : 0.2;
          Limits limits(count, neighbours, reach);
          for (size_t leaf = 0; leaf + 1 < leaves.size(); ++leaf) {
            std::vector<Candidate> found;
            const int32_t* rows = order.data() + leaves[leaf];
            const auto size = static_cast<int>(leaves[leaf + 1] - leaves[leaf]);
            sweep_leaf(encoder, queries, rows, size, samples, cells, &limits, &found);
            for (int i = 0; i < size; ++i) {
              std::vector<Real> squares;
              for (int64_t j = 0; j < others; ++j) {
                const Real apart =
                    distance(encoder, &q.values[rows[i] * 20], &x.values[j * 20], 20);
                squares.push_back(apart * apart);
              }
              std::vector<Real> sorted = squares;
              std::sort(sorted.begin(), sorted.end());
              if (neighbours > others) continue;
              const Real limit = reach + (neighbours == 0 ? 0 : sorted[neighbours - 1]);
              for (int64_t j = 0; j < others; ++j) {
                if (squares[j] > limit) continue;
                const auto times =
                    std::count_if(found.begin(), found.end(),
                                  [&](const Candidate& c) { return c.query == i && c.row == j; });
                CHECK(times == 1);
              }
            }
          }
        }
      }
    }
  }
}

TEST_CASE("threads share a screened density and change nothing") {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  const Rows q = rows_of("queries", 300, 20, [&](int64_t) { return normal(random); });
  const Rows x = rows_of("samples", 900, 20, [&](int64_t) { return normal(random); });
  const float sigmas[] = {0.3F, 0.1F};
  std::vector<float> density[2];
  std::vector<double> remainder[2];
  for (const int threads : {1, 3}) {
    std::vector<float>& result = density[threads / 2];
    std::vector<double>& left_out = remainder[threads / 2];
    result.resize(600);
    left_out.resize(600);
    const ParzenProblem<float> problem = {
        q.values.data(), 300, 20, x.values.data(), 900, 20, 20, sigmas, 2, result.data()};
    CHECK(parzen_screened(problem, 1e-4, left_out.data(), std_threads(threads), {nullptr, true}));
  }
  CHECK(density[0] == density[1]);
  CHECK(remainder[0] == remainder[1]);
}
