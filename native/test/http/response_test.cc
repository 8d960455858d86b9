#include "http/response.h"

#include <string>

#include "test/http/guarded.h"
#include "test/http/limits.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;
using namespace std::string_literals;
using test::kLimits;

namespace {

ResponseHead head;

/// Parses every part of the text: none but the whole may be taken for a whole. The text outlives
/// the look at `head`.
ParseResult parse(const std::string& text, bool isHead = false) {
  static std::string kept;
  kept = text;
  const ParseResult whole = parseResponse(kept, kLimits, isHead, head);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const test::Guarded guarded(std::string_view(text).substr(0, size));
    const ParseResult part = parseResponse(guarded.text(), kLimits, isHead, head);
    CHECK(part.state != ParseState::Done);
    CHECK(part.state == ParseState::Partial || part.error == whole.error);
  }
  return parseResponse(kept, kLimits, isHead, head);
}

std::string ok(const std::string& fields) {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
}

bool isRefused(const std::string& text) {
  const ParseResult result = parse(text);
  return result.state == ParseState::Bad && result.error == Errc::ResponseMalformed;
}

bool isAccepted(const std::string& text) {
  const ParseResult result = parse(text);
  return result.state == ParseState::Done && result.consumed == text.size();
}

BodyKind bodyOf(const std::string& text, bool isHead = false) {
  CHECK(parse(text, isHead).state == ParseState::Done);
  return head.body;
}

} // namespace

