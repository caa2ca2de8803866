// Parzen-window log-density on CUDA: the launchers.
//
//   log_density[s, i] = log sum_j exp(-|q_i - x_j|^2 / (2 sigma_s^2)) - log M
//                       - (D/2) log(2 pi sigma_s^2)
//
// Source: Parzen (1962) with a Gaussian kernel, as used by Goodfellow et al. (2014), section 5.
// Shapes: queries [N, D], samples [M, D], sigmas [S], log_density [S, N].
// Steps, all on the caller's stream and none waiting for the host:
//   float32, bfloat16, float16   clear, statistics, pack, largest norm (pack.cuh); then for
//                                at most 11 sigmas at a time sweep (sweep.cuh) and combine
//                                (combine.cuh), and for the queries that combine marks
//                                list, sweep and combine from differences
//                                (differences.cuh)
//   float64                      sweep (differences.cuh) and combine, 16 sigmas at a time
// Bytes: each input twice, operands of 4 (N + M) D bytes written once and re-read from level 2 by
// the sweep; operations: up to 6 N M D in the products.
//
// Compiled for sm_80 and sm_90a without spills: sweep_samples takes 255 registers and 101,184
// bytes of shared memory, one block a multiprocessor. Measured on an H200: benchmarks/results.
#include <cmath>
#include <stdexcept>
#include <string>

#include "parzen/cuda/combine.cuh"
#include "parzen/cuda/differences.cuh"
#include "parzen/cuda/launch.h"
#include "parzen/cuda/pack.cuh"
#include "parzen/cuda/sweep.cuh"
#include "parzen/cuda/workspace.h"
#include "parzen/tiles.h"

