#include "http/answer.h"

#include <cstring>
#include <span>

#include "http/edits.h"
#include "http/route.h"

namespace sluice::http {
namespace {

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

void writeStatusLine(HeadWriter& out, std::uint16_t status) {
  out.append("HTTP/1.1 ");
  out.appendNumber(status);
  out.append(' ');
  out.append(reasonOf(status));
  out.append("\r\n");
}

void writeLength(HeadWriter& out, std::size_t length) {
  out.append("Content-Length: ");
  out.appendNumber(length);
  out.append("\r\n");
}

void writeConnection(HeadWriter& out, ConnectionOption option) {
  switch (option) {
  case ConnectionOption::Implied:
    break;
  case ConnectionOption::Close:
    out.append("Connection: close\r\n");
    break;
  case ConnectionOption::KeepAlive:
    out.append("Connection: keep-alive\r\n");
    break;
  }
}

/// "404 Not Found\n", the body of an answer that has nothing else to say.
struct StatusText {
  std::uint16_t status;
  [[nodiscard]] std::size_t size() const { return 5 + reasonOf(status).size(); }
  void write(HeadWriter& out) const {
    out.appendNumber(status);
    out.append(' ');
    out.append(reasonOf(status));
    out.append('\n');
  }
};

/// A field of our own, unless the plan takes it away.
void writeOurs(HeadWriter& out, std::span<const plan::HeaderEdit> edits, std::string_view name,
               std::string_view value) {
  if (!isEditedAway(edits, name)) {
    out.appendField(name, value);
  }
}

bool hasHeader(const plan::Action& action, std::string_view name) {
  for (const plan::HeaderLine& header : action.headers) {
    if (equalsIgnoreCase(header.name, name)) {
      return true;
    }
  }
  return false;
}

void writeLocation(HeadWriter& out, const plan::Route& route, const RequestHead& head,
                   std::string_view path, bool isTls) {
  out.append("Location: ");
  for (const plan::LocationPart& part : route.action.location) {
    switch (part.part) {
    case LocationPartKind::Literal:
      out.append(part.text);
      break;
    case LocationPartKind::Scheme:
      out.append(isTls ? "https" : "http");
      break;
    case LocationPartKind::Host:
      out.append(head.authority);
      break;
    case LocationPartKind::Hostname:
      out.append(head.host);
      break;
    case LocationPartKind::Path: {
      const RewrittenPath rewritten = rewritePath(route, path);
      out.append(rewritten.prefix);
      out.append(rewritten.rest);
      break;
    }
    case LocationPartKind::Query:
      out.append(head.query);
      break;
    }
  }
  out.append("\r\n");
}

} // namespace

std::size_t writeGenerated(HeadWriter& out, Errc code, bool close, std::string_view date,
                           bool isHead) noexcept {
  const ErrcInfo& info = errcInfo(code);
  if (info.status == 0) {
    return 0;
  }
  const std::size_t begin = out.size();
  const StatusText body{info.status};
  writeStatusLine(out, info.status);
  out.appendField("Date", date);
  out.appendField("Content-Type", kPlainText);
  writeLength(out, body.size());
  out.append("Proxy-Status: sluice; error=");
  out.append(info.proxyStatus);
  out.append("\r\n");
  writeConnection(out, close ? ConnectionOption::Close : ConnectionOption::Implied);
  out.append("\r\n");
  if (!isHead) {
    body.write(out);
  }
  return out.hasOverflowed() ? 0 : out.size() - begin;
}

bool writeRefusal(HeadWriter& out, const Refusal& refusal, const AnswerContext& context) noexcept {
  const ErrcInfo& info = errcInfo(refusal.code);
  const StatusText usual{info.status};
  writeStatusLine(out, info.status);
  out.appendField("Date", context.date);
  out.appendField("Content-Type",
                  refusal.page.empty() ? kPlainText : std::string_view("text/html; charset=utf-8"));
  writeLength(out, refusal.page.empty() ? usual.size() : refusal.page.size());
  if (!refusal.fieldName.empty()) {
    out.appendField(refusal.fieldName, refusal.fieldValue);
  }
  out.append("Proxy-Status: sluice; error=");
  out.append(info.proxyStatus);
  out.append("\r\n");
  writeConnection(out, context.connection);
  out.append("\r\n");
  if (!context.isHead && refusal.page.empty()) {
    usual.write(out);
  }
  return !out.hasOverflowed();
}

bool writeAnswer(HeadWriter& out, std::uint16_t status, std::string_view contentType,
                 std::string_view body, const AnswerContext& context) noexcept {
  writeStatusLine(out, status);
  out.appendField("Date", context.date);
  out.appendField("Content-Type", contentType);
  writeLength(out, body.size());
  writeConnection(out, context.connection);
  out.append("\r\n");
  if (!context.isHead) {
    out.append(body);
  }
  return !out.hasOverflowed();
}

bool hasRespondBody(const plan::Route& route) noexcept {
  return route.action.status != 204 && route.action.status != 304;
}

bool writeRespond(HeadWriter& out, const plan::Route& route,
                  const AnswerContext& context) noexcept {
  const plan::Action& action = route.action;
  const std::span<const plan::HeaderEdit> edits = route.responseEdits;
  writeStatusLine(out, action.status);
  if (!hasHeader(action, "Date")) {
    writeOurs(out, edits, "Date", context.date);
  }
  if (!action.body.empty() && hasRespondBody(route) && !hasHeader(action, "Content-Type")) {
    writeOurs(out, edits, "Content-Type", kPlainText);
  }
  for (const plan::HeaderLine& header : action.headers) {
    writeOurs(out, edits, header.name, header.value);
  }
  if (hasRespondBody(route)) {
    writeLength(out, action.body.size());
  }
  writeOurs(out, edits, "Proxy-Status", "sluice");
  writeConnection(out, context.connection);
  writeEdits(out, edits);
  out.append("\r\n");
  return !out.hasOverflowed();
}

bool writeRedirect(HeadWriter& out, const plan::Route& route, const RequestHead& head,
                   std::string_view path, const AnswerContext& context) noexcept {
  const std::span<const plan::HeaderEdit> edits = route.responseEdits;
  const StatusText body{route.action.status};
  writeStatusLine(out, route.action.status);
  writeOurs(out, edits, "Date", context.date);
  if (!isEditedAway(edits, "Location")) {
    writeLocation(out, route, head, path, context.isTls);
  }
  writeOurs(out, edits, "Content-Type", kPlainText);
  writeLength(out, body.size());
  writeOurs(out, edits, "Proxy-Status", "sluice");
  writeConnection(out, context.connection);
  writeEdits(out, edits);
  out.append("\r\n");
  if (!context.isHead) {
    body.write(out);
  }
  return !out.hasOverflowed();
}

std::string_view reasonOf(std::uint16_t status) noexcept {
  switch (status) {
  case 100:
    return "Continue";
  case 101:
    return "Switching Protocols";
  case 103:
    return "Early Hints";
  case 200:
    return "OK";
  case 201:
    return "Created";
  case 202:
    return "Accepted";
  case 203:
    return "Non-Authoritative Information";
  case 204:
    return "No Content";
  case 205:
    return "Reset Content";
  case 206:
    return "Partial Content";
  case 300:
    return "Multiple Choices";
  case 301:
    return "Moved Permanently";
  case 302:
    return "Found";
  case 303:
    return "See Other";
  case 304:
    return "Not Modified";
  case 307:
    return "Temporary Redirect";
  case 308:
    return "Permanent Redirect";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 402:
    return "Payment Required";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 406:
    return "Not Acceptable";
  case 407:
    return "Proxy Authentication Required";
  case 408:
    return "Request Timeout";
  case 409:
    return "Conflict";
  case 410:
    return "Gone";
  case 411:
    return "Length Required";
  case 412:
    return "Precondition Failed";
  case 413:
    return "Content Too Large";
  case 414:
    return "URI Too Long";
  case 415:
    return "Unsupported Media Type";
  case 416:
    return "Range Not Satisfiable";
  case 417:
    return "Expectation Failed";
  case 418:
    return "I'm a teapot";
  case 421:
    return "Misdirected Request";
  case 422:
    return "Unprocessable Content";
  case 423:
    return "Locked";
  case 424:
    return "Failed Dependency";
  case 425:
    return "Too Early";
  case 426:
    return "Upgrade Required";
  case 428:
    return "Precondition Required";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 451:
    return "Unavailable For Legal Reasons";
  case 500:
    return "Internal Server Error";
  case 501:
    return "Not Implemented";
  case 502:
    return "Bad Gateway";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  case 505:
    return "HTTP Version Not Supported";
  case 507:
    return "Insufficient Storage";
  case 508:
    return "Loop Detected";
  case 511:
    return "Network Authentication Required";
  default:
    return {};
  }
}

void formatDate(std::time_t time, char (&out)[kDateBytes]) noexcept {
  constexpr std::string_view days = "ThuFriSatSunMonTueWed";
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  constexpr std::int64_t daySeconds = 86'400;
  std::int64_t day = time / daySeconds;
  std::int64_t second = time % daySeconds;
  if (second < 0) {
    second += daySeconds;
    --day;
  }
  // Civil date from days since 1970-01-01, counting years from March (proleptic Gregorian, eras of
  // 400 years).
  const std::int64_t shifted = day + 719'468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const std::int64_t dayOfEra = shifted - era * 146'097;
  const std::int64_t yearOfEra =
      (dayOfEra - dayOfEra / 1'460 + dayOfEra / 36'524 - dayOfEra / 146'096) / 365;
  const std::int64_t dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const std::int64_t marchMonth = (5 * dayOfYear + 2) / 153;
  const std::int64_t dayOfMonth = dayOfYear - (153 * marchMonth + 2) / 5 + 1;
  const std::int64_t month = marchMonth < 10 ? marchMonth + 2 : marchMonth - 10;
  const std::int64_t year = yearOfEra + era * 400 + (month < 2 ? 1 : 0);
  const std::int64_t weekday = (day % 7 + 7) % 7;

  std::memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", kDateBytes);
  std::memcpy(out, days.data() + weekday * 3, 3);
  std::memcpy(out + 8, months.data() + month * 3, 3);
  const auto put = [&](std::size_t at, std::int64_t value, std::size_t width) {
    for (std::size_t i = width; i > 0; --i) {
      out[at + i - 1] = static_cast<char>('0' + value % 10);
      value /= 10;
    }
  };
  put(5, dayOfMonth, 2);
  put(12, year, 4);
  put(17, second / 3'600, 2);
  put(20, second / 60 % 60, 2);
  put(23, second % 60, 2);
}

} // namespace sluice::http
