#include "http/answer.h"

#include <string>

#include "http/response.h"
#include "test/http/limits.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;
using test::kLimits;

namespace {

constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string dateOf(std::time_t time) {
  char out[kDateBytes];
  formatDate(time, out);
  return {out, kDateBytes};
}

char buffer[4096];

} // namespace

TEST("dates are written as RFC 9110 wants them") {
  CHECK_EQ(dateOf(784'111'777), kDate);
  CHECK_EQ(dateOf(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK_EQ(dateOf(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
  CHECK_EQ(dateOf(4'107'542'399), "Sun, 28 Feb 2100 23:59:59 GMT");
  CHECK_EQ(dateOf(4'107'542'400), "Mon, 01 Mar 2100 00:00:00 GMT");
  // Against the C library, over many days.
  for (std::time_t time = 1'000'000; time < 5'000'000'000; time += 7'654'321) {
    std::tm parts{};
    char expected[64];
    ::gmtime_r(&time, &parts);
    CHECK(std::strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts) == 29);
    CHECK_EQ(dateOf(time), std::string(expected));
  }
}

TEST("an error is answered with status, date, Proxy-Status and a small text") {
  HeadWriter out(buffer);
  const std::size_t size = writeGenerated(out, Errc::ConnectRefused, false, kDate);
  CHECK_EQ(out.view(), "HTTP/1.1 502 Bad Gateway\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 16\r\n"
                       "Proxy-Status: sluice; error=connection_refused\r\n\r\n502 Bad Gateway\n");
  CHECK_EQ(size, out.size());
}

TEST("every error that has an answer fits, parses strictly and has a reason") {
  for (std::size_t code = 0; code < kErrcCount; ++code) {
    for (const bool isHead : {false, true}) {
      char small[kGeneratedBytes];
      HeadWriter out(small);
      const auto errc = static_cast<Errc>(code);
      const std::size_t size = writeGenerated(out, errc, true, kDate, isHead);
      CHECK_EQ(size == 0, errcInfo(errc).status == 0);
      if (size == 0) {
        continue;
      }
      ResponseHead head;
      const ParseResult result = parseResponse(out.view(), kLimits, isHead, head);
      CHECK(result.state == ParseState::Done);
      CHECK_EQ(head.status, errcInfo(errc).status);
      CHECK(!head.keepAlive);
      CHECK(!head.reason.empty());
      CHECK_EQ(size - result.consumed, isHead ? 0 : head.contentLength);
    }
  }
}

TEST("an answer that does not fit has no length") {
  char small[100];
  HeadWriter out(small);
  CHECK_EQ(writeGenerated(out, Errc::NoRoute, true, kDate), 0u);
}

TEST("a fixed answer has the plan's fields, our own where it has none, and the length") {
  plan::Route route;
  route.action.kind = ActionKind::Respond;
  route.action.status = 418;
  route.action.headers = {{"X-Pot", "tea"}, {"content-type", "text/tea"}};
  route.action.body = "short and stout";
  HeadWriter first(buffer);
  CHECK(writeRespond(first, route, {.date = kDate}));
  CHECK_EQ(first.view(), "HTTP/1.1 418 I'm a teapot\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                         "X-Pot: tea\r\ncontent-type: text/tea\r\nContent-Length: 15\r\n"
                         "Proxy-Status: sluice\r\n\r\n");
  CHECK(hasRespondBody(route));
  route.action.headers.clear();
  route.responseEdits = {{EditOp::Set, "X-Frame-Options", "DENY"}, {EditOp::Remove, "Date", ""}};
  HeadWriter second(buffer);
  CHECK(writeRespond(second, route, {.date = kDate, .connection = ConnectionOption::Close}));
  CHECK_EQ(second.view(), "HTTP/1.1 418 I'm a teapot\r\n"
                          "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 15\r\n"
                          "Proxy-Status: sluice\r\nConnection: close\r\n"
                          "X-Frame-Options: DENY\r\n\r\n");
  route.action.status = 204;
  route.responseEdits.clear();
  HeadWriter third(buffer);
  CHECK(writeRespond(third, route, {.date = kDate}));
  CHECK_EQ(third.view(), "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                         "Proxy-Status: sluice\r\n\r\n");
  CHECK(!hasRespondBody(route));
}

TEST("a redirect is filled in with the parts of the request") {
  plan::Route route;
  route.stripPrefix = "/moved";
  route.action.kind = ActionKind::Redirect;
  route.action.status = 308;
  route.action.location = {{LocationPartKind::Scheme, ""},
                           {LocationPartKind::Literal, "://"},
                           {LocationPartKind::Host, ""},
                           {LocationPartKind::Path, ""},
                           {LocationPartKind::Query, ""}};
  RequestHead head;
  const std::string text = "GET /moved/a?b=c HTTP/1.1\r\nHost: site.example:81\r\n\r\n";
  CHECK(parseRequest(text, kLimits, head).state == ParseState::Done);
  HeadWriter whole(buffer);
  CHECK(writeRedirect(whole, route, head, head.path,
                      {.date = kDate, .connection = ConnectionOption::KeepAlive}));
  CHECK_EQ(whole.view(),
           "HTTP/1.1 308 Permanent Redirect\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
           "Location: http://site.example:81/a?b=c\r\n"
           "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\n"
           "Proxy-Status: sluice\r\nConnection: keep-alive\r\n\r\n308 Permanent Redirect\n");
  HeadWriter headOnly(buffer);
  CHECK(writeRedirect(headOnly, route, head, head.path, {.date = kDate, .isHead = true}));
  CHECK(headOnly.view().ends_with("\r\n\r\n"));
}
