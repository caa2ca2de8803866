// The CUDA maxout kernels, run through the host model, against brute force in float64.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../../csrc/cuda/maxout.cu"

namespace {

using gantool::CudaElement;

template <class Element>
struct Kind;
template <>
struct Kind<float> {
  static constexpr CudaElement kElement = CudaElement::kFloat32;
  static constexpr double kUnit = 0x1p-24;  // half the spacing of numbers just above 1
};
template <>
struct Kind<gantool::Float16Bits> {
  static constexpr CudaElement kElement = CudaElement::kFloat16;
  static constexpr double kUnit = 0x1p-11;
};
template <>
struct Kind<gantool::BFloat16Bits> {
  static constexpr CudaElement kElement = CudaElement::kBFloat16;
  static constexpr double kUnit = 0x1p-8;
};

template <class Element>
double number(Element x) {
  return static_cast<double>(gantool::to_float(x));
}

template <class Element>
Element element(double x) {
  Element y;
  gantool::from_float(static_cast<float>(x), y);
  return y;
}

// Vectors whose data begin a chosen number of elements past a multiple of 16 bytes.
template <class Element>
struct Aligned {
  std::vector<Element> storage;
  std::size_t begin = 0;
  Aligned(int64_t count, int64_t offset) : storage(static_cast<std::size_t>(count + offset) + 16) {
    while (reinterpret_cast<std::uintptr_t>(&storage[begin]) % 16 != 0) ++begin;
    begin += static_cast<std::size_t>(offset);
  }
  Element* data() { return &storage[begin]; }
  Element& at(int64_t i) { return storage[begin + static_cast<std::size_t>(i)]; }
};

struct Shape {
  int64_t batch, inputs, units, pieces;
  int64_t padding = 0;  // elements between the rows of x
  int64_t offset = 0;   // of every array from 16-byte alignment
};

template <class Element>
struct Layer {
  Shape shape;
  Aligned<Element> x, weight, bias, grad_out;
  Aligned<Element> out, grad_x, grad_weight, grad_bias;
  std::vector<uint8_t> winner;

  Layer(const Shape& s, unsigned seed)
      : shape(s),
        x(s.batch * (s.inputs + s.padding), s.offset),
        weight(s.units * s.pieces * s.inputs, s.offset),
        bias(s.units * s.pieces, s.offset),
        grad_out(s.batch * s.units, s.offset),
        out(s.batch * s.units, s.offset),
        grad_x(s.batch * s.inputs, s.offset),
        grad_weight(s.units * s.pieces * s.inputs, s.offset),
        grad_bias(s.units * s.pieces, s.offset),
        winner(static_cast<std::size_t>(s.batch * s.units), 255) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    for (auto* array : {&x, &weight, &bias, &grad_out}) {
      for (Element& value : array->storage) value = element<Element>(normal(random));
    }
  }

  gantool::MaxoutCudaShape cuda_shape() const {
    return {Kind<Element>::kElement,     shape.batch, shape.inputs, shape.units, shape.pieces,
            shape.inputs + shape.padding};
  }

  void forward() {
    gantool::maxout_forward_cuda(
        cuda_shape(), {x.data(), weight.data(), bias.data(), out.data(), winner.data()}, nullptr);
  }

  void backward(bool want_x = true, bool want_weight = true, bool want_bias = true) {
    gantool::maxout_backward_cuda(
        cuda_shape(),
        {grad_out.data(), winner.data(), x.data(), weight.data(), want_x ? grad_x.data() : nullptr,
         want_weight ? grad_weight.data() : nullptr, want_bias ? grad_bias.data() : nullptr},
        nullptr);
  }

  double x_at(int64_t b, int64_t i) { return number(x.at(b * (shape.inputs + shape.padding) + i)); }
  double weight_at(int64_t u, int64_t p, int64_t i) {
    return number(weight.at((u * shape.pieces + p) * shape.inputs + i));
  }
  int winner_at(int64_t b, int64_t u) {
    return winner[static_cast<std::size_t>(b * shape.units + u)];
  }
};

// What a sum of `terms` products of that size may be off by: each float32 addition rounds by 2^-24
// of a partial sum, tensor cores truncate by up to 2^-23; then the element's own rounding.
template <class Element>
double bound(double value, double magnitude, int64_t terms) {
  return std::fabs(value) * Kind<Element>::kUnit * 1.01 +
         magnitude * 0x1p-23 * std::sqrt(static_cast<double>(terms) + 1.0) + 1e-7;
}