TEST("B8: a response whose framing is ambiguous is refused, even where it can have no body") {
  for (const char* fields : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\nContent-Length: 6\r\n",
           "Content-Length: 5, 5\r\n",
           "Content-Length: -1\r\n",
           "Content-Length: +1\r\n",
           "Content-Length:\r\n",
           "Content-Length : 5\r\n",
           "Transfer-Encoding: gzip\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: chunked, chunked\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding:\r\n",
       }) {
    CHECK(isRefused(ok(fields)));
    CHECK(isRefused("HTTP/1.1 304 Not Modified\r\n"s + fields + "\r\n"));
  }
  CHECK(isRefused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

TEST("B9: bare CR, bare LF, NUL, controls and folds are refused in responses too") {
  for (const std::string& text : {
           "HTTP/1.1 200 OK\nA: b\r\n\r\n"s,
           "HTTP/1.1 200 OK\r\nA: b\n\r\n"s,
           "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n"s,
           "HTTP/1.1 200 O\rK\r\n\r\n"s,
           "HTTP/1.1 200 O\0K\r\n\r\n"s,
           "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"s,
           "HTTP/1.1 200 OK\r\nA: \x07\r\n\r\n"s,
           "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"s,
           "HTTP/1.1 200 OK\r\n A: b\r\n\r\n"s,
           "HTTP/1.1 200 OK\r\nA b\r\n\r\n"s,
           "HTTP/1.1 200 OK\r\n: b\r\n\r\n"s,
           "HTTP/1.1 200 OK\r\n\n"s,
       }) {
    CHECK(isRefused(text));
  }
}

TEST("B13: a status line has version 1.x and three digits from 100 to 599") {
  for (const char* line : {
           "HTTP/1.1 20 OK",
           "HTTP/1.1 2000 OK",
           "HTTP/1.1 099 OK",
           "HTTP/1.1 600 OK",
           "HTTP/1.1 999 OK",
           "HTTP/2.0 200 OK",
           "HTTP/0.9 200 OK",
           "HTTP/1.10 200 OK",
           "http/1.1 200 OK",
           "HTTP/1.1  200 OK",
           "HTTP/1.1 -20 OK",
           "HTTP/1.1 2x0 OK",
           "HTTP/1.1 200OK",
           "HTTP/1.1 200\tOK",
           " HTTP/1.1 200 OK",
           "\r\nHTTP/1.1 200 OK",
           "SSH-2.0-OpenSSH",
       }) {
    CHECK(isRefused(line + "\r\n\r\n"s));
  }
  CHECK(isAccepted("HTTP/1.1 200 \r\n\r\n"));
  CHECK(isAccepted("HTTP/1.1 200\r\n\r\n"));
  CHECK_EQ(head.reason, "");
  CHECK(isAccepted("HTTP/1.0 599 \xc3\xa4 b\tc\r\n\r\n"));
  CHECK_EQ(head.status, 599);
  CHECK_EQ(head.minorVersion, 0);
  CHECK_EQ(head.reason, "\xc3\xa4 b\tc");
}

TEST("the body of a response follows RFC 9112 section 6.3") {
  CHECK(bodyOf(ok("Content-Length: 5\r\n")) == BodyKind::Length);
  CHECK_EQ(head.contentLength, 5u);
  CHECK(bodyOf(ok("Content-Length: 0\r\n")) == BodyKind::Length);
  CHECK(bodyOf(ok("Transfer-Encoding: Chunked\r\n")) == BodyKind::Chunked);
  CHECK(bodyOf(ok("")) == BodyKind::UntilClose);
  CHECK(!head.keepAlive);
  CHECK(bodyOf(ok("Content-Length: 5\r\n"), true) == BodyKind::None);
  CHECK(head.keepAlive);
  CHECK(bodyOf(ok(""), true) == BodyKind::None);
  CHECK(bodyOf("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n") == BodyKind::None);
  CHECK(bodyOf("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n") == BodyKind::None);
  CHECK(bodyOf("HTTP/1.1 100 Continue\r\n\r\n") == BodyKind::None);
  CHECK(bodyOf("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") == BodyKind::None);
}

TEST("whether a target's connection may be used again follows its answer") {
  const auto keeps = [](const std::string& text) {
    CHECK(parse(text).state == ParseState::Done);
    return head.keepAlive;
  };
  CHECK(keeps(ok("Content-Length: 0\r\n")));
  CHECK(!keeps(ok("Content-Length: 0\r\nConnection: close\r\n")));
  CHECK(!keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
  CHECK(keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n"));
  CHECK(keeps(ok("Content-Length: 0\r\nKeep-Alive: max=5, timeout=15\r\n")));
  CHECK_EQ(head.keepAliveTimeoutSeconds, 15u);
  CHECK(keeps(ok("Content-Length: 0\r\nKeep-Alive: timeout=99999999999999\r\n")));
  CHECK_EQ(head.keepAliveTimeoutSeconds, 86'400u);
  CHECK(keeps(ok("Content-Length: 0\r\nKeep-Alive: timeout=1x\r\n")));
  CHECK_EQ(head.keepAliveTimeoutSeconds, 0u);
}

TEST("a 101 says what it switched to only when it says so properly") {
  CHECK(isAccepted("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
  CHECK_EQ(head.upgradeProtocol, "websocket");
  CHECK(isAccepted("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n"));
  CHECK_EQ(head.upgradeProtocol, "");
  CHECK(isAccepted(ok("Connection: Upgrade\r\nUpgrade: h2c\r\n")));
  CHECK_EQ(head.upgradeProtocol, "");
}

TEST("B12: a response head may be large, within bounds") {
  const auto state = [](std::size_t size) {
    const std::string text = ok("X: " + std::string(size, 'v') + "\r\n");
    return parseResponse(text, kLimits, false, head);
  };
  CHECK(state(60'000).state == ParseState::Done);
  CHECK(state(66'000).error == Errc::ResponseHeadTooLarge);
  const std::string endless = "HTTP/1.1 200 OK\r\nX: " + std::string(kResponseHeadBytes, 'v');
  CHECK(parseResponse(endless, kLimits, false, head).error == Errc::ResponseHeadTooLarge);
  std::string fields;
  for (std::size_t i = 0; i <= kMaxFields; ++i) {
    fields += "A: b\r\n";
  }
  const std::string many = ok(fields);
  CHECK(parseResponse(many, kLimits, false, head).error == Errc::ResponseHeadTooLarge);
}
