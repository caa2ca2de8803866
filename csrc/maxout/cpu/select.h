// Maxout's winners on wide vectors: kLanes units at a time, their pieces taken apart by permutes.
//
// The pieces of one unit lie side by side, so that P vectors of product hold kLanes units, and
// piece p of unit u is element u P + p of them. Loading such elements one by one would cost more
// than all the comparing; two-source permutes by a table collect them from the P vectors already
// loaded.
//
// Included like backward.h: after the target pragma and kLanes, with no include of its own.

namespace gantool {
namespace {

typedef float SelectFloats __attribute__((vector_size(kLanes * 4)));
typedef int32_t SelectInts __attribute__((vector_size(kLanes * 4)));
typedef uint16_t SelectHalves __attribute__((vector_size(kLanes * 2)));
typedef uint8_t SelectBytes __attribute__((vector_size(kLanes)));

inline SelectFloats load_product(const float* from) {
  SelectFloats value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

inline SelectFloats load_product(const BFloat16* from) {
  SelectHalves halves;
  __builtin_memcpy(&halves, from, sizeof halves);
  return (SelectFloats)(__builtin_convertvector(halves, SelectInts) << 16);
}

inline void store_best(float* to, SelectFloats value) {
  __builtin_memcpy(to, &value, sizeof value);
}

// Exact: the value was a bfloat16 before it was widened.
inline void store_best(BFloat16* to, SelectFloats value) {
  const SelectHalves halves =
      __builtin_convertvector(((SelectInts)value >> 16) & 0xffff, SelectHalves);
  __builtin_memcpy(to, &halves, sizeof halves);
}

// Handles a multiple of kLanes units and returns how many.
template <int P, typename Element>
int64_t select_wide(const Element* product, int64_t units, Element* out, uint8_t* winner) {
  constexpr int kPairs = (P + 1) / 2;
  SelectInts index[P][kPairs];  // where in a pair of vectors the element is
  SelectInts here[P][kPairs];   // all ones where it is in this pair at all
  for (int p = 0; p < P; ++p) {
    for (int pair = 0; pair < kPairs; ++pair) {
      for (int u = 0; u < kLanes; ++u) {
        const int at = u * P + p - pair * 2 * static_cast<int>(kLanes);
        const bool inside = at >= 0 && at < 2 * kLanes;
        index[p][pair][u] = inside ? at : 0;
        here[p][pair][u] = inside ? -1 : 0;
      }
    }
  }
  int64_t unit = 0;
  for (; unit + kLanes <= units; unit += kLanes) {
    SelectFloats source[2 * kPairs] = {};
    for (int i = 0; i < P; ++i) source[i] = load_product(product + unit * P + i * kLanes);
    SelectFloats best = {};
    SelectInts best_piece = {};
    for (int p = 0; p < P; ++p) {
      SelectFloats value = __builtin_shuffle(source[0], source[1], index[p][0]);
      for (int pair = 1; pair < kPairs; ++pair) {
        const SelectFloats other =
            __builtin_shuffle(source[2 * pair], source[2 * pair + 1], index[p][pair]);
        value = here[p][pair] ? other : value;
      }
      // Strictly greater, so that the lowest of equals wins; a NaN beats all but an earlier NaN.
      const SelectInts better = (value > best) | ((value != value) & (best == best));
      best = p == 0 ? value : better ? value : best;
      best_piece = p == 0 ? best_piece : better ? SelectInts{} + p : best_piece;
    }
    store_best(out + unit, best);
    const SelectBytes bytes = __builtin_convertvector(best_piece, SelectBytes);
    __builtin_memcpy(winner + unit, &bytes, sizeof bytes);
  }
  return unit;
}

template <typename Element>
int64_t select_wide(const Element* product, int64_t units, int64_t pieces, Element* out,
                    uint8_t* winner) {
  switch (pieces) {
    case 2:
      return select_wide<2>(product, units, out, winner);
    case 3:
      return select_wide<3>(product, units, out, winner);
    case 4:
      return select_wide<4>(product, units, out, winner);
    case 5:
      return select_wide<5>(product, units, out, winner);
    default:
      return 0;
  }
}

}  // namespace
}  // namespace gantool
