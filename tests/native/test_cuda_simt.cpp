// The host model of the kernels' vocabulary: what it computes, and what it finds wrong.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "simt/simt.cuh"

namespace simt = gantool::simt;

namespace {

void run(int threads, int shared_bytes, const std::function<void()>& body) {
  simt::Block block(threads);
  block.run(0, 1, shared_bytes, body);
}

std::string complaint(int threads, int shared_bytes, const std::function<void()>& body) {
  try {
    run(threads, shared_bytes, body);
  } catch (const simt::ModelError& error) {
    return error.what();
  }
  return "";
}

// Each thread writes its word and reads its neighbour's; the barrier between is what is tested.
void exchange(void (*barrier)(), int reach) {
  const simt::Shared<int> words(0);
  const int me = simt::thread_index();
  words.store(me, 10 * me);
  barrier();
  const int seen = words.load(me ^ reach);  // outside CHECK, which would swallow what it throws
  CHECK(seen == 10 * (me ^ reach));
}

void no_barrier() {}

alignas(16) const float source[4] = {1.0f, 2.0f, 3.0f, 4.0f};

}  // namespace

TEST_CASE("a block barrier orders every thread, a warp barrier the lanes of one warp") {
  run(64, 256, [] { exchange(simt::block_barrier, 32); });
  run(64, 256, [] { exchange(simt::warp_barrier, 1); });
}

TEST_CASE("a missing barrier is reported, in whichever order the threads run") {
  const auto says = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(says(complaint(64, 256, [] { exchange(simt::warp_barrier, 32); }), "shared memory"));
  // Thread 0 runs first: its neighbours read after its write, but no barrier says so.
  CHECK(says(complaint(32, 4,
                       [] {
                         if (simt::thread_index() == 0) simt::Shared<int>(0).store(0, 1);
                         simt::Shared<int>(0).load(0);
                       }),
             "write to read"));
  CHECK(says(complaint(32, 4, [] { simt::Shared<int>(0).store(0, 1); }), "write to write"));
  CHECK(says(complaint(64, 256,
                       [] {
                         exchange(simt::block_barrier, 32);
                         simt::Shared<int>(0).store(simt::thread_index(), 1);
                       }),
             "no barrier"));
  // Several readers in one warp, and a write by one of them.
  CHECK(says(complaint(32, 4,
                       [] {
                         if (simt::thread_index() == 0) simt::Shared<int>(0).store(0, 1);
                         simt::block_barrier();
                         simt::Shared<int>(0).load(0);
                         simt::warp_any(true);  // all have read; no barrier for memory
                         if (simt::thread_index() == 31) simt::Shared<int>(0).store(0, 2);
                       }),
             "read to write"));
  CHECK(says(complaint(64, 256, [] { exchange(no_barrier, 1); }), "blank read"));
}

TEST_CASE("an asynchronous copy lands at its wait, and a missing wait is reported") {
  const auto copy = [](bool wait, bool barrier, bool valid) {
    return [=] {
      const simt::Shared<float> words(0);
      if (simt::thread_index() == 0) simt::copy_async(words, 0, source, valid);
      simt::copy_async_commit();
      if (wait) simt::copy_async_wait<0>();
      if (barrier) simt::block_barrier();
      for (int i = 0; i < 4; ++i) {
        const float seen = words.load(i);
        CHECK(seen == (valid ? source[i] : 0.0f));
      }
    };
  };
  CHECK(complaint(32, 16, copy(true, true, true)).empty());
  CHECK(complaint(32, 16, copy(true, true, false)).empty());
  CHECK(complaint(32, 16, copy(false, true, true)).find("no wait") != std::string::npos);
  CHECK(complaint(32, 16, copy(true, false, true)).find("write to read") != std::string::npos);
}

TEST_CASE("waiting for all but the last group lands the earlier ones only") {
  const auto body = [](int word) {
    return [=] {
      const simt::Shared<float> words(0);
      for (int i = 0; i < 2; ++i) {
        if (simt::thread_index() == 0) simt::copy_async(words, 4 * i, source, true);
        simt::copy_async_commit();
      }
      simt::copy_async_wait<1>();
      simt::block_barrier();
      const float seen = words.load(word);
      CHECK(seen == 1.0f);
    };
  };
  CHECK(complaint(32, 32, body(0)).empty());
  CHECK(complaint(32, 32, body(4)).find("no wait") != std::string::npos);
}

TEST_CASE("a copy into a buffer that others still read is reported") {
  const std::string text = complaint(64, 16, [] {
    const simt::Shared<float> words(0);
    if (simt::thread_index() == 0) simt::copy_async(words, 0, source, true);
    simt::copy_async_commit();
    simt::copy_async_wait<0>();
    simt::block_barrier();
    words.load(0);
    if (simt::thread_index() == 0) simt::copy_async(words, 0, source, true);
  });
  CHECK(text.find("read to write") != std::string::npos);
}

TEST_CASE("threads that wait for ones that never come are reported") {
  CHECK(complaint(64, 0, [] {
          if (simt::thread_index() < 32) simt::block_barrier();
        }).find("not every thread") != std::string::npos);
  CHECK(complaint(32, 0, [] {
          if (simt::thread_index() < 31) simt::warp_any(true);
        }).find("not every lane") != std::string::npos);
  CHECK(complaint(32, 0, [] {
          simt::thread_index() == 0 ? simt::warp_barrier() : void(simt::warp_any(true));
        }).find("lanes of one warp") != std::string::npos);
  CHECK(complaint(32, 8, [] { simt::Shared<float>(0).store(2, 1.0f); }).find("outside") !=
        std::string::npos);
  CHECK_THROWS_AS(simt::Block(33), simt::ModelError);
}

