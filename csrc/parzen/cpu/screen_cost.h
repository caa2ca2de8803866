// Whether a screen ends before the dense pass, by what either takes for a pair, in units of one
// column of a float32 product of the dense pass. Fitted to 10,000 x 10,000 x 784 on AVX-512 VNNI
// (Zen 4), from sigma 0.1 to 1 and on noise, and at AMX to an Intel server. Constants, not a
// measurement of the moment: equal calls take equal ways.
#pragma once

#include <cstdint>

#include "parzen/cpu/kernel.h"
#include "screen/cpu/pilot.h"

namespace gantool {

// The codes of a pair; then, for each column, a byte of a pair that level 1 keeps and of one that
// is refined.
constexpr double kScanCost = 30;
constexpr double kCompareCost = 1.5;
constexpr double kRefineCost = 4;

// For each column of a row on either side: its bytes, its codes, its place in the order.
constexpr double kRowCost = 200;

// For each column: the basis and the pilot, which a call pays that is then left to the dense pass.
constexpr double kPilotCost = 1.2e6;

// Of the dense pass. A processor with AMX takes half as long for a float32 column beside the screen
// as the one that the costs above were fitted to. float64 is torch's product with the exponentials,
// which takes over there.
inline double dense_cost(bool bytes, bool float64) {
  if (float64) return 2;
  switch (parzen_cpu_best_kernel(bytes).queries.operand) {
    case Operand::UnsignedByte:
    case Operand::SignedByte:
      return cpu_features().amx_int8 ? 0.06 : 0.25;
    case Operand::Bfloat16:
      return 0.28;
    case Operand::Float32:
      break;
  }
  return 1;
}

// `rows_per_pair` is (N + M) / (N M).
inline double saved_by_screen(const screen::Shares& shares, int64_t dimension, double rows_per_pair,
                              bool bytes, bool float64) {
  const double of_a_column = rows_per_pair * kRowCost + shares.codes * kCompareCost +
                             shares.bytes * kRefineCost - dense_cost(bytes, float64);
  return -(kScanCost + static_cast<double>(dimension) * of_a_column);
}

}  // namespace gantool
