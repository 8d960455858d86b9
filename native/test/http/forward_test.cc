#include "http/forward.h"

#include <string>
#include <vector>

#include "test/http/limits.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;
using namespace std::string_literals;
using test::kLimits;

namespace {

RequestHead request;
ResponseHead response;

/// One request on its way; change what the case is about, then look at sent().
struct Passage {
  plan::Listener listener;
  plan::Route route;
  plan::Target target;
  std::string clientIp = "192.0.2.1";
  std::string path;
  bool isTrusted = false;
  bool keepUpgrade = false;

  Passage() {
    listener.forwarded = ForwardedMode::Off;
    target.authority = "10.0.0.1:3000";
  }

  std::string sent(const std::string& text) {
    CHECK(parseRequest(text, kLimits, request).state == ParseState::Done);
    std::vector<char> buffer(64 * 1024);
    HeadWriter out(buffer);
    const ForwardContext context{.listener = listener,
                                 .route = route,
                                 .target = target,
                                 .clientIp = clientIp,
                                 .isTrusted = isTrusted,
                                 .path = path.empty() ? request.path : std::string_view(path),
                                 .keepUpgrade = keepUpgrade};
    CHECK(writeRequestHead(out, request, context));
    const std::string written(out.view());
    RequestHead again;
    const ParseResult result = parseRequest(written, kLimits, again);
    CHECK(result.state == ParseState::Done && result.consumed == written.size());
    CHECK(again.body == request.body && again.contentLength == request.contentLength);
    CHECK_EQ(again.method, request.method);
    CHECK_EQ(again.query, request.query);
    CHECK_EQ(again.wantsUpgrade, keepUpgrade && request.wantsUpgrade);
    for (const Field& field : again.fields) {
      CHECK(field.isCanonical);
    }
    return written;
  }
};

std::string get(const std::string& fields) {
  return "GET /a HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n";
}

std::string answered(const std::string& text, ClientFraming framing, bool isHead = false,
                     const plan::Route& route = {}) {
  CHECK(parseResponse(text, kLimits, isHead, response).state == ParseState::Done);
  std::vector<char> buffer(64 * 1024);
  HeadWriter out(buffer);
  CHECK(writeResponseHead(out, response, route, framing));
  const std::string written(out.view());
  ResponseHead again;
  CHECK(parseResponse(written, kLimits, isHead, again).consumed == written.size());
  CHECK_EQ(again.status, response.status);
  return written;
}

plan::HeaderEdit edit(EditOp op, const char* name, const char* value = "") {
  return {op, name, value};
}

} // namespace

TEST("a canonical request leaves as it came") {
  Passage passage;
  const std::string text = "POST /a/b?c=d HTTP/1.1\r\nHost: a.example:81\r\nX-A: b\r\nX-Empty:\r\n"
                           "Content-Length: 5\r\nAccept: */*\r\n\r\n";
  CHECK_EQ(passage.sent(text), text);
}

TEST("what is not canonical is written anew") {
  Passage passage;
  CHECK_EQ(passage.sent("POST /a HTTP/1.9\r\nhost:\ta.example: \r\nX-A:b  \r\nX-E: \r\n"
                        "content-length: 005\r\n\r\n"),
           "POST /a HTTP/1.1\r\nHost: a.example\r\nX-A: b\r\nX-E:\r\nContent-Length: 5\r\n\r\n");
  CHECK_EQ(passage.sent(get("TRANSFER-ENCODING: Chunked\r\n")),
           get("Transfer-Encoding: chunked\r\n"));
  CHECK_EQ(passage.sent("\r\n" + get("")), get(""));
}

TEST("fields that end at a proxy stay here, and what Connection names") {
  Passage passage;
  CHECK_EQ(passage.sent(get("Connection: keep-alive, X-Named\r\nKeep-Alive: timeout=5\r\n"
                            "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\n"
                            "Trailer: X-T\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
                            "X-Named: gone\r\nx-named: too\r\nProxy: http://evil\r\n"
                            "X_Forwarded_For: 6.6.6.6\r\nContent_Length: 5\r\nX-Kept: kept\r\n"
                            "Authorization: Bearer kept\r\nmy_field: kept\r\n")),
           get("X-Kept: kept\r\nAuthorization: Bearer kept\r\nmy_field: kept\r\n"));
}

TEST("Host is the client's, the target's or a written one, once and in its place") {
  Passage passage;
  const std::string text = "GET / HTTP/1.1\r\nA: b\r\nHost: outer\r\nC: d\r\n\r\n";
  CHECK_EQ(passage.sent(text), text);
  passage.route.hostHeader = HostHeaderKind::Target;
  CHECK_EQ(passage.sent(text), "GET / HTTP/1.1\r\nA: b\r\nHost: 10.0.0.1:3000\r\nC: d\r\n\r\n");
  passage.route.hostHeader = HostHeaderKind::Literal;
  passage.route.hostHeaderValue = "inner:81";
  CHECK_EQ(passage.sent(text), "GET / HTTP/1.1\r\nA: b\r\nHost: inner:81\r\nC: d\r\n\r\n");
}

