// A few axes along which rows differ most.
//
// With A's columns orthonormal but for E = A'A - I, the Frobenius norm of E at most epsilon <
// 0.009, a = A'w and rho = the distance of w from the span of A,
//   |a_q - a_x|^2 + (rho_q - rho_x)^2 <= (1 + epsilon) |w_q - w_x|^2
// whatever A is, so that a bad basis makes the bound loose and never false. It needs the true rho:
// encode.h has the interval in which it lies.
//
// A = B W: B holds int8 columns, so that B'k of a row of bytes k is exact, and W, float32, makes
// them orthonormal: the inverse of the Cholesky factor of B'B. epsilon is measured in float64 from
// those very W. The axes are turned among themselves at random, so that none is wider than others
// and one step serves all codes.
#pragma once

#include <cstdint>
#include <vector>

#include "screen/cpu/kernels.h"
#include "simd/parallel.h"

namespace gantool::screen {

struct Basis {
  int64_t width = 0;            // of a row of bytes: the dimension, filled up to a multiple of 64
  std::vector<int8_t> columns;  // [kCodes, width]; those that are not used are zero
  std::vector<float> weights;   // [kCodes, kCodes]: W times the step of the bytes
  double epsilon = 0;
  double reach = 0;  // |z|, z_j = sum_i |B_i| |weights_ij|: at most this much of |k| rounds
};

// From rows of bytes [count, width], of which `dimension` columns count. False where the rows span
// nothing, or the arithmetic did not succeed.
bool make_basis(const uint8_t* bytes, int64_t count, int64_t dimension, int64_t width, float step,
                const Kernels& kernels, const Threads& threads, Basis* basis);

}  // namespace gantool::screen
