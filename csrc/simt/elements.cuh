// The element types of the kernels' inputs and outputs, and their conversions.
#pragma once

#include <cstdint>

#include "simt/simt.cuh"

namespace gantool {

struct Float16Bits {
  uint16_t bits;
};
struct BFloat16Bits {
  uint16_t bits;
};

GANTOOL_DEVICE float to_float(float x) { return x; }
GANTOOL_DEVICE float to_float(Float16Bits x) { return simt::from_bits(simt::Float16{}, x.bits); }
GANTOOL_DEVICE float to_float(BFloat16Bits x) { return simt::from_bits(simt::BFloat16{}, x.bits); }

GANTOOL_DEVICE void from_float(float x, float& y) { y = x; }
GANTOOL_DEVICE void from_float(float x, Float16Bits& y) {
  y.bits = simt::to_bits(simt::Float16{}, x);
}
GANTOOL_DEVICE void from_float(float x, BFloat16Bits& y) {
  y.bits = simt::to_bits(simt::BFloat16{}, x);
}

}  // namespace gantool
