// What is left out, and what is kept.
//
// Of M samples, one is left out in the sweep where its lower bound is beyond m' + reach, with m'
// the smallest upper bound so far and reach = ln(M / b1) / rate: its term is below b1 / M of the
// largest. m' only falls, so that this holds at the end too. Of those within reach, a tail is left
// out whose bounds exp(-(lower - m') rate) sum to at most b2. So dropped <= b1 + b2, whatever the
// order of the samples. The rest are refined: float64 differences of the rows as they came, which
// err by (D / 16 + 12) 2^-53 of a squared distance, and that times rate is added to the remainder.
#include "parzen/cpu/screened.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "parzen/cpu/exact.h"
#include "parzen/cpu/pack.h"
#include "parzen/cpu/screen_cost.h"
#include "parzen/cpu/window_sums.h"
#include "screen/cpu/encode.h"
#include "screen/cpu/order.h"
#include "screen/cpu/pilot.h"
#include "screen/cpu/sweep.h"

namespace gantool {
namespace {

using screen::Candidate;
using screen::Cells;
using screen::Encoded;
using screen::Encoder;
using screen::Limits;
using screen::RowSet;

constexpr double kSweepShare = 0.2;  // of the allowed remainder: b1
constexpr int64_t kBlockSamples = 65536;
constexpr int64_t kLeastPairs = int64_t{1} << 21;  // below, the dense pass ends before the pilot
constexpr int64_t kLeastQueries = 128;
constexpr int64_t kLeastSamples = 512;
constexpr int64_t kFew = 4;  // candidates a query: to refine them costs less than to sort them
constexpr double kNegligible = 50;  // nats beyond ln M: below the rounding of a float64 sum

// Buckets of the tail, an eighth of a nat wide; ln(M / b1) stays below the last.
constexpr int kBuckets = 512;
constexpr double kBucketWidth = 0.125;

// exp(-gap) at the lower edge of each bucket.
const std::array<double, kBuckets>& bucket_terms() {
  static const std::array<double, kBuckets> terms = [] {
    std::array<double, kBuckets> each;
    for (int i = 0; i < kBuckets; ++i) each[static_cast<size_t>(i)] = std::exp(-i * kBucketWidth);
    return each;
  }();
  return terms;
}

// Whether the dense pass would take its byte products: they are there for float32.
bool look_like_bytes(const RowSet<float>& queries, const RowSet<float>& samples,
                     const Threads& threads) {
  const auto scales = [&](const RowSet<float>& rows) {
    return byte_scales({rows.data, rows.count, rows.stride, rows.dimension}, threads);
  };
  return (scales(queries) & scales(samples)) != 0;
}
bool look_like_bytes(const RowSet<double>&, const RowSet<double>&, const Threads&) { return false; }

struct Widths {
  std::vector<int64_t> order;  // of the bandwidths, the widest first
  std::vector<double> rates;   // 1 / (2 sigma^2), in the data's units
};

template <typename Element>
class Screen {
 public:
  Screen(const ParzenProblem<Element>& problem, double allowed, double* remainder,
         const Threads& threads)
      : problem_(problem),
        remainder_(remainder),
        threads_(threads),
        queries_{problem.queries, problem.query_count, problem.query_stride, problem.dimension},
        samples_{problem.samples, problem.sample_count, problem.sample_stride, problem.dimension},
        b1_(kSweepShare * allowed),
        b2_(allowed - b1_),
        bytes_(look_like_bytes(queries_.thinned(screen::kPilotQueries),
                               samples_.thinned(screen::kPilotSamples), threads)) {
    widths_.order.resize(static_cast<size_t>(problem.sigma_count));
    std::iota(widths_.order.begin(), widths_.order.end(), int64_t{0});
    std::stable_sort(widths_.order.begin(), widths_.order.end(),
                     [&](int64_t a, int64_t b) { return problem.sigmas[a] > problem.sigmas[b]; });
    for (const int64_t s : widths_.order) {
      const double sigma = problem.sigmas[s];
      widths_.rates.push_back(0.5 / (sigma * sigma));
    }
  }

  bool learn(const screen::Kernels& kernels) {
    const auto usable = [](double rate) { return std::isfinite(rate) && rate > 0; };
    return std::all_of(widths_.rates.begin(), widths_.rates.end(), usable) &&
           screen::learn(queries_, samples_, kernels, threads_, &encoder_);
  }

  // Whether the screen, if no pair passed its codes, would save at least what the pilot costs.
  bool possible() const {
    const double pairs =
        static_cast<double>(problem_.query_count) * static_cast<double>(problem_.sample_count);
    return saved({}) > 2 * kPilotCost * static_cast<double>(problem_.dimension) / pairs;
  }

