// The loops around a product kernel.
//
//   for each chunk of samples (packed once, shared by all threads; up to 24 MB)
//     in parallel over (split of the chunk, panel of queries):
//       for each group of panels (packed by the thread that uses it; up to 1 MB)
//         for each block of samples (up to 384 KB: stays in L2)
//           for each panel of the group: kernel.sweep
//
// The state of a (split, panel) is its running minimum and one sum a bandwidth for each query; it
// lives across chunks. There is one split unless panels are too few to occupy the threads. Memory
// beyond the arguments: the chunk, a group a thread, and N (S + 1) floats a split.
#include "parzen/cpu/driver.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>

#include "parzen/cpu/exact.h"
#include "parzen/log_sum_exp.h"

namespace gantool {
namespace {

constexpr int64_t kChunkBytes = 24 << 20;
constexpr int64_t kGroupBytes = 1 << 20;
constexpr int64_t kBlockBytes = 384 << 10;
constexpr int64_t kUnitsPerThread = 4;  // below this many panels a thread, samples are split
constexpr int64_t kFinishGrain = 128;   // queries
constexpr double kLog2E = 1.4426950408889634074;
constexpr std::align_val_t kCacheLine{64};
static_assert(kBlockBytes <= kChunkBytes, "a chunk holds whole blocks");

struct FreeAligned {
  void operator()(void* memory) const { ::operator delete(memory, kCacheLine); }
};
using Bytes = std::unique_ptr<unsigned char, FreeAligned>;

Bytes allocate(int64_t bytes) {
  return Bytes(static_cast<unsigned char*>(::operator new(static_cast<size_t>(bytes), kCacheLine)));
}

int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The error that a distance may have: 2e-3 (0.2 / sigma)^2 nats at every sigma.
constexpr double kAllowedError = 1.6e-4;

// |q|^2 + |x|^2 - 2 q.x errs by at most this share of |q|^2 + |x|^2, which is above all that was
// measured on uniform, normal, log-normal and stroke-like data of 1 to 3,072 columns. The rounding
// of two bfloat16 terms, 2^-17 of a value, averages out over the columns; one term by three loses
// no more than float32 does. Bytes are exact integers.
double product_error(Operand operand, const Encoding& encoding, int64_t dimension) {
  const double root = std::sqrt(static_cast<double>(dimension));
  const bool rounded = encoding.query_terms == 2 || encoding.sample_terms == 2;
  if (operand == Operand::Bfloat16 && rounded) return 0x1p-24 * (3 + 300 / root);
  if (operand == Operand::Bfloat16 || operand == Operand::Float32) return 0x1p-24 * (3 + 4 / root);
  return 0;
}

// Bandwidths, widest first, in operand units. With every term taken relative to the nearest, the
// sum is at least 1; M terms below 2^-24 / M each are together below 2^-24, half a unit of the
// float32 sum. A term is 2^(-rate (d2 - minimum)), so it is negligible once
// rate (d2 - minimum) > 24 + log2 M: against the running minimum, which only falls, the more so.
struct SortedBandwidths {
  std::vector<int64_t> order;  // position -> index in sigmas
  std::vector<float> rate;
  std::vector<float> reach;

  SortedBandwidths(const ParzenArguments& problem, double scale) : order(problem.sigma_count) {
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return problem.sigmas[a] > problem.sigmas[b]; });
    const double bits = 24 + std::log2(static_cast<double>(problem.sample_count));
    for (const int64_t s : order) {
      const double sigma = scale * problem.sigmas[s];
      const double exact = 0.5 * kLog2E / (sigma * sigma);
      rate.push_back(static_cast<float>(exact));
      reach.push_back(static_cast<float>(bits / exact));
    }
  }
};

class Run {
 public:
  Run(const ParzenArguments& problem, const ParzenKernel& kernel, const Encoding& encoding,
      const Threads& threads)
      : problem_(problem),
        kernel_(kernel),
        encoding_(encoding),
        threads_(threads),
        bandwidths_(problem, encoding.scale),
        queries_{problem.queries, problem.query_count, problem.query_stride, problem.dimension},
        samples_{problem.samples, problem.sample_count, problem.sample_stride, problem.dimension},
        panel_bytes_(packed_tile_bytes(kernel.queries, encoding.query_terms, problem.dimension)),
        tile_bytes_(packed_tile_bytes(kernel.samples, encoding.sample_terms, problem.dimension)),
        block_tiles_(std::max<int64_t>(1, kBlockBytes / tile_bytes_)),
        chunk_tiles_(std::min(std::max(block_tiles_, kChunkBytes / tile_bytes_),
                              ceil_divide(problem.sample_count, kernel.samples.rows))),
        panels_(ceil_divide(problem.query_count, kernel.queries.rows)),
        splits_(choose_splits()),
        state_floats_((problem.sigma_count + 1) * kernel.queries.rows),
        share_(product_error(kernel.queries.operand, encoding, problem.dimension)),
        states_(static_cast<size_t>(splits_ * panels_ * state_floats_), 0.0F) {
    for (int64_t unit = 0; unit < splits_ * panels_; ++unit) {
      std::fill_n(state(unit), kernel.queries.rows, kNothingSeen);
    }
  }

