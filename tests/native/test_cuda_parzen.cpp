// The CUDA Parzen kernels, run through the host model: shapes, accuracy, element types.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "cuda_parzen_cases.h"

using namespace parzen_cases;

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
  CHECK((last_scale.has_low[0] == 1 && last_scale.has_low[1] == 1));
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

TEST_CASE("byte pixels are detected on the device and need one product, exactly") {
  for (const float unit : {255.0f, 1.0f}) {
    Case c = drawn(6, 40, 784, {0.2f * 255.0f / unit, 255.0f / unit},
                   [&] { return std::rint(pixel() * 255.0f) / unit; });
    const std::vector<float> exact = run(c);
    CHECK(last_scale.unit == static_cast<double>(unit));
    CHECK((last_scale.has_low[0] == 0 && last_scale.has_low[1] == 0));
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
    CHECK(last_scale.has_low[queries ? 1 : 0] == 0);
    CHECK(last_scale.has_low[queries ? 0 : 1] == 1);
  }
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
  CHECK(std::isnan(result[3]));
}

TEST_CASE("float64 at the ends of its range") {
  std::vector<double> queries = {0.0, 1e200, 3.0}, samples = {3.0, -1.0}, result(3 * 4);
  const std::vector<double> sigmas = {1e-200, 1.0, 1e160, 1e200};
  const int64_t bytes = gantool::parzen_cuda_workspace_bytes(CudaElement::kFloat64, 3, 2, 1, 4, 1);
  std::vector<double> workspace(static_cast<std::size_t>(bytes / 8));
  gantool::ParzenCudaArguments arguments = {};
  arguments.element = CudaElement::kFloat64;
  arguments.queries = queries.data();
  arguments.query_count = 3;
  arguments.samples = samples.data();
  arguments.sample_count = 2;
  arguments.query_stride = arguments.sample_stride = arguments.dimension = 1;
  arguments.sigmas = sigmas.data();
  arguments.sigma_count = 4;
  arguments.log_density = result.data();
  gantool::parzen_log_density_cuda(arguments, workspace.data(), nullptr, 1);
  const auto near = [](double value, double expected) {
    return std::fabs(value - expected) <= 1e-12 * std::fabs(expected);
  };
  const double half_log_two_pi = 0.91893853320467274178, most = std::numeric_limits<double>::max();
  // [sigma, query]; the second query's squared distances are beyond the range.
  for (const int k : {0, 1, 4, 7, 10}) CHECK(result[k] == -most);
  CHECK(near(result[2], -std::log(2.0) - half_log_two_pi - std::log(1e-200)));  // upon a sample
  CHECK(
      near(result[3], std::log(std::exp(-4.5) + std::exp(-0.5)) - std::log(2.0) - half_log_two_pi));
  CHECK(near(result[5], std::log1p(std::exp(-8.0)) - std::log(2.0) - half_log_two_pi));
  for (const int k : {6, 8}) CHECK(near(result[k], -half_log_two_pi - std::log(1e160)));
  for (const int k : {9, 11}) CHECK(near(result[k], -half_log_two_pi - std::log(1e200)));
}
