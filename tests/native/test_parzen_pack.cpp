// Which data count as byte pixels, and how rows are laid out for the product kernels.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "parzen/cpu/pack.h"

using namespace gantool;

namespace {

constexpr unsigned kOver255 = 1;
constexpr unsigned kWhole = 2;
constexpr unsigned kOver16 = 4;
constexpr unsigned kOver256 = 8;

unsigned scales(const std::vector<float>& row) {
  const auto dimension = static_cast<int64_t>(row.size());
  return byte_scales({row.data(), 1, dimension, dimension}, serial_threads());
}

}  // namespace

TEST_CASE("every byte over every scale is recognised, at any place in the row") {
  for (int k = 0; k < 256; ++k) {
    for (const size_t length : {1, 3, 4, 7}) {
      const auto value = static_cast<float>(k);
      CHECK((scales(std::vector<float>(length, value / 255)) & kOver255) != 0);
      // A GPU divides by multiplying.
      CHECK((scales(std::vector<float>(length, value * (1.0F / 255))) & kOver255) != 0);
      CHECK((scales(std::vector<float>(length, value)) & kWhole) != 0);
      CHECK((scales(std::vector<float>(length, value / 16)) & kOver16) != 0);
      CHECK((scales(std::vector<float>(length, value / 256)) & kOver256) != 0);
    }
  }
}

TEST_CASE("one value that is no byte excludes the scale") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const float near = std::nextafter(std::nextafter(100.0F / 255, 1.0F), 1.0F);
  for (size_t place = 0; place < 7; ++place) {
    std::vector<float> row(7, 100.0F / 255);
    CHECK(scales(row) == kOver255);
    for (const float bad : {near, -1.0F / 255, 256.0F / 255, nan, inf, -inf, 3e38F, 1e-40F}) {
      row[place] = bad;
      CAPTURE(bad);
      CHECK(scales(row) == 0);
    }
  }
  CHECK(scales({0.0F, 1.0F}) == (kOver255 | kWhole | kOver16));  // 256 / 256 is no byte
  CHECK(scales({0.0F, 255.0F}) == kWhole);
}

TEST_CASE("a tile interleaves groups of rows, pads with zeros, and takes rows out by infinity") {
  // Three rows of five values, the second beyond float32's squares; tiles of four rows.
  const std::vector<float> data = {1, 2, 3, 4, 5, 1e18F, 1, 1, 1, 1, -1, -2, -3, -4, -5};
  const Rows rows = {data.data(), 3, 5, 5};
  const OperandLayout layout = {Operand::Float32, 4, 4, 2};
  REQUIRE(packed_groups(layout, 5) == 6);
  REQUIRE(packed_tile_bytes(layout, 1, 5) == 6 * 4 * 4);
  std::vector<float> tile(24, -7);
  std::vector<float> norms(4);
  const Encoding encoding = {2, 1, 1, {1, 1, 1, 1, 1}};  // 2 v - 1
  CHECK_FALSE(pack_tile(rows, 0, layout, encoding, 1, reinterpret_cast<unsigned char*>(tile.data()),
                        norms.data()));
  const float expected[3] = {1, 0, -3};
  for (int d = 0; d < 6; ++d) {
    const auto step = static_cast<float>(2 * d);
    CHECK(tile[d * 4] == (d < 5 ? expected[0] + step : 0));
    CHECK(tile[d * 4 + 1] == 0);
    CHECK(tile[d * 4 + 2] == (d < 5 ? expected[2] - step : 0));
    CHECK(tile[d * 4 + 3] == 0);
  }
  CHECK(norms[0] == 1 + 9 + 25 + 49 + 81);
  CHECK(norms[1] == std::numeric_limits<float>::infinity());
  CHECK(norms[2] == 9 + 25 + 49 + 81 + 121);
  CHECK(norms[3] == std::numeric_limits<float>::infinity());
}

TEST_CASE("two bfloat16 terms hold a value to 2^-17, and the norm is that of the terms") {
  std::vector<float> data;
  for (int i = 0; i < 32; ++i) data.push_back(std::sin(static_cast<float>(i + 1)));
  const Rows rows = {data.data(), 1, 32, 32};
  const OperandLayout layout = {Operand::Bfloat16, 1, 64, 1};
  std::vector<uint16_t> tile(64);
  float norm = 0;
  pack_tile(rows, 0, layout, {1, 2, 2, {}}, 2, reinterpret_cast<unsigned char*>(tile.data()),
            &norm);
  double square = 0;
  for (int d = 0; d < 32; ++d) {
    double value = 0;
    for (const int t : {0, 1}) {
      const uint32_t bits = static_cast<uint32_t>(tile[t * 32 + d]) << 16;
      float term;
      std::memcpy(&term, &bits, sizeof(term));
      value += term;
    }
    CHECK(std::fabs(value - data[d]) <= std::ldexp(std::fabs(data[d]), -17));
    square += value * value;
  }
  CHECK(norm == static_cast<float>(square));
}

TEST_CASE("one far sample, wherever it comes, does not drag the centre") {
  for (const size_t place : {size_t{0}, size_t{50}, size_t{299}}) {
    std::vector<float> data(300, 3.0F);
    data[place] = 1e14F;
    CHECK(choose_centre({data.data(), 300, 1, 1}, 1, false)[0] == 3.0F);
  }
}

TEST_CASE("a centre ignores outliers and NaN") {
  std::vector<float> data(300, 3.0F);
  data[7] = 1e30F;
  data[8] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> centre = choose_centre({data.data(), 300, 1, 1}, 1, false);
  CHECK(centre[0] == doctest::Approx(3.0).epsilon(0.02));
  CHECK(choose_centre({data.data(), 5, 1, 1}, 255, true)[0] == 255.0F);
}
