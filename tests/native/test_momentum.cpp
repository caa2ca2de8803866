// The momentum update against the equation in float64, one element after another.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "momentum/momentum.h"

using namespace gantool;

namespace {

constexpr float kNone = std::numeric_limits<float>::infinity();
constexpr double kHalfUlp = 6e-8;  // of a float32 near 1

std::vector<float> normal(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> values;
  std::vector<float> made(count);
  for (float& value : made) value = values(random);
  return made;
}

struct Outcome {
  std::vector<float> parameter, velocity;
  std::vector<BFloat16> copy;
};

template <typename Gradient>
Outcome run(int64_t rows, int64_t columns, const std::vector<Gradient>& gradient, float bound,
            int threads) {
  const int64_t count = rows * columns;
  Outcome made{normal(count, 1), normal(count, 2), std::vector<BFloat16>(count)};
  momentum_step_cpu<Gradient>({made.parameter.data(), made.velocity.data(), gradient.data(),
                               made.copy.data(), rows, columns, 0.25f, 0.5f, bound},
                              std_threads(threads));
  return made;
}

void check(int64_t rows, int64_t columns, const std::vector<float>& gradient, float bound,
           const Outcome& made) {
  const std::vector<float> parameter = normal(rows * columns, 1),
                           velocity = normal(rows * columns, 2);
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<double> moved(columns);
    double squares = 0;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t i = row * columns + c;
      const double v = 0.5 * velocity[i] - 0.25 * static_cast<double>(gradient[i]);
      CHECK(std::abs(made.velocity[i] - v) <= 2 * kHalfUlp * (1 + std::abs(v)));
      moved[c] = parameter[i] + v;
      squares += moved[c] * moved[c];
    }
    const double scale = std::sqrt(squares) > bound ? bound / std::sqrt(squares) : 1.0;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t i = row * columns + c;
      CHECK(std::abs(made.parameter[i] - scale * moved[c]) <=
            8 * kHalfUlp * (1 + std::abs(moved[c])));
      CHECK(made.copy[i].bits == narrow<BFloat16>(made.parameter[i]).bits);
    }
  }
}

}  // namespace

TEST_CASE("every element is the equation's, with and without a bound") {
  for (const auto& [rows, columns] :
       {std::pair<int64_t, int64_t>{1, 1}, {3, 7}, {17, 101}, {1, 1200}}) {
    const std::vector<float> gradient = normal(rows * columns, 3);
    for (const float bound : {kNone, 1.0f}) {
      check(rows, columns, gradient, bound, run<float>(rows, columns, gradient, bound, 1));
    }
  }
}

TEST_CASE("a bfloat16 gradient counts as its value") {
  const std::vector<float> exact = normal(5 * 33, 3);
  std::vector<BFloat16> gradient;
  std::vector<float> rounded;
  for (const float value : exact) {
    gradient.push_back(narrow<BFloat16>(value));
    rounded.push_back(widen(gradient.back()));
  }
  check(5, 33, rounded, 2.0f, run<BFloat16>(5, 33, gradient, 2.0f, 1));
}

TEST_CASE("threads change nothing") {
  const std::vector<float> gradient = normal(4000 * 40, 3);
  const Outcome one = run<float>(4000, 40, gradient, 1.0f, 1),
                four = run<float>(4000, 40, gradient, 1.0f, 4);
  CHECK(one.parameter == four.parameter);
  CHECK(one.velocity == four.velocity);
}

TEST_CASE("no rows, no columns, and no copy are no trouble") {
  run<float>(0, 5, {}, 1.0f, 2);
  run<float>(5, 0, {}, 1.0f, 2);
  float parameter = 1.0f, velocity = 0.0f;
  const float gradient = 2.0f;
  momentum_step_cpu<float>({&parameter, &velocity, &gradient, nullptr, 1, 1, 0.5f, 0.9f, kNone},
                           serial_threads());
  CHECK(parameter == 0.0f);
  CHECK(velocity == -1.0f);
}
