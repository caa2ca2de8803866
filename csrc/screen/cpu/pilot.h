// Whether a screen would pay, from a few queries beside a few hundred samples.
#pragma once

#include "screen/cpu/encode.h"

namespace gantool::screen {

constexpr int64_t kPilotQueries = 48;
constexpr int64_t kPilotSamples = 512;

// The share of pairs that pass each level, with the limit at the query's nearest of these samples
// plus a reach. The nearest of all lies nearer, so that fewer pass in the call itself.
struct Shares {
  double codes;  // level 1: their bytes are compared
  double bytes;  // level 2: they are refined
};

Shares pilot_shares(const Encoder& encoder, const Encoded& queries, const Encoded& samples,
                    double reach);

}  // namespace gantool::screen