  // Whether it ends before the dense pass at the widest bandwidth.
  bool worth() const {
    Encoded queries, samples;
    encoder_.encode(queries_.thinned(screen::kPilotQueries), screen::Side::kQueries, threads_,
                    &queries);
    encoder_.encode(samples_.thinned(screen::kPilotSamples), screen::Side::kSamples, threads_,
                    &samples);
    return saved(pilot_shares(encoder_, queries, samples, reach())) > 0;
  }

  // Writes everything, a block of samples after the other. False where a sample is not finite: then
  // nothing was written.
  bool run() {
    encoder_.encode(queries_, screen::Side::kQueries, threads_, &encoded_queries_);
    leaf_rows_ = split_by_medians(encoded_queries_, screen::kLeafQueries, &leaves_);
    limits_ = std::make_unique<Limits>(problem_.query_count, 1, reach());
    sums_ = std::make_unique<WindowSums>(problem_.query_count, widths_.rates);
    Encoded samples;
    for (int64_t first = 0; first < samples_.count; first += kBlockSamples) {
      const RowSet<Element> block =
          samples_.part(first, std::min(kBlockSamples, samples_.count - first));
      encoder_.encode(block, screen::Side::kSamples, threads_, &samples);
      if (!samples.all_finite()) return false;
      const Cells cells(samples);
      each_leaf([&](int64_t begin, int64_t end, Scratch* scratch) {
        meet(block, samples, cells, begin, static_cast<int>(end - begin), scratch);
      });
    }
    for (int64_t i = 0; i < problem_.query_count; ++i) finish(i);
    return true;
  }

 private:
  struct Scratch {
    std::vector<Candidate> candidates;
    std::vector<double> distances;
  };

  // Of the dense pass, a pair, without the pilot.
  double saved(const screen::Shares& shares) const {
    const double rows_per_pair = 1.0 / static_cast<double>(problem_.query_count) +
                                 1.0 / static_cast<double>(problem_.sample_count);
    constexpr bool kFloat64 = sizeof(Element) == sizeof(double);
    return saved_by_screen(shares, problem_.dimension, rows_per_pair, bytes_, kFloat64);
  }

  // In scaled units: exact powers of two away from the data's.
  double reach() const {
    const double scale = encoder_.grid.scale;
    return std::log(static_cast<double>(problem_.sample_count) / b1_) / widths_.rates[0] * scale *
           scale;
  }

  template <typename Body>
  void each_leaf(const Body& body) {
    std::atomic<size_t> next{0};
    const size_t count = leaves_.size() - 1;
    threads_.run(threads_.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t worker = begin; worker < end; ++worker) {
        Scratch scratch;
        for (size_t leaf = next++; leaf < count; leaf = next++) {
          body(leaves_[leaf], leaves_[leaf + 1], &scratch);
        }
      }
    });
  }

