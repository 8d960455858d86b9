// HTTP/1.1 load through a proxy, without pipelining: kept connections or one for each request, closed
// loop or open. With --origin, --to is a forward proxy, and requests name the origin in absolute
// form.
//
//   load-http --to 127.0.0.1:8080 [--origin 127.0.0.1:9000] [--path /] [--connections 64] [--reuse on|off] [--host bench.test]
//             [--method GET|POST] [--body-bytes 0] [--header 'Accept: text/html']
//             [--expect-status 200] [--expect-bytes N] [--expect-body origin|any]
//             [--check 3] [--warmup 0.5] [--seconds 2] [--timeout 2] [--histogram]
//             [--arrival closed|fixed|poisson] [--rate R] [--queue 65536] [--seed 1]
//             [--tls [--tls-version 1.3|1.2] [--tls-name bench.test] [--resume]
//                    [--tls-cipher TLS_AES_128_GCM_SHA256] [--tls-group X25519]]
//   load-http --self-test [--mirror-core N] …      the same against its own mirror, without --to
//   load-http --about                              {"tls":"OpenSSL …"}, or null without
//
// Begins with --check requests whose answers are verified to the last byte: by default they are
// what load/origin_http.h sends, the pattern or, to a POST, the count of what came. Without
// --expect-bytes the first answer says how long all are. Prints one JSON object (load/outcome.h);
// `total…` counts all work from start to end, for a caller who compares it with CPU time from start
// to end. Over TLS (load/tls_client.h) kept connections shake hands before the first request and
// others with each one, by resuming the client's last session under --resume. Exit status 1: a wrong answer, a connection or handshake that ended early
// or could not be made, or one that stalled. Lost and late answers of an open loop alone are findings, not failures.
#include <cstdio>
#include <string>

#include "load/clients.h"
#include "load/command_line.h"
#include "load/http_exchange.h"
#include "load/mirror.h"
#include "load/outcome.h"
#include "load/transport.h"

#ifdef SLUICE_LOAD_OPENSSL
#include "load/tls_load.h"
#else
#include "load/tls_absent.h"
#endif

namespace sluice::load {
namespace {

[[nodiscard]] HttpShape parseShape(CommandLine& line) {
  HttpShape shape;
  if (const std::string origin = line.text("--origin", ""); !origin.empty()) {
    shape.isAbsolute = true;
    shape.host = nameOf(parseAddress(origin));
  } else {
    shape.host = line.text("--host", "bench.test");
  }
  shape.path = line.text("--path", "/");
  shape.isReused = line.choice("--reuse", {"on", "off"}) == 0;
  shape.isPost = line.choice("--method", {"GET", "POST"}) == 1;
  if (shape.isPost) {
    shape.bodyBytes = line.count("--body-bytes", 0, 0, 1'073'741'824);
  }
  if (const std::string field = line.text("--header", ""); !field.empty()) {
    shape.fields = field + "\r\n";
  }
  shape.expectedStatus = line.count("--expect-status", 200, 200, 599);
  shape.isOriginExpected = line.choice("--expect-body", {"origin", "any"}) == 0;
  if (const double bytes = line.number("--expect-bytes", -1, 0, 1e12); bytes >= 0) {
    shape.expectedBytes = static_cast<std::uint64_t>(bytes);
  }
  return shape;
}

/// What the mirror says to each request.
[[nodiscard]] Canned canned(const HttpExchanges& exchanges, const HttpShape& shape) {
  std::string body;
  if (shape.isPost && shape.isOriginExpected) {
    body = "{\"bytes\":" + std::to_string(shape.bodyBytes) + ",\"isPattern\":true}\n";
  } else {
    const Pattern pattern;
    for (std::uint64_t left = exchanges.expectedBytes(); left > 0;) {
      const std::span<const std::byte> data = pattern.from(body.size());
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left, data.size()));
      body += textOf(data.first(take));
      left -= take;
    }
  }
  const std::string head = "HTTP/1.1 " + std::to_string(shape.expectedStatus) +
                           " OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  return {exchanges.requestBytes(), head + body, shape.isReused};
}

struct Asked {
  HttpShape http;
  SelfTest selfTest;
};

/// `accept(shared, fd, answers)` makes a connection of the mirror.
template<typename Transport, typename Accept>
int measure(CommandLine& line, const Asked& asked, Transport& transport, Accept&& accept) {
  const HttpShape& http = asked.http;
  HttpExchanges exchanges(http);
  const Canned answers = canned(exchanges, http);
  const Target target = findTarget(line, asked.selfTest, [&](Shared& shared, sockaddr_in& address) {
    return listen(shared, address, [&](int fd) { accept(shared, fd, answers); });
  });
  ClientsShape shape;
  shape.to = target.address;
  shape.connections = line.count("--connections", 64, 1, 60'000);
  shape.isReused = http.isReused;
  shape.timeoutSeconds = line.number("--timeout", 2, 0.01, 600);
  shape.arrival = parseArrival(line);
  const std::uint32_t checks = line.count("--check", 3, 1, 1'000);
  const double warmup = line.number("--warmup", 0.5, 0, 600);
  const double seconds = line.number("--seconds", 2, 0.1, 600);
  const bool withHistogram = line.flag("--histogram");
  line.refuseTheRest();

  Clients clients(exchanges, transport, shape);
  clients.check(checks);
  clients.start();
  clients.runFor(warmup);
  const Tally before = clients.tally();
  clients.beginSample();
  Sample sample(before.answered);
  clients.runFor(seconds);
  clients.endSample();
  const Tally after = clients.tally();
  sample.end(after.answered);
  clients.finish();

  const Tally& tally = clients.tally();
  std::printf("{\"connections\":%u,\"isReused\":%s,", shape.connections,
              shape.isReused ? "true" : "false");
  printArrival(shape.arrival);
  transport.printJson();
  target.printJson(sample);
  sample.printJson();
  printCount("requests", after.answered - before.answered);
  printCount("bytes", after.bytes - before.bytes);
  printCount("totalRequests", tally.answered);
  printCount("totalBytes", tally.bytes);
  printTally(tally);
  printLatencies(clients.latencies(), clients.lags(), shape.arrival, withHistogram);
  if (tally.wrong > 0) {
    std::fprintf(stderr, "wrong: %s\n", exchanges.problem().c_str());
  }
  return tally.errors() == 0 ? 0 : 1;
}

int run(int count, char** values) {
  raiseDescriptorLimit();
  CommandLine line(count, values);
  if (line.flag("--about")) {
    line.refuseTheRest();
    const char* quote = kTlsLibrary != nullptr ? "\"" : "";
    std::printf("{\"tls\":%s%s%s}\n", quote, kTlsLibrary != nullptr ? kTlsLibrary : "null", quote);
    return 0;
  }
  Asked asked{.http = parseShape(line), .selfTest = parseSelfTest(line)};
  if (asked.selfTest.isOn && !asked.http.expectedBytes) {
    asked.http.expectedBytes = 100;
  }
  if (line.flag("--tls")) {
    return withTls(line, asked.http.host, [&](auto& transport, auto&& accept) {
      return measure(line, asked, transport, accept);
    });
  }
  PlainTransport plain;
  return measure(line, asked, plain, [](Shared& shared, int fd, const Canned& answers) {
    new CannedAnswers(shared, fd, answers); // owns itself
  });
}

} // namespace
} // namespace sluice::load

int main(int count, char** values) {
  return sluice::load::run(count, values);
}
