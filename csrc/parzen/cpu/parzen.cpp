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
// keep 2^-17. A side that is bytes is exact in one term when scaled to integers and centred on one.
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
  return {scale, exact_queries ? 1 : 2, exact_samples ? 1 : 2, choose_centre(samples, scale, true)};
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
  const ParzenKernel& kernel = wanted ? *wanted : parzen_cpu_best_kernel(scale != 0);
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
  const ParzenOutcome outcome = parzen_run(arguments, choice.kernel, choice.encoding, threads);
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
