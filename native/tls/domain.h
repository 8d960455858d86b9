// TLS on one worker: a library context of its own, so that workers meet at no lock of OpenSSL's, and
// the space that sessions work in. Made by the main thread, which goes on to make contexts in it;
// everything but library() belongs to the worker.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "net/ktls.h"
#include "tls/openssl.h"

namespace sluice::tls {

class Domain {
 public:
  /// The most that TLS carries in one record (RFC 8446, section 5.1).
  static constexpr std::size_t kRecordBytes = 16 * 1024;
  /// What a record may be larger on the wire (RFC 5246, section 6.2.3; less since TLS 1.3).
  static constexpr std::size_t kRecordOverhead = 2048 + 5;
  static constexpr std::size_t kPlainBytes = 2 * kRecordBytes;

  /// Null when memory is out.
  [[nodiscard]] static std::shared_ptr<Domain> make() noexcept;
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;
  ~Domain();

  [[nodiscard]] OSSL_LIB_CTX* library() noexcept { return library_; }
  /// Of the kernel that this runs on, when the domain was made.
  [[nodiscard]] const net::KernelTls& kernelTls() const noexcept { return kernelTls_; }
  [[nodiscard]] BIO_METHOD* wireMethod() noexcept { return method_; }
  [[nodiscard]] EVP_CIPHER* ticketCipher() noexcept { return ticketCipher_; }

  /// Where records are decrypted to: valid until the owner of the session returns.
  [[nodiscard]] std::span<char> plain() noexcept { return plain_; }
  /// Where small parts become one record.
  [[nodiscard]] std::span<char> gather() noexcept { return gather_; }

  // Records on their way out, until they are sent at the end of an operation.
  [[nodiscard]] std::string_view sealed() const noexcept { return {sealed_.data(), used_}; }
  [[nodiscard]] std::size_t sealedRoom() const noexcept { return sealed_.size() - used_; }
  void seal(const char* bytes, std::size_t size) noexcept;
  void clearSealed() noexcept { used_ = 0; }

 private:
  Domain() = default;

  OSSL_LIB_CTX* library_ = nullptr;
  BIO_METHOD* method_ = nullptr;
  EVP_CIPHER* ticketCipher_ = nullptr;
  net::KernelTls kernelTls_;
  std::size_t used_ = 0;
  std::array<char, kPlainBytes> plain_;
  std::array<char, kRecordBytes> gather_;
  std::array<char, 6 * (kRecordBytes + kRecordOverhead)> sealed_;
};

} // namespace sluice::tls
