// The unit of false sharing on the machines we run on.
#pragma once

#include <cstddef>

namespace sluice {

inline constexpr std::size_t kCacheLine = 64;

} // namespace sluice
