// What can be told of a client's certificate, as text that fits into a header: one line of ASCII.
#pragma once

#include <string>

#include "generated/codes.h"
#include "tls/openssl.h"

namespace sluice::tls {

/// One field. `certificate` may be null: `verified` is then 0 and everything else empty.
///   subject, issuer  RFC 4514, the most specific part first: CN=name,O=organisation
///   serial           hexadecimal digits, upper case
///   fingerprint      SHA-256, hexadecimal digits, lower case
///   names            the subject alternative names: DNS:a.example, email:b@c.example, URI:…, IP:…
///   notBefore/After  2026-01-02T03:04:05Z
///   certificate      DER in base64 between colons (RFC 9440, section 2.1)
[[nodiscard]] std::string describe(const X509* certificate, CertificateField field);
/// The subject's common name, as UTF-8; empty when there is none.
[[nodiscard]] std::string commonName(const X509* certificate);

} // namespace sluice::tls
