// What a session's own records are sealed with, followed from outside: OpenSSL says when it changes keys and
// when it writes a record, and from that come the keys and the number of its next record, for a kernel that
// takes over. See RFC 8446, section 7, and RFC 5246, section 6.3.
//
// Part of its session. What it knows of secrets is wiped when it dies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/ktls.h"
#include "tls/openssl.h"

namespace sluice::tls {

/// HKDF-Expand-Label with an empty context (RFC 8446, section 7.1), of no more than one digest. `digest`:
/// a name of OpenSSL's.
[[nodiscard]] bool expandLabel(OSSL_LIB_CTX* library, const char* digest,
                               std::span<const unsigned char> secret, std::string_view label,
                               std::span<unsigned char> into) noexcept;
/// The pseudorandom function of TLS 1.2 (RFC 5246, section 5). `seed` begins with the label.
[[nodiscard]] bool expandMaster(OSSL_LIB_CTX* library, const char* digest,
                                std::span<const unsigned char> secret,
                                std::span<const unsigned char> seed,
                                std::span<unsigned char> into) noexcept;

class WriteKeys {
 public:
  WriteKeys() noexcept = default;
  WriteKeys(const WriteKeys&) = delete;
  WriteKeys& operator=(const WriteKeys&) = delete;
  ~WriteKeys() { forget(); }

  /// A line of OpenSSL's key log: with the secret of our own data, records are counted anew.
  void onKeyLog(std::string_view line, bool isServer) noexcept;
  /// A record was written, of this type as the wire shows it.
  void onRecord(std::uint8_t type) noexcept;
  /// TLS 1.2: what a record showed of its nonce.
  void onNonce(std::span<const unsigned char, 8> shown) noexcept;
  /// Our own key update was written: what follows is sealed with the next secret. False: it is not known.
  [[nodiscard]] bool onKeyUpdate(OSSL_LIB_CTX* library, const SSL* ssl) noexcept;
  void forget() noexcept;

  /// The keys of the next record. False when they are not known, or no kernel knows the cipher.
  [[nodiscard]] bool next(OSSL_LIB_CTX* library, SSL* ssl, net::SealKeys& keys) const noexcept;

 private:
  /// The longest digest that a cipher of TLS 1.3 has.
  static constexpr std::size_t kSecretBytes = 48;

  [[nodiscard]] bool nextOf12(OSSL_LIB_CTX* library, SSL* ssl, net::SealKeys& keys) const noexcept;

  std::uint64_t sequence_ = 0;
  std::array<unsigned char, kSecretBytes> secret_{};
  std::uint8_t secretBytes_ = 0;
  bool isNonceKnown_ = false;
  std::array<unsigned char, 8> nonce_{};
};

} // namespace sluice::tls
