// The few things about HTTP/1.1 text that the generator and the origin both need.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace sluice::load {

inline constexpr std::size_t kLargestHead = 65'536;

[[nodiscard]] inline std::string_view textOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] inline std::span<const std::byte> bytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Digits only, at most 15 of them.
[[nodiscard]] inline std::optional<std::uint64_t> parseDecimal(std::string_view text) {
  if (text.empty() || text.size() > 15) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

[[nodiscard]] inline char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

/// `lowered` is in lower case.
[[nodiscard]] inline bool isSame(std::string_view text, std::string_view lowered) {
  return std::equal(text.begin(), text.end(), lowered.begin(), lowered.end(),
                    [](char a, char b) { return lower(a) == b; });
}

[[nodiscard]] inline std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Whether a list such as that of Connection holds a word.
[[nodiscard]] inline bool holdsWord(std::string_view list, std::string_view lowered) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (isSame(trimmed(list.substr(0, comma)), lowered)) {
      return true;
    }
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

/// What the fields of a head say about the body behind it.
struct Framing {
  std::optional<std::uint64_t> length;
  bool isChunked = false;
  bool saysClose = false;
  bool saysKeepAlive = false;
  bool saysContinue = false;
};

/// Calls `visit(name, value)` for each field line of `lines`, which end with an empty one. False
/// when a line is no field.
template<typename Visit>
[[nodiscard]] bool forEachField(std::string_view lines, Visit&& visit) {
  for (;;) {
    const std::size_t end = lines.find("\r\n");
    if (end == 0) {
      return true;
    }
    const std::size_t colon = lines.substr(0, end).find(':');
    if (end == std::string_view::npos || colon == std::string_view::npos || colon == 0 ||
        lines.substr(0, colon).find_first_of(" \t") != std::string_view::npos) {
      return false;
    }
    visit(lines.substr(0, colon), trimmed(lines.substr(colon + 1, end - colon - 1)));
    lines.remove_prefix(end + 2);
  }
}

/// Empty when the fields are no fields, or contradict each other about the length.
[[nodiscard]] inline std::optional<Framing> parseFraming(std::string_view lines) {
  Framing framing;
  bool isRight = true;
  const bool areFields =
      forEachField(lines, [&framing, &isRight](std::string_view name, std::string_view value) {
        if (isSame(name, "content-length")) {
          const std::optional<std::uint64_t> length = parseDecimal(value);
          isRight = isRight && length && (!framing.length || framing.length == length);
          framing.length = length;
        } else if (isSame(name, "transfer-encoding")) {
          isRight = isRight && !framing.isChunked && isSame(value, "chunked");
          framing.isChunked = true;
        } else if (isSame(name, "connection")) {
          framing.saysClose = framing.saysClose || holdsWord(value, "close");
          framing.saysKeepAlive = framing.saysKeepAlive || holdsWord(value, "keep-alive");
        } else if (isSame(name, "expect")) {
          framing.saysContinue = isSame(value, "100-continue");
        }
      });
  if (!areFields || !isRight || (framing.isChunked && framing.length)) {
    return std::nullopt;
  }
  return framing;
}

/// Takes the chunked coding off a body that arrives in pieces.
class Dechunker {
 public:
  enum class State { More, Done, Bad };

  /// Consumes from the front of `data` and calls `visit(span)` for what is body.
  template<typename Visit>
  [[nodiscard]] State consume(std::span<const std::byte>& data, Visit&& visit) {
    while (!data.empty()) {
      if (part_ == Part::Data) {
        const std::size_t take =
            static_cast<std::size_t>(std::min<std::uint64_t>(left_, data.size()));
        visit(data.first(take));
        data = data.subspan(take);
        left_ -= take;
        part_ = left_ == 0 ? Part::DataCr : Part::Data;
        continue;
      }
      const State state = onByte(static_cast<char>(data.front()));
      data = data.subspan(1);
      if (state != State::More) {
        return state;
      }
    }
    return State::More;
  }

 private:
  enum class Part { Size, Extension, SizeLf, Data, DataCr, DataLf, Line, InLine, LineLf, LastLf };

  /// | part      | on            | next                                       |
  /// |-----------|---------------|--------------------------------------------|
  /// | Size      | hex digit     | Size                                       |
  /// |           | `;` space, CR | Extension, SizeLf                          |
  /// | Extension | CR            | SizeLf                                     |
  /// | SizeLf    | LF            | Data, or Line after the chunk of size zero |
  /// | DataCr/Lf | CR / LF       | DataLf / Size                              |
  /// | Line      | CR, other     | LastLf, InLine (a trailer field)           |
  /// | InLine    | CR            | LineLf, then Line                          |
  /// | LastLf    | LF            | done                                       |
  [[nodiscard]] State onByte(char c) {
    switch (part_) {
    case Part::Size:
      return onSize(c);
    case Part::Extension:
      part_ = c == '\r' ? Part::SizeLf : Part::Extension;
      return c == '\n' ? State::Bad : State::More;
    case Part::SizeLf:
      part_ = left_ > 0 ? Part::Data : Part::Line;
      return c == '\n' ? State::More : State::Bad;
    case Part::DataCr:
      part_ = Part::DataLf;
      return c == '\r' ? State::More : State::Bad;
    case Part::DataLf:
      part_ = Part::Size;
      digits_ = 0;
      return c == '\n' ? State::More : State::Bad;
    case Part::Line:
      part_ = c == '\r' ? Part::LastLf : Part::InLine;
      return State::More;
    case Part::InLine:
      part_ = c == '\r' ? Part::LineLf : Part::InLine;
      return State::More;
    case Part::LineLf:
      part_ = Part::Line;
      return c == '\n' ? State::More : State::Bad;
    case Part::LastLf:
      return c == '\n' ? State::Done : State::Bad;
    case Part::Data:
      break;
    }
    return State::Bad;
  }

  [[nodiscard]] State onSize(char c) {
    const char low = lower(c);
    if ((c >= '0' && c <= '9') || (low >= 'a' && low <= 'f')) {
      left_ = left_ * 16 + static_cast<std::uint64_t>(c <= '9' ? c - '0' : low - 'a' + 10);
      return ++digits_ <= 12 ? State::More : State::Bad;
    }
    if (digits_ == 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t')) {
      return State::Bad;
    }
    part_ = c == '\r' ? Part::SizeLf : Part::Extension;
    return State::More;
  }

  Part part_ = Part::Size;
  std::uint64_t left_ = 0;
  int digits_ = 0;
};

} // namespace sluice::load
