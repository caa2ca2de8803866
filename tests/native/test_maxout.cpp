// The CPU maxout core against sums in float64, one term after another.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "maxout/maxout.h"

using namespace gantool;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Case {
  MaxoutShape shape;
  std::vector<float> grad_out, x, weight;
  std::vector<uint8_t> winner;
};

Case make_case(const MaxoutShape& shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> piece(0, static_cast<int>(shape.pieces) - 1);
  const auto fill = [&](int64_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = normal(random);
    return values;
  };
  Case made{shape,
            fill(shape.batch * shape.units),
            fill(shape.batch * shape.inputs),
            fill(shape.units * shape.pieces * shape.inputs),
            {}};
  for (int64_t i = 0; i < shape.batch * shape.units; ++i) made.winner.push_back(piece(random));
  return made;
}

std::vector<double> expected_grad_x(const Case& c) {
  const auto [batch, inputs, units, pieces] = c.shape;
  std::vector<double> result(batch * inputs);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t u = 0; u < units; ++u) {
      const int64_t row = u * pieces + c.winner[b * units + u];
      for (int64_t i = 0; i < inputs; ++i) {
        result[b * inputs + i] += double{c.grad_out[b * units + u]} * c.weight[row * inputs + i];
      }
    }
  }
  return result;
}

std::vector<double> expected_grad_weight(const Case& c) {
  const auto [batch, inputs, units, pieces] = c.shape;
  std::vector<double> result(units * pieces * inputs);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t u = 0; u < units; ++u) {
      const int64_t row = u * pieces + c.winner[b * units + u];
      for (int64_t i = 0; i < inputs; ++i) {
        result[row * inputs + i] += double{c.grad_out[b * units + u]} * c.x[b * inputs + i];
      }
    }
  }
  return result;
}

// A float32 sum of n terms of size about 1 is off by at most n ulps of its largest partial sum.
void check_close(const std::vector<float>& actual, const std::vector<double>& expected,
                 int64_t terms) {
  REQUIRE(actual.size() == expected.size());
  const double tolerance = 1e-6 * (10 + static_cast<double>(terms));
  for (size_t i = 0; i < actual.size(); ++i) {
    REQUIRE(std::abs(actual[i] - expected[i]) <= tolerance);
  }
}

const MaxoutShape kShapes[] = {
    {1, 1, 1, 1},      {1, 784, 240, 5}, {5, 7, 3, 2},      {67, 131, 13, 3}, {64, 128, 32, 4},
    {200, 784, 24, 5}, {129, 33, 10, 7}, {3, 1000, 2, 256}, {130, 16, 1, 5},  {2, 15, 17, 1},
    {0, 5, 3, 2},      {4, 0, 3, 2},     {4, 5, 0, 2},
};

const MaxoutVariant kVariants[] = {MaxoutVariant::kPortable, MaxoutVariant::kAvx2,
                                   MaxoutVariant::kAvx512, MaxoutVariant::kAuto};

struct Result {
  std::vector<float> grad_x, grad_weight;
};

Result run(const Case& c, MaxoutVariant variant, const Threads& threads, int64_t padding = 0) {
  const auto [batch, inputs, units, pieces] = c.shape;
  const int64_t stride = inputs + padding;
  std::vector<float> rows(batch * stride, kNaN);
  for (int64_t b = 0; b < batch; ++b) {
    std::copy_n(c.x.begin() + b * inputs, inputs, rows.begin() + b * stride);
  }
  Result result{std::vector<float>(batch * inputs, kNaN),
                std::vector<float>(units * pieces * inputs, kNaN)};
  maxout_backward_cpu(c.shape,
                      {c.grad_out.data(), c.winner.data(), rows.data(), stride, c.weight.data(),
                       result.grad_x.data(), result.grad_weight.data()},
                      variant, threads);
  return result;
}

}  // namespace

TEST_CASE("the backward pass equals float64 sums, in every variant, on strided rows") {
  for (const MaxoutShape& shape : kShapes) {
    const Case c = make_case(shape, 7);
    for (const MaxoutVariant variant : kVariants) {
      if (!maxout_cpu_variant_available(variant)) continue;
      CAPTURE(maxout_cpu_variant_name(variant));
      CAPTURE(shape.inputs);
      const Result result = run(c, variant, std_threads(2), 3);
      check_close(result.grad_x, expected_grad_x(c), shape.units);
      check_close(result.grad_weight, expected_grad_weight(c), shape.batch);
    }
  }
}

TEST_CASE("the number of threads changes no bit") {
  const Case c = make_case({150, 300, 50, 5}, 11);
  const Result alone = run(c, MaxoutVariant::kAuto, serial_threads());
  for (const int threads : {2, 3, 7}) {
    const Result together = run(c, MaxoutVariant::kAuto, std_threads(threads));
    CHECK(alone.grad_x == together.grad_x);
    CHECK(alone.grad_weight == together.grad_weight);
  }
}

