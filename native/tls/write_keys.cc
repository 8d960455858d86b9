#include "tls/write_keys.h"

#include <algorithm>
#include <cstring>

namespace sluice::tls {

namespace {

constexpr std::uint8_t kChangeCipherSpec = 20;
constexpr std::size_t kSaltBytes = 4;

int valueOf(char digit) noexcept {
  return digit >= '0' && digit <= '9'   ? digit - '0'
         : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                                        : -1;
}

/// Null for what is nobody's digest.
const char* digestOf(const SSL* ssl) noexcept {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  const EVP_MD* digest = cipher != nullptr ? SSL_CIPHER_get_handshake_digest(cipher) : nullptr;
  return digest != nullptr ? EVP_MD_get0_name(digest) : nullptr;
}

bool hmac(OSSL_LIB_CTX* library, const char* digest, std::span<const unsigned char> key,
          std::span<const unsigned char> data, std::span<unsigned char> into,
          std::size_t& size) noexcept {
  return EVP_Q_mac(library, "HMAC", nullptr, digest, nullptr, key.data(), key.size(), data.data(),
                   data.size(), into.data(), into.size(), &size) != nullptr;
}

} // namespace

bool expandLabel(OSSL_LIB_CTX* library, const char* digest, std::span<const unsigned char> secret,
                 std::string_view label, std::span<unsigned char> into) noexcept {
  constexpr std::string_view kPrefix = "tls13 ";
  std::array<unsigned char, 64> info{};
  std::size_t size = 0;
  const auto add = [&](auto byte) { info[size++] = static_cast<unsigned char>(byte); };
  if (label.size() > 32 || into.size() > EVP_MAX_MD_SIZE) {
    return false;
  }
  add(0);
  add(into.size());
  add(kPrefix.size() + label.size());
  for (const char c : kPrefix) {
    add(c);
  }
  for (const char c : label) {
    add(c);
  }
  // No context; then the number of the block, the only one.
  add(0);
  add(1);
  std::array<unsigned char, EVP_MAX_MD_SIZE> block{};
  std::size_t made = 0;
  const bool isMade =
      hmac(library, digest, secret, {info.data(), size}, block, made) && made >= into.size();
  if (isMade) {
    std::memcpy(into.data(), block.data(), into.size());
  }
  OPENSSL_cleanse(block.data(), block.size());
  return isMade;
}

bool expandMaster(OSSL_LIB_CTX* library, const char* digest, std::span<const unsigned char> secret,
                  std::span<const unsigned char> seed, std::span<unsigned char> into) noexcept {
  // What is hashed: A(i), and the seed behind it.
  std::array<unsigned char, EVP_MAX_MD_SIZE + 128> text{};
  std::array<unsigned char, EVP_MAX_MD_SIZE> block{};
  std::size_t size = 0;
  bool isMade = seed.size() <= 128 && hmac(library, digest, secret, seed, text, size);
  std::size_t done = 0;
  while (isMade && done < into.size()) {
    std::memcpy(text.data() + size, seed.data(), seed.size());
    std::size_t made = 0;
    isMade = hmac(library, digest, secret, {text.data(), size + seed.size()}, block, made);
    const std::size_t part = std::min(made, into.size() - done);
    std::memcpy(into.data() + done, block.data(), part);
    done += part;
    isMade = isMade && hmac(library, digest, secret, {text.data(), size}, block, size);
    std::memcpy(text.data(), block.data(), size);
  }
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(block.data(), block.size());
  return isMade;
}

void WriteKeys::onKeyLog(std::string_view line, bool isServer) noexcept {
  const std::string_view label = isServer ? "SERVER_TRAFFIC_SECRET_0 " : "CLIENT_TRAFFIC_SECRET_0 ";
  if (!line.starts_with(label)) {
    return;
  }
  // The client's random bytes come first; secrets have two digits a byte.
  const std::string_view digits = line.substr(line.rfind(' ') + 1);
  forget();
  sequence_ = 0;
  if (digits.size() % 2 != 0 || digits.size() > 2 * kSecretBytes) {
    return;
  }
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int value = valueOf(digits[i]) * 16 + valueOf(digits[i + 1]);
    secret_[i / 2] = static_cast<unsigned char>(value);
  }
  secretBytes_ = static_cast<std::uint8_t>(digits.size() / 2);
}

void WriteKeys::onRecord(std::uint8_t type) noexcept {
  // TLS 1.2 changes keys behind it; TLS 1.3 sends it before there are any.
  sequence_ = type == kChangeCipherSpec ? 0 : sequence_ + 1;
}

