// Certificates for the tests of tls/, made with OpenSSL when they are needed.
#pragma once

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string>

#include "plan/plan.h"
#include "tls/openssl.h"

namespace sluice::test {

struct Issue {
  std::string commonName;
  /// As in a configuration file of OpenSSL: DNS:a.example,IP:127.0.0.1
  std::string names = {};
  bool isAuthority = false;
  /// Seconds from now.
  long notAfter = 3600;
};

/// A certificate with its key, signed by itself or by another.
class Identity {
 public:
  explicit Identity(const Issue& issue, const Identity* issuer = nullptr)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    static long serial = 1;
    X509* x509 = certificate_.get();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), -7200);
    X509_gmtime_adj(X509_getm_notAfter(x509), issue.notAfter);
    X509_set_pubkey(x509, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                               tls::bytesOf(issue.commonName), -1, -1, 0);
    const Identity& signer = issuer != nullptr ? *issuer : *this;
    X509_set_issuer_name(x509, X509_get_subject_name(signer.certificate_.get()));
    add(NID_basic_constraints, issue.isAuthority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!issue.names.empty()) {
      add(NID_subject_alt_name, issue.names.c_str());
    }
    X509_sign(x509, signer.key_.get(), EVP_sha256());
  }

  [[nodiscard]] std::string pem() const {
    const tls::BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), certificate_.get());
    return textOf(out.get());
  }
  [[nodiscard]] std::string keyPem() const {
    const tls::BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return textOf(out.get());
  }
  [[nodiscard]] const X509* certificate() const { return certificate_.get(); }
  [[nodiscard]] plan::Certificate planned() const {
    return {.name = "test", .chain = pem(), .key = keyPem(), .ocsp = {}};
  }

 private:
  void add(int what, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value);
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  static std::string textOf(BIO* out) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(out, &text);
    return {text, static_cast<std::size_t>(size)};
  }

  tls::KeyPtr key_;
  tls::X509Ptr certificate_;
};

inline plan::TlsTerms usualTerms() {
  return {.minVersion = 0x0303,
          .maxVersion = 0x0304,
          .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256",
          .cipherSuites = "TLS_AES_128_GCM_SHA256",
          .curves = "X25519:P-256"};
}

/// What most tests need: a CA, a certificate for site.example, and who serves and who trusts it.
inline const Identity& authority() {
  static const Identity made({.commonName = "Test CA", .isAuthority = true});
  return made;
}

inline const Identity& site() {
  static const Identity made({.commonName = "site.example", .names = "DNS:site.example"},
                             &authority());
  return made;
}

inline plan::ServerTls servingSite() {
  plan::ServerTls terms;
  terms.certificates = {site().planned()};
  terms.identities = {{0}};
  terms.names = {{"site.example", 0}};
  terms.terms = usualTerms();
  terms.sessionSeconds = 100;
  return terms;
}

inline plan::ClientTls trustingAuthority() {
  plan::ClientTls terms;
  terms.ca = authority().pem();
  terms.terms = usualTerms();
  return terms;
}

} // namespace sluice::test
