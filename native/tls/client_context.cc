#include "tls/client_context.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "tls/credentials.h"
#include "tls/session.h"

namespace sluice::tls {

namespace {

bool isIpAddress(const std::string& text) noexcept {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

int hexValue(char digit) noexcept {
  return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

/// Leaves the session to OpenSSL: 0 says so.
int onNewSession(SSL* ssl, SSL_SESSION* session) noexcept {
  Session::of(ssl).target().remember(session);
  return 0;
}

} // namespace

std::shared_ptr<ClientContext> ClientContext::make(const std::shared_ptr<Domain>& domain,
                                                   const plan::ClientTls& terms,
                                                   std::string& problem) {
  std::shared_ptr<ClientContext> made(new ClientContext());
  made->domain_ = domain;
  made->verifies_ = terms.verify;
  made->context_.reset(SSL_CTX_new_ex(domain->library(), nullptr, TLS_client_method()));
  SSL_CTX* context = made->get();
  if (context == nullptr) {
    problem = "no TLS context: " + takeError();
    return nullptr;
  }
  if (!applyTerms(context, terms.terms, problem)) {
    return nullptr;
  }
  if (terms.verify) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    if (!addCas(*domain, store, terms.ca, problem) ||
        (!terms.crl.empty() && !addCrls(*domain, store, terms.crl, problem))) {
      return nullptr;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  for (const plan::Certificate& certificate : terms.certificate) {
    if (useCertificate(*domain, context, certificate, problem) == nullptr) {
      return nullptr;
    }
  }
  for (const std::string& digits : terms.fingerprints) {
    Digest pin{};
    for (std::size_t i = 0; i < pin.size(); ++i) {
      pin[i] =
          static_cast<unsigned char>(hexValue(digits[2 * i]) * 16 + hexValue(digits[2 * i + 1]));
    }
    made->pins_.push_back(pin);
  }
  if (terms.terms.kernelTls && domain->kernelTls().isOffered()) {
    SSL_CTX_set_keylog_callback(context, Session::onKeyLog);
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, onNewSession);
  return made;
}

bool ClientContext::mayTrust(const X509* certificate) const noexcept {
  if (pins_.empty()) {
    return true;
  }
  Digest digest{};
  unsigned size = 0;
  if (certificate == nullptr || X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) {
    return false;
  }
  return std::find(pins_.begin(), pins_.end(), digest) != pins_.end();
}

bool TargetTls::prepare(SSL* ssl) noexcept {
  if (!name_.empty()) {
    if (isIpAddress(name_)) {
      // Names alone are asked for (RFC 6066, section 3).
      if (context_->verifies() &&
          X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name_.c_str()) != 1) {
        return false;
      }
    } else {
      if (SSL_set_tlsext_host_name(ssl, name_.c_str()) != 1) {
        return false;
      }
      SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      if (context_->verifies() && SSL_set1_host(ssl, name_.c_str()) != 1) {
        return false;
      }
    }
  }
  if (session_ == nullptr) {
    return true;
  }
  const SslSession copy(SSL_SESSION_dup(session_.get()));
  return copy != nullptr && SSL_set_session(ssl, copy.get()) == 1;
}

} // namespace sluice::tls
