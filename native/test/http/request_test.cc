#include "http/request.h"

#include <string>

#include "test/http/guarded.h"
#include "test/http/limits.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;
using namespace std::string_literals;
using test::kLimits;

namespace {

RequestHead head;

/// For text that outlives the look at `head`.
ParseResult parseInPlace(std::string_view text) {
  return parseRequest(text, kLimits, head);
}

ParseResult parse(std::string text) {
  static std::string kept;
  kept = std::move(text);
  return parseInPlace(kept);
}

struct Wanted {
  const char* id;
  std::string text;
  Errc error = Errc::None;
};

std::string get(const std::string& fields) {
  return "GET /a HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n";
}
std::string line(const std::string& requestLine) {
  return requestLine + "\r\nHost: a.example\r\n\r\n";
}

/// The whole text gives what is wanted; no part of it is taken for a whole, nor for another error.
void check(const Wanted& wanted) {
  const auto report = [&](std::size_t size, const char* what) {
    test::fail("request", static_cast<int>(size), std::string(wanted.id) + ": " + what);
  };
  for (std::size_t size = 0; size <= wanted.text.size(); ++size) {
    const test::Guarded guarded(std::string_view(wanted.text).substr(0, size));
    const ParseResult result = parseInPlace(guarded.text());
    if (result.state == ParseState::Bad && result.error != wanted.error) {
      report(size, "another error than wanted");
    }
    if (result.state == ParseState::Done && size != wanted.text.size()) {
      report(size, "done too early");
    }
    if (size == wanted.text.size() && wanted.error == Errc::None &&
        (result.state != ParseState::Done || result.consumed != size)) {
      report(size, "not accepted");
    }
    if (size == wanted.text.size() && wanted.error != Errc::None &&
        result.state != ParseState::Bad) {
      report(size, "not refused");
    }
  }
}

const Errc kBad = Errc::RequestMalformed;

} // namespace

TEST("A1 to A5: framing that two parsers could read in two ways is refused") {
  const Wanted cases[] = {
      {"A1 CL.TE", get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), kBad},
      {"A1 TE.CL", get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), kBad},
      {"A2 differing", get("Content-Length: 5\r\nContent-Length: 6\r\n"), kBad},
      {"A2 identical", get("Content-Length: 5\r\ncontent-length: 5\r\n"), kBad},
      {"A2 list", get("Content-Length: 5, 5\r\n"), kBad},
      {"A2 differing list", get("Content-Length: 5, 6\r\n"), kBad},
      {"A3 plus", get("Content-Length: +5\r\n"), kBad},
      {"A3 minus", get("Content-Length: -5\r\n"), kBad},
      {"A3 minus zero", get("Content-Length: -0\r\n"), kBad},
      {"A3 hex", get("Content-Length: 0x5\r\n"), kBad},
      {"A3 underscore", get("Content-Length: 5_0\r\n"), kBad},
      {"A3 quoted", get("Content-Length: \"5\"\r\n"), kBad},
      {"A3 fraction", get("Content-Length: 5.0\r\n"), kBad},
      {"A3 exponent", get("Content-Length: 1e3\r\n"), kBad},
      {"A3 parameter", get("Content-Length: 5;a\r\n"), kBad},
      {"A3 empty", get("Content-Length:\r\n"), kBad},
      {"A3 blank", get("Content-Length: \r\n"), kBad},
      {"A3 two numbers", get("Content-Length: 5 0\r\n"), kBad},
      {"A3 vertical tab",
       get("Content-Length: \x0b"
           "5\r\n"),
       kBad},
      {"A3 nbsp",
       get("Content-Length: \xa0"
           "5\r\n"),
       kBad},
      {"A3 2^63", get("Content-Length: 9223372036854775808\r\n"), kBad},
      {"A3 20 digits", get("Content-Length: 10000000000000000000\r\n"), kBad},
      {"A3 wraps", get("Content-Length: 18446744073709551621\r\n"), kBad},
      {"A3 2^63-1", get("Content-Length: 9223372036854775807\r\n")},
      {"A3 leading zeros", get("Content-Length: 005\r\n")},
      {"A3 zero", get("Content-Length: 0\r\n")},
      {"A4 xchunked", get("Transfer-Encoding: xchunked\r\n"), kBad},
      {"A4 identity", get("Transfer-Encoding: identity\r\n"), kBad},
      {"A4 gzip", get("Transfer-Encoding: gzip\r\n"), kBad},
      {"A4 unknown before chunked", get("Transfer-Encoding: gzip, chunked\r\n"),
       Errc::RequestCodingUnknown},
      {"A4 unknown before chunked, two lines",
       get("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
       Errc::RequestCodingUnknown},
      {"A4 twice", get("Transfer-Encoding: chunked, chunked\r\n"), kBad},
      {"A4 twice, two lines", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
       kBad},
      {"A4 not last", get("Transfer-Encoding: chunked, identity\r\n"), kBad},
      {"A4 empty first", get("Transfer-Encoding: ,chunked\r\n"), kBad},
      {"A4 empty last", get("Transfer-Encoding: chunked,\r\n"), kBad},
      {"A4 quoted", get("Transfer-Encoding: \"chunked\"\r\n"), kBad},
      {"A4 parameter", get("Transfer-Encoding: chunked;a=b\r\n"), kBad},
      {"A4 empty", get("Transfer-Encoding:\r\n"), kBad},
      {"A4 odd byte", get("Transfer-Encoding: ch\x96nked\r\n"), kBad},
      {"A4 vertical tab",
       get("Transfer-Encoding: \x0b"
           "chunked\r\n"),
       kBad},
      {"A4 NUL", get("Transfer-Encoding: chunked\0\r\n"s), kBad},
      {"A4 nbsp",
       get("Transfer-Encoding: \xa0"
           "chunked\r\n"),
       kBad},
      {"A4 0x85", get("Transfer-Encoding: chunked\x85\r\n"), kBad},
      {"A4 upper case", get("Transfer-Encoding: CHUNKED\r\n")},
      {"A4 blanks around", get("Transfer-Encoding: \t chunked \t\r\n")},
      {"A5 HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", kBad},
  };
  for (const Wanted& wanted : cases) {
    check(wanted);
  }
}

