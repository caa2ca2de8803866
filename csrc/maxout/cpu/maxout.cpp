// The maxout forward epilogue, the dense scatter, and the choice of a variant for the backward
// pass.
#include "maxout/maxout.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "maxout/cpu/variants.h"
#include "simd/features.h"

namespace gantool {
namespace {

// Below this many elements a thread costs more than it saves.
constexpr int64_t kElementsPerThread = 32 * 1024;

int64_t row_grain(const MaxoutShape& shape) {
  const int64_t row = shape.units * shape.pieces;
  return row < 1 ? 1 : 1 + kElementsPerThread / row;
}

// Four units side by side: branches on data would be mispredicted once in two pieces, and this much
// every processor has as vectors.
constexpr int64_t kUnits = 4;
typedef float UnitFloats __attribute__((vector_size(16)));
typedef int32_t UnitInts __attribute__((vector_size(16)));

inline UnitFloats widen_four(float a, float b, float c, float d) { return UnitFloats{a, b, c, d}; }

inline UnitFloats widen_four(BFloat16 a, BFloat16 b, BFloat16 c, BFloat16 d) {
  return (UnitFloats)(UnitInts{a.bits, b.bits, c.bits, d.bits} << 16);
}

// P is a compile-time constant for the usual numbers of pieces, so that the loop over them unrolls;
// 0 stands for any number.
template <typename Element, int P>
void select_four(const Element* product, int64_t any_pieces, Element* out, uint8_t* winner) {
  const int64_t pieces = P > 0 ? P : any_pieces;
  const auto piece = [&](int64_t p) {
    return widen_four(product[p], product[pieces + p], product[2 * pieces + p],
                      product[3 * pieces + p]);
  };
  UnitFloats best = piece(0);
  UnitInts best_piece = {};
  for (int64_t p = 1; p < pieces; ++p) {
    const UnitFloats value = piece(p);
    // Strictly greater, so that the lowest of equals wins; a NaN beats all but an earlier NaN.
    const UnitInts better = (value > best) | ((value != value) & (best == best));
    best = better ? value : best;
    best_piece = better ? UnitInts{} + static_cast<int32_t>(p) : best_piece;
  }
  for (int64_t u = 0; u < kUnits; ++u) {
    winner[u] = static_cast<uint8_t>(best_piece[u]);
    out[u] = product[u * pieces + best_piece[u]];
  }
}

template <typename Element, int P>
void select_units(const Element* product, int64_t units, int64_t pieces, Element* out,
                  uint8_t* winner) {
  int64_t u = 0;
  for (; u + kUnits <= units; u += kUnits) {
    select_four<Element, P>(product + u * pieces, pieces, out + u, winner + u);
  }
  if (u == units) return;
  std::vector<Element> last(kUnits * pieces);
  std::copy(product + u * pieces, product + units * pieces, last.begin());
  Element last_out[kUnits];
  uint8_t last_winner[kUnits];
  select_four<Element, P>(last.data(), pieces, last_out, last_winner);
  std::copy(last_out, last_out + (units - u), out + u);
  std::copy(last_winner, last_winner + (units - u), winner + u);
}

// The units that wide vectors handle; returns how many those are.
template <typename Element>
int64_t select_vectors([[maybe_unused]] const MaxoutShape& shape,
                       [[maybe_unused]] const Element* product, [[maybe_unused]] int64_t units,
                       [[maybe_unused]] Element* out, [[maybe_unused]] uint8_t* winner,
                       MaxoutVariant variant) {
  switch (variant) {
#if defined(__x86_64__)
    case MaxoutVariant::kAvx512:
      return maxout_select_avx512(product, units, shape.pieces, out, winner);
    case MaxoutVariant::kAvx2:
      return maxout_select_avx2(product, units, shape.pieces, out, winner);
#endif
    default:
      return 0;
  }
}

template <typename Element>
void select_rows(const MaxoutShape& shape, const Element* product, Element* out, uint8_t* winner,
                 MaxoutVariant variant, int64_t begin, int64_t end) {
  // Units of all rows lie in one line: a range of rows is a range of units.
  const int64_t first = begin * shape.units, all = (end - begin) * shape.units;
  const int64_t done = select_vectors(shape, product + first * shape.pieces, all, out + first,
                                      winner + first, variant);
  const int64_t units = all - done;
  const Element* from = product + (first + done) * shape.pieces;
  Element* to = out + first + done;
  winner += first + done;
  switch (shape.pieces) {
    case 2:
      return select_units<Element, 2>(from, units, 2, to, winner);
    case 3:
      return select_units<Element, 3>(from, units, 3, to, winner);
    case 4:
      return select_units<Element, 4>(from, units, 4, to, winner);
    case 5:
      return select_units<Element, 5>(from, units, 5, to, winner);
    default:
      return select_units<Element, 0>(from, units, shape.pieces, to, winner);
  }
}

// A winner becomes an index, and may have come from anywhere: one pass over B U bytes, beside B U I
// operations.
void check_winners(const MaxoutShape& shape, const uint8_t* winner) {
  uint8_t largest = 0;
  for (int64_t i = 0; i < shape.batch * shape.units; ++i) largest = std::max(largest, winner[i]);
  if (shape.batch * shape.units > 0 && largest >= shape.pieces) {
    throw std::invalid_argument("maxout_backward: winner must be below the number of pieces, " +
                                std::to_string(shape.pieces) + ", and one is " +
                                std::to_string(largest));
  }
}

MaxoutVariant choose(MaxoutVariant variant) {
  if (!maxout_cpu_variant_available(variant)) {
    throw std::invalid_argument(std::string("maxout: this processor has no ") +
                                maxout_cpu_variant_name(variant));
  }
  return variant == MaxoutVariant::kAuto ? maxout_cpu_best_variant() : variant;
}

}  // namespace

const char* maxout_cpu_variant_name(MaxoutVariant variant) {
  switch (variant) {
    case MaxoutVariant::kAuto:
      return "auto";
    case MaxoutVariant::kPortable:
      return "portable";
    case MaxoutVariant::kAvx2:
      return "avx2";
    case MaxoutVariant::kAvx512:
      return "avx512";
  }
  return "unknown";
}

bool maxout_cpu_variant_available(MaxoutVariant variant) {
  if (variant == MaxoutVariant::kAvx2) return cpu_features().avx2_fma;
  if (variant == MaxoutVariant::kAvx512) return cpu_features().avx512;
  return true;
}

MaxoutVariant maxout_cpu_best_variant() {
  for (MaxoutVariant variant : {MaxoutVariant::kAvx512, MaxoutVariant::kAvx2}) {
    if (maxout_cpu_variant_available(variant)) return variant;
  }
  return MaxoutVariant::kPortable;
}

bool maxout_cpu_has_bfloat16_products() {
#if defined(__x86_64__)
  return cpu_features().amx_bf16 || __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool maxout_cpu_prefers_winners(int64_t pieces) {
  // Measured at 200 x 784 -> 240 units on one thread: a dense product takes 0.7 ms a piece, the
  // sums over winners 0.7 to 1.3 ms with wide vectors and 2.2 to 2.8 ms without, whatever the
  // pieces.
  return pieces >= (maxout_cpu_best_variant() == MaxoutVariant::kPortable ? 4 : 2);
}

template <typename Element>
void maxout_select_cpu(const MaxoutShape& shape, const Element* product, Element* out,
                       uint8_t* winner, MaxoutVariant variant, const Threads& threads) {
  const MaxoutVariant chosen = choose(variant);
  threads.run(shape.batch, row_grain(shape), [&](int64_t begin, int64_t end) {
    select_rows(shape, product, out, winner, chosen, begin, end);
  });
}

template <typename Element>
void maxout_scatter_cpu(const MaxoutShape& shape, const Element* grad_out, const uint8_t* winner,
                        Element* grad_product, const Threads& threads) {
  check_winners(shape, winner);
  threads.run(shape.batch, row_grain(shape), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * shape.units, last = end * shape.units;
    std::fill(grad_product + first * shape.pieces, grad_product + last * shape.pieces, Element{});
    for (int64_t i = first; i < last; ++i) {
      grad_product[i * shape.pieces + winner[i]] = grad_out[i];
    }
  });
}

template <typename Element>
void maxout_bias_gradient_cpu(const MaxoutShape& shape, const Element* grad_out,
                              const uint8_t* winner, Element* grad_bias, const Threads& threads) {
  check_winners(shape, winner);
  const int64_t pieces = shape.pieces;
  const int64_t grain = 1 + kElementsPerThread / std::max<int64_t>(shape.batch, 1);
  threads.run(shape.units, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> sums((end - begin) * pieces);
    for (int64_t b = 0; b < shape.batch; ++b) {
      for (int64_t u = begin; u < end; ++u) {
        const int64_t at = b * shape.units + u;
        sums[(u - begin) * pieces + winner[at]] += widen(grad_out[at]);
      }
    }
    std::transform(sums.begin(), sums.end(), grad_bias + begin * pieces, narrow<Element>);
  });
}