  // One leaf of queries beside one block of samples.
  void meet(const RowSet<Element>& rows, const Encoded& samples, const Cells& cells, int64_t begin,
            int count, Scratch* scratch) {
    const int32_t* leaf = leaf_rows_.data() + begin;
    std::vector<Candidate>& candidates = scratch->candidates;
    candidates.clear();
    screen::sweep_leaf(encoder_, encoded_queries_, leaf, count, samples, cells, limits_.get(),
                       &candidates);
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(),
                                    [&](const Candidate& each) {
                                      return each.lower > limits_->limit(leaf[each.query]);
                                    }),
                     candidates.end());
    int64_t within[screen::kLeafQueries] = {};
    for (const Candidate& each : candidates) ++within[each.query];
    for (int q = 0; q < count; ++q) {
      const auto beyond = static_cast<double>(rows.count - within[q]);
      sums_->drop(static_cast<size_t>(leaf[q]),
                  beyond * b1_ / static_cast<double>(problem_.sample_count) * (1 + 1e-9));
    }
    if (static_cast<int64_t>(candidates.size()) > kFew * count) {
      leave_out_tails(leaf, count, rows.count, &candidates);
    }
    refine(rows, leaf, scratch);
  }

  // Removes as many of the farthest candidates as b2 allows.
  void leave_out_tails(const int32_t* leaf, int count, int64_t block,
                       std::vector<Candidate>* candidates) {
    const double scale = encoder_.grid.scale;
    const double rate = widths_.rates[0] / (scale * scale);
    const double allowed =
        b2_ * static_cast<double>(block) / static_cast<double>(problem_.sample_count);
    // A query without an upper bound has no tail: its gaps are no numbers.
    const auto bucket_of = [&](const Candidate& each) {
      const double gap = (each.lower - limits_->nearest(leaf[each.query])) * rate / kBucketWidth;
      return gap > 0 ? static_cast<int>(std::min<double>(gap, kBuckets - 1)) : 0;
    };
    std::vector<int32_t> buckets(static_cast<size_t>(count) * kBuckets, 0);
    for (const Candidate& each : *candidates) {
      ++buckets[static_cast<size_t>(each.query * kBuckets + bucket_of(each))];
    }
    const auto& terms = bucket_terms();
    int kept[screen::kLeafQueries];  // buckets
    for (int q = 0; q < count; ++q) {
      const int32_t* of_query = &buckets[static_cast<size_t>(q) * kBuckets];
      double tail = 0;
      int last = kBuckets;
      for (; last > 1; --last) {
        const double more =
            tail + of_query[last - 1] * terms[static_cast<size_t>(last - 1)] * (1 + 1e-9);
        if (more > allowed) break;
        tail = more;
      }
      kept[q] = last;
      sums_->drop(static_cast<size_t>(leaf[q]), tail);
    }
    candidates->erase(
        std::remove_if(candidates->begin(), candidates->end(),
                       [&](const Candidate& each) { return bucket_of(each) >= kept[each.query]; }),
        candidates->end());
  }

  double distance(const float* a, const float* b) const {
    return encoder_.kernels->float_distance(a, b, problem_.dimension);
  }
  double distance(const double* a, const double* b) const {
    return encoder_.kernels->double_distance(a, b, problem_.dimension);
  }

  // The kept candidates' terms, from the rows as they came.
  void refine(const RowSet<Element>& rows, const int32_t* leaf, Scratch* scratch) {
    const double negligible = kNegligible + std::log(static_cast<double>(problem_.sample_count));
    const std::vector<Candidate>& candidates = scratch->candidates;
    scratch->distances.clear();
    for (const Candidate& each : candidates) {
      const double square = distance(queries_.row(leaf[each.query]), rows.row(each.row));
      scratch->distances.push_back(square);
      sums_->lower(static_cast<size_t>(leaf[each.query]), square);
    }
    for (size_t i = 0; i < candidates.size(); ++i) {
      sums_->add(static_cast<size_t>(leaf[candidates[i].query]), scratch->distances[i], negligible);
    }
  }

  void finish(int64_t query) {
    const auto i = static_cast<size_t>(query);
    const auto columns = static_cast<double>(problem_.dimension);
    for (size_t s = 0; s < widths_.order.size(); ++s) {
      const int64_t place = widths_.order[s] * problem_.query_count + query;
      if (!encoded_queries_.finite[i]) {
        problem_.log_density[place] = std::numeric_limits<Element>::quiet_NaN();
        remainder_[place] = std::numeric_limits<double>::quiet_NaN();
        continue;
      }
      const double sum = sums_->sum(i, s), least = sums_->minimum(i);
      problem_.log_density[place] = parzen_finish<Element>(
          least, sum, problem_.sigmas[widths_.order[s]], problem_.sample_count, problem_.dimension);
      const double rounding = (columns / 16 + 12) * 0x1p-53 * least * widths_.rates[s];
      remainder_[place] = std::log1p(sums_->dropped(i) / sum) + rounding;
    }
  }

  const ParzenProblem<Element>& problem_;
  double* const remainder_;
  const Threads& threads_;
  const RowSet<Element> queries_;
  const RowSet<Element> samples_;
  const double b1_;
  const double b2_;
  const bool bytes_;  // as far as the rows of a pilot tell
  Encoder encoder_;
  Widths widths_;
  Encoded encoded_queries_;
  std::vector<int32_t> leaf_rows_;
  std::vector<int64_t> leaves_;
  std::unique_ptr<Limits> limits_;
  std::unique_ptr<WindowSums> sums_;
};

}  // namespace

template <typename Element>
const char* parzen_screened(const ParzenProblem<Element>& problem, double allowed,
                            double* remainder, const Threads& threads,
                            const ScreenOptions& options) {
  const int64_t queries = problem.query_count, samples = problem.sample_count;
  const bool small =
      queries < kLeastQueries || samples < kLeastSamples || queries * samples < kLeastPairs;
  if (!(allowed > 0) || queries == 0 || problem.sigma_count == 0) return nullptr;
  if (small && !options.forced) return nullptr;
  Screen<Element> run(problem, allowed, remainder, threads);
  const screen::Kernels& kernels = options.kernels ? *options.kernels : *screen::kernels().front();
  if (!options.forced && !run.possible()) return nullptr;
  if (!run.learn(kernels) || (!options.forced && !run.worth()) || !run.run()) return nullptr;
  return kernels.name;
}

template const char* parzen_screened(const ParzenProblem<float>&, double, double*, const Threads&,
                                     const ScreenOptions&);
template const char* parzen_screened(const ParzenProblem<double>&, double, double*, const Threads&,
                                     const ScreenOptions&);

}  // namespace gantool
