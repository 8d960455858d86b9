#include "http/chunked.h"

#include <cstring>

#include "http/fields.h"
#include "http/scan.h"

namespace sluice::http {
namespace {

constexpr std::size_t kMaxSizeDigits = 16;
constexpr std::uint64_t kMaxPayload = (std::uint64_t{1} << 63) - 1;

int hexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::size_t skipBlanks(std::string_view text, std::size_t at) {
  while (at < text.size() && isBlank(text[at])) {
    ++at;
  }
  return at;
}

std::size_t skipToken(std::string_view text, std::size_t at) {
  while (at < text.size() && isTokenChar(text[at])) {
    ++at;
  }
  return at;
}

/// Behind the closing quote, or npos. RFC 9110 5.6.4.
std::size_t skipQuoted(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '"') {
      return at + 1;
    }
    if (text[at] == '\\' && ++at == text.size()) {
      break;
    }
    const auto c = static_cast<unsigned char>(text[at]);
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
      break;
    }
  }
  return std::string_view::npos;
}

/// `text` is what stands between the size and CRLF: *( ";" name [ "=" value ] ), blanks only behind
/// ';' and around '='.
bool areExtensionsValid(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] != ';') {
      return false;
    }
    const std::size_t name = skipBlanks(text, at + 1);
    at = skipToken(text, name);
    if (at == name) {
      return false;
    }
    const std::size_t sign = skipBlanks(text, at);
    if (sign == text.size() || text[sign] != '=') {
      continue;
    }
    const std::size_t value = skipBlanks(text, sign + 1);
    if (value < text.size() && text[value] == '"') {
      at = skipQuoted(text, value);
      if (at == std::string_view::npos) {
        return false;
      }
      continue;
    }
    at = skipToken(text, value);
    if (at == value) {
      return false;
    }
  }
  return true;
}

bool startsWithIgnoreCase(std::string_view text, std::string_view prefix) {
  return equalsIgnoreCase(text.substr(0, prefix.size()), prefix);
}

} // namespace

struct ChunkedDecoder::ChunkLine {
  ParseState state = ParseState::Partial;
  /// With its CRLF.
  std::size_t bytes = 0;
  std::size_t extensionBytes = 0;
  std::uint64_t size = 0;
  /// Digits without leading zeros and nothing else.
  bool isCanonical = false;
};

// The size is judged at once, as far as it has come; extensions when their line is complete.
ChunkedDecoder::ChunkLine ChunkedDecoder::readLine(std::string_view input) const noexcept {
  ChunkLine line;
  std::size_t at = 0;
  for (; at < input.size() && at <= kMaxSizeDigits; ++at) {
    const int value = hexValue(input[at]);
    if (value < 0) {
      break;
    }
    line.size = line.size << 4 | static_cast<unsigned>(value);
  }
  if (at == input.size() && at <= kMaxSizeDigits) {
    return line;
  }
  if (at == 0 || at > kMaxSizeDigits || line.size > kMaxPayload - payload_) {
    line.state = ParseState::Bad;
    return line;
  }
  if (input[at] == '\r') {
    if (at + 1 < input.size()) {
      line.state = input[at + 1] == '\n' ? ParseState::Done : ParseState::Bad;
      line.bytes = at + 2;
      line.isCanonical = input.front() != '0' || at == 1;
    }
    return line;
  }
  line.state = ParseState::Bad;
  if (input[at] != ';') {
    return line;
  }
  const std::string_view limited = input.substr(0, kMaxChunkLine);
  const std::size_t end = limited.find('\n', at);
  if (end == std::string_view::npos) {
    if (limited.size() < kMaxChunkLine) {
      line.state = ParseState::Partial;
    }
    return line;
  }
  if (input[end - 1] != '\r' || !areExtensionsValid(input.substr(at, end - 1 - at))) {
    return line;
  }
  line.state = ParseState::Done;
  line.bytes = end + 1;
  line.extensionBytes = end - 1 - at;
  return line;
}

