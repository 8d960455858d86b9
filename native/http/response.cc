#include "http/response.h"

#include "http/fields.h"
#include "http/scan.h"

namespace sluice::http {
namespace {

constexpr std::string_view kStatusLine = "HTTP/1.d ddd";

constexpr ParseResult malformed() {
  return {ParseState::Bad, Errc::ResponseMalformed, 0};
}
constexpr ParseResult tooLarge() {
  return {ParseState::Bad, Errc::ResponseHeadTooLarge, 0};
}

ParseResult partial(std::string_view input, std::size_t maxBytes) {
  return input.size() >= maxBytes ? tooLarge() : ParseResult{ParseState::Partial, Errc::None, 0};
}

/// RFC 9112 6.3. Fields are judged even where there can be no body: they would be believed further
/// on.
bool readFraming(ResponseHead& out, bool isHead) {
  const bool hasLength = out.fields.has(FieldId::ContentLength);
  const bool hasCoding = out.fields.has(FieldId::TransferEncoding);
  out.contentLength = 0;
  if (hasCoding &&
      (hasLength || out.minorVersion == 0 || readTransferEncoding(out.fields) != Coding::Chunked)) {
    return false;
  }
  if (hasLength && !readContentLength(out.fields, out.contentLength)) {
    return false;
  }
  if (isHead || out.status < 200 || out.status == 204 || out.status == 304) {
    out.body = BodyKind::None;
  } else if (hasCoding) {
    out.body = BodyKind::Chunked;
  } else {
    out.body = hasLength ? BodyKind::Length : BodyKind::UntilClose;
  }
  return true;
}

std::uint32_t readKeepAliveTimeout(const FieldList& fields) {
  constexpr std::uint32_t most = 86'400;
  constexpr std::string_view name = "timeout=";
  std::uint32_t seconds = 0;
  forEachElementOf(fields, FieldId::KeepAlive, [&](std::string_view element) {
    if (element.size() <= name.size() || !equalsIgnoreCase(element.substr(0, name.size()), name)) {
      return;
    }
    std::uint32_t value = 0;
    for (const char c : element.substr(name.size())) {
      if (!isDigit(c)) {
        return;
      }
      value = value * 10 + static_cast<unsigned>(c - '0');
      value = value < most ? value : most;
    }
    seconds = value;
  });
  return seconds;
}

} // namespace

ParseResult parseResponse(std::string_view input, const plan::Limits& limits, bool isHead,
                          ResponseHead& out) noexcept {
  const std::size_t size = input.size();
  const std::size_t maxBytes =
      limits.headBytes > kResponseHeadBytes ? limits.headBytes : kResponseHeadBytes;
  for (std::size_t i = 0; i < kStatusLine.size() && i < size; ++i) {
    if (kStatusLine[i] == 'd' ? !isDigit(input[i]) : input[i] != kStatusLine[i]) {
      return malformed();
    }
  }
  if (size <= kStatusLine.size()) {
    return partial(input, maxBytes);
  }
  out.minorVersion = input[7] == '0' ? 0 : 1;
  const auto digit = [&](std::size_t i) { return input[i] - '0'; };
  out.status = static_cast<std::uint16_t>(digit(9) * 100 + digit(10) * 10 + digit(11));
  if (out.status < 100 || out.status > 599) {
    return malformed();
  }

  // The reason may be missing together with the space in front of it; we write the line anew in any
  // case.
  std::size_t at = kStatusLine.size();
  if (input[at] != ' ' && input[at] != '\r') {
    return malformed();
  }
  HeadIndex index(input);
  const std::size_t lineEnd = index.nextControl(at);
  if (lineEnd == size) {
    return partial(input, maxBytes);
  }
  if (input[lineEnd] != '\r') {
    return malformed();
  }
  if (lineEnd + 1 >= size) {
    return partial(input, maxBytes);
  }
  if (input[lineEnd + 1] != '\n') {
    return malformed();
  }
  out.reason = trimBlanks(input.substr(at, lineEnd - at));

  out.fields.clear();
  const FieldsResult fields = parseFields(input, lineEnd + 2, index, kMaxFields, out.fields);
  switch (fields.state) {
  case FieldsState::Done:
    break;
  case FieldsState::Partial:
    return partial(input, maxBytes);
  case FieldsState::Malformed:
    return malformed();
  case FieldsState::TooMany:
    return tooLarge();
  }
  if (fields.end > maxBytes) {
    return tooLarge();
  }
  if (!readFraming(out, isHead)) {
    return malformed();
  }
  const ConnectionOptions connection = applyConnection(out.fields);
  if (connection.isHostile) {
    return malformed();
  }
  out.keepAlive = !connection.hasClose && (out.minorVersion > 0 || connection.hasKeepAlive) &&
                  out.body != BodyKind::UntilClose;
  out.keepAliveTimeoutSeconds = readKeepAliveTimeout(out.fields);
  out.upgradeProtocol = {};
  if (out.status == 101 && connection.hasUpgrade && !out.fields.hasRepeated(FieldId::Upgrade)) {
    if (const Field* upgrade = out.fields.find(FieldId::Upgrade); upgrade != nullptr) {
      out.upgradeProtocol = upgrade->value;
    }
  }
  return {ParseState::Done, Errc::None, static_cast<std::uint32_t>(fields.end)};
}

} // namespace sluice::http
