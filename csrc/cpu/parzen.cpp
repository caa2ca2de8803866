// The door to the CPU kernels: which variant runs, how operands are encoded for it, and what is
// left to the exact path.
#include "parzen.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/features.h"
#include "cpu/parzen_driver.h"
#include "cpu/parzen_exact.h"
#include "cpu/parzen_kernel.h"
#include "cpu/parzen_pack.h"

namespace gantool {
namespace {

// Outside these the rates 1 / (2 sigma^2) times float32 distances would leave float32, or a sample
// that is too far for float32 would still count.
constexpr float kSmallestSigma = 1.0e-15F;
constexpr float kLargestSigma = 1.0e13F;

bool is_integer(CpuVariant variant) {
  return variant == CpuVariant::Avx512Vnni || variant == CpuVariant::AmxInt8 ||
         variant == CpuVariant::AmxInt8Model;
}

bool is_bfloat16(CpuVariant variant) {
  return variant == CpuVariant::AmxBf16 || variant == CpuVariant::AmxBf16Model;
}

const ParzenKernel& kernel_of(CpuVariant variant) {
  switch (variant) {
#if defined(__x86_64__)
    case CpuVariant::Avx2:
      return parzen_avx2_kernel();
    case CpuVariant::Avx512:
      return parzen_avx512_kernel();
    case CpuVariant::Avx512Vnni:
      return parzen_avx512_vnni_kernel();
    case CpuVariant::AmxBf16:
      return parzen_amx_bf16_kernel();
    case CpuVariant::AmxInt8:
      return parzen_amx_int8_kernel();
#endif
    case CpuVariant::AmxBf16Model:
      return parzen_amx_bf16_model_kernel();
    case CpuVariant::AmxInt8Model:
      return parzen_amx_int8_model_kernel();
    default:
      return parzen_portable_kernel();
  }
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
  CpuVariant variant;
  Encoding encoding;
};

Choice choose(CpuVariant wanted, const Rows& queries, const Rows& samples, const Threads& threads) {
  const bool automatic = wanted == CpuVariant::Auto;
  float scale = 0;
  const bool ask = is_integer(automatic ? parzen_cpu_best_variant(true) : wanted);
  if (ask && queries.dimension <= kLargestByteDimension) {
    const unsigned of_samples = byte_scales(samples, threads);
    if (of_samples != 0) scale = common_scale(of_samples & byte_scales(queries, threads));
  }
  const CpuVariant variant = automatic ? parzen_cpu_best_variant(scale != 0) : wanted;
  if (is_integer(variant)) {
    if (scale == 0) {
      throw std::invalid_argument(std::string("the Parzen variant ") +
                                  parzen_cpu_variant_name(variant) +
                                  " needs queries and samples that are bytes over one scale");
    }
    return {variant, {scale, 1, 1, {}}};
  }
  return {variant, is_bfloat16(variant) ? bfloat16_encoding(queries, samples, threads)
                                        : float_encoding(samples)};
}

std::vector<int64_t> every_row(int64_t count) {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), int64_t{0});
  return rows;
}

}  // namespace

const char* parzen_cpu_variant_name(CpuVariant variant) {
  switch (variant) {
    case CpuVariant::Auto:
      return "auto";
    case CpuVariant::Portable:
      return "portable";
    case CpuVariant::Avx2:
      return "avx2";
    case CpuVariant::Avx512:
      return "avx512";
    case CpuVariant::Avx512Vnni:
      return "avx512-vnni";
    case CpuVariant::AmxBf16:
      return "amx-bf16";
    case CpuVariant::AmxInt8:
      return "amx-int8";
    case CpuVariant::AmxBf16Model:
      return "amx-bf16-model";
    case CpuVariant::AmxInt8Model:
      return "amx-int8-model";
  }
  throw std::invalid_argument("unknown Parzen variant");
}

bool parzen_cpu_variant_available(CpuVariant variant) {
  const CpuFeatures& features = cpu_features();
  switch (variant) {
    case CpuVariant::Avx2:
      return features.avx2_fma;
    case CpuVariant::Avx512:
      return features.avx512;
    case CpuVariant::Avx512Vnni:
      return features.avx512_vnni;
    case CpuVariant::AmxBf16:
      return features.amx_bf16;
    case CpuVariant::AmxInt8:
      return features.amx_int8;
    default:
      return true;
  }
}

CpuVariant parzen_cpu_best_variant(bool byte_pixels) {
  if (byte_pixels) {
    if (parzen_cpu_variant_available(CpuVariant::AmxInt8)) return CpuVariant::AmxInt8;
    if (parzen_cpu_variant_available(CpuVariant::Avx512Vnni)) return CpuVariant::Avx512Vnni;
  }
  for (const CpuVariant variant : {CpuVariant::AmxBf16, CpuVariant::Avx512, CpuVariant::Avx2}) {
    if (parzen_cpu_variant_available(variant)) return variant;
  }
  return CpuVariant::Portable;
}

CpuVariant parzen_log_density_cpu(const ParzenArguments& arguments, CpuVariant variant,
                                  const Threads& threads) {
  if (!parzen_cpu_variant_available(variant)) {
    throw std::invalid_argument(std::string("this processor cannot run the Parzen variant ") +
                                parzen_cpu_variant_name(variant));
  }
  if (arguments.query_count == 0 || arguments.sigma_count == 0) {
    return variant == CpuVariant::Auto ? parzen_cpu_best_variant(false) : variant;
  }
  const bool ordinary =
      std::all_of(arguments.sigmas, arguments.sigmas + arguments.sigma_count,
                  [](float sigma) { return sigma >= kSmallestSigma && sigma <= kLargestSigma; });
  if (!ordinary) {
    parzen_exact_rows(arguments, every_row(arguments.query_count), threads);
    return CpuVariant::Portable;
  }
  const Rows queries = {arguments.queries, arguments.query_count, arguments.query_stride,
                        arguments.dimension};
  const Rows samples = {arguments.samples, arguments.sample_count, arguments.sample_stride,
                        arguments.dimension};
  const Choice choice = choose(variant, queries, samples, threads);
  const ParzenOutcome outcome =
      parzen_run(arguments, kernel_of(choice.variant), choice.encoding, threads);
  if (outcome.nan_sample) {
    std::fill_n(arguments.log_density, arguments.sigma_count * arguments.query_count,
                std::numeric_limits<float>::quiet_NaN());
  } else {
    parzen_exact_rows(arguments, outcome.far_rows, threads);
  }
  return choice.variant;
}

void parzen_log_density_cpu(const ParzenArguments64& arguments, const Threads& threads) {
  parzen_exact_rows(arguments, every_row(arguments.query_count), threads);
}

}  // namespace gantool