bool ChunkedDecoder::acceptLine(const ChunkLine& line) noexcept {
  extensionBytes_ += static_cast<std::uint32_t>(line.extensionBytes);
  // The CRLF behind the payload is counted with the line.
  framing_ += line.bytes + 2;
  if (extensionBytes_ > kMaxChunkExtensions ||
      framing_ / kMaxFramingRatio > payload_ + line.size + kFramingAllowance / kMaxFramingRatio) {
    return false;
  }
  remaining_ = line.size;
  state_ = line.size == 0 ? State::Trailers : State::Data;
  return true;
}

std::size_t ChunkedDecoder::takePayload(std::size_t available) noexcept {
  const std::size_t taken =
      remaining_ < available ? static_cast<std::size_t>(remaining_) : available;
  skipPayload(taken);
  return taken;
}

void ChunkedDecoder::skipPayload(std::uint64_t bytes) noexcept {
  remaining_ -= bytes;
  payload_ += bytes;
  if (remaining_ == 0) {
    state_ = State::DataEnd;
  }
}

ChunkedDecoder::Step ChunkedDecoder::fail() noexcept {
  state_ = State::Failed;
  Step step;
  step.state = ParseState::Bad;
  return step;
}

// One trailer line, or the empty line that ends the message.
ChunkedDecoder::Step ChunkedDecoder::readTrailer(std::string_view input) noexcept {
  Step step;
  if (input.empty() || input == "\r") {
    return step;
  }
  if (input.starts_with("\r\n")) {
    state_ = State::Ended;
    step.state = ParseState::Done;
    step.consumed = 2;
    step.isLast = true;
    return step;
  }
  const std::string_view limited = input.substr(0, kMaxTrailerLine);
  const std::size_t end = limited.find('\n');
  if (end == std::string_view::npos) {
    return limited.size() < kMaxTrailerLine && isTokenChar(input.front()) ? step : fail();
  }
  const std::string_view line = limited.substr(0, end + 1);
  const std::size_t colon = skipToken(line, 0);
  HeadIndex index(line);
  if (colon == 0 || line[colon] != ':' || line.size() < 2 ||
      index.nextControl(colon) != line.size() - 2 || line[line.size() - 2] != '\r') {
    return fail();
  }
  trailerBytes_ += static_cast<std::uint32_t>(line.size());
  if (++trailers_ > kMaxTrailers || trailerBytes_ > kMaxTrailerBytes) {
    return fail();
  }
  step.state = ParseState::Done;
  step.consumed = static_cast<std::uint32_t>(line.size());
  const std::string_view name = line.substr(0, colon);
  if (isTrailerAllowed(name)) {
    step.trailerName = name;
    step.trailerValue = trimBlanks(line.substr(colon + 1, line.size() - colon - 3));
  }
  return step;
}

ChunkedDecoder::Step ChunkedDecoder::next(std::string_view input) noexcept {
  isRewriting_ = true;
  std::uint32_t consumed = 0;
  while (true) {
    const std::string_view rest = input.substr(consumed);
    Step step;
    step.consumed = consumed;
    switch (state_) {
    case State::Line: {
      const ChunkLine line = readLine(rest);
      if (line.state == ParseState::Partial) {
        return step;
      }
      if (line.state == ParseState::Bad || !acceptLine(line)) {
        return fail();
      }
      consumed += static_cast<std::uint32_t>(line.bytes);
      break;
    }
    case State::Data:
      if (rest.empty()) {
        return step;
      }
      step.state = ParseState::Done;
      step.data = rest.substr(0, takePayload(rest.size()));
      step.consumed += static_cast<std::uint32_t>(step.data.size());
      return step;
    case State::DataEnd:
      if (rest.starts_with(kChunkEnd)) {
        state_ = State::Line;
        consumed += 2;
        break;
      }
      return rest.empty() || rest == "\r" ? step : fail();
    case State::Trailers: {
      Step trailer = readTrailer(rest);
      if (trailer.state == ParseState::Done && !trailer.isLast && trailer.trailerName.empty()) {
        consumed += trailer.consumed;
        break;
      }
      trailer.consumed += consumed;
      return trailer;
    }
    case State::Ended:
      step.state = ParseState::Done;
      step.isLast = true;
      return step;
    case State::Failed:
      return fail();
    }
  }
}

