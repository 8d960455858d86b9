// What load-http does over TLS; where OpenSSL's headers are missing, load/tls_absent.h stands in its
// place.
#pragma once

#include <string>

#include "load/tls_client.h"
#include "load/tls_mirror.h"

namespace sluice::load {

inline constexpr const char* kTlsLibrary = OPENSSL_VERSION_TEXT;

[[nodiscard]] inline TlsShape parseTls(CommandLine& line, const std::string& host) {
  TlsShape shape;
  const bool isNew = line.choice("--tls-version", {"1.3", "1.2"}) == 0;
  shape.version = isNew ? TLS1_3_VERSION : TLS1_2_VERSION;
  shape.cipher = line.text("--tls-cipher",
                           isNew ? "TLS_AES_128_GCM_SHA256"
                                 : "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256");
  // Until TLS 1.2 the groups have to hold the curve of the certificate's key, too.
  shape.group = line.text("--tls-group", isNew ? "X25519" : "X25519:P-256");
  shape.name = line.text("--tls-name", host.substr(0, host.find(':')).c_str());
  shape.isResumed = line.flag("--resume");
  return shape;
}

/// Calls `use` with what carries the bytes, and with what accepts the mirror's connections.
template<typename Use>
int withTls(CommandLine& line, const std::string& host, Use&& use) {
  const TlsShape shape = parseTls(line, host);
  TlsTransport transport(shape);
  const SslContextPtr context = mirrorContext(shape);
  return use(transport, [&context](Shared& shared, int fd, const Canned& answers) {
    new TlsCannedAnswers(shared, fd, context.get(), answers); // owns itself
  });
}

} // namespace sluice::load
