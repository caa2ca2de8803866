// Rows in an order where neighbours are close, so that a leaf of queries has its near samples in
// few cells. It decides how soon the limits fall, never what is within them.
#pragma once

#include <cstdint>
#include <vector>

#include "screen/cpu/encode.h"

namespace gantool::screen {

// The rows by median splits of their codes into runs of `leaf`. Rows whose bytes or codes miss far
// more of them than most rows' do come last, in leaves of their own: a leaf's bounds are those of
// its worst row. `leaves` gets where each leaf begins, and the end.
std::vector<int32_t> split_by_medians(const Encoded& rows, int leaf, std::vector<int64_t>* leaves);

}  // namespace gantool::screen
