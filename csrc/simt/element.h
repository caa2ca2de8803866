// The element types that the CUDA launchers take.
#pragma once

namespace gantool {

enum class CudaElement { kFloat32, kBFloat16, kFloat16, kFloat64 };

}  // namespace gantool
