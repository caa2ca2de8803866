// Parzen-window log-density on CUDA: the combine kernel and the launchers.
//
//   log_density[s, i] = log sum_j exp(-|q_i - x_j|^2 / (2 sigma_s^2)) - log M
//                       - (D/2) log(2 pi sigma_s^2)
//
// Source: Parzen (1962) with a Gaussian kernel, as used by Goodfellow et al. (2014), section 5.
// Shapes: queries [N, D], samples [M, D], sigmas [S], log_density [S, N].
// Steps, all on the caller's stream and none waiting for the host:
//   float32, bfloat16, float16   clear, statistics, pack (parzen_pack.cuh); then for at most 11
//                                sigmas at a time sweep (parzen_sweep.cuh) and combine
//   float64                      sweep (parzen_float64.cuh) and combine, 16 sigmas at a time
// Bytes: each input twice, operands of 4 (N + M) D bytes written once and re-read from level 2 by
// the sweep; operations: up to 6 N M D in the products.
//
// Compiled for sm_80 and sm_90a without spills: sweep_samples takes 255 registers and 101,184
// bytes of shared memory, one block a multiprocessor. It has been compiled for those processors and
// run through the host model; no figure of its speed on a GPU is known.
#include <cfloat>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "parzen_cuda.h"
#include "parzen_float64.cuh"
#include "parzen_pack.cuh"
#include "parzen_sweep.cuh"
#include "parzen_workspace.h"
#include "tiles.h"

namespace gantool {

namespace {

constexpr int kCombineThreads = 256;
template <class Real>
constexpr double kLargest = static_cast<double>(std::numeric_limits<Real>::max());

template <class Real>
struct CombineProblem {
  const Real* partial;  // [splits, 1 + sigma_count, pitch]
  int64_t splits;
  int64_t pitch;
  const Real* sigmas;
  int sigma_count;
  const ParzenScale* scale;    // null for float64: distances are in the data's own unit
  const QueryRow* query_rows;  // null for float64
  int64_t query_count;
  int64_t sample_count;
  int64_t dimension;
  Real* log_density;  // [sigma_count, query_count]
};

// One thread for each (sigma, query): joins the splits in their order, always in float64.
template <class Real>
GANTOOL_KERNEL GANTOOL_LAUNCH_BOUNDS(kCombineThreads, 2) combine(CombineProblem<Real> problem) {
  const int64_t index = simt::block_index() * kCombineThreads + simt::thread_index();
  if (index >= problem.sigma_count * problem.query_count) return;
  const int64_t s = index / problem.query_count, query = index % problem.query_count;
  const double sigma = static_cast<double>(problem.sigmas[s]);
  double own = sigma;  // sigma in the unit of this query's distances
  if (problem.scale != nullptr) {
    own = ldexp(problem.scale->unit * sigma,
                problem.scale->exponent - static_cast<int>(problem.query_rows[query].shift));
  }
  const double rate = fmin(0.5 / (own * own), DBL_MAX);
  const int64_t split_pitch = (1 + problem.sigma_count) * problem.pitch;
  double least = kLargest<Real>;
  for (int64_t split = 0; split < problem.splits; ++split) {
    const auto part = static_cast<double>(problem.partial[split * split_pitch + query]);
    least = keep_nan_minimum(least, part);
  }
  double sum = 0.0;
  for (int64_t split = 0; split < problem.splits; ++split) {
    const Real* const part = problem.partial + split * split_pitch + query;
    sum += static_cast<double>(part[(1 + s) * problem.pitch]) *
           exp(-(static_cast<double>(part[0]) - least) * rate);
  }
  const double log_volume =
      static_cast<double>(problem.dimension) * (0.91893853320467274178 + log(sigma));
  double value =
      log(sum) - least * rate - log(static_cast<double>(problem.sample_count)) - log_volume;
  // A finite query has a finite log-density; one below the least of its type is given as that, and
  // so is that of a query whose distances are beyond the type.
  if (sum > 0.0 && (value < -kLargest<Real> || least >= kLargest<Real>)) {
    value = -kLargest<Real>;
  }
  problem.log_density[index] = static_cast<Real>(value);
}

template <class Type>
Type* at(void* workspace, int64_t offset) {
  return reinterpret_cast<Type*>(static_cast<unsigned char*>(workspace) + offset);
}

struct Call {
  const ParzenCudaArguments& arguments;
  tiles::ParzenPlan plan;
  ParzenLayout layout;
  void* workspace;
  void* stream;

