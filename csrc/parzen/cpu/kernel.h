// The seam between the float32 Parzen driver and its product kernels. A kernel says how operands
// are laid out and sweeps one panel of queries past a block of samples; the driver packs and
// schedules.
//
// Packed layout, the same for every kernel: rows are taken kRows at a time, and within such a tile
// the depth is cut into groups of a few bytes, stored [term][group][row][bytes of the group]. With
// 4-byte groups a register of queries is one aligned load (lanes are queries) and a sample's group
// is one broadcast; with 64-byte groups a tile is what AMX loads as its left operand.
#pragma once

#include <cstdint>

#include "parzen/parzen.h"
#include "simd/features.h"

namespace gantool {

enum class Operand {
  Float32,
  Bfloat16,      // one or two terms, each the rounding of what the terms before left over
  UnsignedByte,  // k
  SignedByte,    // k - 128
};

struct OperandLayout {
  Operand operand;
  int rows;            // of a tile
  int group_bytes;     // contiguous bytes of one row: 4 or 64
  int group_multiple;  // the depth is padded with zeros to a multiple of this many groups
};

// All bandwidths, widest first, so that the first one without a term to add ends the loop. Squared
// distances are in units of the packed operands.
struct Bandwidths {
  int64_t count;
  const float* rate;   // log2(e) / (2 sigma^2): a term is 2^(-rate (d2 - minimum))
  const float* reach;  // terms farther than this beyond the minimum are negligible, see parzen.cpp
};

// One panel of queries against `sample_count` samples. Norms are float for the float operands and
// int32 for the byte ones, chosen so that d2 = query_norm + sample_norm - 2 product; an infinite
// norm takes a row out (it is too far for float32, or padding).
struct Sweep {
  const unsigned char* queries;
  const void* query_norms;
  const unsigned char* samples;
  const void* sample_norms;
  int64_t sample_count;
  int64_t groups;  // of a sample, per term
  int query_terms;
  int sample_terms;
  Bandwidths bandwidths;
  float* state;  // minimum [panel rows], then sums [bandwidths][panel rows]
};

struct ParzenKernel {
  const char* name;
  bool CpuFeatures::* needs;  // of the processor; null: nothing
  OperandLayout queries;
  OperandLayout samples;
  void (*sweep)(const Sweep&);
};

// The state's minimum before the first term. Finite, because (inf - inf) would make NaN; anything
// the driver accepts is far below it, so the first term rescales an empty sum by 2^-126 or less.
constexpr float kNothingSeen = 3.0e38F;

// A norm at or above this is too big for float32 arithmetic on squared distances.
constexpr double kLargestNorm = 1.0e30;

// Depth summed in one go by the float32 kernels; such partial sums are then added up. With one
// running sum over all of D = 784 the largest error on MNIST at a bandwidth of 0.2 was 0.0020 nats,
// all that is allowed; in two levels it is 0.0003.
constexpr int64_t kSummedDepth = 128;

const ParzenKernel& parzen_portable_kernel();
#if defined(__x86_64__)
const ParzenKernel& parzen_avx2_kernel();
const ParzenKernel& parzen_avx512_kernel();
const ParzenKernel& parzen_avx512_vnni_kernel();
const ParzenKernel& parzen_amx_bf16_kernel();
const ParzenKernel& parzen_amx_int8_kernel();
#endif

}  // namespace gantool
