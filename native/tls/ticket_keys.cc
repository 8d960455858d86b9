#include "tls/ticket_keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

namespace sluice::tls {

namespace {

/// Different labels of one secret have nothing to do with each other.
void hashInto(const std::array<unsigned char, 32>& secret, unsigned char label,
              std::array<unsigned char, 32>& into) noexcept {
  std::array<unsigned char, 33> input{};
  std::copy(secret.begin(), secret.end(), input.begin());
  input.back() = label;
  SHA256(input.data(), input.size(), into.data());
  OPENSSL_cleanse(input.data(), input.size());
}

} // namespace

bool TicketKeys::begin(std::uint64_t nowSeconds, std::uint32_t periodSeconds) noexcept {
  startSeconds_ = nowSeconds;
  periodSeconds_ = std::max<std::uint32_t>(periodSeconds, 1);
  if (RAND_bytes(secret_.data(), static_cast<int>(secret_.size())) != 1) {
    return false;
  }
  derive();
  return true;
}

void TicketKeys::derive() noexcept {
  std::array<unsigned char, 32> name{};
  hashInto(secret_, 1, name);
  std::copy_n(name.begin(), current_.name.size(), current_.name.begin());
  hashInto(secret_, 2, current_.cipher);
  hashInto(secret_, 3, current_.mac);
  current_.isValid = true;
}

void TicketKeys::step() noexcept {
  Secret next{};
  hashInto(secret_, 0, next);
  secret_ = next;
  OPENSSL_cleanse(next.data(), next.size());
  previous_ = current_;
  derive();
}

void TicketKeys::advance(std::uint64_t nowSeconds) noexcept {
  while (nowSeconds >= startSeconds_ + periodSeconds_) {
    step();
    startSeconds_ += periodSeconds_;
  }
}

const TicketKeys::Key* TicketKeys::find(const unsigned char* name) const noexcept {
  for (const Key* key : {&current_, &previous_}) {
    if (key->isValid && std::memcmp(key->name.data(), name, key->name.size()) == 0) {
      return key;
    }
  }
  return nullptr;
}

} // namespace sluice::tls
