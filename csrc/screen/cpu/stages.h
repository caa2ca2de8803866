// The one source of the screen's inner loops. A variant includes it under its own target, with a
// `Product` that multiplies bytes:
//
//   Register, kLanes (int32 of a register: 4 kLanes bytes)
//   zero() load(int32*) load_bytes(p) broadcast(p: 4 bytes)
//   sums(a, b, c, d, out)  out[0..3]: the sum of each register's lanes
//   dot(r, u, s)           r[i] += sum of the four products of lane i, of unsigned by signed bytes
//   at_least(r, limit)     bit i: r[i] >= limit
//
// Products and sums of bytes are exact in int32. Everything in floating point goes over sixteen
// float or eight double lanes of the compiler's own vectors, so that the order of additions, and
// with it the error that the bounds allow for, is the same in every variant: one lane adds D / 16
// (D / 8) terms, and the lanes are then added one after the other. Sums of
// integers are unsigned, negative terms modulo 2^32: GCC 12 miscompiles sanitized sums of signed
// vectors.
#pragma once

#include <cstdint>
#include <cstring>

#include "screen/cpu/kernels.h"

namespace gantool::screen {

template <typename Element>
struct Lanes;

template <>
struct Lanes<float> {
  static constexpr int kCount = 16;
  typedef float Vector __attribute__((vector_size(64)));
  typedef int32_t Integers __attribute__((vector_size(64)));
  typedef uint32_t Sums __attribute__((vector_size(64)));
  static constexpr int32_t kExponent = 0x7f800000;
};

template <>
struct Lanes<double> {
  static constexpr int kCount = 8;
  typedef double Vector __attribute__((vector_size(64)));
  typedef int64_t Integers __attribute__((vector_size(64)));
  typedef uint64_t Sums __attribute__((vector_size(64)));
  static constexpr int64_t kExponent = 0x7ff0000000000000;
};

template <class Product>
struct Stages {
  // By reference: a vector that is returned would take another way in each variant.
  template <class Vector>
  static void read(const void* from, Vector& value) {
    std::memcpy(&value, from, sizeof value);
  }

  template <typename Element>
  static void quantise(const Element* values, int64_t dimension, const Grid& grid, uint8_t* bytes,
                       RowFacts* facts) {
    using Lane = Lanes<Element>;
    using Vector = typename Lane::Vector;
    using Integers = typename Lane::Integers;
    typedef uint8_t Bytes __attribute__((vector_size(Lane::kCount)));
    constexpr int kCount = Lane::kCount;
    const auto scale = static_cast<Element>(grid.scale);
    const auto low = static_cast<Element>(grid.low);
    const auto step = static_cast<Element>(grid.step);
    const Element inverse = 1 / step;
    Vector missed = {};
    Integers special = {};
    typename Lane::Sums squares = {}, sums = {};
    for (int64_t d = 0; d < dimension; d += kCount) {
      Element block[kCount];
      const int64_t count = dimension - d < kCount ? dimension - d : kCount;
      const Element* from = values + d;
      if (count < kCount) {  // filled up with a value that becomes 0 and misses nothing
        for (int i = 0; i < kCount; ++i) block[i] = i < count ? values[d + i] : low / scale;
        from = block;
      }
      Vector value;
      read(from, value);
      Integers bits;
      read(from, bits);
      special |= (bits & Lane::kExponent) == Lane::kExponent;
      const Vector shifted = value * scale - low;
      Vector wanted = shifted * inverse;
      wanted = wanted > 0 ? wanted : Vector{};
      wanted = wanted < 255 ? wanted : Vector{} + 255;
      const Integers k = __builtin_convertvector(wanted + Element{0.5}, Integers);
      const Vector rest = shifted - step * __builtin_convertvector(k, Vector);
      missed += rest * rest;
      const auto term = (typename Lane::Sums)k;
      squares += term * term;
      sums += term;
      const Bytes narrow = __builtin_convertvector(k, Bytes);
      std::memcpy(bytes + d, &narrow, static_cast<size_t>(count));
    }
    *facts = {0, 0, 0, true};
    for (int i = 0; i < kCount; ++i) {
      facts->missed += static_cast<double>(missed[i]);
      facts->square += static_cast<int32_t>(squares[i]);
      facts->sum += static_cast<int32_t>(sums[i]);
      facts->finite = facts->finite && special[i] == 0;
    }
  }

  static void dots(const uint8_t* query, const int8_t* samples, const int32_t* rows, int count,
                   int64_t width, int32_t* out) {
    constexpr int kBytes = kGroupBytes * Product::kLanes;
    for (int first = 0; first < count; first += kTogether) {
      const int8_t* row[kTogether];
      for (int i = 0; i < kTogether; ++i) {
        row[i] = samples + rows[first + i < count ? first + i : count - 1] * width;
      }
      auto a = Product::zero(), b = Product::zero(), c = Product::zero(), e = Product::zero();
      for (int64_t d = 0; d < width; d += kBytes) {
        const auto left = Product::load_bytes(query + d);
        a = Product::dot(a, left, Product::load_bytes(row[0] + d));
        b = Product::dot(b, left, Product::load_bytes(row[1] + d));
        c = Product::dot(c, left, Product::load_bytes(row[2] + d));
        e = Product::dot(e, left, Product::load_bytes(row[3] + d));
      }
      int32_t sums[kTogether];
      Product::sums(a, b, c, e, sums);
      for (int i = 0; i < kTogether && first + i < count; ++i) out[first + i] = sums[i];
    }
  }

