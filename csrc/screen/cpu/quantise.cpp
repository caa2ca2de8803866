#include "screen/cpu/quantise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace gantool::screen {
namespace {

constexpr int64_t kLookedAt = 512;  // rows of each side
constexpr size_t kOutliers = 64;    // one row in so many may stick out at either end
constexpr double kUnit = 0x1p-24;

// The least and the largest value of each row that is finite.
template <typename Element>
void extremes(const RowSet<Element>& rows, std::vector<double>* least,
              std::vector<double>* largest) {
  for (int64_t i = 0; i < rows.count; ++i) {
    const Element* row = rows.row(i);
    const auto ends = std::minmax_element(row, row + rows.dimension);
    if (!std::isfinite(*ends.first) || !std::isfinite(*ends.second)) continue;
    least->push_back(*ends.first);
    largest->push_back(*ends.second);
  }
}

}  // namespace

template <typename Element>
bool choose_grid(const RowSet<Element>& queries, const RowSet<Element>& samples, Grid* grid) {
  std::vector<double> least, largest;
  extremes(queries.thinned(kLookedAt), &least, &largest);
  extremes(samples.thinned(kLookedAt), &least, &largest);
  if (least.empty()) return false;
  std::sort(least.begin(), least.end());
  std::sort(largest.begin(), largest.end());
  const size_t out = least.size() / kOutliers;
  const double low = least[out], range = largest[largest.size() - 1 - out] - low;
  int exponent = 0;
  std::frexp(range, &exponent);
  constexpr int kMost = std::numeric_limits<Element>::max_exponent - 2;
  if (!(range > 0) || !std::isfinite(range) || std::abs(exponent) > kMost) return false;
  grid->scale = std::ldexp(1.0, -exponent);
  grid->low = low * grid->scale;
  grid->step = rounded_up(range * grid->scale / 255);
  return true;
}

float row_error(const RowFacts& facts, const Grid& grid, int64_t dimension) {
  const auto columns = static_cast<double>(dimension);
  const double additions = columns / 8 + 16;  // of the narrower vectors
  return rounded_up((1 + (additions + 8) * kUnit) * std::sqrt(facts.missed) +
                    4 * kUnit * grid.step * std::sqrt(static_cast<double>(facts.square)) +
                    2e-19 * std::sqrt(columns));
}

float rounded_up(double value) {
  const auto near = static_cast<float>(value);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return static_cast<double>(near) < value ? std::nextafter(near, kInfinity) : near;
}

template bool choose_grid(const RowSet<float>&, const RowSet<float>&, Grid*);
template bool choose_grid(const RowSet<double>&, const RowSet<double>&, Grid*);

}  // namespace gantool::screen
