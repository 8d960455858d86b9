// TCP load through a proxy:
//   pull      streams read the pattern from an `origin` source port
//   push      streams write the pattern to an `origin` sink port, whose count is compared with ours
//             at the end
//   pingpong  connections send a message to an echo port and wait for it, closed loop or open
//   connect   the same with a new connection for each message
// With --origin, --to is a forward proxy, and each connection begins with a CONNECT to the origin.
//
//   load-tcp --to 127.0.0.1:9000 [--origin 127.0.0.1:9001] [--mode pull|push|pingpong|connect]
//            [--connections N] [--check-mib 8] [--warmup 0.5] [--seconds 2] [--timeout 2]
//            pingpong and connect: [--size 100] [--arrival closed|fixed|poisson] [--rate R]
//            [--queue 65536] [--seed 1] [--histogram]
//   load-tcp --self-test [--mirror-core N] …     the same against its own mirror, without --to
//
// Begins with a check that verifies everything; while sampling, a stream verifies its first MiB and
// an echo is compared byte for byte. Prints one JSON object, in which `rate` counts bytes (pull,
// push) or messages. `totalBytes` and `totalMessages` count all work from start to end, for a caller
// who compares them with CPU time from start to end. Exit status 1: a wrong answer, a connection
// that ended early or could not be made, or one that stalled.
#include <cstdio>
#include <string>

#include "load/command_line.h"
#include "load/mirror.h"
#include "load/origin_tcp.h"
#include "load/outcome.h"
#include "load/tcp_echo.h"
#include "load/tcp_stream.h"
#include "load/transport.h"
#include "load/tunnel.h"
#include "load/tunnel_mirror.h"

namespace sluice::load {
namespace {

constexpr std::uint64_t kMib = 1024 * 1024;

struct Common {
  std::string modeName;
  bool isStream = false;
  Role role = Role::Echo; ///< of the origin
  std::uint32_t connections = 0;
  double timeoutSeconds = 0;
  double warmup = 0;
  double seconds = 0;
};

void printHead(const Common& common, const Target& target, const Sample& sample) {
  std::printf("{\"mode\":\"%s\",\"connections\":%u,", common.modeName.c_str(), common.connections);
  target.printJson(sample);
  sample.printJson();
}

template<typename Transport>
int runStreams(CommandLine& line, const Target& target, const Common& common,
               Transport& transport) {
  const std::uint32_t checkMib = line.count("--check-mib", 8, 1, 1'024);
  line.refuseTheRest();

  Streams streams(transport, target.address, common.role == Role::Source ? Flow::Pull : Flow::Push,
                  common.timeoutSeconds);
  streams.check(checkMib * kMib);
  streams.start(common.connections);
  streams.runFor(common.warmup);
  const std::uint64_t before = streams.tally().bytes;
  Sample sample(before);
  streams.runFor(common.seconds);
  const std::uint64_t after = streams.tally().bytes;
  sample.end(after);
  streams.finish();

  const Tally& tally = streams.tally();
  printHead(common, target, sample);
  transport.printJson();
  printArrival({});
  printCount("bytes", after - before);
  printCount("messages", 0);
  printCount("totalBytes", tally.bytes);
  printCount("totalMessages", 0);
  printTally(tally);
  std::printf("\"sampled\":0,\"latencyUs\":null}\n");
  return tally.errors() == 0 ? 0 : 1;
}

template<typename Transport>
int runEchoes(CommandLine& line, const Target& target, const Common& common, Transport& transport) {
  const std::uint32_t size = line.count("--size", 100, kMessageHead, 65'536);
  const bool withHistogram = line.flag("--histogram");
  ClientsShape shape;
  shape.to = target.address;
  shape.connections = common.connections;
  shape.isReused = common.modeName == "pingpong";
  shape.timeoutSeconds = common.timeoutSeconds;
  shape.arrival = parseArrival(line);
  line.refuseTheRest();

  Echoes echoes(size);
  Clients clients(echoes, transport, shape);
  clients.check(3);
  clients.start();
  clients.runFor(common.warmup);
  const Tally before = clients.tally();
  clients.beginSample();
  Sample sample(before.answered);
  clients.runFor(common.seconds);
  clients.endSample();
  const Tally after = clients.tally();
  sample.end(after.answered);
  clients.finish();

  const Tally& tally = clients.tally();
  printHead(common, target, sample);
  transport.printJson();
  printArrival(shape.arrival);
  printCount("size", size);
  printCount("bytes", after.bytes - before.bytes);
  printCount("messages", after.answered - before.answered);
  printCount("totalBytes", tally.bytes);
  printCount("totalMessages", tally.answered);
  printTally(tally);
  printLatencies(clients.latencies(), clients.lags(), shape.arrival, withHistogram);
  if (tally.handshakeFailures > 0) {
    std::fprintf(stderr, "%s\n", transport.whyNotReady().c_str());
  }
  return tally.errors() == 0 ? 0 : 1;
}

/// `accept(shared, fd)` makes a connection of the mirror.
template<typename Transport, typename Accept>
int measure(CommandLine& line, const Common& common, Transport& transport, Accept accept) {
  const Target target =
      findTarget(line, parseSelfTest(line), [accept](Shared& shared, sockaddr_in& address) {
        return listen(shared, address, [&shared, accept](int fd) { accept(shared, fd); });
      });
  return common.isStream ? runStreams(line, target, common, transport)
                         : runEchoes(line, target, common, transport);
}

int run(int count, char** values) {
  raiseDescriptorLimit();
  CommandLine line(count, values);
  constexpr const char* kModes[] = {"pingpong", "connect", "pull", "push"};
  const std::size_t mode = line.choice("--mode", {kModes[0], kModes[1], kModes[2], kModes[3]});
  Common common;
  common.modeName = kModes[mode];
  common.isStream = mode >= 2;
  common.role = mode == 2 ? Role::Source : mode == 3 ? Role::Sink : Role::Echo;
  common.connections = line.count("--connections", common.isStream ? 2 : 64, 1, 60'000);
  common.timeoutSeconds = line.number("--timeout", 2, 0.01, 600);
  common.warmup = line.number("--warmup", 0.5, 0, 600);
  common.seconds = line.number("--seconds", 2, 0.1, 600);
  const Role role = common.role;
  if (const std::string origin = line.text("--origin", ""); !origin.empty()) {
    TunnelTransport tunnels(nameOf(parseAddress(origin)));
    return measure(line, common, tunnels,
                   [role, bytes = tunnels.requestBytes()](Shared& shared, int fd) {
                     new TunnelMirror(shared, fd, role, bytes); // owns itself
                   });
  }
  PlainTransport plain;
  return measure(line, common, plain, [role](Shared& shared, int fd) {
    new TcpConnection(shared, fd, role); // owns itself
  });
}

} // namespace
} // namespace sluice::load

int main(int count, char** values) {
  return sluice::load::run(count, values);
}
