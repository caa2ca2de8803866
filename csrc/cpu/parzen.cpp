#include "parzen.h"

#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/features.h"
#include "cpu/parzen_exact.h"

namespace gantool {
namespace {

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
  return variant == CpuVariant::Auto || variant == CpuVariant::Portable;
}

CpuVariant parzen_cpu_best_variant(bool) { return CpuVariant::Portable; }

CpuVariant parzen_log_density_cpu(const ParzenArguments& arguments, CpuVariant variant,
                                  const Threads& threads) {
  if (!parzen_cpu_variant_available(variant)) {
    throw std::invalid_argument(std::string("this processor cannot run the Parzen variant ") +
                                parzen_cpu_variant_name(variant));
  }
  parzen_exact_rows(arguments, every_row(arguments.query_count), threads);
  return CpuVariant::Portable;
}

void parzen_log_density_cpu(const ParzenArguments64& arguments, const Threads& threads) {
  parzen_exact_rows(arguments, every_row(arguments.query_count), threads);
}

}  // namespace gantool
