// One JSON line for each request, connection or session, written by the worker that served it and
// handed to the log writer's thread through the worker's ring. A ring that is full refuses the
// line: it is counted.
#pragma once

#include <cstdint>
#include <string_view>

#include "net/socket_address.h"
#include "relay/context.h"

namespace sluice::relay {

struct LogRecord {
  const net::SocketAddress& client;
  std::string_view listener;
  /// What follows up to `status` is for HTTP only, and null in the line where it is empty.
  bool isHttp = false;
  std::string_view route = {};
  std::string_view method = {};
  std::string_view host = {};
  std::string_view path = {};
  /// With its question mark.
  std::string_view query = {};
  std::uint16_t status = 0;
  std::uint64_t bytesIn = 0;
  std::uint64_t bytesOut = 0;
  std::uint64_t durationNs = 0;
  /// http: from the request's arrival to the response head; 0 = there was none.
  std::uint64_t upstreamNs = 0;
  /// Empty when no target was reached.
  std::string_view target = {};
  /// Of forward proxies alone.
  std::string_view user = {};
  /// Of a tunnel: host and port.
  std::string_view destination = {};
  bool isForward = false;
  Errc error = Errc::None;
};

/// `log` is ActivePlan::log(listener) and not kNoLog; drops are counted on `listener`.
void writeLog(Context& context, std::uint16_t log, plan::StatShard& listener,
              const LogRecord& record) noexcept;

} // namespace sluice::relay
