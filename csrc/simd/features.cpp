#include "simd/features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <string>

namespace gantool {
namespace {

#if defined(__x86_64__)

// Bits of XCR0: which register files the operating system saves (Intel SDM vol. 1, section 13.1).
constexpr uint64_t kYmmState = 0x6;       // SSE and AVX
constexpr uint64_t kZmmState = 0xe6;      // those, opmask, upper halves and the upper sixteen ZMM
constexpr uint64_t kTileState = 0x60000;  // TILECFG and TILEDATA

uint64_t enabled_states() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

// Linux gives a process the 8 KB of tile data only after it has asked
// (Documentation/arch/x86/xstate).
bool tile_data_permitted() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool bit(uint32_t word, int index) { return ((word >> index) & 1) != 0; }

// Leaf 7, subleaf 1.
bool has_avx_vnni() {
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t c = 0;
  uint32_t d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && bit(a, 4);
}

CpuFeatures detect() {
  CpuFeatures found;
  uint32_t a = 0;
  uint32_t b1 = 0;
  uint32_t c1 = 0;
  uint32_t d1 = 0;
  if (!__get_cpuid(1, &a, &b1, &c1, &d1) || !bit(c1, 27)) return found;  // OSXSAVE
  const uint64_t states = enabled_states();
  uint32_t b7 = 0;
  uint32_t c7 = 0;
  uint32_t d7 = 0;
  if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return found;
  const bool ymm = (states & kYmmState) == kYmmState;
  const bool zmm = (states & kZmmState) == kZmmState;
  found.avx2_fma = ymm && bit(c1, 12) && bit(b7, 5);
  found.avx512 = zmm && found.avx2_fma && bit(b7, 16) && bit(b7, 17) && bit(b7, 30) && bit(b7, 31);
  found.avx512_vnni = found.avx512 && bit(c7, 11);
  found.avx_vnni = found.avx2_fma && has_avx_vnni();
  const bool tiles = found.avx512 && bit(d7, 24) && (states & kTileState) == kTileState;
  if (tiles && tile_data_permitted()) {
    found.amx_bf16 = bit(d7, 22);
    found.amx_int8 = bit(d7, 25);
  }
  return found;
}

#else

CpuFeatures detect() { return {}; }

#endif

// What is found, without what lies beyond the named one.
CpuFeatures limited(CpuFeatures found) {
  const char* const wanted = std::getenv("GANTOOL_CPU");
  if (!wanted || !*wanted) return found;
  const std::string name = wanted;
  constexpr const char* kNames[] = {"portable", "avx2", "avx-vnni", "avx512", "avx512-vnni", "amx"};
  const auto* const place = std::find(std::begin(kNames), std::end(kNames), name);
  if (place == std::end(kNames)) {
    throw std::invalid_argument(
        "GANTOOL_CPU must be portable, avx2, avx-vnni, avx512, avx512-vnni or amx, and is " + name);
  }
  const auto level = place - std::begin(kNames);
  found.avx2_fma &= level >= 1;
  found.avx_vnni &= level >= 2 && level != 3;
  found.avx512 &= level >= 3;
  found.avx512_vnni &= level >= 4;
  found.amx_bf16 &= level >= 5;
  found.amx_int8 &= level >= 5;
  return found;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = limited(detect());
  return features;
}

}  // namespace gantool
