// Joins the partial sums of a Parzen pass to log-densities, and marks the queries whose distances
// lost too much to cancellation.
//
//   log_density[s, i] = log sum_j exp(-(d2[i, j] - least[i]) rate[s]) - least[i] rate[s]
//                       - log M - (D/2) log(2 pi sigma_s^2)
//
// One thread for each (sigma, query); 1 + splits partial values each, O(S N) in all.
#pragma once

#include <cfloat>
#include <cmath>
#include <limits>

#include "parzen/cuda/differences.cuh"
#include "parzen/cuda/workspace.h"
#include "simt/simt.cuh"

namespace gantool {

constexpr int kCombineThreads = 256;
template <class Real>
constexpr double kLargest = static_cast<double>(std::numeric_limits<Real>::max());

template <class Partial, class Real>
struct CombineProblem {
  const Partial* partial;  // [splits, 1 + sigma_count, pitch]
  int64_t splits;
  int64_t pitch;
  const Real* sigmas;
  int sigma_count;
  const ParzenScale* scale;    // null where distances are in the data's own unit
  const QueryRow* query_rows;  // null likewise
  int* marks;                  // [query_count]; null where the distances are exact
  const int* listed;           // the queries that `partial` holds, in its order; null for all
  const ParzenScale* list;     // how many they are
  int64_t query_count;
  int64_t sample_count;
  int64_t dimension;
  Real* log_density;  // [sigma_count, query_count]
};

// Whether cancellation may have moved the distances of a query by more than a density may err;
// `own` is sigma in the unit of its distances. |q|^2 + |x|^2 - 2 q.x errs by half a unit in the
// last place of each norm, by the low terms left out, and by 16 columns at a time summed with
// truncation: together at most (3 + 4 / sqrt(D)) 2^-24 (|q|^2 + |x|^2), which is above all that was
// measured on uniform, normal, log-normal and stroke-like data of 1 to 3,072 columns. Samples that
// lie further than the nearest by 40 nats do not count; the others are within `reach` of 0.
constexpr double kAllowedError = 1.6e-4;  // of d2: 2e-3 (0.2 / sigma)^2 nats at every sigma

GANTOOL_DEVICE bool loses_digits(const ParzenScale& scale, const QueryRow& query, int64_t dimension,
                                 double least, double sigma, double own) {
  const auto norm = static_cast<double>(query.norm);
  const double reach = sqrt(norm) + sqrt(least + 80.0 * own * own);
  const double largest =
      static_cast<double>(scale.largest_norm) * static_cast<double>(query.sample_factor);
  const double share = (3.0 + 4.0 / sqrt(static_cast<double>(dimension))) * 0x1p-24;
  const double unit = own / sigma;
  // Where one sample lies absurdly far out, the norms of all others vanish in its unit.
  const double vanished = 4.0 * static_cast<double>(FLT_MIN);
  const double error = share * (norm + fmin(largest, reach * reach)) + vanished;
  return error > kAllowedError * unit * unit;
}

// One thread for each (sigma, query): joins the splits in their order, always in float64.
template <class Partial, class Real>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kCombineThreads, 2)
    combine(CombineProblem<Partial, Real> problem) {
  const int64_t index = simt::block_index() * kCombineThreads + simt::thread_index();
  if (index >= problem.sigma_count * problem.query_count) return;
  const int64_t s = index / problem.query_count, place = index % problem.query_count;
  if (problem.listed != nullptr && place >= problem.list->listed) return;
  const int64_t query = problem.listed == nullptr ? place : problem.listed[place];
  const double sigma = static_cast<double>(problem.sigmas[s]);
  double own = sigma;  // sigma in the unit of this query's distances
  if (problem.scale != nullptr) {
    own = ldexp(problem.scale->unit * sigma,
                problem.scale->exponent - static_cast<int>(problem.query_rows[query].shift));
  }
  const double rate = fmin(0.5 / (own * own), DBL_MAX);
  const int64_t split_pitch = (1 + problem.sigma_count) * problem.pitch;
  double least = kLargest<Partial>;
  for (int64_t split = 0; split < problem.splits; ++split) {
    const auto part = static_cast<double>(problem.partial[split * split_pitch + place]);
    least = keep_nan_minimum(least, part);
  }
  double sum = 0.0;
  for (int64_t split = 0; split < problem.splits; ++split) {
    const Partial* const part = problem.partial + split * split_pitch + place;
    sum += static_cast<double>(part[(1 + s) * problem.pitch]) *
           exp(-(static_cast<double>(part[0]) - least) * rate);
  }
  const double log_volume =
      static_cast<double>(problem.dimension) * (0.91893853320467274178 + log(sigma));
  double value =
      log(sum) - least * rate - log(static_cast<double>(problem.sample_count)) - log_volume;
  // A finite query has a finite log-density; one below the least of its type is given as that, and
  // so is that of a query whose distances are beyond the type.
  if (sum > 0.0 && (value < -kLargest<Real> || least >= kLargest<Partial>)) {
    value = -kLargest<Real>;
  }
  problem.log_density[s * problem.query_count + query] = static_cast<Real>(value);
  if (problem.marks == nullptr) return;
  // Threads of several sigmas may mark one query: all store a one.
  if (loses_digits(*problem.scale, problem.query_rows[query], problem.dimension, least, sigma,
                   own)) {
    problem.marks[query] = 1;
  }
}

}  // namespace gantool
