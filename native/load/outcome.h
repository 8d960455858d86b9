// What the generators print in common, and the CPU time that they took for it themselves.
//
//   seconds, rate      of the sample: its length, and work completed in it for each second
//   busy, cpuSeconds   share of the sample that this program was on a CPU; all its CPU time
//   wrong … reconnected  struct Tally of load/clients.h, from start to end
//   tls                what was agreed on first, and how many handshakes there were from start to end,
//                      resumed ones among them
//   sampled            latencies in `latencyUs` and `histogram`: of the work completed in the sample
//                      or, in an open loop, of that which arrived in it and was answered at last
//   latencyUs          percentiles; open loop: counted from the intended instant
//   histogram          [upper bound in us, count], ascending, of the buckets that hold anything
//   arrivalLagUs       open loop: how late arrivals were noticed; is part of their latency
//   selfTest, ceiling, mirrorCpuSeconds  of a self-test: work for each CPU second of this program
//                      while sampling, and what the mirror took
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <cstdio>

#include "load/arrivals.h"
#include "load/clients.h"
#include "load/latency.h"

namespace sluice::load {

[[nodiscard]] inline double secondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// User and system time of this process, since it began.
[[nodiscard]] inline double cpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return secondsOf(usage.ru_utime) + secondsOf(usage.ru_stime);
}

/// The sample between two points in time.
class Sample {
 public:
  explicit Sample(std::uint64_t work) : work_(work), beganNs_(nowNs()), beganCpu_(cpuSeconds()) {}

  void end(std::uint64_t work) {
    work_ = work - work_;
    seconds_ = static_cast<double>(nowNs() - beganNs_) / 1e9;
    cpu_ = cpuSeconds() - beganCpu_;
  }

  [[nodiscard]] std::uint64_t work() const { return work_; }

  /// `rate` is work a second, `busy` the share of the time in which this program was on a CPU.
  void printJson() const {
    std::printf("\"seconds\":%.6f,\"rate\":%.3f,\"busy\":%.4f,\"cpuSeconds\":%.6f,", seconds_,
                static_cast<double>(work_) / seconds_, cpu_ / seconds_, cpuSeconds());
  }

  /// What this program could do a second with a CPU of its own and nobody to wait for.
  [[nodiscard]] double ceiling() const { return cpu_ > 0 ? static_cast<double>(work_) / cpu_ : 0; }

 private:
  std::uint64_t work_;
  std::uint64_t beganNs_;
  double beganCpu_;
  double seconds_ = 0;
  double cpu_ = 0;
};

inline void printCount(const char* name, std::uint64_t count) {
  std::printf("\"%s\":%llu,", name, static_cast<unsigned long long>(count));
}

inline void printArrival(const ArrivalShape& shape) {
  std::printf("\"arrival\":\"%s\",\"intendedRate\":", kArrivalNames[static_cast<int>(shape.kind)]);
  if (shape.isOpen()) {
    std::printf("%.3f,", shape.rate);
  } else {
    std::printf("null,");
  }
}

inline void printTally(const Tally& tally) {
  printCount("wrong", tally.wrong);
  printCount("lost", tally.lost);
  printCount("late", tally.late);
  printCount("closed", tally.closed);
  printCount("stalled", tally.stalled);
  printCount("dropped", tally.dropped);
  printCount("connectFailures", tally.connectFailures);
  printCount("handshakeFailures", tally.handshakeFailures);
  printCount("reconnected", tally.reconnected);
}

/// The end of the object. `latencies` are those of the sample, `lags` how late its arrivals were
/// noticed.
inline void printLatencies(const Latencies& latencies, const Latencies& lags,
                           const ArrivalShape& arrival, bool withHistogram) {
  printCount("sampled", latencies.count());
  if (arrival.isOpen()) {
    lags.printJson("arrivalLagUs");
    std::printf(",");
  }
  if (withHistogram) {
    latencies.printHistogram();
    std::printf(",");
  }
  latencies.printJson("latencyUs");
  std::printf("}\n");
}

} // namespace sluice::load
