// The host side of simt.cuh: each word as an exact small model, run by fibers on one CPU thread.
//
// Matrix fragments are laid out as the PTX manual documents for ldmatrix and for
// mma.sync.m16n8k16 (with g = lane / 4, t = lane % 4; two 16-bit elements a register, lower column
// first):
//   A   r0: row g, k 2t    r1: row g + 8, k 2t    r2: row g, k 2t + 8    r3: row g + 8, k 2t + 8
//   B   r0: k 2t, column g                        r1: k 2t + 8, column g
//   D   d0, d1: row g, columns 2t, 2t + 1         d2, d3: row g + 8
// Products are exact. Sums are rounded towards zero after every eight products, as published
// measurements of tensor cores find, so that tests see the bias that this brings.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "model/block.h"

#define GANTOOL_KERNEL static void
#define GANTOOL_DEVICE inline
#define GANTOOL_LAUNCH_BOUNDS(threads, blocks)
#define GANTOOL_UNROLL

namespace gantool::simt {

inline int thread_index() { return Block::current()->thread(); }
inline int64_t block_index() { return Block::current()->index(); }
inline int64_t block_count() { return Block::current()->count(); }
inline void block_barrier() { Block::current()->barrier(); }
inline void warp_barrier() { Block::current()->warp_barrier(); }

template <class T>
T warp_shuffle_xor(T value, int mask) {
  struct Exchange {
    T value;
    T result;
    int mask;
  } mine{value, value, mask};
  Block::current()->collective("warp_shuffle_xor", &mine, [](void* const* lanes) {
    for (int lane = 0; lane < kWarp; ++lane) {
      auto* to = static_cast<Exchange*>(lanes[lane]);
      to->result = static_cast<const Exchange*>(lanes[lane ^ to->mask])->value;
    }
  });
  return mine.result;
}

inline bool warp_any(bool predicate) {
  bool mine = predicate;
  Block::current()->collective("warp_any", &mine, [](void* const* lanes) {
    bool any = false;
    for (int lane = 0; lane < kWarp; ++lane) any = any || *static_cast<const bool*>(lanes[lane]);
    for (int lane = 0; lane < kWarp; ++lane) *static_cast<bool*>(lanes[lane]) = any;
  });
  return mine;
}

template <class T>
class Shared {
  static_assert(sizeof(T) % ShadowedMemory::kWordBytes == 0, "accesses are recorded by words");

 public:
  explicit Shared(int byte_offset) : offset_(byte_offset) {}
  T load(int index) const {
    T value;
    Block& block = *Block::current();
    block.memory().read(address(index), sizeof(T), block.access(), &value);
    return value;
  }
  void store(int index, T value) const {
    Block& block = *Block::current();
    block.memory().write(address(index), sizeof(T), block.access(), &value);
  }
  int address(int index) const { return offset_ + index * static_cast<int>(sizeof(T)); }

