// SHA256_Init and its kin look nothing up, unlike what OpenSSL 3.0 has in their place, which takes a
// lock each time.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tls/keyed_digest.h"

#include <openssl/rand.h>

#include <cstdint>

namespace sluice::tls {

void fillRandom(std::span<unsigned char> into) noexcept {
  static_cast<void>(RAND_bytes(into.data(), static_cast<int>(into.size())));
}

KeyedDigest::KeyedDigest(const Value& key) noexcept : key_(key) {
  SHA256_Init(&context_);
  SHA256_Update(&context_, key_.data(), key_.size());
}

void KeyedDigest::add(std::string_view text) noexcept {
  const std::uint64_t length = text.size();
  SHA256_Update(&context_, &length, sizeof length);
  SHA256_Update(&context_, text.data(), text.size());
}

KeyedDigest::Value KeyedDigest::finish() noexcept {
  Value value{};
  SHA256_Final(value.data(), &context_);
  // Once more under the key: nobody can go on where the first one ended.
  SHA256_CTX outer;
  SHA256_Init(&outer);
  SHA256_Update(&outer, key_.data(), key_.size());
  SHA256_Update(&outer, value.data(), value.size());
  SHA256_Final(value.data(), &outer);
  return value;
}

} // namespace sluice::tls