  simt::Launch shape(int64_t blocks, int threads, int shared_bytes) const {
    return {blocks, threads, shared_bytes, stream};
  }
};

template <class Element>
void prepare(const Call& call, const InputRows<Element>& samples,
             const InputRows<Element>& queries) {
  auto* const scale = at<ParzenScale>(call.workspace, call.layout.scale);
  auto* const statistics = at<ColumnStatistics>(call.workspace, call.layout.statistics);
  auto* const centre = at<double>(call.workspace, call.layout.centre);
  const int64_t column_blocks = tiles::ceil_divide(samples.dimension, kPackThreads);
  const int64_t sample_chunks = parzen_chunks(samples.count);
  const int64_t query_chunks = parzen_chunks(queries.count);
  simt::launch(clear_scale, call.shape(1, 32, 0), scale);
  simt::launch(gather_statistics<Element>,
               call.shape(sample_chunks * column_blocks, kPackThreads, 0), samples, sample_chunks,
               statistics, scale);
  simt::launch(gather_statistics<Element>,
               call.shape(query_chunks * column_blocks, kPackThreads, 0), queries, query_chunks,
               static_cast<ColumnStatistics*>(nullptr), scale);
  simt::launch(finish_statistics, call.shape(1, kPackThreads, kPackThreads * 8), statistics,
               sample_chunks, samples.count, samples.dimension,
               static_cast<const float*>(call.arguments.sigmas), centre, scale);
  static_assert(tiles::kQueryTile % kPackWarps == 0 && tiles::kSampleTile % kPackWarps == 0);
  simt::launch(
      pack_rows<Element>,
      call.shape(call.plan.sample_tiles * (tiles::kSampleTile / kPackWarps), kPackThreads, 0),
      samples, tiles::kSampleTile, centre, scale,
      at<uint32_t>(call.workspace, call.layout.sample_operand), static_cast<QueryRow*>(nullptr),
      at<SampleRow>(call.workspace, call.layout.sample_rows));
  simt::launch(
      pack_rows<Element>,
      call.shape(call.plan.query_tiles * (tiles::kQueryTile / kPackWarps), kPackThreads, 0),
      queries, tiles::kQueryTile, centre, scale,
      at<uint32_t>(call.workspace, call.layout.query_operand),
      at<QueryRow>(call.workspace, call.layout.query_rows), static_cast<SampleRow*>(nullptr));
}

template <class Real>
void join(const Call& call, int64_t first_sigma, int sigma_count, int64_t pitch) {
  CombineProblem<Real> problem = {};
  problem.partial = at<Real>(call.workspace, call.layout.partial);
  problem.splits = call.plan.splits;
  problem.pitch = pitch;
  problem.sigmas = static_cast<const Real*>(call.arguments.sigmas) + first_sigma;
  problem.sigma_count = sigma_count;
  if (sizeof(Real) == sizeof(float)) {
    problem.scale = at<ParzenScale>(call.workspace, call.layout.scale);
    problem.query_rows = at<QueryRow>(call.workspace, call.layout.query_rows);
  }
  problem.query_count = call.arguments.query_count;
  problem.sample_count = call.arguments.sample_count;
  problem.dimension = call.arguments.dimension;
  problem.log_density =
      static_cast<Real*>(call.arguments.log_density) + first_sigma * problem.query_count;
  const int64_t blocks = tiles::ceil_divide(sigma_count * problem.query_count, kCombineThreads);
  simt::launch(combine<Real>, call.shape(blocks, kCombineThreads, 0), problem);
}

// Calls `pass(first sigma, number of sigmas)` for each pass over the distances.
template <class Pass>
void for_each_pass(const Call& call, const Pass& pass) {
  for (int64_t first = 0; first < call.arguments.sigma_count; first += call.plan.sigmas) {
    pass(first,
         static_cast<int>(tiles::minimum(call.plan.sigmas, call.arguments.sigma_count - first)));
  }
}

template <class Element>
void run_tensor_cores(const Call& call) {
  const ParzenCudaArguments& a = call.arguments;
  prepare<Element>(
      call,
      {static_cast<const Element*>(a.samples), a.sample_count, a.sample_stride, a.dimension, 0},
      {static_cast<const Element*>(a.queries), a.query_count, a.query_stride, a.dimension, 1});
  ParzenTileProblem problem = {};
  problem.scale = at<ParzenScale>(call.workspace, call.layout.scale);
  problem.query_rows = at<QueryRow>(call.workspace, call.layout.query_rows);
  problem.sample_rows = at<SampleRow>(call.workspace, call.layout.sample_rows);
  problem.query_operand = at<unsigned char>(call.workspace, call.layout.query_operand);
  problem.sample_operand = at<unsigned char>(call.workspace, call.layout.sample_operand);
  problem.depth_blocks = static_cast<int>(parzen_depth_blocks(a.dimension));
  problem.wrap_depth = (tiles::kStages - 1) % problem.depth_blocks + 1;
  problem.query_tiles = static_cast<int>(call.plan.query_tiles);
  problem.sample_tiles = static_cast<int>(call.plan.sample_tiles);
  problem.splits = static_cast<int>(call.plan.splits);
  // The largest term is 1; M terms below 2^-24 / M together stay under its last bit.
  problem.negligible_bits = 24.0f + std::log2(static_cast<float>(a.sample_count));
  problem.partial = at<float>(call.workspace, call.layout.partial);
  for_each_pass(call, [&](int64_t first, int count) {
    problem.sigmas = static_cast<const float*>(a.sigmas) + first;
    problem.sigma_count = count;
    simt::launch(
        sweep_samples,
        call.shape(call.plan.query_tiles * call.plan.splits, kTileThreads, kTileSharedBytes),
        problem);
    join<float>(call, first, count, call.plan.query_tiles * tiles::kQueryTile);
  });
}

void run_float64(const Call& call) {
  const ParzenCudaArguments& a = call.arguments;
  Parzen64Problem problem = {};
  problem.queries = static_cast<const double*>(a.queries);
  problem.query_count = a.query_count;
  problem.query_stride = a.query_stride;
  problem.samples = static_cast<const double*>(a.samples);
  problem.sample_count = a.sample_count;
  problem.sample_stride = a.sample_stride;
  problem.dimension = a.dimension;
  problem.query_tiles = static_cast<int>(call.plan.query_tiles);
  problem.sample_tiles = static_cast<int>(call.plan.sample_tiles);
  problem.splits = static_cast<int>(call.plan.splits);
  problem.partial = at<double>(call.workspace, call.layout.partial);
  for_each_pass(call, [&](int64_t first, int count) {
    problem.sigmas = static_cast<const double*>(a.sigmas) + first;
    problem.sigma_count = count;
    simt::launch(sweep_samples64,
                 call.shape(call.plan.query_tiles * call.plan.splits, kThreads64, kSharedBytes64),
                 problem);
    join<double>(call, first, count, call.plan.query_tiles * tiles::kQueryTile64);
  });
}

tiles::ParzenPlan plan_for(CudaElement element, int64_t query_count, int64_t sample_count,
                           int64_t sigma_count, int multiprocessors) {
  return tiles::parzen_plan(query_count, sample_count, sigma_count,
                            multiprocessors < 1 ? 1 : multiprocessors,
                            element == CudaElement::kFloat64);
}

}  // namespace

int64_t parzen_cuda_workspace_bytes(CudaElement element, int64_t query_count, int64_t sample_count,
                                    int64_t dimension, int64_t sigma_count, int multiprocessors) {
  return parzen_layout(plan_for(element, query_count, sample_count, sigma_count, multiprocessors),
                       sample_count, dimension, element == CudaElement::kFloat64)
      .bytes;
}

void parzen_log_density_cuda(const ParzenCudaArguments& arguments, void* workspace, void* stream,
                             int multiprocessors) {
  if (arguments.query_count < 0 || arguments.sigma_count < 0 || arguments.sample_count < 1 ||
      arguments.dimension < 1) {
    throw std::invalid_argument(
        "parzen_log_density needs at least one sample and one dimension, and no negative size; "
        "got " +
        std::to_string(arguments.query_count) + " queries, " +
        std::to_string(arguments.sample_count) + " samples, dimension " +
        std::to_string(arguments.dimension) + ", " + std::to_string(arguments.sigma_count) +
        " sigmas");
  }
  if (arguments.query_count == 0 || arguments.sigma_count == 0) return;
  const tiles::ParzenPlan plan =
      plan_for(arguments.element, arguments.query_count, arguments.sample_count,
               arguments.sigma_count, multiprocessors);
  // Tiles and stages are counted in int by the kernels (elements are indexed by int64_t).
  constexpr int64_t kMost = 0x7fffffff;
  const int64_t depth_blocks = parzen_depth_blocks(arguments.dimension);
  if (depth_blocks > kMost || plan.sample_tiles > kMost / depth_blocks ||
      plan.query_tiles > kMost / plan.splits / 64) {
    throw std::invalid_argument(
        "parzen_log_density on CUDA: " + std::to_string(arguments.query_count) + " queries, " +
        std::to_string(arguments.sample_count) + " samples, dimension " +
        std::to_string(arguments.dimension) +
        " are too many for one call; split the queries or the samples");
  }
  const bool float64 = arguments.element == CudaElement::kFloat64;
  const Call call{arguments, plan,
                  parzen_layout(plan, arguments.sample_count, arguments.dimension, float64),
                  workspace, stream};
  switch (arguments.element) {
    case CudaElement::kFloat32:
      return run_tensor_cores<float>(call);
    case CudaElement::kBFloat16:
      return run_tensor_cores<BFloat16Bits>(call);
    case CudaElement::kFloat16:
      return run_tensor_cores<Float16Bits>(call);
    case CudaElement::kFloat64:
      return run_float64(call);
  }
}

}  // namespace gantool
