// The CUDA Parzen kernels, run through the host model: extreme values, empty calls, plans.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "cuda_parzen_cases.h"

using namespace parzen_cases;

TEST_CASE("offset, huge and tiny data") {
  struct Scale {
    float offset, factor;
  };
  for (const Scale scale : {Scale{1000.0f, 1.0f},
                            {0.0f, 1e18f},
                            {0.0f, 1e-18f},
                            {0.0f, 1e-36f},
                            {0.0f, 1e30f},
                            {-3e6f, 100.0f},
                            {0.0f, 255.0f}}) {
    CAPTURE(scale.offset);
    CAPTURE(scale.factor);
    Case c = drawn(20, 70, 50, {0.2f * scale.factor, 1.0f * scale.factor},
                   [&] { return scale.offset + scale.factor * stroke(); });
    const std::vector<float> result = run(c);
    const std::vector<double> expected = truth(c);
    for (std::size_t k = 0; k < expected.size(); ++k) {
      const double bound = k < 20 ? 2e-3 : 2e-3 * 0.04;
      CHECK(std::fabs(static_cast<double>(result[k]) - expected[k]) < bound + spacing(expected[k]));
    }
  }
}

TEST_CASE("a row that is not finite is NaN, alone") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const int multiprocessors : {1, 64}) {
    Case c = drawn(12, 600, 20, {0.2f, 0.7f, 5.0f}, uniform);
    c.multiprocessors = multiprocessors;
    const std::vector<double> expected = truth(c);
    query(c, 3, 19) = nan;
    query(c, 8, 0) = -infinity;
    const std::vector<float> result = run(c);
    for (std::size_t k = 0; k < result.size(); ++k) {
      CAPTURE(k);
      if (k % 12 == 3 || k % 12 == 8) {
        CHECK(std::isnan(result[k]));
      } else {
        CHECK(std::fabs(static_cast<double>(result[k]) - expected[k]) < 1e-3);
      }
    }
    // A sample that is NaN leaves no finite density anywhere, one at infinity adds nothing.
    sample(c, 100, 1) = infinity;
    query(c, 8, 0) = query(c, 3, 19) = 0.5f;
    const std::vector<float> without = run(c);
    for (const float x : without) CHECK(std::isfinite(x));
    sample(c, 599, 1) = nan;
    for (const float x : run(c)) CHECK(std::isnan(x));
  }
}

TEST_CASE("far queries are finite, and spoil no other row") {
  Case c = drawn(8, 300, 24, {0.2f, 1.0f}, uniform);
  for (int64_t d = 0; d < 24; ++d) {
    query(c, 1, d) = 1e3f;
    query(c, 2, d) = -1e9f;
    query(c, 5, d) = 1e17f;
    query(c, 6, d) = 3e38f;
  }
  const std::vector<float> result = run(c);
  const std::vector<double> expected = truth(c);
  for (std::size_t k = 0; k < result.size(); ++k) {
    const double clamped =
        std::max(expected[k], static_cast<double>(std::numeric_limits<float>::lowest()));
    CAPTURE(k);
    CHECK(std::isfinite(result[k]));
    CHECK(std::fabs(static_cast<double>(result[k]) - clamped) <
          1e-3 + std::fabs(clamped) * 0x1p-21);
  }
}

TEST_CASE("rows of very unlike size, and a bandwidth far beyond the data") {
  Case c = drawn(4, 30, 9, {1e-3f, 1e3f, 1e25f}, normal);
  for (int64_t d = 0; d < 9; ++d) {
    query(c, 1, d) *= 1e-20f;
    sample(c, 3, d) *= 1e-20f;
    sample(c, 4, d) *= 1e15f;
    query(c, 2, d) *= 1e22f;
  }
  const std::vector<float> result = run(c);
  const std::vector<double> expected = truth(c);
  for (std::size_t k = 0; k < result.size(); ++k) {
    const double clamped =
        std::max(expected[k], static_cast<double>(std::numeric_limits<float>::lowest()));
    // The bound is per unit of the ordinary rows, whose deviation is about 1.
    const double sigma = static_cast<double>(c.sigmas[k / 4]);
    CAPTURE(k);
    CHECK(std::fabs(static_cast<double>(result[k]) - clamped) <
          2e-4 * 0.04 / (sigma * sigma) + std::fabs(clamped) * 0x1p-20);
  }
}

TEST_CASE("bandwidths far below and far beyond the data") {
  Case c = drawn(3, 20, 5, {1e-15f, 1e-4f, 1e15f, 1e30f, 3e38f}, normal);
  for (int64_t d = 0; d < 5; ++d) query(c, 1, d) = sample(c, 7, d);
  const std::vector<float> result = run(c);
  const std::vector<double> expected = truth(c);
  for (std::size_t k = 0; k < result.size(); ++k) {
    const double sigma = static_cast<double>(c.sigmas[k / 3]);
    CAPTURE(k);
    CHECK(std::fabs(static_cast<double>(result[k]) - expected[k]) <
          2e-4 * 0.04 / (sigma * sigma) + std::fabs(expected[k]) * 0x1p-20);
  }
}