void WriteKeys::onNonce(std::span<const unsigned char, 8> shown) noexcept {
  std::copy(shown.begin(), shown.end(), nonce_.begin());
  isNonceKnown_ = true;
}

bool WriteKeys::onKeyUpdate(OSSL_LIB_CTX* library, const SSL* ssl) noexcept {
  std::array<unsigned char, kSecretBytes> after{};
  const std::span<unsigned char> next{after.data(), secretBytes_};
  const char* digest = digestOf(ssl);
  const bool isMade =
      secretBytes_ > 0 && digest != nullptr &&
      expandLabel(library, digest, {secret_.data(), secretBytes_}, "traffic upd", next);
  if (isMade) {
    std::copy(next.begin(), next.end(), secret_.begin());
    sequence_ = 0;
  } else {
    forget();
  }
  OPENSSL_cleanse(after.data(), after.size());
  return isMade;
}

void WriteKeys::forget() noexcept {
  OPENSSL_cleanse(secret_.data(), secret_.size());
  secretBytes_ = 0;
}

bool WriteKeys::next(OSSL_LIB_CTX* library, SSL* ssl, net::SealKeys& keys) const noexcept {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  switch (cipher != nullptr ? SSL_CIPHER_get_cipher_nid(cipher) : NID_undef) {
  case NID_aes_128_gcm:
    keys.cipher = net::SealCipher::Aes128Gcm;
    break;
  case NID_aes_256_gcm:
    keys.cipher = net::SealCipher::Aes256Gcm;
    break;
  case NID_chacha20_poly1305:
    keys.cipher = net::SealCipher::ChaCha20Poly1305;
    break;
  default:
    return false;
  }
  keys.sequence = sequence_;
  keys.isTls13 = SSL_version(ssl) == TLS1_3_VERSION;
  if (!keys.isTls13) {
    return SSL_version(ssl) == TLS1_2_VERSION && nextOf12(library, ssl, keys);
  }
  const char* digest = digestOf(ssl);
  const std::span<const unsigned char> secret{secret_.data(), secretBytes_};
  return !secret.empty() && digest != nullptr &&
         expandLabel(library, digest, secret, "key", {keys.key.data(), keys.keyBytes()}) &&
         expandLabel(library, digest, secret, "iv", keys.iv);
}

bool WriteKeys::nextOf12(OSSL_LIB_CTX* library, SSL* ssl, net::SealKeys& keys) const noexcept {
  constexpr std::string_view kLabel = "key expansion";
  const bool isAes = keys.cipher != net::SealCipher::ChaCha20Poly1305;
  const char* digest = digestOf(ssl);
  if (digest == nullptr || (isAes && !isNonceKnown_)) {
    return false;
  }
  std::array<unsigned char, SSL_MAX_MASTER_KEY_LENGTH> master{};
  const std::size_t masterBytes =
      SSL_SESSION_get_master_key(SSL_get_session(ssl), master.data(), master.size());
  std::array<unsigned char, kLabel.size() + 2 * SSL3_RANDOM_SIZE> seed{};
  std::copy(kLabel.begin(), kLabel.end(), seed.begin());
  SSL_get_server_random(ssl, seed.data() + kLabel.size(), SSL3_RANDOM_SIZE);
  SSL_get_client_random(ssl, seed.data() + kLabel.size() + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
  // The client's key, the server's, then what the nonces of each begin with.
  const std::size_t keyBytes = keys.keyBytes();
  const std::size_t ivBytes = isAes ? kSaltBytes : keys.iv.size();
  std::array<unsigned char, 2 * (32 + 12)> block{};
  const std::span<unsigned char> used{block.data(), 2 * (keyBytes + ivBytes)};
  const bool isMade =
      masterBytes > 0 && expandMaster(library, digest, {master.data(), masterBytes}, seed, used);
  const std::size_t own = SSL_is_server(ssl) == 1 ? 1 : 0;
  std::memcpy(keys.key.data(), block.data() + own * keyBytes, keyBytes);
  std::memcpy(keys.iv.data(), block.data() + 2 * keyBytes + own * ivBytes, ivBytes);
  OPENSSL_cleanse(master.data(), master.size());
  OPENSSL_cleanse(block.data(), block.size());
  if (isAes) {
    // No nonce may come twice with one key: on from the one that was used last.
    std::array<unsigned char, 8> after = nonce_;
    for (std::size_t i = after.size(); i-- > 0 && ++after[i] == 0;) {
    }
    std::copy(after.begin(), after.end(), keys.iv.begin() + kSaltBytes);
  }
  return isMade;
}

} // namespace sluice::tls
