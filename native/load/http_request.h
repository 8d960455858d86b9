// What the origin understands of a request: whether it is one, what it asks for, how long to wait
// before the answer, and which body follows.
//
//   /                   100 bytes of the pattern
//   /bytes/N            N of them
//   /chunked/N/CHUNK    N of them in chunks of CHUNK
//   /delay/MS…          any of these after MS milliseconds; so does ?delay=MS
//
// POST, PUT and PATCH may name any path.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "load/http_text.h"

namespace sluice::load {

struct Request {
  int status = 400;             ///< of the answer; 400 also ends the connection
  std::uint64_t bytes = 100;    ///< of the answer's body
  std::uint64_t chunkBytes = 0; ///< 0: not chunked
  std::uint64_t delayMs = 0;
  std::uint64_t bodyBytes = 0; ///< of the request
  bool isBodyChunked = false;
  bool isUpload = false; ///< answered with what was received
  bool isHead = false;
  bool isOld = false; ///< HTTP/1.0
  bool isKept = true; ///< the connection goes on afterwards
  bool wantsContinue = false;

  [[nodiscard]] bool hasBody() const { return isBodyChunked || bodyBytes > 0; }
};

inline constexpr std::uint64_t kLargestDelayMs = 600'000;

/// Takes `/name/` and a number off the front; nothing happens where there is another name.
[[nodiscard]] inline std::optional<std::uint64_t> takeNumber(std::string_view& path,
                                                             std::string_view before) {
  if (!path.starts_with(before)) {
    return std::nullopt;
  }
  const std::string_view rest = path.substr(before.size());
  const std::size_t end = std::min(rest.find('/'), rest.size());
  const std::optional<std::uint64_t> number = parseDecimal(rest.substr(0, end));
  if (number) {
    path = rest.substr(end);
  }
  return number;
}

/// Whether there is something at `target`, the path and query of a request.
[[nodiscard]] inline bool findResource(std::string_view target, Request& request) {
  const std::size_t mark = target.find('?');
  std::string_view path = target.substr(0, mark);
  std::string_view query =
      mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    if (query.starts_with("delay=")) {
      const std::optional<std::uint64_t> delay = parseDecimal(query.substr(6, end - 6));
      if (!delay) {
        return false;
      }
      request.delayMs = *delay;
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  if (const auto delay = takeNumber(path, "/delay/")) {
    request.delayMs = *delay;
    path = path.empty() ? "/" : path;
  }
  if (request.delayMs > kLargestDelayMs) {
    return false;
  }
  if (const auto bytes = takeNumber(path, "/bytes/")) {
    request.bytes = *bytes;
    return path.empty();
  }
  if (const auto bytes = takeNumber(path, "/chunked/")) {
    const auto chunk = takeNumber(path, "/");
    request.bytes = *bytes;
    request.chunkBytes = chunk.value_or(0);
    return path.empty() && request.chunkBytes > 0;
  }
  return path == "/";
}

/// `head` ends with an empty line.
[[nodiscard]] inline Request parseRequest(std::string_view head) {
  Request request;
  const std::size_t lineEnd = head.find("\r\n");
  const std::string_view line = head.substr(0, lineEnd);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0 || last == first) {
    return request;
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view version = line.substr(last + 1);
  std::string_view target = line.substr(first + 1, last - first - 1);
  if (target.starts_with("http://")) {
    target = target.substr(std::min(target.find('/', 7), target.size()));
    target = target.empty() ? "/" : target;
  }
  const std::optional<Framing> framing = parseFraming(head.substr(lineEnd + 2));
  if (!framing || !target.starts_with('/') || target.find(' ') != std::string_view::npos ||
      (version != "HTTP/1.1" && version != "HTTP/1.0")) {
    return request;
  }
  request.isOld = version == "HTTP/1.0";
  request.isKept = !framing->saysClose && (!request.isOld || framing->saysKeepAlive);
  request.isHead = method == "HEAD";
  request.isUpload = method == "POST" || method == "PUT" || method == "PATCH";
  request.bodyBytes = framing->length.value_or(0);
  request.isBodyChunked = framing->isChunked;
  request.wantsContinue = framing->saysContinue && request.hasBody();
  const bool isThere = findResource(target, request);
  request.delayMs = isThere ? request.delayMs : 0;
  const bool isKnown = request.isUpload || request.isHead || method == "GET";
  request.status = !isKnown ? 405 : isThere || request.isUpload ? 200 : 404;
  return request;
}

} // namespace sluice::load
