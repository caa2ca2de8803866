// Awkward Parzen problems and the float64 truth for them, shared by the Parzen tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "parzen/parzen.h"

namespace parzen_cases {

enum class Values {
  Uniform,  // [0, 1]
  Normal,
  Bytes,        // k / 255
  Sixteenths,   // k / 16, as in the digits
  ByteQueries,  // queries k / 255, samples uniform
  ByteSamples,  // the reverse
  Offset,       // 1000 + normal
  Duplicates,   // every query is a sample, samples repeat
  Constant,     // one point
  Tiny,         // normal times 1e-20: squares underflow float32
  Denormal,
  Huge,        // normal times 1e18: squares overflow float32
  FarQueries,  // queries 1e12 to 1e17 away
  FarSample,   // one sample at 1e18 among ordinary ones
};

struct Shape {
  int64_t queries, samples, dimension;
  std::vector<float> sigmas;
};

// Rows `padding` longer than D, starting `shift` elements into their allocation.
struct Case {
  std::string name;
  Shape shape;
  int64_t padding = 0;
  int64_t shift = 0;
  std::vector<float> query_memory;
  std::vector<float> sample_memory;

  int64_t stride() const { return shape.dimension + padding; }
  float* query(int64_t i) { return query_memory.data() + shift + i * stride(); }
  float* sample(int64_t j) { return sample_memory.data() + shift + j * stride(); }
  gantool::ParzenArguments arguments(std::vector<float>& result) {
    result.assign(shape.sigmas.size() * static_cast<size_t>(shape.queries), -1.0F);
    return {query(0),        shape.queries,       stride(),
            sample(0),       shape.samples,       stride(),
            shape.dimension, shape.sigmas.data(), static_cast<int64_t>(shape.sigmas.size()),
            result.data()};
  }
};

inline float draw(Values values, bool is_query, int64_t row, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(0, 1);
  std::uniform_int_distribution<int> byte(0, 255);
  std::uniform_int_distribution<int> sixteenth(0, 16);
  switch (values) {
    case Values::Uniform:
    case Values::Duplicates:
      return uniform(random);
    case Values::Normal:
      return normal(random);
    case Values::Bytes:
      return static_cast<float>(byte(random)) / 255;
    case Values::Sixteenths:
      return static_cast<float>(sixteenth(random)) / 16;
    case Values::ByteQueries:
      return is_query ? static_cast<float>(byte(random)) / 255 : uniform(random);
    case Values::ByteSamples:
      return is_query ? uniform(random) : static_cast<float>(byte(random)) / 255;
    case Values::Offset:
      return 1000 + normal(random);
    case Values::Constant:
      return 0.3F;
    case Values::Tiny:
      return 1e-20F * normal(random);
    case Values::Denormal:
      return 1e-40F * normal(random);
    case Values::Huge:
      return 1e18F * normal(random);
    case Values::FarQueries:
      return normal(random) + (is_query ? (row % 2 == 0 ? 1e12F : 1e17F) : 0);
    case Values::FarSample:
      return normal(random) + (!is_query && row == 0 ? 1e18F : 0);
  }
  return 0;
}

inline Case make_case(std::string name, Values values, Shape shape, int64_t padding = 0,
                      int64_t shift = 0, uint32_t seed = 1) {
  Case made{std::move(name), std::move(shape), padding, shift, {}, {}};
  std::mt19937 random(seed);
  // What lies between the rows must not be read: NaN would show.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  made.query_memory.assign(static_cast<size_t>(shift + made.shape.queries * made.stride()), nan);
  made.sample_memory.assign(static_cast<size_t>(shift + made.shape.samples * made.stride()), nan);
  const int64_t dimension = made.shape.dimension;
  for (int64_t j = 0; j < made.shape.samples; ++j) {
    for (int64_t d = 0; d < dimension; ++d) made.sample(j)[d] = draw(values, false, j, random);
    if (values == Values::Duplicates && j > 0 && j % 2 == 0) {
      std::copy_n(made.sample(j - 1), dimension, made.sample(j));
    }
  }
  for (int64_t i = 0; i < made.shape.queries; ++i) {
    for (int64_t d = 0; d < dimension; ++d) made.query(i)[d] = draw(values, true, i, random);
    if (values == Values::Duplicates) {
      std::copy_n(made.sample(i % made.shape.samples), dimension, made.query(i));
    }
  }
  return made;
}

inline double squared_distance(const float* a, const float* b, int64_t dimension) {
  double sum = 0;
  for (int64_t d = 0; d < dimension; ++d) {
    const double difference = static_cast<double>(a[d]) - static_cast<double>(b[d]);
    sum += difference * difference;
  }
  return sum;
}

// [sigma][query], by the definition, in two passes: largest exponent, then the sum. Saturated at
// float's lowest, as the operator promises.
inline std::vector<double> brute_force(Case& c) {
  const double log_two_pi = std::log(2 * std::acos(-1.0));
  std::vector<double> truth;
  std::vector<double> distance(static_cast<size_t>(c.shape.samples));
  truth.resize(c.shape.sigmas.size() * static_cast<size_t>(c.shape.queries));
  for (int64_t i = 0; i < c.shape.queries; ++i) {
    for (int64_t j = 0; j < c.shape.samples; ++j) {
      distance[j] = squared_distance(c.query(i), c.sample(j), c.shape.dimension);
    }
    const double nearest = *std::min_element(distance.begin(), distance.end());
    for (size_t s = 0; s < c.shape.sigmas.size(); ++s) {
      const double sigma = c.shape.sigmas[s];
      double sum = 0;
      for (const double d2 : distance) sum += std::exp((nearest - d2) / (2 * sigma * sigma));
      const double value =
          std::log(sum) - nearest / (2 * sigma * sigma) -
          std::log(static_cast<double>(c.shape.samples)) -
          0.5 * static_cast<double>(c.shape.dimension) * (log_two_pi + 2 * std::log(sigma));
      truth[s * c.shape.queries + i] =
          std::max(value, static_cast<double>(std::numeric_limits<float>::lowest()));
    }
  }
  return truth;
}

// What rounding may cost a query's smallest squared distances: the expansion's terms are of the
// size of |q - c|^2 + |x - c|^2, c a centre of the samples, and each is kept to `relative` of it.
inline double distance_error(Case& c, int64_t query, double relative) {
  const int64_t dimension = c.shape.dimension;
  std::vector<float> centre(static_cast<size_t>(dimension));
  for (int64_t d = 0; d < dimension; ++d) {
    double sum = 0;
    for (int64_t j = 0; j < c.shape.samples; ++j) sum += c.sample(j)[d];
    centre[d] = static_cast<float>(sum / static_cast<double>(c.shape.samples));
  }
  double largest = 0;
  for (int64_t j = 0; j < c.shape.samples; ++j) {
    largest = std::max(largest, squared_distance(c.sample(j), centre.data(), dimension));
  }
  return relative * (largest + squared_distance(c.query(query), centre.data(), dimension));
}

inline std::vector<Case> all_cases() {
  const std::vector<float> grid = {0.2F, 1.0F, 0.1F, 0.464F};  // not sorted
  const std::vector<float> extreme = {1e-3F, 1e3F, 1.0F};
  std::vector<Case> cases;
  const auto add = [&](const char* name, Values values, Shape shape, int64_t padding = 0,
                       int64_t shift = 0) {
    cases.push_back(make_case(name, values, std::move(shape), padding, shift,
                              static_cast<uint32_t>(cases.size() + 1)));
  };
  add("one of each", Values::Uniform, {1, 1, 1, {0.5F}});
  add("primes", Values::Uniform, {17, 13, 7, grid});
  add("more primes, strided, unaligned", Values::Normal, {37, 101, 67, grid}, 3, 1);
  add("one query", Values::Uniform, {1, 1009, 5, grid});
  add("one sample", Values::Uniform, {71, 1, 131, grid});
  add("one dimension", Values::Normal, {67, 257, 1, extreme});
  add("a whole tile each", Values::Normal, {32, 96, 64, {0.7F}});
  add("images", Values::Uniform, {33, 97, 784, grid});
  add("bytes", Values::Bytes, {35, 91, 131, grid}, 1, 3);
  add("byte images", Values::Bytes, {33, 35, 784, extreme});
  add("sixteenths", Values::Sixteenths, {29, 83, 64, grid});
  add("byte queries", Values::ByteQueries, {33, 65, 129, grid});
  add("byte samples", Values::ByteSamples, {33, 65, 129, grid});
  add("offset", Values::Offset, {19, 61, 33, grid}, 5, 2);
  add("duplicates", Values::Duplicates, {23, 47, 19, extreme});
  add("constant", Values::Constant, {5, 40, 3, extreme});
  add("tiny", Values::Tiny, {9, 35, 17, {1e-3F, 1.0F}});
  add("denormal", Values::Denormal, {9, 35, 17, {1e-3F, 1.0F}});
  add("huge", Values::Huge, {9, 35, 17, {0.2F, 1e3F}});
  add("far queries", Values::FarQueries, {6, 35, 17, {0.2F, 1e3F}});
  add("far sample", Values::FarSample, {9, 35, 17, grid});
  add("sigmas beyond float32's squares", Values::Normal, {5, 7, 3, {1e-25F, 1e20F, 1.0F}});
  return cases;
}

}  // namespace parzen_cases