  // Twelve queries by one register of samples at a time: the sums stay in registers.
  static uint32_t scan(const uint8_t* panel, const int8_t* tile, const int32_t* offsets,
                       const int32_t* limits, uint32_t* hits) {
    for (int q = 0; q < kPanelQueries; ++q) hits[q] = 0;
    for (int first = 0; first < kTileSamples; first += Product::kLanes) {
      typename Product::Register sums[kPanelQueries];
      const auto offset = Product::load(offsets + first);
#pragma GCC unroll 12
      for (int q = 0; q < kPanelQueries; ++q) sums[q] = offset;
#pragma GCC unroll 2
      for (int g = 0; g < kCodeGroups; ++g) {
        const auto x = Product::load_bytes(
            tile + kGroupBytes * (static_cast<int64_t>(g) * kTileSamples + first));
        const uint8_t* query = panel + static_cast<int64_t>(g) * kPanelQueries * kGroupBytes;
#pragma GCC unroll 12
        for (int q = 0; q < kPanelQueries; ++q) {
          sums[q] = Product::dot(sums[q], Product::broadcast(query + kGroupBytes * q), x);
        }
      }
#pragma GCC unroll 12
      for (int q = 0; q < kPanelQueries; ++q) {
        hits[q] |= Product::at_least(sums[q], limits[q]) << first;
      }
    }
    uint32_t any = 0;
    for (int q = 0; q < kPanelQueries; ++q) any |= static_cast<uint32_t>(hits[q] != 0) << q;
    return any;
  }

  static void multiply(const float* left, int64_t rows, int64_t depth, const float* right,
                       float* out) {
    using Vector = Lanes<float>::Vector;
    constexpr int kRows = 4, kVectors = kCodes / Lanes<float>::kCount;
    for (int64_t first = 0; first < rows; first += kRows) {
      const float* row[kRows];
      for (int i = 0; i < kRows; ++i) {
        row[i] = left + (first + i < rows ? first + i : rows - 1) * depth;
      }
      Vector sums[kRows][kVectors] = {};
      for (int64_t d = 0; d < depth; ++d) {
        const float* factor = right + d * kCodes;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          Vector x;
          read(factor + v * Lanes<float>::kCount, x);
#pragma GCC unroll 4
          for (int i = 0; i < kRows; ++i) sums[i][v] += row[i][d] * x;
        }
      }
      for (int i = 0; i < kRows && first + i < rows; ++i) {
        std::memcpy(out + (first + i) * kCodes, sums[i], sizeof sums[i]);
      }
    }
  }

  static void code(const float* coordinates, const float* middle, float step, int8_t* codes,
                   CodeFacts* facts) {
    using Vector = Lanes<float>::Vector;
    using Integers = Lanes<float>::Integers;
    constexpr int kCount = Lanes<float>::kCount;
    typedef int8_t Bytes __attribute__((vector_size(kCount)));
    const float inverse = 1 / step;
    Vector missed = {};
    Lanes<float>::Sums squares = {}, sums = {};
    for (int c = 0; c < kCodes; c += kCount) {
      Vector shifted, centre;
      read(coordinates + c, shifted);
      read(middle + c, centre);
      shifted -= centre;
      Vector wanted = shifted * inverse;
      wanted = wanted > -127 ? wanted : Vector{} - 127;
      wanted = wanted < 127 ? wanted : Vector{} + 127;
      const Integers k = __builtin_convertvector(wanted + 127.5F, Integers) - 127;
      const Vector rest = shifted - step * __builtin_convertvector(k, Vector);
      missed += rest * rest;
      const auto term = (Lanes<float>::Sums)k;
      squares += term * term;
      sums += term;
      const Bytes narrow = __builtin_convertvector(k, Bytes);
      std::memcpy(codes + c, &narrow, sizeof narrow);
    }
    *facts = {};
    for (int i = 0; i < kCount; ++i) {
      facts->missed += missed[i];
      facts->square += static_cast<int32_t>(squares[i]);
      facts->sum += static_cast<int32_t>(sums[i]);
    }
  }

  template <typename Element>
  static double distance(const Element* a, const Element* b, int64_t dimension) {
    constexpr int kCount = 8;
    using Vector = Lanes<double>::Vector;
    typedef Element Part __attribute__((vector_size(kCount * sizeof(Element))));
    Vector sums[2] = {};
    int64_t d = 0;
    for (; d + 2 * kCount <= dimension; d += 2 * kCount) {
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        Part left, right;
        read(a + d + half * kCount, left);
        read(b + d + half * kCount, right);
        const Vector difference =
            __builtin_convertvector(left, Vector) - __builtin_convertvector(right, Vector);
        sums[half] += difference * difference;
      }
    }
    const Vector one = sums[0] + sums[1];
    double sum = 0;
    for (int i = 0; i < kCount; ++i) sum += one[i];
    for (; d < dimension; ++d) {
      const double rest = static_cast<double>(a[d]) - static_cast<double>(b[d]);
      sum += rest * rest;
    }
    return sum;
  }

  static constexpr Kernels table(const char* name, bool CpuFeatures::* needs) {
    return {name,     needs, quantise<float>, quantise<double>, dots, scan,
            multiply, code,  distance<float>, distance<double>};
  }
};

}  // namespace gantool::screen
