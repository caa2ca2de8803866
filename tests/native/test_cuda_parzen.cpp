// The CUDA Parzen kernels, run through the host model, against brute force in float64.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../../csrc/cuda/parzen.cu"

namespace {

using gantool::CudaElement;

struct Case {
  std::vector<float> queries, samples;
  std::vector<float> sigmas;
  int64_t query_count, sample_count, dimension;
  int64_t query_stride, sample_stride;
  int multiprocessors = 4;
};

Case make_case(int64_t queries, int64_t samples, int64_t dimension, std::vector<float> sigmas,
               int64_t padding = 0) {
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

float& query(Case& c, int64_t row, int64_t column) {
  return c.queries[static_cast<std::size_t>(row * c.query_stride + column)];
}
float& sample(Case& c, int64_t row, int64_t column) {
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

std::mt19937& random_bits() {
  static std::mt19937 bits(7);
  return bits;
}

float uniform() { return std::uniform_real_distribution<float>(0.0f, 1.0f)(random_bits()); }
float normal() { return std::normal_distribution<float>()(random_bits()); }
float pixel() {
  return static_cast<float>(std::uniform_int_distribution<int>(0, 255)(random_bits())) / 255.0f;
}

std::vector<double> truth(Case& c) {
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
  return result;
}

std::vector<float> run(const Case& c) {
  return run<float>(CudaElement::kFloat32, c, c.queries.data(), c.samples.data());
}

// The least error that the output's own type allows, in units of which bounds are given.
double spacing(double value) { return std::fabs(value) * 0x1p-24; }

// Largest error beyond the spacing of float32, over the design's bound 2e-3 (0.2 / sigma)^2.
double error_over_bound(Case& c, const std::vector<float>& result) {
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

const std::vector<float> kTen = {0.1f,    0.1291f, 0.1668f, 0.2154f, 0.2783f,
                                 0.3594f, 0.4642f, 0.5995f, 0.7743f, 1.0f};

// Sparse strokes on black, as in MNIST: about a fifth of the pixels bright.
float stroke() {
  const float u = uniform();
  return u < 0.8f ? 0.0f : std::min(1.0f, 5.0f * (u - 0.8f) + 0.2f);
}

}  // namespace

TEST_CASE("prime sizes, one row, few samples, a dimension that fills no block, strides") {
  const int64_t shapes[][3] = {{1, 1, 1},   {1, 1, 17},   {3, 7, 5},    {131, 257, 31},
                               {1, 600, 3}, {129, 2, 16}, {2, 255, 33}, {257, 263, 2}};
  for (const auto& shape : shapes) {
    for (const int64_t padding : {0, 3}) {
      CAPTURE(shape[0]);
      CAPTURE(shape[1]);
      CAPTURE(shape[2]);
      Case c = drawn(shape[0], shape[1], shape[2], {0.3f, 1.0f}, uniform, padding);
      CHECK(error_over_bound(c, run(c)) < 0.1);
    }
  }
}

TEST_CASE("MNIST-like data of 784 columns, for ten bandwidths at once") {
  Case c = drawn(9, 300, 784, kTen, stroke);
  CHECK(error_over_bound(c, run(c)) < 0.5);
  // A query that is a sample, where the distance cancels entirely.
  for (int64_t d = 0; d < 784; ++d) query(c, 4, d) = sample(c, 17, d);
  CHECK(error_over_bound(c, run(c)) < 0.5);
}

TEST_CASE("one to eleven bandwidths in one pass, more in several") {
  for (std::size_t count = 1; count <= 25; count += count < 13 ? 1 : 6) {
    std::vector<float> sigmas;
    for (std::size_t s = 0; s < count; ++s) {
      sigmas.push_back(2.0f - 0.07f * static_cast<float>(s));
    }
    Case c = drawn(5, 20, 6, sigmas, normal);
    CAPTURE(count);
    CHECK(error_over_bound(c, run(c)) < 0.1);
  }
}

TEST_CASE("splits over the samples give the same as none") {
  Case c = drawn(3, 1500, 7, kTen, uniform);
  c.multiprocessors = 1;
  CHECK(gantool::tiles::parzen_plan(3, 1500, 10, 1, false).splits == 1);
  const std::vector<float> whole = run(c);
  CHECK(error_over_bound(c, whole) < 0.1);
  for (const int multiprocessors : {2, 132}) {
    c.multiprocessors = multiprocessors;
    CHECK(gantool::tiles::parzen_plan(3, 1500, 10, multiprocessors, false).splits > 1);
    const std::vector<float> parts = run(c);
    CHECK(error_over_bound(c, parts) < 0.1);
    CHECK(run(c) == parts);  // to the bit
  }
}

TEST_CASE("the samples may come in any order: nearest first, nearest last") {
  Case c = make_case(2, 900, 4, {0.05f, 0.5f, 3.0f});
  c.multiprocessors = 1;
  for (const bool rising : {false, true}) {
    for (int64_t j = 0; j < 900; ++j) {
      const auto distance = static_cast<float>(rising ? j : 899 - j) * 0.01f;
      for (int64_t d = 0; d < 4; ++d) sample(c, j, d) = d == 0 ? distance : 0.0f;
    }
    for (int64_t d = 0; d < 4; ++d) query(c, 0, d) = query(c, 1, d) = 0.1f;
    query(c, 1, 0) = 8.0f;
    CHECK(error_over_bound(c, run(c)) < 0.1);
  }
}

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

TEST_CASE("byte pixels are detected on the device and need one product, exactly") {
  for (const float unit : {255.0f, 1.0f}) {
    Case c = drawn(6, 40, 784, {0.2f * 255.0f / unit, 255.0f / unit},
                   [&] { return std::rint(pixel() * 255.0f) / unit; });
    const std::vector<float> exact = run(c);
    const std::vector<double> expected = truth(c);
    for (std::size_t k = 0; k < expected.size(); ++k) {
      // Integers all the way: what is left is the rounding of the result and of the sigmas' rate.
      const double relative = std::fabs(expected[k]) * 0x1p-22;
      CHECK(std::fabs(static_cast<double>(exact[k]) - expected[k]) < relative + 1e-5);
    }
  }
}

TEST_CASE("byte pixels on one side only") {
  for (const bool queries : {false, true}) {
    Case c = drawn(6, 40, 100, {0.2f, 1.0f}, stroke);
    for (float& x : queries ? c.queries : c.samples) x = std::rint(x * 255.0f) / 255.0f;
    CHECK(error_over_bound(c, run(c)) < 0.1);
  }
}

TEST_CASE("a NaN row is NaN in that row alone, an infinite one minus infinity") {
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
      if (k % 12 == 3) {
        CHECK(std::isnan(result[k]));
      } else if (k % 12 == 8) {
        CHECK(result[k] == -infinity);
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

TEST_CASE("bfloat16 and float16 rows are read as they are") {
  Case c = drawn(10, 50, 37, {0.4f, 1.5f}, normal, 1);
  const auto check = [&](auto tag, CudaElement element) {
    std::vector<uint16_t> queries, samples;
    for (float& x : c.queries) {
      queries.push_back(gantool::simt::to_bits(tag, x));
      x = gantool::simt::from_bits(tag, queries.back());
    }
    for (float& x : c.samples) {
      samples.push_back(gantool::simt::to_bits(tag, x));
      x = gantool::simt::from_bits(tag, samples.back());
    }
    CHECK(error_over_bound(c, run<float>(element, c, queries.data(), samples.data())) < 0.1);
  };
  check(gantool::simt::Float16{}, CudaElement::kFloat16);
  check(gantool::simt::BFloat16{}, CudaElement::kBFloat16);
}

TEST_CASE("float64 follows the definition to its own precision") {
  const auto run64 = [](const Case& c) {
    const std::vector<double> queries(c.queries.begin(), c.queries.end());
    const std::vector<double> samples(c.samples.begin(), c.samples.end());
    return run<double>(CudaElement::kFloat64, c, queries.data(), samples.data());
  };
  const int64_t shapes[][3] = {{1, 1, 1}, {67, 131, 37}, {2, 700, 5}};
  for (const auto& shape : shapes) {
    for (const int multiprocessors : {1, 40}) {
      Case c = drawn(shape[0], shape[1], shape[2], kTen, normal, 2);
      c.sigmas.insert(c.sigmas.end(), 9, 2.0f);  // two passes
      c.multiprocessors = multiprocessors;
      const std::vector<double> expected = truth(c), result = run64(c);
      for (std::size_t k = 0; k < expected.size(); ++k) {
        CHECK(std::fabs(result[k] - expected[k]) < 1e-12 * (1.0 + std::fabs(expected[k])));
      }
    }
  }
  Case c = drawn(4, 70, 3, {0.5f}, normal);
  query(c, 1, 2) = std::numeric_limits<float>::quiet_NaN();
  query(c, 2, 0) = 1e30f;
  query(c, 3, 0) = std::numeric_limits<float>::infinity();
  const std::vector<double> result = run64(c);
  CHECK(std::isfinite(result[0]));
  CHECK(std::isnan(result[1]));
  CHECK(std::isfinite(result[2]));
  CHECK(result[3] == -std::numeric_limits<double>::infinity());
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
  CHECK(gantool::parzen_layout(plan, 60000, 784, false).bytes < 3 * (60000 + 60000) * 784 * 4 / 2);
}
