// Every CPU variant of the Parzen log-density, the modelled AMX ones included, against float64
// brute force over one table of awkward shapes and values.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "model/parzen_amx.h"
#include "parzen_cases.h"

using namespace gantool;
using namespace parzen_cases;

namespace {

// Null stands for the kernel that is chosen.
std::vector<const ParzenKernel*> kernels() {
  std::vector<const ParzenKernel*> all = parzen_cpu_kernels();
  all.insert(all.end(),
             {nullptr, &parzen_amx_bf16_model_kernel(), &parzen_amx_int8_model_kernel()});
  return all;
}

std::string name_of(const ParzenKernel* kernel) { return kernel ? kernel->name : "chosen"; }

bool integer(const ParzenKernel* kernel) {
  return kernel && kernel->queries.operand == Operand::UnsignedByte;
}

bool bfloat16(const ParzenKernel* kernel) {
  return kernel && kernel->queries.operand == Operand::Bfloat16;
}

bool bytes(const Case& c) {
  return c.name == "bytes" || c.name == "byte images" || c.name == "sixteenths";
}

std::vector<float> run(Case& c, const ParzenKernel* kernel, const Threads& threads) {
  std::vector<float> result;
  parzen_log_density_cpu(c.arguments(result), kernel, threads);
  return result;
}

// float32: products and norms of up to 784 terms, summed in two levels, stay within 16 units of
// 2^-24 of the norms. Two bfloat16 terms: 2^-17 of each value, 2^-15 on a squared distance. On top
// the rounding of the result itself.
double tolerance(Case& c, const ParzenKernel* kernel, int64_t query, double sigma,
                 double expected) {
  const double relative = bfloat16(kernel) ? std::ldexp(1, -15) : std::ldexp(16, -24);
  return std::ldexp(2 * std::fabs(expected), -24) + std::ldexp(16, -24) +
         distance_error(c, query, relative) / (2 * sigma * sigma);
}

std::vector<float> rows_of(const std::vector<float>& result, int64_t count, int64_t begin,
                           int64_t end) {
  std::vector<float> rows;
  for (size_t s = 0; s * count < result.size(); ++s) {
    rows.insert(rows.end(), result.begin() + s * count + begin, result.begin() + s * count + end);
  }
  return rows;
}

}  // namespace

TEST_CASE("every variant agrees with brute force") {
  for (Case& c : all_cases()) {
    const std::vector<double> truth = brute_force(c);
    for (const ParzenKernel* kernel : kernels()) {
      if (integer(kernel) && !bytes(c)) continue;
      CAPTURE(c.name);
      const std::string name = name_of(kernel);
      CAPTURE(name);
      const std::vector<float> result = run(c, kernel, std_threads(3));
      for (size_t s = 0; s < c.shape.sigmas.size(); ++s) {
        for (int64_t i = 0; i < c.shape.queries; ++i) {
          const double expected = truth[s * c.shape.queries + i];
          const double actual = result[s * c.shape.queries + i];
          CAPTURE(c.shape.sigmas[s]);
          CAPTURE(i);
          CHECK(std::isfinite(actual));
          CHECK(std::fabs(actual - expected) <=
                tolerance(c, kernel, i, c.shape.sigmas[s], expected));
        }
      }
    }
  }
}

TEST_CASE("byte pixels choose the integer kernel where there is one, and only they can") {
  Case pixels = make_case("bytes", Values::Bytes, {3, 5, 17, {0.2F}});
  Case floats = make_case("floats", Values::ByteQueries, {3, 5, 17, {0.2F}});
  std::vector<float> result;
  const Threads threads = serial_threads();
  CHECK(&parzen_log_density_cpu(pixels.arguments(result), nullptr, threads) ==
        &parzen_cpu_best_kernel(true));
  // So few products gain nothing from bfloat16.
  const std::string best = parzen_kernel_name(parzen_cpu_best_kernel(false));
  const std::string ran =
      parzen_kernel_name(parzen_log_density_cpu(floats.arguments(result), nullptr, threads));
  CHECK(ran == (best == "amx-bf16" ? "avx512" : best));
  CHECK_THROWS_AS(
      parzen_log_density_cpu(floats.arguments(result), &parzen_amx_int8_model_kernel(), threads),
      std::invalid_argument);
}

TEST_CASE("nothing to compute writes nothing") {
  Case none = make_case("no query", Values::Normal, {0, 5, 3, {0.2F}});
  Case no_sigma = make_case("no sigma", Values::Normal, {2, 5, 3, {}});
  std::vector<float> result;
  parzen_log_density_cpu(none.arguments(result), nullptr, std_threads(2));
  CHECK(result.empty());
  parzen_log_density_cpu(no_sigma.arguments(result), nullptr, std_threads(2));
  CHECK(result.empty());
}