  ParzenOutcome operator()() {
    ParzenOutcome outcome;
    const Bytes chunk = allocate(chunk_tiles_ * tile_bytes_);
    const Bytes norms = allocate(chunk_tiles_ * kernel_.samples.rows * int64_t{sizeof(float)});
    for (int64_t first = 0; first < problem_.sample_count;
         first += chunk_tiles_ * kernel_.samples.rows) {
      if (pack_chunk(first, chunk.get(), norms.get())) {
        outcome.nan_sample = true;
        return outcome;
      }
      const int64_t count =
          std::min(problem_.sample_count - first, chunk_tiles_ * kernel_.samples.rows);
      threads_.run(splits_ * panels_, 1, [&](int64_t begin, int64_t end) {
        sweep_units(begin, end, chunk.get(), norms.get(), count);
      });
    }
    finish(outcome);
    return outcome;
  }

 private:
  // The only thing that depends on the number of threads.
  int64_t choose_splits() const {
    const int64_t wanted = kUnitsPerThread * threads_.count;
    if (threads_.count <= 1 || panels_ >= wanted) return 1;
    return std::min(ceil_divide(wanted, panels_), ceil_divide(chunk_tiles_, block_tiles_));
  }

  float* state(int64_t unit) { return states_.data() + unit * state_floats_; }

  bool pack_chunk(int64_t first, unsigned char* chunk, unsigned char* norms) {
    std::atomic<bool> nan{false};
    std::mutex joining;
    const int64_t rows = kernel_.samples.rows;
    const int64_t tiles = std::min(chunk_tiles_, ceil_divide(problem_.sample_count - first, rows));
    threads_.run(tiles, 8, [&](int64_t begin, int64_t end) {
      double largest = 0;
      for (int64_t t = begin; t < end; ++t) {
        if (pack_tile(samples_, first + t * rows, kernel_.samples, encoding_,
                      encoding_.sample_terms, chunk + t * tile_bytes_,
                      norms + t * rows * int64_t{sizeof(float)}, &largest)) {
          nan.store(true, std::memory_order_relaxed);
        }
      }
      const std::lock_guard<std::mutex> lock(joining);
      largest_norm_ = std::max(largest_norm_, largest);
    });
    return nan.load();
  }

  // Units are numbered split-major: a range is a run of panels in one split, then in the next.
  void sweep_units(int64_t begin, int64_t end, const unsigned char* chunk,
                   const unsigned char* norms, int64_t count) {
    const int64_t group = std::min(std::max<int64_t>(1, kGroupBytes / panel_bytes_), end - begin);
    const Bytes packed = allocate(group * panel_bytes_);
    const Bytes query_norms = allocate(group * kernel_.queries.rows * int64_t{sizeof(float)});
    for (int64_t unit = begin; unit < end;) {
      const int64_t panels = std::min({group, end - unit, panels_ - unit % panels_});
      for (int64_t p = 0; p < panels; ++p) {
        pack_tile(queries_, (unit % panels_ + p) * kernel_.queries.rows, kernel_.queries, encoding_,
                  encoding_.query_terms, packed.get() + p * panel_bytes_,
                  query_norms.get() + p * kernel_.queries.rows * int64_t{sizeof(float)});
      }
      sweep_group(unit, panels, packed.get(), query_norms.get(), chunk, norms, count);
      unit += panels;
    }
  }

