// The door to the CPU kernels: which of them runs, how operands are encoded for it, and what is
// left to the exact path.
#include "parzen/parzen.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "parzen/cpu/driver.h"
#include "parzen/cpu/exact.h"
#include "parzen/cpu/kernel.h"
#include "parzen/cpu/pack.h"
#include "simd/features.h"

namespace gantool {
namespace {

// Outside these the rates 1 / (2 sigma^2) times float32 distances would leave float32, or a sample
// that is too far for float32 would still count.
constexpr float kSmallestSigma = 1.0e-15F;
constexpr float kLargestSigma = 1.0e13F;

// Multiply-adds. Below, bfloat16 products gain no time, and lose a digit or two.
constexpr int64_t kLeastBfloat16Work = int64_t{1} << 26;

bool is_integer(const ParzenKernel& kernel) {
  return kernel.queries.operand == Operand::UnsignedByte;
}

// The scale over which every value of both sides is a byte, or 0.
float common_scale(unsigned exact) {
  for (const float& scale : kByteScales) {
    if ((exact >> (&scale - kByteScales)) & 1) return scale;
  }
  return 0;
}

// float32 operands: centred, unscaled.
Encoding float_encoding(const Rows& samples) { return {1, 1, 1, choose_centre(samples, 1, false)}; }

// bfloat16 operands. Rounding to one term loses 2^-9 of a value, a nat of log-density; two terms
// keep 2^-17, three all of a float32. A side that is bytes is exact in one term when scaled to
// integers and centred on one; the other side then has three, for as much work as two by two.
Encoding bfloat16_encoding(const Rows& queries, const Rows& samples, const Threads& threads) {
  const unsigned query_scales = byte_scales(queries, threads);
  const unsigned sample_scales = byte_scales(samples, threads);
  const unsigned both = query_scales & sample_scales;
  const float scale = common_scale(both != 0           ? both
                                   : query_scales != 0 ? query_scales
                                                       : sample_scales);
  if (scale == 0) return {1, 2, 2, choose_centre(samples, 1, false)};
  const bool exact_queries = both != 0 || query_scales != 0;
  const bool exact_samples = both != 0 || query_scales == 0;
  return {scale, exact_queries ? 1 : 3, exact_samples ? 1 : 3, choose_centre(samples, scale, true)};
}

const ParzenKernel& float32_kernel() {
  const auto& kernels = parzen_cpu_kernels();
  return **std::find_if(kernels.begin(), kernels.end(), [](const ParzenKernel* kernel) {
    return kernel->queries.operand == Operand::Float32;
  });
}

struct Choice {
  const ParzenKernel& kernel;
  Encoding encoding;
};

Choice choose(const ParzenKernel* wanted, const Rows& queries, const Rows& samples,
              const Threads& threads) {
  float scale = 0;
  const bool ask = is_integer(wanted ? *wanted : parzen_cpu_best_kernel(true));
  if (ask && queries.dimension <= kLargestByteDimension) {
    const unsigned of_samples = byte_scales(samples, threads);
    if (of_samples != 0) scale = common_scale(of_samples & byte_scales(queries, threads));
  }
  const ParzenKernel& best = parzen_cpu_best_kernel(scale != 0);
  const bool small = queries.count * samples.count * queries.dimension < kLeastBfloat16Work;
  const ParzenKernel& own =
      best.queries.operand == Operand::Bfloat16 && small ? float32_kernel() : best;
  const ParzenKernel& kernel = wanted ? *wanted : own;
  switch (kernel.queries.operand) {
    case Operand::UnsignedByte:
    case Operand::SignedByte:
      if (scale == 0) {
        throw std::invalid_argument(std::string("the Parzen variant ") + kernel.name +
                                    " needs queries and samples that are bytes over one scale");
      }
      return {kernel, {scale, 1, 1, {}}};
    case Operand::Bfloat16:
      return {kernel, bfloat16_encoding(queries, samples, threads)};
    case Operand::Float32:
      break;
  }
  return {kernel, float_encoding(samples)};
}

// Some rows again with float32 products, for those that lose digits in bfloat16. Returns the rows
// that lose digits even so.
std::vector<int64_t> run_in_float32(const ParzenArguments& all, const std::vector<int64_t>& rows,
                                    const Threads& threads) {
  const auto count = static_cast<int64_t>(rows.size());
  std::vector<float> queries(static_cast<size_t>(count * all.dimension));
  std::vector<float> densities(static_cast<size_t>(count * all.sigma_count));
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(all.queries + rows[static_cast<size_t>(i)] * all.query_stride, all.dimension,
                queries.data() + i * all.dimension);
  }
  ParzenArguments some = all;
  some.queries = queries.data();
  some.query_count = count;
  some.query_stride = all.dimension;
  some.log_density = densities.data();
  const Rows samples = {all.samples, all.sample_count, all.sample_stride, all.dimension};
  const ParzenOutcome outcome =
      parzen_run(some, float32_kernel(), float_encoding(samples), threads);
  for (int64_t s = 0; s < all.sigma_count; ++s) {
    for (int64_t i = 0; i < count; ++i) {
      all.log_density[s * all.query_count + rows[static_cast<size_t>(i)]] =
          densities[static_cast<size_t>(s * count + i)];
    }
  }
  std::vector<int64_t> left;
  for (const int64_t i : outcome.far_rows) left.push_back(rows[static_cast<size_t>(i)]);
  return left;
}

std::vector<int64_t> every_row(int64_t count) {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), int64_t{0});
  return rows;
}

}  // namespace

