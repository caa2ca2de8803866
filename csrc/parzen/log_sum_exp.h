// The online log-sum-exp behind the Parzen window: log sum_j exp(-rate d2_j) from one pass, without
// overflow or underflow, by keeping the smallest squared distance seen and the sum relative to it
// (Milakov & Gimelshein 2018, with the maximum of -rate d2 written as the minimum of d2). The
// minimum does not depend on the rate, so one reference serves every bandwidth.
#pragma once

#include <cmath>
#include <limits>

#if defined(__CUDACC__)
#define GANTOOL_HOST_DEVICE __host__ __device__
#else
#define GANTOOL_HOST_DEVICE
#endif

namespace gantool {

// State of one (query, bandwidth): the sum of exp(-rate (d2 - minimum)) over the terms absorbed.
// Empty: minimum = +inf, sum = 0.
template <typename Real>
struct LogSumExp {
  Real minimum = std::numeric_limits<Real>::infinity();
  Real sum = 0;

  // Moves the reference down to `lower`. exp(-inf) = 0 makes the first move from +inf right;
  // equal references are left alone because inf - inf would be NaN.
  GANTOOL_HOST_DEVICE void rebase(Real lower, Real rate) {
    if (lower < minimum) {
      sum *= std::exp((lower - minimum) * rate);
      minimum = lower;
    }
  }

  // A term at infinity weighs nothing; a NaN distance makes the sum NaN for good.
  GANTOOL_HOST_DEVICE void add(Real squared_distance, Real rate) {
    if (squared_distance == std::numeric_limits<Real>::infinity()) return;
    rebase(squared_distance, rate);
    sum += std::exp((minimum - squared_distance) * rate);
  }

  // Joins two disjoint sets of terms.
  GANTOOL_HOST_DEVICE void merge(const LogSumExp& other, Real rate) {
    if (other.minimum == std::numeric_limits<Real>::infinity()) {
      sum += other.sum;  // nothing, or a NaN that must not be lost
      return;
    }
    rebase(other.minimum, rate);
    sum += other.sum * std::exp((minimum - other.minimum) * rate);
  }

  // log sum_j exp(-rate d2_j); -inf when nothing was absorbed.
  GANTOOL_HOST_DEVICE Real value(Real rate) const {
    return sum == 0 ? -std::numeric_limits<Real>::infinity() : std::log(sum) - minimum * rate;
  }
};

}  // namespace gantool
