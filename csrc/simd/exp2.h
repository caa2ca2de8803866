// 2^x for x <= 0 on a vector of floats: the exponential of the Parzen sums.
//
// x = n + f with n an integer and |f| <= 1/2. 2^f = 1 + f P(f), P of degree 4, fitted by Lawson's
// algorithm to the least largest relative error, 9.2e-8; with the roundings of float32 the result
// is within 1.8e-7 relative (1.5 units of 2^-23), measured over every float in [-126, 0], and
// 2^0 = 1 exactly, so that rescaling by no change changes nothing. Below -126 the result stays at
// 2^-126 or flushes to 0: either vanishes beside a sum that is at least 1.
#pragma once

namespace gantool {

constexpr float kExp2Floor = -126.0F;      // the last exponent with a normal float
constexpr float kExp2Magic = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
constexpr float kExp2Coefficients[5] = {0.6931470036506653F, 0.24022242426872253F,
                                        0.05550733581185341F, 0.009671512991189957F,
                                        0.001326472731307149F};

// Adding n to the exponent field of 2^f, which is Vector::scale_exponent, needs n in the low bits
// of x + magic, where the rounding left it.
template <class Vector>
inline typename Vector::Float exp2_nonpositive(typename Vector::Float x) {
  using Float = typename Vector::Float;
  x = Vector::max(x, Vector::set(kExp2Floor));
  const Float shifted = Vector::add(x, Vector::set(kExp2Magic));
  const Float f = Vector::subtract(x, Vector::subtract(shifted, Vector::set(kExp2Magic)));
  Float p = Vector::set(kExp2Coefficients[4]);
  for (int i = 3; i >= 0; --i) p = Vector::fma(p, f, Vector::set(kExp2Coefficients[i]));
  p = Vector::fma(p, f, Vector::set(1.0F));
  return Vector::scale_exponent(p, shifted);
}

}  // namespace gantool
