// What a forward proxy reads in a request's fields: credentials, the proxies that it came through,
// and CONNECT itself.
#include <array>
#include <string>

#include "http/basic.h"
#include "http/request.h"
#include "http/via.h"
#include "test/http/limits.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;

namespace {

plan::Limits forwardLimits() {
  plan::Limits limits = test::kLimits;
  limits.takesConnect = true;
  return limits;
}

RequestHead parsed(const std::string& text) {
  RequestHead head;
  CHECK(parseRequest(text, forwardLimits(), head).state == ParseState::Done);
  return head;
}

/// `name:password`, or - for none.
std::string loginOf(const std::string& fields) {
  const std::string text = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n";
  const RequestHead head = parsed(text);
  std::array<char, 64> into;
  std::string_view name;
  std::string_view password;
  return readBasic(head.fields, into, name, password)
             ? std::string(name) + ":" + std::string(password)
             : "-";
}

bool isVia(const std::string& fields) {
  const std::string text = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n";
  return hasVia(parsed(text).fields, "sluice-1");
}

ParseState connectState(const std::string& target, const std::string& fields) {
  RequestHead head;
  const std::string text = "CONNECT " + target + " HTTP/1.1\r\n" + fields + "\r\n";
  return parseRequest(text, forwardLimits(), head).state;
}

} // namespace

TEST("Basic credentials are read in whatever case the scheme is written") {
  CHECK(loginOf("Proxy-Authorization: Basic YW5uOnB3\r\n") == "ann:pw");
  CHECK(loginOf("proxy-authorization: bAsIc   YW5uOnB3\r\n") == "ann:pw");
  CHECK(loginOf("Proxy-Authorization: Basic YW5uOg==\r\n") == "ann:");
  CHECK(loginOf("Proxy-Authorization: Basic YW5uOmE6Yg==\r\n") == "ann:a:b");
}

TEST("what is not exactly one set of Basic credentials is none") {
  for (const char* value :
       {"YW5uOnB3", "Basic", "Basic ", "BasicYW5uOnB3", "Basic YW5uOnB",
        "Basic YW5uOnB3=", "Basic YW5u", "Basic OnB3", "Basic !!!!", "Digest YW5uOnB3",
        "Basic YW5uOgA=", "Basic YW5uOsA=", "Basic YW5uOn8=", "Basic YW5uOh==", "Basic =W5uOnB3"}) {
    CHECK(loginOf(std::string("Proxy-Authorization: ") + value + "\r\n") == "-");
  }
  CHECK(loginOf("") == "-");
  CHECK(loginOf("Proxy-Authorization: Basic YW5uOnB3\r\nProxy-Authorization: Basic YW5uOnB3\r\n") ==
        "-");
  CHECK(loginOf("Proxy-Authorization: Basic " + std::string(400, 'A') + "\r\n") == "-");
}

TEST("a proxy finds itself among those that a request came through, and nobody else") {
  CHECK(isVia("Via: 1.1 sluice-1\r\n"));
  CHECK(isVia("via: 1.0 fred, HTTP/1.1\tsluice-1 (a comment)\r\n"));
  CHECK(isVia("Via: 1.1 fred\r\nVia: 1.1 sluice-1\r\n"));
  CHECK(!isVia("Via: 1.1 sluice-12\r\n"));
  CHECK(!isVia("Via: sluice-1\r\n"));
  CHECK(!isVia("X-Via: 1.1 sluice-1\r\n"));
  CHECK(!isVia(""));
}

TEST("CONNECT names a host and a port, which Host may not contradict") {
  CHECK(connectState("a.test:443", "Host: a.test:443\r\n") == ParseState::Done);
  CHECK(connectState("a.test:443", "Host: a.test\r\n") == ParseState::Done);
  CHECK(connectState("A.test:443", "Host: a.TEST:443\r\n") == ParseState::Done);
  CHECK(connectState("[2001:db8::1]:443", "Host: [2001:db8::1]:443\r\n") == ParseState::Done);
  CHECK(connectState("a.test:443", "Host: a.test:444\r\n") == ParseState::Bad);
  CHECK(connectState("a.test:443", "Host: b.test:443\r\n") == ParseState::Bad);
  CHECK(connectState("a.test:443", "") == ParseState::Bad);
  CHECK(connectState("a.test:443", "Host: a.test\r\nHost: a.test\r\n") == ParseState::Bad);
  CHECK(connectState("u@a.test:443", "Host: a.test\r\n") == ParseState::Bad);
}

TEST("a CONNECT that announces a body is refused: what follows is the tunnel's") {
  CHECK(connectState("a.test:443", "Host: a.test\r\nContent-Length: 0\r\n") == ParseState::Done);
  CHECK(connectState("a.test:443", "Host: a.test\r\nContent-Length: 5\r\n") == ParseState::Bad);
  CHECK(connectState("a.test:443", "Host: a.test\r\nTransfer-Encoding: chunked\r\n") ==
        ParseState::Bad);
}

TEST("where there are no tunnels CONNECT is malformed") {
  RequestHead head;
  CHECK(parseRequest("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", test::kLimits, head)
            .state == ParseState::Bad);
}

TEST("https in an absolute target is told apart") {
  CHECK(parsed("GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n").isHttpsTarget);
  CHECK(!parsed("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n").isHttpsTarget);
}
