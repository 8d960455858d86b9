// PEM text into OpenSSL's objects, with problems that say what is wrong. Main thread.
#pragma once

#include <openssl/x509.h>

#include <string>

#include "plan/plan.h"
#include "tls/domain.h"
#include "tls/openssl.h"

namespace sluice::tls {

/// Gives `context` a certificate with its chain and key, beside those of other types of key. Null and `problem` when it
/// does not take them; else the certificate, which belongs to the context.
[[nodiscard]] X509* useCertificate(Domain& domain, SSL_CTX* context,
                                   const plan::Certificate& certificate, std::string& problem);
/// Adds the certificates of `pem`. False and `problem` when there is none or one is bad.
[[nodiscard]] bool addCas(Domain& domain, X509_STORE* store, const std::string& pem,
                          std::string& problem);
/// Adds revocation lists and has them looked at, for every certificate of a chain.
[[nodiscard]] bool addCrls(Domain& domain, X509_STORE* store, const std::string& pem,
                           std::string& problem);
/// Versions, ciphers and curves, and what every context has in common.
[[nodiscard]] bool applyTerms(SSL_CTX* context, const plan::TlsTerms& terms, std::string& problem);

} // namespace sluice::tls