TEST_CASE("an unwanted gradient is left alone") {
  const Case c = make_case({5, 20, 3, 2}, 3);
  std::vector<float> grad_x(5 * 20), grad_weight(3 * 2 * 20);
  MaxoutBackward arguments = {c.grad_out.data(), c.winner.data(), nullptr, 20,
                              c.weight.data(),   grad_x.data(),   nullptr};
  maxout_backward_cpu(c.shape, arguments, MaxoutVariant::kAuto, serial_threads());
  check_close(grad_x, expected_grad_x(c), 3);
  arguments = {c.grad_out.data(), c.winner.data(), c.x.data(),        20,
               nullptr,           nullptr,         grad_weight.data()};
  maxout_backward_cpu(c.shape, arguments, MaxoutVariant::kAuto, serial_threads());
  check_close(grad_weight, expected_grad_weight(c), 5);
}

TEST_CASE("a forced variant that is not here is refused") {
  const Case c = make_case({1, 1, 1, 1}, 1);
  for (const MaxoutVariant variant : kVariants) {
    if (maxout_cpu_variant_available(variant)) continue;
    CHECK_THROWS_AS(run(c, variant, serial_threads()), std::invalid_argument);
  }
  CHECK(maxout_cpu_variant_available(maxout_cpu_best_variant()));
}

template <typename Element>
void check_winners(int64_t units, int64_t pieces, MaxoutVariant variant) {
  const MaxoutShape shape{7, 0, units, pieces};
  std::mt19937 random(static_cast<uint32_t>(pieces * 100 + units));
  // Few different values, so that many pieces tie; now and then a NaN. All are exact in bfloat16.
  std::uniform_int_distribution<int> value(-3, 4);
  std::vector<Element> product(7 * units * pieces), out(7 * units);
  for (Element& entry : product) {
    const int drawn = value(random);
    entry = narrow<Element>(drawn == 4 ? kNaN : static_cast<float>(drawn));
  }
  std::vector<uint8_t> winner(7 * units);
  maxout_select_cpu(shape, product.data(), out.data(), winner.data(), variant, std_threads(2));
  for (int64_t i = 0; i < 7 * units; ++i) {
    const auto piece = [&](int64_t p) { return widen(product[i * pieces + p]); };
    int64_t best = 0;
    for (int64_t p = 1; p < pieces && !std::isnan(piece(best)); ++p) {
      if (std::isnan(piece(p)) || piece(p) > piece(best)) best = p;
    }
    REQUIRE(int64_t{winner[i]} == best);
    REQUIRE(
        (widen(out[i]) == piece(best) || (std::isnan(widen(out[i])) && std::isnan(piece(best)))));
  }
}

TEST_CASE("the winner is the largest piece, the lowest of equals, the first NaN") {
  for (const MaxoutVariant variant : kVariants) {
    if (!maxout_cpu_variant_available(variant)) continue;
    for (const int64_t pieces : {1, 2, 3, 4, 5, 6, 256}) {
      for (const int64_t units : {1, 3, 4, 9, 16, 37}) {
        check_winners<float>(units, pieces, variant);
        check_winners<BFloat16>(units, pieces, variant);
      }
    }
  }
}

TEST_CASE("scatter and bias gradient put each value at its winner") {
  const Case c = make_case({70, 0, 9, 5}, 5);
  std::vector<float> scattered(70 * 9 * 5, kNaN), bias(9 * 5, kNaN);
  std::vector<double> expected_bias(9 * 5);
  maxout_scatter_cpu(c.shape, c.grad_out.data(), c.winner.data(), scattered.data(), std_threads(2));
  maxout_bias_gradient_cpu(c.shape, c.grad_out.data(), c.winner.data(), bias.data(),
                           std_threads(2));
  for (int64_t i = 0; i < 70 * 9; ++i) {
    for (int64_t p = 0; p < 5; ++p) {
      REQUIRE(scattered[i * 5 + p] == (p == c.winner[i] ? c.grad_out[i] : 0.0f));
    }
    expected_bias[i % 9 * 5 + c.winner[i]] += c.grad_out[i];
  }
  check_close(bias, expected_bias, 70);
}

TEST_CASE("bfloat16 rounds to nearest even and keeps NaN and infinity") {
  CHECK(narrow<BFloat16>(1.0f).bits == 0x3f80);
  CHECK(narrow<BFloat16>(1.00390625f).bits == 0x3f80);  // halfway between two: to the even one
  CHECK(narrow<BFloat16>(1.01171875f).bits == 0x3f82);
  CHECK(narrow<BFloat16>(std::numeric_limits<float>::infinity()).bits == 0x7f80);
  CHECK(narrow<BFloat16>(std::numeric_limits<float>::max()).bits == 0x7f80);
  CHECK(std::isnan(widen(narrow<BFloat16>(kNaN))));
  CHECK(widen(narrow<BFloat16>(-2.5f)) == -2.5f);
}

TEST_CASE("bfloat16 sums of the bias gradient are float32 inside") {
  // 256 ones and one more: bfloat16 sums would stop at 256.
  const MaxoutShape shape{300, 0, 1, 1};
  const std::vector<BFloat16> ones(300, narrow<BFloat16>(1.0f));
  const std::vector<uint8_t> winner(300, 0);
  BFloat16 sum;
  maxout_bias_gradient_cpu(shape, ones.data(), winner.data(), &sum, serial_threads());
  CHECK(widen(sum) == 300.0f);
}