template <class Element>
int forward_failures(Layer<Element>& layer) {
  const Shape& s = layer.shape;
  int failures = 0;
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t u = 0; u < s.units; ++u) {
      double best = -std::numeric_limits<double>::infinity(), magnitude = 0.0, chosen = 0.0;
      for (int64_t p = 0; p < s.pieces; ++p) {
        double value = number(layer.bias.at(u * s.pieces + p)), size = std::fabs(value);
        for (int64_t i = 0; i < s.inputs; ++i) {
          const double term = layer.x_at(b, i) * layer.weight_at(u, p, i);
          value += term;
          size += std::fabs(term);
        }
        best = std::max(best, value);
        magnitude = std::max(magnitude, size);
        if (p == layer.winner_at(b, u)) chosen = value;
      }
      const double result = number(layer.out.at(b * s.units + u));
      const double allowed = bound<Element>(best, magnitude, s.inputs);
      if (!(std::fabs(result - best) <= allowed)) ++failures;
      // The winner is the true one, or as good within rounding.
      if (layer.winner_at(b, u) >= s.pieces || best - chosen > allowed) ++failures;
    }
  }
  return failures;
}

template <class Element>
int backward_failures(Layer<Element>& layer) {
  const Shape& s = layer.shape;
  const auto size = [](int64_t count) { return static_cast<std::size_t>(count); };
  std::vector<double> grad_x(size(s.batch * s.inputs)), grad_x_size(grad_x.size());
  std::vector<double> grad_weight(size(s.units * s.pieces * s.inputs));
  std::vector<double> grad_weight_size(grad_weight.size());
  std::vector<double> grad_bias(size(s.units * s.pieces)), grad_bias_size(grad_bias.size());
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t u = 0; u < s.units; ++u) {
      const double g = number(layer.grad_out.at(b * s.units + u));
      const int64_t piece = u * s.pieces + layer.winner_at(b, u);
      grad_bias[size(piece)] += g;
      grad_bias_size[size(piece)] += std::fabs(g);
      for (int64_t i = 0; i < s.inputs; ++i) {
        const double to_x = g * layer.weight_at(u, layer.winner_at(b, u), i);
        const double to_weight = g * layer.x_at(b, i);
        grad_x[size(b * s.inputs + i)] += to_x;
        grad_x_size[size(b * s.inputs + i)] += std::fabs(to_x);
        grad_weight[size(piece * s.inputs + i)] += to_weight;
        grad_weight_size[size(piece * s.inputs + i)] += std::fabs(to_weight);
      }
    }
  }
  int failures = 0;
  const auto compare = [&](Aligned<Element>& result, const std::vector<double>& truth,
                           const std::vector<double>& sizes, int64_t terms) {
    for (std::size_t k = 0; k < truth.size(); ++k) {
      const double error = std::fabs(number(result.at(static_cast<int64_t>(k))) - truth[k]);
      if (!(error <= bound<Element>(truth[k], sizes[k], terms))) ++failures;
    }
  };
  compare(layer.grad_x, grad_x, grad_x_size, s.units);
  compare(layer.grad_weight, grad_weight, grad_weight_size, s.batch);
  compare(layer.grad_bias, grad_bias, grad_bias_size, s.batch);
  return failures;
}

const std::vector<Shape> kShapes = {
    {1, 1, 1, 1},          // the least
    {3, 7, 5, 2},          // primes, nothing aligned
    {5, 40, 3, 5, 8},      // aligned rows with a stride
    {129, 16, 2, 3},       // one row more than a tile
    {2, 33, 27, 5, 3},     // two units more than a tile of columns, depth of no tile
    {7, 64, 30, 4, 0, 1},  // aligned but for where it begins
    {4, 24, 2, 200},       // a unit of more pieces than a tile has columns
    {3, 9, 1, 256},        // the most pieces
    {6, 100, 130, 1},      // one piece
    {70, 136, 1, 2},       // wider than a tile of columns in the backward pass
    {140, 8, 70, 2},       // deeper than one stage in both
};

}  // namespace

TEST_CASE_TEMPLATE("forward and backward against float64", Element, float, gantool::Float16Bits,
                   gantool::BFloat16Bits) {
  unsigned seed = 0;
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.batch);
    CAPTURE(shape.inputs);
    CAPTURE(shape.units);
    CAPTURE(shape.pieces);
    Layer<Element> layer(shape, ++seed);
    layer.forward();
    CHECK(forward_failures(layer) == 0);
    layer.backward();
    CHECK(backward_failures(layer) == 0);
  }
}

