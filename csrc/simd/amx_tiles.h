// The AMX tile instructions under the names that parzen/cpu/amx_product.h uses. The intrinsics want
// literal tile numbers, hence the chains. Included where the target allows these instructions;
// compiled everywhere on x86-64, run only where cpuid and the operating system allow it.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace gantool {

// The memory operand of LDTILECFG (Intel SDM vol. 1, section 18.3). A constant: the intrinsic tells
// the compiler about its first 8 bytes only, so stores into a local could be dropped.
struct alignas(64) AmxTileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t column_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(AmxTileConfig) == 64, "LDTILECFG reads 64 bytes");

struct AmxTiles {
  static void configure() {
    static constexpr AmxTileConfig config;
    _tile_loadconfig(&config);
  }
  static void release() { _tile_release(); }

  template <int kTile>
  static void zero() {
    static_assert(kTile >= 0 && kTile <= 3, "the sums are tiles 0 to 3");
    if constexpr (kTile == 0) _tile_zero(0);
    if constexpr (kTile == 1) _tile_zero(1);
    if constexpr (kTile == 2) _tile_zero(2);
    if constexpr (kTile == 3) _tile_zero(3);
  }

  template <int kTile>
  static void load(const void* from, int64_t stride) {
    static_assert(kTile >= 4 && kTile <= 7, "the operands are tiles 4 to 7");
    if constexpr (kTile == 4) _tile_loadd(4, from, stride);
    if constexpr (kTile == 5) _tile_loadd(5, from, stride);
    if constexpr (kTile == 6) _tile_loadd(6, from, stride);
    if constexpr (kTile == 7) _tile_loadd(7, from, stride);
  }

  template <int kTile>
  static void store(void* to, int64_t stride) {
    static_assert(kTile >= 0 && kTile <= 3, "the sums are tiles 0 to 3");
    if constexpr (kTile == 0) _tile_stored(0, to, stride);
    if constexpr (kTile == 1) _tile_stored(1, to, stride);
    if constexpr (kTile == 2) _tile_stored(2, to, stride);
    if constexpr (kTile == 3) _tile_stored(3, to, stride);
  }

  // Which sum a pair of operand tiles belongs to: 0 1 over 2 3.
  template <int kSum, int kLeft, int kRight>
  static constexpr bool paired() {
    return kLeft >= 4 && kLeft <= 5 && kRight >= 6 && kRight <= 7 &&
           kSum == 2 * (kLeft - 4) + (kRight - 6);
  }

  // The last argument only selects the kind of product.
  template <int kSum, int kLeft, int kRight>
  static void multiply_add(float /*bfloat16 pairs*/) {
    static_assert(paired<kSum, kLeft, kRight>(), "no such pair of tiles");
    if constexpr (kSum == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kSum == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kSum == 3) _tile_dpbf16ps(3, 5, 7);
  }

  template <int kSum, int kLeft, int kRight>
  static void multiply_add(int32_t /*signed by unsigned bytes*/) {
    static_assert(paired<kSum, kLeft, kRight>(), "no such pair of tiles");
    if constexpr (kSum == 0) _tile_dpbsud(0, 4, 6);
    if constexpr (kSum == 1) _tile_dpbsud(1, 4, 7);
    if constexpr (kSum == 2) _tile_dpbsud(2, 5, 6);
    if constexpr (kSum == 3) _tile_dpbsud(3, 5, 7);
  }
};

}  // namespace gantool
