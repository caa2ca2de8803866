// The CUDA momentum update, run through the host model, against the equation in float64.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "momentum/cuda/momentum.cu"
#include "momentum/momentum.h"

namespace {

using gantool::BFloat16Bits;
using gantool::CudaElement;

constexpr float kNone = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr double kUnit = 0x1p-24;        // half the spacing of float32 just above 1
constexpr double kLeast = 0x1p-149;      // the spacing near 0
constexpr double kRates[] = {0.1, 0.9};  // not float32 numbers
constexpr int kGuard = 16;               // elements on either side of an array

template <class Gradient>
struct Kind;
template <>
struct Kind<float> {
  static constexpr CudaElement kElement = CudaElement::kFloat32;
  using Cpu = float;
};
template <>
struct Kind<BFloat16Bits> {
  static constexpr CudaElement kElement = CudaElement::kBFloat16;
  using Cpu = gantool::BFloat16;
};

// Vectors begin at a multiple of 16 bytes; the data, a chosen number of elements past one.
template <class Element>
struct Array {
  std::vector<Element> storage;
  int64_t begin;
  Array(int64_t count, int64_t offset)
      : storage(static_cast<std::size_t>(count + offset + 2 * kGuard)), begin(kGuard + offset) {
    REQUIRE(reinterpret_cast<std::uintptr_t>(storage.data()) % 16 == 0);
  }
  Element* data() { return storage.data() + begin; }
  double at(int64_t i) const {
    return gantool::to_float(storage[static_cast<std::size_t>(begin + i)]);
  }
};

struct Layout {
  int64_t rows, columns;
  int64_t offset = 0;           // of every array
  int64_t gradient_offset = 0;  // more of the gradient
  int64_t copy_offset = 0;      // more of the copy
};

template <class Gradient>
struct Update {
  Layout layout;
  Array<float> parameter, velocity;
  Array<Gradient> gradient;
  Array<BFloat16Bits> copy;

  explicit Update(const Layout& at, double scale = 1.0)
      : layout(at),
        parameter(count(), at.offset),
        velocity(count(), at.offset),
        gradient(count(), at.offset + at.gradient_offset),
        copy(count(), at.offset + at.copy_offset) {
    std::mt19937 random(7);
    std::normal_distribution<double> normal;
    const auto fill = [&](auto& array) {
      for (int64_t i = 0; i < count(); ++i) {
        gantool::from_float(static_cast<float>(scale * normal(random)), array.data()[i]);
      }
    };
    fill(parameter);
    fill(velocity);
    fill(gradient);
  }

  int64_t count() const { return layout.rows * layout.columns; }

  gantool::MomentumCudaStep step(float bound, bool with_copy) {
    return {parameter.data(),
            velocity.data(),
            gradient.data(),
            Kind<Gradient>::kElement,
            with_copy ? copy.data() : nullptr,
            kRates,
            layout.rows,
            layout.columns,
            bound};
  }

  void run(float bound, bool with_copy = true, int multiprocessors = 1) {
    gantool::momentum_step_cuda(step(bound, with_copy), nullptr, multiprocessors);
  }
};

// Elements of one row that are further from the equation than roundings take them: a rate, a
// product or a sum each by half a unit of its size.
template <class Gradient>
int64_t row_failures(const Update<Gradient>& before, const Update<Gradient>& after, int64_t row,
                     double bound) {
  const int64_t columns = before.layout.columns;
  std::vector<double> moved, slack;
  double squares = 0.0, slack_squares = 0.0;
  int64_t failures = 0;
  for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
    const double kept = kRates[1] * before.velocity.at(i), pull = kRates[0] * before.gradient.at(i);
    const double size = std::fabs(kept) + std::fabs(pull);
    failures +=
        std::fabs(after.velocity.at(i) - (kept - pull)) <= 3 * kUnit * size + kLeast ? 0 : 1;
    moved.push_back(before.parameter.at(i) + kept - pull);
    slack.push_back(4 * kUnit * (size + std::fabs(before.parameter.at(i))) + 2 * kLeast);
    squares += moved.back() * moved.back();
    slack_squares += slack.back() * slack.back();
  }
  const double norm = std::sqrt(squares), scale = norm > bound ? bound / norm : 1.0;
  const double norm_slack = norm > 0.0 ? std::sqrt(slack_squares) / norm : 0.0;
  for (int64_t c = 0; c < columns; ++c) {
    const auto j = static_cast<std::size_t>(c);
    const double expected = scale * moved[j];
    const double allowed =
        scale * slack[j] + std::fabs(expected) * (norm_slack + 3 * kUnit) + kLeast;
    const double actual = after.parameter.at(row * columns + c);
    failures += std::fabs(actual - expected) <= allowed ? 0 : 1;
  }
  return failures;
}

