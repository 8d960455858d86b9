// TLS in the kernel (kTLS), for what a socket sends: once it has been given the keys of a session, the
// bytes that are sent or spliced into it become records there. What it receives stays as it is.
//
// Any thread; keeps nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::net {

enum class SealCipher : std::uint8_t { Aes128Gcm, Aes256Gcm, ChaCha20Poly1305 };
inline constexpr std::size_t kSealCipherCount = 3;

/// What the next record is sealed with. Wipes itself.
struct SealKeys {
  SealKeys() noexcept = default;
  SealKeys(const SealKeys&) = delete;
  SealKeys& operator=(const SealKeys&) = delete;
  ~SealKeys();

  SealCipher cipher = SealCipher::Aes128Gcm;
  /// Else TLS 1.2.
  bool isTls13 = true;
  std::array<unsigned char, 32> key{};
  /// With AES under TLS 1.2: four bytes, and the eight that the next record shows.
  std::array<unsigned char, 12> iv{};
  /// Number of the next record.
  std::uint64_t sequence = 0;

  [[nodiscard]] std::size_t keyBytes() const noexcept {
    return cipher == SealCipher::Aes128Gcm ? 16 : 32;
  }
};

/// What this kernel offers, found out by trying.
struct KernelTls {
  std::array<bool, kSealCipherCount> takes{};
  /// A socket takes new keys after its first: since Linux 6.14, for TLS 1.3.
  bool takesNewKeys = false;
  /// Why it offers nothing, or empty.
  std::string problem;

  [[nodiscard]] bool isOffered() const noexcept { return problem.empty(); }
};

[[nodiscard]] KernelTls probeKernelTls();

/// From now on what is sent on this connected socket is sealed with `keys`. False: it goes on as before.
[[nodiscard]] bool sealInKernel(int fd, const SealKeys& keys) noexcept;
/// The same once more, behind a key update.
[[nodiscard]] bool replaceSealKeys(int fd, const SealKeys& keys) noexcept;

enum class RecordSent : std::uint8_t { Done, NoRoom, Failed };

constexpr std::uint8_t kAlertRecord = 21;
constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::string_view kCloseNotify{"\1\0", 2};

/// A record other than of data, behind all that was sent before; the kernel seals it.
[[nodiscard]] RecordSent sendRecord(int fd, std::uint8_t type, std::string_view content) noexcept;

} // namespace sluice::net