template void maxout_select_cpu(const MaxoutShape&, const float*, float*, uint8_t*, MaxoutVariant,
                                const Threads&);
template void maxout_select_cpu(const MaxoutShape&, const BFloat16*, BFloat16*, uint8_t*,
                                MaxoutVariant, const Threads&);
template void maxout_scatter_cpu(const MaxoutShape&, const float*, const uint8_t*, float*,
                                 const Threads&);
template void maxout_scatter_cpu(const MaxoutShape&, const BFloat16*, const uint8_t*, BFloat16*,
                                 const Threads&);
template void maxout_bias_gradient_cpu(const MaxoutShape&, const float*, const uint8_t*, float*,
                                       const Threads&);
template void maxout_bias_gradient_cpu(const MaxoutShape&, const BFloat16*, const uint8_t*,
                                       BFloat16*, const Threads&);

void maxout_backward_cpu(const MaxoutShape& shape, const MaxoutBackward& arguments,
                         MaxoutVariant variant, const Threads& threads) {
  // Rows are numbered in 32 bits there; more of them than that would be terabytes.
  if (std::max(shape.batch, shape.units * shape.pieces) > std::numeric_limits<int32_t>::max()) {
    throw std::invalid_argument("maxout: the batch and units x pieces must each be below 2^31");
  }
  check_winners(shape, arguments.winner);
  switch (choose(variant)) {
#if defined(__x86_64__)
    case MaxoutVariant::kAvx512:
      return maxout_backward_avx512(shape, arguments, threads);
    case MaxoutVariant::kAvx2:
      return maxout_backward_avx2(shape, arguments, threads);
#endif
    default:
      return maxout_backward_portable(shape, arguments, threads);
  }
}

}  // namespace gantool
