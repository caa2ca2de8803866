// Parzen-window log-density, every bandwidth from one pass over the distances:
//
//   log_density[s, i] = log( (1/M) sum_j exp(-|q_i - x_j|^2 / (2 sigma_s^2)) )
//                       - (D/2) log(2 pi sigma_s^2)                              [nats]
//
// (Breuleux et al. 2011, as used for the log-likelihoods of Goodfellow et al. 2014.) Torch-free:
// raw pointers, int64 sizes, strides in elements between rows, columns contiguous.
#pragma once

#include <cstdint>

#include "cpu/parallel.h"

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

// The CPU's ways to compute the products. The integer ones need every query and sample to be a byte
// over one scale (k/255, k/256, k/16 or k). A model runs the AMX loop on plain C++ tiles: it is
// slow, always there, and exists for tests.
enum class CpuVariant {
  Auto,
  Portable,
  Avx2,
  Avx512,
  Avx512Vnni,
  AmxBf16,
  AmxInt8,
  AmxBf16Model,
  AmxInt8Model,
};

const char* parzen_cpu_variant_name(CpuVariant variant);  // "auto", "portable", "avx512-vnni" ...
bool parzen_cpu_variant_available(CpuVariant variant);

// What Auto means on this processor, for data that are bytes over a scale and for any other data.
CpuVariant parzen_cpu_best_variant(bool byte_pixels);

// Computes log_density and returns the variant that ran. Memory beyond the arguments: under 64 MB
// at 10,000 x 10,000 x 784 with ten bandwidths, and not growing with M. But for whether all data
// are bytes, which decides the variant (and the terms of bfloat16), a row's result depends on no
// other query; nor on the thread count, unless there are fewer than 128 queries a thread: then the
// samples are split over threads, and summed in an order that the thread count fixes.
//   - A query with a NaN or an infinity gives NaN in its own row alone.
//   - A NaN sample gives NaN everywhere; a sample at infinity contributes nothing.
//   - A far query is finite: what float32 cannot hold saturates at its lowest finite value.
// Throws std::invalid_argument when a forced variant is absent here, or is an integer one and the
// data are not bytes.
CpuVariant parzen_log_density_cpu(const ParzenArguments& arguments, CpuVariant variant,
                                  const Threads& threads);

// The same in float64, from differences (no expansion of the square).
void parzen_log_density_cpu(const ParzenArguments64& arguments, const Threads& threads);

}  // namespace gantool