const std::vector<const ParzenKernel*>& parzen_cpu_kernels() {
  static const std::vector<const ParzenKernel*> kernels = [] {
    std::vector<const ParzenKernel*> here;
    for (const ParzenKernel* kernel : {
#if defined(__x86_64__)
             &parzen_amx_int8_kernel(), &parzen_avx512_vnni_kernel(), &parzen_amx_bf16_kernel(),
             &parzen_avx512_kernel(), &parzen_avx2_kernel(),
#endif
             &parzen_portable_kernel()}) {
      if (!kernel->needs || cpu_features().*kernel->needs) here.push_back(kernel);
    }
    return here;
  }();
  return kernels;
}

const ParzenKernel& parzen_cpu_best_kernel(bool byte_pixels) {
  const auto& kernels = parzen_cpu_kernels();
  return **std::find_if(kernels.begin(), kernels.end(), [&](const ParzenKernel* kernel) {
    return byte_pixels || !is_integer(*kernel);
  });
}

const char* parzen_kernel_name(const ParzenKernel& kernel) { return kernel.name; }

const ParzenKernel& parzen_log_density_cpu(const ParzenArguments& arguments,
                                           const ParzenKernel* kernel, const Threads& threads) {
  if (arguments.query_count == 0 || arguments.sigma_count == 0) {
    return kernel ? *kernel : parzen_cpu_best_kernel(false);
  }
  const bool ordinary =
      std::all_of(arguments.sigmas, arguments.sigmas + arguments.sigma_count,
                  [](float sigma) { return sigma >= kSmallestSigma && sigma <= kLargestSigma; });
  if (!ordinary) {
    parzen_exact_rows(arguments, every_row(arguments.query_count), threads);
    return parzen_portable_kernel();
  }
  const Rows queries = {arguments.queries, arguments.query_count, arguments.query_stride,
                        arguments.dimension};
  const Rows samples = {arguments.samples, arguments.sample_count, arguments.sample_stride,
                        arguments.dimension};
  const Choice choice = choose(kernel, queries, samples, threads);
  ParzenOutcome outcome = parzen_run(arguments, choice.kernel, choice.encoding, threads);
  if (choice.kernel.queries.operand == Operand::Bfloat16 && !outcome.far_rows.empty()) {
    outcome.far_rows = run_in_float32(arguments, outcome.far_rows, threads);
  }
  if (outcome.nan_sample) {
    std::fill_n(arguments.log_density, arguments.sigma_count * arguments.query_count,
                std::numeric_limits<float>::quiet_NaN());
  } else {
    parzen_exact_rows(arguments, outcome.far_rows, threads);
  }
  return choice.kernel;
}

void parzen_log_density_cpu(const ParzenArguments64& arguments, const Threads& threads) {
  parzen_exact_rows(arguments, every_row(arguments.query_count), threads);
}

}  // namespace gantool
