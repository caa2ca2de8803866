// The maxout forward epilogue, the dense scatter, and the choice of a variant for the backward
// pass.
#include "maxout.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/bfloat16.h"
#include "cpu/features.h"
#include "cpu/maxout_variants.h"

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

// P is a compile-time constant for the usual numbers of pieces, so that the loop over them unrolls;
// 0 stands for any number.
template <typename Element, int P>
void select_four(const Element* product, int64_t any_pieces, Element* out, uint8_t* winner) {
  const int64_t pieces = P > 0 ? P : any_pieces;
  const auto piece = [&](int64_t p) {
    return UnitFloats{widen(product[p]), widen(product[pieces + p]), widen(product[2 * pieces + p]),
                      widen(product[3 * pieces + p])};
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
    out[u] = narrow<Element>(best[u]);
    winner[u] = static_cast<uint8_t>(best_piece[u]);
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

template <typename Element>
void select_rows(const MaxoutShape& shape, const void* product, void* out, uint8_t* winner,
                 int64_t begin, int64_t end) {
  // Units of all rows lie in one line: a range of rows is a range of units.
  const int64_t first = begin * shape.units, units = (end - begin) * shape.units;
  const Element* from = static_cast<const Element*>(product) + first * shape.pieces;
  Element* to = static_cast<Element*>(out) + first;
  switch (shape.pieces) {
    case 2:
      return select_units<Element, 2>(from, units, 2, to, winner + first);
    case 3:
      return select_units<Element, 3>(from, units, 3, to, winner + first);
    case 4:
      return select_units<Element, 4>(from, units, 4, to, winner + first);
    case 5:
      return select_units<Element, 5>(from, units, 5, to, winner + first);
    default:
      return select_units<Element, 0>(from, units, shape.pieces, to, winner + first);
  }
}

template <typename Element>
void scatter_rows(const MaxoutShape& shape, const void* grad_out, const uint8_t* winner,
                  void* grad_product, int64_t begin, int64_t end) {
  const int64_t pieces = shape.pieces;
  for (int64_t i = begin * shape.units; i < end * shape.units; ++i) {
    Element* unit = static_cast<Element*>(grad_product) + i * pieces;
    for (int64_t p = 0; p < pieces; ++p) unit[p] = narrow<Element>(0.0f);
    unit[winner[i]] = static_cast<const Element*>(grad_out)[i];
  }
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

void maxout_select_cpu(const MaxoutShape& shape, const void* product, void* out, uint8_t* winner,
                       const Threads& threads) {
  threads.run(shape.batch, row_grain(shape), [&](int64_t begin, int64_t end) {
    if (shape.element == MaxoutElement::kBFloat16) {
      select_rows<BFloat16>(shape, product, out, winner, begin, end);
    } else {
      select_rows<float>(shape, product, out, winner, begin, end);
    }
  });
}

void maxout_scatter_cpu(const MaxoutShape& shape, const void* grad_out, const uint8_t* winner,
                        void* grad_product, const Threads& threads) {
  threads.run(shape.batch, row_grain(shape), [&](int64_t begin, int64_t end) {
    if (shape.element == MaxoutElement::kBFloat16) {
      scatter_rows<BFloat16>(shape, grad_out, winner, grad_product, begin, end);
    } else {
      scatter_rows<float>(shape, grad_out, winner, grad_product, begin, end);
    }
  });
}

void maxout_backward_cpu(const MaxoutShape& shape, const MaxoutBackward& arguments,
                         MaxoutVariant variant, const Threads& threads) {
  if (!maxout_cpu_variant_available(variant)) {
    throw std::invalid_argument(std::string("maxout: this processor has no ") +
                                maxout_cpu_variant_name(variant));
  }
  switch (variant == MaxoutVariant::kAuto ? maxout_cpu_best_variant() : variant) {
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
