// The screen in plain C++, and which variants this processor runs.
#include <cstring>

#include "screen/cpu/kernels.h"
#include "screen/cpu/stages.h"

namespace gantool::screen {
namespace {

struct Product {
  static constexpr int kLanes = 4;
  struct Register {
    union {
      int32_t lane[kLanes];
      uint8_t byte[4 * kLanes];
    };
  };

  static Register zero() { return {}; }
  static Register load_bytes(const void* from) {
    Register value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static Register load(const int32_t* from) { return load_bytes(from); }
  static Register broadcast(const uint8_t* from) {
    Register value;
    for (int i = 0; i < kLanes; ++i) std::memcpy(value.byte + 4 * i, from, 4);
    return value;
  }
  static Register dot(Register sum, const Register& left, const Register& right) {
    for (int i = 0; i < 4 * kLanes; ++i) {
      sum.lane[i / 4] += left.byte[i] * static_cast<int8_t>(right.byte[i]);
    }
    return sum;
  }
  static void sums(const Register& a, const Register& b, const Register& c, const Register& d,
                   int32_t* out) {
    for (const Register* value : {&a, &b, &c, &d}) {
      *out++ = value->lane[0] + value->lane[1] + value->lane[2] + value->lane[3];
    }
  }
  static uint32_t at_least(const Register& value, int32_t limit) {
    uint32_t bits = 0;
    for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(value.lane[i] >= limit) << i;
    return bits;
  }
};

}  // namespace

const Kernels& portable_kernels() {
  static constexpr Kernels kKernels = Stages<Product>::table("portable", nullptr);
  return kKernels;
}

const std::vector<const Kernels*>& kernels() {
  static const std::vector<const Kernels*> here = [] {
    std::vector<const Kernels*> found;
    for (const Kernels* each : {
#if defined(__x86_64__)
             &avx512_vnni_kernels(), &avx_vnni_kernels(), &avx2_kernels(),
#endif
             &portable_kernels()}) {
      if (!each->needs || cpu_features().*each->needs) found.push_back(each);
    }
    return found;
  }();
  return here;
}

}  // namespace gantool::screen
