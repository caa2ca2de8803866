// What the Parzen kernels allocate: every byte that goes through operator new is counted.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "parzen_cases.h"

namespace {

std::atomic<int64_t> live{0};
std::atomic<int64_t> peak{0};

// The size is kept in front of the block, a cache line away so that alignment holds.
constexpr std::size_t kHeader = 64;

void* counted(std::size_t size) {
  void* memory = std::aligned_alloc(kHeader, (size + 2 * kHeader - 1) / kHeader * kHeader);
  if (memory == nullptr) throw std::bad_alloc();
  *static_cast<std::size_t*>(memory) = size;
  const int64_t now = live += static_cast<int64_t>(size);
  int64_t seen = peak.load();
  while (now > seen && !peak.compare_exchange_weak(seen, now)) {
  }
  return static_cast<char*>(memory) + kHeader;
}

void uncounted(void* block) {
  if (block == nullptr) return;
  char* memory = static_cast<char*>(block) - kHeader;
  live -= static_cast<int64_t>(*reinterpret_cast<std::size_t*>(memory));
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void* operator new(std::size_t size, std::align_val_t) { return counted(size); }
void* operator new[](std::size_t size, std::align_val_t) { return counted(size); }
// Only the sanitizers' own do not end in the first; std::stable_sort asks this way.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void operator delete(void* block) noexcept { uncounted(block); }
void operator delete[](void* block) noexcept { uncounted(block); }
void operator delete(void* block, std::size_t) noexcept { uncounted(block); }
void operator delete[](void* block, std::size_t) noexcept { uncounted(block); }
void operator delete(void* block, std::align_val_t) noexcept { uncounted(block); }
void operator delete[](void* block, std::align_val_t) noexcept { uncounted(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { uncounted(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { uncounted(block); }

using namespace gantool;
using namespace parzen_cases;

namespace {

int64_t extra_bytes(int64_t queries, int64_t samples, int threads) {
  const std::vector<float> sigmas = {0.1F,  0.13F, 0.17F, 0.22F, 0.28F,
                                     0.36F, 0.46F, 0.6F,  0.77F, 1};
  // One constant row many times over, by a stride of zero: the size of the inputs is not the point.
  Case c = make_case("row", Values::Uniform, {1, 1, 784, sigmas});
  std::vector<float> result(sigmas.size() * static_cast<size_t>(queries));
  const ParzenArguments arguments = {c.query(0), queries,       0,  c.sample(0),  samples, 0,
                                     784,        sigmas.data(), 10, result.data()};
  peak = live.load();
  const int64_t before = live.load();
  parzen_log_density_cpu(arguments, nullptr, std_threads(threads));
  return peak.load() - before;
}

}  // namespace

// Peak memory has three parts: the chunk of samples, the state, and a group of queries for each
// thread; it is measured where the first and the others are largest, apart, to keep the test short.
TEST_CASE("10,000 x 10,000 x 784 with ten bandwidths stays under 64 MB beyond the arguments") {
  const int64_t many_samples = extra_bytes(64, 10000, 2);
  const int64_t many_queries = extra_bytes(10000, 24, 2);
  CHECK(many_samples > 20'000'000);  // the counter counts
  CHECK(many_samples + many_queries < 64'000'000);
}

TEST_CASE("memory does not grow with the number of samples") {
  CHECK(extra_bytes(8, 40000, 2) < 32'000'000);
}
