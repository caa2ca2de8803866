// The CUDA Parzen kernels, run through the host model: data whose coordinates lie far from each
// other keep the accuracy bound, in whatever order the samples come.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "cuda_parzen_cases.h"

using namespace parzen_cases;

namespace {

void swap_samples(Case& c, int64_t one, int64_t other) {
  for (int64_t d = 0; d < c.dimension; ++d) std::swap(sample(c, one, d), sample(c, other, d));
}

void set_sample(Case& c, int64_t row, float value) {
  for (int64_t d = 0; d < c.dimension; ++d) sample(c, row, d) = value;
}

}  // namespace

TEST_CASE("one far sample, two samples in all") {
  Case c = make_case(1, 2, 1, {0.1f});
  query(c, 0, 0) = 0.3f;
  sample(c, 0, 0) = 0.2f;
  sample(c, 1, 0) = 1e4f;
  for (int order = 0; order < 2; ++order) {
    const std::vector<float> result = run(c);
    CHECK(std::fabs(static_cast<double>(result[0]) - 0.1905) < 1e-4);
    swap_samples(c, 0, 1);
  }
}

TEST_CASE("one far sample among many, first and last") {
  for (const float far : {1e3f, 1e4f, 1e6f, 1e30f}) {
    for (const int64_t place : {0, 99}) {
      Case c = drawn(4, 100, 784, {0.2f}, uniform);
      set_sample(c, place, far);
      CAPTURE(far);
      CAPTURE(place);
      CHECK(error_over_bound(c, run(c)) < 1.0);
    }
  }
}

TEST_CASE("two clusters, and rows spread over thousands of bandwidths") {
  Case c = drawn(30, 300, 3, {0.2f, 1.0f, 10.0f}, normal);
  for (int64_t d = 0; d < 3; ++d) {
    for (int64_t i = 0; i < 15; ++i) query(c, i, d) += 1000.0f;
    for (int64_t j = 0; j < 150; ++j) sample(c, j, d) += 1000.0f;
  }
  CHECK(error_over_bound(c, run(c)) < 1.0);
  CHECK(last_scale.listed == 30);
  Case wide = drawn(40, 500, 2, {1.0f}, [] { return 1e4f * uniform(); });
  CHECK(error_over_bound(wide, run(wide)) < 1.0);
}

TEST_CASE("any offset, scale, far rows and order") {
  for (int round = 0; round < 40; ++round) {
    const auto pick = [](int count) {
      return std::uniform_int_distribution<int>(0, count - 1)(random_bits());
    };
    const float scale = std::pow(10.0f, static_cast<float>(pick(9)) - 4.0f);
    const float offset = pick(2) == 0 ? 0.0f : scale * std::pow(10.0f, static_cast<float>(pick(5)));
    Case c = drawn(5, 70, 1 + pick(40), {0.05f * scale, 0.5f * scale, 20.0f * scale},
                   [&] { return offset + scale * normal(); });
    c.multiprocessors = 1 + pick(40);
    for (int far = pick(4); far > 0; --far) {
      set_sample(c, pick(70), scale * std::pow(10.0f, static_cast<float>(pick(8))));
    }
    CAPTURE(round);
    CHECK(error_over_bound(c, run(c)) < 1.0);
    const int64_t one = pick(70), other = pick(70);
    swap_samples(c, one, other);
    CHECK(error_over_bound(c, run(c)) < 1.0);
  }
}

TEST_CASE("ordinary data need no second pass, and a pass takes only the rows that do") {
  for (const auto& draw : std::vector<std::function<float()>>{uniform, stroke, pixel}) {
    Case c = drawn(6, 40, 784, kTen, draw);
    CHECK(error_over_bound(c, run(c)) < 1.0);
    CHECK(last_scale.listed == 0);
  }
  Case c = drawn(3, 20, 3072, {0.2f}, uniform);
  run(c);
  CHECK(last_scale.listed == 0);
  c = drawn(200, 300, 5, {0.2f, 1.0f}, uniform);
  for (const int64_t row : {7, 130, 199}) {
    for (int64_t d = 0; d < 5; ++d) query(c, row, d) += 300.0f;
  }
  CHECK(error_over_bound(c, run(c)) < 1.0);
  CHECK(last_scale.listed == 3);
}
