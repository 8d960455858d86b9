// OpenSSL as Node carries it: its headers ship with Node, its symbols are exported to addons. The owners of its
// objects, and what its error queue says.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

namespace sluice::tls {

template<auto Free>
struct FreeWith {
  template<typename T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using SslContext = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, FreeWith<SSL_free>>;
using SslSession = std::unique_ptr<SSL_SESSION, FreeWith<SSL_SESSION_free>>;
using X509Ptr = std::unique_ptr<X509, FreeWith<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

/// OpenSSL takes bytes as unsigned and hands them out so.
[[nodiscard]] inline const unsigned char* bytesOf(std::string_view text) noexcept {
  // RULE: both are bytes, and may alias anything.
  return reinterpret_cast<const unsigned char*>(text.data());
}
[[nodiscard]] inline std::string_view textOf(const unsigned char* bytes,
                                             std::size_t size) noexcept {
  // RULE: both are bytes, and may alias anything.
  return {reinterpret_cast<const char*>(bytes), size};
}

/// The oldest error that OpenSSL has noted on this thread, as text; forgets all of them.
[[nodiscard]] std::string takeError();

} // namespace sluice::tls