TEST_CASE_TEMPLATE("small integers are exact, and a tie goes to the lowest piece", Element, float,
                   gantool::Float16Bits, gantool::BFloat16Bits) {
  Layer<Element> layer({9, 24, 14, 5}, 3);
  std::mt19937 random(5);
  std::uniform_int_distribution<int> digit(-1, 1);
  for (auto* array : {&layer.x, &layer.weight, &layer.bias}) {
    for (Element& value : array->storage) value = element<Element>(digit(random));
  }
  layer.forward();
  int ties = 0;
  for (int64_t b = 0; b < 9; ++b) {
    for (int64_t u = 0; u < 14; ++u) {
      double best = -1e9;
      int winner = -1;
      for (int p = 0; p < 5; ++p) {
        double value = number(layer.bias.at(u * 5 + p));
        for (int64_t i = 0; i < 24; ++i) value += layer.x_at(b, i) * layer.weight_at(u, p, i);
        ties += value == best ? 1 : 0;
        if (value > best) {
          best = value;
          winner = p;
        }
      }
      CHECK(number(layer.out.at(b * 14 + u)) == best);
      CHECK(layer.winner_at(b, u) == winner);
    }
  }
  CHECK(ties > 5);
}

TEST_CASE("float32 is within twice the error of sums taken in order") {
  Layer<float> layer({20, 784, 6, 5}, 11);
  layer.forward();
  double own = 0.0, plain = 0.0;
  for (int64_t b = 0; b < 20; ++b) {
    for (int64_t u = 0; u < 6; ++u) {
      const int p = layer.winner_at(b, u);
      double truth = number(layer.bias.at(u * 5 + p));
      float sum = 0.0f;
      for (int64_t i = 0; i < 784; ++i) {
        truth += layer.x_at(b, i) * layer.weight_at(u, p, i);
        sum += layer.x.at(b * 784 + i) * layer.weight.at((u * 5 + p) * 784 + i);
      }
      sum += layer.bias.at(u * 5 + p);
      own = std::max(own, std::fabs(number(layer.out.at(b * 6 + u)) - truth));
      plain = std::max(plain, std::fabs(static_cast<double>(sum) - truth));
    }
  }
  CHECK(own <= 2.0 * plain);
}

TEST_CASE_TEMPLATE("NaN reaches its own row alone, and wins", Element, float,
                   gantool::BFloat16Bits) {
  for (const int64_t pieces : {3, 150}) {
    Layer<Element> layer({6, 16, 4, pieces}, 2);
    layer.x.at(2 * 16 + 5) = element<Element>(std::numeric_limits<double>::quiet_NaN());
    layer.bias.at(1 * pieces + 2) = element<Element>(std::numeric_limits<double>::quiet_NaN());
    layer.bias.at(3 * pieces + 1) = element<Element>(-std::numeric_limits<double>::infinity());
    layer.forward();
    for (int64_t b = 0; b < 6; ++b) {
      for (int64_t u = 0; u < 4; ++u) {
        const double result = number(layer.out.at(b * 4 + u));
        CHECK(std::isnan(result) == (b == 2 || u == 1));
        if (b == 2) CHECK(layer.winner_at(b, u) == 0);
        if (b != 2 && u == 1) CHECK(layer.winner_at(b, u) == 2);
        if (b != 2 && u == 3) CHECK(layer.winner_at(b, u) != 1);
      }
    }
  }
}

TEST_CASE_TEMPLATE("empty shapes: nothing to write, or sums over nothing", Element, float,
                   gantool::Float16Bits) {
  for (const Shape& shape : {Shape{0, 5, 3, 2}, {4, 0, 3, 2}, {4, 5, 0, 2}}) {
    Layer<Element> layer(shape, 1);
    layer.forward();
    CHECK(forward_failures(layer) == 0);
    layer.backward();
    CHECK(backward_failures(layer) == 0);
  }
}

TEST_CASE("gradients that are not wanted are left alone, equal calls give equal bits") {
  Layer<float> layer({30, 20, 9, 4}, 8);
  layer.forward();
  const std::vector<float> before = layer.grad_weight.storage;
  layer.backward(true, false, true);
  CHECK(layer.grad_weight.storage == before);
  layer.backward();
  const std::vector<float> once = layer.grad_weight.storage, out = layer.out.storage;
  layer.forward();
  layer.backward();
  CHECK(layer.grad_weight.storage == once);
  CHECK(layer.out.storage == out);
}

TEST_CASE("shapes without meaning are refused") {
  Layer<float> layer({2, 2, 2, 2}, 1);
  gantool::MaxoutCudaShape shape = layer.cuda_shape();
  const auto refused = [&] {
    CHECK_THROWS_AS(gantool::maxout_forward_cuda(shape, {}, nullptr), std::invalid_argument);
    CHECK_THROWS_AS(gantool::maxout_backward_cuda(shape, {}, nullptr), std::invalid_argument);
    shape = layer.cuda_shape();
  };
  shape.pieces = 257;
  refused();
  shape.pieces = 0;
  refused();
  shape.batch = -1;
  refused();
  shape.units = int64_t{1} << 30;
  refused();
  shape.element = CudaElement::kFloat64;
  refused();
}
