// Parzen log-density in float64, term by term.
//
//   log_density[s, i] = log sum_j exp(-|q_i - x_j|^2 / (2 sigma_s^2)) - log M - D/2 log(2 pi
//   sigma_s^2)
//
// Shapes: queries [N, D], samples [M, D], sigmas [S] -> [S, N]. The square is not expanded, so that
// neither an offset nor a huge value cancels or overflows. Work: 3 N M D operations, and S
// exponentials for each pair that matters; parallel over queries; no memory but S numbers a thread.
#include "cpu/parzen_exact.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "log_sum_exp.h"

namespace gantool {
namespace {

constexpr double kLogTwoPi = 1.8378770664093454836;
constexpr int kLanes = 8;  // independent partial sums, so that the compiler may vectorise in order
static_assert(kLanes > 1 && (kLanes & (kLanes - 1)) == 0, "the lanes are folded in halves");

template <typename Element>
double squared_distance(const Element* query, const Element* sample, int64_t dimension) {
  double partial[kLanes] = {};
  int64_t d = 0;
  for (; d + kLanes <= dimension; d += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double difference =
          static_cast<double>(query[d + lane]) - static_cast<double>(sample[d + lane]);
      partial[lane] += difference * difference;
    }
  }
  for (; d < dimension; ++d) {
    const double difference = static_cast<double>(query[d]) - static_cast<double>(sample[d]);
    partial[0] += difference * difference;
  }
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) partial[lane] += partial[lane + half];
  }
  return partial[0];
}

// 1 / (2 sigma^2), kept finite: 0 distance times an infinite rate would be NaN.
double rate_of(double sigma) {
  return std::min(0.5 / (sigma * sigma), std::numeric_limits<double>::max());
}

template <typename Element>
bool finite_row(const Element* row, int64_t dimension) {
  return std::all_of(row, row + dimension, [](Element value) { return std::isfinite(value); });
}

template <typename Element>
void exact_row(const ParzenProblem<Element>& problem, int64_t row,
               std::vector<LogSumExp<double>>& states) {
  const Element* query = problem.queries + row * problem.query_stride;
  std::fill(states.begin(), states.end(), LogSumExp<double>{});
  if (!finite_row(query, problem.dimension)) {
    states.assign(states.size(), {0.0, std::numeric_limits<double>::quiet_NaN()});
  } else {
    for (int64_t j = 0; j < problem.sample_count; ++j) {
      const double d2 =
          squared_distance(query, problem.samples + j * problem.sample_stride, problem.dimension);
      for (int64_t s = 0; s < problem.sigma_count; ++s) {
        states[s].add(d2, rate_of(problem.sigmas[s]));
      }
    }
  }
  for (int64_t s = 0; s < problem.sigma_count; ++s) {
    problem.log_density[s * problem.query_count + row] =
        parzen_finish<Element>(states[s].minimum, states[s].sum, problem.sigmas[s],
                               problem.sample_count, problem.dimension);
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
  threads.run(static_cast<int64_t>(rows.size()), 1, [&](int64_t begin, int64_t end) {
    std::vector<LogSumExp<double>> states(static_cast<size_t>(problem.sigma_count));
    for (int64_t i = begin; i < end; ++i) exact_row(problem, rows[i], states);
  });
}

template void parzen_exact_rows(const ParzenProblem<float>&, const std::vector<int64_t>&,
                                const Threads&);
template void parzen_exact_rows(const ParzenProblem<double>&, const std::vector<int64_t>&,
                                const Threads&);
template float parzen_finish(double, double, double, int64_t, int64_t);
template double parzen_finish(double, double, double, int64_t, int64_t);

}  // namespace gantool