TEST("A6 to A9: field lines that are not clean are refused") {
  const Wanted cases[] = {
      {"A6 space first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", kBad},
      {"A6 tab first", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", kBad},
      {"A6 space before colon", get("Transfer-Encoding : chunked\r\n"), kBad},
      {"A6 tab before colon", get("X\t: y\r\n"), kBad},
      {"A6 control before colon", get("X\x0b: y\r\n"), kBad},
      {"A6 no colon", get("Xy\r\n"), kBad},
      {"A6 empty name", get(": x\r\n"), kBad},
      {"A6 high byte", get("X\x80: y\r\n"), kBad},
      {"A6 bracket", get("X[a]: y\r\n"), kBad},
      {"A6 slash", get("X/a: y\r\n"), kBad},
      {"A6 quote", get("\"X\": y\r\n"), kBad},
      {"A6 NUL in name", get("X\0: y\r\n"s), kBad},
      {"A7 bare LF in request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", kBad},
      {"A7 bare LF in field", get("X: y\n"), kBad},
      {"A7 bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", kBad},
      {"A7 LF ends everywhere", "GET / HTTP/1.1\nHost: a\n\n", kBad},
      {"A7 bare CR in value", get("X: a\rb\r\n"), kBad},
      {"A7 bare CR ends a line", get("X: a\rY: b\r\n"), kBad},
      {"A7 CR CR LF", get("X: a\r\r\n"), kBad},
      {"A7 CR CR LF in request line", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", kBad},
      {"A7 LF CR", get("X: a\n\rY: b\r\n"), kBad},
      {"A7 CR for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", kBad},
      {"A8 folded", get("X: a\r\n b\r\n"), kBad},
      {"A8 folded with tab", get("X: a\r\n\tb\r\n"), kBad},
      {"A8 folded framing", get("Transfer-Encoding:\r\n chunked\r\n"), kBad},
      {"A9 NUL", get("X: a\0b\r\n"s), kBad},
      {"A9 bell", get("X: \x07\r\n"), kBad},
      {"A9 DEL", get("X: a\x7f\r\n"), kBad},
      {"A9 escape", get("X: \x1b[0m\r\n"), kBad},
      {"A9 tab is fine", get("X: a\tb\r\n")},
      {"A9 high bytes are fine", get("X: \x80\xff\r\n")},
      {"empty value", get("X:\r\n")},
      {"no space", get("X:y\r\n")},
      {"every token char", get("!#$%&'*+-.^_`|~09aZ: y\r\n")},
  };
  for (const Wanted& wanted : cases) {
    check(wanted);
  }
  for (int c = 0; c < 32; ++c) {
    if (c != '\t') {
      check({"A9 any control", get("X: a" + std::string(1, static_cast<char>(c)) + "b\r\n"), kBad});
    }
  }
}

TEST("A13, A17: request lines are of one shape") {
  const Wanted cases[] = {
      {"method with colon", line("GE:T / HTTP/1.1"), kBad},
      {"method empty", line(" / HTTP/1.1"), kBad},
      {"method 33 bytes", line(std::string(33, 'A') + " / HTTP/1.1"), kBad},
      {"method 32 bytes", line(std::string(32, 'A') + " / HTTP/1.1")},
      {"method in lower case", line("get / HTTP/1.1")},
      {"tab after method", line("GET\t/ HTTP/1.1"), kBad},
      {"two spaces", line("GET  / HTTP/1.1"), kBad},
      {"two spaces before version", line("GET /  HTTP/1.1"), kBad},
      {"space in target", line("GET /a b HTTP/1.1"), kBad},
      {"space at the end", line("GET / HTTP/1.1 "), kBad},
      {"tab in target", line("GET /a\tb HTTP/1.1"), kBad},
      {"control in target", line("GET /a\x01 HTTP/1.1"), kBad},
      {"high byte in target", line("GET /\xc3\xa4 HTTP/1.1"), kBad},
      {"fragment", line("GET /#a HTTP/1.1"), kBad},
      {"fragment in query", line("GET /?a#b HTTP/1.1"), kBad},
      {"no target", line("GET HTTP/1.1"), kBad},
      {"HTTP/1.2", line("GET / HTTP/1.2")},
      {"HTTP/2.0", line("GET / HTTP/2.0"), Errc::RequestVersionUnsupported},
      {"HTTP/9.9", line("GET / HTTP/9.9"), Errc::RequestVersionUnsupported},
      {"HTTP/01.1", line("GET / HTTP/01.1"), kBad},
      {"HTTP/1.01", line("GET / HTTP/1.01"), kBad},
      {"HTTP/1.10", line("GET / HTTP/1.10"), kBad},
      {"http/1.1", line("GET / http/1.1"), kBad},
      {"HTTP/1.", line("GET / HTTP/1."), kBad},
      {"HTTP/1", line("GET / HTTP/1"), kBad},
      {"HTTP/2", line("GET / HTTP/2"), kBad},
      {"HTTP/0.9", line("GET / HTTP/0.9"), kBad},
      {"HTTPS/1.1", line("GET / HTTPS/1.1"), kBad},
      {"no version", "GET /\r\n\r\n", kBad},
      {"GET *", line("GET * HTTP/1.1"), kBad},
      {"OPTIONS *", line("OPTIONS * HTTP/1.1")},
      {"OPTIONS **", line("OPTIONS ** HTTP/1.1"), kBad},
      {"authority form", line("GET a.b:80 HTTP/1.1"), kBad},
      {"word", line("GET x HTTP/1.1"), kBad},
      {"CONNECT", line("CONNECT a.example:443 HTTP/1.1"), kBad},
      {"CONNECT path", line("CONNECT /x HTTP/1.1"), kBad},
      {"ftp", line("GET ftp://a.example/ HTTP/1.1"), kBad},
      {"http-proxy's bane", line("GET s://]ufd/: HTTP/1.1"), kBad},
  };
  for (const Wanted& wanted : cases) {
    check(wanted);
  }
}

TEST("A15: one sane host, no more and no less") {
  const auto host = [](const std::string& value) {
    return "GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n";
  };
  const Wanted cases[] = {
      {"missing", "GET / HTTP/1.1\r\n\r\n", kBad},
      {"missing in 1.0", "GET / HTTP/1.0\r\n\r\n"},
      {"twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", kBad},
      {"twice the same", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", kBad},
      {"twice in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", kBad},
      {"empty", host(""), kBad},
      {"list", host("a,b"), kBad},
      {"user information", host("u@a"), kBad},
      {"path", host("a/b"), kBad},
      {"space", host("a b"), kBad},
      {"escape", host("a%00b"), kBad},
      {"high byte", host("\xc3\xa4"), kBad},
      {"backslash", host("a\\b"), kBad},
      {"port word", host("a:b"), kBad},
      {"port sign", host("a:+80"), kBad},
      {"port too high", host("a:65536"), kBad},
      {"port too long", host("a:000080"), kBad},
      {"two ports", host("a:80:80"), kBad},
      {"only a port", host(":80"), kBad},
      {"IPv6 without brackets", host("::1"), kBad},
      {"IPv6 open", host("[::1"), kBad},
      {"IPv6 with a tail", host("[::1]x"), kBad},
      {"IPv6 empty", host("[]"), kBad},
      {"IPv6 zone", host("[fe80::1%eth0]"), kBad},
      {"IPv6", host("[::1]:80")},
      {"IPv4", host("127.0.0.1:65535")},
      {"name", host("a-b_c.example")},
      {"trailing dot", host("a.example.")},
      {"empty port", host("a.example:")},
  };
  for (const Wanted& wanted : cases) {
    check(wanted);
  }
  CHECK(parse(host("[::1]:80")).state == ParseState::Done);
  CHECK_EQ(head.host, "[::1]");
  CHECK_EQ(head.authority, "[::1]:80");
  CHECK(parse(host("a.example:")).state == ParseState::Done);
  CHECK_EQ(head.authority, "a.example");
  CHECK(!head.fields[0].isCanonical);
}

TEST("A16: an absolute target names the host, and Host may not contradict it") {
  const auto absolute = [](const std::string& target, const std::string& host) {
    return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
  };
  const Wanted cases[] = {
      {"same", absolute("http://a.example/x", "a.example")},
      {"case", absolute("HTTP://A.example/x", "a.EXAMPLE")},
      {"default port", absolute("http://a.example:80/x", "a.example")},
      {"default port of https", absolute("https://a.example/x", "a.example:443")},
      {"other host", absolute("http://b.example/x", "a.example"), kBad},
      {"other port", absolute("http://a.example/x", "a.example:81"), kBad},
      {"https is not port 80", absolute("https://a.example/x", "a.example:80"), kBad},
      {"user information", absolute("http://u:p@a.example/", "a.example"), kBad},
      {"empty authority", absolute("http:///x", "a.example"), kBad},
      {"bad port", absolute("http://a.example:x/", "a.example"), kBad},
      {"two Hosts", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", kBad},
      {"no Host", "GET http://a/ HTTP/1.1\r\n\r\n", kBad},
      {"no Host in 1.0", "GET http://a/ HTTP/1.0\r\n\r\n"},
  };
  for (const Wanted& wanted : cases) {
    check(wanted);
  }
  CHECK(parse(absolute("http://a.example:81?q=1", "a.example:81")).state == ParseState::Done);
  CHECK(head.isAbsoluteForm);
  CHECK_EQ(head.authority, "a.example:81");
  CHECK_EQ(head.host, "a.example");
  CHECK_EQ(head.path, "/");
  CHECK_EQ(head.query, "?q=1");
  CHECK(parse("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n").state == ParseState::Done);
  CHECK_EQ(head.path, "*");
}

TEST("A14: limits hold whether or not an end has come") {
  plan::Limits limits = kLimits;
  limits.headBytes = 200;
  limits.headerCount = 3;
  limits.targetBytes = 50;
  const auto parseLimited = [&](std::string_view text) {
    const test::Guarded guarded(text);
    return parseRequest(guarded.text(), limits, head);
  };
  const std::string longTarget = "GET /" + std::string(49, 'a');
  CHECK(parseLimited(longTarget).state == ParseState::Partial);
  CHECK(parseLimited(line(longTarget + " HTTP/1.1")).state == ParseState::Done);
  CHECK(parseLimited(longTarget + "a").error == Errc::RequestTargetTooLong);
  CHECK(parseLimited(line(longTarget + "a HTTP/1.1")).error == Errc::RequestTargetTooLong);
  CHECK(checkUnfinishedRequest(longTarget, limits) == Errc::None);
  CHECK(checkUnfinishedRequest(longTarget + " HTTP/1.1\r\nHo", limits) == Errc::None);
  CHECK(checkUnfinishedRequest(longTarget + "a", limits) == Errc::RequestTargetTooLong);

  CHECK(parseLimited(get("A: 1\r\nB: 2\r\n")).state == ParseState::Done);
  CHECK(parseLimited(get("A: 1\r\nB: 2\r\nC: 3\r\n")).error == Errc::RequestHeadTooLarge);

  const std::string base = get("");
  const std::string exact = get("A: " + std::string(200 - base.size() - 5, 'x') + "\r\n");
  CHECK_EQ(exact.size(), 200u);
  CHECK(parseLimited(exact).state == ParseState::Done);
  CHECK(parseLimited(std::string_view(exact).substr(0, 199)).state == ParseState::Partial);
  const std::string over = get("A: " + std::string(200 - base.size() - 4, 'x') + "\r\n");
  CHECK(parseLimited(over).error == Errc::RequestHeadTooLarge);
  CHECK(parseLimited(std::string_view(over).substr(0, 200)).error == Errc::RequestHeadTooLarge);
  CHECK(checkUnfinishedRequest(std::string_view(over).substr(0, 199), limits) == Errc::None);
  CHECK(checkUnfinishedRequest(std::string_view(over).substr(0, 200), limits) ==
        Errc::RequestHeadTooLarge);
}

TEST("as many fields as the list holds are taken, and one more is refused") {
  plan::Limits limits = kLimits;
  limits.headerCount = 100'000;
  std::string fields;
  for (std::size_t i = 1; i < kMaxFields; ++i) {
    fields += "X-" + std::to_string(i) + ": y\r\n";
  }
  CHECK(parseRequest(get(fields), limits, head).state == ParseState::Done);
  CHECK_EQ(head.fields.size(), kMaxFields);
  CHECK(parseRequest(get(fields + "X: y\r\n"), limits, head).error == Errc::RequestHeadTooLarge);
}

TEST("A19: Connection may not name what frames, routes or identifies") {
  const Wanted cases[] = {
      {"Host", get("Connection: Host\r\n"), kBad},
      {"Content-Length", get("Content-Length: 0\r\nConnection: close, content-length\r\n"), kBad},
      {"Transfer-Encoding", get("Connection: Transfer-Encoding\r\n"), kBad},
      {"on a second line", get("Connection: close\r\nX: y\r\nConnection: host\r\n"), kBad},
      {"many names",
       get("Connection: " +
           [] {
             std::string names = "a";
             for (int i = 0; i < 40; ++i) {
               names += ",a";
             }
             return names;
           }() +
           "\r\n"),
       kBad},
      {"odd but harmless", get("Connection: , close ,\"x\", ;\r\n")},
  };
  for (const Wanted& wanted : cases) {
    check(wanted);
  }
  const std::string text = get("X-A: 1\r\nX-B: 2\r\nx-a: 3\r\nCookie: c\r\nX-Forwarded-For: 1\r\n"
                               "Authorization: z\r\nConnection: X-A, Cookie\r\n"
                               "Connection: X-Forwarded-For, authorization, Connection\r\n");
  CHECK(parse(text).state == ParseState::Done);
  for (const Field& field : head.fields) {
    CHECK_EQ(field.isNominated,
             field.name == "X-A" || field.name == "x-a" || field.name == "Connection");
  }
}

TEST("keep-alive follows version and Connection") {
  const auto keepsAlive = [](const char* version, const char* connection) {
    const std::string text =
        "GET / HTTP/"s + version + "\r\nHost: a\r\nConnection: " + connection + "\r\n\r\n";
    return parse(text).state == ParseState::Done && head.keepAlive;
  };
  CHECK(keepsAlive("1.1", ""));
  CHECK(keepsAlive("1.1", "keep-alive"));
  CHECK(!keepsAlive("1.1", "Close"));
  CHECK(!keepsAlive("1.1", "keep-alive, close"));
  CHECK(!keepsAlive("1.0", ""));
  CHECK(keepsAlive("1.0", "Keep-Alive"));
  CHECK(!keepsAlive("1.0", "keep-alive, close"));
  CHECK(keepsAlive("1.9", ""));
}

TEST("A22: an upgrade is wanted only when it may be relayed") {
  const auto upgrade = [](const std::string& fields, const char* start = "GET / HTTP/1.1") {
    const std::string text = start + "\r\nHost: a\r\n"s + fields + "\r\n";
    CHECK(parse(text).state == ParseState::Done);
    return head.wantsUpgrade ? std::string(head.upgradeProtocol) : "-";
  };
  const std::string ws = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  CHECK_EQ(upgrade(ws + version), "websocket");
  CHECK_EQ(upgrade("Connection: keep-alive, upgrade\r\nUpgrade: foo/2\r\n"), "foo/2");
  CHECK_EQ(upgrade(ws), "-");
  CHECK_EQ(upgrade(ws + "Sec-WebSocket-Version: 8\r\n"), "-");
  CHECK_EQ(upgrade(ws + version + version), "-");
  CHECK_EQ(upgrade(ws + version, "POST / HTTP/1.1"), "-");
  CHECK_EQ(upgrade(ws + version, "GET / HTTP/1.0"), "-");
  CHECK_EQ(upgrade("Upgrade: websocket\r\n" + version), "-");
  CHECK_EQ(upgrade(ws + version + "Content-Length: 1\r\n"), "-");
  CHECK_EQ(upgrade(ws + version + "Transfer-Encoding: chunked\r\n"), "-");
  CHECK_EQ(upgrade(ws + version + "Content-Length: 0\r\n"), "websocket");
  CHECK_EQ(upgrade("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                   "HTTP2-Settings: AAA\r\n"),
           "-");
  CHECK_EQ(upgrade("Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n"), "-");
  CHECK_EQ(upgrade("Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n" + version), "websocket");
  CHECK_EQ(upgrade("Connection: Upgrade\r\nUpgrade:\r\n"), "-");
  CHECK_EQ(upgrade("Connection: Upgrade\r\nUpgrade: a b\r\n"), "-");
}

TEST("A23: only 100-continue may be expected, and HTTP/1.0 cannot expect") {
  check({"unknown", get("Expect: 200-ok\r\n"), Errc::RequestExpectationFailed});
  check(
      {"unknown beside known", get("Expect: 100-continue, x\r\n"), Errc::RequestExpectationFailed});
  check({"case", get("Content-Length: 1\r\nExpect: 100-Continue\r\n")});
  CHECK(parse(get("Content-Length: 1\r\nExpect: 100-Continue\r\n")).state == ParseState::Done);
  CHECK(head.expectsContinue);
  CHECK(parse(get("Expect: 100-continue\r\n")).state == ParseState::Done);
  CHECK(!head.expectsContinue);
  CHECK(parse("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: x\r\n\r\n").state ==
        ParseState::Done);
  CHECK(!head.expectsContinue);
}

TEST("A24: a body is framed alike for every method") {
  for (const char* method : {"GET", "HEAD", "DELETE", "OPTIONS", "POST", "TRACE", "BREW"}) {
    const std::string text = method + " / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n"s;
    CHECK(parse(text).state == ParseState::Done);
    CHECK(head.body == BodyKind::Length);
    CHECK_EQ(head.contentLength, 7u);
  }
}

TEST("A26: what is not HTTP is refused at its first byte, and one empty line is forgiven") {
  for (const std::string& text :
       {"\x16\x03\x01\x02"s, "\0\0"s, "\n"s, " GET"s, "\x80"s, "{\"a\":1}"s, ":"s, "\r\r"s}) {
    const test::Guarded guarded(text);
    CHECK(parseInPlace(guarded.text()).error == kBad);
    CHECK(checkUnfinishedRequest(guarded.text(), kLimits) == kBad);
  }
  check({"one empty line", "\r\n" + get("")});
  check({"two empty lines", "\r\n\r\n" + get(""), kBad});
  check({"h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", kBad});
  CHECK(checkUnfinishedRequest("\r\nGET", kLimits) == Errc::None);
  CHECK(checkUnfinishedRequest("\r\n\r", kLimits) == Errc::None);
  CHECK(checkUnfinishedRequest("", kLimits) == Errc::None);
  CHECK(checkUnfinishedRequest("GET / HTTP/1.", kLimits) == Errc::None);
  CHECK(checkUnfinishedRequest("GET /\r", kLimits) == kBad);
  CHECK(checkUnfinishedRequest("GET / HTTQ", kLimits) == kBad);
  CHECK(checkUnfinishedRequest("GET / HTTP/2.0\r\n", kLimits) == Errc::RequestVersionUnsupported);
  CHECK(checkUnfinishedRequest(std::string(33, 'A'), kLimits) == kBad);
}

TEST("a request is told apart into its parts") {
  const std::string text = "POST /a/b?c=d HTTP/1.1\r\nHost: A.example:8080\r\nX-Empty:\r\n"
                           "X-Odd:\t y \r\nContent-Length: 005\r\nTE: gzip, Trailers\r\n\r\n";
  const ParseResult result = parse(text + "hello");
  CHECK(result.state == ParseState::Done);
  CHECK_EQ(result.consumed, text.size());
  CHECK_EQ(head.method, "POST");
  CHECK(head.methodId == Method::Post);
  CHECK(!head.isIdempotent);
  CHECK_EQ(head.target, "/a/b?c=d");
  CHECK_EQ(head.path, "/a/b");
  CHECK_EQ(head.query, "?c=d");
  CHECK_EQ(head.authority, "A.example:8080");
  CHECK_EQ(head.host, "A.example");
  CHECK_EQ(head.minorVersion, 1);
  CHECK(head.body == BodyKind::Length);
  CHECK_EQ(head.contentLength, 5u);
  CHECK(head.acceptsTrailers);
  CHECK_EQ(head.fields.size(), 5u);
  CHECK_EQ(head.fields[0].line, "Host: A.example:8080\r\n");
  CHECK(head.fields[0].isCanonical);
  CHECK_EQ(head.fields[1].value, "");
  CHECK(head.fields[1].isCanonical);
  CHECK_EQ(head.fields[2].value, "y");
  CHECK(!head.fields[2].isCanonical);
  CHECK(!head.fields[3].isCanonical);
  CHECK(head.fields.find(FieldId::Te) == &head.fields[4]);
  CHECK(head.fields.find(FieldId::Upgrade) == nullptr);
}

TEST("methods are told apart") {
  const auto method = [](const std::string& name) {
    CHECK(parse(line(name + " / HTTP/1.1")).state == ParseState::Done);
    return head.methodId;
  };
  CHECK(method("GET") == Method::Get && head.isIdempotent);
  CHECK(method("HEAD") == Method::Head && head.isIdempotent);
  CHECK(method("PUT") == Method::Put && head.isIdempotent);
  CHECK(method("DELETE") == Method::Delete && head.isIdempotent);
  CHECK(method("OPTIONS") == Method::Options && head.isIdempotent);
  CHECK(method("TRACE") == Method::Trace && head.isIdempotent);
  CHECK(method("POST") == Method::Post && !head.isIdempotent);
  CHECK(method("PATCH") == Method::Patch && !head.isIdempotent);
  CHECK(method("get") == Method::Other && !head.isIdempotent);
  CHECK(method("PROPFIND") == Method::Other && !head.isIdempotent);
}

TEST("a head longer than every scan window is parsed like a short one") {
  plan::Limits limits = kLimits;
  limits.headBytes = 1 << 20;
  for (std::size_t size = 400; size < 2700; size += 13) {
    const std::string text = get("X-Long: " + std::string(size, 'v') + "\r\nX-Last: z\r\n");
    const test::Guarded guarded(text);
    CHECK(parseRequest(guarded.text(), limits, head).state == ParseState::Done);
    CHECK_EQ(head.fields[1].value.size(), size);
    CHECK_EQ(head.fields[2].value, "z");
  }
}