// The copy is the parameter to nearest even, or was never touched; and so were all the guards.
template <class Gradient>
int64_t copy_failures(const Update<Gradient>& after, bool with_copy) {
  int64_t failures = 0;
  for (int64_t i = 0; i < after.count(); ++i) {
    const float value = static_cast<float>(after.parameter.at(i));
    const double rounded = gantool::widen(gantool::narrow<gantool::BFloat16>(value));
    const double expected = with_copy ? rounded : 0.0;
    const double actual = after.copy.at(i);
    failures += actual == expected || (std::isnan(actual) && std::isnan(expected)) ? 0 : 1;
  }
  const auto guard = [&](const auto& array) {
    for (int64_t i = 1; i <= kGuard; ++i) {
      failures += array.at(-i) == 0.0 && array.at(after.count() + i - 1) == 0.0 ? 0 : 1;
    }
  };
  guard(after.parameter);
  guard(after.velocity);
  guard(after.copy);
  return failures;
}

template <class Gradient>
int64_t failures(const Layout& layout, float bound, bool with_copy, double scale = 1.0) {
  const Update<Gradient> before(layout, scale);
  Update<Gradient> after(layout, scale);
  after.run(bound, with_copy);
  int64_t found = copy_failures(after, with_copy);
  for (int64_t row = 0; row < layout.rows; ++row) found += row_failures(before, after, row, bound);
  return found;
}

const std::vector<Layout> kLayouts = {
    {1, 1},            // the least
    {3, 7},            // primes
    {5, 4},            // a vector a row
    {17, 101},         // rows that begin anywhere
    {3, 300},          // rows of two warps, the second nearly idle
    {2, 2053},         // a row longer than a block, by elements
    {2, 2304},         // by vectors
    {70, 12},          // more rows than blocks
    {1, 33001},        // more vectors than threads, and a tail
    {3, 304, 1},       // nothing aligned
    {3, 304, 0, 1},    // but the gradient
    {3, 304, 0, 0, 1}  // but the copy
};

}  // namespace

TEST_CASE_TEMPLATE("every element is the equation's", Gradient, float, BFloat16Bits) {
  for (const Layout& layout : kLayouts) {
    CAPTURE(layout.rows);
    CAPTURE(layout.columns);
    CAPTURE(layout.offset);
    for (const float bound : {kNone, 1e6f, 0.9f}) {
      CAPTURE(bound);
      CHECK(failures<Gradient>(layout, bound, true) == 0);
      CHECK(failures<Gradient>(layout, bound, false) == 0);
    }
  }
}

TEST_CASE_TEMPLATE("no norm leaves the range of its sum", Gradient, float, BFloat16Bits) {
  for (const double scale : {1e-42, 1e-30, 1e25, 1e36}) {
    CAPTURE(scale);
    const Layout layout = {3, 304};
    CHECK(failures<Gradient>(layout, static_cast<float>(3 * scale), true, scale) == 0);
    CHECK(failures<Gradient>(layout, static_cast<float>(300 * scale), true, scale) == 0);
  }
}