TEST_CASE("bytes of any range and centre: the unit is that of the packed values") {
  // Their largest deviation from the centre is 128, a power of two, and 255 times the float nearest
  // to 1 / 255 is below 1: taken from the floats, the deviation would have another exponent.
  Case c = make_case(2, 8, 784, {0.2f});
  const float bytes[] = {1, 129, 129, 129, 129, 129, 200, 255};
  for (int64_t d = 0; d < 784; ++d) {
    for (int64_t j = 0; j < 8; ++j) sample(c, j, d) = bytes[j] / 255.0f;
    query(c, 0, d) = 3.0f / 255.0f;
    query(c, 1, d) = 60.0f / 255.0f;
  }
  const std::vector<float> known = run(c);
  CHECK(std::fabs(static_cast<double>(known[0]) - 538.67) < 0.01);
  CHECK(std::fabs(static_cast<double>(known[1]) - 14.65) < 0.01);
  const auto byte = [](int low, int high) {
    return static_cast<float>(std::uniform_int_distribution<int>(low, high)(random_bits()));
  };
  for (int round = 0; round < 60; ++round) {
    const int low = static_cast<int>(byte(0, 255)), high = static_cast<int>(byte(low, 255));
    const float unit = round % 3 == 0 ? 1.0f : 255.0f;
    CAPTURE(low);
    CAPTURE(high);
    c = drawn(3, 9, 20, {0.2f * 255.0f / unit}, [&] { return byte(low, high) / unit; });
    for (int64_t d = 0; d < 20; ++d) query(c, 1, d) = byte(0, 255) / unit;
    CHECK(error_over_bound(c, run(c)) < 0.5);
    CHECK(last_scale.has_low[0] == 0);
  }
}

TEST_CASE("bytes divided by multiplying are bytes, values further off are not") {
  const float reciprocal = 1.0f / 255.0f;
  Case c = drawn(4, 40, 64, {0.2f, 1.0f}, [&] { return std::rint(pixel() * 255.0f) * reciprocal; });
  CHECK(error_over_bound(c, run(c)) < 0.1);
  CHECK(last_scale.unit == 255.0);
  CHECK((last_scale.has_low[0] == 0 && last_scale.has_low[1] == 0));
  for (const float x : {0.5f, 0.2f + 0x1p-22f, 1e-30f, -1e-30f, 1.0f + 0x1p-20f}) {
    Case other = c;
    query(other, 0, 5) = sample(other, 3, 5) = x;
    CAPTURE(x);
    CHECK(error_over_bound(other, run(other)) < 0.1);
    CHECK(last_scale.has_low[0] == 1);
  }
}

TEST_CASE("one sample, all samples equal, a query upon it") {
  Case c = make_case(2, 5, 3, {0.5f});
  for (float& x : c.queries) x = 4.0f;
  for (float& x : c.samples) x = 4.0f;
  query(c, 1, 0) = 1e6f;
  const std::vector<float> result = run(c);
  const std::vector<double> expected = truth(c);
  CHECK(std::fabs(static_cast<double>(result[0]) - expected[0]) < 1e-6);
  CHECK(std::fabs(static_cast<double>(result[1]) / expected[1] - 1.0) < 1e-6);
}

TEST_CASE("empty calls touch nothing, calls without meaning are refused") {
  Case c = drawn(0, 5, 3, {0.5f}, uniform);
  CHECK(run(c).empty());
  c = drawn(2, 5, 3, {}, uniform);
  CHECK(run(c).empty());
  c = drawn(2, 5, 3, {0.5f}, uniform);
  c.sample_count = 0;
  CHECK_THROWS_AS(run(c), std::invalid_argument);
  c.sample_count = 5;
  c.dimension = 0;
  CHECK_THROWS_AS(run(c), std::invalid_argument);
}

TEST_CASE("every block of a plan has its own work, and all the work is done") {
  using namespace gantool::tiles;
  for (const int64_t query_tiles : {1, 31, 32, 33, 100, 469}) {
    for (const int64_t splits : {1, 2, 7}) {
      std::vector<int> seen(static_cast<std::size_t>(query_tiles * splits));
      for (int64_t block = 0; block < query_tiles * splits; ++block) {
        const ParzenBlock own = parzen_block(block, query_tiles, splits);
        REQUIRE(own.query_tile < query_tiles);
        REQUIRE(own.split < splits);
        ++seen[static_cast<std::size_t>(own.query_tile * splits + own.split)];
      }
      CHECK(std::count(seen.begin(), seen.end(), 1) == query_tiles * splits);
    }
  }
  for (const int64_t sample_tiles : {1, 5, 235}) {
    for (int64_t splits = 1; splits <= sample_tiles; ++splits) {
      CHECK(parzen_split_begin(0, splits, sample_tiles) == 0);
      CHECK(parzen_split_begin(splits, splits, sample_tiles) == sample_tiles);
      for (int64_t split = 0; split < splits; ++split) {
        CHECK(parzen_split_begin(split, splits, sample_tiles) <
              parzen_split_begin(split + 1, splits, sample_tiles));
      }
    }
  }
  // 60,000 queries and samples on 132 multiprocessors: all but 4 % of the time is work.
  const ParzenPlan plan = parzen_plan(60000, 60000, 1, 132, false);
  const int64_t busiest = ceil_divide(plan.query_tiles * plan.splits, 132) *
                          ceil_divide(plan.sample_tiles, plan.splits);
  CHECK(static_cast<double>(plan.query_tiles * plan.sample_tiles) / 132.0 >
        0.96 * static_cast<double>(busiest));
  // Memory beside operands stays small.
  CHECK(gantool::parzen_cuda_workspace_bytes(CudaElement::kFloat32, 60000, 60000, 784, 1, 132) <
        3 * (60000 + 60000) * 784 * 4 / 2);
}