TEST("an absolute target becomes a path, and its authority the Host") {
  Passage passage;
  CHECK_EQ(passage.sent("GET http://B.example:80/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n"),
           "GET /x?y HTTP/1.1\r\nHost: B.example:80\r\n\r\n");
  CHECK_EQ(passage.sent("GET http://b.example?y HTTP/1.0\r\n\r\n"),
           "GET /?y HTTP/1.1\r\nHost: b.example\r\n\r\n");
  CHECK_EQ(passage.sent("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
           "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST("HTTP/1.0 without Host leaves as HTTP/1.1 with the target's") {
  Passage passage;
  CHECK_EQ(passage.sent("POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\n"),
           "POST / HTTP/1.1\r\nHost: 10.0.0.1:3000\r\nContent-Length: 1\r\n\r\n");
}

TEST("the path that leaves is the normal one, stripped and prefixed") {
  Passage passage;
  passage.path = "/old/x";
  passage.route.stripPrefix = "/old";
  passage.route.addPrefix = "/new";
  CHECK_EQ(passage.sent("GET /a/../old/x?q HTTP/1.1\r\nHost: a\r\n\r\n"),
           "GET /new/x?q HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST("an upgrade leaves only when it is kept, and TE only for trailers") {
  Passage passage;
  const std::string text = get("Connection: Upgrade\r\nUpgrade: h2c, raw\r\nX: y\r\n");
  CHECK_EQ(passage.sent(text), get("X: y\r\n"));
  passage.keepUpgrade = true;
  CHECK_EQ(passage.sent(text), get("X: y\r\nConnection: upgrade\r\nUpgrade: raw\r\n"));
  CHECK_EQ(passage.sent(get("TE: gzip, trailers\r\nConnection: TE\r\n")),
           get("TE: trailers\r\nConnection: TE\r\n"));
  CHECK_EQ(passage.sent(get("TE: gzip\r\n")), get(""));
}

TEST("a client's own claims are replaced unless its address is trusted") {
  Passage passage;
  passage.listener.forwarded = ForwardedMode::Replace;
  const std::string text =
      get("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: c\r\n"
          "X-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Forwarded-Port: 9\r\n"
          "X-Forwarded-For: 2.2.2.2\r\nX: y\r\nConnection: X-Forwarded-For\r\n");
  const std::string ours = get("X: y\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
                               "X-Forwarded-Host: a.example\r\nX-Real-IP: 192.0.2.1\r\n"
                               "Forwarded: for=192.0.2.1;host=a.example;proto=http\r\n");
  const std::string appended =
      get("X-Forwarded-Proto: https\r\nX-Forwarded-Host: c\r\nX-Real-IP: 1.1.1.1\r\n"
          "X-Forwarded-Port: 9\r\nX: y\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.1\r\n"
          "Forwarded: for=1.1.1.1, for=192.0.2.1;host=a.example;proto=http\r\n");
  CHECK_EQ(passage.sent(text), ours);
  passage.isTrusted = true;
  CHECK_EQ(passage.sent(text), appended);
  CHECK_EQ(passage.sent(get("X: y\r\n")), ours);
  passage.isTrusted = false;
  passage.listener.forwarded = ForwardedMode::Append;
  CHECK_EQ(passage.sent(text), appended);
  passage.listener.forwarded = ForwardedMode::Off;
  passage.isTrusted = true;
  CHECK_EQ(passage.sent(text), get("X: y\r\n"));
}

TEST("Forwarded quotes what it cannot hold bare, and a client without address is unknown") {
  Passage passage;
  passage.listener.forwarded = ForwardedMode::Replace;
  passage.clientIp = "::1";
  CHECK(passage.sent("GET / HTTP/1.1\r\nHost: a:80\r\n\r\n")
            .ends_with("Forwarded: for=\"[::1]\";host=\"a:80\";proto=http\r\n\r\n"));
  passage.clientIp = "";
  CHECK_EQ(passage.sent("GET / HTTP/1.0\r\n\r\n"),
           "GET / HTTP/1.1\r\nHost: 10.0.0.1:3000\r\nX-Forwarded-For: unknown\r\n"
           "X-Forwarded-Proto: http\r\nForwarded: for=unknown;proto=http\r\n\r\n");
}

TEST("request edits are applied in order and win over what we add") {
  Passage passage;
  passage.route.requestEdits = {
      edit(EditOp::Set, "X-Set", "new"), edit(EditOp::Set, "X-Fresh", "fresh"),
      edit(EditOp::Add, "X-Add", "two"), edit(EditOp::Add, "X-Add", "three"),
      edit(EditOp::Remove, "X-Secret"),  edit(EditOp::Add, "X-Lost", "x"),
      edit(EditOp::Remove, "x-lost"),
  };
  CHECK_EQ(passage.sent(get("x-set: old\r\nX-SECRET: a\r\nX-Add: one\r\nX-Set: older\r\nO: k\r\n")),
           get("X-Add: one\r\nO: k\r\nX-Set: new\r\nX-Fresh: fresh\r\nX-Add: two\r\n"
               "X-Add: three\r\n"));
  passage.listener.forwarded = ForwardedMode::Replace;
  passage.route.requestEdits = {
      edit(EditOp::Set, "X-Forwarded-Proto", "https"), edit(EditOp::Remove, "forwarded"),
      edit(EditOp::Remove, "X-Real-IP"), edit(EditOp::Remove, "X-Forwarded-Host")};
  CHECK_EQ(passage.sent(get("")),
           get("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"));
}

TEST("a head that does not fit is reported and never written past the end") {
  const std::string text = get("X-A: b\r\n");
  CHECK(parseRequest(text, kLimits, request).state == ParseState::Done);
  const Passage passage;
  for (std::size_t room = 0; room <= text.size(); ++room) {
    std::vector<char> buffer(room + 1, '!');
    HeadWriter out(std::span<char>(buffer).first(room));
    const ForwardContext context{.listener = passage.listener,
                                 .route = passage.route,
                                 .target = passage.target,
                                 .clientIp = {},
                                 .path = request.path};
    CHECK_EQ(writeRequestHead(out, request, context), room == text.size());
    CHECK_EQ(buffer[room], '!');
  }
}

TEST("a response leaves as it came but for what ends here") {
  CHECK_EQ(answered("HTTP/1.0 200 Fine\r\nConnection: keep-alive, X-Named\r\nKeep-Alive: a\r\n"
                    "Proxy-Authenticate: Basic\r\nProxy-Connection: x\r\nUpgrade: h2c\r\n"
                    "X-Named: gone\r\nX-Kept:  kept\r\nTrailer: T\r\nServer: s\r\n"
                    "Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\nDate: d\r\n"
                    "Proxy-Status: other\r\n\r\n",
                    {}),
           "HTTP/1.1 200 Fine\r\nX-Kept: kept\r\nServer: s\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
           "Content-Length: 5\r\nDate: d\r\nProxy-Status: other\r\n\r\n");
}

TEST("a response is framed as the client can take it") {
  const std::string length = "HTTP/1.1 200 OK\r\nContent-Length: 05\r\n\r\n";
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
  const std::string close = "HTTP/1.1 200 OK\r\n\r\n";
  const std::string start = "HTTP/1.1 200 OK\r\n";
  CHECK_EQ(answered(length, {}), start + "Content-Length: 5\r\n\r\n");
  CHECK_EQ(answered(chunked, {}), start + "Transfer-Encoding: chunked\r\n\r\n");
  CHECK_EQ(answered(close, {}), start + "Connection: close\r\n\r\n");
  CHECK_EQ(answered(close, {.kind = Framing::Chunked}),
           start + "Transfer-Encoding: chunked\r\n\r\n");
  CHECK_EQ(answered(chunked, {.kind = Framing::UntilClose}), start + "Connection: close\r\n\r\n");
  CHECK_EQ(answered(close, {.kind = Framing::Length, .length = 7}),
           start + "Content-Length: 7\r\n\r\n");
  CHECK_EQ(answered(length, {.kind = Framing::Length, .length = 7}),
           start + "Content-Length: 7\r\n\r\n");
  CHECK_EQ(answered(length, {.connection = ConnectionOption::KeepAlive}),
           start + "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n");
  CHECK_EQ(answered(length, {.connection = ConnectionOption::Close}),
           start + "Content-Length: 5\r\nConnection: close\r\n\r\n");
  CHECK_EQ(answered(length, {.kind = Framing::None}), start + "\r\n");
}

TEST("a response without body keeps its length only where that means something") {
  CHECK_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {}, true),
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  CHECK_EQ(answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n", {}),
           "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n");
  CHECK_EQ(answered("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", {}),
           "HTTP/1.1 204 No Content\r\n\r\n");
  CHECK_EQ(answered("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", {}),
           "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST("interim responses leave as heads of their own, and 101 with its upgrade") {
  plan::Route route;
  route.responseEdits = {edit(EditOp::Set, "X-A", "b")};
  CHECK_EQ(answered("HTTP/1.1 103 Early Hints\r\nLink: x\r\nConnection: close\r\n\r\n",
                    {.connection = ConnectionOption::Close}, false, route),
           "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
  CHECK_EQ(answered("HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: x\r\n\r\n",
                    {}, false, route),
           "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n"
           "Connection: upgrade\r\nUpgrade: raw\r\n\r\n");
}

TEST("response edits are applied") {
  plan::Route route;
  route.responseEdits = {edit(EditOp::Set, "Via", "new"), edit(EditOp::Add, "Set-Cookie", "b=2"),
                         edit(EditOp::Remove, "x-powered-by")};
  CHECK_EQ(answered("HTTP/1.1 200 OK\r\nVia: old\r\nX-Powered-By: php\r\nSet-Cookie: a=1\r\n"
                    "Content-Length: 1\r\n\r\n",
                    {}, false, route),
           "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 1\r\nVia: new\r\n"
           "Set-Cookie: b=2\r\n\r\n");
}
