#include "screen/cpu/pilot.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "screen/cpu/sweep.h"

namespace gantool::screen {

Shares pilot_shares(const Encoder& encoder, const Encoded& queries, const Encoded& samples,
                    double reach) {
  std::vector<int32_t> rows(static_cast<size_t>(samples.count)), dots(rows.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> lowers(rows.size());
  int64_t of_codes = 0, of_bytes = 0;
  for (size_t i = 0; i < static_cast<size_t>(queries.count); ++i) {
    encoder.kernels->dots(queries.row(static_cast<int64_t>(i)),
                          reinterpret_cast<const int8_t*>(samples.bytes.get()), rows.data(),
                          static_cast<int>(rows.size()), samples.width, dots.data());
    float nearest = std::numeric_limits<float>::infinity();
    for (size_t j = 0; j < rows.size(); ++j) {
      const int32_t square =
          byte_square(queries.bounds[i].square, queries.sum[i], samples.bounds[j].square, dots[j]);
      const Bounds found =
          byte_bounds(square, encoder.grid.step, queries.bounds[i].error, samples.bounds[j].error);
      nearest = std::min(nearest, found.upper);
      lowers[j] = found.lower;
    }
    const double limit = nearest + reach;
    uint8_t code[kCodes];
    for (int c = 0; c < kCodes; ++c) {
      code[c] = static_cast<uint8_t>(queries.codes[i * kCodes + static_cast<size_t>(c)] + 128);
    }
    encoder.kernels->dots(code, samples.codes.data(), rows.data(), static_cast<int>(rows.size()),
                          kCodes, dots.data());
    for (size_t j = 0; j < rows.size(); ++j) {
      const int32_t score = dots[j] + samples.score_offset(j);
      of_codes += score >= least_score(encoder, limit, queries.bounds[i].error,
                                       samples.bounds[j].error, queries.code_error[i],
                                       samples.code_error[j], queries.code_square[i]);
      of_bytes += lowers[j] <= limit;
    }
  }
  const auto pairs = static_cast<double>(queries.count * samples.count);
  return {static_cast<double>(of_codes) / pairs, static_cast<double>(of_bytes) / pairs};
}

}  // namespace gantool::screen
