// The CUDA maxout kernels, run through the host model, against the definition.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "maxout/cuda/maxout.cu"

using gantool::CudaElement;
using gantool::MaxoutCudaShape;

namespace {

template <class Element>
constexpr CudaElement kElement = CudaElement::kFloat32;
template <>
constexpr CudaElement kElement<gantool::Float16Bits> = CudaElement::kFloat16;
template <>
constexpr CudaElement kElement<gantool::BFloat16Bits> = CudaElement::kBFloat16;

// Batch, units, pieces: the least, primes, more than a block, most pieces, the paper's layer, none.
const int64_t kShapes[][3] = {{1, 1, 1},   {3, 7, 5},   {19, 31, 3},   {5, 2, 200}, {2, 3, 256},
                              {6, 130, 1}, {70, 11, 2}, {100, 240, 5}, {0, 4, 3},   {4, 0, 3}};

template <class Element>
struct Layer {
  MaxoutCudaShape shape;
  std::vector<Element> product, out, grad_out, grad_product, grad_bias;
  std::vector<uint8_t> winner;

  // Values are small integers, so that ties are many and sums exact in every type.
  Layer(const int64_t (&sizes)[3], unsigned seed)
      : shape{kElement<Element>, sizes[0], sizes[1], sizes[2]},
        product(outputs() * pieces()),
        out(outputs()),
        grad_out(outputs()),
        grad_product(outputs() * pieces()),
        grad_bias(static_cast<std::size_t>(sizes[1]) * pieces()),
        winner(outputs(), 255) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> digit(-3, 3);
    for (Element& x : product) gantool::from_float(static_cast<float>(digit(random)), x);
    for (Element& x : grad_out) gantool::from_float(static_cast<float>(digit(random)), x);
  }

  std::size_t outputs() const { return static_cast<std::size_t>(shape.batch * shape.units); }
  std::size_t pieces() const { return static_cast<std::size_t>(shape.pieces); }
  float value(std::size_t output, std::size_t piece) const {
    return gantool::to_float(product[output * pieces() + piece]);
  }

  void select() {
    gantool::maxout_select_cuda(shape, product.data(), out.data(), winner.data(), nullptr);
  }
  void back() {
    gantool::maxout_scatter_cuda(shape, grad_out.data(), winner.data(), grad_product.data(),
                                 nullptr);
    gantool::maxout_bias_gradient_cuda(shape, grad_out.data(), winner.data(), grad_bias.data(),
                                       nullptr);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("the greatest piece wins, the lowest of equal ones", Element, float,
                   gantool::Float16Bits, gantool::BFloat16Bits) {
  for (const auto& sizes : kShapes) {
    Layer<Element> layer(sizes, 1);
    layer.select();
    for (std::size_t output = 0; output < layer.outputs(); ++output) {
      std::size_t best = 0;
      for (std::size_t p = 1; p < layer.pieces(); ++p) {
        if (layer.value(output, p) > layer.value(output, best)) best = p;
      }
      REQUIRE(layer.winner[output] == best);
      REQUIRE(gantool::to_float(layer.out[output]) == layer.value(output, best));
    }
  }
}

TEST_CASE_TEMPLATE("the first NaN wins, in its own unit alone", Element, float,
                   gantool::Float16Bits, gantool::BFloat16Bits) {
  Layer<Element> layer({3, 7, 5}, 2);
  layer.select();
  const std::vector<uint8_t> before = layer.winner;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t piece : {1, 3}) gantool::from_float(nan, layer.product[4 * 5 + piece]);
  layer.select();
  for (std::size_t output = 0; output < 21; ++output) {
    CHECK(std::isnan(gantool::to_float(layer.out[output])) == (output == 4));
    CHECK(layer.winner[output] == (output == 4 ? 1 : before[output]));
  }
}

TEST_CASE_TEMPLATE("gradients go to the winners, and nowhere for a winner that is no piece",
                   Element, float, gantool::Float16Bits, gantool::BFloat16Bits) {
  for (const auto& sizes : kShapes) {
    Layer<Element> layer(sizes, 3);
    layer.select();
    if (layer.outputs() > 1 && layer.pieces() < 256) layer.winner[1] = 255;
    layer.back();
    std::vector<float> bias(layer.grad_bias.size());
    for (std::size_t k = 0; k < layer.grad_product.size(); ++k) {
      const std::size_t output = k / layer.pieces(), piece = k % layer.pieces();
      const float expected =
          layer.winner[output] == piece ? gantool::to_float(layer.grad_out[output]) : 0.0f;
      REQUIRE(gantool::to_float(layer.grad_product[k]) == expected);
      bias[k % bias.size()] += expected;
    }
    for (std::size_t k = 0; k < bias.size(); ++k) {
      REQUIRE(gantool::to_float(layer.grad_bias[k]) == bias[k]);
    }
  }
}

TEST_CASE("shapes without meaning are refused") {
  const auto select = [](MaxoutCudaShape shape) {
    gantool::maxout_select_cuda(shape, nullptr, nullptr, nullptr, nullptr);
  };
  CHECK_THROWS_AS(select({CudaElement::kFloat32, -1, 1, 1}), std::invalid_argument);
  CHECK_THROWS_AS(select({CudaElement::kFloat32, 1, 1, 0}), std::invalid_argument);
  CHECK_THROWS_AS(select({CudaElement::kFloat32, 1, 1, 257}), std::invalid_argument);
  CHECK_THROWS_AS(select({CudaElement::kFloat32, INT64_MAX, 2, 1}), std::invalid_argument);
  CHECK_THROWS_AS(select({CudaElement::kFloat64, 1, 1, 1}), std::invalid_argument);
}