TEST_CASE("shuffles exchange, votes count every lane") {
  run(64, 0, [] {
    const int me = simt::thread_index();
    CHECK(simt::warp_shuffle_xor(me, 5) == (me ^ 5));
    CHECK(simt::warp_any(me == 40) == (me >= 32));
  });
}

TEST_CASE("ldmatrix and mma multiply a row-major A by a column-major B") {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> digit(-8, 8);
  std::vector<float> a(16 * 16), b(16 * 16);  // A [m][k]; B [n][k], 16 columns
  for (float& x : a) x = static_cast<float>(digit(random)) / 4.0f;
  for (float& x : b) x = static_cast<float>(digit(random)) / 4.0f;
  std::vector<float> product(16 * 16);
  run(32, 1024, [&] {
    const int lane = simt::thread_index();
    const simt::Shared<uint32_t> words(0);
    const auto pair = [](float low, float high) {
      return static_cast<uint32_t>(simt::to_bits(simt::BFloat16{}, low)) |
             static_cast<uint32_t>(simt::to_bits(simt::BFloat16{}, high)) << 16;
    };
    for (int i = lane; i < 128; i += 32) {
      words.store(i, pair(a[2 * i], a[2 * i + 1]));
      words.store(128 + i, pair(b[2 * i], b[2 * i + 1]));
    }
    simt::block_barrier();
    uint32_t left[4], right[4];
    // Tiles of A: rows 0-7 and 8-15 at k 0-7, then both at k 8-15.
    simt::load_matrix(left, words, lane % 16 * 8 + lane / 16 * 4);
    // Tiles of B: columns 0-7 at k 0-7 and k 8-15, then columns 8-15.
    const int first = lane % 8 + lane / 16 * 8, chunk = lane / 8 % 2;
    simt::load_matrix(right, words, 128 + first * 8 + chunk * 4);
    for (int n = 0; n < 2; ++n) {
      float d[4] = {};
      simt::mma<simt::BFloat16>(d, left, right[2 * n], right[2 * n + 1]);
      for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + i / 2 * 8, column = 8 * n + lane % 4 * 2 + i % 2;
        product[static_cast<std::size_t>(row * 16 + column)] = d[i];
      }
    }
  });
  for (std::size_t m = 0; m < 16; ++m) {
    for (std::size_t n = 0; n < 16; ++n) {
      float truth = 0.0f;
      for (std::size_t k = 0; k < 16; ++k) truth += a[m * 16 + k] * b[n * 16 + k];
      CHECK(product[m * 16 + n] == truth);
    }
  }
}

TEST_CASE("mma rounds its sums towards zero") {
  run(32, 0, [] {
    const uint32_t one = simt::to_bits(simt::Float16{}, 1.0f);
    const uint32_t a[4] = {one, 0, 0, 0};
    float d[4] = {0x1.fffffep24f, 0.0f, 0.0f, 0.0f};
    simt::mma<simt::Float16>(d, a, one, 0u);  // four lanes of a row add up to 4 * 1
    if (simt::thread_index() % 4 == 0) CHECK(d[0] == 0x1p25f);
    float e[4] = {-0x1p26f, 0.0f, 0.0f, 0.0f};
    simt::mma<simt::Float16>(e, a, one, 0u);  // -2^26 + 4 lies on the grid only as -2^26 + 4
    if (simt::thread_index() % 4 == 0) CHECK(e[0] == -0x1p26f + 4.0f);
    float f[4] = {0x1p26f, 0.0f, 0.0f, 0.0f};
    simt::mma<simt::Float16>(f, a, one, 0u);  // 2^26 + 4 rounds down to 2^26
    if (simt::thread_index() % 4 == 0) CHECK(f[0] == 0x1p26f);
  });
}

TEST_CASE("16-bit elements convert to nearest even, and back exactly") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto b = static_cast<uint16_t>(bits);
    const float half = simt::from_bits(simt::Float16{}, b);
    const float brain = simt::from_bits(simt::BFloat16{}, b);
    if (!std::isnan(half)) CHECK(simt::to_bits(simt::Float16{}, half) == b);
    if (!std::isnan(brain)) CHECK(simt::to_bits(simt::BFloat16{}, brain) == b);
  }
  CHECK(simt::to_bits(simt::Float16{}, 2049.0f) == simt::to_bits(simt::Float16{}, 2048.0f));
  CHECK(simt::to_bits(simt::Float16{}, 2051.0f) == simt::to_bits(simt::Float16{}, 2052.0f));
  CHECK(simt::to_bits(simt::Float16{}, 65519.0f) == simt::to_bits(simt::Float16{}, 65504.0f));
  CHECK(std::isinf(simt::from_bits(simt::Float16{}, simt::to_bits(simt::Float16{}, 65520.0f))));
  CHECK(simt::to_bits(simt::Float16{}, 0x1p-25f) == 0);
  CHECK(simt::to_bits(simt::Float16{}, 0x1.8p-24f) == 2);
  CHECK(std::isnan(simt::from_bits(simt::Float16{}, simt::to_bits(simt::Float16{}, NAN))));
}

TEST_CASE("a minimum keeps NaN") {
  CHECK(simt::minimum(1.0f, 2.0f) == 1.0f);
  CHECK(std::isnan(simt::minimum(1.0f, NAN)));
  CHECK(std::isnan(simt::minimum(NAN, 1.0f)));
}
