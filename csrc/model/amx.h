// A model of the AMX tile instructions in plain C++, bit for bit as Intel documents them (SDM vol.
// 2: TILELOADD, TILESTORED, TILEZERO, TDPBF16PS, TDPBSUD), under the names of amx_tiles.h, so that
// the tile loop of parzen/cpu/amx_product.h can be tested on any machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace gantool {

class AmxModel {
 public:
  static void configure() {
    state() = {};
    state().configured = true;
  }
  static void release() { state() = {}; }

  template <int kTile>
  static void zero() {
    std::memset(tile(kTile), 0, kRows * kRowBytes);
  }

  template <int kTile>
  static void load(const void* from, int64_t stride) {
    for (int r = 0; r < kRows; ++r) {
      std::memcpy(tile(kTile)[r], static_cast<const char*>(from) + r * stride, kRowBytes);
    }
  }

  template <int kTile>
  static void store(void* to, int64_t stride) {
    for (int r = 0; r < kRows; ++r) {
      std::memcpy(static_cast<char*>(to) + r * stride, tile(kTile)[r], kRowBytes);
    }
  }

  // TDPBF16PS. Even and odd elements of the pairs are summed apart, in order of depth, then
  // together, then into the destination; denormals count as zero on the way in and out. The product
  // of two bfloat16 is exact in float, so one rounding of product plus sum is what the fused form
  // does.
  template <int kSum, int kLeft, int kRight>
  static void multiply_add(float /*bfloat16 pairs*/) {
    for (int m = 0; m < kRows; ++m) {
      for (int n = 0; n < kColumns; ++n) {
        float even = 0;
        float odd = 0;
        for (int k = 0; k < kColumns; ++k) {
          even = flush(even + bfloat16(kLeft, m, 2 * k) * bfloat16(kRight, k, 2 * n));
          odd = flush(odd + bfloat16(kLeft, m, 2 * k + 1) * bfloat16(kRight, k, 2 * n + 1));
        }
        float sum;
        unsigned char* at = tile(kSum)[m] + n * sizeof(sum);
        std::memcpy(&sum, at, sizeof(sum));
        sum = flush(sum + flush(even + odd));
        std::memcpy(at, &sum, sizeof(sum));
      }
    }
  }

  // TDPBSUD: signed left bytes by unsigned right bytes, four at a time, wrapping in 32 bits.
  template <int kSum, int kLeft, int kRight>
  static void multiply_add(int32_t /*signed by unsigned bytes*/) {
    for (int m = 0; m < kRows; ++m) {
      for (int n = 0; n < kColumns; ++n) {
        uint32_t sum;
        unsigned char* at = tile(kSum)[m] + n * sizeof(sum);
        std::memcpy(&sum, at, sizeof(sum));
        for (int k = 0; k < kColumns; ++k) {
          for (int byte = 0; byte < 4; ++byte) {
            const int left = static_cast<int8_t>(tile(kLeft)[m][4 * k + byte]);
            sum += static_cast<uint32_t>(left * tile(kRight)[k][4 * n + byte]);
          }
        }
        std::memcpy(at, &sum, sizeof(sum));
      }
    }
  }

 private:
  static constexpr int kTiles = 8;
  static constexpr int kRows = 16;
  static constexpr int kRowBytes = 64;
  static constexpr int kColumns = kRowBytes / 4;

  struct State {
    bool configured = false;
    unsigned char tiles[kTiles][kRows][kRowBytes] = {};
  };

  // One register file a thread, as in hardware.
  static State& state() {
    thread_local State registers;
    return registers;
  }

  static unsigned char (*tile(int index)) [kRowBytes] {
    if (!state().configured) throw std::logic_error("tile instruction without a configuration");
    return state().tiles[index];
  }

  static float flush(float value) {
    return std::fabs(value) < std::numeric_limits<float>::min() ? std::copysign(0.0F, value)
                                                                : value;
  }

  static float bfloat16(int index, int row, int column) {
    uint16_t half;
    std::memcpy(&half, tile(index)[row] + column * sizeof(half), sizeof(half));
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return flush(value);
  }
};

}  // namespace gantool
