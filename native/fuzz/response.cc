// Responses: no part of a head is taken for a whole one, and what is forwarded is read strictly as
// the same response.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "http/forward.h"
#include "http/response.h"

using namespace sluice;
using namespace sluice::http;

namespace {

constexpr plan::Limits kLimits{
    .headBytes = 32 * 1024, .headerCount = 100, .targetBytes = 8 * 1024, .bodyBytes = 0};

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void forwardAndCompare(const ResponseHead& sent, bool isHead) {
  static std::vector<char> buffer(256 * 1024);
  HeadWriter out(buffer);
  const plan::Route route;
  require(writeResponseHead(out, sent, route, {}));
  static ResponseHead seen;
  plan::Limits wide = kLimits;
  wide.headBytes = 256 * 1024;
  const ParseResult result = parseResponse(out.view(), wide, isHead, seen);
  require(result.state == ParseState::Done && result.consumed == out.size());
  require(seen.status == sent.status && seen.reason == sent.reason && seen.body == sent.body);
  require(seen.body != BodyKind::Length || seen.contentLength == sent.contentLength);
  require(seen.upgradeProtocol == sent.upgradeProtocol);
  std::size_t at = 0;
  for (const Field& field : sent.fields) {
    if (field.id != FieldId::Other || field.isNominated) {
      continue;
    }
    while (at < seen.fields.size() && seen.fields[at].id != FieldId::Other) {
      ++at;
    }
    require(at < seen.fields.size());
    require(seen.fields[at].name == field.name && seen.fields[at].value == field.value);
    ++at;
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static ResponseHead head;
  if (size == 0) {
    return 0;
  }
  const bool isHead = (data[0] & 1) != 0;
  // RULE: libFuzzer hands over bytes as uint8_t, the parsers read char.
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const ParseResult whole = parseResponse(input, kLimits, isHead, head);
  if (whole.state != ParseState::Done) {
    return 0;
  }
  require(whole.consumed <= input.size());
  require(findHeadEnd(input, 0) == whole.consumed);
  forwardAndCompare(head, isHead);
  for (std::size_t part = 0; part < whole.consumed && part < 400; ++part) {
    const std::vector<char> copy(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(part));
    static ResponseHead unused;
    const std::string_view text(copy.data(), copy.size());
    require(parseResponse(text, kLimits, isHead, unused).state == ParseState::Partial);
  }
  return 0;
}
