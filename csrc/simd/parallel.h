// How a kernel is given threads: the caller's runtime (torch's pool, a test's std::thread) behind
// one function, so that the cores need no threading library and never oversubscribe the caller's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace gantool {

// Runs body(begin, end) over [0, count) in disjoint ranges of at least `grain` items (the last may
// be shorter), and returns when all are done. body must not throw.
using ParallelFor = std::function<void(
    int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body)>;

struct Threads {
  int count;  // how many ranges may run at once; it decides how work is split
  ParallelFor run;
};

inline Threads serial_threads() {
  return {1, [](int64_t count, int64_t, const std::function<void(int64_t, int64_t)>& body) {
            if (count > 0) body(0, count);
          }};
}

// Fresh std::threads for each call: for tests and small tools, not for a hot path.
inline Threads std_threads(int threads) {
  const int limit = std::max(threads, 1);
  return {limit,
          [limit](int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
            const int64_t fair = (count + limit - 1) / limit;
            const int64_t step = std::max<int64_t>({fair, grain, 1});
            std::vector<std::thread> pool;
            for (int64_t begin = step; begin < count; begin += step) {
              pool.emplace_back(body, begin, std::min(begin + step, count));
            }
            if (count > 0) body(0, std::min(step, count));
            for (std::thread& thread : pool) thread.join();
          }};
}

}  // namespace gantool