ChunkedDecoder::Verified ChunkedDecoder::verify(std::string_view input) noexcept {
  Verified result;
  if (isRewriting_ && state_ != State::Ended && state_ != State::Failed) {
    result.needsRewrite = true;
    return result;
  }
  std::size_t at = 0;
  const auto finish = [&](ParseState state) {
    result.state = state;
    result.verifiedBytes = static_cast<std::uint32_t>(at);
    if (state == ParseState::Bad) {
      state_ = State::Failed;
    }
    return result;
  };
  while (true) {
    const std::string_view rest = input.substr(at);
    switch (state_) {
    case State::Line: {
      const ChunkLine line = readLine(rest);
      if (line.state != ParseState::Done) {
        // A line with extensions is rewritten, however long it takes to come.
        result.needsRewrite = line.state == ParseState::Partial && rest.find(';') < rest.size();
        return finish(line.state);
      }
      if (!line.isCanonical) {
        result.needsRewrite = true;
        return finish(ParseState::Partial);
      }
      if (line.size == 0) {
        // The last chunk is forwarded whole or, when trailers follow, not at all.
        const std::string_view tail = rest.substr(0, kLastChunk.size());
        if (tail == kLastChunk) {
          state_ = State::Ended;
          at += tail.size();
          result.isLast = true;
          return finish(ParseState::Done);
        }
        result.needsRewrite = tail != kLastChunk.substr(0, tail.size());
        return finish(ParseState::Partial);
      }
      if (!acceptLine(line)) {
        return finish(ParseState::Bad);
      }
      at += line.bytes;
      break;
    }
    case State::Data: {
      if (rest.empty()) {
        return finish(ParseState::Partial);
      }
      const std::size_t taken = takePayload(rest.size());
      result.payloadBytes += static_cast<std::uint32_t>(taken);
      at += taken;
      break;
    }
    case State::DataEnd:
      if (!rest.starts_with(kChunkEnd)) {
        return finish(rest.empty() || rest == "\r" ? ParseState::Partial : ParseState::Bad);
      }
      state_ = State::Line;
      at += kChunkEnd.size();
      break;
    case State::Trailers:
      result.needsRewrite = true;
      return finish(ParseState::Partial);
    case State::Ended:
      result.isLast = true;
      return finish(ParseState::Done);
    case State::Failed:
      return finish(ParseState::Bad);
    }
  }
}

bool isTrailerAllowed(std::string_view name) noexcept {
  // RFC 9110 6.5.1: nothing for framing, routing, modifying the request, authentication, or how to
  // read the content.
  switch (fieldIdOf(name)) {
  case FieldId::Other:
  case FieldId::Server:
    break;
  default:
    return false;
  }
  constexpr std::string_view prefixes[] = {"content-", "if-", "proxy-", "sec-", "access-control-"};
  for (const std::string_view prefix : prefixes) {
    if (startsWithIgnoreCase(name, prefix)) {
      return false;
    }
  }
  constexpr std::string_view names[] = {
      "accept-ranges",
      "age",
      "allow",
      "alt-svc",
      "authentication-info",
      "cache-control",
      "cookie2",
      "expires",
      "max-forwards",
      "pragma",
      "priority",
      "range",
      "referer",
      "retry-after",
      "set-cookie2",
      "strict-transport-security",
      "user-agent",
      "vary",
      "via",
      "warning",
      "www-authenticate",
      "x-original-url",
      "x-rewrite-url",
      "x-http-method-override",
  };
  for (const std::string_view forbidden : names) {
    if (equalsIgnoreCase(name, forbidden)) {
      return false;
    }
  }
  // An application that takes '_' for '-' would read a forbidden name.
  return name.find('_') == std::string_view::npos;
}

std::size_t writeChunkHead(char* out, std::uint64_t size) noexcept {
  constexpr std::string_view hex = "0123456789abcdef";
  char digits[kMaxSizeDigits];
  std::size_t at = sizeof digits;
  do {
    digits[--at] = hex[size & 15];
    size >>= 4;
  } while (size != 0);
  const std::size_t count = sizeof digits - at;
  std::memcpy(out, digits + at, count);
  std::memcpy(out + count, kChunkEnd.data(), kChunkEnd.size());
  return count + kChunkEnd.size();
}

} // namespace sluice::http
