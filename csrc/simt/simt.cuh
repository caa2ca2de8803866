// A thin vocabulary for the CUDA kernels, in namespace gantool::simt. Every kernel is written
// against it alone, so that one source runs in two places:
//
//   compiled by nvcc         device.cuh   each word is an intrinsic or one PTX instruction
//   compiled as plain C++    model/host.h       each word is a small exact model of it
//
// The words (one-dimensional grids and blocks, warps of 32 threads):
//
//   GANTOOL_KERNEL GANTOOL_DEVICE GANTOOL_LAUNCH_BOUNDS(threads, blocks)
//   GANTOOL_UNROLL
//   thread_index() block_index() block_count()
//   block_barrier()           every thread of the block arrives before any goes on
//   warp_barrier()            the same for a warp
//   warp_shuffle_xor(v, m)    the value of lane (lane ^ m)
//   warp_any(p)               whether p holds in any lane
//   Shared<T>                 typed view of the block's dynamic shared memory, from a byte offset;
//                             load(i), store(i, v); T is a multiple of 4 bytes
//   copy_async(view, i, p, valid)   begins a 16-byte copy from global memory, or of zeros
//   copy_async_commit(), copy_async_wait<N>()   groups of them; wait until at most N are under way
//   load_matrix(r, view, i)   ldmatrix.x4: four 8x8 tiles of 16-bit elements, one row a lane
//   mma<Element>(d, a, b)     d += a b, m16n8k16, float16 or bfloat16 in, float32 out
//   exp2_fast(x), minimum(a, b)     2^x to about 2 ulp; a minimum that keeps NaN
//   launch(kernel, Launch, arguments...)
//
// The host model also checks what a GPU would not: see model/shadow.h.
#pragma once

#include <cstdint>

namespace gantool::simt {

constexpr int kWarp = 32;
constexpr uint32_t kAllLanes = 0xffffffffu;

// What a launch needs beside the kernel and its arguments.
struct Launch {
  int64_t blocks;
  int threads;
  int shared_bytes;
  void* stream;  // cudaStream_t
};

struct Float16 {};  // tags for mma and for conversions
struct BFloat16 {};

struct alignas(16) Float4 {
  float x, y, z, w;
};

}  // namespace gantool::simt

#if defined(__CUDACC__)
#include "simt/device.cuh"
#else
#include "model/host.h"
#endif