  void sweep_group(int64_t unit, int64_t panels, const unsigned char* packed,
                   const unsigned char* query_norms, const unsigned char* chunk,
                   const unsigned char* norms, int64_t count) {
    const int64_t rows = kernel_.samples.rows;
    const int64_t blocks = ceil_divide(count, block_tiles_ * rows);
    const int64_t split = unit / panels_;
    for (int64_t b = split * blocks / splits_; b < (split + 1) * blocks / splits_; ++b) {
      const int64_t tile = b * block_tiles_;
      for (int64_t p = 0; p < panels; ++p) {
        kernel_.sweep({packed + p * panel_bytes_,
                       query_norms + p * kernel_.queries.rows * int64_t{sizeof(float)},
                       chunk + tile * tile_bytes_,
                       norms + tile * rows * int64_t{sizeof(float)},
                       std::min(block_tiles_ * rows, count - tile * rows),
                       packed_groups(kernel_.samples, problem_.dimension),
                       encoding_.query_terms,
                       encoding_.sample_terms,
                       {problem_.sigma_count, bandwidths_.rate.data(), bandwidths_.reach.data()},
                       state(unit + p)});
      }
    }
  }

  // Joins the splits in their order and turns sums into log-densities.
  void finish(ParzenOutcome& outcome) {
    std::vector<char> far(static_cast<size_t>(problem_.query_count), 0);
    threads_.run(problem_.query_count, kFinishGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) far[static_cast<size_t>(i)] = !finish_query(i);
    });
    for (int64_t i = 0; i < problem_.query_count; ++i) {
      if (far[static_cast<size_t>(i)]) outcome.far_rows.push_back(i);
    }
  }

  // |q|^2 in operand units, centred; the rounding into terms changes nothing that matters here.
  double query_norm(int64_t query) const {
    const float* row = queries_.data + query * queries_.stride;
    double square = 0;
    for (int64_t d = 0; d < queries_.dimension; ++d) {
      const double centre =
          encoding_.centre.empty() ? 0.0 : encoding_.centre[static_cast<size_t>(d)];
      const double value = static_cast<double>(row[d]) * encoding_.scale - centre;
      square += value * value;
    }
    return square;
  }

  // Whether rounding may have moved the distances of a query by more than a density may err.
  // Samples further than the nearest by 40 nats do not count; the others lie within `reach` of the
  // centre.
  bool loses_digits(double norm, double least, double sigma) const {
    const double scale = encoding_.scale;
    const double own = sigma * scale;
    const double span = least + 80 * own * own;
    const double reach = std::sqrt(norm) + std::sqrt(span);
    const double error = share_ * (norm + std::min(largest_norm_, reach * reach)) + 0x1p-24 * span;
    return error > kAllowedError * scale * scale;
  }

  bool finish_query(int64_t query) {
    const double unit = 1.0 / (static_cast<double>(encoding_.scale) * encoding_.scale);
    const double norm = share_ == 0 ? 0 : query_norm(query);
    for (int64_t s = 0; s < problem_.sigma_count; ++s) {
      const int64_t sigma = bandwidths_.order[static_cast<size_t>(s)];
      const LogSumExp<double> total = joined(query, s);
      if (!(total.minimum < kLargestNorm)) return false;
      if (loses_digits(norm, total.minimum, problem_.sigmas[sigma])) return false;
      problem_.log_density[sigma * problem_.query_count + query] =
          parzen_finish<float>(total.minimum * unit, total.sum, problem_.sigmas[sigma],
                               problem_.sample_count, problem_.dimension);
    }
    return true;
  }

  LogSumExp<double> joined(int64_t query, int64_t bandwidth) {
    const int64_t rows = kernel_.queries.rows;
    const double rate = bandwidths_.rate[static_cast<size_t>(bandwidth)] / kLog2E;
    LogSumExp<double> total;
    for (int64_t split = 0; split < splits_; ++split) {
      const float* part = state(split * panels_ + query / rows) + query % rows;
      if (part[0] < kNothingSeen) total.merge({part[0], part[(bandwidth + 1) * rows]}, rate);
    }
    return total;
  }

  const ParzenArguments& problem_;
  const ParzenKernel& kernel_;
  const Encoding& encoding_;
  const Threads& threads_;
  const SortedBandwidths bandwidths_;
  const Rows queries_;
  const Rows samples_;
  const int64_t panel_bytes_;
  const int64_t tile_bytes_;
  const int64_t block_tiles_;
  const int64_t chunk_tiles_;
  const int64_t panels_;
  const int64_t splits_;
  const int64_t state_floats_;
  const double share_;
  std::vector<float> states_;
  double largest_norm_ = 0;  // of the samples
};

}  // namespace

ParzenOutcome parzen_run(const ParzenArguments& problem, const ParzenKernel& kernel,
                         const Encoding& encoding, const Threads& threads) {
  return Run(problem, kernel, encoding, threads)();
}

}  // namespace gantool
