// UDP load through a proxy: flows that keep a number of datagrams outstanding (closed loop), or send
// as they arrive (open loop), to an echo; load/udp_flows.h says how.
//
//   load-udp --to 127.0.0.1:9000 [--flows 64] [--outstanding 4] [--size 64] [--timeout 0.2]
//            [--warmup 0.5] [--seconds 2] [--histogram]
//            [--arrival closed|fixed|poisson] [--rate R] [--queue 65536] [--seed 1]
//   load-udp --self-test [--mirror-core N] …     the same against its own mirror, without --to
//
// Begins with a datagram there and back on each flow. Prints one JSON object. `totalEchoed` counts
// every right reply from start to end, for a caller who compares it with CPU time from start to
// end; `echoed`, `seconds` and latencies are those of the sample. Exit status 1: a wrong reply.
#include <cstdio>

#include "load/command_line.h"
#include "load/mirror.h"
#include "load/origin_udp.h"
#include "load/outcome.h"
#include "load/udp_flows.h"

namespace sluice::load {
namespace {

int run(int count, char** values) {
  raiseDescriptorLimit();
  CommandLine line(count, values);
  FlowsShape shape;
  shape.flows = line.count("--flows", 64, 1, 60'000);
  shape.outstanding = line.count("--outstanding", 4, 1, 1'024);
  shape.size = line.count("--size", 64, kMessageHead, 65'507);
  shape.timeoutSeconds = line.number("--timeout", 0.2, 0.01, 10);
  shape.arrival = parseArrival(line);
  const double warmup = line.number("--warmup", 0.5, 0, 600);
  const double seconds = line.number("--seconds", 2, 0.1, 600);
  const bool withHistogram = line.flag("--histogram");
  const Target target =
      findTarget(line, parseSelfTest(line),
                 [](Shared& shared, sockaddr_in& address) -> std::unique_ptr<Entry> {
                   return std::make_unique<UdpEcho>(shared, address);
                 });
  shape.to = target.address;
  line.refuseTheRest();

  Flows flows(shape);
  flows.check();
  flows.start();
  flows.runFor(warmup);
  flows.beginSample();
  Sample sample(flows.tally().answered);
  flows.runFor(seconds);
  flows.endSample();
  sample.end(flows.tally().answered);
  flows.finish();

  const Tally& tally = flows.tally();
  std::printf("{\"flows\":%u,\"outstanding\":%u,\"size\":%u,", shape.flows, shape.outstanding,
              shape.size);
  printArrival(shape.arrival);
  target.printJson(sample);
  sample.printJson();
  printCount("echoed", sample.work());
  printCount("totalEchoed", tally.answered);
  printTally(tally);
  printCount("doubled", flows.doubled());
  printCount("refused", flows.refused());
  printCount("notSent", flows.notSent());
  printLatencies(flows.latencies(), flows.lags(), shape.arrival, withHistogram);
  return tally.wrong == 0 ? 0 : 1;
}

} // namespace
} // namespace sluice::load

int main(int count, char** values) {
  return sluice::load::run(count, values);
}
