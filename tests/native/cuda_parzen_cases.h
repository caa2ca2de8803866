// Cases for the CUDA Parzen kernels: data, the call through the host model, and brute force in
// float64.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "parzen/cuda/parzen.cu"

namespace parzen_cases {

using gantool::CudaElement;

struct Case {
  std::vector<float> queries, samples;
  std::vector<float> sigmas;
  int64_t query_count, sample_count, dimension;
  int64_t query_stride, sample_stride;
  int multiprocessors = 4;
};

inline Case make_case(int64_t queries, int64_t samples, int64_t dimension,
                      std::vector<float> sigmas, int64_t padding = 0) {
  Case made;
  made.query_count = queries;
  made.sample_count = samples;
  made.dimension = dimension;
  made.query_stride = dimension + padding;
  made.sample_stride = dimension + 2 * padding;
  made.sigmas = std::move(sigmas);
  const float poison = 1e30f;  // between the rows; nobody may read it
  made.queries.assign(static_cast<std::size_t>(queries * made.query_stride), poison);
  made.samples.assign(static_cast<std::size_t>(samples * made.sample_stride), poison);
  return made;
}

inline float& query(Case& c, int64_t row, int64_t column) {
  return c.queries[static_cast<std::size_t>(row * c.query_stride + column)];
}
inline float& sample(Case& c, int64_t row, int64_t column) {
  return c.samples[static_cast<std::size_t>(row * c.sample_stride + column)];
}

template <class Draw>
Case drawn(int64_t queries, int64_t samples, int64_t dimension, std::vector<float> sigmas,
           Draw draw, int64_t padding = 0) {
  Case made = make_case(queries, samples, dimension, std::move(sigmas), padding);
  for (int64_t row = 0; row < queries; ++row) {
    for (int64_t column = 0; column < dimension; ++column) query(made, row, column) = draw();
  }
  for (int64_t row = 0; row < samples; ++row) {
    for (int64_t column = 0; column < dimension; ++column) sample(made, row, column) = draw();
  }
  return made;
}

inline std::mt19937& random_bits() {
  static std::mt19937 bits(7);
  return bits;
}

inline float uniform() { return std::uniform_real_distribution<float>(0.0f, 1.0f)(random_bits()); }
inline float normal() { return std::normal_distribution<float>()(random_bits()); }
inline float pixel() {
  return static_cast<float>(std::uniform_int_distribution<int>(0, 255)(random_bits())) / 255.0f;
}

inline std::vector<double> truth(Case& c) {
  std::vector<double> all;
  for (const float sigma32 : c.sigmas) {
    const auto sigma = static_cast<double>(sigma32);
    for (int64_t i = 0; i < c.query_count; ++i) {
      std::vector<double> exponents;
      for (int64_t j = 0; j < c.sample_count; ++j) {
        double d2 = 0.0;
        for (int64_t d = 0; d < c.dimension; ++d) {
          const double difference =
              static_cast<double>(query(c, i, d)) - static_cast<double>(sample(c, j, d));
          d2 += difference * difference;
        }
        exponents.push_back(-d2 / (2.0 * sigma * sigma));
      }
      const double most = *std::max_element(exponents.begin(), exponents.end());
      double sum = 0.0;
      for (const double e : exponents) sum += std::isinf(most) ? 0.0 : std::exp(e - most);
      const double volume = 2.0 * 3.14159265358979323846 * sigma * sigma;
      all.push_back(std::log(sum / static_cast<double>(c.sample_count)) + most -
                    static_cast<double>(c.dimension) / 2.0 * std::log(volume));
    }
  }
  return all;
}

// What the last call's statistics found, left behind in its workspace.
inline gantool::ParzenScale last_scale = {};

template <class Real>
std::vector<Real> run(CudaElement element, const Case& c, const void* queries,
                      const void* samples) {
  std::vector<Real> result(c.sigmas.size() * static_cast<std::size_t>(c.query_count), Real(-77));
  const std::vector<Real> sigmas(c.sigmas.begin(), c.sigmas.end());
  const auto sigma_count = static_cast<int64_t>(c.sigmas.size());
  const int64_t bytes = gantool::parzen_cuda_workspace_bytes(
      element, c.query_count, c.sample_count, c.dimension, sigma_count, c.multiprocessors);
  struct alignas(256) Line {
    unsigned char bytes[256];
  };
  std::vector<Line> workspace(static_cast<std::size_t>(bytes / 256));
  REQUIRE(bytes % 256 == 0);
  for (Line& line : workspace) std::fill(line.bytes, line.bytes + 256, 0xff);  // NaN throughout
  gantool::ParzenCudaArguments arguments = {};
  arguments.element = element;
  arguments.queries = queries;
  arguments.query_count = c.query_count;
  arguments.query_stride = c.query_stride;
  arguments.samples = samples;
  arguments.sample_count = c.sample_count;
  arguments.sample_stride = c.sample_stride;
  arguments.dimension = c.dimension;
  arguments.sigmas = sigmas.data();
  arguments.sigma_count = sigma_count;
  arguments.log_density = result.data();
  gantool::parzen_log_density_cuda(arguments, workspace.data(), nullptr, c.multiprocessors);
  if (bytes > 0) std::memcpy(&last_scale, workspace.data(), sizeof last_scale);
  return result;
}

inline std::vector<float> run(const Case& c) {
  return run<float>(CudaElement::kFloat32, c, c.queries.data(), c.samples.data());
}

// The least error that the output's own type allows, in units of which bounds are given.
inline double spacing(double value) { return std::fabs(value) * 0x1p-24; }

// Largest error beyond the spacing of float32, over the design's bound 2e-3 (0.2 / sigma)^2.
inline double error_over_bound(Case& c, const std::vector<float>& result) {
  const std::vector<double> expected = truth(c);
  double worst = 0.0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const double sigma = static_cast<double>(c.sigmas[k / static_cast<std::size_t>(c.query_count)]);
    const double error = std::fabs(static_cast<double>(result[k]) - expected[k]);
    const double over = (error - spacing(expected[k])) / (2e-3 * 0.04 / (sigma * sigma));
    worst = std::isnan(over) ? std::numeric_limits<double>::infinity() : std::max(worst, over);
  }
  return worst;
}

inline const std::vector<float> kTen = {0.1f,    0.1291f, 0.1668f, 0.2154f, 0.2783f,
                                        0.3594f, 0.4642f, 0.5995f, 0.7743f, 1.0f};

// Sparse strokes on black, as in MNIST: about a fifth of the pixels bright.
inline float stroke() {
  const float u = uniform();
  return u < 0.8f ? 0.0f : std::min(1.0f, 5.0f * (u - 0.8f) + 0.2f);
}

}  // namespace parzen_cases
