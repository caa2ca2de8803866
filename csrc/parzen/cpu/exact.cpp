// Parzen log-density in float64 from plain differences.
//
//   log_density[s, i] = log sum_j exp(-|q_i - x_j|^2 / (2 sigma_s^2)) - log M - D/2 log(2 pi
//   sigma_s^2)
//
// Shapes: queries [N, D], samples [M, D], sigmas [S] -> [S, N]. The square is not expanded, so that
// neither an offset nor a huge value cancels. Work: 2 N M D operations (differences.h), and
// S exponentials for each pair that matters; parallel over blocks of 4 queries; 8 KB of distances
// and S numbers a query and thread.
#include "parzen/cpu/exact.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "parzen/cpu/differences.h"
#include "simd/features.h"

namespace gantool {
namespace {

constexpr double kLogTwoPi = 1.8378770664093454836;
constexpr int64_t kSampleBlock = 256;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// 1 / (2 sigma^2), kept finite, since no distance times an infinite rate would be NaN, and above
// zero, since an infinite distance times no rate would.
double rate_of(double sigma) {
  return std::clamp(0.5 / (sigma * sigma), std::numeric_limits<double>::min(),
                    std::numeric_limits<double>::max());
}

template <typename Element>
bool finite_row(const Element* row, int64_t dimension) {
  return std::all_of(row, row + dimension, [](Element value) { return std::isfinite(value); });
}

const DifferenceKernel& difference_kernel() {
#if defined(__x86_64__)
  if (cpu_features().avx512) return parzen_avx512_differences();
  if (cpu_features().avx2_fma) return parzen_avx2_differences();
#endif
  return parzen_portable_differences();
}

void run_kernel(const DifferenceBlock<float>& block) { difference_kernel().of_floats(block); }
void run_kernel(const DifferenceBlock<double>& block) { difference_kernel().of_doubles(block); }

// The sums of one query, relative to the least distance so far: at every bandwidth the term of the
// nearest sample is 1, so that nothing underflows.
struct QueryState {
  double least = kInfinity;
  std::vector<double> sums;

  // Terms below exp(-negligible) of the largest are left out.
  void absorb(const double* distances, int64_t count, const std::vector<double>& rates,
              double negligible) {
    double nearest = least;
    for (int64_t j = 0; j < count; ++j) {
      if (distances[j] < nearest) nearest = distances[j];
    }
    for (size_t s = 0; s < rates.size(); ++s) {
      if (nearest < least) sums[s] *= std::exp((nearest - least) * rates[s]);
      for (int64_t j = 0; j < count; ++j) {
        if (distances[j] == kInfinity) continue;  // it weighs nothing
        const double gap = (distances[j] - nearest) * rates[s];
        if (!(gap > negligible)) sums[s] += std::exp(-gap);  // a NaN makes the sum NaN for good
      }
    }
    least = nearest;
  }
};

template <typename Element>
void exact_block(const ParzenProblem<Element>& problem, const int64_t* rows, int count,
                 const std::vector<double>& rates) {
  DifferenceBlock<Element> block = {};
  for (int i = 0; i < kDifferenceRows; ++i) {
    block.queries[i] = problem.queries + rows[std::min(i, count - 1)] * problem.query_stride;
  }
  block.stride = problem.sample_stride;
  block.dimension = problem.dimension;
  // M terms that are left out stay together below 2^-52 of the sum.
  const double negligible = 37 + std::log(static_cast<double>(problem.sample_count));
  double distances[kDifferenceRows * kSampleBlock];
  block.out = distances;
  std::vector<QueryState> states(static_cast<size_t>(count));
  for (QueryState& state : states) state.sums.assign(rates.size(), 0.0);
  for (int64_t first = 0; first < problem.sample_count; first += kSampleBlock) {
    block.samples = problem.samples + first * problem.sample_stride;
    block.count = std::min(kSampleBlock, problem.sample_count - first);
    run_kernel(block);
    for (int i = 0; i < count; ++i) {
      states[static_cast<size_t>(i)].absorb(distances + i * block.count, block.count, rates,
                                            negligible);
    }
  }
  for (int i = 0; i < count; ++i) {
    const bool finite = finite_row(block.queries[i], problem.dimension);
    const QueryState& state = states[static_cast<size_t>(i)];
    for (size_t s = 0; s < rates.size(); ++s) {
      const double sum = finite ? state.sums[s] : std::numeric_limits<double>::quiet_NaN();
      problem.log_density[static_cast<int64_t>(s) * problem.query_count + rows[i]] =
          parzen_finish<Element>(state.least, sum, problem.sigmas[s], problem.sample_count,
                                 problem.dimension);
    }
  }
}

}  // namespace

template <typename Element>
Element parzen_finish(double minimum, double sum, double sigma, int64_t sample_count,
                      int64_t dimension) {
  constexpr double lowest = static_cast<double>(std::numeric_limits<Element>::lowest());
  const double distance = 0.5 * (minimum / sigma) / sigma;  // sigma^2 may underflow, this does not
  const double density = std::log(sum) - distance - std::log(static_cast<double>(sample_count)) -
                         0.5 * static_cast<double>(dimension) * (kLogTwoPi + 2 * std::log(sigma));
  // Saturate instead of std::max: a NaN must pass.
  return static_cast<Element>(density < lowest ? lowest : density);
}

template <typename Element>
void parzen_exact_rows(const ParzenProblem<Element>& problem, const std::vector<int64_t>& rows,
                       const Threads& threads) {
  std::vector<double> rates(problem.sigmas, problem.sigmas + problem.sigma_count);
  std::transform(rates.begin(), rates.end(), rates.begin(), rate_of);
  const auto count = static_cast<int64_t>(rows.size());
  threads.run((count + kDifferenceRows - 1) / kDifferenceRows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kDifferenceRows;
      exact_block(problem, rows.data() + first,
                  static_cast<int>(std::min<int64_t>(kDifferenceRows, count - first)), rates);
    }
  });
}

template void parzen_exact_rows(const ParzenProblem<float>&, const std::vector<int64_t>&,
                                const Threads&);
template void parzen_exact_rows(const ParzenProblem<double>&, const std::vector<int64_t>&,
                                const Threads&);
template float parzen_finish(double, double, double, int64_t, int64_t);
template double parzen_finish(double, double, double, int64_t, int64_t);

}  // namespace gantool
