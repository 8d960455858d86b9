// Writing to files and pipes that may block. Never called by a worker.
#pragma once

#include <string_view>

#include "base/unique_fd.h"

namespace sluice::net {

/// Writes all of it, or gives up at the first error (a full disk, a closed pipe).
void writeAll(const UniqueFd& fd, std::string_view bytes) noexcept;

} // namespace sluice::net
