// A Python module over the torch-free cores, so that tests reach each processor variant by name and
// `gantool doctor` can list them. Arrays are NumPy's; nothing here is on a hot path.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "maxout/maxout.h"
#include "model/parzen_amx.h"
#include "parzen/cpu/screened.h"
#include "parzen/parzen.h"

namespace py = pybind11;

namespace gantool {
namespace {

template <typename Element>
using Array = py::array_t<Element, py::array::c_style | py::array::forcecast>;

constexpr MaxoutVariant kMaxoutVariants[] = {MaxoutVariant::kPortable, MaxoutVariant::kAvx2,
                                             MaxoutVariant::kAvx512};

const ParzenKernel& parzen_kernel(const std::string& name) {
  for (const ParzenKernel* model :
       {&parzen_amx_bf16_model_kernel(), &parzen_amx_int8_model_kernel()}) {
    if (name == model->name) return *model;
  }
  for (const ParzenKernel* kernel : parzen_cpu_kernels()) {
    if (name == kernel->name) return *kernel;
  }
  throw std::invalid_argument("there is no Parzen variant " + name + " on this processor");
}

MaxoutVariant maxout_variant(const std::string& name) {
  for (const MaxoutVariant variant : kMaxoutVariants) {
    if (name == maxout_cpu_variant_name(variant)) return variant;
  }
  throw std::invalid_argument("there is no maxout variant " + name);
}

// The variants that this processor has, the plainest first.
std::vector<std::string> parzen_variants() {
  std::vector<std::string> names;
  for (const ParzenKernel* kernel : parzen_cpu_kernels()) names.insert(names.begin(), kernel->name);
  return names;
}

std::vector<std::string> maxout_variants() {
  std::vector<std::string> names;
  for (const MaxoutVariant variant : kMaxoutVariants) {
    if (maxout_cpu_variant_available(variant)) names.push_back(maxout_cpu_variant_name(variant));
  }
  return names;
}

void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

// queries [N, D], samples [M, D], sigmas [S] -> log-density [S, N].
Array<float> parzen_log_density(const Array<float>& queries, const Array<float>& samples,
                                const Array<float>& sigmas, const std::string& variant,
                                int threads) {
  require(queries.ndim() == 2 && samples.ndim() == 2 && sigmas.ndim() == 1,
          "queries and samples must have two axes and sigmas one");
  require(queries.shape(1) == samples.shape(1) && samples.shape(0) > 0 && queries.shape(1) > 0,
          "queries and samples must share a dimension of at least 1, with at least one sample");
  Array<float> result({sigmas.shape(0), queries.shape(0)});
  const int64_t dimension = queries.shape(1);
  const ParzenArguments arguments = {
      queries.data(), queries.shape(0), dimension,     samples.data(),  samples.shape(0),
      dimension,      dimension,        sigmas.data(), sigmas.shape(0), result.mutable_data()};
  const ParzenKernel& kernel = parzen_kernel(variant);
  {
    const py::gil_scoped_release unlocked;
    parzen_log_density_cpu(arguments, &kernel, std_threads(threads));
  }
  return result;
}

std::vector<std::string> screen_variants() {
  std::vector<std::string> names;
  for (const screen::Kernels* each : screen::kernels()) names.insert(names.begin(), each->name);
  return names;
}

const screen::Kernels& screen_kernels(const std::string& name) {
  for (const screen::Kernels* each : screen::kernels()) {
    if (name == each->name) return *each;
  }
  throw std::invalid_argument("there is no screen variant " + name + " on this processor");
}

// queries [N, D], samples [M, D], sigmas [S] -> (log-density [S, N], remainder [S, N],
// whether they were written).
template <typename Element>
py::tuple parzen_screened_of(const Array<Element>& queries, const Array<Element>& samples,
                             const Array<Element>& sigmas, double allowed,
                             const std::string& variant, int threads, bool forced) {
  Array<Element> result({sigmas.shape(0), queries.shape(0)});
  Array<double> remainder({sigmas.shape(0), queries.shape(0)});
  const int64_t dimension = queries.shape(1);
  const ParzenProblem<Element> problem = {
      queries.data(), queries.shape(0), dimension,     samples.data(),  samples.shape(0),
      dimension,      dimension,        sigmas.data(), sigmas.shape(0), result.mutable_data()};
  const screen::Kernels& kernels = screen_kernels(variant);
  const char* ran = nullptr;
  {
    const py::gil_scoped_release unlocked;
    ran = parzen_screened(problem, allowed, remainder.mutable_data(), std_threads(threads),
                          {&kernels, forced});
  }
  return py::make_tuple(result, remainder, ran != nullptr);
}

// grad_out [B, U], winner [B, U], x [B, I], weight [U, P, I] -> (grad_x, grad_weight).
py::tuple maxout_backward(const Array<float>& grad_out, const Array<uint8_t>& winner,
                          const Array<float>& x, const Array<float>& weight,
                          const std::string& variant, int threads) {
  require(x.ndim() == 2 && weight.ndim() == 3 && weight.shape(2) == x.shape(1),
          "x must be [B, I] and weight [U, P, I]");
  const MaxoutShape shape = {x.shape(0), x.shape(1), weight.shape(0), weight.shape(1)};
  for (const py::array& array : {py::array(grad_out), py::array(winner)}) {
    require(array.ndim() == 2 && array.shape(0) == shape.batch && array.shape(1) == shape.units,
            "grad_out and winner must be [B, U]");
  }
  Array<float> grad_x({shape.batch, shape.inputs});
  Array<float> grad_weight({shape.units, shape.pieces, shape.inputs});
  const MaxoutBackward arguments = {grad_out.data(),
                                    winner.data(),
                                    x.data(),
                                    shape.inputs,
                                    weight.data(),
                                    grad_x.mutable_data(),
                                    grad_weight.mutable_data()};
  const MaxoutVariant wanted = maxout_variant(variant);
  {
    const py::gil_scoped_release unlocked;
    maxout_backward_cpu(shape, arguments, wanted, std_threads(threads));
  }
  return py::make_tuple(grad_x, grad_weight);
}

}  // namespace
}  // namespace gantool

PYBIND11_MODULE(_host, m) {
  m.doc() = "The CPU kernels of gantool, each processor variant by name.";
  m.def("parzen_variants", &gantool::parzen_variants);
  m.def("maxout_variants", &gantool::maxout_variants);
  m.def("parzen_log_density", &gantool::parzen_log_density, py::arg("queries"), py::arg("samples"),
        py::arg("sigmas"), py::arg("variant"), py::arg("threads") = 1);
  m.def("screen_variants", &gantool::screen_variants);
  m.def("parzen_screened", &gantool::parzen_screened_of<float>);
  m.def("parzen_screened64", &gantool::parzen_screened_of<double>);
  m.def("maxout_backward", &gantool::maxout_backward, py::arg("grad_out"), py::arg("winner"),
        py::arg("x"), py::arg("weight"), py::arg("variant"), py::arg("threads") = 1);
}
