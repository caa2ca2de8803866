// The epilogue of a product tile: squared distances, the running minimum, and the sums of every
// bandwidth (the online log-sum-exp of log_sum_exp.h, a register of queries at a time).
//
//   d2[j, i] = max(0, query_norm[i] + sample_norm[j] - 2 product[j, i])
//   sum_s[i] = sum_j 2^(-rate_s (d2[j, i] - minimum[i]))
//
// Lanes are queries, so nothing is reduced across a register. Per tile and register of queries it
// is 3 operations a pair for the minimum, and an exponential (11 operations) only for the pairs of
// a bandwidth that a sample of the tile can still reach. What a lane adds depends on that lane
// alone: a row's result does not depend on the rows beside it.
//
// Included after the target attributes of a variant are set: everything here is a template on the
// variant's own Vector, so that no instantiation is shared between variants.
#pragma once

#include <cstdint>

#include "parzen/cpu/kernel.h"
#include "simd/exp2.h"

namespace gantool {

// When the minimum falls, every sum is rescaled to the new reference.
template <class Vector, int kQueries>
inline void lower_minimum(typename Vector::Float lower, const Bandwidths& bandwidths,
                          float* minimum) {
  const auto change = Vector::subtract(lower, Vector::load(minimum));
  Vector::store(minimum, lower);
  for (int64_t s = 0; s < bandwidths.count; ++s) {
    float* sum = minimum + (s + 1) * kQueries;
    const auto factor =
        exp2_nonpositive<Vector>(Vector::multiply(change, Vector::set(bandwidths.rate[s])));
    Vector::store(sum, Vector::multiply(Vector::load(sum), factor));
  }
}

// Adds the terms of up to kSamples distances of one register of queries.
template <class Vector, int kSamples, int kQueries>
inline void add_terms(const typename Vector::Float* distances, int rows,
                      typename Vector::Float nearest, const Bandwidths& bandwidths,
                      float* minimum) {
  using Float = typename Vector::Float;
  const Float reference = Vector::load(minimum);
  for (int64_t s = 0; s < bandwidths.count; ++s) {
    // <=, not <: with distances so large that the reach rounds away, the nearest still counts.
    const Float limit = Vector::add(reference, Vector::set(bandwidths.reach[s]));
    if (!Vector::any(Vector::less_equal(nearest, limit))) break;  // narrower ones reach less far
    const Float rate = Vector::set(bandwidths.rate[s]);
    Float added = Vector::set(0.0F);
    for (int j = 0; j < rows; ++j) {
      const Float term = exp2_nonpositive<Vector>(
          Vector::multiply(Vector::subtract(reference, distances[j]), rate));
      added = Vector::add_where(Vector::less_equal(distances[j], limit), added, term);
    }
    float* sum = minimum + (s + 1) * kQueries;
    Vector::store(sum, Vector::add(Vector::load(sum), added));
  }
}

// products: [kSamples][kQueries]; state: minimum [kQueries], sums [S][kQueries].
template <class Vector, int kSamples, int kQueries, class Norm>
inline void absorb_tile(const Norm* products, const Norm* query_norms, const Norm* sample_norms,
                        int rows, const Bandwidths& bandwidths, float* state) {
  using Float = typename Vector::Float;
  for (int lane = 0; lane < kQueries; lane += Vector::kWidth) {
    Float distances[kSamples];
    float* minimum = state + lane;
    Float nearest = Vector::set(kNothingSeen);
    for (int j = 0; j < rows; ++j) {
      distances[j] = Vector::max(Vector::squared_distance(query_norms + lane, sample_norms[j],
                                                          products + j * kQueries + lane),
                                 Vector::set(0.0F));
      nearest = Vector::min(nearest, distances[j]);
    }
    const Float seen = Vector::load(minimum);
    const Float limit = Vector::add(seen, Vector::set(bandwidths.reach[0]));
    if (!Vector::any(Vector::less_equal(nearest, limit))) continue;
    if (Vector::any(Vector::less(nearest, seen))) {
      lower_minimum<Vector, kQueries>(Vector::min(nearest, seen), bandwidths, minimum);
    }
    add_terms<Vector, kSamples, kQueries>(distances, rows, nearest, bandwidths, minimum);
  }
}

// The loop over a block's sample tiles. Product::multiply fills products[j][i] = x_j . q_i.
template <class Product, class Vector>
inline void sweep_tiles(const Sweep& sweep) {
  using Norm = typename Product::Norm;
  constexpr int kSamples = Product::kSamples;
  constexpr int kQueries = Product::kQueries;
  const auto* query_norms = static_cast<const Norm*>(sweep.query_norms);
  const auto* sample_norms = static_cast<const Norm*>(sweep.sample_norms);
  const int64_t tile_bytes =
      sweep.sample_terms * sweep.groups * kSamples * Product::kSampleGroupBytes;
  alignas(64) Norm products[kSamples * kQueries];
  for (int64_t first = 0, tile = 0; first < sweep.sample_count; first += kSamples, ++tile) {
    Product::multiply(sweep, sweep.samples + tile * tile_bytes, products);
    const int64_t left = sweep.sample_count - first;
    absorb_tile<Vector, kSamples, kQueries>(products, query_norms, sample_norms + first,
                                            left < kSamples ? static_cast<int>(left) : kSamples,
                                            sweep.bandwidths, sweep.state);
  }
}

}  // namespace gantool
