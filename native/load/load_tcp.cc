// TCP load through a proxy:
//   pull      streams read the pattern from an `origin` source port
//   push      streams write the pattern to an `origin` sink port, whose count is compared with ours
//             at the end
//   pingpong  connections send a message to an echo port and wait for it, closed loop or open
//   connect   the same with a new connection for each message
//
//   load-tcp --to 127.0.0.1:9000 [--mode pull|push|pingpong|connect] [--connections N]
//            [--check-mib 8] [--warmup 0.5] [--seconds 2] [--timeout 2]
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

namespace sluice::load {
namespace {

constexpr std::uint64_t kMib = 1024 * 1024;

struct Common {
  std::string modeName;
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

int runStreams(CommandLine& line, const Target& target, const Common& common) {
  const std::uint32_t checkMib = line.count("--check-mib", 8, 1, 1'024);
  line.refuseTheRest();

  Streams streams(target.address, common.modeName == "pull" ? Flow::Pull : Flow::Push,
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
  printArrival({});
  printCount("bytes", after - before);
  printCount("messages", 0);
  printCount("totalBytes", tally.bytes);
  printCount("totalMessages", 0);
  printTally(tally);
  std::printf("\"sampled\":0,\"latencyUs\":null}\n");
  return tally.errors() == 0 ? 0 : 1;
}

int runEchoes(CommandLine& line, const Target& target, const Common& common) {
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
  PlainTransport plain;
  Clients clients(echoes, plain, shape);
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
  printArrival(shape.arrival);
  printCount("size", size);
  printCount("bytes", after.bytes - before.bytes);
  printCount("messages", after.answered - before.answered);
  printCount("totalBytes", tally.bytes);
  printCount("totalMessages", tally.answered);
  printTally(tally);
  printLatencies(clients.latencies(), clients.lags(), shape.arrival, withHistogram);
  return tally.errors() == 0 ? 0 : 1;
}

int run(int count, char** values) {
  raiseDescriptorLimit();
  CommandLine line(count, values);
  constexpr const char* kModes[] = {"pingpong", "connect", "pull", "push"};
  const std::size_t mode = line.choice("--mode", {kModes[0], kModes[1], kModes[2], kModes[3]});
  const bool isStream = mode >= 2;
  Common common;
  common.modeName = kModes[mode];
  common.connections = line.count("--connections", isStream ? 2 : 64, 1, 60'000);
  common.timeoutSeconds = line.number("--timeout", 2, 0.01, 600);
  common.warmup = line.number("--warmup", 0.5, 0, 600);
  common.seconds = line.number("--seconds", 2, 0.1, 600);
  const Role role = common.modeName == "pull"   ? Role::Source
                    : common.modeName == "push" ? Role::Sink
                                                : Role::Echo;
  const Target target =
      findTarget(line, parseSelfTest(line), [role](Shared& shared, sockaddr_in& address) {
        return listen(shared, address, play(shared, role));
      });
  return isStream ? runStreams(line, target, common) : runEchoes(line, target, common);
}

} // namespace
} // namespace sluice::load

int main(int count, char** values) {
  return sluice::load::run(count, values);
}
