// Via (RFC 9110 7.6.3), as far as loops are concerned.
#pragma once

#include <string_view>

#include "http/head.h"

namespace sluice::http {

/// Whether a message has passed a proxy that calls itself `pseudonym`.
[[nodiscard]] bool hasVia(const FieldList& fields, std::string_view pseudonym) noexcept;

} // namespace sluice::http