TEST_CASE_TEMPLATE("neither alignment nor the number of blocks changes a bit", Gradient, float,
                   BFloat16Bits) {
  for (const Layout& layout : {Layout{70, 12}, {1, 40000}}) {
    Update<Gradient> one(layout), many(layout), moved({layout.rows, layout.columns, 1});
    one.run(kNone);
    many.run(kNone, true, 7);
    moved.run(kNone);
    CHECK(one.parameter.storage == many.parameter.storage);
    CHECK(one.velocity.storage == many.velocity.storage);
    for (int64_t i = 0; i < one.count(); ++i) {
      REQUIRE(one.parameter.at(i) == moved.parameter.at(i));
    }
    Update<Gradient> few(layout), all(layout);
    few.run(2.0f);
    all.run(2.0f, true, 7);
    CHECK(few.parameter.storage == all.parameter.storage);
    CHECK(few.parameter.storage != one.parameter.storage);
  }
}

TEST_CASE("a row within the bound is not scaled") {
  Update<float> free({9, 40}), bounded({9, 40});
  free.run(kNone);
  bounded.run(1e3f);
  CHECK(free.parameter.storage == bounded.parameter.storage);
}

TEST_CASE_TEMPLATE("NaN and infinity stay in their rows, as on the CPU", Gradient, float,
                   BFloat16Bits) {
  for (const float bound : {kNone, 0.5f}) {
    Update<Gradient> update({6, 40}), cpu({6, 40});
    for (auto* one : {&update, &cpu}) {
      one->parameter.data()[1 * 40 + 3] = kNaN;
      one->velocity.data()[2 * 40 + 39] = kNone;
      gantool::from_float(kNaN, one->gradient.data()[4 * 40]);
    }
    update.run(bound);
    using Cpu = typename Kind<Gradient>::Cpu;
    gantool::momentum_step_cpu<Cpu>(
        {cpu.parameter.data(), cpu.velocity.data(),
         reinterpret_cast<const Cpu*>(cpu.gradient.data()),
         reinterpret_cast<gantool::BFloat16*>(cpu.copy.data()), 6, 40,
         static_cast<float>(kRates[0]), static_cast<float>(kRates[1]), bound},
        gantool::serial_threads());
    int64_t nan_count = 0;
    for (int64_t i = 0; i < update.count(); ++i) {
      const double mine = update.parameter.at(i), theirs = cpu.parameter.at(i);
      CHECK(std::isnan(mine) == std::isnan(theirs));
      nan_count += std::isnan(mine) ? 1 : 0;
      if (std::isfinite(theirs)) CHECK(std::fabs(mine - theirs) <= 16 * kUnit);
      if (std::isinf(theirs)) CHECK(mine == theirs);
    }
    CHECK(nan_count == (bound == kNone ? 2 : 3));  // infinity times 0 is the third
    CHECK(copy_failures(update, true) == 0);
  }
}

TEST_CASE("no rows and no columns are in order, and do nothing") {
  for (const Layout& layout : {Layout{0, 5}, {5, 0}, {0, 0}}) {
    for (const float bound : {kNone, 1.0f}) {
      Update<float> update(layout);
      update.run(bound);
      CHECK(copy_failures(update, false) == 0);
    }
  }
}

TEST_CASE("what it does not have is refused") {
  Update<float> update({2, 2});
  const auto refused = [&](auto change, int multiprocessors) {
    gantool::MomentumCudaStep step = update.step(kNone, true);
    change(step);
    CHECK_THROWS_AS(gantool::momentum_step_cuda(step, nullptr, multiprocessors),
                    std::invalid_argument);
  };
  refused([](auto& step) { step.gradient_element = CudaElement::kFloat64; }, 1);
  refused([](auto& step) { step.gradient_element = CudaElement::kFloat16; }, 1);
  refused([](auto& step) { step.rows = -1; }, 1);
  refused([](auto& step) { step.columns = -1; }, 1);
  refused([](auto&) {}, 0);
}
