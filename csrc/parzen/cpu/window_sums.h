// The sums of a Parzen window over the samples that were met: for each query the smallest squared
// distance m, at each bandwidth sum exp(-(d2 - m) rate), and what was left out at the widest, all
// relative to m, so that nothing underflows.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace gantool {

class WindowSums {
 public:
  WindowSums(int64_t queries, const std::vector<double>& rates)
      : rates_(rates),
        minima_(static_cast<size_t>(queries), std::numeric_limits<double>::infinity()),
        dropped_(static_cast<size_t>(queries), 0.0),
        sums_(static_cast<size_t>(queries) * rates.size(), 0.0) {}

  double minimum(size_t query) const { return minima_[query]; }
  double dropped(size_t query) const { return dropped_[query]; }
  double sum(size_t query, size_t width) const { return sums_[query * rates_.size() + width]; }

  // What was left out is relative to a distance that is no smaller than m will be: it stays a
  // bound.
  void drop(size_t query, double terms) { dropped_[query] += terms; }

  void lower(size_t query, double minimum) {
    if (!(minimum < minima_[query])) return;
    for (size_t s = 0; s < rates_.size(); ++s) {
      sums_[query * rates_.size() + s] *= std::exp((minimum - minima_[query]) * rates_[s]);
    }
    minima_[query] = minimum;
  }

  // A term that is not below the minimum. The widest bandwidth is the first, so that the first one
  // at which the term is negligible ends the loop.
  void add(size_t query, double square, double negligible) {
    const double gap = square - minima_[query];
    for (size_t s = 0; s < rates_.size() && gap * rates_[s] <= negligible; ++s) {
      sums_[query * rates_.size() + s] += std::exp(-gap * rates_[s]);
    }
  }

 private:
  const std::vector<double>& rates_;  // 1 / (2 sigma^2), in the data's units
  std::vector<double> minima_;
  std::vector<double> dropped_;
  std::vector<double> sums_;  // [queries, rates]
};

}  // namespace gantool
