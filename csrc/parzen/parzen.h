// Parzen-window log-density, every bandwidth from one pass over the distances:
//
//   log_density[s, i] = log( (1/M) sum_j exp(-|q_i - x_j|^2 / (2 sigma_s^2)) )
//                       - (D/2) log(2 pi sigma_s^2)                              [nats]
//
// (Breuleux et al. 2011, as used for the log-likelihoods of Goodfellow et al. 2014.) Torch-free:
// raw pointers, int64 sizes, strides in elements between rows, columns contiguous.
#pragma once

#include <cstdint>
#include <vector>

#include "simd/parallel.h"

namespace gantool {

template <typename Element>
struct ParzenProblem {
  const Element* queries;  // [query_count, dimension]
  int64_t query_count;
  int64_t query_stride;
  const Element* samples;  // [sample_count, dimension], sample_count >= 1
  int64_t sample_count;
  int64_t sample_stride;
  int64_t dimension;      // D >= 1
  const Element* sigmas;  // [sigma_count], each > 0
  int64_t sigma_count;
  Element* log_density;  // [sigma_count, query_count], row-major, written
};

using ParzenArguments = ParzenProblem<float>;
using ParzenArguments64 = ParzenProblem<double>;

// A way to compute the products on the CPU (cpu/kernel.h): its name is that of a processor variant,
// "portable", "avx512-vnni" and so on.
struct ParzenKernel;

// Those that this processor runs, the fastest first. The integer ones need every query and sample
// to be a byte over one scale (k/255, k/256, k/16 or k).
const std::vector<const ParzenKernel*>& parzen_cpu_kernels();

// The fastest for data that are bytes over a scale, or for any other data.
const ParzenKernel& parzen_cpu_best_kernel(bool byte_pixels);

const char* parzen_kernel_name(const ParzenKernel& kernel);

// Computes log_density with `kernel`, or with the fastest where it is null, and returns the one
// that ran. Memory beyond the arguments: under 64 MB at 10,000 x 10,000 x 784 with ten bandwidths,
// and not growing with M. But for whether all data are bytes, which decides the kernel (and the
// terms of bfloat16), a row's result depends on no other query; nor on the thread count, unless
// there are fewer than 128 queries a thread: then the samples are split over threads, and summed in
// an order that the thread count fixes.
//   - A query with a NaN or an infinity gives NaN in its own row alone.
//   - A NaN sample gives NaN everywhere; a sample at infinity contributes nothing.
//   - A far query is finite: what float32 cannot hold saturates at its lowest finite value.
// Throws std::invalid_argument when a forced kernel is an integer one and the data are not bytes.
const ParzenKernel& parzen_log_density_cpu(const ParzenArguments& arguments,
                                           const ParzenKernel* kernel, const Threads& threads);

// The same in float64, from differences (no expansion of the square).
void parzen_log_density_cpu(const ParzenArguments64& arguments, const Threads& threads);

}  // namespace gantool
