// A digest of several texts under a secret key: HMAC-like, over SHA-256, with each text's length in
// front of it so that no two lists of texts give the same.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <span>
#include <string_view>

namespace sluice::tls {

/// Bytes that nobody can guess; leaves zeros when the system has none to give.
void fillRandom(std::span<unsigned char> into) noexcept;

class KeyedDigest {
 public:
  using Value = std::array<unsigned char, 32>;

  explicit KeyedDigest(const Value& key) noexcept;
  void add(std::string_view text) noexcept;
  [[nodiscard]] Value finish() noexcept;

 private:
  Value key_;
  SHA256_CTX context_;
};

} // namespace sluice::tls
