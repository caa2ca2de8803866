// A maxout layer for the tests of the CUDA kernels: data, the calls through the host model, and
// brute force in float64.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "../../csrc/cuda/maxout.cu"

namespace maxout_layer {

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

}  // namespace maxout_layer
