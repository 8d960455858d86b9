// In the place of load/tls_load.h where OpenSSL's headers are missing.
#pragma once

#include <string>

#include "load/command_line.h"

namespace sluice::load {

inline constexpr const char* kTlsLibrary = nullptr;

template<typename Use>
int withTls(CommandLine&, const std::string&, Use&&) {
  fail("built without TLS: install OpenSSL's headers (libssl-dev) and make again");
}

} // namespace sluice::load