namespace gantool {

namespace {

template <class Type>
Type* at(void* workspace, int64_t offset) {
  return reinterpret_cast<Type*>(static_cast<unsigned char*>(workspace) + offset);
}

struct Call {
  const ParzenCudaArguments& arguments;
  tiles::ParzenPlan plan;         // of the products; unused for float64
  tiles::ParzenPlan differences;  // of the exact path
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
      static_cast<int*>(nullptr), at<SampleRow>(call.workspace, call.layout.sample_rows));
  simt::launch(
      pack_rows<Element>,
      call.shape(call.plan.query_tiles * (tiles::kQueryTile / kPackWarps), kPackThreads, 0),
      queries, tiles::kQueryTile, centre, scale,
      at<uint32_t>(call.workspace, call.layout.query_operand),
      at<QueryRow>(call.workspace, call.layout.query_rows),
      at<int>(call.workspace, call.layout.marks), static_cast<SampleRow*>(nullptr));
  simt::launch(find_largest_norm, call.shape(1, kPackThreads, kPackThreads * 4),
               at<SampleRow>(call.workspace, call.layout.sample_rows), samples.count, scale);
}

template <class Partial, class Real>
CombineProblem<Partial, Real> combine_problem(const Call& call, const tiles::ParzenPlan& plan,
                                              int64_t first_sigma, int sigma_count) {
  CombineProblem<Partial, Real> problem = {};
  problem.splits = plan.splits;
  problem.sigmas = static_cast<const Real*>(call.arguments.sigmas) + first_sigma;
  problem.sigma_count = sigma_count;
  problem.query_count = call.arguments.query_count;
  problem.sample_count = call.arguments.sample_count;
  problem.dimension = call.arguments.dimension;
  problem.log_density =
      static_cast<Real*>(call.arguments.log_density) + first_sigma * problem.query_count;
  return problem;
}

template <class Partial, class Real>
void join(const Call& call, const CombineProblem<Partial, Real>& problem) {
  const int64_t blocks =
      tiles::ceil_divide(problem.sigma_count * problem.query_count, kCombineThreads);
  simt::launch(combine<Partial, Real>, call.shape(blocks, kCombineThreads, 0), problem);
}

// One pass of products, and what combine marks.
void run_products(const Call& call, int64_t first_sigma, int sigma_count) {
  const ParzenCudaArguments& a = call.arguments;
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
  problem.sigmas = static_cast<const float*>(a.sigmas) + first_sigma;
  problem.sigma_count = sigma_count;
  simt::launch(sweep_samples,
               call.shape(call.plan.query_tiles * call.plan.splits, kTileThreads, kTileSharedBytes),
               problem);
  auto joined = combine_problem<float, float>(call, call.plan, first_sigma, sigma_count);
  joined.partial = problem.partial;
  joined.pitch = call.plan.query_tiles * tiles::kQueryTile;
  joined.scale = problem.scale;
  joined.query_rows = problem.query_rows;
  joined.marks = at<int>(call.workspace, call.layout.marks);
  join(call, joined);
}

// One pass of differences: over every query, or over the listed ones.
template <class Element>
void run_differences(const Call& call, int64_t first_sigma, int sigma_count, bool listed) {
  using Real = typename RealOf<Element>::Type;
  const ParzenCudaArguments& a = call.arguments;
  const tiles::ParzenPlan& plan = call.differences;
  DifferencesProblem<Element> problem = {};
  problem.queries = static_cast<const Element*>(a.queries);
  problem.query_count = a.query_count;
  problem.query_stride = a.query_stride;
  if (listed) {
    problem.listed = at<int>(call.workspace, call.layout.listed);
    problem.scale = at<ParzenScale>(call.workspace, call.layout.scale);
  }
  problem.samples = static_cast<const Element*>(a.samples);
  problem.sample_count = a.sample_count;
  problem.sample_stride = a.sample_stride;
  problem.dimension = a.dimension;
  problem.sigmas = static_cast<const Real*>(a.sigmas) + first_sigma;
  problem.sigma_count = sigma_count;
  problem.query_tiles = static_cast<int>(plan.query_tiles);
  problem.sample_tiles = static_cast<int>(plan.sample_tiles);
  problem.splits = static_cast<int>(plan.splits);
  problem.partial = at<double>(call.workspace, call.layout.differences);
  simt::launch(sweep_differences<Element>,
               call.shape(plan.query_tiles * plan.splits, kThreads64, kSharedBytes64), problem);
  auto joined = combine_problem<double, Real>(call, plan, first_sigma, sigma_count);
  joined.partial = problem.partial;
  joined.pitch = plan.query_tiles * tiles::kQueryTile64;
  joined.listed = problem.listed;
  joined.list = problem.scale;
  join(call, joined);
}

// Calls `pass(first sigma, number of sigmas)` for each pass over the distances.
template <class Pass>
void for_each_pass(const Call& call, int64_t at_a_time, const Pass& pass) {
  for (int64_t first = 0; first < call.arguments.sigma_count; first += at_a_time) {
    pass(first, static_cast<int>(tiles::minimum(at_a_time, call.arguments.sigma_count - first)));
  }
}

template <class Element>
void run_tensor_cores(const Call& call) {
  const ParzenCudaArguments& a = call.arguments;
  prepare<Element>(
      call,
      {static_cast<const Element*>(a.samples), a.sample_count, a.sample_stride, a.dimension, 0},
      {static_cast<const Element*>(a.queries), a.query_count, a.query_stride, a.dimension, 1});
  for_each_pass(call, call.plan.sigmas, [&](int64_t first, int count) {
    run_products(call, first, count);
    simt::launch(list_queries, call.shape(1, kThreads64, kThreads64 * 4),
                 at<int>(call.workspace, call.layout.marks), a.query_count,
                 at<int>(call.workspace, call.layout.listed),
                 at<ParzenScale>(call.workspace, call.layout.scale));
    run_differences<Element>(call, first, count, true);
  });
}

void run_float64(const Call& call) {
  for_each_pass(call, call.differences.sigmas, [&](int64_t first, int count) {
    run_differences<double>(call, first, count, false);
  });
}

struct Plans {
  tiles::ParzenPlan products;
  tiles::ParzenPlan differences;
  ParzenLayout layout;
};

// Passes of both kinds take the same bandwidths: the products' limit is the lower one.
Plans plans_for(CudaElement element, int64_t query_count, int64_t sample_count, int64_t dimension,
                int64_t sigma_count, int multiprocessors) {
  const int64_t processors = multiprocessors < 1 ? 1 : multiprocessors;
  const bool float64 = element == CudaElement::kFloat64;
  Plans plans = {};
  plans.products = tiles::parzen_plan(query_count, sample_count, sigma_count, processors, false);
  plans.differences = tiles::parzen_plan(
      query_count, sample_count, float64 ? sigma_count : plans.products.sigmas, processors, true);
  plans.layout = parzen_layout(float64 ? nullptr : &plans.products, plans.differences, query_count,
                               sample_count, dimension);
  return plans;
}

}  // namespace

int64_t parzen_cuda_workspace_bytes(CudaElement element, int64_t query_count, int64_t sample_count,
                                    int64_t dimension, int64_t sigma_count, int multiprocessors) {
  return plans_for(element, query_count, sample_count, dimension, sigma_count, multiprocessors)
      .layout.bytes;
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
  const Plans plans = plans_for(arguments.element, arguments.query_count, arguments.sample_count,
                                arguments.dimension, arguments.sigma_count, multiprocessors);
  // Tiles and stages are counted in int by the kernels, as are listed queries (elements are indexed
  // by int64_t).
  constexpr int64_t kMost = 0x7fffffff;
  const int64_t depth_blocks = parzen_depth_blocks(arguments.dimension);
  const tiles::ParzenPlan& finer = plans.differences;
  if (depth_blocks > kMost || finer.sample_tiles > kMost / depth_blocks ||
      finer.query_tiles > kMost / finer.splits / 64) {
    throw std::invalid_argument(
        "parzen_log_density on CUDA: " + std::to_string(arguments.query_count) + " queries, " +
        std::to_string(arguments.sample_count) + " samples, dimension " +
        std::to_string(arguments.dimension) +
        " are too many for one call; split the queries or the samples");
  }
  const Call call{arguments, plans.products, plans.differences, plans.layout, workspace, stream};
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
