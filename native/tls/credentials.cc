#include "tls/credentials.h"

#include <openssl/pem.h>

#include <string_view>

namespace sluice::tls {

namespace {

/// A key with a password is refused, not asked for.
int noPassword(char*, int, int, void*) noexcept {
  return -1;
}

BioPtr reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Null at the end of the text and at what is no certificate; `isBad` tells which.
X509Ptr readCertificate(Domain& domain, BIO* in, bool& isBad) {
  X509Ptr certificate(X509_new_ex(domain.library(), nullptr));
  X509* raw = certificate.get();
  isBad = false;
  if (PEM_read_bio_X509(in, &raw, noPassword, nullptr) != nullptr) {
    return certificate;
  }
  // OpenSSL has freed what it was given, and said so, if it got as far as to fill it.
  static_cast<void>(certificate.release());
  certificate.reset(raw);
  isBad = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
  ERR_clear_error();
  return nullptr;
}

struct FreeChain {
  void operator()(STACK_OF(X509) * chain) const noexcept { sk_X509_pop_free(chain, X509_free); }
};
using Chain = std::unique_ptr<STACK_OF(X509), FreeChain>;

} // namespace

X509* useCertificate(Domain& domain, SSL_CTX* context, const plan::Certificate& certificate,
                     std::string& problem) {
  const BioPtr chainText = reader(certificate.chain);
  bool isBad = false;
  X509Ptr leaf = readCertificate(domain, chainText.get(), isBad);
  const Chain chain(sk_X509_new_null());
  while (leaf != nullptr) {
    X509Ptr next = readCertificate(domain, chainText.get(), isBad);
    if (next == nullptr) {
      break;
    }
    sk_X509_push(chain.get(), next.release());
  }
  if (leaf == nullptr || isBad) {
    problem = certificate.name + ": not a certificate in PEM";
    return nullptr;
  }
  const BioPtr keyText = reader(certificate.key);
  const KeyPtr key(PEM_read_bio_PrivateKey_ex(keyText.get(), nullptr, noPassword, nullptr,
                                              domain.library(), nullptr));
  if (key == nullptr) {
    ERR_clear_error();
    problem = certificate.name + ": its key is not an unencrypted private key in PEM";
    return nullptr;
  }
  ERR_clear_error();
  if (SSL_CTX_use_cert_and_key(context, leaf.get(), key.get(), chain.get(), 1) != 1) {
    problem = certificate.name + ": " + takeError();
    return nullptr;
  }
  // The context has counted it.
  return leaf.get();
}

bool addCas(Domain& domain, X509_STORE* store, const std::string& pem, std::string& problem) {
  const BioPtr in = reader(pem);
  std::size_t count = 0;
  bool isBad = false;
  while (X509Ptr certificate = readCertificate(domain, in.get(), isBad)) {
    if (X509_STORE_add_cert(store, certificate.get()) != 1) {
      problem = "a CA cannot be used: " + takeError();
      return false;
    }
    ++count;
  }
  if (isBad || count == 0) {
    problem = "the CAs are not certificates in PEM";
    return false;
  }
  return true;
}

bool addCrls(Domain& domain, X509_STORE* store, const std::string& pem, std::string& problem) {
  const BioPtr in = reader(pem);
  std::size_t count = 0;
  for (;;) {
    X509_CRL* raw = X509_CRL_new_ex(domain.library(), nullptr);
    if (PEM_read_bio_X509_CRL(in.get(), &raw, noPassword, nullptr) == nullptr) {
      // As with certificates.
      X509_CRL_free(raw);
      break;
    }
    const bool isTaken = X509_STORE_add_crl(store, raw) == 1;
    X509_CRL_free(raw);
    if (!isTaken) {
      problem = "a revocation list cannot be used: " + takeError();
      return false;
    }
    ++count;
  }
  const bool isBad = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (isBad || count == 0) {
    problem = "the revocation lists are not in PEM";
    return false;
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return true;
}

bool applyTerms(SSL_CTX* context, const plan::TlsTerms& terms, std::string& problem) {
  const bool isGood = SSL_CTX_set_min_proto_version(context, terms.minVersion) == 1 &&
                      SSL_CTX_set_max_proto_version(context, terms.maxVersion) == 1 &&
                      SSL_CTX_set_cipher_list(context, terms.ciphers.c_str()) == 1 &&
                      SSL_CTX_set_ciphersuites(context, terms.cipherSuites.c_str()) == 1 &&
                      SSL_CTX_set1_groups_list(context, terms.curves.c_str()) == 1;
  if (!isGood) {
    problem = "the TLS versions, ciphers or curves are not to be had: " + takeError();
    return false;
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return true;
}

} // namespace sluice::tls
