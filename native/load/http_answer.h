// An answer of the origin as one stream of bytes: head, then body, chunked or not. Where its bytes
// are follows from an offset into that stream by arithmetic, so a connection remembers one number
// and nothing is copied together.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "load/pattern.h"

namespace sluice::load {

class Answer {
 public:
  Answer() = default;

  /// `body` goes with the head: use it for a few words.
  Answer(std::string head, std::string_view body) : head_(std::move(head)) { head_ += body; }

  /// A body of the pattern; `chunkBytes` 0: as it is.
  Answer(std::string head, std::uint64_t bodyBytes, std::uint64_t chunkBytes)
      : head_(std::move(head)), bodyBytes_(bodyBytes), chunkBytes_(chunkBytes) {
    if (chunkBytes > 0) {
      wholeChunks_ = bodyBytes / chunkBytes;
      lastBytes_ = bodyBytes % chunkBytes;
      wholeLine_ = sizeLine(chunkBytes);
      lastLine_ = sizeLine(lastBytes_);
    }
  }

  [[nodiscard]] const std::string& head() const { return head_; }
  [[nodiscard]] std::uint64_t total() const { return head_.size() + codedBytes(); }

  /// Fills `into` with what follows from `offset` on, as far as it has room; returns how many spans.
  [[nodiscard]] std::size_t spans(const Pattern& pattern, std::uint64_t offset,
                                  std::span<iovec> into) const {
    std::size_t used = 0;
    while (used < into.size() && offset < total()) {
      const std::span<const std::byte> piece = at(pattern, offset);
      // RULE: iovec has no form for what is only read.
      into[used++] = {const_cast<std::byte*>(piece.data()), piece.size()};
      offset += piece.size();
    }
    return used;
  }

 private:
  [[nodiscard]] bool isPlain() const { return chunkBytes_ == 0; }

  static constexpr std::string_view kEnd = "0\r\n\r\n";

  [[nodiscard]] static std::string sizeLine(std::uint64_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%llx\r\n", static_cast<unsigned long long>(bytes));
    return text;
  }

  [[nodiscard]] std::uint64_t wholeCoded() const { return wholeLine_.size() + chunkBytes_ + 2; }
  [[nodiscard]] std::uint64_t lastCoded() const {
    return lastBytes_ > 0 ? lastLine_.size() + lastBytes_ + 2 : 0;
  }
  [[nodiscard]] std::uint64_t codedBytes() const {
    return isPlain() ? bodyBytes_ : wholeChunks_ * wholeCoded() + lastCoded() + kEnd.size();
  }

  /// The piece that begins at `offset`, in one place.
  [[nodiscard]] std::span<const std::byte> at(const Pattern& pattern, std::uint64_t offset) const {
    if (offset < head_.size()) {
      return rest(head_, offset);
    }
    offset -= head_.size();
    if (isPlain()) {
      return patternBytes(pattern, offset, bodyBytes_ - offset);
    }
    const std::uint64_t whole = wholeChunks_ * wholeCoded();
    if (offset < whole) {
      const std::uint64_t number = offset / wholeCoded();
      return inChunk(pattern, offset % wholeCoded(), wholeLine_, number * chunkBytes_, chunkBytes_);
    }
    offset -= whole;
    if (offset < lastCoded()) {
      return inChunk(pattern, offset, lastLine_, wholeChunks_ * chunkBytes_, lastBytes_);
    }
    return rest(kEnd, offset - lastCoded());
  }

  [[nodiscard]] static std::span<const std::byte>
  inChunk(const Pattern& pattern, std::uint64_t offset, std::string_view line, std::uint64_t first,
          std::uint64_t bytes) {
    if (offset < line.size()) {
      return rest(line, offset);
    }
    offset -= line.size();
    return offset < bytes ? patternBytes(pattern, first + offset, bytes - offset)
                          : rest("\r\n", offset - bytes);
  }

  [[nodiscard]] static std::span<const std::byte>
  patternBytes(const Pattern& pattern, std::uint64_t offset, std::uint64_t most) {
    const std::span<const std::byte> all = pattern.from(offset);
    return all.first(static_cast<std::size_t>(std::min<std::uint64_t>(most, all.size())));
  }

  [[nodiscard]] static std::span<const std::byte> rest(std::string_view text,
                                                       std::uint64_t offset) {
    return std::as_bytes(std::span(text.data(), text.size()))
        .subspan(static_cast<std::size_t>(offset));
  }

  std::string head_;
  std::uint64_t bodyBytes_ = 0;
  std::uint64_t chunkBytes_ = 0;
  std::uint64_t wholeChunks_ = 0;
  std::uint64_t lastBytes_ = 0;
  std::string wholeLine_;
  std::string lastLine_;
};

} // namespace sluice::load
