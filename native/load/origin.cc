// The target behind the proxies of a comparison: one process, one epoll loop, and a port for each
// role: TCP echo, source and sink (load/origin_tcp.h), UDP echo (load/origin_udp.h) and HTTP
// (load/origin_http.h).
//
//   origin [--host 127.0.0.1] [--http 0] [--echo 0] [--source 0] [--sink 0] [--udp 0]
//
// Prints its ports as one line of JSON, then runs until its standard input ends or SIGTERM.
#include <csignal>
#include <cstdio>
#include <memory>

#include "load/command_line.h"
#include "load/entry.h"
#include "load/origin_http.h"
#include "load/origin_tcp.h"
#include "load/origin_udp.h"

namespace sluice::load {
namespace {

/// Whoever started us holds the other end of our standard input: when that ends, so do we.
class Parent final : public Entry {
 public:
  explicit Parent(Shared& shared) {
    // Files and /dev/null cannot be waited for; a pipe can, and a terminal is left to the shell.
    if (::isatty(STDIN_FILENO) == 0) {
      static_cast<void>(shared.epoll.tryAdd(STDIN_FILENO, EPOLLIN, this));
    }
  }

  void onReady(std::uint32_t) override {
    char bytes[64];
    if (::read(STDIN_FILENO, bytes, sizeof bytes) <= 0) {
      std::exit(0);
    }
  }
};

int run(int count, char** values) {
  CommandLine line(count, values);
  const std::string host = line.text("--host", "127.0.0.1");
  const auto address = [&](const char* name) {
    return parseAddress(host + ":" + line.text(name, "0"));
  };
  sockaddr_in http = address("--http");
  sockaddr_in echo = address("--echo");
  sockaddr_in source = address("--source");
  sockaddr_in sink = address("--sink");
  sockaddr_in udp = address("--udp");
  line.refuseTheRest();
  raiseDescriptorLimit();
  wakeExactly();
  std::signal(SIGTERM, [](int) { ::_exit(0); });

  const auto shared = std::make_unique<Shared>();
  HttpShared requests(*shared);
  Listener httpListener(*shared, http,
                        [&requests](int fd) { new HttpConnection(requests, fd); }); // owns itself
  Listener echoListener(*shared, echo, play(*shared, Role::Echo));
  Listener sourceListener(*shared, source, play(*shared, Role::Source));
  Listener sinkListener(*shared, sink, play(*shared, Role::Sink));
  UdpEcho udpEcho(*shared, udp);
  Parent parent(*shared);
  std::printf("{\"http\":%u,\"echo\":%u,\"source\":%u,\"sink\":%u,\"udp\":%u}\n",
              ntohs(http.sin_port), ntohs(echo.sin_port), ntohs(source.sin_port),
              ntohs(sink.sin_port), ntohs(udp.sin_port));
  std::fflush(stdout);
  for (;;) {
    shared->turn(requests.hasDelayed() ? requests.restNs(nowNs()) : -1);
    if (requests.hasDelayed()) {
      requests.wakeDue(nowNs());
    }
  }
}

} // namespace
} // namespace sluice::load

int main(int count, char** values) {
  return sluice::load::run(count, values);
}
