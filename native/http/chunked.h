// The chunked coding (RFC 9112 7.1), strict: what passes is read alike by every parser.
//
// The decoder holds a few integers and no bytes. It stops on borders only: an incomplete chunk
// line, CRLF or trailer line stays UNCONSUMED and must be presented again, with more behind it, by
// the caller (at most kMaxChunkLine or kMaxTrailerLine bytes; a buffer of 16 KiB always does).
//
// A relay begins with verify() and forwards what it verified as it stands. Once that says
// needsRewrite, the relay takes the rest of the message with next() and frames it anew; there is no
// way back before reset(), because the framing that leaves is then no longer the framing that came.
//
//   state    | sees                        | becomes
//   Line     | size > 0 CRLF               | Data
//   Line     | 0 CRLF                      | Trailers
//   Data     | payload                     | Data, or DataEnd after the last of it
//   DataEnd  | CRLF                        | Line
//   Trailers | field line                  | Trailers
//   Trailers | CRLF                        | Ended
//   any      | anything else               | Failed
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/head.h"

namespace sluice::http {

/// A chunk line with its extensions; all extensions of a message; a trailer line; the trailer
/// section.
inline constexpr std::size_t kMaxChunkLine = 4 * 1024;
inline constexpr std::size_t kMaxChunkExtensions = 16 * 1024;
inline constexpr std::size_t kMaxTrailerLine = 8 * 1024;
inline constexpr std::size_t kMaxTrailerBytes = 16 * 1024;
inline constexpr std::size_t kMaxTrailers = 64;
/// Framing may cost this many times the payload, and the allowance on top.
inline constexpr std::uint64_t kMaxFramingRatio = 8;
inline constexpr std::uint64_t kFramingAllowance = 16 * 1024;

class ChunkedDecoder {
 public:
  struct Step {
    /// Done: a step was made; see data, trailerName and isLast. Partial: present what follows
    /// `consumed` again once there is more of it. Bad: the message is malformed for good.
    ParseState state = ParseState::Partial;
    std::uint32_t consumed = 0;
    /// Payload within the input.
    std::string_view data;
    /// A trailer field to forward; trailers that may not be forwarded are consumed without a word.
    std::string_view trailerName;
    std::string_view trailerValue;
    /// The message ends with what was consumed.
    bool isLast = false;
  };

  struct Verified {
    /// Done: the message ends with the verified bytes. Partial: forward these, come back with the
    /// rest and more. Bad: forward nothing more and cut the connection.
    ParseState state = ParseState::Partial;
    /// From the front of the input: may be forwarded as they stand.
    std::uint32_t verifiedBytes = 0;
    /// How much of them is payload.
    std::uint32_t payloadBytes = 0;
    bool isLast = false;
    /// What follows the verified bytes is well formed so far but not canonical (an extension,
    /// leading zeros, trailers), or next() has been used before: go on with next().
    bool needsRewrite = false;
  };

  /// The rewriting way: takes the next piece of payload or trailer off the input.
  [[nodiscard]] Step next(std::string_view input) noexcept;
  /// The short way: how much of the input is canonical and may be forwarded in one piece.
  [[nodiscard]] Verified verify(std::string_view input) noexcept;

  /// Payload of the current chunk still to come; a relay may move up to so much past the decoder
  /// and say so.
  [[nodiscard]] std::uint64_t remainingInChunk() const noexcept {
    return state_ == State::Data ? remaining_ : 0;
  }
  /// `bytes` of payload (at most remainingInChunk()) went another way, by splice for example.
  void skipPayload(std::uint64_t bytes) noexcept;

  [[nodiscard]] std::uint64_t totalPayload() const noexcept { return payload_; }
  [[nodiscard]] bool hasEnded() const noexcept { return state_ == State::Ended; }
  void reset() noexcept { *this = ChunkedDecoder(); }

 private:
  enum class State : std::uint8_t { Line, Data, DataEnd, Trailers, Ended, Failed };
  struct ChunkLine;

  ChunkLine readLine(std::string_view input) const noexcept;
  bool acceptLine(const ChunkLine& line) noexcept;
  std::size_t takePayload(std::size_t available) noexcept;
  Step readTrailer(std::string_view input) noexcept;
  Step fail() noexcept;

  State state_ = State::Line;
  bool isRewriting_ = false;
  std::uint16_t trailers_ = 0;
  std::uint32_t trailerBytes_ = 0;
  std::uint32_t extensionBytes_ = 0;
  std::uint64_t remaining_ = 0;
  std::uint64_t payload_ = 0;
  std::uint64_t framing_ = 0;
};

/// Whether a trailer field may be forwarded: none that frames, routes, authenticates or describes
/// the message.
[[nodiscard]] bool isTrailerAllowed(std::string_view name) noexcept;

/// Room that writeChunkHead() needs.
inline constexpr std::size_t kChunkHeadBytes = 18;
/// Writes `size` in hex and CRLF; returns the length. The payload and kChunkEnd follow.
std::size_t writeChunkHead(char* out, std::uint64_t size) noexcept;
inline constexpr std::string_view kChunkEnd = "\r\n";
/// The last chunk without trailers. With trailers: kLastChunkHead, a writeTrailer() each,
/// kChunkEnd.
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
inline constexpr std::string_view kLastChunkHead = "0\r\n";

} // namespace sluice::http