TEST_CASE("a query that is not finite gives NaN in its own row alone") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const ParzenKernel* kernel : kernels()) {
    if (integer(kernel)) continue;
    const std::string name = name_of(kernel);
    CAPTURE(name);
    Case c = make_case("queries", Values::Uniform, {40, 50, 9, {0.2F, 1.0F}});
    const std::vector<float> clean = run(c, kernel, std_threads(2));
    c.query(3)[0] = nan;
    c.query(17)[8] = inf;
    c.query(39)[4] = -inf;
    const std::vector<float> result = run(c, kernel, std_threads(2));
    for (size_t i = 0; i < result.size(); ++i) {
      const bool broken = i % 40 == 3 || i % 40 == 17 || i % 40 == 39;
      CAPTURE(i);
      CHECK(std::isnan(result[i]) == broken);
      if (!broken) CHECK(result[i] == clean[i]);
    }
  }
}

TEST_CASE("a NaN sample is everywhere, an infinite one nowhere") {
  for (const ParzenKernel* kernel : kernels()) {
    if (integer(kernel)) continue;
    const std::string name = name_of(kernel);
    CAPTURE(name);
    Case c = make_case("samples", Values::Uniform, {33, 50, 9, {0.2F}});
    c.sample(20)[5] = std::numeric_limits<float>::infinity();
    const std::vector<double> truth = brute_force(c);
    const std::vector<float> result = run(c, kernel, std_threads(2));
    for (size_t i = 0; i < result.size(); ++i) {
      CHECK(result[i] == doctest::Approx(truth[i]).epsilon(1e-4));
    }
    c.sample(49)[8] = std::numeric_limits<float>::quiet_NaN();
    for (const float value : run(c, kernel, std_threads(2))) CHECK(std::isnan(value));
  }
}

TEST_CASE("a row depends on no other row, and not on the threads while samples are not split") {
  for (const ParzenKernel* kernel : kernels()) {
    const std::string name = name_of(kernel);
    CAPTURE(name);
    Case c = make_case("rows", Values::Bytes, {400, 60, 21, {0.2F, 1.0F}});
    const std::vector<float> alone = run(c, kernel, serial_threads());
    CHECK(run(c, kernel, std_threads(3)) == alone);
    Case part = c;
    part.shape.queries = 45;
    part.query_memory.erase(part.query_memory.begin(),
                            part.query_memory.begin() + 101 * c.stride());
    CHECK(run(part, kernel, serial_threads()) == rows_of(alone, 400, 101, 146));
  }
}

TEST_CASE("few queries split the samples, the same way each time") {
  Case c = make_case("split", Values::Normal, {5, 4001, 33, {0.2F, 1.0F, 5.0F}});
  const std::vector<double> truth = brute_force(c);
  for (const ParzenKernel* kernel : kernels()) {
    if (integer(kernel)) continue;
    const std::string name = name_of(kernel);
    CAPTURE(name);
    const std::vector<float> first = run(c, kernel, std_threads(4));
    for (int repeat = 0; repeat < 3; ++repeat) CHECK(run(c, kernel, std_threads(4)) == first);
    for (size_t i = 0; i < first.size(); ++i) {
      const float sigma = c.shape.sigmas[i / 5];
      CHECK(std::fabs(first[i] - truth[i]) <= tolerance(c, kernel, i % 5, sigma, truth[i]));
    }
  }
}

TEST_CASE("the float64 entry is exact to float64's rounding") {
  for (Case& c : all_cases()) {
    const std::vector<double> truth = brute_force(c);
    std::vector<double> queries, samples, result(truth.size());
    for (int64_t i = 0; i < c.shape.queries; ++i) {
      queries.insert(queries.end(), c.query(i), c.query(i) + c.shape.dimension);
    }
    for (int64_t j = 0; j < c.shape.samples; ++j) {
      samples.insert(samples.end(), c.sample(j), c.sample(j) + c.shape.dimension);
    }
    const std::vector<double> sigmas(c.shape.sigmas.begin(), c.shape.sigmas.end());
    parzen_log_density_cpu(
        ParzenArguments64{queries.data(), c.shape.queries, c.shape.dimension, samples.data(),
                          c.shape.samples, c.shape.dimension, c.shape.dimension, sigmas.data(),
                          static_cast<int64_t>(sigmas.size()), result.data()},
        std_threads(2));
    for (size_t i = 0; i < truth.size(); ++i) {
      CAPTURE(c.name);
      // Where float saturates, float64 does not: only the bounded ones compare.
      if (truth[i] > static_cast<double>(std::numeric_limits<float>::lowest())) {
        CHECK(result[i] == doctest::Approx(truth[i]).epsilon(1e-12));
      } else {
        CHECK(result[i] <= truth[i]);
      }
    }
  }
}
