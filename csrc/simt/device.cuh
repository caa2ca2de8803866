// The device side of simt.cuh: each word is an intrinsic or one PTX instruction (sm_80 and up).
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <stdexcept>
#include <string>

#define GANTOOL_KERNEL static __global__ void
#define GANTOOL_DEVICE __device__ __forceinline__
#define GANTOOL_LAUNCH_BOUNDS(threads, blocks) __launch_bounds__(threads, blocks)
#define GANTOOL_UNROLL _Pragma("unroll")

namespace gantool::simt {

GANTOOL_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
GANTOOL_DEVICE int64_t block_index() { return blockIdx.x; }
GANTOOL_DEVICE int64_t block_count() { return gridDim.x; }
GANTOOL_DEVICE void block_barrier() { __syncthreads(); }
GANTOOL_DEVICE void warp_barrier() { __syncwarp(); }

template <class T>
GANTOOL_DEVICE T warp_shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(kAllLanes, value, mask);
}

GANTOOL_DEVICE bool warp_any(bool predicate) { return __any_sync(kAllLanes, predicate) != 0; }

GANTOOL_DEVICE unsigned char* shared_bytes() {
  extern __shared__ __align__(128) unsigned char gantool_shared_memory[];
  return gantool_shared_memory;
}

template <class T>
class Shared {
 public:
  GANTOOL_DEVICE explicit Shared(int byte_offset) : offset_(byte_offset) {}
  GANTOOL_DEVICE T load(int index) const { return pointer()[index]; }
  GANTOOL_DEVICE void store(int index, T value) const { pointer()[index] = value; }
  GANTOOL_DEVICE uint32_t address(int index) const {
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer() + index));
  }

 private:
  GANTOOL_DEVICE T* pointer() const { return reinterpret_cast<T*>(shared_bytes() + offset_); }
  int offset_;
};

template <class T>
GANTOOL_DEVICE void copy_async(const Shared<T>& target, int index, const void* source, bool valid) {
  // Bytes past the source size are filled with zeros, and a size of 0 reads nothing.
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target.address(index)),
               "l"(__cvta_generic_to_global(source)), "r"(valid ? 16 : 0)
               : "memory");
}

GANTOOL_DEVICE void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int kUnderWay>
GANTOOL_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kUnderWay) : "memory");
}

template <class T>
GANTOOL_DEVICE void load_matrix(uint32_t (&r)[4], const Shared<T>& view, int index) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(view.address(index))
               : "memory");
}

template <class Element>
GANTOOL_DEVICE void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);

template <>
GANTOOL_DEVICE void mma<Float16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <>
GANTOOL_DEVICE void mma<BFloat16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

GANTOOL_DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

GANTOOL_DEVICE float minimum(float a, float b) {
  float y;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
}

// Conversions between float32 and the bits of a 16-bit element, to nearest even.
GANTOOL_DEVICE uint16_t to_bits(Float16, float x) { return __half_as_ushort(__float2half_rn(x)); }
GANTOOL_DEVICE float from_bits(Float16, uint16_t b) { return __half2float(__ushort_as_half(b)); }
GANTOOL_DEVICE uint16_t to_bits(BFloat16, float x) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(x));
}
GANTOOL_DEVICE float from_bits(BFloat16, uint16_t b) {
  return __bfloat162float(__ushort_as_bfloat16(b));
}

inline void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
  }
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Launch& shape, const Arguments&... arguments) {
  if (shape.blocks == 0) return;
  if (shape.blocks > 0x7fffffff) {
    throw std::runtime_error("a CUDA launch takes at most 2147483647 blocks, this one needs " +
                             std::to_string(shape.blocks));
  }
  // Above 48 KB a kernel must ask for its shared memory; asking is not an operation on the stream,
  // so it may happen while a graph is captured.
  if (shape.shared_bytes > 48 * 1024) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               shape.shared_bytes),
          "cannot reserve shared memory for a CUDA kernel");
  }
  kernel<<<static_cast<unsigned>(shape.blocks), shape.threads, shape.shared_bytes,
           static_cast<cudaStream_t>(shape.stream)>>>(arguments...);
  check(cudaGetLastError(), "a CUDA kernel launch was refused");
}

}  // namespace gantool::simt