 private:
  int offset_;
};

template <class T>
void copy_async(const Shared<T>& target, int index, const void* source, bool valid) {
  if (valid && reinterpret_cast<std::uintptr_t>(source) % 16 != 0) {
    throw ModelError("an asynchronous copy reads from an address that is no multiple of 16");
  }
  Block::current()->begin_copy(target.address(index), source, valid);
}

inline void copy_async_commit() { Block::current()->commit_copies(); }

template <int kUnderWay>
void copy_async_wait() {
  Block::current()->wait_for_copies(kUnderWay);
}

// Four 8x8 tiles: lane l gives the address of row l % 8 of tile l / 8, and takes from each tile the
// elements 2t and 2t + 1 of row g.
template <class T>
void load_matrix(uint32_t (&r)[4], const Shared<T>& view, int index) {
  Block& block = *Block::current();
  int addresses[kWarp] = {};
  int* mine = addresses;
  addresses[0] = view.address(index);
  block.collective("load_matrix", &mine, [](void* const* lanes) {
    int gathered[kWarp];
    for (int lane = 0; lane < kWarp; ++lane) gathered[lane] = **static_cast<int**>(lanes[lane]);
    for (int lane = 0; lane < kWarp; ++lane) {
      std::copy(gathered, gathered + kWarp, *static_cast<int**>(lanes[lane]));
    }
  });
  const int lane = block.thread() % kWarp;
  const int g = lane / 4, t = lane % 4;
  for (int tile = 0; tile < 4; ++tile) {
    if (addresses[tile * 8] % 16 != 0)
      throw ModelError("load_matrix reads rows of 16 aligned bytes");
    block.memory().read(addresses[tile * 8 + g] + 4 * t, 4, block.access(), &r[tile]);
  }
}

inline float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline uint32_t float_to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Conversions between float32 and the bits of a 16-bit element, to nearest even.
inline float from_bits(Float16, uint16_t b) {
  const uint32_t sign = (b & 0x8000u) << 16, exponent = b >> 10 & 31u, mantissa = b & 1023u;
  if (exponent == 0) {
    return std::copysign(static_cast<float>(mantissa) * 0x1p-24f, bits_to_float(sign | 1u));
  }
  const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return bits_to_float(sign | wide << 23 | mantissa << 13);
}
inline uint16_t to_bits(Float16, float x) {
  const auto sign = static_cast<uint16_t>(float_to_bits(x) >> 16 & 0x8000u);
  const float size = std::fabs(x);
  if (std::isnan(x)) return static_cast<uint16_t>(sign | 0x7fffu);
  if (size >= 65520.0f) return static_cast<uint16_t>(sign | 0x7c00u);
  if (size < 0x1p-14f) {  // the grid of subnormal numbers, whose carry is the first normal one
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyint(size * 0x1p24f)));
  }
  const uint32_t bits = float_to_bits(size);
  const uint32_t rounded = bits + 0xfffu + (bits >> 13 & 1u);
  return static_cast<uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}
inline float from_bits(BFloat16, uint16_t b) {
  return bits_to_float(static_cast<uint32_t>(b) << 16);
}
inline uint16_t to_bits(BFloat16, float x) {
  const uint32_t bits = float_to_bits(x);
  if (std::isnan(x)) return 0x7fffu;
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

inline float towards_zero(double x) {
  const auto nearest = static_cast<float>(x);
  return std::fabs(static_cast<double>(nearest)) > std::fabs(x) ? std::nextafter(nearest, 0.0f)
                                                                : nearest;
}

struct MatrixFragments {
  float* d;
  const uint32_t* a;
  uint32_t b[2];
};

template <class Element>
void multiply_fragments(void* const* lanes) {
  float a[16][16], b[8][16];
  for (int lane = 0; lane < kWarp; ++lane) {
    const auto& part = *static_cast<const MatrixFragments*>(lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; ++half) {
      const int shift = 16 * half;
      const auto element = [&](uint32_t bits) {
        return from_bits(Element{}, static_cast<uint16_t>(bits >> shift));
      };
      for (int r = 0; r < 4; ++r) a[g + r % 2 * 8][2 * t + r / 2 * 8 + half] = element(part.a[r]);
      for (int r = 0; r < 2; ++r) b[g][2 * t + r * 8 + half] = element(part.b[r]);
    }
  }
  for (int lane = 0; lane < kWarp; ++lane) {
    const auto& part = *static_cast<const MatrixFragments*>(lanes[lane]);
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      for (int first = 0; first < 16; first += 8) {
        double sum = static_cast<double>(part.d[i]);
        for (int k = first; k < first + 8; ++k) {
          sum += static_cast<double>(a[row][k]) * static_cast<double>(b[column][k]);
        }
        part.d[i] = towards_zero(sum);
      }
    }
  }
}

template <class Element>
void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  MatrixFragments mine{d, a, {b0, b1}};
  Block::current()->collective("mma", &mine, multiply_fragments<Element>);
}

inline float exp2_fast(float x) { return std::exp2(x); }

inline float minimum(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<float>::quiet_NaN();
  return a < b ? a : b;
}

// Runs every block, one after the other, before it returns; the stream has no meaning here.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Launch& shape, const Arguments&... arguments) {
  if (shape.blocks == 0) return;
  if (shape.shared_bytes > 99 * 1024) {
    throw ModelError(
        "a block asks for more shared memory than every processor of sm_80 or later has");
  }
  Block block(shape.threads);
  const std::function<void()> body = [&] { kernel(arguments...); };
  for (int64_t index = 0; index < shape.blocks; ++index) {
    block.run(index, shape.blocks, shape.shared_bytes, body);
  }
}

}  // namespace gantool::simt
