#include "relay/claim.h"

#include <string>
#include <vector>

#include "test/test.h"

using namespace sluice;
using namespace sluice::relay;

namespace {

struct Outcome {
  bool isRead = false;
  Spoken spoken = Spoken::Other;
  bool isHead = false;
  std::string host;

  bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view input, bool isWhole = false) {
  // Of exactly its size, so that a sanitizer finds a byte too many.
  const std::vector<char> exact(input.begin(), input.end());
  static std::vector<char> fragments(tls::kMaxClientHello);
  static http::RequestHead head;
  Claim claim;
  Outcome out;
  out.isRead = readClaim({exact.data(), exact.size()}, isWhole,
                         std::span<char, tls::kMaxClientHello>(fragments), head, claim);
  out.spoken = claim.spoken;
  out.isHead = claim.isHead;
  out.host = claim.host.host();
  CHECK_EQ(claim.hasHost(), !out.host.empty());
  return out;
}

std::string u16(std::size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

/// A ClientHello that asks for `name`; for none when it is empty.
std::string hello(std::string_view name) {
  std::string extensions;
  if (!name.empty()) {
    const std::string entry = std::string(1, '\0') + u16(name.size()) + std::string(name);
    extensions = u16(0) + u16(entry.size() + 2) + u16(entry.size()) + entry;
  }
  std::string body = std::string("\x03\x03") + std::string(32, 'r') + std::string(1, '\0');
  body += u16(2) + std::string("\x13\x01") + std::string("\x01\0", 2);
  body += u16(extensions.size()) + extensions;
  const std::string message = std::string("\x01\0", 2) + u16(body.size()) + body;
  return std::string("\x16\x03\x01") + u16(message.size()) + message;
}

/// What is not yet certain at any byte is never certain of something else.
void checkEveryCut(std::string_view input, const Outcome& whole) {
  CHECK(read(input) == whole);
  for (std::size_t size = 0; size < input.size(); ++size) {
    const Outcome early = read(input.substr(0, size));
    CHECK(!early.isRead || early == whole);
    CHECK(early.spoken == Spoken::Other || early.spoken == whole.spoken);
    CHECK(read(input.substr(0, size), true).isRead);
  }
}

} // namespace

TEST("a ClientHello claims the host that it asks for") {
  checkEveryCut(hello("Site.Test"), {true, Spoken::Tls, false, "site.test"});
  CHECK(read(hello("site.test").substr(0, 2)).spoken == Spoken::Tls);
}

TEST("a ClientHello without a name, or with an address for one, claims no host") {
  checkEveryCut(hello(""), {true, Spoken::Tls, false, ""});
  checkEveryCut(hello("192.0.2.1"), {true, Spoken::Tls, false, ""});
  checkEveryCut(hello("0x7f.1"), {true, Spoken::Tls, false, ""});
}

TEST("a ClientHello that is broken is TLS that claims no host") {
  std::string broken = hello("site.test");
  // The message, said to be a ServerHello.
  broken[5] = 2;
  CHECK(read(broken) == (Outcome{true, Spoken::Tls, false, ""}));
}

TEST("a request claims the host of its Host field, without port") {
  checkEveryCut("GET / HTTP/1.1\r\nHost: Site.Test:8080\r\nAccept: */*\r\n\r\n",
                {true, Spoken::Http, false, "site.test"});
  checkEveryCut("\r\nHEAD /a HTTP/1.1\r\nHost: site.test\r\n\r\n",
                {true, Spoken::Http, true, "site.test"});
  checkEveryCut("OPTIONS * HTTP/1.1\r\nHost: site.test\r\n\r\n",
                {true, Spoken::Http, false, "site.test"});
  checkEveryCut("POST /x HTTP/1.1\r\nHost: site.test\r\nContent-Length: 9\r\n\r\nGET / HTT",
                {true, Spoken::Http, false, "site.test"});
  checkEveryCut("GET http://site.test/ HTTP/1.1\r\nHost: site.test\r\n\r\n",
                {true, Spoken::Http, false, "site.test"});
}

TEST("a request whose host is an address, is missing or is none claims no host") {
  const Outcome none{true, Spoken::Http, false, ""};
  checkEveryCut("GET / HTTP/1.0\r\n\r\n", none);
  checkEveryCut("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", none);
  checkEveryCut("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", none);
  CHECK(read("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") == none);
  CHECK(read("GET / HTTP/1.1\r\n\r\n") == none);
  CHECK(read("GET / HTTP/1.1\r\nHost: 127.1\r\n\r\n") == none);
}

TEST("a request that has begun is waited for, and one that cannot become one is not") {
  CHECK(read("GET /index") == (Outcome{false, Spoken::Http, false, ""}));
  CHECK(read("GET ") == (Outcome{false, Spoken::Other, false, ""}));
  CHECK(read("GET htt") == (Outcome{false, Spoken::Other, false, ""}));
  CHECK(read("HELLO") == (Outcome{false, Spoken::Other, false, ""}));
  CHECK(read("GET / HTTP/3.0\r\n").isRead);
  const std::string tooLong = "GET / HTTP/1.1\r\nX: " + std::string(32 * 1024, 'x');
  CHECK(read(tooLong) == (Outcome{true, Spoken::Http, false, ""}));
}

TEST("what is neither TLS nor HTTP goes by no name") {
  const Outcome other{true, Spoken::Other, false, ""};
  for (const std::string_view input :
       {"SSH-2.0-OpenSSH_9.2\r\n", "NICK somebody\r\n", "*1\r\n$4\r\nPING\r\n", "hello", "\r\r",
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", "\x16\x02\x01", "PING\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}) {
    CHECK(read(input) == other);
  }
  CHECK(read(std::string_view("\0\0\0\x08", 4)) == other);
  CHECK(read("", true) == other);
  CHECK(!read("").isRead);
}
