// The online accumulator and the vectorised exponential behind the Parzen sums.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "parzen/log_sum_exp.h"
#include "simd/exp2.h"
#include "simd/vector_portable.h"

using gantool::LogSumExp;
using gantool::PortableVector;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double two_pass(const std::vector<double>& distances, double rate) {
  const double nearest = *std::min_element(distances.begin(), distances.end());
  double sum = 0;
  for (const double d2 : distances) sum += std::exp((nearest - d2) * rate);
  return std::log(sum) - nearest * rate;
}

float exp2_one(float x) {
  float lanes[PortableVector::kWidth];
  PortableVector::store(lanes, gantool::exp2_nonpositive<PortableVector>(PortableVector::set(x)));
  return lanes[0];
}

}  // namespace

TEST_CASE("one pass equals two, in any order and in any parts") {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> uniform(0, 3000);  // exp(-3000) underflows on its own
  for (const double rate : {1e-6, 0.5, 12.5, 5e5}) {
    std::vector<double> distances(257);
    for (double& d2 : distances) d2 = uniform(random);
    const double expected = two_pass(distances, rate);
    std::sort(distances.rbegin(), distances.rend());  // worst order: the minimum falls each time
    for (const size_t cut : {size_t{0}, size_t{1}, size_t{100}, distances.size()}) {
      LogSumExp<double> left;
      LogSumExp<double> right;
      for (size_t i = 0; i < distances.size(); ++i) {
        (i < cut ? left : right).add(distances[i], rate);
      }
      LogSumExp<double> swapped = right;
      swapped.merge(left, rate);
      left.merge(right, rate);
      CHECK(left.value(rate) == doctest::Approx(expected).epsilon(1e-13));
      CHECK(swapped.value(rate) == doctest::Approx(expected).epsilon(1e-13));
    }
  }
}

TEST_CASE("nothing, infinitely far terms and NaN") {
  LogSumExp<double> state;
  CHECK(state.value(1.0) == -kInfinity);
  state.add(kInfinity, 1.0);
  CHECK(state.value(1.0) == -kInfinity);
  state.merge(LogSumExp<double>{}, 1.0);
  CHECK(state.value(1.0) == -kInfinity);
  state.add(1e300, 1.0);
  CHECK(state.value(1.0) == -1e300);
  state.add(2.0, 1.0);
  state.add(2.0, 1.0);
  CHECK(state.value(1.0) == doctest::Approx(std::log(2.0) - 2.0).epsilon(1e-15));

  LogSumExp<double> broken;
  broken.add(std::numeric_limits<double>::quiet_NaN(), 1.0);
  CHECK(std::isnan(broken.value(1.0)));
  state.merge(broken, 1.0);
  CHECK(std::isnan(state.value(1.0)));
  broken.add(1.0, 1.0);
  CHECK(std::isnan(broken.value(1.0)));
}

TEST_CASE("2^x is within 1.8e-7 relative on [-126, 0], and 2^0 is 1") {
  CHECK(exp2_one(0.0F) == 1.0F);
  CHECK(exp2_one(-0.0F) == 1.0F);
  constexpr uint32_t kNegativeZero = 0x80000000U;
  constexpr uint32_t kFloor = 0xc2fc0000U;  // -126
  double worst = 0;
  for (uint32_t bits = kNegativeZero; bits <= kFloor; bits += 1009) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    const double truth = std::exp2(static_cast<double>(x));
    worst = std::max(worst, std::fabs(exp2_one(x) - truth) / truth);
  }
  CHECK(worst < 1.8e-7);
  CHECK(worst > 1e-8);  // it was measured
}

TEST_CASE("2^x below float's exponents vanishes beside 1") {
  for (const float x : {-126.5F, -1000.0F, -3.0e38F, -std::numeric_limits<float>::infinity()}) {
    CHECK(exp2_one(x) >= 0.0F);
    CHECK(exp2_one(x) <= std::ldexp(1.0F, -126));
  }
}
