#include "http/fields.h"

namespace sluice::http {
namespace {

/// More names than this in Connection serve only to make us compare.
constexpr unsigned kMaxNominations = 32;

bool isNominationIgnored(FieldId id) {
  switch (id) {
  case FieldId::XForwardedFor:
  case FieldId::XForwardedProto:
  case FieldId::XForwardedHost:
  case FieldId::XForwardedOther:
  case FieldId::XRealIp:
  case FieldId::Forwarded:
  case FieldId::Authorization:
  case FieldId::Cookie:
  case FieldId::SetCookie:
  case FieldId::Expect:
    return true;
  default:
    return false;
  }
}

void nominate(FieldList& fields, std::string_view name) {
  const FieldId id = fieldIdOf(name);
  if (isNominationIgnored(id) || !fields.has(id)) {
    return;
  }
  for (Field& field : fields) {
    if (field.id == id && equalsIgnoreCase(field.name, name)) {
      field.isNominated = true;
    }
  }
}

} // namespace

FieldsResult parseFields(std::string_view input, std::size_t from, HeadIndex& index,
                         std::size_t maxFields, FieldList& fields) noexcept {
  const std::size_t size = input.size();
  const char* data = input.data();
  std::size_t at = from;
  while (true) {
    if (at >= size) {
      return {FieldsState::Partial, 0};
    }
    if (data[at] == '\r') {
      if (at + 1 >= size) {
        return {FieldsState::Partial, 0};
      }
      return {data[at + 1] == '\n' ? FieldsState::Done : FieldsState::Malformed, at + 2};
    }
    const std::size_t colon = index.nextNonToken(at);
    if (colon == size) {
      return {FieldsState::Partial, 0};
    }
    // A blank here is a folded line or one in front of the colon; both have been used to smuggle.
    if (data[colon] != ':' || colon == at) {
      return {FieldsState::Malformed, 0};
    }
    if (fields.size() == maxFields) {
      return {FieldsState::TooMany, 0};
    }
    const std::size_t lineEnd = index.nextControl(colon + 1);
    if (lineEnd == size) {
      return {FieldsState::Partial, 0};
    }
    if (data[lineEnd] != '\r') {
      return {FieldsState::Malformed, 0};
    }
    if (lineEnd + 1 >= size) {
      return {FieldsState::Partial, 0};
    }
    if (data[lineEnd + 1] != '\n') {
      return {FieldsState::Malformed, 0};
    }
    std::size_t begin = colon + 1;
    while (begin < lineEnd && isBlank(data[begin])) {
      ++begin;
    }
    std::size_t end = lineEnd;
    while (end > begin && isBlank(data[end - 1])) {
      --end;
    }
    const std::string_view name(data + at, colon - at);
    Field& field = fields.add(fieldIdOf(name));
    field.name = name;
    field.value = {data + begin, end - begin};
    field.line = {data + at, lineEnd + 2 - at};
    field.isCanonical =
        end == lineEnd &&
        (begin == end ? begin == colon + 1 : begin == colon + 2 && data[colon + 1] == ' ');
    at = lineEnd + 2;
  }
}

ConnectionOptions applyConnection(FieldList& fields) noexcept {
  ConnectionOptions options;
  unsigned nominations = 0;
  forEachElementOf(fields, FieldId::Connection, [&](std::string_view element) {
    if (element.empty()) {
      return;
    }
    if (equalsIgnoreCase(element, "close")) {
      options.hasClose = true;
      return;
    }
    if (equalsIgnoreCase(element, "keep-alive")) {
      options.hasKeepAlive = true;
      return;
    }
    if (equalsIgnoreCase(element, "upgrade")) {
      options.hasUpgrade = true;
      return;
    }
    const FieldId id = fieldIdOf(element);
    if (id == FieldId::Host || id == FieldId::ContentLength || id == FieldId::TransferEncoding ||
        ++nominations > kMaxNominations) {
      options.isHostile = true;
      return;
    }
    nominate(fields, element);
  });
  return options;
}

Coding readTransferEncoding(FieldList& fields) noexcept {
  bool isMalformed = false;
  bool isUnknown = false;
  bool isLastChunked = false;
  forEachElementOf(fields, FieldId::TransferEncoding, [&](std::string_view coding) {
    const bool isChunked = equalsIgnoreCase(coding, "chunked");
    // An empty element, a parameter, or anything behind `chunked` (a second one too).
    isMalformed = isMalformed || !isToken(coding) || isLastChunked;
    isUnknown = isUnknown || !isChunked;
    isLastChunked = isChunked;
  });
  if (isMalformed || !isLastChunked) {
    return Coding::Malformed;
  }
  if (isUnknown) {
    return Coding::Unknown;
  }
  Field* field = fields.find(FieldId::TransferEncoding);
  field->isCanonical = field->isCanonical && field->value == "chunked";
  return Coding::Chunked;
}

bool readContentLength(FieldList& fields, std::uint64_t& length) noexcept {
  constexpr std::size_t maxDigits = 19;
  constexpr std::uint64_t maxLength = (std::uint64_t{1} << 63) - 1;
  Field* field = fields.find(FieldId::ContentLength);
  if (fields.hasRepeated(FieldId::ContentLength) || field->value.empty() ||
      field->value.size() > maxDigits) {
    return false;
  }
  std::uint64_t value = 0;
  for (const char c : field->value) {
    if (!isDigit(c)) {
      return false;
    }
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  if (field->value.size() > 1 && field->value.front() == '0') {
    field->isCanonical = false;
  }
  length = value;
  return value <= maxLength;
}

} // namespace sluice::http
