// What a listener that asks for certificates knows of a client: for routes, and as the headers that targets are told it
// with. Made once a connection.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "tls/session.h"

namespace sluice::tls {

struct ClientFacts {
  /// It showed a certificate, which holds.
  bool isVerified = false;
  std::string commonName;
  /// SHA-256, lower-case digits.
  std::string fingerprint;
  /// Removes what the client itself says under these names, and sets what is so.
  std::vector<plan::HeaderEdit> edits;
};

/// Null where the listener does not ask for certificates.
[[nodiscard]] std::unique_ptr<ClientFacts> describeClient(const Session& session,
                                                          const plan::ServerTls& terms);

} // namespace sluice::tls
