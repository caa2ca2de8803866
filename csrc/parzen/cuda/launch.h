// Launchers of the Parzen-window log-density on CUDA: raw device pointers, int64 sizes, a stream.
//
//   log_density[s, i] = log( (1/M) sum_j exp(-|q_i - x_j|^2 / (2 sigma_s^2)) )
//                       - (D/2) log(2 pi sigma_s^2)
//
// Rows have a stride in elements; columns are contiguous. float32, bfloat16 and float16 rows are
// read as they are (no float32 copy is needed) and use the tensor cores, but for queries where that
// would lose too much to cancellation; float64 rows, and such queries, take plain differences in
// float64. Sigmas and log-densities are float32, or float64 when the element is float64.
//
// Every call is asynchronous on the caller's stream, touches the host not at all, allocates
// nothing, and may be captured in a CUDA graph. Sigmas must be positive (not checked here: they lie
// on the device). A row of queries that is not finite gives NaN in that row alone, and a finite
// row, however far, gives a finite value. Results are deterministic for
// one number of multiprocessors.
#pragma once

#include <cstdint>

#include "simt/element.h"

namespace gantool {

struct ParzenCudaArguments {
  CudaElement element;
  const void* queries;  // [query_count, dimension]
  int64_t query_count;
  int64_t query_stride;
  const void* samples;  // [sample_count, dimension]
  int64_t sample_count;
  int64_t sample_stride;
  int64_t dimension;
  const void* sigmas;  // [sigma_count]
  int64_t sigma_count;
  void* log_density;  // [sigma_count, query_count], row-major
};

// Bytes of device memory that the launcher needs beside its inputs and output: O((N + M) D + S N).
// `multiprocessors` is the device's count; the launcher must be given the same one.
int64_t parzen_cuda_workspace_bytes(CudaElement element, int64_t query_count, int64_t sample_count,
                                    int64_t dimension, int64_t sigma_count, int multiprocessors);

// Enqueues the computation. `workspace` is aligned to 256 bytes (torch's allocator does so);
// `stream` is a cudaStream_t. Throws std::invalid_argument for sizes that have no meaning (no
// samples, dimension below 1, a negative count) and std::runtime_error when a launch is refused.
// With no query or no sigma it returns at once.
void parzen_log_density_cuda(const ParzenCudaArguments& arguments, void* workspace, void* stream,
                             int multiprocessors);

}  // namespace gantool
