// HTTP/1.1 body framing, both ways, for both sides: reading (length, chunked, until close) into
// payload slices, and writing payload slices as the next hop is to see them framed.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include <sys/uio.h>

#include "base/buffer_pool.h"
#include "http/chunked.h"
#include "http/head.h"
#include "plan/plan.h"
#include "relay/session.h"

namespace sluice::relay {

class H1BodyReader {
 public:
  void begin(http::BodyKind kind, std::uint64_t length) noexcept;
  /// Trailers that may pass for one of these are dropped. They stay the caller's.
  void withhold(std::span<const plan::HeaderEdit> names) noexcept { withheld_ = names; }
  /// Takes payload off the front of `input`. False when it is malformed.
  [[nodiscard]] bool read(BufferPool& pool, std::string_view& input, BodySlices& body) noexcept;
  /// The connection has ended: whether the body is complete with that.
  [[nodiscard]] bool endsWithConnection() const noexcept {
    return kind_ == http::BodyKind::UntilClose;
  }
  [[nodiscard]] bool isAtEnd() const noexcept { return isAtEnd_; }
  [[nodiscard]] http::BodyKind kind() const noexcept { return kind_; }
  /// Bytes of a known length that are still to come.
  [[nodiscard]] std::uint64_t remaining() const noexcept {
    return kind_ == http::BodyKind::Length ? remaining_ : 0;
  }
  void skip(std::uint64_t bytes) noexcept;
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  void clear(BufferPool& pool) noexcept { trailers_.clear(pool); }

 private:
  [[nodiscard]] bool readChunked(BufferPool& pool, std::string_view& input,
                                 BodySlices& body) noexcept;

  http::BodyKind kind_ = http::BodyKind::None;
  bool isAtEnd_ = true;
  std::uint64_t remaining_ = 0;
  std::uint64_t total_ = 0;
  http::ChunkedDecoder chunks_;
  std::span<const plan::HeaderEdit> withheld_;
  /// Trailer lines read so far.
  ByteQueue trailers_;
};

enum class BodyFraming : std::uint8_t { None, Length, Chunked, UntilClose };

/// One message's bytes for the wire, as parts of what is held elsewhere.
class H1Parts {
 public:
  void addHead(std::string_view head) noexcept { add(head); }
  void addBody(BodyFraming framing, const BodySlices& body) noexcept;
  [[nodiscard]] std::span<const iovec> parts() const noexcept { return {parts_.data(), count_}; }
  [[nodiscard]] bool isEmpty() const noexcept { return count_ == 0; }

 private:
  void add(std::string_view bytes) noexcept {
    if (!bytes.empty()) {
      parts_[count_++] = {const_cast<char*>(bytes.data()), bytes.size()};
    }
  }

  std::array<iovec, BodySlices::kMax + 8> parts_;
  std::size_t count_ = 0;
  char chunkHead_[http::kChunkHeadBytes];
};

/// Sends parts, keeping in `queue` what the stream does not take; behind what is queued already.
[[nodiscard]] SendState sendParts(net::Stream& stream, BufferPool& pool, ByteQueue& queue,
                                  const H1Parts& parts) noexcept;
/// Sends what is queued.
[[nodiscard]] SendState flushQueue(net::Stream& stream, BufferPool& pool,
                                   ByteQueue& queue) noexcept;

} // namespace sluice::relay
